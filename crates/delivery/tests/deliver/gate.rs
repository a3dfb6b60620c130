//! What does not fit its schema is refused before anything is applied; the rest goes on.

use crate::bed::{Bed, config_map, operation, outcome};
use delivery::OutcomeResult;
use sync::Action;

const BROKEN: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: 'web:1', imagePullPolcy: Always, ports: [{containerPort: http}]}
";

/// A definition of a kind that no other test has, and an object of it with a mistake.
fn definition(group: &str) -> String {
    format!(
        "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: shops.{group}}}
spec:
  group: {group}
  scope: Namespaced
  names: {{plural: shops, singular: shop, kind: Shop}}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {{type: object, properties: {{colour: {{type: string, enum: [red, blue]}}}}}}
---
apiVersion: {group}/v1
kind: Shop
metadata: {{name: bad}}
spec: {{color: red}}
---
apiVersion: {group}/v1
kind: Shop
metadata: {{name: good}}
spec: {{colour: red}}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_25_every_finding_is_in_the_plan_and_the_others_are_applied() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("web.yaml", BROKEN);
    bed.write("config.yaml", &config_map("good", "1"));
    let plan = bed.plan().await;
    let broken = operation(&plan, "web");
    assert_eq!(broken.action, Action::Invalid);
    let reason = broken.reason.clone().unwrap_or_default();
    for part in [
        ".spec.template.spec.containers[0].imagePullPolcy: unknown field; did you mean `imagePullPolicy`?",
        ".spec.template.spec.containers[0].ports[0].containerPort: is a string, expected an integer",
    ] {
        assert!(reason.contains(part), "{reason}");
    }
    bed.proxy.recorder().reset();
    let report = bed.apply().await;
    assert_eq!(outcome(&report, "good").result, OutcomeResult::Done);
    assert_ne!(outcome(&report, "web").result, OutcomeResult::Done);
    assert_eq!(outcome(&report, "web").reason, Some(reason));
    assert!(!bed.exists("deployment/web"));
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_25_definitions_of_the_tree_are_schemas_of_their_kinds() {
    let Some(bed) = Bed::start().await else { return };
    let letters: String =
        bed.namespace.name().chars().filter(char::is_ascii_alphanumeric).collect();
    let group = format!("{letters}.example.com");
    bed.write("shop.yaml", &definition(&group));
    let plan = bed.plan().await;
    let reason = operation(&plan, "bad").reason.clone().unwrap_or_default();
    assert!(reason.contains(".spec.color: unknown field; did you mean `colour`?"), "{reason}");
    assert_eq!(operation(&plan, "good").action, Action::Create);
    let report = bed.apply().await;
    assert_eq!(outcome(&report, "good").result, OutcomeResult::Done);
    bed.kubectl(&["delete", "crd", &format!("shops.{group}"), "--wait=false"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_25_an_unchanged_tree_asks_for_no_schema() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("a.yaml", &config_map("a", "1"));
    bed.apply().await;
    let asked = || {
        let all = bed.client.metrics().requests();
        all.iter().filter(|one| one.resource == "openapi").map(|one| one.count).sum::<u64>()
    };
    let before = asked();
    assert!(before > 0);
    bed.apply().await;
    bed.plan().await;
    assert_eq!(asked(), before);
    // A change that fits what was read asks nothing either.
    bed.write("a.yaml", &config_map("a", "2"));
    bed.apply().await;
    assert_eq!(asked(), before);
    // What does not fit is refused only by the documents of now.
    let wrong = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {key: true}\n";
    bed.write("a.yaml", wrong);
    let report = bed.apply().await;
    assert_eq!(outcome(&report, "a").result, OutcomeResult::Failed);
    assert_eq!(asked(), before + 1);
}
