//! Whether the longest line of each input fits into the batches of each server.
//!
//! Batches share half of the memory: each sink has as many as may be under way and two more (one
//! that is filled, one that is compressed), and each is there twice while it is sent, encoded and
//! as a body. A line that fits into no batch would be left out, so such a config is refused.
//! Files and standard output take a line of any length.

use super::defaults::*;
use super::{Config, Sink, SinkKind};
use model::ByteSize;

/// Batches of a sink beside those under way.
const MORE_BATCHES: usize = 2;
/// A batch is there twice while it is sent.
const COPIES: usize = 2;
/// Room in a batch for what a record has beside its line: names, attributes, times, in bytes.
pub(crate) const RECORD_BYTES_MORE: u64 = 16 * 1024;

/// Requests of a sink under way at once.
fn in_flight(sink: &Sink) -> usize {
    match &sink.kind {
        SinkKind::OtlpHttp(remote) | SinkKind::OtlpGrpc(remote) | SinkKind::Loki(remote, _) => {
            remote.in_flight
        }
        SinkKind::File(_) | SinkKind::Stdout(_) => 1,
    }
}

/// Into how many parts the memory is divided, of which each batch of this sink has one.
fn parts(sink: &Sink, config: &Config) -> u64 {
    let batches = (in_flight(sink) + MORE_BATCHES) * COPIES;
    2 * config.sinks.len().max(1) as u64 * batches as u64
}

/// A sink whose batches fit into its part of the memory.
pub(crate) fn within_memory(sink: &Sink, config: &Config) -> Sink {
    let part = usize::try_from(config.memory_max_bytes / parts(sink, config));
    let most = usize::try_from(BATCH_BYTES_MIN).unwrap_or(usize::MAX);
    let mut sink = sink.clone();
    sink.batch.bytes = sink.batch.bytes.min(part.unwrap_or(usize::MAX).max(most));
    sink
}

/// A sink whose batches are too small.
pub(crate) struct Misfit {
    pub(crate) sink: String,
    /// What does not fit, and what is to be changed.
    pub(crate) reason: String,
}

/// The sinks into whose batches the longest line does not fit.
pub(crate) fn misfits(config: &Config) -> Vec<Misfit> {
    let bounds = config.inputs.iter().map(|input| input.reading.line_max_bytes);
    let Some((index, longest)) = (0..).zip(bounds).max_by_key(|(_, bytes)| *bytes) else {
        return Vec::new();
    };
    let needed = longest + RECORD_BYTES_MORE;
    let mut misfits = Vec::new();
    for (number, sink) in (0..).zip(&config.sinks) {
        let batch = within_memory(sink, config).batch.bytes as u64;
        if batch >= needed || matches!(sink.kind, SinkKind::File(_) | SinkKind::Stdout(_)) {
            continue;
        }
        let mut raise = Vec::new();
        if (sink.batch.bytes as u64) < needed {
            raise.push(format!("`sinks[{number}].batch.bytes` to at least {}", said(needed)));
        }
        let memory = needed * parts(sink, config);
        if config.memory_max_bytes < memory {
            raise.push(format!("`memory_max_bytes` to at least {}", said(memory)));
        }
        let lower = batch.saturating_sub(RECORD_BYTES_MORE);
        let lower = match lower >= LINE_MAX_BYTES_MIN {
            true => format!(", or lower `inputs[{index}].line_max_bytes` to {}", said(lower)),
            false => String::new(),
        };
        let reason = format!(
            "a line of `inputs[{index}].line_max_bytes` ({}) fits into no batch of `sinks[{number}]` \
             ({}): raise {}{lower}",
            ByteSize(longest),
            ByteSize(batch),
            raise.join(" and "),
        );
        misfits.push(Misfit { sink: sink.name.clone(), reason });
    }
    misfits
}

/// A size exactly as it can be written into the file.
fn said(bytes: u64) -> String {
    match bytes {
        bytes if bytes.is_multiple_of(1 << 20) => format!("{}Mi", bytes >> 20),
        bytes if bytes.is_multiple_of(1 << 10) => format!("{}Ki", bytes >> 10),
        bytes => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    fn config(memory: &str, line: &str, batch: &str) -> String {
        format!(
            "memory_max_bytes: {memory}\ninputs:\n  - {{type: files, paths: [/a]}}\n  \
             - {{type: files, paths: [/b], line_max_bytes: {line}}}\nsinks:\n  \
             - {{type: otlp_http, endpoint: 'http://a', batch: {{bytes: {batch}}}}}\n"
        )
    }

    fn refusal(text: &str) -> String {
        let mistakes = parse(text).unwrap_err();
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        mistakes[0].message.clone()
    }

    #[test]
    fn r14_a_line_that_fits_into_no_batch_is_refused_and_the_named_values_are_the_smallest() {
        let line = "inputs[1].line_max_bytes";
        assert_eq!(
            refusal(&config("8Mi", "2Mi", "4Mi")),
            format!(
                "a line of `{line}` (2 MiB) fits into no batch of `sinks[0]` (512 KiB): raise \
                 `memory_max_bytes` to at least 33024Ki, or lower `{line}` to 496Ki"
            )
        );
        // One byte less than is named is refused, what is named is taken.
        assert!(parse(&config("33024Ki", "2Mi", "4Mi")).is_ok());
        assert!(refusal(&config("33816575", "2Mi", "4Mi")).contains("at least 33024Ki"));
        let both = refusal(&config("8Mi", "2Mi", "1Mi"));
        assert!(
            both.contains("`sinks[0].batch.bytes` to at least 2064Ki and `memory_max"),
            "{both}"
        );
        assert!(parse(&config("33024Ki", "2Mi", "2064Ki")).is_ok());
        assert!(refusal(&config("33024Ki", "2Mi", "2113535")).contains("at least 2064Ki"));
    }

    #[test]
    fn r14_the_bound_that_is_named_for_a_line_is_the_largest_that_fits() {
        let text = |line| config("8Mi", line, "4Mi").replace("[/a]", "[/a], line_max_bytes: 1Ki");
        assert!(parse(&text("496Ki")).is_ok());
        assert!(refusal(&text("507905")).contains("lower `inputs[1].line_max_bytes` to 496Ki"));
    }

    #[test]
    fn r14_every_sink_takes_part_and_files_take_any_line() {
        let remote = "  - {type: loki, name: NAME, endpoint: 'http://a'}\n";
        let four: String = (0..4).map(|n| remote.replace("NAME", &format!("s{n}"))).collect();
        let mistakes = parse(&format!("sinks:\n{four}")).unwrap_err();
        assert_eq!((mistakes.len(), mistakes[0].line), (4, 1));
        assert!(mistakes[0].message.contains("at least 65Mi"), "{}", mistakes[0].message);
        assert!(parse(&format!("memory_max_bytes: 65Mi\nsinks:\n{four}")).is_ok());
        let file = "memory_max_bytes: 8Mi\nsinks: [{type: file, path: /a}, {type: stdout}]\n";
        assert!(parse(file).is_ok());
    }
}
