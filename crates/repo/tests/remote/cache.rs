//! The cache: incremental, shared by processes, and never trusted more than it deserves.

use super::*;

#[test]
fn only_one_commit_is_fetched_however_long_the_history_is() {
    let f = fixture();
    let mut commits = Vec::new();
    for number in 0..5 {
        let text = format!("{number}");
        commits.push(f.repository.push(&[("a", text.as_bytes())], "change").unwrap());
    }
    f.fetch("main").unwrap();
    let request = f.server.requests().pop().unwrap();
    assert!(request.body.contains("deepen 1\n"), "{}", request.body);
    assert_eq!(packed_objects(f.cache.path()), 3, "one commit, one tree, one file");
}

#[test]
fn a_second_fetch_receives_only_what_is_new_and_none_when_nothing_is() {
    let f = fixture();
    let files: Vec<_> = (0..20).map(|n| (format!("f{n}"), format!("text {n}"))).collect();
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
    f.repository.push(&files, "first").unwrap();
    f.fetch("main").unwrap();
    assert_eq!(packed_objects(f.cache.path()), 22);
    f.server.forget_requests();
    f.fetch("main").unwrap();
    assert!(f.server.requests().iter().all(|r| !r.body.contains("command=fetch")));
    f.repository.push(&[("f3", b"changed")], "second").unwrap();
    let tree = f.fetch("main").unwrap();
    assert!(content(&tree).contains(&("f3".into(), "changed".into())));
    assert!(content(&tree).contains(&("f4".into(), "text 4".into())));
    assert!(packed_objects(f.cache.path()) <= 22 + 4, "{}", packed_objects(f.cache.path()));
}

/// A server that is not told where our history ends takes all older objects for known.
#[test]
fn gitops_15_a_revert_to_what_was_never_fetched_is_whole() {
    for filter in ["true", "false"] {
        let f = fixture();
        f.repository.configure("uploadpack.allowFilter", filter).unwrap();
        f.repository.push(&[("d/a", b"old"), ("b", b"1")], "first").unwrap();
        f.repository.push(&[("d/a", b"new")], "second").unwrap();
        f.fetch("main").unwrap();
        f.repository.push(&[("d/a", b"old")], "revert").unwrap();
        let tree = f.fetch("main").unwrap();
        assert!(content(&tree).contains(&("d/a".into(), "old".into())));
    }
}

#[test]
fn gitops_15_going_back_and_forth_between_branches_is_whole_each_time() {
    let f = fixture();
    let first = f.repository.push(&[("a", b"1"), ("b", b"1")], "first").unwrap();
    f.repository.set_branch("side", &first).unwrap();
    for number in 0..6 {
        let text = format!("main {number}");
        f.repository.push(&[("a", text.as_bytes())], "main").unwrap();
        let side = format!("side {number}");
        let change = [Change::File("b", side.as_bytes())];
        f.repository.commit("side", &change, "side").unwrap();
        assert!(content(&f.fetch("main").unwrap()).contains(&("a".into(), text)));
        assert!(content(&f.fetch("side").unwrap()).contains(&("b".into(), side)));
    }
    f.repository.set_branch("main", &first).unwrap();
    assert!(content(&f.fetch("main").unwrap()).contains(&("a".into(), "1".into())));
}

#[test]
fn many_at_once_share_one_cache() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    std::thread::scope(|scope| {
        let all: Vec<_> =
            (0..8).map(|_| scope.spawn(|| content(&f.fetch("main").unwrap()))).collect();
        for one in all {
            assert_eq!(one.join().unwrap(), [("a".into(), "1".into())]);
        }
    });
    assert_eq!(packed_objects(f.cache.path()), 3, "fetched once");
}

#[test]
fn a_damaged_cache_is_made_afresh() {
    for ending in [".pack", ".idx", "/state", "/shallow"] {
        let f = fixture();
        f.repository.push(&[("d/a", b"1")], "first").unwrap();
        f.fetch("main").unwrap();
        for path in files(f.cache.path(), ending) {
            overwrite(&path, b"garbage");
        }
        f.repository.push(&[("d/a", b"2")], "second").unwrap();
        let tree = f.fetch("main").unwrap();
        assert_eq!(content(&tree), [("d/a".into(), "2".into())], "{ending}");
        drop(tree);
        assert_eq!(content(&f.fetch("main").unwrap()), [("d/a".into(), "2".into())]);
    }
}

#[test]
fn what_a_crash_leaves_behind_does_not_matter() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    f.fetch("main").unwrap();
    let shallow = files(f.cache.path(), "/state").remove(0);
    let generation = shallow.parent().unwrap();
    for name in ["shallow.lock", "state.new", "objects/pack/.tmp123", "objects/pack/tmp_pack"] {
        std::fs::write(generation.join(name), "half").unwrap();
    }
    f.repository.push(&[("a", b"2")], "second").unwrap();
    assert_eq!(content(&f.fetch("main").unwrap()), [("a".into(), "2".into())]);
    assert!(files(f.cache.path(), "tmp_pack").is_empty());
}

#[test]
fn a_tree_is_readable_while_another_fetch_makes_the_cache_afresh() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    let tree = f.fetch("main").unwrap();
    std::fs::remove_file(files(f.cache.path(), "/state").remove(0)).unwrap();
    f.repository.push(&[("a", b"2")], "second").unwrap();
    let second = f.fetch("main").unwrap();
    assert_eq!(content(&tree), [("a".into(), "1".into())]);
    assert_eq!(content(&second), [("a".into(), "2".into())]);
    drop(tree);
    until_one_generation_is_left(&f);
}

/// A fetch lets go of what nobody reads. A program that another test of this process starts holds
/// our locks, too, until it is executed: then a later fetch does it.
fn until_one_generation_is_left(f: &Fixture) {
    let is_alone = |_| {
        f.fetch("main").unwrap();
        files(f.cache.path(), "/use.lock").len() == 1
    };
    assert!((0..100).any(is_alone), "the old generation is there");
}

#[test]
fn packs_are_gathered_up_to_the_limit_and_then_made_into_one_without_asking_the_server() {
    let f = fixture();
    let noise: Vec<u8> =
        (0..20_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_be_bytes()).collect();
    f.repository.push(&[("noise", &noise), ("d/b", b"1")], "first").unwrap();
    f.fetch("main").unwrap();
    let received = AtomicUsize::new(0);
    let see = |step| {
        if let Step::Receive { bytes } = step {
            received.fetch_max(usize::try_from(bytes).unwrap(), Ordering::Relaxed);
        }
    };
    let mut before = None;
    for number in 0..40 {
        let text = format!("{number}");
        f.repository.push(&[("a", text.as_bytes())], "change").unwrap();
        let tree = fetch(&f.spec("main"), f.cache.path(), &GO, &see).unwrap();
        let files_now = content_but(&tree, "noise");
        assert_eq!(files_now, [("a".into(), text), ("d/b".into(), "1".into())]);
        assert!(files(f.cache.path(), ".pack").len() <= 2 * 17, "one generation more is read");
        before = before.or(Some(tree));
    }
    assert!(received.load(Ordering::Relaxed) < 10_000, "the large file came once");
    // Who still reads an old revision goes on doing so.
    assert_eq!(content_but(&before.unwrap(), "noise")[0].1, "0");
    until_one_generation_is_left(&f);
    // What no tip leads to is gone: 40 changes have three objects each, eight tips are kept.
    assert!(packed_objects(f.cache.path()) < 90, "{}", packed_objects(f.cache.path()));
}

/// All small files.
fn content_but(tree: &Tree, left_out: &str) -> Vec<(String, String)> {
    let entries = tree.list(&GO).unwrap().entries;
    let read = |entry| String::from_utf8(tree.read(entry).unwrap()).unwrap();
    let chosen = entries.iter().filter(|entry| entry.path != left_out);
    chosen.map(|entry| (entry.path.clone(), read(entry))).collect()
}

#[test]
fn garbage_after_force_pushes_is_bounded_in_objects_and_in_bytes() {
    let f = fixture();
    for number in 0..40_u32 {
        let noise: Vec<u8> = (0..10_000_u32)
            .flat_map(|n| {
                (n.wrapping_mul(2_654_435_761) ^ number.wrapping_mul(40_503)).to_be_bytes()
            })
            .collect();
        let texts: Vec<_> = (0..20).map(|n| (format!("f{n}"), format!("{number} {n}"))).collect();
        let mut all: Vec<(&str, &[u8])> =
            texts.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
        all.push(("noise", &noise));
        f.repository.force_push(&all, "other").unwrap();
        let mut spec = f.spec("main");
        spec.limits.pack_bytes = 100_000;
        assert_eq!(f.run(&spec).unwrap().list(&GO).unwrap().entries.len(), 21);
        let packs = files(f.cache.path(), ".pack");
        let bytes: u64 = packs.iter().map(|path| std::fs::metadata(path).unwrap().len()).sum();
        assert!(bytes <= 300_000, "{bytes}");
    }
    assert!(packed_objects(f.cache.path()) < 23 * 18);
}

#[test]
fn a_local_repository_is_read_in_place_without_a_cache() {
    let f = fixture();
    let first = f.repository.push(&[("a", b"1")], "first").unwrap();
    f.repository.annotated_tag("v1", &first).unwrap();
    for url in [
        f.repository.path().display().to_string(),
        format!("file://{}", f.repository.path().display()),
    ] {
        for reference in ["", "main", "v1", &first] {
            let spec =
                Fetch::new(RepoUrl::parse(&url).unwrap(), Reference::parse(reference).unwrap());
            let tree = f.run(&spec).unwrap();
            assert_eq!(content(&tree), [("a".into(), "1".into())]);
        }
    }
    assert_eq!(std::fs::read_dir(f.cache.path()).unwrap().count(), 0);
    let run = |url: &str, reference: &str| {
        let reference = Reference::parse(reference).unwrap();
        f.run(&Fetch::new(RepoUrl::parse(url).unwrap(), reference)).unwrap_err()
    };
    let path = f.repository.path().display().to_string();
    assert!(matches!(run("/nonexistent", ""), RepoError::RepositoryNotFound { .. }));
    assert!(matches!(run(&path, "mian"), RepoError::ReferenceNotFound { .. }));
    assert!(matches!(run(&path, &"ab".repeat(20)), RepoError::CommitNotFound { .. }));
    f.repository.tag("main", &first).unwrap();
    assert!(matches!(run(&path, "main"), RepoError::AmbiguousReference { .. }));
}

/// A small file system of its own, which only root can have.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Result<Self, String> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=128k", "tmpfs"])
            .arg(dir.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Ok(Self(dir)),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing_that_is_taken_for_whole() {
    let disk = match SmallDisk::mount() {
        Ok(disk) => disk,
        Err(reason) => {
            eprintln!("SKIP a_full_disk_is_told: no file system of its own: {reason}");
            return;
        }
    };
    let f = fixture();
    let noise: Vec<u8> =
        (0..200_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_be_bytes()).collect();
    f.repository.push(&[("noise", &noise)], "first").unwrap();
    let error = fetch(&f.spec("main"), disk.0.path(), &GO, &|_| {}).unwrap_err();
    assert!(matches!(error, RepoError::DiskFull { .. }), "{error:?}");
    assert!(files(disk.0.path(), "/state").is_empty());
    f.repository.force_push(&[("a", b"1")], "small").unwrap();
    let tree = fetch(&f.spec("main"), disk.0.path(), &GO, &|_| {}).unwrap();
    assert_eq!(content(&tree), [("a".into(), "1".into())]);
}

/// The requests for objects, and whether the references were asked for as well.
fn asked(f: &Fixture) -> (usize, bool) {
    let requests = f.server.requests();
    let fetches = requests.iter().filter(|r| r.body.contains("command=fetch")).count();
    (fetches, requests.iter().any(|r| r.body.contains("command=ls-refs")))
}

#[test]
fn a_commit_that_somebody_announced_is_asked_for_at_once_and_taken_when_the_reference_names_it() {
    let f = fixture();
    let first = f.repository.push(&[("a", b"1")], "first").unwrap();
    let connections = Connections::new();
    let bring = |expected: &str| {
        let mut spec = f.spec("main");
        spec.expected = Some(expected.to_owned());
        f.server.forget_requests();
        content(&connections.fetch(&spec, f.cache.path(), &GO, &|_| {}).unwrap())
    };
    assert_eq!(bring(&first), [("a".into(), "1".into())], "into an empty cache");
    let second = f.repository.push(&[("a", b"2")], "second").unwrap();
    assert_eq!(bring(&second), [("a".into(), "2".into())]);
    assert_eq!(asked(&f), (1, true));
    assert_eq!(bring(&second), [("a".into(), "2".into())]);
    assert_eq!(asked(&f), (0, true), "it is here");
}

#[test]
fn a_wrong_announcement_brings_what_the_reference_names_and_nothing_else() {
    let f = fixture();
    let first = f.repository.push(&[("a", b"1")], "first").unwrap();
    f.repository.set_branch("side", &first).unwrap();
    let connections = Connections::new();
    let bring = |expected: &str| {
        let mut spec = f.spec("main");
        spec.expected = Some(expected.to_owned());
        f.server.forget_requests();
        let tree = connections.fetch(&spec, f.cache.path(), &GO, &|_| {}).unwrap();
        (tree.commit().unwrap().id.clone(), content(&tree))
    };
    bring(&first);
    for (number, wrong) in ["0123456789abcdef0123456789abcdef01234567", "no commit"]
        .into_iter()
        .chain([first.as_str()])
        .enumerate()
    {
        let text = format!("right {number}");
        let right = f.repository.push(&[("a", text.as_bytes())], "right").unwrap();
        assert_eq!(bring(wrong), (right, vec![("a".to_owned(), text)]), "{wrong}");
    }
    // A commit that is there, but on another branch; then that one moves here.
    let change = [Change::File("a", b"side")];
    let side = f.repository.commit("side", &change, "side").unwrap();
    let right = f.repository.push(&[("a", b"main")], "main").unwrap();
    assert_eq!(bring(&side), (right, vec![("a".into(), "main".into())]));
    assert_eq!(asked(&f), (2, true));
    f.repository.set_branch("main", &side).unwrap();
    assert_eq!(bring(&side), (side.clone(), vec![("a".into(), "side".into())]));
}

#[test]
fn an_announced_commit_is_not_taken_when_the_reference_is_gone_or_cannot_be_asked_for() {
    let f = fixture();
    f.repository.push(&[("a", b"1")], "first").unwrap();
    let connections = Connections::new();
    let bring = |expected: &str| {
        let mut spec = f.spec("main");
        spec.expected = Some(expected.to_owned());
        connections.fetch(&spec, f.cache.path(), &GO, &|_| {})
    };
    bring("").unwrap();
    let second = f.repository.push(&[("a", b"2")], "second").unwrap();
    f.server.fault("command=ls-refs", GitFault::Status(503, None));
    assert!(matches!(bring(&second), Err(RepoError::Server { status: 503, .. })));
    f.repository.set_branch("side", &second).unwrap();
    f.repository.delete_branch("main").unwrap();
    assert!(matches!(bring(&second), Err(RepoError::ReferenceNotFound { .. })));
}
