//! Rules about fields that a delivery leaves to others.
//!
//! A rule chooses objects by globs of group, kind, namespace and name, and fields by pointers and
//! by the managers that own them. What it means for an apply is in [`objects::fields::withhold`].
//!
//! As text: `KIND[.GROUP][/NAMESPACE/NAME]:POINTER` or `…:manager=NAME`, with `*` and `?` in every
//! part but the pointer: `Deployment.apps:/spec/replicas`, `*:manager=kube-controller-manager`.

use objects::ObjectRef;
use objects::fields::{FieldPointer, PointerError};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Most rules of one delivery.
pub const IGNORE_RULES_MAX: usize = 256;
/// Most pointers of one rule or one annotation.
pub const IGNORE_POINTERS_MAX: usize = 64;

/// A pattern with `*` (any text) and `?` (one character).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Glob(String);

impl Glob {
    /// A pattern.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// Whether the whole text fits. Linear in both for patterns with one `*`, quadratic at worst.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        let (pattern, text): (Vec<char>, Vec<char>) =
            (self.0.chars().collect(), text.chars().collect());
        let (mut at, mut from) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while let Some(c) = text.get(from) {
            match pattern.get(at) {
                Some('*') => {
                    star = Some((at + 1, from));
                    at += 1;
                }
                Some(p) if *p == '?' || p == c => {
                    at += 1;
                    from += 1;
                }
                _ => {
                    let Some((after, taken)) = star else { return false };
                    star = Some((after, taken + 1));
                    at = after;
                    from = taken + 1;
                }
            }
        }
        pattern.iter().skip(at).all(|p| *p == '*')
    }
}

impl Default for Glob {
    fn default() -> Self {
        Self::new("*")
    }
}

/// Which fields of which objects are left to others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IgnoreRule {
    /// The API group; empty for core.
    pub group: Glob,
    /// The kind.
    pub kind: Glob,
    /// The namespace; empty for what lives in none.
    pub namespace: Glob,
    /// The name.
    pub name: Glob,
    /// Fields.
    pub pointers: Vec<FieldPointer>,
    /// Everything that these field managers own.
    pub managers: Vec<Glob>,
}

/// Why a text is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IgnoreError {
    /// Neither a pointer nor a manager.
    #[error("expected KIND[.GROUP][/NAMESPACE/NAME]:POINTER or …:manager=NAME")]
    Form,
    /// The pointer.
    #[error("the pointer of `{text}`: {reason}")]
    Pointer {
        /// What stands there.
        text: String,
        /// What is wrong with it.
        reason: PointerError,
    },
    /// More rules than one delivery may have.
    #[error("{rules} ignore rules are too many: a delivery has at most {IGNORE_RULES_MAX}")]
    TooMany {
        /// How many there are.
        rules: usize,
    },
}

impl model::Explain for IgnoreError {
    fn hint(&self) -> Option<model::Hint> {
        Some(model::Hint::new(match self {
            Self::TooMany { .. } => "choose several objects with one rule: `*` fits any text",
            _ => "as in `Deployment.apps:/spec/replicas`",
        }))
    }
}

impl FromStr for IgnoreRule {
    type Err = IgnoreError;

    fn from_str(text: &str) -> Result<Self, IgnoreError> {
        let (who, what, is_manager) = match (text.split_once(":/"), text.split_once(":manager=")) {
            (_, Some((who, manager))) if !who.contains(":/") => (who, manager.to_owned(), true),
            (Some((who, pointer)), _) => (who, format!("/{pointer}"), false),
            _ => return Err(IgnoreError::Form),
        };
        let mut parts = who.splitn(3, '/');
        let kind = parts.next().filter(|kind| !kind.is_empty()).ok_or(IgnoreError::Form)?;
        let (namespace, name) = match (parts.next(), parts.next()) {
            (None, _) => ("*", "*"),
            (Some(namespace), Some(name)) => (namespace, name),
            (Some(_), None) => return Err(IgnoreError::Form),
        };
        let (kind, group) = match kind.split_once('.') {
            Some((kind, group)) => (kind, group),
            None if kind == "*" => ("*", "*"),
            None => (kind, ""),
        };
        let mut rule = Self {
            group: Glob::new(group),
            kind: Glob::new(kind),
            namespace: Glob::new(namespace),
            name: Glob::new(name),
            ..Self::default()
        };
        if is_manager {
            if what.is_empty() {
                return Err(IgnoreError::Form);
            }
            rule.managers.push(Glob::new(what));
        } else {
            let pointer = what.parse();
            let wrong = |reason| IgnoreError::Pointer { text: what.clone(), reason };
            rule.pointers.push(pointer.map_err(wrong)?);
        }
        Ok(rule)
    }
}

impl IgnoreRule {
    /// The rule as texts, one for each field or manager; each of them can be read again.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        let who = format!("{}.{}/{}/{}", self.kind.0, self.group.0, self.namespace.0, self.name.0);
        let pointers = self.pointers.iter().map(|pointer| format!("{who}:{pointer}"));
        let managers = self.managers.iter().map(|manager| format!("{who}:manager={}", manager.0));
        pointers.chain(managers).collect()
    }
}

/// Whether one delivery may have so many rules.
///
/// # Errors
/// [`IgnoreError::TooMany`] past [`IGNORE_RULES_MAX`].
pub fn check(rules: &[IgnoreRule]) -> Result<(), IgnoreError> {
    match rules.len() {
        0..=IGNORE_RULES_MAX => Ok(()),
        rules => Err(IgnoreError::TooMany { rules }),
    }
}

/// What is ignored of one object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ignored {
    /// Fields.
    pub pointers: Vec<FieldPointer>,
    /// Everything that these field managers own.
    pub managers: Vec<Glob>,
}

impl Ignored {
    /// What rules say of an object.
    #[must_use]
    pub fn of(rules: &[IgnoreRule], id: &ObjectRef) -> Self {
        let mut ignored = Self::default();
        for rule in rules {
            let fits = rule.kind.fits(&id.kind)
                && rule.group.fits(&id.group)
                && rule.namespace.fits(&id.namespace)
                && rule.name.fits(&id.name);
            if fits {
                ignored.pointers.extend(rule.pointers.iter().cloned());
                ignored.managers.extend(rule.managers.iter().cloned());
            }
        }
        ignored
    }

    /// Whether nothing is ignored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pointers.is_empty() && self.managers.is_empty()
    }

    /// Whether everything that this manager owns is left to it.
    #[must_use]
    pub fn manager(&self, manager: &str) -> bool {
        self.managers.iter().any(|glob| glob.fits(manager))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use objects::GroupKind;
    use proptest::prelude::*;

    fn id(group: &str, kind: &str, namespace: &str, name: &str) -> ObjectRef {
        ObjectRef::new(GroupKind::new(group, kind), namespace, name)
    }

    fn ignores(rule: &str, id: &ObjectRef) -> bool {
        !Ignored::of(&[rule.parse().unwrap()], id).is_empty()
    }

    #[test]
    fn gitops_6_a_rule_chooses_objects_by_group_kind_namespace_and_name() {
        let web = id("apps", "Deployment", "shop", "web");
        assert!(ignores("Deployment.apps:/spec/replicas", &web));
        assert!(ignores("*:/spec/replicas", &web));
        assert!(ignores("Deploy*.*/sh?p/w*:/spec/replicas", &web));
        assert!(!ignores("Deployment:/spec/replicas", &web), "the core group");
        assert!(!ignores("Deployment.apps/other/*:/spec/replicas", &web));
        assert!(!ignores("Deployment.apps/shop/web2:/spec/replicas", &web));
        let role = id("rbac.authorization.k8s.io", "ClusterRole", "", "system:a");
        assert!(ignores("ClusterRole.rbac.authorization.k8s.io//system:a:/rules", &role));
        let rule = "*:manager=kube-*".parse().unwrap();
        let ignored = Ignored::of(&[rule], &web);
        assert!(ignored.manager("kube-scaler") && !ignored.manager("me"));
    }

    #[test]
    fn what_is_no_rule_is_refused_and_a_rule_survives_being_printed() {
        for text in ["", "Deployment", ":/a", "Deployment/shop:/a", "*:manager=", "A:/kind"] {
            assert!(text.parse::<IgnoreRule>().is_err(), "{text}");
        }
        for text in ["Deployment.apps:/spec/replicas", "*:manager=x", "Pod:/a/[name=b]/c"] {
            let rule: IgnoreRule = text.parse().unwrap();
            let texts = rule.texts();
            assert_eq!(texts.len(), 1);
            assert_eq!(texts[0].parse(), Ok(rule), "{text}");
        }
    }

    #[test]
    fn the_number_of_rules_is_bounded() {
        assert_eq!(check(&vec![IgnoreRule::default(); IGNORE_RULES_MAX]), Ok(()));
        let rules = IGNORE_RULES_MAX + 1;
        assert_eq!(check(&vec![IgnoreRule::default(); rules]), Err(IgnoreError::TooMany { rules }));
    }

    proptest! {
        #[test]
        fn a_glob_without_signs_fits_only_itself_and_a_star_fits_all(text in "[a-c]{0,8}", other in "[a-c]{0,8}") {
            prop_assert_eq!(Glob::new(text.clone()).fits(&other), text == other);
            prop_assert!(Glob::default().fits(&text));
            let around = format!("*{other}*");
            prop_assert_eq!(Glob::new(around).fits(&text), text.contains(&other));
        }

        #[test]
        fn no_text_makes_a_rule_panic(text in ".{0,40}") {
            let _ = text.parse::<IgnoreRule>();
        }
    }
}
