//! Our verdict on objects next to the API server's: what it accepts is never refused.
//!
//! Objects rich in fields are taken apart place by place; each changed object goes to the server
//! as a strict dry run and to our check with the schemas that the same server publishes.

use crate::{PATIENCE, cluster, letters};
use ::cluster::{ApplyOptions, Client, ClusterError, ConnectOptions};
use futures_util::{StreamExt, stream};
use objects::{GroupVersionKind, Object, yaml};
use schema::Schema;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use testkit::cluster::Namespace;

const OBJECTS: &str = include_str!("schema/objects.yaml");
const DEFINITION: &str = include_str!("schema/definition.yaml");
const SHOPS: &str = include_str!("schema/shops.yaml");
/// Of the changes of built-in objects one in so many is tried: all 15,000 take a minute.
const CHANGES_EVERY: usize = 7;
/// The same for the kind that is made here, whose schema says more.
const OWN_CHANGES_EVERY: usize = 2;
/// Verdicts that are asked for at once.
const ASKED_AT_ONCE: usize = 8;

/// One place changed in one way.
struct Changed {
    what: String,
    object: Object,
}

fn parsed(text: &str) -> Vec<Object> {
    let parsed = yaml::parse("test.yaml", text.as_bytes());
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    parsed.manifests.into_iter().map(|manifest| manifest.object).collect()
}

/// The steps to every value of an object but its identity.
fn places(value: &Value, at: &mut Vec<String>, all: &mut Vec<Vec<String>>) {
    let identity = match at.as_slice() {
        [field] => matches!(field.as_str(), "apiVersion" | "kind"),
        [metadata, field] => {
            metadata == "metadata" && matches!(field.as_str(), "name" | "namespace")
        }
        _ => false,
    };
    if identity {
        return;
    }
    if !at.is_empty() && at.as_slice() != ["metadata"] {
        all.push(at.clone());
    }
    let entries: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect()
        }
        _ => Vec::new(),
    };
    for (step, inner) in entries {
        at.push(step);
        places(inner, at, all);
        at.pop();
    }
}

fn pointer(steps: &[String]) -> String {
    let escaped = steps.iter().map(|step| step.replace('~', "~0").replace('/', "~1"));
    escaped.fold(String::new(), |text, step| text + "/" + &step)
}

/// Every change of an object.
fn changes(object: &Object) -> Vec<Changed> {
    let value = object.clone().into_value();
    let mut all = Vec::new();
    places(&value, &mut Vec::new(), &mut all);
    let long = "x".repeat(300);
    let others = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(2.0),
        json!(4_294_967_296_u64),
        json!("Bogus"),
        json!(""),
        json!("5"),
        json!(long),
        json!([]),
        json!({}),
        json!([null]),
        json!([13]),
    ];
    let mut changed = Vec::new();
    let mut push = |what: String, value: Value| {
        if let Ok(object) = Object::from_value(value) {
            changed.push(Changed { what, object });
        }
    };
    for steps in all {
        let path = pointer(&steps);
        for other in &others {
            let mut copy = value.clone();
            let slot = copy.pointer_mut(&path).unwrap();
            if slot != other {
                *slot = other.clone();
                let shown: String = other.to_string().chars().take(20).collect();
                push(format!("{path} = {shown}"), copy);
            }
        }
        let (last, parent) = steps.split_last().unwrap();
        let mut copy = value.clone();
        match copy.pointer_mut(&pointer(parent)).unwrap() {
            Value::Object(map) => {
                let taken = map.remove(last).unwrap();
                push(format!("without {path}"), copy.clone());
                let map = copy.pointer_mut(&pointer(parent)).unwrap().as_object_mut().unwrap();
                map.insert(format!("{last}X"), taken);
                push(format!("{path} renamed"), copy);
            }
            Value::Array(items) => {
                let item = items.get(last.parse::<usize>().unwrap()).cloned();
                items.extend(item);
                push(format!("{path} twice"), copy);
            }
            _ => {}
        }
        let mut copy = value.clone();
        if let Some(map) = copy.pointer_mut(&path).unwrap().as_object_mut() {
            map.insert("zzz".to_owned(), json!(1));
            push(format!("{path} with zzz"), copy);
        }
    }
    changed
}

/// Why the server refuses an object, if it does.
async fn refusal(client: &Client, object: &Object) -> Option<String> {
    let resource = client.resolve(&object.gvk()).await.unwrap();
    let options = ApplyOptions::new("schema-test").dry_run();
    match client.apply(&resource, object, &options).await {
        Ok(_) => None,
        Err(error @ (ClusterError::Unreachable { .. } | ClusterError::Timeout { .. })) => {
            unreachable!("{error}")
        }
        Err(error) => Some(error.to_string()),
    }
}

/// A client that asks once: the server answers "internal error" to some objects that it cannot
/// read, and that is its verdict.
async fn asking_once(namespace: &Namespace) -> Client {
    let mut options = ConnectOptions::from_kubeconfig(namespace.cluster().kubeconfig());
    options.tries_max = 1;
    Client::connect(&options).await.unwrap()
}

/// What the two disagree about.
#[derive(Default)]
struct Compared {
    asked: usize,
    refused_by_both: usize,
    /// Refused here, accepted there: must not be.
    false_refusals: Vec<String>,
    /// Accepted here, refused there.
    false_accepts: Vec<String>,
}

async fn compare(
    client: &Client,
    schemas: &BTreeMap<GroupVersionKind, Schema>,
    objects: Vec<Changed>,
) -> Compared {
    let mut compared = Compared::default();
    let mut answers = stream::iter(objects)
        .map(|changed| async move {
            let refusal = refusal(client, &changed.object).await;
            (changed, refusal)
        })
        .buffer_unordered(ASKED_AT_ONCE);
    while let Some((Changed { what, object }, refusal)) = answers.next().await {
        compared.asked += 1;
        let checked = schemas[&object.gvk()].check(&object);
        assert_eq!(checked.unchecked, Vec::<String>::new());
        let about = format!("{} {what}", object.kind());
        match (checked.violations.first(), refusal) {
            (Some(first), None) => compared.false_refusals.push(format!("{about}: {first}")),
            (None, Some(theirs)) => compared.false_accepts.push(format!("{about}: {theirs}")),
            (Some(_), Some(_)) => compared.refused_by_both += 1,
            (None, None) => {}
        }
    }
    compared
}

/// Every object as it is, and one in so many of its changes.
fn chosen(objects: Vec<Object>, namespace: &str, every: usize) -> Vec<Changed> {
    let mut chosen = Vec::new();
    let namespaced = |kind: &str| {
        !matches!(
            kind,
            "Namespace"
                | "PersistentVolume"
                | "IngressClass"
                | "ClusterRole"
                | "StorageClass"
                | "PriorityClass"
                | "ValidatingWebhookConfiguration"
                | "CustomResourceDefinition"
        )
    };
    for (index, mut object) in objects.into_iter().enumerate() {
        if namespaced(object.kind()) {
            object.set_namespace(namespace);
        }
        let some = changes(&object).into_iter().skip(index % every).step_by(every);
        chosen.extend(some);
        chosen.push(Changed { what: "unchanged".to_owned(), object });
    }
    chosen
}

fn report(compared: &Compared) {
    assert!(compared.false_refusals.is_empty(), "{:#?}", compared.false_refusals);
    // A check that accepts everything would pass the line above.
    assert!(compared.refused_by_both * 3 > compared.asked, "{}", compared.refused_by_both);
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_25_what_the_api_server_accepts_is_never_refused() {
    let Some((client, namespace)) = cluster().await else { return };
    let objects = parsed(OBJECTS);
    let kinds: Vec<GroupVersionKind> = objects.iter().map(Object::gvk).collect();
    let schemas = client.schemas(&kinds).await.unwrap();
    assert_eq!(schemas.unreadable, BTreeMap::new());
    for object in &objects {
        assert!(schemas.found.contains_key(&object.gvk()), "{}", object.gvk());
        let checked = schemas.found[&object.gvk()].check(object);
        assert!(checked.is_valid(), "{}: {checked:?}", object.id());
    }
    let chosen = chosen(objects, namespace.name(), CHANGES_EVERY);
    let compared = compare(&asking_once(&namespace).await, &schemas.found, chosen).await;
    report(&compared);
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_25_custom_resources_are_judged_as_the_api_server_judges_them() {
    let Some((client, namespace)) = cluster().await else { return };
    let group = format!("{}.example.com", letters(namespace.name()));
    let definition = parsed(&DEFINITION.replace("GROUP", &group)).remove(0);
    let resource = client.resolve(&definition.gvk()).await.unwrap();
    client.apply(&resource, &definition, &ApplyOptions::new("schema-test")).await.unwrap();
    let shops = parsed(&SHOPS.replace("GROUP", &group));
    let gvk = shops[0].gvk();
    client.wait_for_kind(&gvk, PATIENCE).await.unwrap();
    let of_tree: BTreeMap<GroupVersionKind, Schema> = schema::of_definition(&definition)
        .unwrap()
        .into_iter()
        .map(|schema| (schema.gvk().clone(), schema))
        .collect();
    let chosen =
        || chosen(parsed(&SHOPS.replace("GROUP", &group)), namespace.name(), OWN_CHANGES_EVERY);
    let compared = compare(&asking_once(&namespace).await, &of_tree, chosen()).await;
    report(&compared);
    // What the server publishes about the kind says the same as the definition.
    let published = published(&client, &gvk).await;
    for changed in chosen() {
        let ours = of_tree[&gvk].check(&changed.object);
        assert_eq!(published.check(&changed.object), ours, "{}", changed.what);
    }
    client.delete(&resource, "", definition.name(), &Default::default()).await.unwrap();
}

/// The published schema of a kind that was just made; the server publishes it a moment later.
async fn published(client: &Client, gvk: &GroupVersionKind) -> Schema {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let schemas = client.schemas(std::slice::from_ref(gvk)).await.unwrap();
        if let Some(schema) = schemas.found.get(gvk) {
            return schema.clone();
        }
        assert!(tokio::time::Instant::now() < end, "{gvk} is not published");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_read_once_while_the_server_publishes_the_same() {
    let Some((client, _namespace)) = cluster().await else { return };
    let requests = || {
        let all = client.metrics().requests();
        all.iter().filter(|one| one.resource == "openapi").map(|one| one.count).sum::<u64>()
    };
    let kinds = ["Deployment", "DaemonSet", "NoSuchKind"]
        .map(|kind| GroupVersionKind::from_api_version("apps/v1", kind));
    let first = client.schemas(&kinds[..1]).await.unwrap();
    assert_eq!((first.found.len(), requests()), (1, 2));
    assert_eq!(client.schemas(&kinds[..1]).await.unwrap().found.len(), 1);
    assert_eq!(requests(), 3);
    // A kind that was not asked for before is compiled from the document, known ones are kept.
    assert_eq!(client.schemas(&kinds).await.unwrap().found.len(), 2);
    assert_eq!(requests(), 5);
    assert_eq!(client.schemas(&kinds).await.unwrap().found.len(), 2);
    assert_eq!(requests(), 6);
}
