//! Nothing to do means nothing done.

use crate::bed::{Bed, config_map, done, operation};
use model::Exit;
use sync::Action;

const WORKLOADS: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: registry.test/web:1
          ports: [{containerPort: 8080}]
          resources: {requests: {cpu: 0.1, memory: 1024Mi}, limits: {memory: 1Gi}}
          volumeMounts: [{name: files, mountPath: /files}]
      volumes: [{name: files, configMap: {name: files, defaultMode: 0644}}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {token: abc}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn gitops_1_an_unchanged_tree_costs_no_write_no_dry_run_and_no_request_per_object() {
    let Some(bed) = Bed::start().await else { return };
    let many: String = (0..600).map(|n| config_map(&format!("c{n}"), "x")).collect();
    bed.write("many.yaml", &many);
    let first = bed.apply().await;
    assert_eq!(first.done(), 600, "{:?}", first.exit());
    let (second, writes, total) = bed.apply_counted().await;
    assert_eq!((second.unchanged, second.done(), writes), (600, 0, 0));
    assert!(total <= 8, "{total} requests: {:?}", bed.proxy.recorder().counts());
    let plan = bed.plan().await;
    assert_eq!((plan.exit(), plan.summary.unchanged), (Exit::Clean, 600));
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_5_a_second_run_writes_nothing_and_leaves_every_resource_version() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("workloads.yaml", WORKLOADS);
    bed.write("files.yaml", &config_map("files", "x"));
    let first = bed.apply().await;
    assert_eq!((first.done(), first.exit()), (6, Exit::Clean), "{:#?}", first.outcomes);
    let versions = || {
        let kinds = "service,secret,role,serviceaccount,configmap";
        let path =
            "jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}\n{end}";
        bed.kubectl(&["get", kinds, "-o", path])
    };
    let before = versions();
    let (second, writes, _) = bed.apply_counted().await;
    assert_eq!((done(&second), second.unchanged, writes), (vec![], 6, 0));
    assert_eq!(versions(), before);
    assert_eq!(bed.field("deployment/web", ".metadata.generation"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_object_costs_one_request() {
    let Some(bed) = Bed::start().await else { return };
    let tree = |changed: &str| -> String {
        (0..50).map(|n| config_map(&format!("c{n}"), if n < 5 { changed } else { "x" })).collect()
    };
    bed.write("many.yaml", &tree("x"));
    bed.apply().await;
    bed.write("many.yaml", &tree("y"));
    let (report, writes, _) = bed.apply_counted().await;
    assert_eq!(report.done(), 5);
    assert_eq!(bed.proxy.recorder().count("apply", "configmaps"), 6, "five and the inventory");
    assert_eq!(writes, 6);
    assert_eq!(bed.field("configmap/c0", ".data.key"), "y");
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_found_by_the_plan_and_mended_by_apply() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("a.yaml", &config_map("a", "x"));
    bed.apply().await;
    bed.kubectl(&["patch", "configmap", "a", "--type=merge", "-p", r#"{"data":{"key":"drift"}}"#]);
    let plan = bed.plan().await;
    assert_eq!(plan.exit(), Exit::Findings);
    let changes = &operation(&plan, "a").changes;
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0].path, ".data.key");
    assert_eq!(bed.apply().await.done(), 1);
    assert_eq!(bed.field("configmap/a", ".data.key"), "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_writes_nothing_and_is_executed_only_while_it_is_true() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("a.yaml", &config_map("a", "x"));
    bed.write("b.yaml", &config_map("b", "x"));
    bed.proxy.recorder().reset();
    let plan = bed.plan().await;
    assert_eq!(bed.proxy.recorder().writes(), 0);
    assert_eq!(plan.summary.create, 2);
    let json = serde_json::to_vec(&plan).unwrap();
    let saved = sync::Plan::from_json(&json).unwrap();
    bed.kubectl(&["create", "configmap", "a", "--from-literal=key=other"]);
    let error = bed.try_apply(Some(&saved)).await.unwrap_err().to_string();
    assert!(error.contains("ConfigMap") && error.contains("create was planned"), "{error}");
    assert!(!bed.exists("configmap/b"), "nothing was done");
    let again = bed.plan().await;
    assert_eq!(operation(&again, "a").action, Action::Takeover);
    assert_eq!(bed.try_apply(Some(&again)).await.unwrap().done(), 2);
    assert!(bed.try_apply(Some(&again)).await.is_err(), "it is done already");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_other_files_is_refused() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("a.yaml", &config_map("a", "x"));
    let plan = bed.plan().await;
    bed.write("a.yaml", &config_map("a", "y"));
    let error = bed.try_apply(Some(&plan)).await.unwrap_err().to_string();
    assert!(error.contains("the files of the source have changed"), "{error}");
}
