use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn object(annotations: &Value) -> Object {
    Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "shop", "annotations": annotations}}))
    .unwrap()
}

fn read(annotations: &Value) -> Directives {
    Directives::of(&object(annotations)).unwrap()
}

fn error(annotations: &Value) -> String {
    Directives::of(&object(annotations)).unwrap_err().to_string()
}

#[test]
fn gitops_11_waves_of_argo_and_helm_are_read_and_ours_wins() {
    assert_eq!(read(&json!({"argocd.argoproj.io/sync-wave": "-3"})).wave, -3);
    let both = json!({"orlop.dev/wave": "2", "argocd.argoproj.io/sync-wave": "-3"});
    assert_eq!(read(&both).wave, 2);
    assert_eq!(read(&json!({"helm.sh/hook": "pre-install", "helm.sh/hook-weight": "5"})).wave, 5);
    assert!(error(&json!({"orlop.dev/wave": "first"})).contains("a wave is a number"));
    assert_eq!(wave_of(&object(&json!({"orlop.dev/wave": "x"}))), 0);
}

#[test]
fn gitops_11_hooks_of_argo_and_helm_become_phases() {
    let phases = |key: &str, value: &str| {
        let hook = read(&json!({key: value})).hook.unwrap();
        hook.phases.into_iter().map(|phase| phase.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(phases(HOOK_ANNOTATION, "PreSync, PostSync"), "PreSync PostSync");
    assert_eq!(phases(ARGO_HOOK, "SyncFail"), "SyncFail");
    assert_eq!(phases(HELM_HOOK, "pre-install,pre-upgrade"), "PreSync");
    assert_eq!(phases(HELM_HOOK, "post-upgrade,test"), "PostSync");
    assert!(error(&json!({HOOK_ANNOTATION: "Never"})).contains("expected PreSync"));
}

#[test]
fn what_other_tools_run_at_other_times_is_skipped_by_name() {
    let skipped = |key: &str, value: &str| read(&json!({key: value})).hook.unwrap();
    let test = skipped(HELM_HOOK, "test");
    assert_eq!((test.phases.len(), test.skipped), (0, vec!["helm.sh/hook: test".to_owned()]));
    assert_eq!(skipped(ARGO_HOOK, "PostDelete").phases.len(), 0);
    assert_eq!(skipped(HELM_HOOK, "pre-rollback").phases.len(), 0);
    assert_eq!(read(&json!({HELM_HOOK: "crd-install"})).hook, None, "an ordinary object");
}

#[test]
fn gitops_11_delete_policies_are_read_in_every_spelling() {
    let hook = |policy: &str| {
        read(&json!({HOOK_ANNOTATION: "Sync", HOOK_DELETE_ANNOTATION: policy})).hook.unwrap()
    };
    let none = hook("BeforeHookCreation");
    assert!(!none.delete_succeeded && !none.delete_failed);
    let both = hook("HookSucceeded,hook-failed");
    assert!(both.delete_succeeded && both.delete_failed);
    let wrong = json!({HOOK_ANNOTATION: "Sync", HOOK_DELETE_ANNOTATION: "Later"});
    assert!(error(&wrong).contains("`Later`"));
}

#[test]
fn dependencies_name_objects_and_are_bounded() {
    let text = "apps/Deployment/shop/db, /ConfigMap/shop/a,rbac.authorization.k8s.io/ClusterRole/x";
    let found: Vec<String> = read(&json!({DEPENDS_ON_ANNOTATION: text}))
        .depends_on
        .iter()
        .map(ToString::to_string)
        .collect();
    let expected =
        ["Deployment.apps shop/db", "ConfigMap shop/a", "ClusterRole.rbac.authorization.k8s.io x"];
    assert_eq!(found, expected);
    assert!(error(&json!({DEPENDS_ON_ANNOTATION: "db"})).contains("group/Kind/namespace/name"));
    let many = |count: usize| vec!["/ConfigMap/a/b"; count].join(",");
    assert_eq!(
        read(&json!({DEPENDS_ON_ANNOTATION: many(DEPENDENCIES_MAX)})).depends_on.len(),
        DEPENDENCIES_MAX
    );
    error(&json!({DEPENDS_ON_ANNOTATION: many(DEPENDENCIES_MAX + 1)}));
}

#[test]
fn the_switches_of_single_objects_take_one_word_each() {
    let all = read(&json!({APPLY_ANNOTATION: "once", SELF_HEAL_ANNOTATION: "disabled",
        FORCE_ANNOTATION: "recreate", IGNORE_ANNOTATION: "/data/a manager=x"}));
    assert!(all.once && all.keeps_drift && all.recreate);
    assert_eq!((all.ignored.pointers.len(), all.ignored.managers.len()), (1, 1));
    assert!(error(&json!({APPLY_ANNOTATION: "twice"})).contains("expected `once`"));
    assert!(error(&json!({IGNORE_ANNOTATION: "data"})).contains("begins with `/`"));
    let many = |count: usize| vec!["/a"; count].join(",");
    read(&json!({IGNORE_ANNOTATION: many(IGNORE_POINTERS_MAX)}));
    error(&json!({IGNORE_ANNOTATION: many(IGNORE_POINTERS_MAX + 1)}));
}

#[test]
fn gitops_8_what_a_live_object_says_about_its_pruning_is_read() {
    let rule = |value: &str| PruneRule::of(&object(&json!({PRUNE_ANNOTATION: value})));
    assert_eq!(rule("disabled"), PruneRule::Disabled);
    assert_eq!(rule("confirm"), PruneRule::Confirm);
    assert_eq!(rule("confirmed"), PruneRule::Confirmed);
    assert_eq!(rule("last,confirm"), PruneRule::Confirm);
    assert!(prunes_last(&object(&json!({PRUNE_ANNOTATION: "last"}))));
    let argo = object(&json!({ARGO_OPTIONS: "PruneLast=true, Prune=false"}));
    assert!(prunes_last(&argo));
    assert_eq!(PruneRule::of(&argo), PruneRule::Disabled);
    assert!(error(&json!({PRUNE_ANNOTATION: "no"})).contains("expected disabled"));
}

proptest! {
    #[test]
    fn no_annotation_makes_the_reader_panic(key in 0_usize..8, value in ".{0,40}") {
        let keys = [WAVE_ANNOTATION, HOOK_ANNOTATION, HOOK_DELETE_ANNOTATION, HELM_HOOK,
            DEPENDS_ON_ANNOTATION, IGNORE_ANNOTATION, PRUNE_ANNOTATION, ARGO_OPTIONS];
        let _ = Directives::of(&object(&json!({keys[key]: value})));
    }
}
