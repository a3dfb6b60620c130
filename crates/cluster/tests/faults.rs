//! What the client does when the API server or the network misbehaves, against a scripted server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use cluster::{
    ApplyOptions, Client, ClusterError, ConnectOptions, DeleteOptions, Deleted, ListOptions,
    PatchOptions, Resource, WatchEvent,
};
use objects::{GroupVersionKind, Object};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One answer of the scripted server.
#[derive(Clone)]
enum Reply {
    Json(u16, &'static str, Value),
    /// The lines of a watch, then the end of the stream.
    Lines(Vec<Value>),
    /// A whole line, half a line, then a cut.
    Torn(Vec<Value>),
    /// The connection is closed without an answer.
    Cut,
    /// No answer ever.
    Silence,
}

struct Server {
    address: String,
    /// The first line and the token of each.
    requests: Arc<Mutex<Vec<(String, String)>>>,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Server {
    /// Answers with the script, and with its last line for ever.
    async fn start(script: Vec<Reply>) -> Self {
        Self::start_at("127.0.0.1:0", script).await
    }

    async fn start_at(place: &str, script: Vec<Reply>) -> Self {
        let listener = TcpListener::bind(place).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, next) = (requests.clone(), Arc::new(Mutex::new(0)));
        let task = tokio::spawn(async move {
            // Dropped with the task: a stopped server cuts its connections.
            let mut open = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (seen, next, script) = (seen.clone(), next.clone(), script.clone());
                open.spawn(async move { answer(socket, &seen, &next, &script).await });
            }
        });
        Self { address, requests, task: Some(task) }
    }

    /// Stops listening and cuts every connection.
    async fn stop(mut self) {
        let task = self.task.take().unwrap();
        task.abort();
        let _ = task.await;
    }

    /// `METHOD /path?query` of every request so far.
    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|(line, _)| line.clone()).collect()
    }

    /// The token of every request so far.
    fn tokens(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|(_, token)| token.clone()).collect()
    }

    async fn client(&self) -> Client {
        self.client_with(|_| {}).await
    }

    async fn client_with(&self, change: impl FnOnce(&mut ConnectOptions)) -> Client {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "{}", kubeconfig(&self.address)).unwrap();
        let mut options = ConnectOptions::from_kubeconfig(file.path());
        options.seed = 1;
        change(&mut options);
        Client::connect(&options).await.unwrap()
    }
}

fn kubeconfig(address: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Config, current-context: x,
           contexts: [{{name: x, context: {{cluster: c, user: u}}}}],
           clusters: [{{name: c, cluster: {{server: '{address}'}}}}],
           users: [{{name: u, user: {{token: CANARY-TOKEN}}}}]}}"
    )
}

async fn answer(
    mut socket: TcpStream,
    seen: &Mutex<Vec<(String, String)>>,
    next: &Mutex<usize>,
    script: &[Reply],
) {
    let mut bytes = Vec::new();
    let head = loop {
        let mut chunk = [0; 4096];
        let Ok(read @ 1..) = socket.read(&mut chunk).await else { return };
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some(end) = text.find("\r\n\r\n") {
            let length =
                text.to_lowercase().split_once("content-length: ").map_or(0, |(_, rest)| {
                    rest.split("\r\n").next().unwrap().parse::<usize>().unwrap()
                });
            if bytes.len() >= end + 4 + length {
                break text;
            }
        }
    };
    let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    let token = head.lines().find_map(|line| line.strip_prefix("authorization: Bearer "));
    seen.lock().unwrap().push((line, token.unwrap_or_default().to_owned()));
    let reply = {
        let mut next = next.lock().unwrap();
        let reply = script[(*next).min(script.len() - 1)].clone();
        *next += 1;
        reply
    };
    let stream = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                  Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    let chunked = |text: String| format!("{:x}\r\n{text}\r\n", text.len());
    let text = match reply {
        Reply::Json(code, headers, body) => {
            let body = body.to_string();
            format!(
                "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n{headers}\r\n{body}",
                body.len()
            )
        }
        Reply::Lines(lines) => {
            let lines: String = lines.iter().map(|line| chunked(format!("{line}\n"))).collect();
            format!("{stream}{lines}0\r\n\r\n")
        }
        Reply::Torn(lines) => {
            let lines: String = lines.iter().map(|line| chunked(format!("{line}\n"))).collect();
            format!("{stream}{lines}{}", chunked("{\"type\":\"ADD".to_owned()))
        }
        Reply::Cut => return,
        Reply::Silence => {
            std::future::pending::<()>().await;
            return;
        }
    };
    let _ = socket.write_all(text.as_bytes()).await;
    let _ = socket.shutdown().await;
}

fn pods() -> Resource {
    Resource {
        gvk: GroupVersionKind::from_api_version("v1", "Pod"),
        plural: "pods".to_owned(),
        singular: "pod".to_owned(),
        short_names: Vec::new(),
        namespaced: true,
        verbs: Vec::new(),
        subresources: Vec::new(),
    }
}

fn pod(name: &str, uid: &str, version: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata":
        {"name": name, "namespace": "a", "uid": uid, "resourceVersion": version}})
}

fn object(name: &str) -> Object {
    let metadata = json!({"name": name, "namespace": "a"});
    Object::from_value(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})).unwrap()
}

fn list(version: &str, items: &[Value], token: &str) -> Reply {
    let metadata = json!({"resourceVersion": version, "continue": token});
    Reply::Json(200, "", json!({"kind": "PodList", "metadata": metadata, "items": items}))
}

fn status(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
           "reason": reason, "message": format!("{reason} happened")})
}

fn ok(value: Value) -> Reply {
    Reply::Json(200, "", value)
}

#[tokio::test]
async fn gitops_20_reads_and_applies_are_tried_again_and_every_try_is_counted() {
    let failing = |reply| vec![reply, ok(pod("p", "1", "5"))];
    for reply in [
        Reply::Json(429, "", status(429, "TooManyRequests")),
        Reply::Json(500, "", status(500, "InternalError")),
        Reply::Json(503, "", json!("a proxy's page")),
        Reply::Cut,
    ] {
        let server = Server::start(failing(reply.clone())).await;
        let client = server.client().await;
        assert!(client.get(&pods(), "a", "p").await.unwrap().is_some());
        assert_eq!(server.requests().len(), 2);
        let counted: u64 = client.metrics().requests().iter().map(|count| count.count).sum();
        assert_eq!(counted, 2);
        assert!(client.metrics().render().contains("orlop_api_retries_total 1"));

        let server = Server::start(failing(reply)).await;
        let client = server.client().await;
        client.apply(&pods(), &object("p"), &ApplyOptions::new("t")).await.unwrap();
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn what_may_have_been_carried_out_is_not_sent_twice() {
    let lost = || vec![Reply::Cut, ok(pod("p", "1", "5"))];
    let server = Server::start(lost()).await;
    let client = server.client().await;
    client.create(&pods(), &object("p"), &ApplyOptions::new("t")).await.unwrap_err();
    let options = PatchOptions { field_manager: "t".into(), ..PatchOptions::default() };
    assert_eq!(server.requests().len(), 1);
    let server = Server::start(lost()).await;
    let client = server.client().await;
    client.patch_json(&pods(), "a", "p", &[], &options).await.unwrap_err();
    assert_eq!(server.requests().len(), 1);
    let server = Server::start(lost()).await;
    let client = server.client().await;
    client.delete(&pods(), "a", "p", &DeleteOptions::default()).await.unwrap_err();
    assert_eq!(server.requests().len(), 1);
    // With a UID the second delete cannot hit another object.
    let gone = ok(json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}));
    let server = Server::start(vec![Reply::Cut, gone]).await;
    let client = server.client().await;
    let options = DeleteOptions { uid: Some("1".into()), ..DeleteOptions::default() };
    assert_eq!(client.delete(&pods(), "a", "p", &options).await.unwrap(), Deleted::Gone);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_create_that_was_clearly_refused_is_sent_again() {
    let busy = Reply::Json(429, "Retry-After: 0\r\n", status(429, "TooManyRequests"));
    let server = Server::start(vec![busy, Reply::Json(201, "", pod("p", "1", "5"))]).await;
    let client = server.client().await;
    let applied = client.create(&pods(), &object("p"), &ApplyOptions::new("t")).await.unwrap();
    assert!(applied.created);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn gitops_20_a_pause_the_server_asks_for_is_kept() {
    let busy = Reply::Json(429, "Retry-After: 1\r\n", status(429, "TooManyRequests"));
    let server = Server::start(vec![busy, ok(pod("p", "1", "5"))]).await;
    let client = server.client().await;
    let start = std::time::Instant::now();
    client.get(&pods(), "a", "p").await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_pause_beyond_the_time_for_all_tries_ends_them_and_is_passed_on() {
    let busy = Reply::Json(429, "Retry-After: 3600\r\n", status(429, "TooManyRequests"));
    let server = Server::start(vec![busy]).await;
    let error = server.client().await.get(&pods(), "a", "p").await.unwrap_err();
    assert_eq!(
        model::Explain::retry(&error),
        model::Retry::After(Duration::from_secs(3600)),
        "{error}"
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn tries_and_silence_are_bounded() {
    let failing = Reply::Json(500, "", status(500, "InternalError"));
    let server = Server::start(vec![failing]).await;
    let client = server.client_with(|options| options.tries_max = 3).await;
    let error = client.get(&pods(), "a", "p").await.unwrap_err();
    assert!(matches!(error, ClusterError::Server { code: 500, .. }), "{error}");
    assert_eq!(server.requests().len(), 3);

    let server = Server::start(vec![Reply::Silence]).await;
    let client = server
        .client_with(|options| {
            options.request_timeout = Duration::from_millis(50);
            options.tries_max = 2;
        })
        .await;
    let error = client.get(&pods(), "a", "p").await.unwrap_err();
    assert!(matches!(error, ClusterError::Timeout { verb: "get", .. }), "{error}");
    assert_eq!(error.to_string(), "no answer to get Pod a/p within 0.05 s");
}

#[tokio::test]
async fn an_unreachable_server_is_named_and_the_token_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = Server { address: address.clone(), requests: Arc::default(), task: None };
    let client = server.client_with(|options| options.tries_max = 2).await;
    let error = client.server_version().await.unwrap_err();
    let shown = model::report(&error, model::Explain::hint(&error)).to_string();
    assert!(shown.contains(&format!("cannot reach the API server at {address}")), "{shown}");
    assert!(shown.contains("refused"), "{shown}");
    assert!(shown.contains("hint: check that the server runs"), "{shown}");
    assert!(!format!("{shown} {error:?} {client:?}").contains("CANARY"), "{shown}");
}

#[tokio::test]
async fn gitops_20_a_list_whose_token_got_too_old_is_begun_anew_and_is_whole() {
    let server = Server::start(vec![
        list("10", &[pod("a", "1", "1"), pod("gone", "2", "2")], "T"),
        Reply::Json(410, "", status(410, "Expired")),
        list("20", &[pod("a", "1", "1")], "U"),
        list("20", &[pod("b", "3", "15")], ""),
    ])
    .await;
    let listed = server.client().await.list(&pods(), &ListOptions::default()).await.unwrap();
    let names: Vec<&str> = listed.objects.iter().map(Object::name).collect();
    assert_eq!((names, listed.resource_version.as_str()), (vec!["a", "b"], "20"));
    assert!(server.requests()[3].contains("continue=U"), "{:?}", server.requests());
}

#[tokio::test]
async fn a_list_that_expires_again_and_again_is_an_error_and_never_a_part() {
    let mut script = Vec::new();
    for _ in 0..10 {
        script.push(list("10", &[pod("a", "1", "1")], "T"));
        script.push(Reply::Json(410, "", status(410, "Expired")));
    }
    let server = Server::start(script).await;
    let error = server.client().await.list(&pods(), &ListOptions::default()).await.unwrap_err();
    assert!(matches!(error, ClusterError::Expired { .. }), "{error}");
    assert_eq!(server.requests().len(), 2 * (1 + cluster::LIST_RESTARTS_MAX as usize));
}

fn event(kind: &str, object: &Value) -> Value {
    json!({"type": kind, "object": object})
}

/// Reads events until `count` came, written short.
async fn told(watch: &mut cluster::Watch, count: usize) -> String {
    let mut all = Vec::new();
    while all.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(20), watch.next());
        all.push(match next.await.expect("an event in time").unwrap() {
            WatchEvent::Added(object) => format!("+{}", object.name()),
            WatchEvent::Modified(object) => format!("~{}", object.name()),
            WatchEvent::Deleted(gone) => format!("-{}", gone.id.name),
            WatchEvent::Synced => "=".to_owned(),
        });
    }
    all.join(" ")
}

#[tokio::test]
async fn gitops_20_a_watch_survives_410_and_tells_what_was_deleted_meanwhile() {
    let expired = event("ERROR", &status(410, "Expired"));
    for gone in [Reply::Lines(vec![expired]), Reply::Json(410, "", status(410, "Gone"))] {
        let server = Server::start(vec![
            list("10", &[pod("a", "1", "1"), pod("b", "2", "2")], ""),
            gone,
            list("20", &[pod("b", "2", "12"), pod("c", "3", "13")], ""),
            Reply::Silence,
        ])
        .await;
        let client = server.client().await;
        let mut watch = client.watch(&pods(), ListOptions::default());
        assert_eq!(told(&mut watch, 7).await, "+a +b = ~b +c -a =");
    }
}

#[tokio::test]
async fn a_cut_watch_goes_on_from_the_last_whole_event_or_bookmark() {
    let bookmark = event("BOOKMARK", &json!({"metadata": {"resourceVersion": "15"}}));
    let server = Server::start(vec![
        list("10", &[pod("a", "1", "1")], ""),
        Reply::Torn(vec![event("MODIFIED", &pod("a", "1", "11")), bookmark]),
        Reply::Cut,
        Reply::Lines(vec![event("DELETED", &pod("a", "1", "16"))]),
        Reply::Silence,
    ])
    .await;
    let client = server.client().await;
    let mut watch = client.watch(&pods(), ListOptions::with_labels("x in (y,z)"));
    assert_eq!(told(&mut watch, 4).await, "+a = ~a -a");
    let requests = server.requests();
    assert!(requests[0].contains("labelSelector=x%20in%20%28y%2Cz%29"), "{requests:?}");
    assert!(requests[1].contains("resourceVersion=10") && requests[1].contains("Bookmarks=true"));
    assert!(requests[2].contains("resourceVersion=15"), "{requests:?}");
    assert!(requests[3].contains("resourceVersion=15"), "{requests:?}");
}

#[tokio::test]
async fn a_watch_that_is_not_allowed_says_so_at_once() {
    let mut denied = status(403, "Forbidden");
    denied["message"] = json!(
        "pods is forbidden: User \"u\" cannot list resource \"pods\" in API group \"\" at the cluster scope"
    );
    let server = Server::start(vec![Reply::Json(403, "", denied)]).await;
    let client = server.client().await;
    let error = client.watch(&pods(), ListOptions::default()).next().await.unwrap_err();
    assert_eq!(error.to_string(), "user u may not list pods at cluster scope");
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_allowed() {
    let server = Server::start(vec![Reply::Silence]).await;
    let client = server
        .client_with(|options| {
            options.in_flight_max = 3;
            options.tries_max = 1;
            options.request_timeout = Duration::from_millis(300);
        })
        .await;
    let tasks: Vec<_> = (0..9)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.get(&pods(), "a", "p").await })
        })
        .collect();
    assert_eq!(most_under_way(&client, &tasks).await, 3);
}

/// The most requests that are under way until all tasks have ended.
async fn most_under_way<T>(client: &Client, tasks: &[tokio::task::JoinHandle<T>]) -> u32 {
    let mut most = 0;
    loop {
        let text = client.metrics().render();
        let line = text.lines().find(|line| line.starts_with("orlop_api_in_flight ")).unwrap();
        most = most.max(line.rsplit_once(' ').unwrap().1.parse().unwrap());
        if tasks.iter().all(tokio::task::JoinHandle::is_finished) {
            return most;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn operator_19_a_renewal_of_the_lease_does_not_wait_behind_the_work() {
    let server = Server::start(vec![Reply::Silence]).await;
    let client = server
        .client_with(|options| {
            options.in_flight_max = 1;
            options.tries_max = 1;
            options.request_timeout = Duration::from_millis(300);
        })
        .await;
    let lease = Resource {
        gvk: GroupVersionKind::from_api_version("coordination.k8s.io/v1", "Lease"),
        plural: "leases".to_owned(),
        ..pods()
    };
    let tasks: Vec<_> = [pods(), pods(), lease]
        .into_iter()
        .map(|resource| {
            let client = client.clone();
            tokio::spawn(async move { client.get(&resource, "a", "p").await })
        })
        .collect();
    assert_eq!(most_under_way(&client, &tasks).await, 2, "one of the work, and the lease");
}

#[tokio::test]
async fn kubeconfig_faults_name_file_and_place_and_never_content() {
    let error = |text: &str, context: Option<&str>| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let mut options = ConnectOptions::from_kubeconfig(file.path());
        options.context = context.map(str::to_owned);
        async move {
            let error = Client::connect(&options).await.unwrap_err();
            let shown = model::report(&error, model::Explain::hint(&error)).to_string();
            assert!(!format!("{shown} {error:?}").contains("CANARY"), "{shown}");
            let name = file.path().display().to_string();
            shown.replace(&name, "FILE")
        }
    };
    let good = kubeconfig("https://127.0.0.1:1");
    assert_eq!(
        error(&good.replace("name: x", "name: staging"), Some("stagnig")).await,
        "error: kubeconfig FILE has no context `stagnig`\n  hint: did you mean `staging`?"
    );
    assert_eq!(
        error(&good.replace("current-context: x,", ""), None).await,
        "error: kubeconfig FILE has no current-context\n  hint: name one with --context"
    );
    assert_eq!(
        error(&good.replace("cluster: c,", "cluster: d,"), None).await,
        "error: kubeconfig FILE has no cluster `d`"
    );
    let broken = error("a: 'CANARY-TOKEN\nusers: [}", None).await;
    assert!(broken.starts_with("error: kubeconfig FILE is not a kubeconfig: "), "{broken}");
    let misshapen = error("users: {token: CANARY-TOKEN}", None).await;
    assert!(misshapen.starts_with("error: kubeconfig FILE is not a kubeconfig: "), "{misshapen}");
    let options = ConnectOptions::from_kubeconfig("/nonexistent/config");
    let error = Client::connect(&options).await.unwrap_err().to_string();
    assert!(error.starts_with("kubeconfig /nonexistent/config cannot be read: No such"), "{error}");
}

#[tokio::test]
async fn a_credential_plugin_that_fails_is_named_without_its_output() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let text = kubeconfig("http://127.0.0.1:1").replace(
        "{token: CANARY-TOKEN}",
        "{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, interactiveMode: Never,
                 args: [-c, 'echo CANARY-TOKEN; exit 7']}}",
    );
    write!(file, "{text}").unwrap();
    let options = ConnectOptions::from_kubeconfig(file.path());
    let error = match Client::connect(&options).await {
        Ok(client) => client.server_version().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(error, ClusterError::Credentials { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("CANARY"), "{error:?}");
    assert!(error.to_string().ends_with("exit status: 7"), "{error}");
}

#[tokio::test]
async fn a_token_file_is_read_again_at_once_when_the_server_refuses_its_token() {
    let refused = || Reply::Json(401, "", status(401, "Unauthorized"));
    let server = Server::start(vec![
        refused(),
        refused(),
        Reply::Json(201, "", pod("p", "1", "5")),
        list("10", &[pod("a", "1", "1")], ""),
        refused(),
        Reply::Lines(vec![event("ADDED", &pod("b", "2", "11"))]),
        Reply::Silence,
    ])
    .await;
    let folder = tempfile::tempdir().unwrap();
    let (config, token) = (folder.path().join("config"), folder.path().join("token"));
    let user = format!("{{tokenFile: '{}'}}", token.display());
    let text = kubeconfig(&server.address).replace("{token: CANARY-TOKEN}", &user);
    std::fs::write(&config, text).unwrap();
    let options = ConnectOptions::from_kubeconfig(&config);
    let error = Client::connect(&options).await.unwrap_err().to_string();
    assert!(error.contains("has unusable credentials: tokenFile: "), "{error}");
    assert!(error.ends_with("token: No such file or directory (os error 2)"), "{error}");

    std::fs::write(&token, "one\n").unwrap();
    let client = Client::connect(&options).await.unwrap();
    let error = client.get(&pods(), "a", "p").await.unwrap_err();
    assert!(matches!(error, ClusterError::Unauthorized { .. }), "{error}");
    assert_eq!(server.tokens(), ["one"], "the same token again would change nothing");
    // What was turned away at the door was not carried out, so a create may be sent again.
    std::fs::write(&token, "two\n").unwrap();
    client.create(&pods(), &object("p"), &ApplyOptions::new("t")).await.unwrap();
    assert_eq!(server.tokens(), ["one", "one", "two"]);
    std::fs::write(&token, "three\n").unwrap();
    let mut watch = client.watch(&pods(), ListOptions::default());
    assert_eq!(told(&mut watch, 3).await, "+a = +b");
    assert_eq!(server.tokens()[3..6], ["two", "two", "three"]);
}

#[tokio::test]
async fn gitops_20_a_watch_survives_a_restart_of_the_server_and_loses_no_deletion() {
    let first = Server::start(vec![
        list("10", &[pod("a", "1", "1"), pod("b", "2", "2")], ""),
        Reply::Silence,
    ])
    .await;
    let client = first.client().await;
    let mut watch = client.watch(&pods(), ListOptions::default());
    assert_eq!(told(&mut watch, 3).await, "+a +b =");
    let place = first.address.trim_start_matches("http://").to_owned();
    first.stop().await;
    // The new server does not know the old version.
    let second = Server::start_at(
        &place,
        vec![
            Reply::Json(410, "", status(410, "Expired")),
            list("90", &[pod("b", "2", "2")], ""),
            Reply::Silence,
        ],
    )
    .await;
    assert_eq!(told(&mut watch, 2).await, "-a =");
    assert!(second.requests()[0].contains("resourceVersion=10"), "{:?}", second.requests());
}

#[tokio::test]
async fn discovery_without_aggregation_gives_the_same_and_survives_a_silent_group() {
    let kinds = |name: &str, kind: &str| {
        ok(json!({"kind": "APIResourceList", "resources":
            [{"name": name, "kind": kind, "namespaced": true, "verbs": ["get"]}]}))
    };
    let group =
        |name: &str, version: &str| json!({"name": name, "versions": [{"version": version}]});
    let server = Server::start(vec![
        ok(json!({"kind": "APIVersions", "versions": ["v1"]})),
        kinds("pods", "Pod"),
        ok(json!({"kind": "APIGroupList",
            "groups": [group("silent.io", "v1"), group("apps", "v1")]})),
        Reply::Json(503, "", status(503, "ServiceUnavailable")),
        kinds("deployments", "Deployment"),
        ok(json!({"status": {"conditions":
            [{"type": "Available", "status": "False", "message": "no endpoints"}]}})),
    ])
    .await;
    let client = server.client_with(|options| options.tries_max = 1).await;
    let resolve = async |api_version, kind| {
        client.resolve(&GroupVersionKind::from_api_version(api_version, kind)).await
    };
    assert_eq!(resolve("apps/v1", "Deployment").await.unwrap().plural, "deployments");
    assert_eq!(resolve("v1", "Pod").await.unwrap().plural, "pods");
    let asked = server.requests().len();
    let error = resolve("silent.io/v1", "Thing").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the API silent.io/v1 is registered but does not answer: no endpoints"
    );
    let error = resolve("apps/v1", "Deploymnet").await.unwrap_err();
    assert_eq!(
        model::Explain::hint(&error).unwrap().as_str(),
        "did you mean `apps/v1 Deployment`?"
    );
    assert_eq!(server.requests().len(), asked, "misses right after a refresh ask nothing");
}
