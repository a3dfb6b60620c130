//! The wanted revision, and nothing else, is asked for and read.

use super::*;

#[test]
fn gitops_15_branch_tag_and_commit_are_found_and_read() {
    let f = fixture();
    let first = f.repository.push(&[("a.yaml", b"1")], "first").unwrap();
    let second = f.repository.push(&[("b/c.yaml", b"2")], "second").unwrap();
    f.repository.tag("light", &first).unwrap();
    f.repository.annotated_tag("v1", &first).unwrap();
    assert_eq!(f.commit_of("HEAD"), second);
    assert_eq!(f.commit_of("main"), second);
    assert_eq!(f.commit_of("refs/heads/main"), second);
    assert_eq!(f.commit_of("light"), first);
    assert_eq!(f.commit_of("v1"), first);
    assert_eq!(f.commit_of(&first), first);
    let tree = f.fetch("main").unwrap();
    let files = content(&tree);
    assert_eq!(files, [("a.yaml".into(), "1".into()), ("b/c.yaml".into(), "2".into())]);
}

#[test]
fn gitops_15_a_reference_is_asked_for_by_its_exact_name() {
    let f = fixture();
    let first = f.repository.push(&[("a", b"1")], "first").unwrap();
    for number in 0..50 {
        f.repository.set_branch(&format!("other-{number}"), &first).unwrap();
    }
    f.repository.set_branch("main-2", &first).unwrap();
    f.fetch("main").unwrap();
    let requests = f.server.requests();
    let asked = requests.iter().find(|r| r.body.contains("command=ls-refs")).unwrap();
    let prefixes: Vec<_> =
        asked.body.match_indices("ref-prefix ").map(|(at, _)| &asked.body[at..]).collect();
    assert_eq!(prefixes.len(), 2, "{}", asked.body);
    assert!(prefixes[0].starts_with("ref-prefix refs/heads/main\n"));
    assert!(prefixes[1].starts_with("ref-prefix refs/tags/main\n"));
}

#[test]
fn a_missing_reference_names_those_that_are_near() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    let error = f.fetch("mian").unwrap_err();
    assert!(matches!(&error, RepoError::ReferenceNotFound { near, .. } if near == &["main"]));
    assert!(error.hint().unwrap().as_str().contains("main"));
    assert_eq!(error.retry(), Retry::Never);
}

#[test]
fn gitops_15_force_push_and_branch_deletion_are_followed() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    f.fetch("main").unwrap();
    let other = f.repository.force_push(&[("b", b"2")], "other").unwrap();
    let tree = f.fetch("main").unwrap();
    assert_eq!(tree.commit().unwrap().id, other);
    assert_eq!(content(&tree), [("b".into(), "2".into())]);
    f.repository.set_branch("side", &other).unwrap();
    f.fetch("side").unwrap();
    f.repository.delete_branch("side").unwrap();
    let error = f.fetch("side").unwrap_err();
    assert!(matches!(error, RepoError::ReferenceNotFound { .. }));
}

#[test]
fn gitops_15_a_large_file_is_left_at_the_server_or_refused() {
    for filter in ["true", "false"] {
        let f = fixture();
        f.repository.configure("uploadpack.allowFilter", filter).unwrap();
        let noise: Vec<u8> =
            (0..20_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_be_bytes()).collect();
        let at = &noise[..1000];
        f.repository.push(&[("at", at), ("large", &noise)], "first").unwrap();
        let mut spec = f.spec("main");
        spec.limits.file_bytes = 1000;
        let tree = f.run(&spec).unwrap();
        let listing = tree.list(&GO).unwrap();
        assert!(listing.complete);
        assert_eq!(tree.read(&listing.entries[0]).unwrap(), at);
        let error = tree.read(&listing.entries[1]).unwrap_err();
        let refused = matches!(
            error,
            RepoError::FileRefused { refusal: Refusal::TooLarge { limit: 1000, .. }, .. }
        );
        assert!(refused, "{error}");
        assert_eq!(packed_objects(f.cache.path()), if filter == "true" { 3 } else { 4 });
    }
}

#[test]
fn a_pack_is_received_up_to_the_limit_and_not_beyond() {
    let f = fixture();
    let noise: Vec<u8> =
        (0..9_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_be_bytes()).collect();
    f.repository.push(&[("noise", &noise)], "first").unwrap();
    let largest = AtomicUsize::new(0);
    let size = {
        let see = |step| {
            if let Step::Receive { bytes } = step {
                largest.fetch_max(usize::try_from(bytes).unwrap(), Ordering::Relaxed);
            }
        };
        fetch(&f.spec("main"), f.cache.path(), &GO, &see).unwrap();
        u64::try_from(largest.load(Ordering::Relaxed)).unwrap()
    };
    for (limit, fits) in [(size, true), (size - 1, false)] {
        let cache = tempfile::tempdir().unwrap();
        let mut spec = f.spec("main");
        spec.limits.pack_bytes = limit;
        match fetch(&spec, cache.path(), &GO, &|_| {}) {
            Ok(_) => assert!(fits),
            Err(RepoError::PackTooLarge { .. }) => assert!(!fits),
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[test]
fn a_pack_is_unpacked_up_to_the_limit_and_not_beyond() {
    let f = fixture();
    let id = f.repository.push(&[("a", &[b'x'; 50_000])], "first").unwrap();
    let size = |name: &str| -> u64 {
        f.repository.git(&["cat-file", "-s", name], &[]).unwrap().parse().unwrap()
    };
    let all = size(&id) + size(&format!("{id}^{{tree}}")) + 50_000;
    for (limit, fits) in [(all, true), (all - 1, false)] {
        let cache = tempfile::tempdir().unwrap();
        let mut spec = f.spec("main");
        spec.limits.content_bytes = limit;
        match fetch(&spec, cache.path(), &GO, &|_| {}) {
            Ok(_) => assert!(fits),
            Err(RepoError::PackTooLarge { .. }) => assert!(!fits),
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[test]
fn an_object_is_unpacked_up_to_the_limit_and_not_beyond() {
    let f = fixture();
    f.repository.push(&[("a", &[b'x'; 50_000])], "first").unwrap();
    for (limit, fits) in [(50_000, true), (49_999, false)] {
        let cache = tempfile::tempdir().unwrap();
        let mut spec = f.spec("main");
        spec.limits.object_bytes = limit;
        match fetch(&spec, cache.path(), &GO, &|_| {}) {
            Ok(_) => assert!(fits),
            Err(error) => {
                assert!(!fits, "{error:?}");
                let told = matches!(error, RepoError::ObjectTooLarge { bytes: 50_000, .. });
                assert!(told, "{error:?}");
            }
        }
    }
}

#[test]
fn an_old_server_without_protocol_2_is_understood() {
    let f = fixture_with(&GitServerOptions { old_protocol: true, ..GitServerOptions::default() });
    let first = f.repository.push(&[("a", b"1")], "first").unwrap();
    f.repository.annotated_tag("v1", &first).unwrap();
    assert_eq!(content(&f.fetch("main").unwrap()), [("a".into(), "1".into())]);
    f.repository.push(&[("a", b"2")], "second").unwrap();
    assert_eq!(f.commit_of("v1"), first);
    assert_eq!(content(&f.fetch("main").unwrap()), [("a".into(), "2".into())]);
    let hidden = f.repository.force_push(&[("b", b"3")], "third").unwrap();
    f.repository.force_push(&[("b", b"4")], "fourth").unwrap();
    let error = f.fetch(&hidden).unwrap_err();
    assert!(matches!(error, RepoError::CommitNotFound { .. }), "{error:?}");
    assert!(matches!(f.fetch("mian").unwrap_err(), RepoError::ReferenceNotFound { .. }));
}

#[test]
fn an_empty_repository_has_no_default_branch_yet() {
    let f = fixture();
    let error = f.fetch("HEAD").unwrap_err();
    assert!(matches!(error, RepoError::ReferenceNotFound { .. }), "{error:?}");
}

#[test]
fn a_submodule_link_and_odd_entries_survive_the_wire() {
    let f = fixture();
    let changes = [
        Change::File("a", b"1"),
        Change::Link("l", "a"),
        Change::Submodule("s", "0123456789abcdef0123456789abcdef01234567"),
    ];
    f.repository.commit("main", &changes, "first").unwrap();
    let tree = f.fetch("main").unwrap();
    assert_eq!(content(&tree), [("a".into(), "1".into()), ("l".into(), "1".into())]);
    assert!(!tree.list(&GO).unwrap().complete);
}

#[test]
fn the_default_limits_are_the_documented_constants() {
    let limits = Limits::default();
    assert_eq!(limits.file_bytes, repo::FILE_BYTES_MAX);
    assert_eq!(limits.pack_bytes, repo::PACK_BYTES_MAX);
    assert_eq!(limits.references, repo::REFERENCES_MAX);
    assert_eq!(limits.range_commits, repo::RANGE_COMMITS_MAX);
    assert_eq!(limits.stall_timeout, repo::STALL_TIMEOUT);
    assert_eq!(limits.patience, repo::PATIENCE);
    assert_eq!(limits.bytes_per_second, repo::PACE_BYTES_PER_SECOND);
    assert_eq!(limits.content_bytes, repo::PACK_CONTENT_BYTES_MAX);
}
