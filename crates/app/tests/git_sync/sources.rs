//! What comes from outside: pushes that are told, signatures, files that are too large.

use crate::bed::{Bed, config_map, ready_reason};
use crate::running::Running;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use testkit::git::Change;

const SECRET: &str = "a-secret-of-the-webhook";

/// Sends one delivery of GitLab; gives the answer's first line.
fn told(address: &str, token: &str, id: &str, url: &str) -> String {
    let body = serde_json::json!({
        "object_kind": "push", "ref": "refs/heads/main", "project": {"git_http_url": url},
    });
    sent(address, token, id, &body)
}

fn sent(address: &str, token: &str, id: &str, body: &serde_json::Value) -> String {
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /webhook/default/web HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Type: application/json\r\nX-Gitlab-Event: Push Hook\r\nX-Gitlab-Token: {token}\r\n\
         X-Gitlab-Event-UUID: {id}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.lines().next().unwrap_or_default().to_owned()
}

/// A GitSync that hears of pushes by webhook alone.
fn hooked(bed: &Bed) -> (String, Running) {
    let token = format!("--from-literal=token={SECRET}");
    bed.cluster.kubectl_ok(&["create", "secret", "generic", "hook", &token]);
    let first = bed.push(&[("one", "a")]);
    bed.sync("web", "app", "  webhook: {secretRef: {name: hook}}\n");
    let patch = "{\"spec\":{\"interval\":\"1h\"}}";
    bed.cluster.kubectl_ok(&["patch", "gitsync", "web", "--type=merge", "-p", patch]);
    let controller = bed.controller();
    bed.wait("web", ".status.healthyRevision", &first);
    bed.ready("web");
    (first, controller)
}

#[test]
fn gitops_14_a_push_that_is_told_is_delivered_and_one_that_is_not_believed_is_not() {
    let Some(bed) = Bed::new() else { return };
    let (_, controller) = hooked(&bed);
    let url = bed.server.url("demo.git");
    let second = bed.push(&[("one", "b")]);
    bed.server.forget_requests();
    let refused = told(&controller.address, "another-secret-entirely", "1", &url);
    assert!(refused.contains(" 401 "), "{refused}");
    assert!(bed.server.requests().is_empty());
    let taken = told(&controller.address, SECRET, "2", &url);
    assert!(taken.contains(" 202 "), "{taken}");
    bed.wait("web", ".status.healthyRevision", &second);
    assert_eq!(bed.get("cm/one", ".data.value"), "b");
    assert_eq!(bed.get("gitsync/web", ".status.lastOperation.trigger"), "Webhook");
}

#[test]
fn gitops_14_a_push_that_is_told_before_the_server_shows_it_is_delivered_all_the_same() {
    let Some(bed) = Bed::new() else { return };
    let (first, controller) = hooked(&bed);
    bed.repository.set_branch("side", &first).unwrap();
    let text = config_map("one", "b");
    let change = [Change::File("app/one.yaml", text.as_bytes())];
    let next = bed.repository.commit("side", &change, "early").unwrap();
    bed.server.forget_requests();
    let body = serde_json::json!({
        "object_kind": "push", "ref": "refs/heads/main", "before": first, "after": next,
        "project": {"git_http_url": bed.server.url("demo.git")},
    });
    let taken = sent(&controller.address, SECRET, "1", &body);
    assert!(taken.contains(" 202 "), "{taken}");
    // The first look is over when another one begins.
    let looks = || bed.server.requests().iter().filter(|r| r.body.contains("ls-refs")).count();
    let looked = testbed::wait::until(crate::running::WAIT, || {
        Ok::<_, std::io::Error>((looks() > 1).then_some(()))
    });
    assert!(looked.unwrap().is_some(), "it did not look again");
    bed.repository.set_branch("main", &next).unwrap();
    // The interval is an hour.
    bed.wait("web", ".status.healthyRevision", &next);
    assert_eq!(bed.get("cm/one", ".data.value"), "b");
    assert_eq!(bed.get("gitsync/web", ".status.lastOperation.trigger"), "Webhook");
}

#[test]
fn gitops_14_a_thousand_deliveries_at_once_are_at_most_two_fetches() {
    const SENDERS: usize = 20;
    const EACH: usize = 50;
    let Some(bed) = Bed::new() else { return };
    let (_, controller) = hooked(&bed);
    let url = bed.server.url("demo.git");
    let second = bed.push(&[("one", "b")]);
    bed.server.forget_requests();
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (address, url) = (&controller.address, &url);
            scope.spawn(move || {
                for n in 0..EACH {
                    let line = told(address, SECRET, &format!("{sender}-{n}"), url);
                    assert!(line.contains(" 202 "), "{line}");
                }
            });
        }
    });
    bed.wait("web", ".status.healthyRevision", &second);
    // One fetch is what brings a pack; a look that finds nothing new brings none.
    let requests = bed.server.requests();
    let packs = requests.iter().filter(|request| request.body.contains("command=fetch"));
    assert!(packs.count() <= 2, "{} requests", requests.len());
    let text = controller.get("/metrics").2;
    assert!(text.contains("orlop_webhook_deliveries_total{code=\"202\"} 1000"), "{text}");
}

#[test]
fn gitops_16_an_unsigned_commit_is_refused_by_name_and_a_signed_one_is_delivered() {
    let Some(bed) = Bed::new() else { return };
    if Command::new("ssh-keygen").arg("--version").output().is_err() {
        testkit::cluster::skip("ssh-keygen is not installed");
        return;
    }
    let key = bed.desk.dir.path().join("key");
    let key = key.to_str().unwrap();
    let made = ["-q", "-t", "ed25519", "-N", "", "-C", "ann", "-f", key];
    assert!(Command::new("ssh-keygen").args(made).status().unwrap().success());
    let public = std::fs::read_to_string(format!("{key}.pub")).unwrap();
    let allowed = format!("test@example.org namespaces=\"git\" {public}");
    let file = bed.desk.file("allowed_signers", &allowed);
    let from = format!("--from-file=allowed_signers={}", file.to_str().unwrap());
    bed.cluster.kubectl_ok(&["create", "configmap", "signers", &from]);

    let unsigned = bed.push(&[("one", "a")]);
    let signed = |parent: &str| {
        let tree = bed.repository.id("main^{tree}").unwrap();
        let sign = format!("user.signingkey={key}");
        let person = ["-c", "user.name=Test", "-c", "user.email=test@example.org"];
        let line = [
            &person[..],
            &["-c", "gpg.format=ssh", "-c", &sign],
            &["commit-tree", &tree, "-p", parent, "-S", "-m", "signed"],
        ];
        let id = bed.repository.git(&line.concat(), &[]).unwrap();
        bed.repository.set_branch("main", &id).unwrap();
        id
    };
    bed.sync("web", "app", "");
    let verify = "{\"spec\":{\"source\":{\"verify\":{\"mode\":\"everyCommit\",\
                  \"allowedSigners\":{\"name\":\"signers\"}}}}}";
    bed.cluster.kubectl_ok(&["patch", "gitsync", "web", "--type=merge", "-p", verify]);
    let controller = bed.controller();
    bed.wait("web", ready_reason(), "VerificationFailed");
    let shown = bed.describe("web");
    assert!(
        shown.contains(unsigned.get(..12).unwrap()) && shown.contains("signature: Unsigned"),
        "{shown}"
    );
    assert_eq!(bed.get("cm/one", ".data.value"), "");
    let first = signed(&unsigned);
    bed.wait("web", ".status.healthyRevision", &first);
    assert_eq!(bed.get("gitsync/web", ".status.lastOperation.signature"), "Good");
    assert_eq!(bed.get("cm/one", ".data.value"), "a");

    // An unsigned one below a signed one is seen, too.
    let text = config_map("one", "b");
    let hidden = bed.repository.push(&[("app/one.yaml", text.as_bytes())], "hidden").unwrap();
    signed(&hidden);
    bed.wait("web", ready_reason(), "VerificationFailed");
    assert!(bed.describe("web").contains(hidden.get(..12).unwrap()), "{}", bed.describe("web"));
    assert_eq!(bed.get("cm/one", ".data.value"), "a");
    drop(controller);
}
