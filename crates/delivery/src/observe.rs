//! What the cluster has of a tree, page by page.
//!
//! Each kind is listed by the delivery's label. Of a page only its text is in memory: one live
//! object is parsed, compared with its desired one and dropped, or packed until the server was
//! asked about it. What the list lacks is looked up by name. A tree that is unchanged costs one
//! request per kind and page and none per object.

use crate::desired::{self, Desired, DesiredSet};
use crate::drift::{self, Drift};
use crate::error::DeliveryError;
use crate::look::{Answer, Lens, Verdict};
use crate::options::DeliveryOptions;
use crate::progress::{Event, Progress};
use crate::report::Drifted;
use crate::takeover::Deliveries;
use cluster::{Client, ClusterError, ListOptions, Resource};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use objects::health::{self, Health, HealthStatus};
use objects::proof;
use objects::{GroupKind, GroupVersionKind, Object, ObjectRef, Packed, Uid, Version};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use sync::decide::{self, Live, Mode, Step};
use sync::inventory::Inventory;

/// Objects in one page: about a megabyte of JSON.
const PAGE_OBJECTS: u32 = 250;
/// Up to this many objects of a kind are looked up by name; for more their names are listed.
pub(crate) const LOOKUPS_MAX: usize = 64;

/// One live object that is desired.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) uid: Uid,
    pub(crate) resource_version: Version,
    pub(crate) verdict: Verdict,
    /// Its health when it is not healthy.
    pub(crate) health: Option<Health>,
    /// Whether it has the label of this delivery.
    pub(crate) labelled: bool,
}

/// A recorded object that left the tree.
#[derive(Debug)]
pub(crate) enum Left {
    /// It is there.
    Live(Box<Live>),
    /// It is not.
    Gone,
    /// It could not be looked at, for this reason.
    Unknown(String),
}

/// What the cluster has.
#[derive(Debug)]
pub(crate) struct Observation {
    /// By index of the desired object; `None` is absent.
    pub(crate) seen: Vec<Option<Seen>>,
    /// What creating an absent object would come to, where that was asked for.
    pub(crate) creates: HashMap<usize, Verdict>,
    /// Objects that left the tree.
    pub(crate) left: BTreeMap<ObjectRef, Left>,
    /// Where to delete them.
    pub(crate) resources: HashMap<GroupKind, Arc<Resource>>,
    /// Namespaces that were asked for and are not there.
    pub(crate) absent_namespaces: BTreeSet<String>,
    /// What others changed although Git did not ask for it.
    pub(crate) drift: Drift,
    /// Drifted objects that this run leaves alone.
    pub(crate) left_alone: BTreeSet<usize>,
    /// Objects that have to be read, and of which it is known that the server has to be asked.
    pub(crate) to_ask: BTreeSet<usize>,
}

pub(crate) struct Observer<'a> {
    pub(crate) client: &'a Client,
    pub(crate) options: &'a DeliveryOptions,
    pub(crate) set: &'a DesiredSet,
    pub(crate) recorded: &'a Inventory,
    /// What is recorded and not named by the tree.
    pub(crate) gone: &'a [ObjectRef],
    pub(crate) mode: Mode,
    pub(crate) lens: Lens<'a>,
    /// What is known without asking.
    pub(crate) live: Option<&'a crate::live::Live>,
    pub(crate) progress: &'a dyn Progress,
}

/// A live object that the server has to be asked about.
pub(crate) struct Question {
    index: usize,
    live: Packed,
    /// What it said, when it was asked already.
    answer: Option<Answer>,
}

/// The objects of one kind in one version.
pub(crate) struct Group {
    pub(crate) resource: Arc<Resource>,
    pub(crate) namespaces: BTreeSet<String>,
    pub(crate) desired: Vec<usize>,
    pub(crate) left: Vec<ObjectRef>,
}

impl Observer<'_> {
    /// Looks at everything that is desired or recorded.
    ///
    /// # Errors
    /// When the cluster cannot be asked.
    pub(crate) async fn observe(&self) -> Result<Observation, DeliveryError> {
        let mut found = Observation {
            seen: self.set.objects.iter().map(|_| None).collect(),
            creates: HashMap::new(),
            left: BTreeMap::new(),
            resources: HashMap::new(),
            absent_namespaces: BTreeSet::new(),
            drift: Drift::default(),
            left_alone: BTreeSet::new(),
            to_ask: BTreeSet::new(),
        };
        let groups = self.groups(&mut found).await?;
        for group in &groups {
            if !self.recall(group, &mut found).await? {
                self.list(group, &mut found).await?;
            }
            self.look_up(group, &mut found).await?;
        }
        self.namespaces(&mut found).await?;
        if self.mode == Mode::Look {
            self.try_creates(&mut found).await?;
        }
        Ok(found)
    }

    /// Kinds in the order of their rank, so that namespaces are known before what is in them.
    async fn groups(&self, found: &mut Observation) -> Result<Vec<Group>, DeliveryError> {
        let mut groups: BTreeMap<(u16, Arc<GroupVersionKind>), Group> = BTreeMap::new();
        let mut run: Vec<usize> = Vec::new();
        let mut objects = self.set.objects.iter().enumerate().peekable();
        while let Some((index, desired)) = objects.next() {
            let Some(resource) = &desired.resource else { continue };
            run.push(index);
            // Neighbours are mostly of one kind and namespace: they are taken together.
            if objects.peek().is_some_and(|(_, next)| is_alike(next, desired)) {
                continue;
            }
            let group = groups
                .entry((desired.rank, desired.gvk.clone()))
                .or_insert_with(|| Group::new(resource.clone()));
            if !group.namespaces.contains(&desired.id.namespace) {
                group.namespaces.insert(desired.id.namespace.clone());
            }
            if group.desired.is_empty() {
                found.resources.insert(desired.id.group_kind(), resource.clone());
            }
            group.desired.append(&mut run);
        }
        for id in self.gone {
            let kind = id.group_kind();
            let resource = match found.resources.get(&kind) {
                Some(resource) => resource.clone(),
                None => match self.client.resolve_kind(&kind).await {
                    Ok(resource) => resource,
                    Err(ClusterError::NoSuchKind { .. }) => {
                        found.left.insert(id.clone(), Left::Gone);
                        continue;
                    }
                    Err(error @ ClusterError::ApiUnavailable { .. }) => {
                        found.left.insert(id.clone(), Left::Unknown(error.to_string()));
                        continue;
                    }
                    Err(source) => {
                        let operation = format!("discover the kind {kind}");
                        return Err(DeliveryError::Cluster { operation, source });
                    }
                },
            };
            found.resources.insert(kind.clone(), resource.clone());
            let key = (objects::order::install_rank(&kind), Arc::new(resource.gvk.clone()));
            let group = groups.entry(key).or_insert_with(|| Group::new(resource));
            group.namespaces.insert(id.namespace.clone());
            group.left.push(id.clone());
        }
        Ok(groups.into_values().collect())
    }

    /// Lists a kind by label. What may not be listed is left for the look-ups.
    async fn list(&self, group: &Group, found: &mut Observation) -> Result<(), DeliveryError> {
        let mut places: Vec<&str> = match group.namespaces.len() {
            1 => group.namespaces.iter().map(String::as_str).collect(),
            _ => vec![""],
        };
        while let Some(namespace) = places.pop() {
            match self.list_in(group, namespace, found).await {
                Err(DeliveryError::Cluster { source: ClusterError::Forbidden(_), .. }) => {
                    if namespace.is_empty() && group.resource.namespaced {
                        places = group.namespaces.iter().map(String::as_str).collect();
                    }
                }
                other => other?,
            }
        }
        Ok(())
    }

    async fn list_in(
        &self,
        group: &Group,
        namespace: &str,
        found: &mut Observation,
    ) -> Result<(), DeliveryError> {
        let operation = || format!("list {}", group.resource.subject(namespace, ""));
        let options = ListOptions {
            namespace: namespace.to_owned(),
            page_objects: PAGE_OBJECTS,
            ..ListOptions::with_labels(self.options.name.selector())
        };
        let mut pages = self.client.pages(&group.resource, options);
        loop {
            let (mut questions, mut failure) = (Vec::new(), None);
            let mut meet = |live: Object| {
                if failure.is_none() {
                    failure = self.meet(&group.resource, &live, found, &mut questions).err();
                }
            };
            let page = pages.next_each(&mut meet).await;
            if page.map_err(DeliveryError::cluster(operation()))?.is_none() {
                return Ok(());
            }
            if let Some(failure) = failure {
                return Err(failure);
            }
            self.ask(&group.resource, questions, found).await?;
        }
    }

    /// Compares one live object; what the server has to be asked about it joins the questions.
    pub(crate) fn meet(
        &self,
        resource: &Resource,
        live: &Object,
        found: &mut Observation,
        questions: &mut Vec<Question>,
    ) -> Result<(), DeliveryError> {
        let id = live.id();
        let Some(index) = self.index_of(&id, resource) else {
            if self.recorded.get(&id).is_some() && !self.set.named.contains(&id) {
                found.left.insert(id, Left::Live(Box::new(Live::of(live))));
            }
            return Ok(());
        };
        let Some(desired) = self.set.objects.get(index) else { return Ok(()) };
        if !self.compare(index, desired, live, found)? {
            questions.push(Question { index, live: desired::pack(live)?, answer: None });
        }
        Ok(())
    }

    /// The desired object of this identity, when it is written in the listed version.
    fn index_of(&self, id: &ObjectRef, resource: &Resource) -> Option<usize> {
        let index = *self.set.by_id.get(id)?;
        let desired = self.set.objects.get(index)?;
        (*desired.gvk == resource.gvk).then_some(index)
    }

    /// Decides from the live object alone; false when the server has to be asked.
    fn compare(
        &self,
        index: usize,
        desired: &Desired,
        live: &Object,
        found: &mut Observation,
    ) -> Result<bool, DeliveryError> {
        let facts = Live::of(live);
        if desired.says(|directives| directives.once) {
            found.put(index, self.seen(facts, Verdict::Unchanged, unhealthy(live)));
            return Ok(true);
        }
        let payload = desired.payload(live, self.lens.manager)?;
        let proven = proof::prove(&payload, live, self.lens.manager).is_clean();
        let taken = if proven {
            Vec::new()
        } else {
            let from = self.options.takes(&desired.id);
            crate::takeover::managers(live, self.lens.manager, &from)
        };
        let step = decide::step(
            self.mode,
            desired.digest,
            self.recorded.get(&desired.id),
            Some(&facts),
            proven,
            !taken.is_empty(),
        );
        let verdict = match step {
            Step::Unchanged | Step::Create => Verdict::Unchanged,
            Step::Write if self.leaves(desired) => return Ok(false),
            Step::Write => Verdict::Write { takes_over_from: taken },
            Step::Hold => Verdict::Going(facts.finalizers.clone()),
            Step::DryRun => return Ok(false),
        };
        found.put(index, self.seen(facts, verdict, unhealthy(live)));
        Ok(true)
    }

    pub(crate) fn seen(&self, facts: Live, verdict: Verdict, health: Option<Health>) -> Seen {
        let labelled = facts.delivery.as_deref() == Some(self.options.name.as_str());
        let Live { uid, resource_version, .. } = facts;
        Seen { uid, resource_version, verdict, health, labelled }
    }

    /// Whether Git has the object as it was applied last.
    fn is_as_applied(&self, desired: &Desired) -> bool {
        let recorded = self.recorded.get(&desired.id).and_then(|entry| entry.digest);
        recorded == Some(desired.digest)
    }

    /// Whether what others changed in an object is left alone in this run.
    pub(crate) fn leaves(&self, desired: &Desired) -> bool {
        self.options.automatic
            && desired.says(|directives| directives.keeps_drift)
            && self.is_as_applied(desired)
    }

    /// Asks the server about the objects of one page together.
    pub(crate) async fn ask(
        &self,
        resource: &Resource,
        questions: Vec<Question>,
        found: &mut Observation,
    ) -> Result<(), DeliveryError> {
        let questions = questions
            .into_iter()
            .filter_map(|question| Some((self.set.objects.get(question.index)?, question)));
        let answers: Vec<(usize, Seen, Option<Drifted>)> = stream::iter(questions)
            .map(|(desired, Question { index, live, answer })| async move {
                let live = desired::unpack(&live)?;
                let payload = desired.payload(&live, self.lens.manager)?;
                let from = self.options.takes(&desired.id);
                let answer = match answer {
                    Some(answer) => answer,
                    None => self.lens.ask(resource, &payload).await,
                };
                let verdict =
                    self.lens.judge(answer, resource, &payload, Some(&live), &from).await?;
                if let (Some(known), Verdict::Unchanged) = (self.live, &verdict) {
                    known.memory().confirm(desired, &live);
                }
                let drifted = match self.is_as_applied(desired) {
                    true => drift::of(desired, &live, &verdict, self.lens.manager),
                    false => None,
                };
                let verdict = if self.leaves(desired) { Verdict::Unchanged } else { verdict };
                let seen = self.seen(Live::of(&live), verdict, unhealthy(&live));
                Ok::<_, DeliveryError>((index, seen, drifted))
            })
            .buffer_unordered(self.options.concurrency.max(1))
            .try_collect()
            .await?;
        for (index, seen, drifted) in answers {
            found.put(index, seen);
            if let Some(drifted) = drifted {
                if self.set.objects.get(index).is_some_and(|desired| self.leaves(desired)) {
                    found.left_alone.insert(index);
                }
                found.drift.add(drifted);
            }
        }
        let compared = found.seen.iter().flatten().count();
        self.progress.event(&Event::Observed { compared, of: self.set.objects.len() });
        Ok(())
    }

    /// Finds by name what the list by label did not have: made by others, or label removed.
    async fn look_up(&self, group: &Group, found: &mut Observation) -> Result<(), DeliveryError> {
        let desired = group.desired.iter().filter_map(|index| {
            let missing = found.seen.get(*index)?.is_none();
            self.set.objects.get(*index).filter(|_| missing).map(|desired| desired.id.clone())
        });
        let left = group.left.iter().filter(|id| !found.left.contains_key(*id)).cloned();
        let mut missing: Vec<ObjectRef> = desired
            .chain(left)
            .filter(|id| !found.absent_namespaces.contains(&id.namespace))
            .collect();
        if missing.len() > LOOKUPS_MAX
            && let Some(existing) = self.names(group).await?
        {
            missing.retain(|id| existing.contains(id));
        }
        // By pages, so that memory stays bounded here too.
        for page in missing.chunks(PAGE_OBJECTS as usize) {
            self.get_all(group, page, found).await?;
        }
        for id in &group.left {
            found.left.entry(id.clone()).or_insert(Left::Gone);
        }
        if group.resource.gvk == GroupVersionKind::from_api_version("v1", "Namespace") {
            let absent = group.desired.iter().filter(|index| found.is_absent(**index));
            let names = absent.filter_map(|index| self.set.objects.get(*index));
            found.absent_namespaces = names.map(|desired| desired.id.name.clone()).collect();
        }
        Ok(())
    }

    async fn get_all(
        &self,
        group: &Group,
        ids: &[ObjectRef],
        found: &mut Observation,
    ) -> Result<(), DeliveryError> {
        let reads = ids.iter().map(|id| (id, self.foreseen(id, found))).collect::<Vec<_>>();
        let mut lives = stream::iter(reads)
            .map(|(id, foreseen)| async move {
                let read = self.client.get(&group.resource, &id.namespace, &id.name);
                match foreseen {
                    // The server works on both at once.
                    Some(object) => {
                        let ask = self.lens.ask(&group.resource, &object);
                        let (live, answer) = tokio::join!(read, ask);
                        (id, live, Some(answer))
                    }
                    None => (id, read.await, None),
                }
            })
            .buffer_unordered(self.options.concurrency.max(1));
        let (mut questions, mut met) = (Vec::new(), false);
        while let Some((id, live, answer)) = lives.next().await {
            match live {
                Ok(None) => {}
                Ok(Some(live)) => {
                    met = true;
                    let before = questions.len();
                    self.meet(&group.resource, &live, found, &mut questions)?;
                    if let Some(question) = questions.get_mut(before) {
                        question.answer = answer;
                    }
                }
                Err(source @ ClusterError::Forbidden(_)) if !self.set.named.contains(id) => {
                    found.left.insert(id.clone(), Left::Unknown(source.to_string()));
                }
                Err(source) => {
                    let operation = format!("read {id}");
                    return Err(DeliveryError::Cluster { operation, source });
                }
            }
        }
        if met { self.ask(&group.resource, questions, found).await } else { Ok(()) }
    }

    /// The document to ask the server about while the object is read: of one that surely has to be
    /// asked about, and whose document does not depend on what is read.
    fn foreseen(&self, id: &ObjectRef, found: &Observation) -> Option<Object> {
        let index = self.set.by_id.get(id).filter(|index| found.to_ask.contains(*index))?;
        let desired = self.set.objects.get(*index)?;
        let depends = desired.ignored().is_some() || desired.says(|directives| directives.once);
        if depends { None } else { desired.object().ok() }
    }

    /// The names of all objects of a kind; `None` when they may not be listed.
    async fn names(&self, group: &Group) -> Result<Option<BTreeSet<ObjectRef>>, DeliveryError> {
        let namespace = match group.namespaces.len() {
            1 => group.namespaces.first().cloned().unwrap_or_default(),
            _ => String::new(),
        };
        let subject = group.resource.subject(&namespace, "");
        let options = ListOptions { namespace, metadata_only: true, ..ListOptions::default() };
        let mut pages = self.client.pages(&group.resource, options);
        let mut names = BTreeSet::new();
        loop {
            match pages.next_each(&mut |object| names.extend([object.id()])).await {
                Ok(None) => return Ok(Some(names)),
                Ok(Some(_)) => {}
                Err(ClusterError::Forbidden(_)) => return Ok(None),
                Err(source) => {
                    let operation = format!("list {subject}");
                    return Err(DeliveryError::Cluster { operation, source });
                }
            }
        }
    }

    /// Asks for the namespaces of what would be created, where nothing has shown that they exist.
    async fn namespaces(&self, found: &mut Observation) -> Result<(), DeliveryError> {
        let seen = self.set.objects.iter().zip(&found.seen).filter(|(_, seen)| seen.is_some());
        let known = distinct(seen.map(|(desired, _)| desired.id.namespace.as_str()));
        let of_tree = |name: &str| {
            let id = ObjectRef::new(GroupKind::new("", "Namespace"), "", name);
            self.set.named.contains(&id)
        };
        let all = self.set.objects.iter().map(|desired| desired.id.namespace.as_str());
        let mut ask = distinct(all);
        ask.retain(|name| !name.is_empty() && !known.contains(name) && !of_tree(name));
        if ask.is_empty() {
            return Ok(());
        }
        let gvk = GroupVersionKind::from_api_version("v1", "Namespace");
        let resource = self
            .client
            .resolve(&gvk)
            .await
            .map_err(DeliveryError::cluster("discover what the cluster serves"))?;
        for name in ask {
            match self.client.get_metadata(&resource, "", name).await {
                Ok(Some(_)) | Err(ClusterError::Forbidden(_)) => {}
                Ok(None) => {
                    found.absent_namespaces.insert(name.to_owned());
                }
                Err(source) => {
                    let operation = format!("read the namespace {name}");
                    return Err(DeliveryError::Cluster { operation, source });
                }
            }
        }
        Ok(())
    }

    /// Has the server check what would be created, where everything it needs is there.
    async fn try_creates(&self, found: &mut Observation) -> Result<(), DeliveryError> {
        let mut questions = Vec::new();
        for (index, desired) in self.set.objects.iter().enumerate() {
            let needs_new = desired
                .needs
                .iter()
                .filter_map(|id| self.set.by_id.get(id))
                .any(|needed| found.is_absent(*needed));
            let homeless = found.absent_namespaces.contains(&desired.id.namespace);
            if let Some(resource) = &desired.resource
                && found.is_absent(index)
                && !needs_new
                && !homeless
            {
                questions.push((index, desired, resource.clone()));
            }
        }
        let mut answers = stream::iter(questions)
            .map(|(index, desired, resource)| async move {
                let verdict =
                    self.lens.look(&resource, &desired.object()?, None, &Deliveries::None).await?;
                Ok::<_, DeliveryError>((index, verdict))
            })
            .buffer_unordered(self.options.concurrency.max(1));
        while let Some(answer) = answers.next().await {
            let (index, verdict) = answer?;
            found.creates.insert(index, verdict);
        }
        Ok(())
    }
}

/// Each name once. Neighbours mostly have the same.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let (mut distinct, mut before) = (BTreeSet::new(), None);
    for name in names.filter(|name| before.replace(*name) != Some(*name)) {
        distinct.insert(name);
    }
    distinct
}

/// Whether two objects are of one kind and in one namespace; false says nothing.
fn is_alike(one: &Desired, other: &Desired) -> bool {
    Arc::ptr_eq(&one.gvk, &other.gvk)
        && one.resource.is_some() == other.resource.is_some()
        && one.rank == other.rank
        && one.id.namespace == other.id.namespace
}

impl Group {
    fn new(resource: Arc<Resource>) -> Self {
        Self { resource, namespaces: BTreeSet::new(), desired: Vec::new(), left: Vec::new() }
    }
}

impl Observation {
    pub(crate) fn put(&mut self, index: usize, seen: Seen) {
        if let Some(slot) = self.seen.get_mut(index) {
            *slot = Some(seen);
        }
    }

    /// Whether a desired object is not there.
    pub(crate) fn is_absent(&self, index: usize) -> bool {
        self.seen.get(index).is_some_and(Option::is_none)
    }
}

/// The health of an object that is not healthy.
pub(crate) fn unhealthy(live: &Object) -> Option<Health> {
    Some(health::assess(live)).filter(|health| health.status > HealthStatus::Suspended)
}
