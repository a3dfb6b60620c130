use super::*;
use crate::{Fetch, Reference, RepoUrl, fetch};
use expect_test::expect;
use model::Explain;
use std::os::unix::fs::symlink;
use testkit::git::{Change, Repository};

static GO: AtomicBool = AtomicBool::new(false);
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
const SOME_COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn of_git(repository: &Repository, path: &str, limits: Limits) -> Tree {
    let mut spec = Fetch::new(RepoUrl::local(repository.path()), Reference::Head);
    spec.path = path.to_owned();
    spec.limits = limits;
    fetch(&spec, Path::new("/nonexistent"), &GO, &|_| {}).unwrap()
}

fn committed(changes: &[Change<'_>]) -> (tempfile::TempDir, Repository) {
    let root = tempfile::tempdir().unwrap();
    let repository = Repository::create(&root.path().join("a.git")).unwrap();
    repository.commit("main", changes, "a change\n\nwith a body").unwrap();
    (root, repository)
}

/// The same tree twice: as a commit and as a folder.
fn both(changes: &[Change<'_>], path: &str, limits: &Limits) -> [Tree; 2] {
    let (_root, repository) = committed(changes);
    let git = of_git(&repository, path, limits.clone());
    let folder = _root.path().join("folder");
    let checkout = |arguments: &[&str]| repository.git(arguments, &[]).unwrap();
    std::fs::create_dir(&folder).unwrap();
    let work_tree = format!("--work-tree={}", folder.display());
    checkout(&[&work_tree, "checkout", "--quiet", "main", "--", "."]);
    let local = Tree::directory(&folder.join(path), limits.clone()).unwrap();
    std::mem::forget(_root);
    [git, local]
}

fn show(tree: &Tree) -> String {
    let listing = tree.list(&GO).unwrap();
    let mut text = String::new();
    for entry in &listing.entries {
        let mode = if entry.executable { "x" } else { "-" };
        let bytes = tree.read(entry).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let content = bytes.unwrap_or_else(|error| error.to_string());
        text.push_str(&format!("{mode} {} {:?}: {content:?}\n", entry.path, entry.size));
    }
    for finding in &listing.findings {
        text.push_str(&format!("{}: {} {}\n", finding.severity, finding.subject, finding.message));
    }
    text.push_str(&format!("complete: {}\n", listing.complete));
    text
}

#[test]
fn a_commit_and_a_folder_of_the_same_files_look_the_same() {
    let changes = [
        Change::File("deploy/b.yaml", b"b"),
        Change::File("deploy/a/z.yaml", b"z"),
        Change::File("deploy/a.yaml", b"a"),
        Change::Executable("deploy/run", b"go"),
        Change::File("deploy/.hidden", b"h"),
        Change::File("deploy/.github/x.yaml", b"h"),
        Change::Link("deploy/link.yaml", "a/z.yaml"),
        Change::File("elsewhere.yaml", b"e"),
    ];
    for tree in both(&changes, "deploy", &Limits::default()) {
        expect![[r#"
            - a.yaml Some(1): "a"
            - a/z.yaml Some(1): "z"
            - b.yaml Some(1): "b"
            - link.yaml Some(1): "z"
            x run Some(2): "go"
            complete: true
        "#]]
        .assert_eq(&show(&tree));
    }
}

#[test]
fn gitops_15_links_that_leave_the_tree_are_left_out_and_told() {
    let changes = [
        Change::File("a.yaml", b"a"),
        Change::File("folder/f.yaml", b"f"),
        Change::Link("absolute.yaml", "/etc/hostname"),
        Change::Link("up.yaml", "../../etc/hostname"),
        Change::Link("folder-link", "folder"),
        Change::Link("nothing.yaml", "missing.yaml"),
    ];
    for tree in both(&changes, "", &Limits::default()) {
        let listing = tree.list(&GO).unwrap();
        let paths: Vec<_> = listing.entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["a.yaml", "folder/f.yaml"]);
        let mut told: Vec<_> =
            listing.findings.iter().map(|f| format!("{} {}", f.subject, f.id)).collect();
        told.sort();
        // Over a folder, a dangling link outside and a missing file cannot be told apart.
        assert_eq!(told.len(), 4, "{told:?}");
        assert_eq!(told[0], "absolute.yaml symlink-leaves-tree");
        assert_eq!(told[1], "folder-link symlink-to-folder");
        assert_eq!(told[2], "nothing.yaml symlink-dangling");
        assert!(!listing.complete);
    }
}

#[test]
fn a_link_inside_the_repository_but_outside_the_path_is_followed_in_a_commit() {
    let changes =
        [Change::File("base.yaml", b"b"), Change::Link("deploy/base.yaml", "../base.yaml")];
    let (_root, repository) = committed(&changes);
    let tree = of_git(&repository, "deploy", Limits::default());
    assert!(show(&tree).contains("- base.yaml Some(1): \"b\""));
}

#[test]
fn gitops_15_a_submodule_is_told_and_makes_the_listing_incomplete() {
    let changes = [Change::File("a.yaml", b"a"), Change::Submodule("sub", SOME_COMMIT)];
    let (_root, repository) = committed(&changes);
    expect![[r#"
        - a.yaml Some(1): "a"
        error: sub is a submodule; its files are not part of this tree
        complete: false
    "#]]
    .assert_eq(&show(&of_git(&repository, "", Limits::default())));
}

#[test]
fn gitops_15_an_lfs_pointer_is_refused_with_a_hint() {
    for tree in both(&[Change::File("a.yaml", POINTER)], "", &Limits::default()) {
        let listing = tree.list(&GO).unwrap();
        let error = tree.read(&listing.entries[0]).unwrap_err();
        assert!(matches!(&error, RepoError::FileRefused { refusal: Refusal::LfsPointer, .. }));
        assert!(error.hint().unwrap().as_str().contains("LFS"));
    }
}

#[test]
fn gitops_15_names_that_differ_only_in_case_are_warned_of() {
    let changes = [Change::File("App.yaml", b"1"), Change::File("app.yaml", b"2")];
    for tree in both(&changes, "", &Limits::default()) {
        expect![[r#"
            - App.yaml Some(1): "1"
            - app.yaml Some(1): "2"
            warning: app.yaml differs from App.yaml only in case
            complete: true
        "#]]
        .assert_eq(&show(&tree));
    }
}

#[test]
fn gitops_15_names_that_no_honest_tree_has_are_left_out_and_told() {
    let root = tempfile::tempdir().unwrap();
    let repository = Repository::create(&root.path().join("a.git")).unwrap();
    let blob = repository.git(&["hash-object", "-w", "--stdin"], b"x").unwrap();
    let id = ObjectId::from_hex(blob.as_bytes()).unwrap();
    let mut raw = Vec::new();
    for name in [&b"../up.yaml"[..], b"..", b".git", b"a\xff.yaml", b"bell\x07.yaml", b"good.yaml"]
    {
        raw.extend_from_slice(b"100644 ");
        raw.extend_from_slice(name);
        raw.push(0);
        raw.extend_from_slice(id.as_bytes());
    }
    let arguments = ["hash-object", "-t", "tree", "--literally", "-w", "--stdin"];
    let tree = repository.git(&arguments, &raw).unwrap();
    let ident = "Test <test@example.org> 1700000000 +0000";
    let commit = format!("tree {tree}\nauthor {ident}\ncommitter {ident}\n\nbad\n");
    let commit = repository
        .git(&["hash-object", "-t", "commit", "-w", "--stdin"], commit.as_bytes())
        .unwrap();
    repository.set_branch("main", &commit).unwrap();
    let shown = show(&of_git(&repository, "", Limits::default()));
    expect![[r#"
        - good.yaml Some(1): "x"
        error: ../up.yaml its name has a path separator
        error: .. its name is not a plain name
        error: .git its name is Git's own
        error: a�.yaml its name is not UTF-8
        error: bell�.yaml its name has a control character
        complete: false
    "#]]
    .assert_eq(&shown);
}

#[test]
fn a_file_is_read_up_to_the_limit_and_not_beyond() {
    let limits = Limits { file_bytes: 4, ..Limits::default() };
    let changes = [Change::File("at", b"1234"), Change::File("beyond", b"12345")];
    for tree in both(&changes, "", &limits) {
        expect![[r#"
            - at Some(4): "1234"
            - beyond Some(5): "refusing to read beyond: it has 5 B, the limit is 4 B"
            complete: true
        "#]]
        .assert_eq(&show(&tree));
    }
}

#[test]
fn all_files_together_are_read_up_to_the_limit_and_not_beyond() {
    let limits = Limits { tree_bytes: 4, ..Limits::default() };
    let changes = [Change::File("a", b"12"), Change::File("b", b"34"), Change::File("c", b"5")];
    for tree in both(&changes, "", &limits) {
        assert!(show(&tree).contains("refusing to read c: with it, more than 4 B would be read"));
        assert!(show(&tree).contains("refusing"), "what was read once counts");
    }
}

#[test]
fn files_are_listed_up_to_the_limit_and_not_beyond() {
    let changes = [Change::File("a", b"1"), Change::File("b", b"2"), Change::File("c", b"3")];
    let mut limits = Limits { tree_files: 3, ..Limits::default() };
    for tree in both(&changes, "", &limits) {
        assert_eq!(tree.list(&GO).unwrap().entries.len(), 3);
    }
    limits.tree_files = 2;
    for tree in both(&changes, "", &limits) {
        assert!(matches!(tree.list(&GO), Err(RepoError::TooMany { limit: 2, .. })));
    }
}

#[test]
fn folders_are_entered_up_to_the_limit_and_not_beyond() {
    let deepest = format!("{}f", "d/".repeat(TREE_DEPTH_MAX));
    for tree in both(&[Change::File(&deepest, b"1")], "", &Limits::default()) {
        assert_eq!(tree.list(&GO).unwrap().entries.len(), 1);
    }
    let deeper = format!("d/{deepest}");
    for tree in both(&[Change::File(&deeper, b"1")], "", &Limits::default()) {
        assert!(matches!(tree.list(&GO), Err(RepoError::TooMany { limit: TREE_DEPTH_MAX, .. })));
    }
}

#[test]
fn a_single_file_is_a_tree_of_one() {
    let changes = [Change::File("d/a.yaml", b"a"), Change::File("d/b.yaml", b"b")];
    for tree in both(&changes, "d/b.yaml", &Limits::default()) {
        expect![[r#"
            - b.yaml Some(1): "b"
            complete: true
        "#]]
        .assert_eq(&show(&tree));
    }
}

#[test]
fn a_path_that_is_not_there_is_an_error() {
    let (root, repository) = committed(&[Change::File("a", b"1")]);
    let tree = of_git(&repository, "missing/path", Limits::default());
    let error = tree.list(&GO).unwrap_err();
    assert!(matches!(error, RepoError::PathNotFound { .. }), "{error}");
    let missing = Tree::directory(&root.path().join("missing"), Limits::default());
    assert!(matches!(missing, Err(RepoError::ReadFile { .. })));
}

#[test]
fn a_listing_can_be_cancelled() {
    for tree in both(&[Change::File("a", b"1")], "", &Limits::default()) {
        let error = tree.list(&AtomicBool::new(true)).unwrap_err();
        assert!(matches!(error, RepoError::Cancelled { .. }));
    }
}

#[test]
fn a_commit_is_described() {
    let (_root, repository) = committed(&[Change::File("a", b"1")]);
    let tree = of_git(&repository, "", Limits::default());
    let commit = tree.commit().unwrap();
    assert_eq!(commit.id, repository.id("main").unwrap());
    assert_eq!(commit.subject, "a change");
    assert_eq!(commit.author.name, "Test");
    assert_eq!(commit.committer.email, "test@example.org");
    assert_eq!(commit.committed_at.to_string(), "2023-11-14T22:13:20Z");
}

#[test]
fn a_folder_may_hold_what_is_no_file() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("a.yaml"), "a").unwrap();
    let socket = std::os::unix::net::UnixListener::bind(root.path().join("socket")).unwrap();
    symlink("a.yaml", root.path().join("l.yaml")).unwrap();
    std::fs::create_dir(root.path().join(".git")).unwrap();
    let tree = Tree::directory(root.path(), Limits::default()).unwrap();
    expect![[r#"
        - a.yaml Some(1): "a"
        - l.yaml Some(1): "a"
        error: socket is neither a file nor a folder
        complete: false
    "#]]
    .assert_eq(&show(&tree));
    drop(socket);
}

#[test]
fn a_file_that_became_a_link_after_the_listing_is_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("a.yaml");
    std::fs::write(&file, "a").unwrap();
    let tree = Tree::directory(root.path(), Limits::default()).unwrap();
    let listing = tree.list(&GO).unwrap();
    std::fs::remove_file(&file).unwrap();
    symlink("/etc/hostname", &file).unwrap();
    let error = tree.read(&listing.entries[0]).unwrap_err();
    assert!(matches!(error, RepoError::FileRefused { refusal: Refusal::NotAFile, .. }));
}

#[test]
fn the_digest_changes_with_names_bytes_and_borders() {
    let digest = |files: &[(&str, &str)]| {
        let mut digest = ContentDigest::default();
        for (path, text) in files {
            digest.add(path, text.as_bytes());
        }
        digest.finish()
    };
    let all = [
        digest(&[]),
        digest(&[("a", "b")]),
        digest(&[("ab", "")]),
        digest(&[("a", "b"), ("c", "")]),
        digest(&[("a", "bc")]),
    ];
    let different: std::collections::HashSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len());
    assert_eq!(digest(&[("a", "b")]), digest(&[("a", "b")]));
    assert!(all[0].starts_with("sha256:e3b0c442"));
}
