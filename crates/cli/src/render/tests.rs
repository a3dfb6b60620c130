//! What people see of plans, diffs, reports and status.

use super::*;
use crate::terminal::ColorChoice;
use crate::tests::{host, painter};
use delivery::{
    ObjectHealth, Outcome, OutcomeResult, REPORT_SCHEMA, Report, STATUS_SCHEMA, Status,
};
use expect_test::expect;
use objects::health::{Health, HealthStatus};
use objects::{GroupKind, ObjectRef};
use serde_json::json;
use sync::plan::{ClusterIdentity, PLAN_SCHEMA, PlanOptions};
use sync::{Action, Change, Conflict, ForceRecreate, Operation, Phase, Plan, PlanSource, Summary};

fn object(group: &str, kind: &str, name: &str) -> ObjectRef {
    ObjectRef::new(GroupKind::new(group, kind), "shop", name)
}

fn source() -> PlanSource {
    PlanSource {
        location: "https://git.example/shop.git".into(),
        path: "deploy".into(),
        commit: Some("0123456789abcdef".into()),
        digest: "d1".into(),
    }
}

fn cluster() -> ClusterIdentity {
    ClusterIdentity { server: "https://10.0.0.1:6443".into(), uid: "u1".into() }
}

fn problem(message: &str) -> Problem {
    Problem {
        origin: Some("web.yaml:3".into()),
        message: message.into(),
        hint: Some("mend it".into()),
    }
}

/// A plan in which no field is left out.
pub(crate) fn full_plan() -> Plan {
    let change = |path: &str, before, after| Change { path: path.into(), before, after };
    let update = Operation {
        api_version: Some("apps/v1".into()),
        origin: Some("web.yaml:10".into()),
        uid: Some("u2".into()),
        resource_version: Some("7".into()),
        changes: vec![
            change(".spec.replicas", Some(json!(2)), Some(json!(3))),
            change(".metadata.labels.a", None, Some(json!("yes"))),
            change(".spec.paused", Some(json!(true)), None),
        ],
        takes_over_from: vec!["kubectl".into()],
        ..Operation::new(Action::Takeover, object("apps", "Deployment", "web"))
    };
    let conflict = Operation {
        conflicts: vec![Conflict { path: ".data.a".into(), manager: "helm\u{1b}[2J".into() }],
        reason: Some("others own fields".into()),
        hint: Some("take them with --force-conflicts".into()),
        ..Operation::new(Action::Conflict, object("", "ConfigMap", "a"))
    };
    let text = Operation {
        changes: vec![change(
            ".data.conf",
            Some(json!("a\nb\nc\nd\ne\nf\n")),
            Some(json!("a\nb\nc\nd\nE\nE2\nf\n")),
        )],
        ..Operation::new(Action::Update, object("", "ConfigMap", "b"))
    };
    let hook = Operation {
        wave: -1,
        phase: Some(Phase::PreSync),
        reason: Some("PreSync hook".into()),
        ..Operation::new(Action::Hook, object("batch", "Job", "migrate"))
    };
    let operations = vec![
        Operation::new(Action::Create, object("", "Service", "web")),
        update,
        text,
        hook,
        Operation::new(Action::Prune, object("", "ConfigMap", "old")),
        conflict,
    ];
    Plan {
        schema: PLAN_SCHEMA.into(),
        delivery: "shop".into(),
        source: source(),
        cluster: cluster(),
        options: PlanOptions {
            prune_kinds: vec!["Namespace".into()],
            prune_last: true,
            ignore: vec!["*.*/*/*:/spec/replicas".into()],
            force_recreate: ForceRecreate::Always,
            service_account: "shop/deployer".into(),
            ..PlanOptions::default()
        },
        summary: Summary::of(&operations, 0),
        operations,
        problems: vec![problem("`kind` is missing")],
        refusals: vec![problem("too many")],
        warnings: vec![problem("a link is not followed")],
    }
}

#[test]
fn a_plan_names_every_object_with_its_fields_and_who_owns_what_conflicts() {
    let text = plan::text(&full_plan(), painter(&host(&[])));
    expect![[r#"
        shop: https://git.example/shop.git deploy at 0123456789ab → https://10.0.0.1:6443

        + create   Service shop/web
        > takeover Deployment.apps shop/web (web.yaml:10)
            takes over from kubectl
            .spec.replicas: 2 → 3
            .metadata.labels.a: + "yes"
            .spec.paused: - true
        ~ update   ConfigMap shop/b
            .data.conf: "a\nb\nc\nd\ne\nf\n" → "a\nb\nc\nd\nE\nE2\nf\n"
        * hook     Job.batch shop/migrate
            PreSync hook
        - prune    ConfigMap shop/old
        ! conflict ConfigMap shop/a
            others own fields
            .data.a is owned by helm�[2J
            hint: take them with --force-conflicts

        1 to create, 1 to update, 1 to take over, 1 hook to run, 1 to prune, 1 in conflict
    "#]]
    .assert_eq(&text);
}

#[test]
fn a_diff_shows_whole_values_and_long_texts_line_by_line() {
    let text = diff::text(&full_plan(), painter(&host(&[])));
    expect![[r#"
        + create   Service shop/web

        > takeover Deployment.apps shop/web (web.yaml:10)
            takes over from kubectl
            - .spec.replicas: 2
            + .spec.replicas: 3
            + .metadata.labels.a: "yes"
            - .spec.paused: true

        ~ update   ConfigMap shop/b
            @ .data.conf
              b
              c
              d
            - e
            + E
            + E2
              f

        * hook     Job.batch shop/migrate
            PreSync hook

        - prune    ConfigMap shop/old

        ! conflict ConfigMap shop/a
            others own fields
            .data.a is owned by helm�[2J
            hint: take them with --force-conflicts

    "#]]
    .assert_eq(&text);
}

#[test]
fn colour_adds_nothing_but_colour() {
    let host = host(&[]);
    let coloured = plan::text(&full_plan(), Painter::new(ColorChoice::Always, &host, false));
    let mut plain = coloured.clone();
    for code in ["0", "1", "2", "31", "32", "33"] {
        plain = plain.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert!(coloured.contains("\u{1b}[32m"));
    assert_eq!(plain, plan::text(&full_plan(), painter(&host)));
}

#[test]
fn problems_print_their_place_and_their_hint() {
    let plan = full_plan();
    let text = all_problems(painter(&host(&[])), &plan.problems, &plan.refusals, &plan.warnings);
    expect![[r"
        error: web.yaml:3: `kind` is missing
          hint: mend it
        pruning refused: web.yaml:3: too many
          hint: mend it
        warning: web.yaml:3: a link is not followed
          hint: mend it
    "]]
    .assert_eq(&text);
}

fn report_of(outcomes: Vec<Outcome>, interrupted: bool) -> Report {
    Report {
        schema: REPORT_SCHEMA.into(),
        delivery: "shop".into(),
        source: source(),
        cluster: cluster(),
        outcomes,
        unchanged: 7,
        problems: Vec::new(),
        refusals: Vec::new(),
        warnings: Vec::new(),
        unhealthy: Vec::new(),
        drifted: Vec::new(),
        drifted_total: 0,
        written: true,
        interrupted,
        apply_milliseconds: 1_200,
        wait_milliseconds: 3_400,
    }
}

fn outcome(action: Action, name: &str, result: OutcomeResult) -> Outcome {
    let object = object("", "ConfigMap", name);
    Outcome::new(action, object, result)
}

#[test]
fn a_report_sums_up_in_one_line_and_lists_what_failed() {
    let failed = Outcome {
        origin: Some("a.yaml:1".into()),
        reason: Some("it is not valid:\n.data.x is a number".into()),
        hint: Some("write a string".into()),
        ..outcome(Action::Create, "bad", OutcomeResult::Failed)
    };
    let report = report_of(vec![outcome(Action::Create, "a", OutcomeResult::Done), failed], false);
    expect![[r"
        shop: 1 created, 7 unchanged, 1 failed in 1.20s, healthy 3.40s later
    "]]
    .assert_eq(&report::summary(&report));
    expect![[r"
        error: ConfigMap shop/bad (a.yaml:1): it is not valid:
            .data.x is a number
          hint: write a string
    "]]
    .assert_eq(&report::troubles(&report, painter(&host(&[]))));
}

#[test]
fn an_interrupted_run_says_what_was_applied_and_how_to_go_on() {
    let report = report_of(
        vec![
            outcome(Action::Create, "a", OutcomeResult::Done),
            outcome(Action::Prune, "b", OutcomeResult::Done),
            outcome(Action::Create, "c", OutcomeResult::NotStarted),
        ],
        true,
    );
    expect![[r"
        interrupted: 2 done, 1 not begun
          created ConfigMap shop/a
          deleted ConfigMap shop/b
          hint: run the same command again to complete the delivery
    "]]
    .assert_eq(&report::troubles(&report, painter(&host(&[]))));
}

#[test]
fn status_is_a_table_with_the_worst_health_on_top() {
    let health = |name, status, message: &str| {
        ObjectHealth::new(object("", "Pod", name), Health::new(status, message))
    };
    let status = Status {
        schema: STATUS_SCHEMA.into(),
        delivery: "shop".into(),
        inventory_namespace: "shop".into(),
        source: "git.example at 0123".into(),
        objects: vec![
            health("a", HealthStatus::Healthy, ""),
            health("b", HealthStatus::Degraded, "CrashLoopBackOff:\nexit 1"),
        ],
        health: HealthStatus::Degraded,
    };
    expect![[r"
        shop: Degraded, from git.example at 0123

        OBJECT       HEALTH     MESSAGE
        Pod shop/a   Healthy
        Pod shop/b   Degraded   CrashLoopBackOff: exit 1
    "]]
    .assert_eq(&status::status(&status, painter(&host(&[]))));
}
