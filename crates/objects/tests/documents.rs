//! The example of the README.

#[test]
fn the_example_of_the_readme_is_true() {
    use model::Explain as _;

    let text = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  name: b\n";
    let parsed = objects::yaml::parse("web.yaml", text);
    let problem = &parsed.diagnostics[0];
    assert_eq!(
        problem.to_string(),
        "web.yaml:5:3: duplicate key `name`, first given on line 4\n  5 |   name: b\n    |   ^"
    );
    assert_eq!(problem.hint().map(|hint| hint.to_string()).as_deref(), Some("keep one of them"));
    let (gibi, mebi) = ("1Gi".parse::<objects::quantity::Quantity>(), "1024Mi".parse());
    assert_eq!(gibi, mebi);
}

/// The demo's tree, from the repository's root.
#[test]
fn the_demo_tree_is_read_without_a_problem() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/demo");
    let mut kinds = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let name = path.display().to_string();
            let parsed = objects::yaml::parse(&name, &std::fs::read(&path).unwrap());
            assert_eq!(parsed.diagnostics, []);
            kinds.extend(parsed.manifests.iter().map(|m| m.object.kind().to_owned()));
        }
    }
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        [
            "ConfigMap",
            "CustomResourceDefinition",
            "Deployment",
            "Greeting",
            "Namespace",
            "Role",
            "RoleBinding",
            "Service",
            "ServiceAccount"
        ]
    );
}
