//! Objects that do not fit the cluster's schemas, as a person sees them.

use crate::support::Desk;
use testkit::cluster::shared;

const MISSPELT: &str = "\
# the second document begins on line 6
apiVersion: v1
kind: ConfigMap
metadata: {name: good}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: 'web:1', imagePullPolcy: Always}
";

#[test]
fn gitops_25_a_misspelt_field_is_told_with_path_line_and_what_was_meant() {
    let Some(cluster) = shared() else { return };
    let namespace = cluster.namespace();
    let mut desk = Desk::new();
    desk.variable("KUBECONFIG", cluster.kubeconfig());
    desk.file("app/web.yaml", MISSPELT);
    let line = ["sync", "apply", "app", "--name", "web", "-n", namespace.name(), "--no-wait"];
    let ran = desk.run(&line);
    assert_eq!(ran.code, Some(2), "{}", ran.show());
    for part in [
        "web.yaml:6",
        ".spec.template.spec.containers[0].imagePullPolcy: unknown field",
        "did you mean `imagePullPolicy`?",
    ] {
        assert!(ran.stderr.contains(part), "`{part}` is not in:\n{}", ran.show());
    }
    assert!(ran.stdout.contains("1 created"), "{}", ran.show());
}
