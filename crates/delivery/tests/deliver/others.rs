//! Fields that belong to others, by rule or by admission, and objects that cannot change in place.

use crate::bed::{Bed, config_map, done, operation, outcome};
use delivery::OutcomeResult;
use model::Exit;
use sync::{Action, ForceRecreate};

fn deployment(replicas: &str, annotations: &str, app: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\n\
         metadata: {{name: web, annotations: {{{annotations}}}}}\nspec:\n  {replicas}\n  \
         selector: {{matchLabels: {{app: {app}}}}}\n  template:\n    \
         metadata: {{labels: {{app: {app}}}}}\n    spec:\n      \
         containers: [{{name: web, image: 'registry.test/web:1'}}]\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_6_an_ignored_field_is_neither_reported_nor_overwritten_nor_deleted() {
    let Some(mut bed) = Bed::start().await else { return };
    bed.options.ignore = vec!["Deployment.apps:/spec/replicas".parse().unwrap()];
    bed.write("web.yaml", &deployment("replicas: 1", "", "web"));
    assert_eq!(done(&bed.apply().await), [(Action::Create, "web")]);
    assert_eq!(bed.field("deployment/web", ".spec.replicas"), "1", "a new object is Git's");
    // Another owner changes it; Git as well.
    bed.kubectl(&["scale", "deployment", "web", "--replicas=3"]);
    let plan = bed.plan().await;
    assert_eq!(plan.exit(), Exit::Clean, "{:#?}", plan.operations);
    bed.write("web.yaml", &deployment("replicas: 2", "", "web"));
    bed.apply().await;
    let (second, writes, _) = bed.apply_counted().await;
    assert_eq!((second.unchanged, writes), (1, 0));
    assert_eq!(bed.proxy.recorder().count("apply", "deployments.apps"), 0, "not even asked");
    assert_eq!(bed.field("deployment/web", ".spec.replicas"), "3");
    // Other fields of the object are still ours.
    bed.write("web.yaml", &deployment("replicas: 2", "note: here", "web"));
    assert_eq!(done(&bed.apply().await), [(Action::Update, "web")]);
    assert_eq!(bed.field("deployment/web", ".spec.replicas"), "3");
    assert_eq!(bed.field("deployment/web", ".metadata.annotations.note"), "here");
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_6_an_ignored_field_that_we_alone_own_is_kept_when_it_leaves_git() {
    let Some(bed) = Bed::start().await else { return };
    let ignoring = |data: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a, annotations: \
             {{orlop.dev/ignore: '/data/mine manager=robot'}}}}\ndata: {{{data}}}\n"
        )
    };
    bed.write("a.yaml", &ignoring("mine: x, other: w"));
    bed.apply().await;
    bed.write("a.yaml", &ignoring("other: z"));
    bed.apply().await;
    assert_eq!(bed.field("configmap/a", ".data"), r#"{"mine":"x","other":"z"}"#);
    assert_eq!(bed.apply_counted().await.1, 0);
    let patch = r#"{"data":{"other":"theirs"}}"#;
    bed.kubectl(&["patch", "cm", "a", "--type=merge", "--field-manager=robot", "-p", patch]);
    assert_eq!(bed.plan().await.exit(), Exit::Clean, "all that the robot owns is its own");
    bed.write("a.yaml", &ignoring("other: q, new: v"));
    bed.apply().await;
    let data = bed.field("configmap/a", ".data");
    assert_eq!(data, r#"{"mine":"x","new":"v","other":"theirs"}"#);
    assert_eq!(bed.apply_counted().await.1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_5_a_mutating_policy_and_an_autoscaler_cause_no_loop() {
    let Some(bed) = Bed::start().await else { return };
    let name = bed.namespace.name().to_owned();
    let version = ["v1", "v1beta1", "v1alpha1"].into_iter().find(|version| {
        let group = format!("admissionregistration.k8s.io/{version}");
        let served = bed.kubectl(&["api-versions"]).lines().any(|line| line == group);
        served && bed.serves("mutatingadmissionpolicies", &group)
    });
    let Some(version) = version else {
        return testkit::cluster::skip("MutatingAdmissionPolicy is not served");
    };
    let policy = format!(
        "apiVersion: admissionregistration.k8s.io/{version}\nkind: MutatingAdmissionPolicy\n\
         metadata: {{name: {name}}}\nspec:\n  failurePolicy: Fail\n  reinvocationPolicy: Never\n  \
         matchConstraints: {{resourceRules: [{{apiGroups: [apps], apiVersions: [v1], \
         operations: [CREATE, UPDATE], resources: [deployments]}}]}}\n  mutations:\n    \
         - patchType: ApplyConfiguration\n      applyConfiguration:\n        \
         expression: >-\n          \
         Object{{metadata: Object.metadata{{labels: {{\"injected\": \"yes\"}}}}, \
         spec: Object.spec{{minReadySeconds: 7}}}}\n---\n\
         apiVersion: admissionregistration.k8s.io/{version}\nkind: MutatingAdmissionPolicyBinding\n\
         metadata: {{name: {name}}}\nspec:\n  policyName: {name}\n  matchResources: \
         {{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}}}\n"
    );
    bed.kubectl_apply(&["apply"], &policy);
    // The policy is in force when it has changed something.
    let probe = deployment("replicas: 0", "", "probe").replace("name: web,", "name: probe,");
    let in_force = || {
        bed.kubectl_apply(&["apply"], &probe);
        let is = bed.field("deployment/probe", ".metadata.labels.injected") == "yes";
        bed.kubectl(&["delete", "deployment", "probe", "--wait=false"]);
        is
    };
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !in_force() {
        assert!(std::time::Instant::now() < end, "the policy never came into force");
    }
    // Git wants another value of a field that the policy sets: the policy wins, and no loop.
    bed.write("web.yaml", &deployment("minReadySeconds: 3", "", "web"));
    let first = bed.apply().await;
    assert_eq!(first.exit(), Exit::Clean, "{:#?}", first.outcomes);
    bed.kubectl(&["scale", "deployment", "web", "--replicas=4"]);
    // The Deployment's controller writes its status at any time; the generation is ours alone.
    let generation = bed.field("deployment/web", ".metadata.generation");
    let (second, writes, _) = bed.apply_counted().await;
    bed.kubectl(&["delete", "mutatingadmissionpolicybinding,mutatingadmissionpolicy", &name]);
    assert_eq!((second.done(), writes), (0, 0), "{:#?}", second.outcomes);
    assert_eq!(bed.field("deployment/web", ".metadata.generation"), generation);
    assert_eq!(bed.field("deployment/web", ".spec.replicas"), "4");
    assert_eq!(bed.field("deployment/web", ".spec.minReadySeconds"), "7");
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_19_an_immutable_change_names_the_field_and_is_made_again_only_when_allowed() {
    let Some(mut bed) = Bed::start().await else { return };
    bed.write("web.yaml", &deployment("replicas: 0", "", "web"));
    bed.apply().await;
    let uid = bed.field("deployment/web", ".metadata.uid");
    bed.write("web.yaml", &deployment("replicas: 0", "", "other"));
    let plan = bed.plan().await;
    let planned = operation(&plan, "web");
    assert_eq!(planned.action, Action::Invalid);
    assert!(planned.reason.as_ref().unwrap().contains("spec.selector"), "{planned:?}");
    assert!(planned.hint.as_ref().unwrap().contains("orlop.dev/force: recreate"), "{planned:?}");
    let report = bed.apply().await;
    let failed = outcome(&report, "web");
    assert!(failed.reason.as_ref().unwrap().contains("spec.selector"), "{failed:?}");
    assert!(failed.hint.as_ref().unwrap().contains("orlop.dev/force: recreate"), "{failed:?}");
    assert_eq!(bed.field("deployment/web", ".metadata.uid"), uid);
    bed.write("web.yaml", &deployment("replicas: 0", "orlop.dev/force: recreate", "other"));
    bed.options.force_recreate = ForceRecreate::Never;
    assert_eq!(operation(&bed.plan().await, "web").action, Action::Invalid);
    bed.options.force_recreate = ForceRecreate::Annotated;
    assert_eq!(operation(&bed.plan().await, "web").action, Action::Recreate);
    let report = bed.apply().await;
    assert_eq!(done(&report), [(Action::Recreate, "web")], "{:#?}", report.outcomes);
    assert_ne!(bed.field("deployment/web", ".metadata.uid"), uid);
    assert_eq!(bed.field("deployment/web", ".spec.selector.matchLabels.app"), "other");
    assert_eq!(bed.apply_counted().await.1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_19_a_claim_is_never_made_again_and_a_finalizer_is_waited_for_by_name() {
    let Some(mut bed) = Bed::start().await else { return };
    bed.options.force_recreate = ForceRecreate::Always;
    let claim = |size: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data}}\nspec: \
             {{accessModes: [ReadWriteOnce], storageClassName: '', \
             resources: {{requests: {{storage: {size}}}}}}}\n---\n"
        )
    };
    let sealed = |value: &str| {
        format!(
            "immutable: true\napiVersion: v1\nkind: ConfigMap\n\
             metadata: {{name: held, finalizers: [example.com/hold]}}\ndata: {{key: {value}}}\n"
        )
    };
    bed.write("all.yaml", &(claim("2Gi") + &sealed("x")));
    bed.apply().await;
    let uid = bed.field("pvc/data", ".metadata.uid");
    bed.write("all.yaml", &(claim("1Gi") + &sealed("z")));
    bed.options.timeout = std::time::Duration::from_secs(2);
    let report = bed.apply().await;
    assert_eq!(outcome(&report, "data").result, OutcomeResult::Failed);
    assert_eq!(bed.field("pvc/data", ".metadata.uid"), uid);
    let held = outcome(&report, "held").reason.clone().unwrap();
    assert!(held.contains("held by the finalizers example.com/hold"), "{held}");
    bed.kubectl(&[
        "patch",
        "cm",
        "held",
        "--type=merge",
        "-p",
        r#"{"metadata":{"finalizers":[]}}"#,
    ]);
    assert_eq!(outcome(&bed.apply().await, "held").result, OutcomeResult::Done);
    bed.kubectl(&[
        "patch",
        "cm",
        "held",
        "--type=merge",
        "-p",
        r#"{"metadata":{"finalizers":[]}}"#,
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_22_drift_is_told_with_fields_and_owners_and_left_alone_where_asked() {
    let Some(mut bed) = Bed::start().await else { return };
    let map = |name: &str, annotations: &str| {
        config_map(name, "x")
            .replace("}\ndata", &format!(", annotations: {{{annotations}}}}}\ndata"))
    };
    let kept = map("kept", "orlop.dev/self-heal: disabled");
    bed.write("all.yaml", &(config_map("healed", "x") + &kept + &config_map("gone", "x")));
    assert!(bed.apply().await.written);
    let patch = r#"{"data":{"key":"drift"}}"#;
    for name in ["healed", "kept"] {
        bed.kubectl(&["patch", "cm", name, "--type=merge", "--field-manager=robot", "-p", patch]);
    }
    bed.kubectl(&["delete", "configmap", "gone"]);
    bed.options.automatic = true;
    bed.options.force_conflicts = true;
    let report = bed.apply().await;
    assert_eq!((report.drifted_total, report.drifted.len()), (3, 3), "{:#?}", report.drifted);
    let drift =
        |name: &str| report.drifted.iter().find(|drift| drift.object.name == name).unwrap().clone();
    assert_eq!(drift("healed").fields[0].path, ".data.key");
    assert_eq!(drift("healed").fields[0].managers, ["robot"]);
    assert!(drift("gone").missing && drift("healed").self_heal && !drift("kept").self_heal);
    assert_eq!(bed.field("configmap/healed", ".data.key"), "x");
    assert_eq!(bed.field("configmap/kept", ".data.key"), "drift");
    assert!(bed.exists("configmap/gone"));
    let again = bed.apply().await;
    assert_eq!((again.drifted_total, again.done(), again.written), (1, 0, false));
    bed.options.automatic = false;
    assert_eq!(done(&bed.apply().await), [(Action::Update, "kept")], "a person asked for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_applied_once_is_never_changed_and_a_found_one_never_ours() {
    let Some(mut bed) = Bed::start().await else { return };
    bed.options.prune = true;
    let once = |name: &str, value: &str| {
        config_map(name, value).replace("}\ndata", ", annotations: {orlop.dev/apply: once}}\ndata")
    };
    bed.kubectl(&["create", "configmap", "found", "--from-literal=key=theirs"]);
    bed.write("all.yaml", &(once("made", "x") + &once("found", "x") + &config_map("other", "x")));
    assert_eq!(bed.apply().await.done(), 2);
    bed.write("all.yaml", &(once("made", "y") + &once("found", "y") + &config_map("other", "x")));
    assert_eq!(bed.apply().await.done(), 0);
    assert_eq!(bed.field("configmap/made", ".data.key"), "x");
    assert_eq!(bed.field("configmap/found", ".data.key"), "theirs");
    bed.write("all.yaml", &config_map("other", "x"));
    let report = bed.apply().await;
    assert_eq!(done(&report), [(Action::Prune, "made")]);
    assert!(bed.exists("configmap/found"));
}
