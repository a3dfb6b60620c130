//! Keeps the cluster equal to Git trees: one `GitSync` is one task of the engine in `reconcile`.
//!
//! This process may do little itself: read and mark GitSyncs, read by name the Secrets that they
//! point to, and act as the service accounts that they name. What is delivered is bounded by the
//! rights of those accounts, so a team can deliver nothing that it could not apply itself.

use super::{Reconciler, Rule, Scope};
use crate::FIELD_OWNER;
use cluster::{ListOptions, WatchEvent};
use gitops::spec::{GROUP, GitSync, KIND, SyncKey, VERSION};
use objects::GroupVersionKind;
use reconcile::{ClusterHome, Engine, EngineOptions};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// The pause before the kind is asked for again when the cluster does not serve it.
const UNSERVED_PAUSE: Duration = Duration::from_secs(5);

/// The reconciler.
pub(crate) const RECONCILER: Reconciler = Reconciler {
    name: "git-sync",
    about: "Keeps the cluster equal to Git trees: delivers, prunes, heals",
    kind: "GitSync.orlop.dev",
    watches: "the kinds that were delivered, as the GitSync's service account",
    rules: &[
        Rule {
            groups: &[GROUP],
            resources: &["gitsyncs"],
            verbs: &["get", "list", "watch", "patch"],
        },
        Rule { groups: &[GROUP], resources: &["gitsyncs/status"], verbs: &["patch"] },
        Rule { groups: &[GROUP], resources: &["gitsyncs/finalizers"], verbs: &["update"] },
        Rule { groups: &[""], resources: &["secrets", "configmaps"], verbs: &["get"] },
        // Acting as users or groups would be acting as anybody.
        Rule { groups: &[""], resources: &["serviceaccounts"], verbs: &["impersonate"] },
        Rule { groups: &["events.k8s.io"], resources: &["events"], verbs: &["create", "patch"] },
    ],
    run: |scope| Box::pin(run(scope)),
};

async fn run(scope: Scope) {
    let stop = scope.leadership.token().clone();
    let Scope { client, events, leadership, connect, cluster_name, .. } = scope.clone();
    let home =
        ClusterHome::new(client.clone(), connect, events, leadership, FIELD_OWNER, cluster_name);
    let options = EngineOptions::clone(&scope.engine);
    let engine = Engine::new(Arc::new(home), options, scope.deliveries.clone(), stop.clone());
    let put = |engine: Option<Engine>| {
        *scope.webhooks.lock().unwrap_or_else(PoisonError::into_inner) = engine;
    };
    put(Some(engine.clone()));
    tokio::select! {
        () = stop.cancelled() => {}
        () = follow(&client, &engine) => {}
    }
    put(None);
    engine.ended().await;
}

/// Tells the engine what exists.
async fn follow(client: &cluster::Client, engine: &Engine) {
    let gvk = GroupVersionKind::from_api_version(&format!("{GROUP}/{VERSION}"), KIND);
    let mut told = false;
    let resource = loop {
        match client.resolve(&gvk).await {
            Ok(resource) => break resource,
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(%error, "GitSyncs cannot be watched yet");
                }
                tokio::time::sleep(UNSERVED_PAUSE).await;
            }
        }
    };
    let mut watch = client.watch(&resource, ListOptions::default());
    loop {
        match watch.next().await {
            Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                let key = SyncKey::new(object.namespace(), object.name());
                match GitSync::from_value(object.into_value()) {
                    Ok(sync) => engine.set(sync),
                    Err(error) => tracing::warn!(sync = %key, %error, "a GitSync cannot be read"),
                }
            }
            Ok(WatchEvent::Deleted(deletion)) => {
                let id = &deletion.id;
                let key = SyncKey::new(id.namespace.clone(), id.name.clone());
                engine.remove(&key);
            }
            Ok(WatchEvent::Synced) => {}
            Err(error) => tracing::warn!(%error, "GitSyncs cannot be watched"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_by_name_only_and_nothing_is_allowed_by_a_star() {
        for rule in RECONCILER.rules {
            let may_list = rule.verbs.iter().any(|verb| ["list", "watch"].contains(verb));
            assert!(!(may_list && rule.resources.contains(&"secrets")), "{rule:?}");
            assert!(!rule.verbs.contains(&"*") && !rule.resources.contains(&"*"), "{rule:?}");
            let acts_as = rule.verbs.contains(&"impersonate");
            assert!(!acts_as || rule.resources == ["serviceaccounts"], "{rule:?}");
        }
    }
}
