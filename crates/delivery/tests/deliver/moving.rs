//! Objects between two deliveries, and deliveries that act as somebody else.

use crate::bed::{Bed, config_map, done, outcome};
use delivery::{DeliveryOptions, OutcomeResult, Report, Silent, Source};
use model::Exit;
use objects::{GroupKind, ObjectRef};
use sync::Action;
use tokio_util::sync::CancellationToken;

/// Two deliveries of one repository, each with its folder; an object moves from `one` to `two`.
struct Two {
    bed: Bed,
    one: DeliveryOptions,
    two: DeliveryOptions,
    uid: String,
}

impl Two {
    async fn start() -> Option<Self> {
        let bed = Bed::start().await?;
        let options = |name: &str| {
            let mut options = bed.options.clone();
            options.name = format!("{}-{name}", bed.namespace.name()).parse().unwrap();
            options.prune = true;
            options
        };
        let (one, two) = (options("one"), options("two"));
        bed.write("one/stays.yaml", &config_map("one-stays", "x"));
        bed.write("one/moves.yaml", &config_map("moves", "x"));
        bed.write("two/stays.yaml", &config_map("two-stays", "x"));
        let mut two = Self { bed, one, two, uid: String::new() };
        assert_eq!(two.run("one").await.done(), 2);
        assert_eq!(two.run("two").await.done(), 1);
        two.uid = two.bed.field("configmap/moves", ".metadata.uid");
        two.bed.remove("one/moves.yaml");
        two.bed.write("two/moves.yaml", &config_map("moves", "x"));
        Some(two)
    }

    /// What an agent knows that sees both trees.
    fn tell_both(&mut self) {
        let id =
            ObjectRef::new(GroupKind::new("", "ConfigMap"), self.bed.namespace.name(), "moves");
        self.one.moves.to.insert(id.clone(), self.two.name.clone());
        self.two.moves.from.insert(id, self.one.name.clone());
    }

    async fn run(&self, which: &str) -> Report {
        let source = Source::Directory(self.bed.path().join(which));
        let token = CancellationToken::new();
        let tree =
            delivery::load(&source, &delivery::LoadOptions::default(), &token).await.unwrap();
        let options = if which == "one" { &self.one } else { &self.two };
        delivery::apply(&self.bed.client, &tree, options, None, &Silent, &token).await.unwrap()
    }

    /// The same object as before, all of the second delivery, and nothing is left to do.
    async fn check(&self) {
        assert_eq!(self.bed.field("configmap/moves", ".metadata.uid"), self.uid);
        let label = self.bed.field("configmap/moves", ".metadata.labels.orlop\\.dev/delivery");
        assert_eq!(label, self.two.name.as_str());
        let managers = "{.metadata.managedFields[*].manager}";
        let path = format!("jsonpath={managers}");
        let get = ["get", "configmap", "moves", "--show-managed-fields", "-o", &path];
        assert_eq!(self.bed.kubectl(&get), self.two.name.manager());
        self.bed.proxy.recorder().reset();
        let (one, two) = (self.run("one").await, self.run("two").await);
        assert_eq!((one.unchanged, two.unchanged), (1, 2));
        assert_eq!(self.bed.proxy.recorder().writes(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_8_a_moved_object_is_handed_over_when_the_old_delivery_runs_first() {
    let Some(mut two) = Two::start().await else { return };
    two.tell_both();
    let report = two.run("one").await;
    assert_eq!(done(&report), [(Action::HandOver, "moves")], "{:#?}", report.outcomes);
    let report = two.run("two").await;
    assert_eq!((report.exit(), report.done()), (Exit::Clean, 0), "{:#?}", report.outcomes);
    two.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_8_a_moved_object_is_handed_over_when_the_new_delivery_runs_first() {
    let Some(mut two) = Two::start().await else { return };
    two.tell_both();
    let report = two.run("two").await;
    assert_eq!(done(&report), [(Action::Takeover, "moves")], "{:#?}", report.outcomes);
    let report = two.run("one").await;
    assert_eq!(report.exit(), Exit::Clean, "{:#?}", report.outcomes);
    assert_eq!(done(&report), [(Action::HandOver, "moves")]);
    two.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_8_the_inventory_of_the_new_delivery_is_claim_enough() {
    let Some(two) = Two::start().await else { return };
    let refused = two.run("two").await;
    let reason = outcome(&refused, "moves").reason.clone().unwrap();
    assert!(reason.contains(&two.one.name.manager()), "{reason}");
    let report = two.run("one").await;
    assert_eq!(done(&report), [(Action::HandOver, "moves")], "{:#?}", report.outcomes);
    assert_eq!(two.run("two").await.exit(), Exit::Clean);
    two.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_acts_only_with_its_own_account_and_a_refusal_names_verb_resource_and_subject() {
    let Some(mut bed) = Bed::start().await else { return };
    let namespace = bed.namespace.name().to_owned();
    bed.kubectl(&["create", "serviceaccount", "deployer"]);
    bed.kubectl(&[
        "create",
        "role",
        "deployer",
        "--verb=get,list,watch,create,patch,delete",
        "--resource=configmaps",
    ]);
    let account = format!("--serviceaccount={namespace}:deployer");
    bed.kubectl(&["create", "rolebinding", "deployer", "--role=deployer", &account]);
    bed.options.act_as = Some(format!("{namespace}/deployer").parse().unwrap());
    bed.options.prune = true;
    bed.write("a.yaml", &config_map("a", "x"));
    bed.write("b.yaml", &config_map("b", "x"));
    let report = bed.apply().await;
    assert_eq!((report.exit(), report.done()), (Exit::Clean, 2), "{:#?}", report.outcomes);
    bed.remove("b.yaml");
    let report = bed.apply().await;
    assert_eq!(done(&report), [(Action::Prune, "b")], "{:#?}", report.outcomes);
    bed.write(
        "service.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n",
    );
    let error = match bed.try_apply(None).await {
        Ok(report) => {
            assert_eq!(outcome(&report, "s").result, OutcomeResult::Failed);
            outcome(&report, "s").reason.clone().unwrap()
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            format!("{error}: {}", cause.unwrap_or_default())
        }
    };
    let subject = format!("system:serviceaccount:{namespace}:deployer may not");
    assert!(error.contains(&subject) && error.contains("services"), "{error}");
    assert!(!bed.exists("service/s"));
}
