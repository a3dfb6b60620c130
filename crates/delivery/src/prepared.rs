//! What plan and apply share: read the record, resolve the tree, observe, decide.

use crate::decided::{self, Decided};
use crate::desired::{self, DesiredSet, Resolved};
use crate::error::DeliveryError;
use crate::fate::Claims;
use crate::gate;
use crate::live::Live;
use crate::look::{self, Lens};
use crate::observe::{Left, Observation, Observer};
use crate::options::DeliveryOptions;
use crate::progress::Progress;
use crate::source::Tree;
use crate::store::Store;
use cluster::{Client, ClusterError};
use objects::{GroupVersionKind, ObjectRef};
use std::collections::BTreeSet;
use std::sync::Arc;
use sync::decide::Mode;
use sync::plan::{ClusterIdentity, PLAN_SCHEMA};
use sync::{Operation, Plan};
use tokio_util::sync::CancellationToken;

/// The namespace whose uid tells clusters apart.
const SYSTEM_NAMESPACE: &str = "kube-system";

/// Everything that is known before anything is written.
pub(crate) struct Prepared {
    pub(crate) cluster: ClusterIdentity,
    pub(crate) store: Store,
    pub(crate) set: Arc<DesiredSet>,
    pub(crate) found: Observation,
    pub(crate) decided: Decided,
}

/// Looks at everything; writes nothing.
///
/// # Errors
/// When the cluster cannot be asked; [`DeliveryError::Stopped`].
pub(crate) async fn prepare(
    client: &Client,
    live: Option<&Live>,
    tree: &Tree,
    options: &DeliveryOptions,
    mode: Mode,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Prepared, DeliveryError> {
    tokio::select! {
        prepared = Box::pin(look_around(client, live, tree, options, mode, progress)) => prepared,
        () = cancel.cancelled() => Err(DeliveryError::Stopped),
    }
}

async fn look_around(
    client: &Client,
    live: Option<&Live>,
    tree: &Tree,
    options: &DeliveryOptions,
    mode: Mode,
    progress: &dyn Progress,
) -> Result<Prepared, DeliveryError> {
    sync::ignore::check(&options.ignore).map_err(DeliveryError::Ignore)?;
    let home = options.inventory_namespace();
    let (store, cluster, set, gone) = match live {
        Some(live) => {
            let (mut store, cluster) = (live.store(home).await?, live.identity().await?);
            let (set, gone) = live.aim(tree, options, &store.inventory).await?;
            store.share(&set);
            (store, cluster, set, gone)
        }
        None => {
            let store = Store::read(client, &options.name, home).await?;
            let cluster = identity(client).await?;
            let resolved = &mut Resolved::default();
            let set = desired::resolve(client, tree, options, resolved).await?;
            let gone = set.unnamed(&store.inventory);
            (store, cluster, set, gone)
        }
    };
    let (manager, masker) = (options.name.manager(), look::masker());
    let lens = Lens { client, manager: &manager, force: options.force_conflicts, masker: &masker };
    let recorded = &store.inventory;
    let (set_ref, gone) = (&set, &gone);
    let observer =
        Observer { client, options, set: set_ref, recorded, gone, mode, lens, live, progress };
    let mut found = observer.observe().await?;
    let claims = claims(client, &store, &found, options).await?;
    let warnings = gate::check(client, &set, &mut found).await?;
    let mut decided = decided::decide(tree, &set, &found, recorded, options, &claims);
    decided.warnings.extend(warnings);
    Ok(Prepared { cluster, store, set, found, decided })
}

/// Which objects that would be pruned stand in the inventory of another delivery. Asked only when
/// something would be pruned.
async fn claims(
    client: &Client,
    store: &Store,
    found: &Observation,
    options: &DeliveryOptions,
) -> Result<Claims, DeliveryError> {
    let leaving: BTreeSet<&ObjectRef> = found
        .left
        .iter()
        .filter(|(_, left)| matches!(left, Left::Live(_)))
        .map(|(id, _)| id)
        .collect();
    if !options.prune || leaving.is_empty() {
        return Ok(Claims::new());
    }
    store.claims(client, &leaving).await
}

/// Which cluster this is.
pub(crate) async fn identity(client: &Client) -> Result<ClusterIdentity, DeliveryError> {
    let gvk = GroupVersionKind::from_api_version("v1", "Namespace");
    let resource = client
        .resolve(&gvk)
        .await
        .map_err(DeliveryError::cluster("discover what the cluster serves"))?;
    let uid = match client.get_metadata(&resource, "", SYSTEM_NAMESPACE).await {
        Ok(namespace) => namespace.and_then(|namespace| namespace.uid().map(str::to_owned)),
        Err(ClusterError::Forbidden(_)) => None,
        Err(source) => {
            let operation = format!("read the namespace {SYSTEM_NAMESPACE}");
            return Err(DeliveryError::Cluster { operation, source });
        }
    };
    Ok(ClusterIdentity { server: client.address().to_owned(), uid: uid.unwrap_or_default() })
}

impl Prepared {
    /// The plan as data.
    pub(crate) fn plan(&self, tree: &Tree, options: &DeliveryOptions) -> Plan {
        let operations = self.decided.operations().into_iter().cloned().collect();
        describe(self.cluster.clone(), operations, &self.decided, tree, options)
    }
}

fn describe(
    cluster: ClusterIdentity,
    operations: Vec<Operation>,
    decided: &Decided,
    tree: &Tree,
    options: &DeliveryOptions,
) -> Plan {
    Plan {
        schema: PLAN_SCHEMA.to_owned(),
        delivery: options.name.to_string(),
        source: tree.source.clone(),
        cluster,
        options: options.describe(),
        summary: sync::Summary::of(&operations, decided.unchanged),
        operations,
        problems: tree.problems.clone(),
        refusals: decided.refusals.clone(),
        warnings: decided.warnings.clone(),
    }
}

/// What would be done: looks, asks the server with dry runs about what is not proven equal, and
/// writes nothing.
///
/// # Errors
/// When the cluster cannot be asked; [`DeliveryError::Stopped`] when cancelled.
pub async fn plan(
    client: &Client,
    tree: &Tree,
    options: &DeliveryOptions,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Plan, DeliveryError> {
    plan_with(client, None, tree, options, progress, cancel).await
}

/// As [`plan`], with what is remembered.
pub(crate) async fn plan_with(
    client: &Client,
    live: Option<&Live>,
    tree: &Tree,
    options: &DeliveryOptions,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Plan, DeliveryError> {
    // What was looked at goes before the plan is made of what was decided.
    let client = &options.client(client);
    let Prepared { cluster, mut decided, store, .. } =
        prepare(client, live, tree, options, Mode::Look, progress, cancel).await?;
    if let Some(live) = live {
        live.keep(store);
    }
    let operations = decided.take_operations();
    Ok(describe(cluster, operations, &decided, tree, options))
}
