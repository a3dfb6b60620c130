//! Nothing that a run says contains a secret.

use crate::bed::{Bed, operation};
use base64::Engine;
use delivery::{Event, Progress};
use std::sync::Mutex;
use tokio_util::sync::CancellationToken;

const CANARIES: [&str; 4] = ["canary-one", "canary-two", "canary-live", "canary-broken"];

#[derive(Default)]
struct Heard(Mutex<String>);

impl Progress for Heard {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push_str(&format!("{event:?}\n"));
    }
}

fn check(what: &str, text: &str) {
    for canary in CANARIES {
        let encoded = base64::engine::general_purpose::STANDARD.encode(canary);
        assert!(!text.contains(canary) && !text.contains(&encoded), "{canary} in {what}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_13_no_output_of_any_verb_contains_a_secret() {
    let Some(bed) = Bed::start().await else { return };
    bed.kubectl_apply(
        &["apply"],
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {one: canary-live}\n",
    );
    bed.write(
        "s.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n\
         stringData: {one: canary-one, two: canary-two}\n",
    );
    bed.write(
        "bad.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: bad}\ndata: {x: canary-broken}\n",
    );
    bed.write(
        "twice.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: t}\nstringData: {x: canary-one, x: canary-two}\n",
    );
    let plan = bed.plan().await;
    assert!(!operation(&plan, "s").changes.is_empty());
    check("the plan", &serde_json::to_string(&plan).unwrap());
    check("the plan's debug form", &format!("{plan:?}"));
    let (tree, heard, token) = (bed.load().await, Heard::default(), CancellationToken::new());
    let report =
        delivery::apply(&bed.client, &tree, &bed.options, None, &heard, &token).await.unwrap();
    check("the report", &serde_json::to_string(&report).unwrap());
    check("the events", &heard.0.lock().unwrap());
    check("the metrics", &bed.client.metrics().render());
    let inventory = bed.kubectl(&["get", "configmap", "-o", "yaml"]);
    check("the inventory", &inventory);
    let events = bed.kubectl(&["get", "events", "-o", "yaml"]);
    check("the cluster's events", &events);
}
