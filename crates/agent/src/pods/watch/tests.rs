//! The watch against a scripted API server on the loopback.

use super::*;
use serde_json::{Value, json};
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// Answers request after request with the next script; tells what was asked.
struct Script {
    asked: Mutex<Vec<String>>,
    done: Notify,
}

fn pod(name: &str, version: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "n", "uid": format!("uid-{name}"), "resourceVersion": version},
           "spec": {"containers": []}, "status": {}})
}

fn list(names: &[&str], version: &str) -> String {
    let items: Vec<Value> = names.iter().map(|name| pod(name, "1")).collect();
    answer(&json!({"metadata": {"resourceVersion": version}, "items": items}).to_string())
}

fn event(kind: &str, object: &Value) -> String {
    format!("{}\n", json!({"type": kind, "object": object}))
}

fn answer(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

/// An answer whose end does not come.
fn open(body: &str) -> String {
    format!("{OPEN}{body}")
}

const OPEN: &str = "HTTP/1.1 200 OK\r\n\r\n";

async fn serve(answers: Vec<String>) -> (String, Arc<Script>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let script = Arc::new(Script { asked: Mutex::default(), done: Notify::new() });
    let shared = script.clone();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 16 * 1024];
            let mut length = 0;
            while !head[..length].ends_with(b"\r\n\r\n") {
                length += stream.read(&mut head[length..]).await.unwrap();
            }
            let text = String::from_utf8_lossy(&head[..length]).into_owned();
            shared.asked.lock().unwrap().push(text);
            stream.write_all(answer.as_bytes()).await.unwrap();
            if answer.is_empty() {
                break;
            }
            if answer.starts_with(OPEN) {
                silent.push(stream);
            }
        }
        shared.done.notify_one();
        std::future::pending::<()>().await;
    });
    (address, script)
}

fn options(address: String, token_file: PathBuf) -> WatchOptions {
    let wanted = Wanted::default();
    let pauses = (Duration::from_millis(1), Duration::from_millis(4));
    WatchOptions {
        address,
        node: "node a".into(),
        token_file,
        ca_file: PathBuf::new(),
        wanted,
        pauses,
        silences: SILENCES,
    }
}

async fn until_done(answers: Vec<String>) -> (Arc<Table>, Vec<String>) {
    until_done_with(answers, SILENCES).await
}

async fn until_done_with(
    answers: Vec<String>,
    silences: (Duration, Duration),
) -> (Arc<Table>, Vec<String>) {
    let (address, script) = serve(answers).await;
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "first\n").unwrap();
    let (table, stop) = (Arc::new(Table::default()), CancellationToken::new());
    let options = WatchOptions { silences, ..options(address, token) };
    let task = tokio::spawn(run(options, table.clone(), stop.clone()));
    script.done.notified().await;
    stop.cancel();
    task.await.unwrap();
    let asked = script.asked.lock().unwrap().clone();
    (table, asked)
}

#[tokio::test]
async fn r27_a_watch_goes_on_where_it_stood_and_an_expired_one_lists_again() {
    let bookmark = json!({"metadata": {"resourceVersion": "9"}});
    let expired = json!({"kind": "Status", "status": "Failure", "code": 410});
    let (table, asked) = until_done(vec![
        list(&["a", "b"], "5"),
        answer(
            &(event("DELETED", &pod("a", "6"))
                + &event("ADDED", &pod("c", "7"))
                + &event("BOOKMARK", &bookmark)),
        ),
        answer(&event("ERROR", &expired)),
        list(&["c", "d"], "20"),
        answer(&event("MODIFIED", &pod("d", "21"))),
        String::new(),
    ])
    .await;
    assert!(asked[0].contains("fieldSelector=spec.nodeName%3Dnode%20a&resourceVersion=0"));
    assert!(asked[0].contains("authorization: Bearer first"));
    assert!(
        asked[1].contains("resourceVersion=5") && asked[1].contains("allowWatchBookmarks=true")
    );
    assert!(asked[2].contains("resourceVersion=9"), "{}", asked[2]);
    assert!(!asked[3].contains("resourceVersion") && !asked[3].contains("watch"), "{}", asked[3]);
    assert!(asked[5].contains("resourceVersion=21"));
    assert!(table.get("n_c_uid-c").is_some() && table.get("n_d_uid-d").is_some());
    assert!(table.get("n_a_uid-a").is_none() && table.get("n_b_uid-b").is_none());
}

/// How many pauses in a row there were when the script was done; what was asked.
async fn paused(answers: Vec<String>) -> (u32, Vec<String>) {
    let (address, script) = serve(answers).await;
    let pauses = (Duration::from_millis(1), Duration::from_secs(3_600));
    let options = WatchOptions { pauses, ..options(address, PathBuf::new()) };
    let (table, mut pace) = (Table::default(), Pace::new(&options));
    tokio::select! {
        biased;
        () = script.done.notified() => {}
        () = follow(&options, &table, &mut pace) => {}
    }
    let asked = script.asked.lock().unwrap().clone();
    (pace.backoff.failures(), asked)
}

#[tokio::test]
async fn r27_whatever_ends_at_once_is_paused_for_until_there_is_an_event() {
    let status =
        |line: &str| format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let ends_at_once = [
        list(&["a"], "5"),
        answer(""),
        answer(""),
        status("410 Gone"),
        status("500 Internal Server Error"),
        list(&["a"], "6"),
        status("403 Forbidden"),
        list(&["a"], "7"),
    ];
    let end = [String::new()];
    let (pauses, asked) = paused([&ends_at_once[..], &end].concat()).await;
    assert_eq!((pauses, asked.len()), (5, 9), "{asked:?}");
    // After an expiry the most recent list is asked for, until there is one.
    for list in [&asked[4], &asked[5]] {
        assert!(!list.contains("resourceVersion") && !list.contains("watch"), "{list}");
    }
    assert!(asked[7].contains("&resourceVersion=0"), "{}", asked[7]);
    let with_event = [answer(&event("ADDED", &pod("b", "8")))];
    let (pauses, _) = paused([&ends_at_once[..], &with_event, &end].concat()).await;
    assert_eq!(pauses, 1);
}

#[tokio::test]
async fn r27_an_api_server_that_answers_garbage_is_asked_again_and_breaks_nothing() {
    let refused = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let (table, asked) = until_done(vec![
        refused.to_owned(),
        "\0\0garbage\r\n\r\n".to_owned(),
        answer("[1, 2"),
        list(&["a"], "5"),
        answer("nonsense\n"),
        String::new(),
    ])
    .await;
    assert_eq!(asked.len(), 6);
    assert!(table.get("n_a_uid-a").is_some());
    assert!(table.numbers().failures.load(Ordering::Relaxed) >= 4);
}

#[tokio::test]
async fn r27_a_watch_that_had_bookmarks_and_is_silent_is_a_failure_and_the_pods_are_listed_again() {
    let bookmark = json!({"metadata": {"resourceVersion": "9"}});
    let silences = (Duration::from_secs(3_600), Duration::from_millis(1));
    let watch = open(&(event("ADDED", &pod("b", "6")) + &event("BOOKMARK", &bookmark)));
    let answers = vec![list(&["a"], "5"), watch, list(&["c"], "20"), String::new()];
    let (table, asked) = until_done_with(answers, silences).await;
    assert!(asked[1].contains("watch=1") && !asked[2].contains("watch=1"), "{asked:?}");
    assert!(table.get("n_c_uid-c").is_some() && table.get("n_b_uid-b").is_none());
    assert!(table.numbers().failures.load(Ordering::Relaxed) >= 1);
}

#[tokio::test]
async fn r27_a_token_never_goes_over_an_open_line() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "CANARY").unwrap();
    let options = options("http://192.0.2.1".to_owned(), token);
    let channel = Channel::new(ChannelOptions::to(options.address.clone())).unwrap();
    let error = list_error(&channel, &options).await;
    assert!(matches!(error, WatchError::Wire(WireError::Credential { .. })), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("CANARY"));
}

#[tokio::test]
async fn a_token_that_cannot_be_used_is_told_and_nobody_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let of = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let long = of("long", &"x".repeat(TOKEN_BYTES_MAX + 1));
    let two = of("two", "CANARY\nCANARY");
    for (path, words) in [
        (dir.path().join("none"), "No such file"),
        (dir.path().to_owned(), "Is a directory"),
        (long, "larger than 65536 bytes"),
        (two, "no token"),
    ] {
        // Nobody listens there.
        let options = options("https://127.0.0.1:1".to_owned(), path.clone());
        let channel = Channel::new(ChannelOptions::to(options.address.clone())).unwrap();
        let told = list_error(&channel, &options).await.to_string();
        assert!(told.contains(path.to_str().unwrap()) && told.contains(words), "{told}");
        assert!(!told.contains("CANARY"));
    }
}

async fn list_error(channel: &Channel, options: &WatchOptions) -> WatchError {
    super::list(channel, options, &Table::default(), false).await.unwrap_err()
}

#[test]
fn what_is_missing_to_ask_the_api_is_told() {
    let input = "inputs: [{type: kubernetes}]";
    let config = crate::config::parse(input).unwrap();
    let crate::config::InputKind::Kubernetes(kubernetes) = &config.inputs[0].kind else { panic!() };
    assert!(WatchOptions::new(kubernetes, |_| None).unwrap_err().contains("NODE_NAME"));
    let variable = |name: &str| match name {
        "NODE_NAME" => Some("n".to_owned()),
        "KUBERNETES_SERVICE_HOST" => Some("fd00::1".to_owned()),
        _ => None,
    };
    let options = WatchOptions::new(kubernetes, variable).unwrap();
    assert_eq!(options.address, "https://[fd00::1]:443");
}
