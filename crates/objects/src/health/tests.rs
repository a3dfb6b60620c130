//! Promises of this module: one table per kind, every transition in it.

use super::*;
use expect_test::{Expect, expect};
use serde_json::json;

fn object(api_version: &str, kind: &str, generation: i64, rest: &Value) -> Object {
    let mut value = json!({"apiVersion": api_version, "kind": kind,
        "metadata": {"name": "x", "generation": generation}});
    value.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    Object::from_value(value).unwrap()
}

/// Assesses each document at generation 2 and compares the verdicts, one a line.
fn check(api_version: &str, kind: &str, documents: &[Value], expected: &Expect) {
    let verdicts: Vec<String> = documents
        .iter()
        .map(|rest| assess(&object(api_version, kind, 2, rest)).to_string())
        .collect();
    expected.assert_eq(&verdicts.join("\n"));
}

fn conditions(list: &[(&str, &str, &str)]) -> Value {
    let list = list
        .iter()
        .map(|(kind, status, reason)| json!({"type": kind, "status": status, "reason": reason}));
    Value::Array(list.collect())
}

fn with_conditions(list: &[(&str, &str, &str)]) -> Value {
    json!({"status": {"conditions": conditions(list)}})
}

#[test]
fn gitops_12_the_worst_of_several_is_the_greatest() {
    use HealthStatus::{Degraded, Healthy, Missing, Progressing, Suspended, Unknown};
    let order = [Healthy, Suspended, Progressing, Missing, Degraded, Unknown];
    assert!(order.is_sorted());
    assert_eq!(order.iter().max(), Some(&Unknown));
    assert_eq!(serde_json::to_string(&Degraded).unwrap(), "\"Degraded\"");
}

#[test]
fn gitops_12_deployments() {
    let status = |observed: i64, all: i64, updated: i64, available: i64| {
        json!({"spec": {"replicas": 3}, "status": {"observedGeneration": observed,
            "replicas": all, "updatedReplicas": updated, "availableReplicas": available}})
    };
    let late = json!({"spec": {"replicas": 1}, "status": {"observedGeneration": 2, "conditions":
        conditions(&[("Progressing", "False", "ProgressDeadlineExceeded")])}});
    let paused = json!({"spec": {"paused": true, "replicas": 3}});
    let documents = [
        json!({"spec": {"replicas": 3}}),
        status(1, 3, 3, 3),
        status(2, 3, 1, 3),
        status(2, 4, 3, 3),
        status(2, 3, 3, 2),
        status(2, 3, 3, 3),
        late,
        paused,
        json!({"spec": {"replicas": 0}, "status": {"observedGeneration": 2}}),
    ];
    check(
        "apps/v1",
        "Deployment",
        &documents,
        &expect![[r"
            Progressing: the controller has not seen the newest generation
            Progressing: the controller has not seen the newest generation
            Progressing: 1 of 3 replicas are updated
            Progressing: 1 old replicas are still there
            Progressing: 2 of 3 replicas are available
            Healthy
            Degraded: ProgressDeadlineExceeded
            Suspended: the rollout is paused
            Healthy"]],
    );
}

#[test]
fn gitops_12_stateful_sets() {
    let set = |strategy: Value, observed: i64, ready: i64, updated: i64, current: &str| {
        json!({"spec": {"replicas": 3, "updateStrategy": strategy},
            "status": {"observedGeneration": observed, "readyReplicas": ready,
                "updatedReplicas": updated, "currentRevision": current, "updateRevision": "b"}})
    };
    let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}});
    let partition = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
    let documents = [
        json!({"spec": {"replicas": 3}}),
        set(rolling.clone(), 1, 3, 3, "b"),
        set(rolling.clone(), 2, 2, 3, "b"),
        set(rolling.clone(), 2, 3, 1, "a"),
        set(rolling, 2, 3, 3, "b"),
        set(partition.clone(), 2, 3, 0, "a"),
        set(partition, 2, 3, 1, "a"),
        set(json!({"type": "OnDelete"}), 2, 3, 0, "a"),
    ];
    check(
        "apps/v1",
        "StatefulSet",
        &documents,
        &expect![[r"
            Progressing: the controller has not seen the newest generation
            Progressing: the controller has not seen the newest generation
            Progressing: 2 of 3 replicas are ready
            Progressing: 1 of 3 replicas are updated
            Healthy
            Progressing: 0 of 1 replicas above the partition are updated
            Healthy
            Healthy"]],
    );
}

#[test]
fn gitops_12_daemon_sets() {
    let set = |strategy: &str, observed: i64, updated: i64, available: i64| {
        json!({"spec": {"updateStrategy": {"type": strategy}},
            "status": {"observedGeneration": observed, "desiredNumberScheduled": 3,
                "updatedNumberScheduled": updated, "numberAvailable": available}})
    };
    let documents = [
        set("RollingUpdate", 1, 3, 3),
        set("RollingUpdate", 2, 1, 3),
        set("RollingUpdate", 2, 3, 2),
        set("RollingUpdate", 2, 3, 3),
        set("OnDelete", 2, 0, 3),
        set("OnDelete", 1, 3, 3),
    ];
    check(
        "apps/v1",
        "DaemonSet",
        &documents,
        &expect![[r"
            Progressing: the controller has not seen the newest generation
            Progressing: 1 of 3 pods are updated
            Progressing: 2 of 3 pods are available
            Healthy
            Healthy
            Progressing: the controller has not seen the newest generation"]],
    );
}

#[test]
fn gitops_12_replica_sets() {
    let set = |observed: i64, available: i64, failure: &str| {
        json!({"spec": {"replicas": 2}, "status": {"observedGeneration": observed,
            "availableReplicas": available,
            "conditions": conditions(&[("ReplicaFailure", failure, "FailedCreate")])}})
    };
    check(
        "apps/v1",
        "ReplicaSet",
        &[set(1, 2, "False"), set(2, 1, "False"), set(2, 2, "False"), set(2, 0, "True")],
        &expect![[r"
            Progressing: the controller has not seen the newest generation
            Progressing: 1 of 2 replicas are available
            Healthy
            Degraded: FailedCreate"]],
    );
}

#[test]
fn gitops_12_jobs_and_schedules() {
    check(
        "batch/v1",
        "Job",
        &[
            json!({}),
            json!({"status": {"active": 2}}),
            with_conditions(&[("Suspended", "True", "JobSuspended")]),
            with_conditions(&[("Suspended", "False", "JobResumed")]),
            with_conditions(&[("FailureTarget", "True", "PodFailurePolicy")]),
            with_conditions(&[("Complete", "True", "")]),
            with_conditions(&[("Failed", "True", "BackoffLimitExceeded")]),
        ],
        &expect![[r"
            Progressing: running, 0 active pods
            Progressing: running, 2 active pods
            Suspended: JobSuspended
            Progressing: running, 0 active pods
            Progressing: PodFailurePolicy
            Healthy
            Degraded: BackoffLimitExceeded"]],
    );
    check(
        "batch/v1",
        "CronJob",
        &[json!({"spec": {}}), json!({"spec": {"suspend": true}})],
        &expect![[r"
            Healthy
            Suspended: the schedule is suspended"]],
    );
}

#[test]
fn gitops_12_pods() {
    let pod = |restart: &str, phase: &str, containers: Value, ready: &str| {
        json!({"spec": {"restartPolicy": restart}, "status": {"phase": phase,
            "containerStatuses": containers,
            "conditions": conditions(&[("Ready", ready, "ContainersNotReady")])}})
    };
    let waiting = |reason: &str| json!([{"name": "a", "state": {"waiting": {"reason": reason}}}]);
    let ended = |state: &str, code: i64, reason: &str| json!([{"name": "a", state: {"terminated": {"exitCode": code, "reason": reason}}}]);
    let init = json!({"status": {"phase": "Pending",
        "initContainerStatuses": waiting("CrashLoopBackOff")}});
    check(
        "v1",
        "Pod",
        &[
            json!({}),
            json!({"status": {"phase": "Pending", "conditions": [{"type": "PodScheduled",
                "status": "False", "message": "0/1 nodes are available"}]}}),
            pod("Always", "Pending", waiting("ContainerCreating"), "False"),
            pod("Always", "Pending", waiting("ErrImagePull"), "False"),
            pod("Always", "Pending", waiting("CreateContainerConfigError"), "False"),
            pod("Always", "Running", waiting("CrashLoopBackOff"), "False"),
            init,
            pod("Never", "Pending", waiting("ImagePullBackOff"), "False"),
            pod("Always", "Running", json!([]), "False"),
            pod("Always", "Running", ended("lastState", 1, "Error"), "False"),
            pod("Always", "Running", ended("lastState", 1, "Error"), "True"),
            pod("OnFailure", "Running", json!([]), "True"),
            pod("Never", "Succeeded", json!([]), "False"),
            pod("Never", "Failed", ended("state", 3, "Error"), "False"),
            pod("Never", "Failed", ended("state", 137, "OOMKilled"), "False"),
            json!({"status": {"phase": "Failed", "message": "evicted"}}),
            json!({"status": {"phase": "Lost"}}),
        ],
        &expect![[r"
            Progressing: not seen by a node or the scheduler yet
            Progressing: 0/1 nodes are available
            Progressing: starting
            Degraded: container a: ErrImagePull
            Degraded: container a: CreateContainerConfigError
            Degraded: container a: CrashLoopBackOff
            Degraded: container a: CrashLoopBackOff
            Progressing: starting
            Progressing: not ready
            Degraded: container a: exit code 1
            Healthy
            Progressing: running to completion
            Healthy
            Degraded: container a: exit code 3
            Degraded: container a: out of memory
            Degraded: evicted
            Unknown: the phase is Lost"]],
    );
}

fn check_phases(kind: &str, phases: &[&str], expected: &Expect) {
    let documents: Vec<Value> = std::iter::once(json!({}))
        .chain(phases.iter().map(|phase| json!({"status": {"phase": phase}})))
        .collect();
    check("v1", kind, &documents, expected);
}

#[test]
fn gitops_12_kinds_with_a_phase() {
    check_phases(
        "PersistentVolumeClaim",
        &["Pending", "Bound", "Lost", "x"],
        &expect![[r"
            Progressing: no volume is bound yet
            Progressing: no volume is bound yet
            Healthy
            Degraded: the volume of the claim is lost
            Unknown: the phase is x"]],
    );
    check_phases(
        "PersistentVolume",
        &["Pending", "Available", "Bound", "Released", "Failed", "x"],
        &expect![[r"
            Progressing: not available yet
            Progressing: not available yet
            Healthy
            Healthy
            Healthy
            Degraded: the volume failed
            Unknown: the phase is x"]],
    );
    check_phases(
        "Namespace",
        &["Active", "Terminating", "x"],
        &expect![[r"
            Progressing: not active yet
            Healthy
            Progressing: being deleted
            Unknown: the phase is x"]],
    );
}

#[test]
fn gitops_12_services_and_ingresses_wait_for_an_address() {
    let address = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
    check(
        "v1",
        "Service",
        &[
            json!({"spec": {"type": "ClusterIP"}}),
            json!({"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {}}}),
            json!({"spec": {"type": "LoadBalancer"}, "status": address}),
        ],
        &expect![[r"
            Healthy
            Progressing: no load balancer has given it an address yet
            Healthy"]],
    );
    for api_version in ["networking.k8s.io/v1", "extensions/v1beta1"] {
        check(
            api_version,
            "Ingress",
            &[json!({}), json!({"status": address})],
            &expect![[r"
                Progressing: no load balancer has given it an address yet
                Healthy"]],
        );
    }
}

#[test]
fn gitops_12_definitions() {
    check(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        &[
            json!({}),
            with_conditions(&[
                ("NamesAccepted", "True", ""),
                ("Established", "False", "Installing"),
            ]),
            with_conditions(&[("NamesAccepted", "True", ""), ("Established", "True", "")]),
            with_conditions(&[
                ("NamesAccepted", "False", "PluralConflict"),
                ("Established", "True", ""),
            ]),
            with_conditions(&[
                ("NonStructuralSchema", "True", "Violations"),
                ("Established", "True", ""),
            ]),
            with_conditions(&[("Established", "True", ""), ("Terminating", "True", "")]),
            json!({"status": {"conditions": [{"type": "Established", "status": "True",
                "observedGeneration": 1}]}}),
        ],
        &expect![[r"
            Progressing: not established yet
            Progressing: Installing
            Healthy
            Degraded: PluralConflict
            Degraded: Violations
            Progressing: being deleted
            Progressing: the controller has not seen the newest generation"]],
    );
    check(
        "apiregistration.k8s.io/v1",
        "APIService",
        &[
            json!({}),
            with_conditions(&[("Available", "False", "MissingEndpoints")]),
            with_conditions(&[("Available", "True", "Passed")]),
        ],
        &expect![[r"
            Progressing: not available yet
            Progressing: MissingEndpoints
            Healthy"]],
    );
}

#[test]
fn gitops_12_autoscalers_and_disruption_budgets() {
    check(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        &[
            json!({}),
            with_conditions(&[("AbleToScale", "True", "SucceededGetScale")]),
            with_conditions(&[("AbleToScale", "True", "SucceededRescale")]),
            with_conditions(&[("ScalingLimited", "True", "TooFewReplicas")]),
            with_conditions(&[("AbleToScale", "False", "FailedGetScale")]),
            with_conditions(&[
                ("AbleToScale", "True", "SucceededRescale"),
                ("ScalingActive", "False", "FailedGetResourceMetric"),
            ]),
            json!({"status": {"observedGeneration": 1, "conditions":
                conditions(&[("ScalingLimited", "False", "DesiredWithinRange")])}}),
        ],
        &expect![[r"
            Progressing: waiting for the first scaling decision
            Progressing: waiting for the first scaling decision
            Healthy: SucceededRescale
            Healthy: TooFewReplicas
            Degraded: FailedGetScale
            Degraded: FailedGetResourceMetric
            Progressing: the controller has not seen the newest generation"]],
    );
    let budget = |observed: i64, current: i64, reason: &str| {
        json!({"status": {"observedGeneration": observed, "currentHealthy": current,
            "desiredHealthy": 2, "conditions": conditions(&[("DisruptionAllowed", "False", reason)])}})
    };
    check(
        "policy/v1",
        "PodDisruptionBudget",
        &[budget(1, 2, ""), budget(2, 1, ""), budget(2, 2, ""), budget(2, 2, "SyncFailed")],
        &expect![[r"
            Progressing: the controller has not seen the newest generation
            Progressing: 1 of 2 pods are healthy
            Healthy
            Degraded: SyncFailed"]],
    );
}

#[test]
fn gitops_12_an_unknown_kind_is_judged_by_its_conditions() {
    let stale_ready = json!({"status": {"conditions":
        [{"type": "Ready", "status": "True", "observedGeneration": 1}]}});
    check(
        "example.com/v1",
        "Thing",
        &[
            json!({}),
            json!({"status": {"observedGeneration": 1}}),
            json!({"status": {"observedGeneration": 2}}),
            with_conditions(&[("Ready", "True", "Ok")]),
            with_conditions(&[("Ready", "False", "Waiting")]),
            with_conditions(&[("Ready", "Unknown", "")]),
            stale_ready,
            with_conditions(&[("Ready", "True", ""), ("Stalled", "True", "NoQuota")]),
            with_conditions(&[("Failed", "True", "Broken")]),
            with_conditions(&[("Degraded", "True", "Broken")]),
            with_conditions(&[("Ready", "True", ""), ("Reconciling", "True", "Working")]),
            with_conditions(&[("Progressing", "True", "Working")]),
            with_conditions(&[("Available", "True", ""), ("Progressing", "True", "Idle")]),
            with_conditions(&[("Available", "False", "NoEndpoints")]),
            with_conditions(&[("Synced", "False", "Other")]),
        ],
        &expect![[r"
            Healthy
            Progressing: the controller has not seen the newest generation
            Healthy
            Healthy
            Progressing: Waiting
            Progressing: Ready is Unknown
            Progressing: the controller has not seen the newest generation
            Degraded: NoQuota
            Degraded: Broken
            Degraded: Broken
            Progressing: Working
            Progressing: Working
            Healthy
            Progressing: NoEndpoints
            Healthy"]],
    );
}

#[test]
fn gitops_12_a_stale_generation_is_never_healthy() {
    let kinds = [
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("apps/v1", "ReplicaSet"),
        ("autoscaling/v2", "HorizontalPodAutoscaler"),
        ("batch/v1", "CronJob"),
        ("policy/v1", "PodDisruptionBudget"),
        ("example.com/v1", "Thing"),
    ];
    for (api_version, kind) in kinds {
        let document = json!({"spec": {"replicas": 0}, "status": {"observedGeneration": 1,
            "conditions": conditions(&[("Ready", "True", ""),
                ("ScalingLimited", "True", "DesiredWithinRange")])}});
        let stale = assess(&object(api_version, kind, 2, &document));
        assert_eq!(stale.status, HealthStatus::Progressing, "{kind}: {stale}");
        let fresh = assess(&object(api_version, kind, 1, &document));
        assert_eq!(fresh.status, HealthStatus::Healthy, "{kind}: {fresh}");
    }
}

#[test]
fn gitops_12_what_is_being_deleted_is_progressing() {
    for (api_version, kind) in [("v1", "ConfigMap"), ("v1", "Pod"), ("example.com/v1", "Thing")] {
        let mut doomed = object(api_version, kind, 1, &json!({"status": {"phase": "Failed"}}));
        doomed.metadata_mut().insert("deletionTimestamp".to_owned(), json!("2026-01-01T00:00:00Z"));
        assert_eq!(assess(&doomed).to_string(), "Progressing: being deleted");
    }
}

#[test]
fn objects_without_a_status_are_healthy() {
    for kind in ["ConfigMap", "Secret", "ServiceAccount"] {
        check("v1", kind, &[json!({"data": {"a": "b"}})], &expect!["Healthy"]);
    }
}

#[test]
fn a_misshapen_status_is_read_without_a_panic() {
    for status in [
        json!(null),
        json!([]),
        json!("x"),
        json!({"conditions": {"type": 1}}),
        json!({"conditions": [1, {"type": 2}], "phase": 3, "observedGeneration": "x"}),
    ] {
        for (group, kind, _) in RULES {
            let api_version =
                if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
            let _ = assess(&object(&api_version, kind, 1, &json!({"status": status, "spec": []})));
        }
    }
}
