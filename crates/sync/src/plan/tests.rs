use super::*;
use expect_test::expect;
use objects::GroupKind;
use serde_json::json;

fn id(name: &str) -> ObjectRef {
    ObjectRef::new(GroupKind::new("apps", "Deployment"), "shop", name)
}

fn plan() -> Plan {
    let update = Operation {
        api_version: Some("apps/v1".into()),
        origin: Some("web.yaml:3".into()),
        uid: Some("u1".into()),
        resource_version: Some("7".into()),
        changes: vec![Change {
            path: ".spec.replicas".into(),
            before: Some(json!(1)),
            after: Some(json!(2)),
        }],
        ..Operation::new(Action::Update, id("web"))
    };
    let operations = vec![update, Operation::new(Action::Create, id("api"))];
    Plan {
        schema: PLAN_SCHEMA.into(),
        delivery: "shop".into(),
        source: PlanSource {
            location: "deploy".into(),
            digest: "d1".into(),
            ..PlanSource::default()
        },
        cluster: ClusterIdentity { server: "https://127.0.0.1:6443".into(), uid: "k1".into() },
        options: PlanOptions { namespace: "shop".into(), ..PlanOptions::default() },
        summary: Summary::of(&operations, 3),
        operations,
        problems: vec![],
        refusals: vec![],
        warnings: vec![],
    }
}

#[test]
fn the_json_form_is_the_documented_one() {
    let json = serde_json::to_string_pretty(&plan()).unwrap();
    expect![[r#"
        {
          "schema": "orlop.dev/plan/v1",
          "delivery": "shop",
          "source": {
            "location": "deploy",
            "digest": "d1"
          },
          "cluster": {
            "server": "https://127.0.0.1:6443",
            "uid": "k1"
          },
          "options": {
            "namespace": "shop",
            "inventoryNamespace": "",
            "prune": false,
            "forceConflicts": false,
            "pruneObjectsMax": 0,
            "prunePercentMax": 0,
            "pruneAllowEmpty": false
          },
          "operations": [
            {
              "action": "update",
              "object": {
                "group": "apps",
                "kind": "Deployment",
                "namespace": "shop",
                "name": "web"
              },
              "apiVersion": "apps/v1",
              "origin": "web.yaml:3",
              "uid": "u1",
              "resourceVersion": "7",
              "changes": [
                {
                  "path": ".spec.replicas",
                  "before": 1,
                  "after": 2
                }
              ]
            },
            {
              "action": "create",
              "object": {
                "group": "apps",
                "kind": "Deployment",
                "namespace": "shop",
                "name": "api"
              }
            }
          ],
          "summary": {
            "create": 1,
            "update": 1,
            "takeover": 0,
            "prune": 0,
            "handOver": 0,
            "keep": 0,
            "hold": 0,
            "conflict": 0,
            "invalid": 0,
            "unchanged": 3
          }
        }"#]]
    .assert_eq(&json);
    assert_eq!(Plan::from_json(json.as_bytes()).unwrap(), plan());
}

#[test]
fn another_schema_is_refused_by_name() {
    let error = |text: &str| Plan::from_json(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(
        error(r#"{"schema": "orlop.dev/plan/v9"}"#),
        "the plan has the schema `orlop.dev/plan/v9`, this release reads `orlop.dev/plan/v1`"
    );
    assert_eq!(error("apiVersion: v1"), "the plan cannot be read");
    assert_eq!(error(r#"{"schema": "orlop.dev/plan/v1"}"#), "the plan cannot be read");
}

#[test]
fn a_plan_says_what_its_exit_code_is() {
    let mut plan = plan();
    assert_eq!(plan.exit(), Exit::Findings);
    plan.operations.push(Operation::new(Action::Conflict, id("x")));
    assert_eq!(plan.exit(), Exit::CouldNot);
    plan.operations = vec![Operation::new(Action::Keep, id("x"))];
    plan.summary = Summary::of(&plan.operations, 0);
    assert_eq!(plan.exit(), Exit::Clean);
}

#[test]
fn a_plan_has_not_moved_when_nothing_did_although_masks_differ() {
    let saved = plan();
    let mut now = plan();
    now.operations[0].changes[0].before = Some(json!("another mask"));
    assert_eq!(saved.moved(&now), Vec::<String>::new());
}

#[test]
fn everything_that_moved_is_named() {
    let saved = plan();
    let mut now = plan();
    now.source.commit = Some("abc".into());
    now.source.digest = "d2".into();
    now.cluster.uid = "k2".into();
    now.operations[0].resource_version = Some("8".into());
    now.operations[1] = Operation::new(Action::Create, id("new"));
    expect![[r#"
        the cluster's uid was `k1` and is `k2`
        the commit was `` and is `abc`
        the files of the source have changed
        Deployment.apps shop/new: was to be left as it is, now: create
        Deployment.apps shop/web: was changed (resourceVersion 7 is now 8)
        Deployment.apps shop/api: create was planned, now there is nothing to do"#]]
    .assert_eq(&saved.moved(&now).join("\n"));

    let mut now = plan();
    now.operations[0].uid = Some("u2".into());
    now.operations[1].action = Action::Update;
    expect![[r#"
        Deployment.apps shop/api: create was planned, now: update
        Deployment.apps shop/web: was deleted and made again"#]]
    .assert_eq(&saved.moved(&now).join("\n"));
}

#[test]
fn a_summary_names_only_what_there_is() {
    assert_eq!(plan().summary.to_string(), "1 to create, 1 to update, 3 unchanged");
    assert_eq!(Summary::default().to_string(), "nothing to deliver");
}
