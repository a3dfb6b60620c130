//! Dependencies between GitSyncs: a graph without circles, and why one of them waits.
//!
//! No recursion: a chain may be as long as there are GitSyncs.

use crate::spec::{ConditionStatus, GitSync, SyncKey, condition};
use std::collections::{BTreeMap, BTreeSet};

/// Links of a chain that are told.
pub const CHAIN_MAX: usize = 20;

/// Each GitSync with those that it depends on; one that is not there has no entry.
pub type Graph = BTreeMap<SyncKey, Vec<SyncKey>>;

/// A circle that is reached from `start`, with its first member again at the end. A GitSync that
/// only leads to a circle waits as long as one in it.
#[must_use]
pub fn find_cycle(graph: &Graph, start: &SyncKey) -> Option<Vec<SyncKey>> {
    let mut done: BTreeSet<&SyncKey> = BTreeSet::new();
    // Each node on the way with the position of its next dependency.
    let mut way: Vec<(&SyncKey, usize)> = vec![(start, 0)];
    let mut on_way: BTreeSet<&SyncKey> = BTreeSet::from([start]);
    while let Some((node, next)) = way.last_mut() {
        let below = graph.get(*node).and_then(|list| list.get(*next));
        *next += 1;
        match below {
            None => {
                done.insert(node);
                on_way.remove(*node);
                way.pop();
            }
            Some(below) if on_way.contains(below) => {
                let circle = way.iter().map(|(node, _)| *node).skip_while(|node| *node != below);
                return Some(circle.chain([below]).cloned().collect());
            }
            Some(below) if done.contains(below) => {}
            Some(below) => {
                on_way.insert(below);
                way.push((below, 0));
            }
        }
    }
    None
}

/// A circle in words: `a/x -> a/y -> a/x`.
#[must_use]
pub fn print_cycle(cycle: &[SyncKey]) -> String {
    let names: Vec<String> = cycle.iter().take(CHAIN_MAX).map(ToString::to_string).collect();
    let more = cycle.len().saturating_sub(CHAIN_MAX);
    let rest = if more > 0 { format!(" -> ({more} more)") } else { String::new() };
    format!("{}{rest}", names.join(" -> "))
}

/// Why another GitSync is not ready by its own conditions; none when it is.
///
/// The condition must speak of the newest generation: an older one is true of something else.
#[must_use]
pub fn not_ready(other: Option<&GitSync>) -> Option<String> {
    let Some(other) = other else { return Some("there is no such GitSync".to_owned()) };
    if other.spec.suspend {
        return Some("it is suspended".to_owned());
    }
    let ready = other.status.as_ref().and_then(|status| status.condition(condition::READY));
    let Some(ready) = ready else { return Some("it has no status yet".to_owned()) };
    if ready.observed_generation != other.metadata.generation {
        return Some("its newest spec was not delivered yet".to_owned());
    }
    match ready.status {
        ConditionStatus::True => None,
        _ if ready.message.is_empty() => Some(ready.reason.clone()),
        _ => Some(format!("{}: {}", ready.reason, ready.message)),
    }
}

/// Why a GitSync waits, link by link down to the one that is to be mended: each with its reason,
/// at most [`CHAIN_MAX`]. `reason` gives none for one that is ready.
#[must_use]
pub fn why_blocked(
    graph: &Graph,
    start: &SyncKey,
    reason: impl Fn(&SyncKey) -> Option<String>,
) -> Vec<(SyncKey, String)> {
    let mut chain = Vec::new();
    let mut seen = BTreeSet::from([start.clone()]);
    let mut node = start;
    while chain.len() < CHAIN_MAX {
        let below = graph.get(node).into_iter().flatten();
        let Some((next, why)) = below.filter_map(|key| Some((key, reason(key)?))).next() else {
            break;
        };
        chain.push((next.clone(), why));
        if !seen.insert(next.clone()) {
            break;
        }
        node = next;
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Condition, Status};
    use proptest::prelude::*;

    fn key(name: &str) -> SyncKey {
        SyncKey::new("a", name)
    }

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        edges.iter().map(|(n, below)| (key(n), below.iter().map(|b| key(b)).collect())).collect()
    }

    #[test]
    fn a_circle_is_found_and_named_also_from_outside_of_it() {
        let graph = graph(&[("w", &["x"]), ("x", &["q", "y"]), ("y", &["z"]), ("z", &["x"])]);
        let cycle = find_cycle(&graph, &key("w")).unwrap();
        assert_eq!(print_cycle(&cycle), "a/x -> a/y -> a/z -> a/x");
        assert_eq!(find_cycle(&graph, &key("q")), None);
        let long: Vec<SyncKey> = (0..30).map(|n| key(&n.to_string())).collect();
        assert!(print_cycle(&long).ends_with("a/19 -> (10 more)"));
    }

    #[test]
    fn a_diamond_is_no_circle_and_a_long_chain_is_walked() {
        let diamond = graph(&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"])]);
        assert_eq!(find_cycle(&diamond, &key("a")), None);
        let long: Graph =
            (0..50_000).map(|n| (key(&n.to_string()), vec![key(&(n + 1).to_string())])).collect();
        assert_eq!(find_cycle(&long, &key("0")), None);
    }

    #[test]
    fn the_chain_of_reasons_ends_at_the_one_to_mend() {
        let graph = graph(&[("web", &["ready", "api"]), ("api", &["db"]), ("db", &[])]);
        let reason = |key: &SyncKey| match key.name.as_str() {
            "api" => Some("waits".to_owned()),
            "db" => Some("broken".to_owned()),
            _ => None,
        };
        let chain = why_blocked(&graph, &key("web"), reason);
        assert_eq!(chain, [(key("api"), "waits".to_owned()), (key("db"), "broken".to_owned())]);
    }

    #[test]
    fn a_dependency_is_ready_only_by_a_condition_of_its_newest_generation() {
        let mut other = GitSync::default();
        assert_eq!(not_ready(None).unwrap(), "there is no such GitSync");
        assert_eq!(not_ready(Some(&other)).unwrap(), "it has no status yet");
        let observed_generation = Some(1);
        let ready = Condition {
            r#type: "Ready".into(),
            status: ConditionStatus::True,
            observed_generation,
            ..Condition::default()
        };
        other.status = Some(Status { conditions: vec![ready], ..Status::default() });
        other.metadata.generation = Some(2);
        assert_eq!(not_ready(Some(&other)).unwrap(), "its newest spec was not delivered yet");
        other.metadata.generation = Some(1);
        assert_eq!(not_ready(Some(&other)), None);
        other.spec.suspend = true;
        assert_eq!(not_ready(Some(&other)).unwrap(), "it is suspended");
    }

    proptest! {
        #[test]
        fn a_graph_has_a_circle_exactly_when_it_cannot_be_sorted(
            edges in prop::collection::vec((0_u8..7, 0_u8..7), 0..14),
        ) {
            let mut graph = Graph::new();
            for (from, to) in &edges {
                graph.entry(key(&from.to_string())).or_default().push(key(&to.to_string()));
            }
            // Kahn: take away what depends on nothing that is left.
            let mut left: BTreeSet<u8> = (0..7).collect();
            while let Some(free) = left.iter().copied().find(|n| {
                !edges.iter().any(|(from, to)| from == n && left.contains(to))
            }) {
                left.remove(&free);
            }
            let found = (0..7).any(|n| find_cycle(&graph, &key(&n.to_string())).is_some());
            prop_assert_eq!(found, !left.is_empty());
            for n in 0..7_u8 {
                if let Some(cycle) = find_cycle(&graph, &key(&n.to_string())) {
                    prop_assert_eq!(cycle.first(), cycle.last());
                    for pair in cycle.windows(2) {
                        prop_assert!(graph[&pair[0]].contains(&pair[1]));
                    }
                }
            }
        }
    }
}
