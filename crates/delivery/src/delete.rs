//! The end of a delivery: everything it made goes, or everything stays and is no longer its own.

use crate::apply::apply;
use crate::deliver::{Failure, Writer};
use crate::error::DeliveryError;
use crate::options::DeliveryOptions;
use crate::prepared;
use crate::progress::{Event, Progress};
use crate::report::{Outcome, OutcomeResult, REPORT_SCHEMA, Report};
use crate::source::Tree;
use crate::status::not_found;
use crate::store::Store;
use cluster::{Client, ClusterError};
use futures_util::stream::{self, StreamExt};
use objects::{ObjectRef, Uid};
use std::time::Instant;
use sync::Action;
use sync::name::DELIVERY_LABEL;
use sync::plan::PlanSource;
use tokio_util::sync::CancellationToken;

/// What becomes of the objects of a delivery that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletePolicy {
    /// They are deleted, with the guards of single kinds in force.
    Delete,
    /// They stay, without our label and without our field manager.
    Orphan,
}

/// Ends a delivery. The inventory goes when nothing is left in it.
///
/// # Errors
/// [`DeliveryError::NotFound`], and when the cluster cannot be asked.
pub async fn delete(
    client: &Client,
    options: &DeliveryOptions,
    policy: DeletePolicy,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Report, DeliveryError> {
    let client = &options.client(client);
    let namespace = options.inventory_namespace();
    let store = Store::read(client, &options.name, namespace).await?;
    if !store.exists() {
        return Err(not_found(client, &options.name, namespace).await);
    }
    match policy {
        DeletePolicy::Orphan => orphan(client, options, store, progress, cancel).await,
        DeletePolicy::Delete => {
            let mut options = options.clone();
            options.prune = true;
            options.act_as = None;
            options.guards.allow_empty = true;
            options.guards.objects_max = usize::MAX;
            options.guards.percent_max = 100;
            let tree = Tree::empty();
            apply(client, &tree, &options, None, progress, cancel).await
        }
    }
}

/// Takes our label and our ownership off every recorded object.
async fn orphan(
    client: &Client,
    options: &DeliveryOptions,
    mut store: Store,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Report, DeliveryError> {
    let started = Instant::now();
    let cluster = prepared::identity(client).await?;
    let writer = Writer {
        client: client.clone(),
        manager: options.name.manager(),
        force: options.force_conflicts,
    };
    let text = |uid: &Option<Uid>| uid.as_ref().map(Uid::to_string);
    let objects: Vec<(ObjectRef, Option<String>)> =
        store.inventory.iter().map(|(id, entry)| (id.clone(), text(&entry.uid))).collect();
    let (writer, name) = (&writer, options.name.as_str());
    let mut ends = stream::iter(objects)
        .take_while(|_| std::future::ready(!cancel.is_cancelled()))
        .map(|(id, uid)| async move {
            let end = release(writer, &id, uid.clone(), name).await;
            (id, uid, end)
        })
        .buffer_unordered(options.concurrency.max(1));
    let mut inventory = store.inventory.clone();
    let mut outcomes = Vec::new();
    while let Some((id, uid, end)) = ends.next().await {
        let mut outcome = Outcome::new(Action::HandOver, id.clone(), OutcomeResult::Done);
        outcome.uid = uid;
        match end {
            Ok(()) => {
                inventory.forget(&id);
                progress.event(&Event::Done { action: Some(Action::HandOver), object: id });
            }
            Err(error) => {
                let problem = Failure::of(error).problem;
                outcome.result = OutcomeResult::Failed;
                outcome.reason = Some(problem.message.clone());
                outcome.hint = problem.hint;
                let reason = problem.message;
                progress.event(&Event::Failed { object: id, held: false, reason });
            }
        }
        outcomes.push(outcome);
    }
    drop(ends);
    let source = store.source.clone();
    store.write(client, inventory, &source).await?;
    Ok(Report {
        schema: REPORT_SCHEMA.to_owned(),
        delivery: options.name.to_string(),
        source: PlanSource { location: source, ..PlanSource::default() },
        cluster,
        written: outcomes.iter().any(|outcome| outcome.result == OutcomeResult::Done),
        outcomes,
        drifted: Vec::new(),
        drifted_total: 0,
        unchanged: 0,
        problems: Vec::new(),
        refusals: Vec::new(),
        warnings: Vec::new(),
        unhealthy: Vec::new(),
        interrupted: cancel.is_cancelled(),
        apply_milliseconds: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        wait_milliseconds: 0,
    })
}

async fn release(
    writer: &Writer,
    id: &ObjectRef,
    uid: Option<String>,
    name: &str,
) -> Result<(), ClusterError> {
    let resource = match writer.client.resolve_kind(&id.group_kind()).await {
        Ok(resource) => resource,
        Err(ClusterError::NoSuchKind { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let live = writer.client.get_metadata(&resource, &id.namespace, &id.name).await?;
    let Some(live) = live else { return Ok(()) };
    let Some(live_uid) = live.uid() else { return Ok(()) };
    // Another object of this name, or one that another delivery has, is none of our business.
    let ours = live.label(DELIVERY_LABEL) == Some(name);
    if uid.as_deref().is_some_and(|uid| uid != live_uid) || (uid.is_none() && !ours) {
        return Ok(());
    }
    let place = (id.namespace.as_str(), id.name.as_str());
    writer.release(&resource, place, live_uid, ours.then_some(DELIVERY_LABEL)).await
}
