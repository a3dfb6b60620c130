//! The build against the real kustomize: every overlay of `testdata/kustomize/`, byte by byte.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use kustomize::{FILE_NAMES, Limits};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Overlays that the corpus has at least.
const OVERLAYS_MIN: usize = 50;

type Tree = BTreeMap<String, Vec<u8>>;

/// An archive: `-- PATH --` begins a file, until the next one.
fn unpack(text: &str) -> Tree {
    let mut tree = Tree::new();
    let mut name = String::new();
    for line in text.split_inclusive('\n') {
        let marked = line.trim_end().strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --"));
        if let Some(path) = marked {
            name = path.to_owned();
            tree.insert(name.clone(), Vec::new());
        } else if let Some(bytes) = tree.get_mut(&name) {
            bytes.extend_from_slice(line.as_bytes());
        }
    }
    tree
}

fn corpus() -> Vec<(String, Tree)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/kustomize");
    let mut names: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, unpack(&std::fs::read_to_string(&path).unwrap()))
    };
    names.into_iter().map(read).collect()
}

fn write(tree: &Tree, root: &Path) {
    for (path, bytes) in tree {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// Folders that can be built alone.
fn overlays(tree: &Tree) -> BTreeSet<String> {
    let is_component = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("kind: Component");
    tree.iter()
        .filter(|(_, bytes)| !is_component(bytes))
        .filter_map(|(path, _)| {
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            FILE_NAMES.contains(&name).then(|| folder.to_owned())
        })
        .collect()
}

#[test]
fn every_overlay_of_the_corpus_is_built_to_the_bytes_that_kustomize_prints() {
    let program = match testbed::peer("kustomize") {
        Ok(program) => program,
        Err(missing) => {
            println!("SKIP every_overlay_of_the_corpus_is_built_to_the_bytes: {missing}");
            return;
        }
    };
    let (mut count, mut wrong) = (0, Vec::new());
    for (name, tree) in corpus() {
        let root = tempfile::tempdir().unwrap();
        write(&tree, root.path());
        for folder in overlays(&tree) {
            count += 1;
            let theirs = Command::new(&program)
                .arg("build")
                .arg(root.path().join(&folder))
                .env_clear()
                .output()
                .unwrap();
            let ours = kustomize::build(&tree, &folder, &Limits::default());
            let expected = String::from_utf8(theirs.stdout).unwrap();
            match ours {
                Ok(built) if theirs.status.success() => {
                    if built.to_yaml() != expected {
                        wrong.push(difference(&name, &folder, &expected, &built.to_yaml()));
                    }
                }
                Err(_) if !theirs.status.success() => {}
                Ok(_) => {
                    let error = String::from_utf8_lossy(&theirs.stderr).into_owned();
                    wrong.push(format!("{name} {folder}: kustomize refuses it: {error}"));
                }
                Err(error) => wrong.push(format!("{name} {folder}: we refuse it: {error}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= OVERLAYS_MIN, "only {count} overlays");
}

/// The first line that differs, with those around it.
fn difference(name: &str, folder: &str, expected: &str, found: &str) -> String {
    let (left, right): (Vec<&str>, Vec<&str>) =
        (expected.lines().collect(), found.lines().collect());
    let at = (0..left.len().max(right.len())).find(|i| left.get(*i) != right.get(*i)).unwrap_or(0);
    let part = |lines: &[&str]| {
        let from = at.saturating_sub(4);
        lines.iter().skip(from).take(9).map(|line| format!("    {line}\n")).collect::<String>()
    };
    format!(
        "{name} {folder} line {}:\n  kustomize:\n{}  ours:\n{}",
        at + 1,
        part(&left),
        part(&right)
    )
}

/// Builds a tree of one kustomization file and says what is wrong with it.
fn refusal(kustomization: &str) -> String {
    let mut tree = Tree::new();
    tree.insert("kustomization.yaml".to_owned(), kustomization.as_bytes().to_vec());
    tree.insert(
        "a.yaml".to_owned(),
        b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata: {a: b}\n".to_vec(),
    );
    match kustomize::build(&tree, "", &Limits::default()) {
        Ok(built) => panic!("it was built:\n{}", built.to_yaml()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_cannot_be_done_is_refused_by_name_with_file_and_field() {
    for (text, expected) in [
        ("helmCharts: [{name: a}]", "kustomization.yaml:1: `helmCharts` is not supported"),
        ("resources: [a.yaml]\nvars: [{name: A}]", "kustomization.yaml:2: `vars` is not supported"),
        ("crds: [a.yaml]", "`crds` is not supported"),
        ("openapi: {path: a.json}", "`openapi` is not supported"),
        ("generators: [a.yaml]", "`generators` is not supported"),
        ("transformers: [a.yaml]", "`transformers` is not supported"),
        ("validators: [a.yaml]", "`validators` is not supported"),
        ("configurations: [a.yaml]", "`configurations` is not supported"),
        ("buildMetadata: [originAnnotations]", "`buildMetadata` is not supported"),
        ("resources: ['https://example.com/a.yaml']", "is on another machine"),
        ("resources: ['github.com/a/b?ref=main']", "`resources[0]` is not supported"),
        ("resorces: [a.yaml]", "kustomization.yaml:1: unknown field `resorces`"),
        ("resources: [a.yaml]\nimages: [{nam: x}]", "2: unknown field `images[0].nam`"),
        ("images: [{name: x, newTag: 1.0}]", "`images[0].newTag` is a number, expected a string"),
        ("resources: [b.yaml]", "there is no such file or folder"),
        ("resources: a.yaml", "`resources` is a string, expected a list"),
        ("", "the kustomization file is empty"),
    ] {
        let found = refusal(text);
        assert!(found.contains(expected), "{text}: {found}");
    }
    let errors = refusal("resorces: []\nnamePrefx: a\nnamespace: 3");
    assert_eq!(errors.lines().count(), 3, "{errors}");
}

#[test]
fn gitops_15_paths_that_leave_the_tree_or_their_folder_are_refused_by_name() {
    for path in ["../x", "/etc/passwd", "../../a/../..", "a\\b"] {
        let found = refusal(&format!("resources: ['{path}']"));
        assert!(found.contains(path) && found.contains("outside of the tree"), "{found}");
    }
    let tree = Tree::from([
        ("a/kustomization.yaml".to_owned(), b"resources: [../b.yaml]".to_vec()),
        ("b.yaml".to_owned(), b"kind: A".to_vec()),
    ]);
    let error = kustomize::build(&tree, "a", &Limits::default()).unwrap_err().to_string();
    assert_eq!(
        error,
        "`resources[0]` of a/kustomization.yaml names ../b.yaml, which is outside of a"
    );
    assert!(kustomize::build(&tree, "../a", &Limits::default()).is_err());
}

#[test]
fn folders_that_need_each_other_are_named() {
    let file = |text: &str| text.as_bytes().to_vec();
    let tree = Tree::from([
        ("a/kustomization.yaml".to_owned(), file("resources: [../b]")),
        ("b/kustomization.yaml".to_owned(), file("resources: [../a]")),
        ("c/kustomization.yaml".to_owned(), file("resources: [..]")),
        ("kustomization.yaml".to_owned(), file("resources: [c]")),
    ]);
    let error =
        |root: &str| kustomize::build(&tree, root, &Limits::default()).unwrap_err().to_string();
    assert_eq!(error("a"), "the folders need each other: a -> b -> a");
    assert_eq!(
        error(""),
        "the folders need each other: the root of the tree -> c -> the root of the tree"
    );
}

#[test]
fn the_limits_hold_at_their_bounds() {
    let map =
        |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n---\n");
    let tree = Tree::from([
        ("kustomization.yaml".to_owned(), b"resources: [base]\n".to_vec()),
        ("base/kustomization.yaml".to_owned(), b"resources: [a.yaml]\n".to_vec()),
        ("base/a.yaml".to_owned(), (map("a") + &map("b")).into_bytes()),
    ]);
    let bytes: usize = tree.values().map(Vec::len).sum();
    let exact = Limits { depth: 2, files: 3, bytes, resources: 2 };
    let built = kustomize::build(&tree, "", &exact).unwrap();
    assert_eq!(built.files, ["base/a.yaml", "base/kustomization.yaml", "kustomization.yaml"]);
    assert_eq!(built.manifests[1].origin.to_string(), "base/a.yaml:5");
    for less in [
        Limits { depth: 1, ..exact.clone() },
        Limits { files: 2, ..exact.clone() },
        Limits { bytes: bytes - 1, ..exact.clone() },
        Limits { resources: 1, ..exact.clone() },
    ] {
        let error = kustomize::build(&tree, "", &less).unwrap_err().to_string();
        assert!(error.contains("exceeds the limit"), "{less:?}: {error}");
    }
}
