//! Continuous delivery by the controller: the real binary, a real API server, a real Git server.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "git_sync/bed.rs"]
mod bed;
#[path = "git_sync/clock.rs"]
mod clock;
#[path = "git_sync/delivering.rs"]
mod delivering;
#[path = "git_sync/host.rs"]
mod host;
#[path = "git_sync/replicas.rs"]
mod replicas;
#[path = "support/running.rs"]
#[expect(dead_code, reason = "shared with the tests of the controller's own life")]
mod running;
#[path = "git_sync/sources.rs"]
mod sources;
mod support;
#[path = "git_sync/surviving.rs"]
mod surviving;
#[path = "git_sync/told.rs"]
mod told;

use bed::{Bed, TIMEOUT, config_map, files_with, ready_reason};
use testkit::git::Change;
use testkit::proxy::Proxy;

#[test]
fn a_push_arrives_drift_is_reverted_and_nothing_is_written_at_rest() {
    let Some(mut bed) = Bed::new() else { return };
    let proxy = Proxy::start(&bed.cluster.kubeconfig()).unwrap();
    bed.desk.variable("KUBECONFIG", proxy.kubeconfig());
    let first = bed.push(&[("one", "a"), ("two", "a")]);
    bed.sync("web", "app", "");
    let controller = bed.controller();
    bed.wait("web", ".status.healthyRevision", &first);
    bed.ready("web");
    assert_eq!(bed.get("cm/one", ".data.value"), "a");
    assert_eq!(bed.get("gitsync/web", ".status.inventory.objects"), "2");
    assert_eq!(bed.get("gitsync/web", ".status.lastOperation.counts.created"), "2");
    assert_eq!(bed.get("gitsync/web", ".status.observedGeneration"), "1");
    assert!(bed.get("gitsync/web", ".status.lastOperation.author").contains('<'));

    let second = bed.push(&[("one", "b")]);
    bed.wait("web", ".status.healthyRevision", &second);
    assert_eq!(bed.get("cm/one", ".data.value"), "b");
    assert_eq!(bed.get("cm/two", ".data.value"), "", "what left the tree is pruned");

    bed.cluster.kubectl_ok(&["patch", "cm", "one", "-p", "{\"data\":{\"value\":\"hand\"}}"]);
    bed.until("cm/one", ".data.value", "b");
    bed.wait("web", ".status.lastOperation.trigger", "Drift");
    bed.cluster.kubectl_ok(&["delete", "cm", "one"]);
    bed.until("cm/one", ".data.value", "b");
    bed.ready("web");

    // Polls of the source go on; nothing else does.
    let looks = |text: &str| {
        let line = text.lines().find(|line| line.contains("orlop_git_requests_total{result=\"unc"));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).unwrap_or(0)
    };
    let settled = looks(&controller.get("/metrics").2) + 1;
    controller.metrics_until("a look", |text| looks(text) > settled);
    proxy.recorder().reset();
    controller.metrics_until("three looks", |text| looks(text) > settled + 3);
    let counts = proxy.recorder().counts();
    let lease = "leases.coordination.k8s.io";
    let writes: Vec<_> =
        counts.iter().filter(|(call, _)| call.writes() && call.resource != lease).collect();
    assert!(writes.is_empty(), "{writes:?}");
    let text = controller.get("/metrics").2;
    for part in [
        "orlop_sync_objects{namespace=\"default\",sync=\"web\",health=\"Healthy\"} 1",
        "orlop_sync_ready{namespace=\"default\",sync=\"web\"} 1",
        "orlop_sync_duration_seconds_count{phase=\"detection\"}",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn gitops_8_a_bad_commit_is_refused_with_its_reason_and_prunes_nothing() {
    let Some(bed) = Bed::new() else { return };
    let good = bed.push(&[("one", "a"), ("two", "a")]);
    bed.sync("web", "app", "");
    let controller = bed.controller();
    bed.wait("web", ".status.healthyRevision", &good);

    // A document that cannot be read.
    let text = [Change::RemoveAll, Change::File("app/one.yaml", b"kind: [\n")];
    bed.repository.commit("main", &text, "broken").unwrap();
    bed.wait("web", ready_reason(), "RenderFailed");
    assert!(bed.describe("web").contains("one.yaml:2:1"), "{}", bed.describe("web"));
    // One that the server refuses.
    let wrong = config_map("one", "b").replace("\ndata: {", "\ndota: {");
    let text = [Change::RemoveAll, Change::File("app/one.yaml", wrong.as_bytes())];
    bed.repository.commit("main", &text, "wrong").unwrap();
    bed.wait("web", ready_reason(), "ValidationFailed");
    assert!(bed.describe("web").contains("dota"), "{}", bed.describe("web"));
    // No object at all.
    bed.repository.commit("main", &[Change::RemoveAll], "empty").unwrap();
    bed.wait("web", ready_reason(), "FetchFailed");
    assert_eq!(
        (bed.get("cm/one", ".data.value"), bed.get("cm/two", ".data.value")),
        ("a".into(), "a".into())
    );
    assert_eq!(bed.get("gitsync/web", ".status.appliedRevision"), good);
    let mended = bed.push(&[("one", "c")]);
    bed.wait("web", ".status.healthyRevision", &mended);
    bed.ready("web");
    drop(controller);
}

#[test]
fn suspended_means_no_write_and_deletion_prunes_or_orphans() {
    let Some(bed) = Bed::new() else { return };
    let first = bed.push(&[("one", "a")]);
    bed.sync("web", "app", "");
    let controller = bed.controller();
    bed.wait("web", ".status.healthyRevision", &first);
    bed.sync("web", "app", "  suspend: true\n");
    bed.wait("web", ready_reason(), "Suspended");
    bed.cluster.kubectl_ok(&["patch", "cm", "one", "-p", "{\"data\":{\"value\":\"hand\"}}"]);
    let second = bed.push(&[("one", "b")]);
    // Another GitSync proves that the controller is at work meanwhile.
    bed.repository.push(&[("other/x.yaml", config_map("x", "1").as_bytes())], "x").unwrap();
    bed.sync("other", "other", "  prune: {onDelete: orphan}\n");
    bed.ready("other");
    assert_eq!(bed.get("cm/one", ".data.value"), "hand");
    assert_ne!(bed.get("gitsync/web", ".status.appliedRevision"), second);

    bed.sync("web", "app", "");
    bed.until("cm/one", ".data.value", "b");
    bed.ready("web");

    bed.cluster.kubectl_ok(&["delete", "gitsync", "web", TIMEOUT]);
    assert_eq!(bed.get("cm/one", ".data.value"), "");
    bed.cluster.kubectl_ok(&["delete", "gitsync", "other", TIMEOUT]);
    assert_eq!(bed.get("cm/x", ".data.value"), "1");
    assert_eq!(bed.get("cm/x", ".metadata.labels"), "");
    controller.metrics_until("the end of the series", |text| !text.contains("sync=\"web\""));
}

#[test]
fn a_gitsync_waits_for_what_it_depends_on_and_a_refused_account_is_named() {
    let Some(bed) = Bed::new() else { return };
    let text = config_map("base", "1");
    bed.repository.push(&[("base/b.yaml", text.as_bytes())], "base").unwrap();
    bed.repository.push(&[("top/t.yaml", config_map("top", "1").as_bytes())], "top").unwrap();
    bed.cluster.kubectl_ok(&["create", "serviceaccount", "narrow"]);
    bed.sync("top", "top", "  dependsOn: [{name: base}]\n");
    bed.sync("base", "base", "  serviceAccountName: narrow\n");
    let controller = bed.controller();
    bed.wait("base", ready_reason(), "ApplyFailed");
    let told = bed.describe("base");
    assert!(told.contains("system:serviceaccount:default:narrow"), "{told}");
    bed.wait("top", ready_reason(), "DependencyNotReady");
    assert_eq!(bed.get("cm/top", ".data.value"), "");

    let all = [
        "create",
        "rolebinding",
        "narrow",
        "--clusterrole=admin",
        "--serviceaccount=default:narrow",
    ];
    bed.cluster.kubectl_ok(&all);
    bed.ready("base");
    bed.ready("top");
    assert_eq!(bed.get("cm/top", ".data.value"), "1");
    drop(controller);
}

#[test]
fn gitops_20_a_restart_of_the_api_server_and_of_the_controller_loses_nothing() {
    let Some(bed) = Bed::new() else { return };
    let first = bed.push(&[("one", "a")]);
    bed.sync("web", "app", "");
    let controller = bed.controller();
    bed.wait("web", ".status.healthyRevision", &first);
    bed.cluster.kill_api_server();
    let second = bed.push(&[("one", "b")]);
    bed.cluster.start_api_server();
    bed.wait("web", ".status.healthyRevision", &second);
    assert_eq!(bed.get("cm/one", ".data.value"), "b");
    drop(controller);

    // What happened meanwhile is seen by the next process.
    bed.cluster.kubectl_ok(&["patch", "cm", "one", "-p", "{\"data\":{\"value\":\"hand\"}}"]);
    let controller = bed.controller();
    bed.until("cm/one", ".data.value", "b");
    bed.ready("web");
    drop(controller);
    bed.cluster.kubectl_ok(&["delete", "cm", "one"]);
    let controller = bed.controller();
    bed.until("cm/one", ".data.value", "b");
    bed.ready("web");
    drop(controller);
}

#[test]
fn gitops_6_an_ignored_field_is_left_to_its_writer() {
    let Some(bed) = Bed::new() else { return };
    let push = |value: &str, more: &str| {
        let text =
            config_map("one", value).replace("\ndata: {", &format!("\ndata: {{more: '{more}', "));
        bed.repository.push(&[("app/one.yaml", text.as_bytes())], "values").unwrap()
    };
    let first = push("a", "a");
    let rule = "{group: '', kind: ConfigMap, name: 'o*', pointers: [/data/value]}";
    bed.sync("web", "app", &format!("  ignore: [{rule}]\n"));
    let controller = bed.controller();
    bed.wait("web", ".status.healthyRevision", &first);
    assert_eq!(bed.get("cm/one", ".data.value"), "a", "it is made as Git has it");

    let hand = "{\"data\":{\"value\":\"hand\",\"more\":\"hand\"}}";
    bed.cluster.kubectl_ok(&["patch", "cm", "one", "-p", hand]);
    bed.until("cm/one", ".data.more", "a");
    assert_eq!(bed.get("cm/one", ".data.value"), "hand");
    let second = push("b", "b");
    bed.wait("web", ".status.healthyRevision", &second);
    assert_eq!(
        (bed.get("cm/one", ".data.value"), bed.get("cm/one", ".data.more")),
        ("hand".into(), "b".into())
    );
    // Without the rule the field is taken back.
    bed.sync("web", "app", "  conflicts: force\n");
    bed.until("cm/one", ".data.value", "b");
    bed.ready("web");
    drop(controller);
}

#[test]
fn an_overlay_is_built_from_git_and_another_engine_is_refused_with_its_reason() {
    let Some(bed) = Bed::new() else { return };
    let one = config_map("one", "a");
    let files: [(&str, &[u8]); 3] = [
        ("base/kustomization.yaml", b"resources: [one.yaml]\n"),
        ("base/one.yaml", one.as_bytes()),
        ("prod/kustomization.yaml", b"resources: [../base]\nnamePrefix: prod-\n"),
    ];
    let first = bed.repository.push(&files, "overlay").unwrap();
    bed.sync("web", "prod", "");
    let controller = bed.controller();
    bed.wait("web", ".status.healthyRevision", &first);
    assert_eq!(bed.get("cm/prod-one", ".data.value"), "a");

    for (engine, told) in [("helm", "no Chart.yaml"), ("plain", "kustomization.yaml")] {
        bed.sync("web", "prod", &format!("  render: {{engine: {engine}}}\n"));
        bed.wait("web", ready_reason(), "RenderFailed");
        assert!(bed.describe("web").contains(told), "{}", bed.describe("web"));
        assert_eq!(bed.get("cm/prod-one", ".data.value"), "a", "nothing is pruned");
        bed.sync("web", "prod", "  render: {engine: kustomize}\n");
        bed.ready("web");
    }
    // The base is not below the path, and a change of it arrives all the same.
    let second = bed.repository.push(&[("base/one.yaml", config_map("one", "b").as_bytes())], "b");
    bed.wait("web", ".status.healthyRevision", &second.unwrap());
    assert_eq!(bed.get("cm/prod-one", ".data.value"), "b");
    drop(controller);
}

#[test]
fn gitops_18_an_encrypted_secret_is_delivered_and_its_plain_text_is_told_nowhere() {
    const FILE: &str = include_str!("../../../testdata/sops-age-flux.yaml");
    // Published with that file.
    const KEY: &str = "AGE-SECRET-KEY-10U7MAELH09KZU63F65P2TYLN7TQM5X6GSDDCQ4YMUGDS3DS6XZMSTYY2PN";
    let Some(bed) = Bed::new() else { return };
    let first = bed.repository.push(&[("app/db.yaml", FILE.as_bytes())], "secret").unwrap();
    bed.sync("web", "app", "");
    let controller = bed.controller();
    bed.wait("web", ready_reason(), "RenderFailed");
    assert!(
        bed.describe("web").contains("db.yaml: the file is encrypted by SOPS"),
        "{}",
        bed.describe("web")
    );
    let spec = "  decryption: {secretRef: {name: keys}}\n  retry: {pause: 1s, pauseMax: 1s}\n";
    bed.sync("web", "app", spec);
    let message = ".status.conditions[?(@.type==\"Ready\")].message";
    bed.wait("web", message, "the Secret default/keys does not exist");
    assert_eq!(bed.get("secret/global-age-secret", ".kind"), "");
    // A key that comes later is found by the next try.
    let key = bed.desk.file("keys.agekey", &format!("# ours\n{KEY}\n"));
    let from = format!("--from-file=keys.agekey={}", key.to_str().unwrap());
    bed.cluster.kubectl_ok(&["create", "secret", "generic", "keys", &from]);
    bed.wait("web", ".status.healthyRevision", &first);
    std::fs::remove_file(key).unwrap();
    let template = "go-template={{.data.key | base64decode}}";
    let read = || bed.cluster.kubectl_ok(&["get", "secret", "global-age-secret", "-o", template]);
    let planted = read();
    assert_eq!(planted.len(), 12);
    assert!(bed.get("secret/global-age-secret", ".sops").is_empty());

    // Drift is reverted; a file that somebody changed is refused, and so is one without its key.
    let hand = "{\"stringData\":{\"key\":\"hand\"}}";
    bed.cluster.kubectl_ok(&["patch", "secret", "global-age-secret", "-p", hand]);
    bed.wait("web", ".status.lastOperation.trigger", "Drift");
    bed.ready("web");
    assert_eq!(read(), planted);
    let changed = FILE.replace("type: Opaque", "type: Opaquer");
    bed.repository.push(&[("app/db.yaml", changed.as_bytes())], "changed").unwrap();
    bed.wait("web", ready_reason(), "RenderFailed");
    let told = bed.describe("web");
    assert!(told.contains("the encrypted file is refused"), "{told}");
    bed.cluster.kubectl_ok(&["delete", "secret", "keys"]);
    bed.repository.push(&[("app/db.yaml", FILE.as_bytes())], "back").unwrap();
    bed.wait("web", message, "the Secret default/keys does not exist");
    assert_eq!(read(), planted, "what was delivered stays");

    let events = bed.cluster.kubectl_ok(&["get", "events", "-o", "yaml"]);
    let maps = bed.cluster.kubectl_ok(&["get", "configmaps", "-o", "yaml"]);
    let metrics = controller.get("/metrics").2;
    let log = controller.log_so_far();
    assert!(log.contains("RenderFailed"), "{log}");
    for output in [bed.describe("web"), told, events, maps, metrics, log] {
        assert!(!output.contains(&planted), "it is told: {output}");
        assert!(!output.contains(KEY), "the key is told: {output}");
    }
    assert_eq!(files_with(bed.desk.dir.path(), &planted), Vec::<std::path::PathBuf>::new());
    assert_eq!(files_with(bed.desk.dir.path(), KEY), Vec::<std::path::PathBuf>::new());
}

#[test]
fn gitops_19_what_cannot_be_changed_is_made_again_only_where_the_spec_says_so() {
    let Some(bed) = Bed::new() else { return };
    let push = |value: &str| {
        let text = format!("{}immutable: true\n", config_map("one", value));
        bed.repository.push(&[("app/one.yaml", text.as_bytes())], "value").unwrap()
    };
    let first = push("a");
    bed.sync("web", "app", "");
    let controller = bed.controller();
    bed.wait("web", ".status.healthyRevision", &first);
    let second = push("b");
    bed.wait("web", ready_reason(), "ValidationFailed");
    assert_eq!(bed.get("cm/one", ".data.value"), "a");
    bed.sync("web", "app", "  force: always\n");
    bed.wait("web", ".status.healthyRevision", &second);
    assert_eq!(bed.get("cm/one", ".data.value"), "b");
    drop(controller);
}
