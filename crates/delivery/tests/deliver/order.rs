//! Who waits for whom, and what one broken object does to the others.

use crate::bed::{Bed, config_map, done, outcome};
use delivery::OutcomeResult;
use model::Exit;
use sync::Action;

fn crd(group: &str) -> String {
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
         metadata: {{name: widgets.{group}}}\nspec:\n  group: {group}\n  scope: Namespaced\n  \
         names: {{plural: widgets, singular: widget, kind: Widget}}\n  versions:\n    \
         - name: v1\n      served: true\n      storage: true\n      schema:\n        \
         openAPIV3Schema: {{type: object, properties: {{spec: {{type: object, \
         x-kubernetes-preserve-unknown-fields: true}}}}}}\n---\n"
    )
}

fn widget(group: &str) -> String {
    format!("apiVersion: {group}/v1\nkind: Widget\nmetadata: {{name: w}}\nspec: {{size: 3}}\n---\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_7_a_definition_and_its_object_in_one_tree_succeed_in_one_pass() {
    let Some(mut bed) = Bed::start().await else { return };
    let group = format!("{}.example.com", bed.namespace.name());
    bed.write("a-widget.yaml", &widget(&group));
    bed.write("z-crd.yaml", &crd(&group));
    let report = bed.apply().await;
    assert_eq!(report.exit(), Exit::Clean, "{:#?}", report.outcomes);
    assert_eq!(report.done(), 2);
    let (second, writes, _) = bed.apply_counted().await;
    assert_eq!((second.unchanged, writes), (2, 0));
    bed.options.guards.kinds =
        [objects::GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition")].into();
    let policy = delivery::DeletePolicy::Delete;
    let token = tokio_util::sync::CancellationToken::new();
    let report = delivery::delete(&bed.client, &bed.options, policy, &delivery::Silent, &token)
        .await
        .unwrap();
    let actions = done(&report);
    assert_eq!(actions.first(), Some(&(Action::Prune, "w")), "the object goes first: {actions:?}");
    assert_eq!(actions.len(), 2);
    assert_eq!(bed.kubectl(&["get", "configmap", "-l", "orlop.dev/inventory", "-o", "name"]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_and_what_is_in_it_succeed_in_one_pass() {
    let Some(mut bed) = Bed::start().await else { return };
    let inner = format!("{}-in", bed.namespace.name());
    bed.options.namespace = inner.clone();
    bed.write("a.yaml", &config_map("a", "x"));
    bed.write(
        "pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n\
         spec: {containers: [{name: c, image: registry.test/c:1}]}\n",
    );
    bed.write("z.yaml", &format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {inner}}}\n"));
    let report = bed.apply().await;
    let reruns = bed.apply_counted().await;
    bed.kubectl(&["delete", "namespace", &inner, "--wait=false"]);
    assert_eq!(report.exit(), Exit::Clean, "{:#?}", report.outcomes);
    assert_eq!(done(&report).first(), Some(&(Action::Create, inner.as_str())));
    assert_eq!(report.done(), 3);
    assert_eq!((reruns.0.unchanged, reruns.1), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_7_a_broken_object_stops_nobody_but_those_that_need_it() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("good.yaml", &config_map("good", "x"));
    bed.write(
        "broken.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\ndata: {a: {b: 1}}\n",
    );
    bed.write(
        "unknown.yaml",
        "apiVersion: example.com/v1\nkind: Nothing\nmetadata: {name: nothing}\n",
    );
    bed.write("syntax.yaml", "a: b: c\n");
    bed.write("version.yaml", "apiVersion: apps/v7\nkind: Deployment\nmetadata: {name: v}\n");
    bed.write(
        "pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  \
         volumes: [{name: v, configMap: {name: bad}}]\n  \
         containers: [{name: c, image: registry.test/c:1}]\n",
    );
    let report = bed.apply().await;
    assert_eq!(report.exit(), Exit::CouldNot);
    assert_eq!(done(&report), [(Action::Create, "good")]);
    assert_eq!(outcome(&report, "bad").result, OutcomeResult::Failed);
    assert_eq!(outcome(&report, "nothing").result, OutcomeResult::Failed);
    let version = outcome(&report, "v");
    let text = format!("{:?} {:?}", version.reason, version.hint);
    assert!(text.contains("apps/v1"), "the served version is named: {text}");
    let held = outcome(&report, "p");
    assert_eq!(held.result, OutcomeResult::Held);
    assert!(held.reason.as_ref().unwrap().contains("ConfigMap"), "{held:?}");
    assert!(held.reason.as_ref().unwrap().contains("/bad"), "{held:?}");
    assert_eq!(report.problems.len(), 1);
    assert!(report.problems[0].message.contains("syntax.yaml:1"), "{:?}", report.problems);
    let plan = bed.plan().await;
    assert_eq!(plan.exit(), Exit::CouldNot);
    assert_eq!((plan.summary.invalid, plan.summary.hold), (3, 1), "{:#?}", plan.operations);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_delivered_is_refused_with_its_place_and_a_hint() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("scope.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: s, namespace: x}\n");
    bed.write(
        "where.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: w, namespace: not-there}\n",
    );
    bed.write("twice.yaml", &format!("{}{}", config_map("t", "1"), config_map("t", "2")));
    let plan = bed.plan().await;
    let reasons: Vec<(String, String)> = plan
        .operations
        .iter()
        .map(|op| (op.origin.clone().unwrap(), op.reason.clone().unwrap()))
        .collect();
    assert_eq!(plan.summary.invalid, 3, "{reasons:#?}");
    let has = |origin: &str, reason: &str| {
        reasons.iter().any(|(at, why)| at.starts_with(origin) && why.contains(reason))
    };
    assert!(has("scope.yaml:1", "lives in no namespace"), "{reasons:#?}");
    assert!(has("where.yaml:1", "namespace not-there does not exist"), "{reasons:#?}");
    assert!(has("twice.yaml:", "given twice: here and in twice.yaml:1"), "{reasons:#?}");
    assert!(plan.operations.iter().all(|op| op.hint.is_some()), "{:#?}", plan.operations);
    assert_eq!(bed.apply().await.done(), 0);
    assert!(!bed.exists("configmap/t"), "of two documents neither is right");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_for_another_tool_is_refused_by_name() {
    let Some(bed) = Bed::start().await else { return };
    bed.write("below/kustomization.yaml", "resources: [a.yaml]\n");
    let source = delivery::Source::Directory(bed.path().to_owned());
    let token = tokio_util::sync::CancellationToken::new();
    let error =
        delivery::load(&source, &delivery::LoadOptions::default(), &token).await.unwrap_err();
    assert!(error.to_string().contains("below/kustomization.yaml makes its folder"), "{error}");
}
