//! What the cluster serves: one request for everything, kept until something is missing.
//!
//! One aggregated API that does not answer costs only its own kinds: they are listed as
//! unavailable with the reason, and asking for one of them gives [`ClusterError::ApiUnavailable`],
//! never "no such kind". Whoever prunes must look at [`Client::unavailable_apis`] first.

use crate::client::Client;
use crate::error::ClusterError;
use crate::request::JSON;
use crate::resource::Resource;
use objects::{GroupKind, GroupVersionKind};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A miss asks the server again at most this often.
pub const DISCOVERY_REFRESH_MILLISECONDS: u64 = 1_000;
/// How often [`Client::wait_for_kind`] looks for a kind that is being installed.
const KIND_POLL_MILLISECONDS: u64 = 100;
/// At most this many near kinds are offered.
const NEAR_KINDS_MAX: usize = 3;

const AGGREGATED: &str = concat!(
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,",
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,",
    "application/json"
);

/// A group version that is registered and does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnavailableApi {
    /// Group.
    pub group: String,
    /// Version.
    pub version: String,
    /// Why, as far as the server says.
    pub reason: String,
}

/// The cache; one per connection.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    state: Mutex<State>,
    /// One refresh at a time; the others wait for its result.
    refreshing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default, Clone)]
struct State {
    catalog: Arc<Catalog>,
    refreshed: Option<Instant>,
}

/// Everything that is served, by kind. Versions stand in the server's order of preference.
#[derive(Debug, Default)]
struct Catalog {
    by_kind: BTreeMap<GroupVersionKind, Arc<Resource>>,
    preferred: BTreeMap<GroupKind, GroupVersionKind>,
    unavailable: Vec<UnavailableApi>,
}

impl Client {
    /// Where objects of this kind live. Asks the server when the kind is not known yet or any
    /// more, at most once in [`DISCOVERY_REFRESH_MILLISECONDS`].
    ///
    /// # Errors
    /// [`ClusterError::NoSuchKind`] with near kinds, [`ClusterError::ApiUnavailable`] when the
    /// group's server does not answer, and everything that can be wrong with the connection.
    pub async fn resolve(&self, gvk: &GroupVersionKind) -> Result<Arc<Resource>, ClusterError> {
        let seen = self.state();
        if let Some(resource) = seen.catalog.by_kind.get(gvk) {
            return Ok(resource.clone());
        }
        let pause = Duration::from_millis(DISCOVERY_REFRESH_MILLISECONDS);
        if seen.refreshed.is_none_or(|at| at.elapsed() >= pause) {
            self.refresh_since(seen.refreshed).await?;
        }
        let catalog = self.state().catalog;
        catalog.by_kind.get(gvk).cloned().ok_or_else(|| catalog.missing(gvk))
    }

    /// The kind in the version that the server prefers: for inventories, which have no version.
    ///
    /// # Errors
    /// As [`Client::resolve`].
    pub async fn resolve_kind(&self, kind: &GroupKind) -> Result<Arc<Resource>, ClusterError> {
        let canonical = kind.clone().canonical();
        let known = |catalog: &Catalog| {
            catalog.preferred.get(&canonical).or_else(|| catalog.preferred.get(kind)).cloned()
        };
        if let Some(gvk) = known(&self.state().catalog) {
            return self.resolve(&gvk).await;
        }
        let any = GroupVersionKind {
            group: canonical.group.clone(),
            version: String::new(),
            kind: canonical.kind.clone(),
        };
        match self.resolve(&any).await {
            Err(error @ ClusterError::NoSuchKind { .. }) => match known(&self.state().catalog) {
                Some(gvk) => self.resolve(&gvk).await,
                None => Err(error),
            },
            other => other,
        }
    }

    /// Everything that is served, in the preferred version of each kind. Asks the server once.
    ///
    /// # Errors
    /// Everything that can be wrong with the connection.
    pub async fn resources(&self) -> Result<Vec<Arc<Resource>>, ClusterError> {
        let catalog = self.catalog().await?;
        let found = catalog.preferred.values().filter_map(|gvk| catalog.by_kind.get(gvk));
        Ok(found.cloned().collect())
    }

    /// Group versions that are registered and do not answer. Their objects may well exist.
    ///
    /// # Errors
    /// Everything that can be wrong with the connection.
    pub async fn unavailable_apis(&self) -> Result<Vec<UnavailableApi>, ClusterError> {
        Ok(self.catalog().await?.unavailable.clone())
    }

    /// Reads everything that is served again, now.
    ///
    /// # Errors
    /// Everything that can be wrong with the connection.
    pub async fn refresh_discovery(&self) -> Result<(), ClusterError> {
        let refreshed = self.state().refreshed;
        self.refresh_since(refreshed).await
    }

    /// Waits until the server serves a kind, as after its CustomResourceDefinition was created.
    /// Asks only for the kind's own group version.
    ///
    /// # Errors
    /// [`ClusterError::NoSuchKind`] when the kind is not served after `within`.
    pub async fn wait_for_kind(
        &self,
        gvk: &GroupVersionKind,
        within: Duration,
    ) -> Result<Arc<Resource>, ClusterError> {
        let end = Instant::now() + within;
        let pause = Duration::from_millis(KIND_POLL_MILLISECONDS);
        loop {
            match self.group_version(&gvk.group, &gvk.version).await {
                Ok(found) if found.iter().any(|resource| resource.gvk == *gvk) => {
                    self.remember(found);
                    return self.resolve(gvk).await;
                }
                Err(error) if !is_absent(&error) && !error.is_transient() => return Err(error),
                _ if Instant::now() + pause >= end => return self.resolve(gvk).await,
                _ => tokio::time::sleep(pause).await,
            }
        }
    }

    fn state(&self) -> State {
        self.discovery_cache().state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_state(&self, catalog: Catalog, refreshed: Option<Instant>) {
        let mut state = self.discovery_cache().state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State { catalog: Arc::new(catalog), refreshed };
    }

    async fn catalog(&self) -> Result<Arc<Catalog>, ClusterError> {
        if self.state().refreshed.is_none() {
            self.refresh_since(None).await?;
        }
        Ok(self.state().catalog)
    }

    /// Adds kinds that were found one by one.
    fn remember(&self, found: Vec<Resource>) {
        let state = self.state();
        let mut catalog = Catalog {
            by_kind: state.catalog.by_kind.clone(),
            preferred: state.catalog.preferred.clone(),
            unavailable: state.catalog.unavailable.clone(),
        };
        for resource in found {
            catalog.add(resource);
        }
        self.set_state(catalog, state.refreshed);
    }

    /// Refreshes unless somebody else did since `seen`.
    async fn refresh_since(&self, seen: Option<Instant>) -> Result<(), ClusterError> {
        let _one = self.discovery_cache().refreshing.lock().await;
        let state = self.state();
        if state.refreshed != seen {
            return Ok(());
        }
        let mut catalog = Catalog::default();
        for root in ["/api", "/apis"] {
            self.read_root(root, &mut catalog).await?;
        }
        catalog.keep_unavailable_kinds(&state.catalog);
        self.explain_unavailable(&mut catalog).await;
        self.set_state(catalog, Some(Instant::now()));
        Ok(())
    }

    async fn read_root(&self, root: &str, catalog: &mut Catalog) -> Result<(), ClusterError> {
        let call = self.plain_get(root, "discovery", AGGREGATED);
        let answer = self.inner.send(&call).await?;
        let list: Root = answer.json(root)?;
        if list.kind == "APIGroupDiscoveryList" {
            catalog.add_aggregated(list.items);
            return Ok(());
        }
        let mut group_versions: Vec<(String, String)> =
            list.versions.into_iter().map(|version| (String::new(), version)).collect();
        for group in list.groups {
            for version in group.versions {
                group_versions.push((group.name.clone(), version.version));
            }
        }
        for (group, version) in group_versions {
            match self.group_version(&group, &version).await {
                Ok(found) => found.into_iter().for_each(|resource| catalog.add(resource)),
                Err(ClusterError::Server { message: reason, .. }) => {
                    catalog.unavailable.push(UnavailableApi { group, version, reason });
                }
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The kinds of one group version by its own endpoint.
    async fn group_version(
        &self,
        group: &str,
        version: &str,
    ) -> Result<Vec<Resource>, ClusterError> {
        let path = if group.is_empty() {
            format!("/api/{version}")
        } else {
            format!("/apis/{group}/{version}")
        };
        let call = self.plain_get(&path, "discovery", JSON);
        let list: ResourceList = self.inner.send(&call).await?.json(&path)?;
        Ok(list.into_resources(group, version))
    }

    /// Asks the APIService objects why their groups do not answer; no answer is no reason.
    async fn explain_unavailable(&self, catalog: &mut Catalog) {
        for api in &mut catalog.unavailable {
            let path = format!(
                "/apis/apiregistration.k8s.io/v1/apiservices/{}.{}",
                crate::resource::encoded(&api.version),
                crate::resource::encoded(&api.group)
            );
            let call = self.plain_get(&path, "apiservices.apiregistration.k8s.io", JSON);
            let Ok(answer) = self.inner.send(&call).await else { continue };
            let Ok(service) = answer.json::<serde_json::Value>(&path) else { continue };
            let conditions = service.pointer("/status/conditions").and_then(|all| all.as_array());
            let available = conditions
                .into_iter()
                .flatten()
                .find(|condition| condition.get("type").is_some_and(|kind| kind == "Available"));
            if let Some(message) = available.and_then(|found| found.get("message")?.as_str()) {
                message.clone_into(&mut api.reason);
            }
        }
    }
}

fn is_absent(error: &ClusterError) -> bool {
    matches!(error, ClusterError::NotFound { .. } | ClusterError::NoSuchKind { .. })
}

impl Catalog {
    fn add(&mut self, resource: Resource) {
        self.preferred.entry(resource.gvk.group_kind()).or_insert_with(|| resource.gvk.clone());
        self.by_kind.insert(resource.gvk.clone(), Arc::new(resource));
    }

    fn add_aggregated(&mut self, groups: Vec<AggregatedGroup>) {
        for group in groups {
            let name = group.metadata.name;
            for version in group.versions {
                if version.freshness == "Stale" {
                    self.unavailable.push(UnavailableApi {
                        group: name.clone(),
                        version: version.version.clone(),
                        reason: "the server behind it does not answer".to_owned(),
                    });
                }
                for resource in version.resources {
                    if let Some(resource) = resource.into_resource(&name, &version.version) {
                        self.add(resource);
                    }
                }
            }
        }
    }

    /// Kinds of an API that does not answer stay known from before.
    fn keep_unavailable_kinds(&mut self, before: &Self) {
        let silent: Vec<(String, String)> =
            self.unavailable.iter().map(|api| (api.group.clone(), api.version.clone())).collect();
        for (gvk, resource) in &before.by_kind {
            let of_silent = silent.iter().any(|(g, v)| *g == gvk.group && *v == gvk.version);
            if of_silent && !self.by_kind.contains_key(gvk) {
                self.add(Resource::clone(resource));
            }
        }
    }

    /// Why a kind is not here.
    fn missing(&self, gvk: &GroupVersionKind) -> ClusterError {
        let silent = self.unavailable.iter().find(|api| {
            api.group == gvk.group && (gvk.version.is_empty() || api.version == gvk.version)
        });
        match silent {
            Some(api) => ClusterError::ApiUnavailable {
                group_version: format!("{}/{}", api.group, api.version),
                reason: api.reason.clone(),
            },
            None => ClusterError::NoSuchKind { gvk: gvk.clone(), near: self.near(gvk) },
        }
    }

    /// The same kind elsewhere, else the nearest name, in the same group before others.
    fn near(&self, gvk: &GroupVersionKind) -> Vec<GroupVersionKind> {
        let moved = gvk.group_kind().canonical();
        let named = |kind: &str| {
            let mut found: Vec<GroupVersionKind> =
                self.preferred.values().filter(|known| known.kind == kind).cloned().collect();
            found.sort_by_key(|known| {
                (known.group_kind() != moved, known.group != gvk.group, known.clone())
            });
            found.truncate(NEAR_KINDS_MAX);
            found
        };
        let same = named(&gvk.kind);
        if !same.is_empty() {
            return same;
        }
        let kinds: Vec<&str> = self.preferred.keys().map(|known| known.kind.as_str()).collect();
        model::nearest(&gvk.kind, kinds).map(named).unwrap_or_default()
    }
}

/// Answer of `/api` and `/apis` in all its forms.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Root {
    kind: String,
    items: Vec<AggregatedGroup>,
    versions: Vec<String>,
    groups: Vec<PlainGroup>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PlainGroup {
    name: String,
    versions: Vec<PlainVersion>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PlainVersion {
    version: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AggregatedGroup {
    metadata: Named,
    versions: Vec<AggregatedVersion>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AggregatedVersion {
    version: String,
    freshness: String,
    resources: Vec<AggregatedResource>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AggregatedResource {
    resource: String,
    response_kind: Option<ResponseKind>,
    scope: String,
    singular_resource: String,
    verbs: Vec<String>,
    short_names: Vec<String>,
    subresources: Vec<AggregatedSubresource>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ResponseKind {
    group: String,
    version: String,
    kind: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AggregatedSubresource {
    subresource: String,
}

impl AggregatedResource {
    fn into_resource(self, group: &str, version: &str) -> Option<Resource> {
        let kind = self.response_kind.filter(|kind| !kind.kind.is_empty())?;
        let gvk = GroupVersionKind {
            group: if kind.group.is_empty() { group.to_owned() } else { kind.group },
            version: if kind.version.is_empty() { version.to_owned() } else { kind.version },
            kind: kind.kind,
        };
        // Kinds of another group under this one (`tokenreviews`) cannot be addressed by kind.
        (gvk.group == group && gvk.version == version).then(|| Resource {
            gvk,
            plural: self.resource,
            singular: self.singular_resource,
            short_names: self.short_names,
            namespaced: self.scope == "Namespaced",
            verbs: self.verbs,
            subresources: self.subresources.into_iter().map(|sub| sub.subresource).collect(),
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ResourceList {
    resources: Vec<PlainResource>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PlainResource {
    name: String,
    singular_name: String,
    namespaced: bool,
    kind: String,
    group: String,
    version: String,
    verbs: Vec<String>,
    short_names: Vec<String>,
}

impl ResourceList {
    fn into_resources(self, group: &str, version: &str) -> Vec<Resource> {
        let own = |entry: &PlainResource| {
            (entry.group.is_empty() || entry.group == group)
                && (entry.version.is_empty() || entry.version == version)
        };
        let subresources: Vec<(String, String)> = self
            .resources
            .iter()
            .filter_map(|entry| entry.name.split_once('/'))
            .map(|(of, sub)| (of.to_owned(), sub.to_owned()))
            .collect();
        self.resources
            .into_iter()
            .filter(|entry| !entry.name.contains('/') && own(entry))
            .map(|entry| Resource {
                gvk: GroupVersionKind {
                    group: group.to_owned(),
                    version: version.to_owned(),
                    kind: entry.kind,
                },
                singular: entry.singular_name,
                short_names: entry.short_names,
                namespaced: entry.namespaced,
                verbs: entry.verbs,
                subresources: subresources
                    .iter()
                    .filter(|(of, _)| *of == entry.name)
                    .map(|(_, sub)| sub.clone())
                    .collect(),
                plural: entry.name,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
