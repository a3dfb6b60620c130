use super::*;
use cluster::ConnectOptions;
use objects::yaml;

/// Nothing is asked of it: the kinds are known.
async fn nobody() -> Client {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    let config = serde_json::json!({
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}], "current-context": "c",
    });
    std::fs::write(&path, config.to_string()).unwrap();
    Client::connect(&ConnectOptions::from_kubeconfig(&path)).await.unwrap()
}

fn config_maps(namespaced: bool) -> Kind {
    Kind::Served(Arc::new(Resource {
        gvk: GroupVersionKind::from_api_version("v1", "ConfigMap"),
        plural: "configmaps".to_owned(),
        singular: "configmap".to_owned(),
        short_names: Vec::new(),
        namespaced,
        verbs: Vec::new(),
        subresources: Vec::new(),
    }))
}

/// The documents of a file, each a ConfigMap; those that an earlier tree had are its copies, as
/// those of an unchanged file are.
fn tree(text: &str, before: Option<&Tree>) -> Tree {
    let mut tree = Tree::empty();
    for manifest in yaml::parse("a.yaml", text.as_bytes()).manifests {
        let new = Packed::pack(&manifest.object).unwrap();
        let known = before.into_iter().flat_map(|tree| &tree.documents);
        let known = known.map(|document| &document.packed).find(|packed| **packed == new);
        let packed = known.cloned().unwrap_or(new);
        tree.documents.push(Document { packed, origin: manifest.origin });
    }
    tree
}

fn text(objects: &[(&str, &str)]) -> String {
    let document = |(name, value): &(&str, &str)| {
        format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n{value}\n")
    };
    objects.iter().map(document).collect()
}

struct Desk {
    client: Client,
    options: DeliveryOptions,
    resolved: Resolved,
}

impl Desk {
    async fn new() -> Self {
        let options = DeliveryOptions::new("web".parse().unwrap());
        Self { client: nobody().await, options, resolved: Resolved::default() }
    }

    fn resolver<'a>(&'a mut self, tree: &'a Tree, kind: Kind) -> Resolver<'a> {
        self.resolved.begin(&self.options);
        let gvk = self.resolved.kind(&GroupVersionKind::from_api_version("v1", "ConfigMap"));
        Resolver {
            client: &self.client,
            tree,
            options: &self.options,
            delivery: "web".into(),
            kinds: HashMap::from([(gvk, kind)]),
            set: DesiredSet::default(),
            resolved: &mut self.resolved,
        }
    }

    async fn first(&mut self, tree: &Tree) -> DesiredSet {
        self.resolver(tree, config_maps(true)).all().await.unwrap()
    }

    async fn again(&mut self, tree: &Tree, last: &DesiredSet) -> Option<DesiredSet> {
        self.resolver(tree, config_maps(true)).again(last).await.unwrap()
    }
}

/// Which objects are the very ones of the last set.
fn kept(one: &DesiredSet, other: &DesiredSet) -> Vec<bool> {
    one.objects.iter().zip(&other.objects).map(|(one, other)| Arc::ptr_eq(one, other)).collect()
}

#[tokio::test]
async fn of_a_tree_with_one_change_only_that_object_is_made_anew() {
    let mut desk = Desk::new().await;
    let old = tree(&text(&[("a", ""), ("b", "data: {v: '1'}"), ("c", "")]), None);
    let first = desk.first(&old).await;
    let same = desk.again(&old, &first).await.unwrap();
    assert_eq!(kept(&same, &first), [true; 3]);

    let new = tree(&text(&[("a", ""), ("b", "data: {v: '2'}"), ("c", "")]), Some(&old));
    let again = desk.again(&new, &first).await.unwrap();
    assert_eq!(kept(&again, &first), [true, false, true]);
    assert_ne!(again.objects[1].digest, first.objects[1].digest);
    // It is what a look at every document gives, with the same places.
    let whole = Desk::new().await.first(&new).await;
    let shown = |set: &DesiredSet| {
        let objects = set.objects.iter();
        objects.map(|one| (one.id.clone(), one.digest, one.origin.clone())).collect::<Vec<_>>()
    };
    assert_eq!(shown(&again), shown(&whole));
    assert_eq!((&again.by_id, &again.named), (&whole.by_id, &whole.named));
    assert!(again.is_plain());
}

#[tokio::test]
async fn an_object_that_only_stands_elsewhere_is_the_same_in_its_new_place() {
    let mut desk = Desk::new().await;
    let old = tree(&text(&[("a", ""), ("b", "")]), None);
    let first = desk.first(&old).await;
    let new = tree(&format!("# one line more\n{}", text(&[("a", ""), ("b", "")])), Some(&old));
    let again = desk.again(&new, &first).await.unwrap();
    for (one, other) in again.objects.iter().zip(&first.objects) {
        assert_eq!(one.origin.line, other.origin.line + 1);
        assert_eq!((&one.id, one.digest), (&other.id, other.digest));
    }
}

#[tokio::test]
async fn a_tree_of_other_objects_is_looked_at_as_a_whole() {
    let mut desk = Desk::new().await;
    let old = tree(&text(&[("a", ""), ("b", "")]), None);
    let first = desk.first(&old).await;
    for (what, documents) in [
        ("another object in its place", [("a", ""), ("x", "")]),
        ("another order", [("b", ""), ("a", "")]),
        ("the same object twice", [("a", ""), ("a", "")]),
    ] {
        let new = tree(&text(&documents), Some(&old));
        assert!(desk.again(&new, &first).await.is_none(), "{what}");
    }
    // A hook is no object of the set, and what cannot be delivered neither.
    for (metadata, hooks) in
        [("name: b, annotations: {orlop.dev/hook: PreSync}", 1), ("generateName: b-", 0)]
    {
        let one = format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{{metadata}}}\n");
        let new = tree(&format!("{}{one}", text(&[("a", "")])), Some(&old));
        assert_eq!(new.documents.len(), 2, "{metadata}");
        let whole = Desk::new().await.first(&new).await;
        assert_eq!((whole.objects.len(), whole.hooks.len()), (1, hooks), "{metadata}");
        assert!(desk.again(&new, &first).await.is_none(), "{metadata}");
    }
}

#[tokio::test]
async fn a_kind_that_is_served_otherwise_now_is_resolved_anew() {
    let mut desk = Desk::new().await;
    let old = tree(&text(&[("a", ""), ("b", "")]), None);
    let first = desk.first(&old).await;
    let otherwise = desk.resolver(&old, config_maps(false)).again(&first).await.unwrap();
    assert!(otherwise.is_none());
    let gone = Kind::Unusable(Problem { origin: None, message: "gone".into(), hint: None });
    assert!(desk.resolver(&old, gone).again(&first).await.unwrap().is_none());
}
