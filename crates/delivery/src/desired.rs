//! The tree as this cluster would take it: scopes known, namespaces filled in, labelled.
//!
//! What cannot be taken becomes an invalid [`Operation`] with its place and its reason; the rest
//! goes on.
//!
//! A [`Desired`] object is held once, packed as the tree has it, and brought into its form for
//! the cluster each time it is unpacked: that costs microseconds, a second copy megabytes.

mod beside;
mod form;

use crate::error::DeliveryError;
use crate::hook::{self, HookObject};
use crate::options::DeliveryOptions;
use crate::source::{Defined, Document, Tree, problem};
use cluster::{Client, ClusterError, Resource};
use form::form;
use objects::{GroupKind, GroupVersionKind, Object, ObjectRef, Origin, Packed, order};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use sync::directives::Directives;
use sync::name::DELIVERY_LABEL;
use sync::{Action, Digest, IgnoreRule, Ignored, Operation, Problem};

/// Documents that the tree no longer has are remembered until they are this share of it (one in
/// so many), and a few more.
const STALE_SHARE: usize = 16;
const STALE_MIN: usize = 64;
/// Kinds that are remembered.
const KINDS_MAX: usize = 10_000;

/// One object that can be delivered.
#[derive(Debug, Clone)]
pub(crate) struct Desired {
    pub(crate) id: ObjectRef,
    pub(crate) gvk: Arc<GroupVersionKind>,
    pub(crate) origin: Origin,
    pub(crate) digest: Digest,
    pub(crate) rank: u16,
    /// The kind that it defines, in the version to wait for.
    pub(crate) defines: Option<GroupKind>,
    pub(crate) needs: Vec<ObjectRef>,
    /// Where it lives; `None` while only the tree itself defines its kind.
    pub(crate) resource: Option<Arc<Resource>>,
    /// What it says about its own delivery; `None` is nothing.
    pub(crate) directives: Option<Box<Directives>>,
    delivery: Arc<str>,
    /// As the tree has it.
    packed: Packed,
}

/// Everything that is desired.
#[derive(Debug, Default)]
pub(crate) struct DesiredSet {
    pub(crate) objects: Vec<Arc<Desired>>,
    pub(crate) by_id: Arc<HashMap<ObjectRef, usize>>,
    order: beside::Order,
    /// What runs as a hook, once for each of its phases.
    pub(crate) hooks: Vec<HookObject>,
    /// The content of everything above.
    pub(crate) digest: Option<Digest>,
    /// Worth knowing about single documents.
    pub(crate) warnings: Vec<Problem>,
    /// What cannot be delivered.
    pub(crate) invalid: Vec<Operation>,
    /// Every identity that the tree speaks of, invalid ones too: never pruned.
    pub(crate) named: Arc<HashSet<ObjectRef>>,
}

/// Documents that were brought into their form before: what did not change since is not looked
/// into again. Keyed by the document itself, so that a tree may come from anywhere.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    known: HashMap<Packed, Arc<Desired>>,
    /// The kinds that were met, each once.
    kinds: HashSet<Arc<GroupVersionKind>>,
    /// What the last tree came to; mostly the next one differs from it in a few documents.
    last: Option<Arc<DesiredSet>>,
    /// The namespace of those that name none.
    namespace: String,
    /// The rules of the options about what is left to others.
    ignore: Vec<IgnoreRule>,
}

impl Resolved {
    /// What the options say about single objects is part of what is kept.
    fn begin(&mut self, options: &DeliveryOptions) {
        if self.namespace != options.namespace || self.ignore != options.ignore {
            self.known.clear();
            self.last = None;
            options.namespace.clone_into(&mut self.namespace);
            options.ignore.clone_into(&mut self.ignore);
        }
    }

    fn get(&self, packed: &Packed) -> Option<Arc<Desired>> {
        self.known.get(packed).cloned()
    }

    fn put(&mut self, desired: &Arc<Desired>) {
        self.known.insert(desired.packed.clone(), desired.clone());
    }

    fn kind(&mut self, gvk: &GroupVersionKind) -> Arc<GroupVersionKind> {
        if let Some(known) = self.kinds.get(gvk) {
            return known.clone();
        }
        if self.kinds.len() >= KINDS_MAX {
            self.kinds.clear();
        }
        let new = Arc::new(gvk.clone());
        self.kinds.insert(new.clone());
        new
    }

    /// Forgets what the tree no longer has, once that is worth the work.
    fn end(&mut self, set: &Arc<DesiredSet>) {
        self.last = Some(set.clone());
        let had = set.objects.len();
        if self.known.len() > had + had / STALE_SHARE + STALE_MIN {
            let all = set.objects.iter();
            self.known = all.map(|desired| (desired.packed.clone(), desired.clone())).collect();
        }
    }
}

impl Desired {
    /// The document to apply. Keep it only while it is looked at.
    pub(crate) fn object(&self) -> Result<Object, DeliveryError> {
        let mut object = unpack(&self.packed)?;
        form(&mut object, &self.id.namespace, self.resource.as_deref(), &self.delivery);
        Ok(object)
    }

    /// The document to apply onto a live object: what is left to others is not in it, or has its
    /// live value.
    pub(crate) fn payload(&self, live: &Object, manager: &str) -> Result<Object, DeliveryError> {
        let mut object = self.object()?;
        if let Some(ignored) = self.ignored() {
            let ignores = |manager: &str| ignored.manager(manager);
            objects::fields::withhold(&mut object, live, manager, &ignored.pointers, &ignores);
            object.set_label(DELIVERY_LABEL, &self.delivery);
        }
        Ok(object)
    }

    /// Whether its kind is served as it was when this was made.
    fn is_served_as(&self, kind: &Kind) -> bool {
        match (kind, &self.resource) {
            (Kind::Served(now), Some(then)) => Arc::ptr_eq(now, then) || now == then,
            _ => false,
        }
    }

    /// What is left to others, when anything is.
    pub(crate) fn ignored(&self) -> Option<&Ignored> {
        let directives = self.directives.as_deref()?;
        Some(&directives.ignored).filter(|ignored| !ignored.is_empty())
    }

    /// Whether its document says something about its own delivery.
    pub(crate) fn says(&self, what: impl Fn(&Directives) -> bool) -> bool {
        self.directives.as_deref().is_some_and(what)
    }

    /// Its wave.
    pub(crate) fn wave(&self) -> i32 {
        self.directives.as_deref().map_or(0, |directives| directives.wave)
    }

    /// A core object of the default namespace, for tests.
    #[cfg(test)]
    pub(crate) fn of(object: &Object, delivery: &str) -> Self {
        let mut formed = object.clone();
        form(&mut formed, "default", None, delivery);
        Self {
            id: formed.id(),
            gvk: Arc::new(object.gvk()),
            origin: Origin { file: "a.yaml".into(), line: 1 },
            digest: Digest::of(&formed.into_value()),
            rank: 0,
            defines: None,
            needs: Vec::new(),
            resource: None,
            directives: None,
            delivery: delivery.into(),
            packed: Packed::pack(object).unwrap(),
        }
    }

    /// The beginnings of an operation on it.
    pub(crate) fn operation(&self, action: Action) -> Operation {
        Operation {
            api_version: Some(self.gvk.api_version()),
            origin: Some(self.origin.to_string()),
            wave: self.wave(),
            ..Operation::new(action, self.id.clone())
        }
    }
}

impl DesiredSet {
    /// Where the first document of an object stands.
    fn origin_of(&self, id: &ObjectRef) -> Option<&Origin> {
        let object = self.by_id.get(id).and_then(|at| self.objects.get(*at)).map(Arc::as_ref);
        let hook = || self.hooks.iter().map(|hook| &hook.desired).find(|hook| hook.id == *id);
        // A hook without a name is never another one.
        object.or_else(hook).filter(|_| !id.name.is_empty()).map(|desired| &desired.origin)
    }

    /// Of two documents of one object neither is right.
    fn drop_given_twice(&mut self) {
        if self.invalid.is_empty() {
            return;
        }
        let twice: BTreeSet<&ObjectRef> =
            self.invalid.iter().map(|operation| &operation.object).collect();
        self.hooks.retain(|hook| !twice.contains(&hook.desired.id));
        self.objects.retain(|desired| !twice.contains(&desired.id));
        let all = self.objects.iter().enumerate();
        let by_id = all.map(|(index, desired)| (desired.id.clone(), index)).collect();
        (self.by_id, self.order) = (Arc::new(by_id), beside::Order::default());
    }

    fn push(&mut self, desired: Arc<Desired>) {
        Arc::make_mut(&mut self.by_id).insert(desired.id.clone(), self.objects.len());
        self.objects.push(desired);
    }

    /// Notes that the tree speaks of an object.
    pub(crate) fn name(&mut self, id: &ObjectRef) {
        Arc::make_mut(&mut self.named).insert(id.clone());
    }

    /// Nothing but objects.
    fn is_plain(&self) -> bool {
        self.hooks.is_empty() && self.invalid.is_empty() && self.warnings.is_empty()
    }
}

/// Packs a live object that the server is asked about.
pub(crate) fn pack(object: &Object) -> Result<Packed, DeliveryError> {
    Packed::pack(object)
        .map_err(|error| DeliveryError::Internal(format!("an object to keep: {error}")))
}

/// The inverse of [`pack`].
pub(crate) fn unpack(packed: &Packed) -> Result<Object, DeliveryError> {
    packed.unpack().map_err(|error| DeliveryError::Internal(format!("a kept document: {error}")))
}

/// What is known of a kind.
#[derive(Clone)]
enum Kind {
    Served(Arc<Resource>),
    Defined { namespaced: bool },
    Unusable(Problem),
}

struct Resolver<'a> {
    client: &'a Client,
    tree: &'a Tree,
    options: &'a DeliveryOptions,
    delivery: Arc<str>,
    kinds: HashMap<Arc<GroupVersionKind>, Kind>,
    set: DesiredSet,
    resolved: &'a mut Resolved,
}

/// Brings the tree into the form in which it is applied.
///
/// # Errors
/// When the cluster cannot be asked what it serves.
pub(crate) async fn resolve(
    client: &Client,
    tree: &Tree,
    options: &DeliveryOptions,
    resolved: &mut Resolved,
) -> Result<Arc<DesiredSet>, DeliveryError> {
    let delivery = options.name.as_str().into();
    resolved.begin(options);
    let (set, last) = (DesiredSet::default(), resolved.last.take());
    let mut resolver =
        Resolver { client, tree, options, delivery, kinds: HashMap::new(), set, resolved };
    let last = last.filter(|last| last.is_plain() && last.objects.len() == tree.documents.len());
    let mut again = None;
    if let Some(last) = last {
        again = resolver.again(&last).await?;
    }
    let set = match again {
        Some(set) => set,
        None => resolver.all().await?,
    };
    let set = Arc::new(set);
    resolver.resolved.end(&set);
    Ok(set)
}

impl DesiredSet {
    fn with_capacity(objects: usize) -> Self {
        Self {
            objects: Vec::with_capacity(objects),
            by_id: Arc::new(HashMap::with_capacity(objects)),
            named: Arc::new(HashSet::with_capacity(objects)),
            ..Self::default()
        }
    }

    /// These objects, for tests.
    #[cfg(test)]
    pub(crate) fn of(objects: Vec<Desired>) -> Self {
        let mut set = Self::default();
        for desired in objects {
            set.name(&desired.id);
            set.push(Arc::new(desired));
        }
        set
    }

    /// The desired object of this identity.
    pub(crate) fn get(&self, id: &ObjectRef) -> Option<&Arc<Desired>> {
        self.objects.get(*self.by_id.get(id)?)
    }
}

impl Resolver<'_> {
    /// Takes every document.
    async fn all(&mut self) -> Result<DesiredSet, DeliveryError> {
        self.set = DesiredSet::with_capacity(self.tree.documents.len());
        for document in &self.tree.documents {
            self.one(document).await?;
        }
        let mut set = std::mem::take(&mut self.set);
        set.drop_given_twice();
        hook::name_all(&mut set);
        Ok(set)
    }

    async fn one(&mut self, document: &Document) -> Result<(), DeliveryError> {
        if let Some(known) = self.resolved.get(&document.packed) {
            let (_, kind) = self.kind(&known.gvk).await?;
            if self.add_known(known, document, &kind) {
                return Ok(());
            }
        }
        let object = unpack(&document.packed)?;
        let (gvk, kind) = self.kind(&object.gvk()).await?;
        self.add(document, object, gvk, &kind);
        Ok(())
    }

    /// The last set with the documents that are others now. `None` unless the tree has the same
    /// objects in the same order: then a push costs what it changed and not what the tree is.
    async fn again(&mut self, last: &DesiredSet) -> Result<Option<DesiredSet>, DeliveryError> {
        let mut objects = Vec::with_capacity(last.objects.len());
        let mut served: Vec<Arc<GroupVersionKind>> = Vec::new();
        for (document, known) in self.tree.documents.iter().zip(&last.objects) {
            if known.packed.is_copy_of(&document.packed) && known.origin == document.origin {
                if !served.iter().any(|gvk| Arc::ptr_eq(gvk, &known.gvk)) {
                    let (_, kind) = self.kind(&known.gvk).await?;
                    if !known.is_served_as(&kind) {
                        return Ok(None);
                    }
                    served.push(known.gvk.clone());
                }
                objects.push(known.clone());
                continue;
            }
            self.set = DesiredSet::default();
            self.one(document).await?;
            let is_plain = self.set.is_plain();
            let new = self.set.objects.pop();
            match new.filter(|new| is_plain && new.id == known.id) {
                Some(new) => objects.push(new),
                None => return Ok(None),
            }
        }
        let (by_id, named, order) = (last.by_id.clone(), last.named.clone(), last.order.clone());
        Ok(Some(DesiredSet { objects, by_id, named, order, ..DesiredSet::default() }))
    }

    async fn kind(
        &mut self,
        gvk: &GroupVersionKind,
    ) -> Result<(Arc<GroupVersionKind>, Kind), DeliveryError> {
        if let Some((gvk, kind)) = self.kinds.get_key_value(gvk) {
            return Ok((gvk.clone(), kind.clone()));
        }
        let kind = match self.client.resolve(gvk).await {
            Ok(resource) => Kind::Served(resource),
            Err(error @ ClusterError::NoSuchKind { .. }) => self.defined(gvk, &error),
            Err(error @ ClusterError::ApiUnavailable { .. }) => {
                Kind::Unusable(problem(None, &error))
            }
            Err(source) => {
                let operation = "discover what the cluster serves".to_owned();
                return Err(DeliveryError::Cluster { operation, source });
            }
        };
        let gvk = self.resolved.kind(gvk);
        self.kinds.insert(gvk.clone(), kind.clone());
        Ok((gvk, kind))
    }

    /// A kind that is not served: perhaps the tree defines it.
    fn defined(&self, gvk: &GroupVersionKind, error: &ClusterError) -> Kind {
        let kind = gvk.group_kind();
        let find = |defined: &&Defined| defined.kind == kind;
        match self.tree.defined.iter().find(find) {
            None => Kind::Unusable(problem(None, error)),
            Some(defined) if defined.versions.contains(&gvk.version) => {
                Kind::Defined { namespaced: defined.namespaced }
            }
            Some(defined) => Kind::Unusable(Problem {
                origin: None,
                message: format!("the tree's definition of {kind} does not serve {}", gvk.version),
                hint: Some(format!("it serves {}", defined.versions.join(", "))),
            }),
        }
    }

    /// Takes a document as it was resolved before; false when its kind is served otherwise now.
    fn add_known(&mut self, known: Arc<Desired>, document: &Document, kind: &Kind) -> bool {
        if !known.is_served_as(kind) || self.set.by_id.contains_key(&known.id) {
            return false;
        }
        // The same text can stand in another line now.
        let known = if known.origin == document.origin {
            known
        } else {
            let moved = Desired { origin: document.origin.clone(), ..Desired::clone(&known) };
            let moved = Arc::new(moved);
            self.resolved.put(&moved);
            moved
        };
        self.set.name(&known.id);
        self.set.push(known);
        true
    }

    fn add(
        &mut self,
        document: &Document,
        mut object: Object,
        gvk: Arc<GroupVersionKind>,
        kind: &Kind,
    ) {
        let namespaced = match kind {
            Kind::Served(resource) => resource.namespaced,
            Kind::Defined { namespaced } => *namespaced,
            Kind::Unusable(_) => !object.namespace().is_empty(),
        };
        if namespaced && object.namespace().is_empty() {
            object.set_namespace(&self.options.namespace);
        }
        let id = object.id();
        let directives = self.directives(&object, &id);
        let is_hook = directives.as_ref().is_ok_and(|directives| directives.hook.is_some());
        let refused = match (kind, &directives) {
            (Kind::Unusable(problem), _) | (_, Err(problem)) => Some(problem.clone()),
            _ => refuse(&object, namespaced, is_hook),
        };
        let wave = directives.as_ref().map_or(0, |directives| directives.wave);
        let directives = directives.unwrap_or_default();
        if is_hook && refused.is_none() && hook::is_skipped(&mut self.set, &id, &directives) {
            return;
        }
        self.set.name(&id);
        if let Some(reason) = refused {
            return self.invalid((&gvk, &id, wave), &document.origin, reason);
        }
        if let Some(first) = self.set.origin_of(&id) {
            let reason = Problem {
                origin: None,
                message: format!("is given twice: here and in {first}"),
                hint: Some("keep one of them".to_owned()),
            };
            return self.invalid((&gvk, &id, wave), &document.origin, reason);
        }
        let resource = match kind {
            Kind::Served(resource) => Some(resource.clone()),
            _ => None,
        };
        form(&mut object, &id.namespace, resource.as_deref(), &self.delivery);
        let needs = sync::reference::references(&object);
        let defines = Defined::of(&object).map(|defined| defined.kind);
        let desired = Desired {
            rank: order::install_rank(&id.group_kind()),
            origin: document.origin.clone(),
            digest: Digest::of(&object.into_value()),
            id,
            gvk,
            defines,
            needs,
            resource,
            directives: (directives != Directives::default()).then(|| Box::new(directives)),
            delivery: self.delivery.clone(),
            packed: document.packed.clone(),
        };
        if is_hook {
            return self.set.hooks.push(HookObject::new(desired));
        }
        let desired = Arc::new(desired);
        self.resolved.put(&desired);
        self.set.push(desired);
    }

    /// What the document says, with the rules of the options about it.
    fn directives(&self, object: &Object, id: &ObjectRef) -> Result<Directives, Problem> {
        let mut directives = Directives::of(object).map_err(|error| Problem {
            origin: None,
            message: error.to_string(),
            hint: None,
        })?;
        let Ignored { pointers, managers } = Ignored::of(&self.options.ignore, id);
        directives.ignored.pointers.extend(pointers);
        directives.ignored.managers.extend(managers);
        Ok(directives)
    }

    fn invalid(
        &mut self,
        (gvk, id, wave): (&GroupVersionKind, &ObjectRef, i32),
        origin: &Origin,
        reason: Problem,
    ) {
        self.set.invalid.push(Operation {
            api_version: Some(gvk.api_version()),
            origin: Some(origin.to_string()),
            reason: Some(reason.message),
            hint: reason.hint,
            wave,
            ..Operation::new(Action::Invalid, id.clone())
        });
    }
}

/// Why an object of a usable kind cannot be delivered.
fn refuse(object: &Object, namespaced: bool, is_hook: bool) -> Option<Problem> {
    let refused = |message: String, hint: &str| {
        Some(Problem { origin: None, message, hint: Some(hint.to_owned()) })
    };
    let generated =
        object.str_at(&["metadata", "generateName"]).is_some_and(|name| !name.is_empty());
    if object.name().is_empty() && generated && !is_hook {
        return refused(
            "has metadata.generateName: each run would make another object".to_owned(),
            "give it a metadata.name",
        );
    }
    if object.name().is_empty() && !generated {
        return refused("metadata.name is missing".to_owned(), "give it a metadata.name");
    }
    if !namespaced && !object.namespace().is_empty() {
        return refused(
            format!(
                "has the namespace {}, but a {} lives in no namespace",
                object.namespace(),
                object.gvk().group_kind()
            ),
            "remove metadata.namespace",
        );
    }
    None
}

#[cfg(test)]
mod tests;
