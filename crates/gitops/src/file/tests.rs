use super::*;

const GOOD: &str = "\
apiVersion: orlop.dev/v1alpha1
kind: AgentConfig
metadata: {name: agent}
spec:
  listen: 127.0.0.1:8080
  auditPath: audit.jsonl
  context: main
  targets:
  - name: shop
    kubeconfig: other.yaml
---
apiVersion: orlop.dev/v1alpha1
kind: GitSync
metadata: {name: shop}
spec:
  source:
    url: https://git.example/shop.git
    ref: {branch: main}
  interval: 5s
---
apiVersion: orlop.dev/v1alpha1
kind: GitSync
metadata: {name: base, namespace: infra}
spec:
  source: {url: 'git@git.example:base.git', ref: {semver: ^1.2}}
";

fn problems(text: &str) -> Vec<String> {
    let problems = read("c.yaml", text.as_bytes()).unwrap_err();
    problems
        .iter()
        .map(|problem| match problem.hint() {
            Some(hint) => format!("{problem} ({hint})"),
            None => problem.to_string(),
        })
        .collect()
}

#[test]
fn a_file_holds_the_documents_of_a_cluster_and_how_the_agent_runs() {
    let config = read("c.yaml", GOOD.as_bytes()).unwrap();
    let keys: Vec<String> = config.syncs.iter().map(|sync| sync.key().to_string()).collect();
    assert_eq!(keys, ["default/shop", "infra/base"]);
    assert_eq!(config.agent.listen.as_deref(), Some("127.0.0.1:8080"));
    let connection = |namespace, name| config.agent.connection(&SyncKey::new(namespace, name));
    assert_eq!(connection("default", "shop"), (Some("other.yaml"), None));
    assert_eq!(connection("infra", "base"), (None, Some("main")));
}

#[test]
fn an_unknown_field_is_refused_with_what_was_meant() {
    let text = GOOD.replace("interval:", "intervall:").replace("auditPath", "auditpath");
    assert_eq!(
        problems(&text),
        [
            "c.yaml:1: AgentConfig `spec.auditpath` is not a known field (did you mean \
             `auditPath`?)",
            "c.yaml:12: GitSync `spec.intervall` is not a known field (did you mean `interval`?)",
        ]
    );
    let text = GOOD.replace("kind: GitSync", "kind: GitSnyc");
    assert!(problems(&text)[0].contains("(did you mean `GitSync` of `orlop.dev/v1alpha1`?)"));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let text = GOOD
        .replace("interval: 5s", "interval: 5s\n  suspend: maybe\n  force: allways\n  retry: 3")
        .replace("name: base", "name: Base");
    assert_eq!(
        problems(&text),
        [
            "c.yaml:12: GitSync `spec.force` must be one of never, annotated, always (did you \
             mean `always`?)",
            "c.yaml:12: GitSync `spec.retry` is a number, expected a map",
            "c.yaml:12: GitSync `spec.suspend` is a text, expected true or false",
            "c.yaml:24: GitSync `metadata.name` must be lower-case letters, digits and `-`, at \
             most 63 characters, with no `-` at an end",
        ]
        .map(str::to_owned)
    );
}

#[test]
fn names_are_unique_and_targets_are_in_the_file() {
    let twice = GOOD.replace("name: base, namespace: infra", "name: shop");
    assert_eq!(problems(&twice), ["c.yaml:21: `default/shop` is there twice, first at c.yaml:12"]);
    let lost = GOOD.replace("- name: shop", "- name: shpo");
    assert_eq!(
        problems(&lost),
        ["c.yaml:1: AgentConfig `spec.targets[0]` names `default/shpo`, which is not in the file \
          (did you mean `default/shop`?)"]
    );
}

#[test]
fn a_file_without_a_sync_or_over_the_limit_is_refused() {
    assert_eq!(problems("# nothing\n"), ["c.yaml has no GitSync in it"]);
    let large = read("c.yaml", &vec![b'#'; FILE_BYTES_MAX + 1]).unwrap_err();
    assert_eq!(large[0].to_string(), "c.yaml is larger than 4 MiB");
    let one = "---\napiVersion: orlop.dev/v1alpha1\nkind: GitSync\nmetadata: {name: a}\n";
    let many = read("c.yaml", one.repeat(SYNCS_MAX + 2).as_bytes()).unwrap_err();
    assert_eq!(many[0].to_string(), "c.yaml has more than 1,000 documents");
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_file_reader_panic(at in 0_usize..900, with in "\\PC{0,6}") {
        let mut text: Vec<char> = GOOD.chars().collect();
        let at = at.min(text.len());
        let end = (at + 3).min(text.len());
        text.splice(at..end, with.chars());
        let text: String = text.into_iter().collect();
        let _ = read("c.yaml", text.as_bytes());
    }
}
