//! What `orlop agent status` shows, as JSON.

use super::Served;
use crate::pods::PodNumbers;
use pipeline::balance::Balance;
use pipeline::sampling::Rule;
use serde_json::{Value, json};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Everything.
pub(super) fn render(served: &Served) -> Value {
    let numbers = &served.shared.numbers;
    let (lines, tail) = numbers.published();
    let (files, left_out) = files(served);
    let sinks = sinks(served);
    let sampled: serde_json::Map<String, Value> = Rule::ALL
        .iter()
        .zip(&numbers.sampled_out)
        .map(|(rule, count)| (rule.name().to_owned(), count.get().into()))
        .collect();
    json!({
        "version": served.build.version,
        "uptime_seconds": served.started.elapsed().as_secs(),
        "config": served.config,
        "state_dir": served.state_dir,
        "ready": served.not_ready().is_none(),
        "not_ready": served.not_ready(),
        "healthy": served.shared.control.is_well(),
        "lines": lines.lines,
        "bytes": lines.bytes,
        "records": {
            "read": numbers.read.get(),
            "sampled_out": sampled,
            "rescued": numbers.rescued.get(),
            "given_up": numbers.given_up.get(),
            "unparsed": lines.unparsed,
        },
        "files": {
            "followed": tail.files,
            "unread_bytes": tail.lag_bytes,
            "unreadable": tail.unreadable,
            "deleted_bytes": tail.deleted_bytes,
            "possible_loss_bytes": tail.possible_loss_bytes,
            "dropped_bytes": tail.dropped_bytes,
            "spilled_bytes": numbers.spilled_bytes.get(),
            "memory_only_bytes": numbers.memory_only_bytes.get(),
            "shown": files,
            "left_out": left_out,
        },
        "pods": pods(served),
        "sinks": sinks,
        "reloads": {
            "done": numbers.reloads.get(),
            "refused": numbers.reload_failures.get(),
            "refused_now": numbers.refused(),
        },
        "checkpoints": {
            "written": numbers.checkpoints.get(),
            "failed": numbers.checkpoint_failures.get(),
        },
    })
}

/// What is known of pods; nothing when they are not watched.
fn pods(served: &Served) -> Option<Value> {
    let numbers = &served.shared.numbers;
    let tables = numbers.pods.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
    let PodNumbers { lists, events, failures, late, refused } = &*numbers.pod_numbers;
    (!tables.is_empty()).then(|| {
        json!({
            "known": tables.iter().map(|table| table.len()).sum::<usize>(),
            "listed": tables.iter().all(|table| table.is_synced()),
            "failing": tables.iter().find_map(|table| table.failing()),
            "lists": count(lists),
            "events": count(events),
            "failures": count(failures),
            "late_files": count(late),
            "refused": count(refused),
        })
    })
}

/// The files with most undelivered bytes, and how many more there are.
fn files(served: &Served) -> (Vec<Value>, usize) {
    let (files, left_out) = served.shared.control.files();
    let files = files
        .into_iter()
        .map(|file| {
            let of_sink = |(sink, balance): &(String, Balance)| (sink.clone(), balanced(balance));
            let records: serde_json::Map<String, Value> =
                file.balances.iter().map(of_sink).collect();
            json!({
                "records": records,
                "path": file.path,
                "input": file.input,
                "size": file.size,
                "read": file.offset,
                "delivered": file.committed,
                "deleted": file.deleted,
                "possible_loss_bytes": file.possible_loss_bytes,
            })
        })
        .collect();
    (files, left_out)
}

/// The parts of the equation, and whether it holds.
fn balanced(balance: &Balance) -> Value {
    let parts = crate::numbers::states(balance);
    let mut map: serde_json::Map<String, Value> =
        parts.into_iter().map(|(state, number)| (state.to_owned(), number.into())).collect();
    map.insert("exact".to_owned(), balance.is_exact().into());
    Value::Object(map)
}

fn sinks(served: &Served) -> Vec<Value> {
    let numbers = &served.shared.numbers;
    numbers
        .sinks()
        .iter()
        .map(|sink| {
            let failing = sink.failing().map(
                |(since, reason)| json!({"seconds": since.elapsed().as_secs(), "reason": reason}),
            );
            json!({
                "name": sink.name,
                "records": balanced(&sink.balances().total()),
                "sent": sink.sent.get(),
                "in_flight": sink.in_flight.get(),
                "quarantined": sink.quarantined.get(),
                "dead_letters": sink.letters.get(),
                "dead_letters_expired": sink.expired.get(),
                "oversize": sink.oversize.get(),
                "requests": sink.requests.get(),
                "failures": sink.failures.get(),
                "failing": failing,
                "silent_seconds": sink.silent(Instant::now()).map(|time| time.as_secs()),
            })
        })
        .collect()
}
