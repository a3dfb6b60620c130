use super::*;
use objects::GroupVersionKind;
use serde_json::json;
use std::collections::HashMap;

fn pods() -> Resource {
    Resource {
        gvk: GroupVersionKind::from_api_version("v1", "Pod"),
        plural: "pods".to_owned(),
        singular: "pod".to_owned(),
        short_names: Vec::new(),
        namespaced: true,
        verbs: Vec::new(),
        subresources: Vec::new(),
    }
}

fn pod(name: &str, uid: &str, version: &str) -> Object {
    let metadata = json!({"name": name, "namespace": "a", "uid": uid, "resourceVersion": version});
    Object::from_value(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})).unwrap()
}

fn told(events: &[WatchEvent]) -> String {
    let one = |event: &WatchEvent| match event {
        WatchEvent::Added(object) => format!("+{}", object.name()),
        WatchEvent::Modified(object) => format!("~{}", object.name()),
        WatchEvent::Deleted(gone) => format!("-{}/{}", gone.id.name, gone.uid),
        WatchEvent::Synced => "=".to_owned(),
    };
    events.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// Plays one list to the tracker.
fn list(tracker: &mut Tracker, objects: &[Object]) -> String {
    tracker.begin();
    let mut events: Vec<WatchEvent> =
        objects.iter().flat_map(|object| tracker.seen(object.clone())).collect();
    events.extend(tracker.end());
    told(&events)
}

#[test]
fn gitops_20_what_went_away_in_a_gap_is_reported_as_deleted() {
    let mut tracker = Tracker::new(pods());
    assert_eq!(list(&mut tracker, &[pod("a", "1", "5"), pod("b", "2", "6")]), "+a +b");
    assert_eq!(list(&mut tracker, &[pod("a", "1", "5"), pod("c", "3", "9")]), "+c -b/2");
    assert_eq!(list(&mut tracker, &[pod("a", "1", "7"), pod("c", "3", "9")]), "~a");
    assert_eq!(list(&mut tracker, &[]), "-a/1 -c/3");
}

#[test]
fn a_name_that_was_taken_by_a_new_object_is_a_deletion_and_an_addition() {
    let mut tracker = Tracker::new(pods());
    list(&mut tracker, &[pod("a", "1", "5")]);
    assert_eq!(list(&mut tracker, &[pod("a", "2", "8")]), "-a/1 +a");
    // A late event about the old one changes nothing.
    assert_eq!(told(&tracker.removed(pod("a", "1", "7"))), "");
    assert_eq!(told(&tracker.removed(pod("a", "2", "9"))), "-a/2");
    assert_eq!(told(&tracker.removed(pod("a", "2", "9"))), "");
}

#[test]
fn a_list_that_was_begun_anew_counts_only_its_last_reading() {
    let mut tracker = Tracker::new(pods());
    list(&mut tracker, &[pod("a", "1", "5"), pod("b", "2", "6")]);
    tracker.begin();
    tracker.seen(pod("b", "2", "6"));
    // The continue token got too old; meanwhile b went away.
    tracker.begin();
    tracker.seen(pod("a", "1", "5"));
    assert_eq!(told(&tracker.end()), "-b/2");
}

#[test]
fn an_event_that_repeats_the_known_state_is_not_reported_again() {
    let mut tracker = Tracker::new(pods());
    list(&mut tracker, &[pod("a", "1", "5")]);
    assert_eq!(told(&tracker.seen(pod("a", "1", "5"))), "");
    assert_eq!(told(&tracker.seen(pod("a", "1", "6"))), "~a");
}

#[test]
fn lines_are_whole_however_the_bytes_arrive() {
    let text = b"{\"a\":1}\n\n{\"b\":\"x\"}\nrest";
    for size in 1..text.len() {
        let mut lines = Lines::default();
        let mut got = Vec::new();
        for chunk in text.chunks(size) {
            lines.push(chunk);
            while let Some(line) = lines.next() {
                got.push(String::from_utf8(line).unwrap());
            }
        }
        assert_eq!(got, ["{\"a\":1}", "{\"b\":\"x\"}"]);
        assert_eq!(lines.waiting(), 4);
    }
}

proptest::proptest! {
    /// The reader's picture after any history of lists and events equals the server's.
    #[test]
    fn the_reader_always_ends_with_what_exists(
        steps in proptest::collection::vec((0u8..4, 0u8..4, proptest::bool::ANY), 0..60)
    ) {
        let mut tracker = Tracker::new(pods());
        let mut server: HashMap<String, (String, String)> = HashMap::new();
        let mut reader: HashMap<String, String> = HashMap::new();
        let mut version = 0_u32;
        let mut apply = |events: Vec<WatchEvent>| {
            for event in events {
                match event {
                    WatchEvent::Added(object) => {
                        let uid = object.uid().unwrap().into();
                        let before = reader.insert(object.name().into(), uid);
                        assert_eq!(before, None, "added twice");
                    }
                    WatchEvent::Modified(object) => {
                        assert_eq!(reader.get(object.name()).map(String::as_str), object.uid());
                    }
                    WatchEvent::Deleted(gone) => {
                        assert_eq!(reader.remove(&gone.id.name), Some(gone.uid));
                    }
                    WatchEvent::Synced => {}
                }
            }
            reader.clone()
        };
        for (what, which, seen) in steps {
            version += 1;
            let name = format!("p{which}");
            let events = match what {
                0 | 1 => {
                    let uid = server.get(&name).map_or(format!("u{version}"), |(uid, _)| uid.clone());
                    server.insert(name.clone(), (uid.clone(), version.to_string()));
                    seen.then(|| tracker.seen(pod(&name, &uid, &version.to_string())))
                }
                2 => {
                    let gone = server.remove(&name);
                    let version = version.to_string();
                    gone.filter(|_| seen)
                        .map(|(uid, _)| tracker.removed(pod(&name, &uid, &version)))
                }
                _ => None,
            };
            if let Some(events) = events {
                apply(events);
            }
        }
        tracker.begin();
        let mut events = Vec::new();
        for (name, (uid, version)) in &server {
            events.extend(tracker.seen(pod(name, uid, version)));
        }
        events.extend(tracker.end());
        let reader = apply(events);
        let expected: HashMap<String, String> =
            server.into_iter().map(|(name, (uid, _))| (name, uid)).collect();
        proptest::prop_assert_eq!(reader, expected);
    }
}
