//! Calls of the deliver path, each on a thread of its own: comparing ten thousand objects is
//! work for a processor, and must not hold up the tasks of other GitSyncs. When the caller goes
//! away the call ends by its token.

use cluster::Client;
use delivery::{
    DeletePolicy, DeliveryError, DeliveryOptions, Live, Outcome, Progress, Report, Tree,
};
use objects::ObjectRef;
use std::future::Future;
use std::sync::Arc;
use sync::Plan;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

pub(super) async fn plan(
    live: &Arc<Live>,
    tree: &Arc<Tree>,
    options: &DeliveryOptions,
    cancel: &CancellationToken,
) -> Result<Plan, DeliveryError> {
    let (live, tree, options) = (live.clone(), tree.clone(), options.clone());
    let cancel = cancel.clone();
    on_a_thread(async move || live.plan(&tree, &options, &delivery::Silent, &cancel).await).await?
}

/// Plans, and applies unless `refuse` says why not.
pub(super) async fn apply<R: Send + 'static>(
    live: &Arc<Live>,
    tree: &Arc<Tree>,
    options: &DeliveryOptions,
    refuse: impl Fn(&Plan) -> Option<R> + Send + Sync + 'static,
    progress: impl Progress + 'static,
    cancel: &CancellationToken,
) -> Result<Result<Report, R>, DeliveryError> {
    let (live, tree, options) = (live.clone(), tree.clone(), options.clone());
    let cancel = cancel.clone();
    on_a_thread(async move || {
        let mut refusal = None;
        let mut judge = |plan: &Plan| {
            refusal = refuse(plan);
            refusal.is_none()
        };
        let report = live.apply_if(&tree, &options, &mut judge, &progress, &cancel).await?;
        match (report, refusal) {
            (Some(report), _) => Ok(Ok(report)),
            (None, Some(refusal)) => Ok(Err(refusal)),
            (None, None) => Err(DeliveryError::Internal("refused without a reason".to_owned())),
        }
    })
    .await?
}

pub(super) async fn heal(
    live: &Arc<Live>,
    objects: Vec<ObjectRef>,
    options: &DeliveryOptions,
    progress: impl Progress + 'static,
    cancel: &CancellationToken,
) -> Result<Vec<Outcome>, DeliveryError> {
    let (live, options, cancel) = (live.clone(), options.clone(), cancel.clone());
    on_a_thread(async move || live.heal(&objects, &options, &progress, &cancel).await).await?
}

pub(super) async fn delete(
    client: &Client,
    options: &DeliveryOptions,
    policy: DeletePolicy,
    cancel: &CancellationToken,
) -> Result<Report, DeliveryError> {
    let (client, options, cancel) = (client.clone(), options.clone(), cancel.clone());
    on_a_thread(async move || {
        delivery::delete(&client, &options, policy, &delivery::Silent, &cancel).await
    })
    .await?
}

async fn on_a_thread<T, F, W>(work: F) -> Result<T, DeliveryError>
where
    T: Send + 'static,
    F: FnOnce() -> W + Send + 'static,
    W: Future<Output = T>,
{
    let runtime = Handle::current();
    match tokio::task::spawn_blocking(move || runtime.block_on(work())).await {
        Ok(done) => Ok(done),
        Err(error) => Err(DeliveryError::Internal(error.to_string())),
    }
}
