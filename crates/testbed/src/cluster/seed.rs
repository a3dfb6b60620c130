//! What every API server of one version writes about itself into an empty etcd.
//!
//! Most of the time until a fresh API server is ready goes into its own roles, bindings, flow
//! schemas and accounts: some 250 writes, each checked by admission and waiting for the last. They
//! are the same each time. So the first cluster leaves a copy of them beside the programs
//! (`seed.json`, about 200 KB), and later ones find them in etcd when their API server looks; it
//! still compares each with what it wants, and writes what differs.
//!
//! Only names below [`PREFIXES`] are kept: nothing with an address, a certificate or a token, and
//! no Namespace, because software knows a cluster by the UID of `kube-system`. A seed that cannot
//! be read or written only costs the time that it would have saved.
//!
//! etcd is asked through its JSON gateway (`/v3/kv/...`) on its own socket, in HTTP/1.0.

use super::record::{Place, Record};
use crate::files;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Beside the Kubernetes programs that wrote it.
const SEED_FILE: &str = "seed.json";
/// Where the API server keeps what it writes at its first start, and the controller manager the
/// accounts of its controllers.
const PREFIXES: [&str; 8] = [
    "/registry/apiregistration.k8s.io/apiservices/",
    "/registry/clusterrolebindings/",
    "/registry/clusterroles/",
    "/registry/flowschemas/",
    "/registry/prioritylevelconfigurations/",
    "/registry/rolebindings/kube-",
    "/registry/roles/kube-",
    "/registry/serviceaccounts/kube-system/",
];
/// Operations of one transaction; etcd refuses more than 128.
const OPERATIONS_LIMIT: usize = 120;
/// For one request to etcd.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long etcd may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(3);
/// Largest answer that is read, and largest seed.
const ANSWER_LIMIT_BYTES: u64 = 8 << 20;

/// Puts the seed into the cluster's etcd, which has just been started and is empty. What is
/// already there stays. Says whether there was a seed and etcd took it.
pub(crate) fn plant(record: &Record) -> bool {
    let Ok(Some(text)) = files::read(&path(record)) else { return false };
    let Ok(Value::Array(pairs)) = serde_json::from_str(&text) else { return false };
    let socket = socket(record);
    let answers = crate::wait::until(START_LIMIT, || {
        let range = json!({ "key": key("/registry/"), "keys_only": true });
        Ok::<_, ()>(ask(&socket, "range", &range))
    });
    let Ok(Some(_)) = answers else { return false };
    pairs.chunks(OPERATIONS_LIMIT).all(|chunk| ask(&socket, "txn", &transaction(chunk)).is_some())
}

/// Keeps what the first API server wrote, unless there is a seed already.
pub(crate) fn keep(record: &Record) {
    let path = path(record);
    if path.exists() {
        return;
    }
    let socket = socket(record);
    let mut pairs = Vec::new();
    for prefix in PREFIXES {
        let range = json!({ "key": key(prefix), "range_end": key(&end(prefix)) });
        let Some(answer) = ask(&socket, "range", &range) else { return };
        let found = answer.get("kvs").and_then(Value::as_array).into_iter().flatten();
        pairs.extend(found.filter_map(|pair| {
            Some(json!({ "key": pair.get("key")?, "value": pair.get("value")? }))
        }));
    }
    // Without a seed the next cluster only starts later.
    let _ = files::write(&path, Value::Array(pairs).to_string());
}

fn path(record: &Record) -> PathBuf {
    record.components.kubernetes.join(SEED_FILE)
}

fn socket(record: &Record) -> PathBuf {
    record.place_dir(Place::Control).join("etcd-client.sock")
}

/// All of `pairs` in one step; nothing when one of them is there.
fn transaction(pairs: &[Value]) -> Value {
    let absent = |pair: &Value| json!({ "key": pair["key"], "target": "CREATE", "result": "EQUAL", "create_revision": "0" });
    let put =
        |pair: &Value| json!({ "request_put": { "key": pair["key"], "value": pair["value"] } });
    json!({
        "compare": pairs.iter().map(absent).collect::<Vec<_>>(),
        "success": pairs.iter().map(put).collect::<Vec<_>>(),
    })
}

/// A key as the gateway wants it.
fn key(name: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(name)
}

/// The first key after all that begin with `prefix`.
fn end(prefix: &str) -> String {
    let mut end: Vec<char> = prefix.chars().collect();
    let last = end.pop().and_then(|last| char::from_u32(u32::from(last) + 1));
    end.into_iter().chain(last).collect()
}

/// What etcd answers; nothing when it does not, or refuses.
fn ask(socket: &Path, method: &str, body: &Value) -> Option<Value> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(TIMEOUT)).ok()?;
    stream.set_write_timeout(Some(TIMEOUT)).ok()?;
    let body = body.to_string();
    let length = body.len();
    let head =
        format!("POST /v3/kv/{method} HTTP/1.0\r\nHost: etcd\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.take(ANSWER_LIMIT_BYTES).read_to_string(&mut answer).ok()?;
    parse(&answer)
}

fn parse(answer: &str) -> Option<Value> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?;
    (status == "200").then(|| serde_json::from_str(body).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_put_in_one_step_and_never_over_what_is_there() {
        let pair = json!({ "key": key("/registry/clusterroles/a"), "value": "dg==" });
        let transaction = transaction(&[pair]);
        assert_eq!(transaction["compare"][0]["create_revision"], "0");
        assert_eq!(transaction["success"][0]["request_put"]["value"], "dg==");
    }

    #[test]
    fn a_prefix_ends_where_the_next_name_begins() {
        assert_eq!(end("/registry/roles/kube-"), "/registry/roles/kube.");
        assert_eq!(end("/a/"), "/a0");
    }

    #[test]
    fn an_answer_that_is_no_success_is_none() {
        assert_eq!(parse("HTTP/1.0 200 OK\r\nA: b\r\n\r\n{\"a\":1}"), Some(json!({"a": 1})));
        assert_eq!(parse("HTTP/1.0 503 No\r\n\r\n{}"), None);
        assert_eq!(parse("HTTP/1.0 200 OK\r\n\r\n{\"a\":"), None);
        assert_eq!(parse("nonsense"), None);
    }
}
