//! Those who are told: signed webhooks and the status of a commit, received by a server of the
//! test.

use crate::bed::{Bed, TIMEOUT, config_map, ready_reason};
use crate::running::WAIT;
use gitops::webhook::{Headers, verify};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use testkit::git::Change;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const TOKEN: &str = "CANARY-of-a-forge";

/// One request as the receiver got it.
struct Heard {
    path: String,
    headers: Vec<(String, String)>,
    body: String,
    refused: bool,
}

impl Heard {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A server that takes everything, but for the paths that it was told to refuse once.
struct Ear {
    address: String,
    heard: Receiver<Heard>,
    refuse: Arc<Mutex<VecDeque<String>>>,
}

impl Ear {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (sender, heard) = channel();
        let refuse: Arc<Mutex<VecDeque<String>>> = Arc::default();
        let refused = refuse.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let Some(mut one) = read(&stream) else { continue };
                let mut refused = refused.lock().unwrap();
                if refused.front() == Some(&one.path) {
                    refused.pop_front();
                    one.refused = true;
                }
                let status = if one.refused { "503 Later" } else { "204 Taken" };
                let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n");
                let _ = (&stream).write_all(answer.as_bytes());
                let _ = sender.send(one);
            }
        });
        Self { address, heard, refuse }
    }

    /// Waits for a request that is as wanted; gives all before it, too.
    fn until(&self, wanted: impl Fn(&Heard) -> bool) -> Vec<Heard> {
        let mut all = Vec::new();
        loop {
            let one = self.heard.recv_timeout(WAIT);
            let Ok(one) = one else {
                let known: Vec<_> = all.iter().map(|one: &Heard| (&one.path, &one.body)).collect();
                panic!("it was not told; what was: {known:?}");
            };
            let found = wanted(&one);
            all.push(one);
            if found {
                return all;
            }
        }
    }
}

fn read(stream: &TcpStream) -> Option<Heard> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut heard = Heard { path, headers, body: String::new(), refused: false };
    let length = heard.header("content-length").parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    heard.body = String::from_utf8(body).ok()?;
    Some(heard)
}

/// An account that may do all in its namespace, and Secrets that only it is asked to read.
fn team(bed: &Bed) {
    bed.cluster.kubectl_ok(&["create", "serviceaccount", "team"]);
    let bind = ["create", "rolebinding", "team", "--clusterrole=admin"];
    bed.cluster.kubectl_ok(&[&bind[..], &["--serviceaccount=default:team"]].concat());
    for (name, token) in [("hook", SECRET), ("forge", TOKEN)] {
        let token = format!("--from-literal=token={token}");
        bed.cluster.kubectl_ok(&["create", "secret", "generic", name, &token]);
    }
}

fn spec(address: &str) -> String {
    let mut text = format!(
        "  serviceAccountName: team\n  notify:\n  - url: http://{address}/hook\n    \
         secretRef: {{name: hook}}\n"
    );
    for (kind, repository) in
        [("github", "team/demo"), ("gitlab", "team/deep/demo"), ("gitea", "team/demo")]
    {
        text.push_str(&format!(
            "  - kind: {kind}\n    url: http://{address}/{kind}/\n    \
             secretRef: {{name: forge}}\n    repository: {repository}\n"
        ));
    }
    text
}

fn is(kind: &'static str) -> impl Fn(&Heard) -> bool {
    move |one| {
        one.path == "/hook"
            && !one.refused
            && one.json().get("type").is_some_and(|told| told == kind)
    }
}

#[test]
fn events_are_told_signed_and_once_and_forges_show_the_status_of_the_commit() {
    let Some(bed) = Bed::new() else { return };
    let ear = Ear::new();
    team(&bed);
    // The first try of the first letter does not arrive.
    ear.refuse.lock().unwrap().push_back("/hook".to_owned());
    let good = bed.push(&[("one", "a")]);
    bed.sync("web", "app", &spec(&ear.address));
    let controller = bed.controller();
    let mut heard = ear.until(is("gitsync.succeeded"));
    let states = |heard: &[Heard], path: &str| -> Vec<String> {
        let own = heard.iter().filter(|one| one.path == path);
        own.map(|one| one.json()["state"].as_str().unwrap().to_owned()).collect()
    };
    let paths = [
        format!("/github/repos/team/demo/statuses/{good}"),
        format!("/gitlab/api/v4/projects/team%2Fdeep%2Fdemo/statuses/{good}"),
        format!("/gitea/api/v1/repos/team/demo/statuses/{good}"),
    ];
    let all = |heard: &[Heard]| {
        paths.iter().all(|path| states(heard, path).iter().any(|state| state == "success"))
    };
    while !all(&heard) {
        heard.extend(ear.until(|one| one.path != "/hook"));
    }
    let hooks: Vec<&Heard> = heard.iter().filter(|one| one.path == "/hook").collect();
    let kinds: Vec<_> = hooks.iter().map(|one| one.json()["type"].clone()).collect();
    assert_eq!(kinds, ["gitsync.progressing", "gitsync.progressing", "gitsync.succeeded"]);
    assert!(hooks[0].refused && !hooks[1].refused);
    assert_eq!(hooks[0].header("webhook-id"), hooks[1].header("webhook-id"));
    for hook in &hooks {
        let headers: Vec<(&str, &str)> =
            hook.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let (secrets, now) = ([SECRET.as_bytes()], jiff::Timestamp::now());
        verify(Headers(&headers), hook.body.as_bytes(), &secrets, None, now).unwrap();
        assert_eq!(hook.json()["data"]["revision"], good);
    }
    for (path, (header, value)) in paths.iter().zip([
        ("authorization", format!("Bearer {TOKEN}")),
        ("private-token", TOKEN.to_owned()),
        ("authorization", format!("token {TOKEN}")),
    ]) {
        let own: Vec<_> = heard.iter().filter(|one| one.path == *path).collect();
        assert!(own.iter().all(|one| one.header(header) == value), "{path}");
        assert!(own.iter().all(|one| one.json()["context"] == "orlop/default/web"), "{path}");
    }
    bed.wait("web", ".status.notified.event", "succeeded");

    bed.cluster.kubectl_ok(&["patch", "cm", "one", "-p", "{\"data\":{\"value\":\"hand\"}}"]);
    let drift = ear.until(is("gitsync.drift"));
    let message = drift.last().unwrap().json()["data"]["message"].clone();
    assert!(message.as_str().unwrap().contains("ConfigMap one (.data.value)"), "{message}");
    bed.until("cm/one", ".data.value", "a");

    let text = [Change::RemoveAll, Change::File("app/one.yaml", b"kind: [\n")];
    let bad = bed.repository.commit("main", &text, "broken").unwrap();
    let failed = ear.until(is("gitsync.failed"));
    assert_eq!(failed.last().unwrap().json()["data"]["revision"], bad);
    bed.wait("web", ".status.notified.event", "failed");

    // What was told is not told again by the next process.
    drop(controller);
    while ear.heard.try_recv().is_ok() {}
    let controller = bed.controller();
    let next = bed.push(&[("one", "b")]);
    let heard = ear.until(is("gitsync.succeeded"));
    let others: Vec<_> = heard.iter().filter(|one| !one.path.ends_with(&next)).collect();
    assert!(others.iter().all(|one| one.json()["data"]["revision"] == next));

    let events = bed.cluster.kubectl_ok(&["get", "events", "-o", "yaml"]);
    for output in [bed.describe("web"), events, controller.log_so_far()] {
        assert!(!output.contains(TOKEN) && !output.contains(SECRET), "it is told: {output}");
    }
    assert!(controller.get("/metrics").2.contains("orlop_notifications_total{result=\"sent\"}"));
}

#[test]
fn a_receiver_that_never_answers_holds_nothing_up_and_one_without_a_secret_is_named() {
    let Some(bed) = Bed::new() else { return };
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    team(&bed);
    bed.cluster.kubectl_ok(&["delete", "secret", "forge"]);
    bed.push(&[("one", "a")]);
    bed.sync("web", "app", &spec(&deaf.local_addr().unwrap().to_string()));
    let controller = bed.controller();
    bed.ready("web");
    controller.line_with("the Secret default/forge has no `token`");
    for value in ["b", "c", "d"] {
        let next = bed.push(&[("one", value)]);
        bed.wait("web", ".status.healthyRevision", &next);
    }
    // Deletion ends what is under way.
    bed.cluster.kubectl_ok(&["delete", "gitsync", "web", TIMEOUT]);
    assert_eq!(bed.get("cm/one", ".data.value"), "");
}

#[test]
fn the_api_server_refuses_receivers_that_make_no_sense() {
    let Some(bed) = Bed::new() else { return };
    bed.push(&[("one", "a")]);
    let text = config_map("x", "x");
    assert!(text.contains("ConfigMap"));
    for (one, told) in [
        ("{kind: gitea, secretRef: {name: s}}", "only GitHub and GitLab have a usual address"),
        ("{url: 'https://u:p@h/', secretRef: {name: s}}", "without credentials in it"),
        ("{url: 'https://h/', repository: a/b, secretRef: {name: s}}", "must have no repository"),
        ("{url: 'https://h/', events: [sunrise], secretRef: {name: s}}", "sunrise"),
    ] {
        let text = format!(
            "apiVersion: orlop.dev/v1alpha1\nkind: GitSync\nmetadata: {{name: web}}\nspec:\n  \
             source: {{url: 'https://h/a', ref: {{branch: main}}}}\n  notify: [{one}]\n"
        );
        let file = bed.desk.file("wrong.yaml", &text);
        let line = ["apply", "--server-side", "-n", "default", "-f", file.to_str().unwrap()];
        let output = bed.cluster.kubectl().args(line).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(told), "{one}: {said}");
    }
    bed.sync("web", "app", "  notify: [{kind: github, secretRef: {name: s}, repository: a/b}]\n");
    assert_eq!(bed.get("gitsync/web", ready_reason()), "");
}
