//! What a spec asks for, in the words of the deliver path.
//!
//! Input: a [`Valid`] spec. Output: [`DeliveryOptions`] and [`RenderOptions`]. An error is a
//! sentence for people: every field is passed on or refused, none is passed over.

use super::Syncer;
use delivery::{DeliveryOptions, Engine, RenderOptions};
use gitops::spec::{Conflicts, Engine as Renderer, Force, IgnoreRule, Spec, Trigger, Valid};
use objects::GroupKind;
use serde_json::Value;
use sync::ForceRecreate;
use sync::ignore::Glob;

impl Syncer {
    /// The options of a run that `trigger` brought about.
    pub(super) fn options(
        &self,
        valid: &Valid,
        trigger: Trigger,
    ) -> Result<DeliveryOptions, String> {
        let spec = valid.spec();
        let name = self.name.clone().ok_or("its name is no label")?;
        let mut options = DeliveryOptions::new(name);
        valid.target_namespace().clone_into(&mut options.namespace);
        options.inventory_namespace = Some(self.key.namespace.clone());
        options.prune = spec.prune.enabled;
        options.guards.objects_max = usize::try_from(spec.prune.max_objects).unwrap_or(usize::MAX);
        options.guards.percent_max = spec.prune.max_percent;
        options.guards.allow_empty = spec.prune.allow_empty;
        options.guards.kinds = spec.prune.kinds().collect();
        options.force_conflicts = spec.conflicts == Conflicts::Force;
        options.force_recreate = match spec.force {
            Force::Never => ForceRecreate::Never,
            Force::Annotated => ForceRecreate::Annotated,
            Force::Always => ForceRecreate::Always,
        };
        options.ignore = spec.ignore.iter().map(rule).collect::<Result<_, _>>()?;
        options.automatic = trigger != Trigger::Manual;
        options.wait = false;
        options.timeout = spec.health_timeout.0;
        Ok(options)
    }

    /// How the files become objects.
    pub(super) fn rendering(valid: &Valid) -> RenderOptions {
        let render = &valid.spec().render;
        let helm = render.helm.clone().unwrap_or_default();
        RenderOptions {
            engine: match render.engine {
                Renderer::Auto => Engine::Auto,
                Renderer::Plain => Engine::Plain,
                Renderer::Kustomize => Engine::Kustomize,
                Renderer::Helm => Engine::Helm,
            },
            namespace: valid.target_namespace().to_owned(),
            release: Some(helm.release_name.unwrap_or_else(|| valid.key().name)),
            values: helm.values_files,
            inline: (!helm.values.is_empty()).then_some(Value::Object(helm.values)),
            include_crds: helm.include_crds,
            ..RenderOptions::default()
        }
    }
}

/// Whether two specs make the same objects of the same files.
pub(super) fn reads_alike(one: &Spec, other: &Spec) -> bool {
    let parts =
        |spec: &Spec| (spec.render.clone(), spec.decryption.clone(), spec.target_namespace.clone());
    parts(one) == parts(other)
}

/// One rule about fields that are left to others.
fn rule(rule: &IgnoreRule) -> Result<sync::IgnoreRule, String> {
    let any = |text: &Option<String>| text.as_ref().map_or_else(Glob::default, Glob::new);
    // A group that has another name by now means the same objects under both.
    let group = match (&rule.group, &rule.kind) {
        (Some(group), Some(kind)) => {
            Glob::new(GroupKind::new(group.clone(), kind.clone()).canonical().group)
        }
        (group, _) => any(group),
    };
    let pointer = |text: &String| text.parse().map_err(|error| format!("`{text}`: {error}"));
    Ok(sync::IgnoreRule {
        group,
        kind: any(&rule.kind),
        namespace: any(&rule.namespace),
        name: any(&rule.name),
        pointers: rule.pointers.iter().map(pointer).collect::<Result<_, _>>()?,
        managers: rule.managers.iter().map(Glob::new).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use objects::ObjectRef;

    #[test]
    fn a_rule_means_the_same_objects_and_fields() {
        let asked = IgnoreRule {
            group: Some("apps".to_owned()),
            kind: Some("Deployment".to_owned()),
            name: Some("web-*".to_owned()),
            pointers: vec!["/spec/replicas".to_owned()],
            managers: vec!["kube-*".to_owned()],
            ..IgnoreRule::default()
        };
        let given = rule(&asked).unwrap();
        for (group, kind, name) in [
            ("apps", "Deployment", "web-1"),
            ("apps", "Deployment", "api"),
            ("apps", "StatefulSet", "web-1"),
            ("", "Deployment", "web-1"),
        ] {
            let id = ObjectRef::new(GroupKind::new(group, kind), "shop", name);
            let ignored = sync::Ignored::of(std::slice::from_ref(&given), &id);
            assert_eq!(!ignored.is_empty(), asked.matches(&id), "{id}");
        }
        let texts: Vec<String> = given.texts().into_iter().collect();
        assert!(texts.iter().any(|text| text.ends_with(":/spec/replicas")), "{texts:?}");
        assert!(texts.iter().any(|text| text.ends_with(":manager=kube-*")), "{texts:?}");
        let wrong = IgnoreRule { pointers: vec!["/metadata/name".to_owned()], ..asked };
        assert!(rule(&wrong).unwrap_err().contains("/metadata/name"));
    }
}
