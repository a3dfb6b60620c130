//! What is written, and what the server refuses to have written.

use crate::{apply, cluster, config_map, deployment, kind, object, try_apply};
use cluster::{
    ApplyOptions, ClusterError, DeleteOptions, Deleted, FieldConflict, FieldValidation,
    ListOptions, PatchOptions, Propagation,
};
use model::Explain;
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn operator_20_writers_keep_their_fields_and_conflicts_name_field_and_owner() {
    let Some((client, namespace)) = cluster().await else { return };
    let ns = namespace.name();
    apply(&client, "first", config_map(ns, "c", &json!({"a": "1", "b": "1"}))).await;
    apply(
        &client,
        "second",
        json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"namespace": ns, "name": "c"}, "data": {"c": "2"}}),
    )
    .await;
    let clash = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"namespace": ns, "name": "c"}, "data": {"a": "2", "b": "2", "c": "2"}});
    let error = try_apply(&client, "second", clash.clone()).await.unwrap_err();
    let ClusterError::Conflict { conflicts, .. } = &error else { panic!("{error}") };
    let owned = |field: &str| FieldConflict { manager: "first".into(), field: field.into() };
    assert_eq!(*conflicts, [owned(".data.a"), owned(".data.b")]);
    // A field that its writer no longer names goes away; the other writer's stays.
    let after = apply(&client, "first", config_map(ns, "c", &json!({"b": "1"}))).await;
    assert_eq!(after.at(&["data"]), Some(&json!({"b": "1", "c": "2"})));
    let resource = kind(&client, "v1", "ConfigMap").await;
    let options = ApplyOptions::new("second").force();
    let taken = client.apply(&resource, &object(clash), &options.dry_run()).await.unwrap();
    assert_eq!(taken.object.str_at(&["data", "b"]), Some("2"));
    let live = client.get(&resource, ns, "c").await.unwrap().unwrap();
    assert_eq!(live.str_at(&["data", "b"]), Some("1"), "a dry run changes nothing");
}

#[tokio::test]
async fn gitops_8_a_delete_with_the_uid_of_another_object_is_refused() {
    let Some((client, namespace)) = cluster().await else { return };
    let ns = namespace.name();
    let resource = kind(&client, "v1", "ConfigMap").await;
    let live = apply(&client, "t", config_map(ns, "c", &json!({}))).await;
    let with_uid = |uid: &str| DeleteOptions { uid: Some(uid.into()), ..DeleteOptions::default() };
    let error = client.delete(&resource, ns, "c", &with_uid("other")).await.unwrap_err();
    assert!(matches!(error, ClusterError::Changed { .. }), "{error}");
    assert!(client.get(&resource, ns, "c").await.unwrap().is_some());
    let right = with_uid(live.uid().unwrap());
    assert_eq!(client.delete(&resource, ns, "c", &right).await.unwrap(), Deleted::Gone);
    assert_eq!(client.delete(&resource, ns, "c", &right).await.unwrap(), Deleted::Absent);

    let mut held = config_map(ns, "held", &json!({}));
    held["metadata"]["finalizers"] = json!(["orlop.dev/test"]);
    let live = apply(&client, "t", held).await;
    let options =
        DeleteOptions { propagation: Propagation::Foreground, ..with_uid(live.uid().unwrap()) };
    let deleted = client.delete(&resource, ns, "held", &options).await.unwrap();
    assert!(matches!(&deleted, Deleted::Pending(object) if object.is_terminating()), "{deleted:?}");
    let patch = json!({"metadata": {"finalizers": null}});
    let options = PatchOptions { field_manager: "t".into(), ..PatchOptions::default() };
    client.patch_merge(&resource, ns, "held", &patch, &options).await.unwrap();
    assert_eq!(client.get(&resource, ns, "held").await.unwrap(), None);
}

#[tokio::test]
async fn a_patch_of_an_object_that_moved_on_is_refused() {
    let Some((client, namespace)) = cluster().await else { return };
    let ns = namespace.name();
    let resource = kind(&client, "v1", "ConfigMap").await;
    let old = apply(&client, "t", config_map(ns, "c", &json!({"a": "1"}))).await;
    let options = PatchOptions {
        field_manager: "t".into(),
        resource_version: old.resource_version().map(str::to_owned),
        ..PatchOptions::default()
    };
    let patch = json!({"data": {"a": "2"}});
    client.patch_merge(&resource, ns, "c", &patch, &options).await.unwrap();
    let error = client.patch_merge(&resource, ns, "c", &patch, &options).await.unwrap_err();
    assert!(matches!(error, ClusterError::Changed { .. }), "{error}");
    let operations = [json!({"op": "add", "path": "/data/b", "value": "3"})];
    let error = client.patch_json(&resource, ns, "c", &operations, &options).await.unwrap_err();
    assert_eq!(error.retry(), model::Retry::Never, "{error}");
    let now = PatchOptions { resource_version: None, ..options };
    let live = client.patch_json(&resource, ns, "c", &operations, &now).await.unwrap();
    assert_eq!(live.at(&["data"]), Some(&json!({"a": "2", "b": "3"})));
}

#[tokio::test]
async fn refusals_of_bad_objects_name_their_fields() {
    let Some((client, namespace)) = cluster().await else { return };
    let ns = namespace.name();
    let error = try_apply(&client, "t", config_map(ns, "Not_A_Name", &json!({}))).await;
    let error = error.unwrap_err();
    assert!(
        matches!(&error, ClusterError::Invalid { causes, .. } if causes[0].field == "metadata.name"),
        "{error}"
    );

    let error = try_apply(&client, "t", config_map("missing", "c", &json!({}))).await.unwrap_err();
    assert_eq!(error.to_string(), "namespace missing of ConfigMap missing/c does not exist");

    apply(&client, "t", deployment(ns, 0, "a")).await;
    let error = try_apply(&client, "t", deployment(ns, 0, "b")).await.unwrap_err();
    let ClusterError::Immutable { causes, .. } = &error else { panic!("{error}") };
    assert_eq!(causes[0].field, "spec.selector");

    let mut unknown = deployment(ns, 0, "a");
    unknown["spec"]["replcias"] = json!(3);
    let error = try_apply(&client, "t", unknown.clone()).await.unwrap_err();
    let ClusterError::Invalid { causes, .. } = &error else { panic!("{error:?}") };
    assert_eq!(causes[0].field, ".spec.replcias");
    assert_eq!(causes[0].message, "field not declared in schema");

    let mut wrong = deployment(ns, 0, "a");
    wrong["spec"]["replicas"] = json!("many");
    let error = try_apply(&client, "t", wrong).await.unwrap_err();
    assert!(matches!(error, ClusterError::Invalid { .. }), "{error:?}");

    let resource = kind(&client, "v1", "ConfigMap").await;
    let small = object(config_map(ns, "small", &json!({"a": "1"})));
    let options = ApplyOptions::new("t");
    assert!(client.create(&resource, &small, &options).await.unwrap().created);
    let error = client.create(&resource, &small, &options).await.unwrap_err();
    assert!(matches!(error, ClusterError::AlreadyExists { .. }), "{error}");
    let big = config_map(ns, "big", &json!({"a": "x".repeat(4 << 20)}));
    let error = try_apply(&client, "t", big).await.unwrap_err();
    assert!(
        matches!(error, ClusterError::TooLarge { .. } | ClusterError::Invalid { .. }),
        "{error:?}"
    );

    let quiet = ApplyOptions { validation: FieldValidation::Warn, ..ApplyOptions::new("t") };
    let resource = kind(&client, "apps/v1", "Deployment").await;
    let mut unknown = object(unknown);
    unknown.metadata_mut().insert("name".into(), json!("web2"));
    match client.apply(&resource, &unknown, &quiet).await {
        Ok(applied) => assert!(applied.warnings[0].contains("replcias"), "{:?}", applied.warnings),
        Err(error) => assert!(error.to_string().contains("replcias"), "{error}"),
    }
}

#[tokio::test]
async fn events_are_written_once_and_repeated_warnings_counted() {
    let Some((client, namespace)) = cluster().await else { return };
    let ns = namespace.name();
    let map = apply(&client, "t", config_map(ns, "c", &json!({}))).await;
    let clock = Arc::new(model::SystemClock);
    let events = cluster::Events::new(client.clone(), clock, "orlop.dev/test", "one");
    let news = |kind, note: &str| cluster::News {
        r#type: kind,
        reason: "Tested".into(),
        action: "Test".into(),
        note: note.into(),
    };
    let mut written = Vec::new();
    for _ in 0..4 {
        written.push(events.tell(&map, news(cluster::EventType::Normal, "fine")).await);
        written.push(events.tell(&map, news(cluster::EventType::Warning, "bad")).await);
    }
    assert_eq!(written, [true, true, false, true, false, false, false, true]);
    let resource = kind(&client, "events.k8s.io/v1", "Event").await;
    let options = ListOptions { namespace: ns.to_owned(), ..ListOptions::default() };
    let all = client.list(&resource, &options).await.unwrap().objects;
    let bad = all.iter().find(|event| event.str_at(&["note"]) == Some("bad")).unwrap();
    assert_eq!(bad.at(&["series", "count"]), Some(&json!(4)));
    assert_eq!(all.len(), 2);
}
