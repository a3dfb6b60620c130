//! What a document says about its own delivery, in annotations.
//!
//! | Annotation | Value |
//! |---|---|
//! | `orlop.dev/wave` | a number; lower ones first. Also `argocd.argoproj.io/sync-wave` |
//! | `orlop.dev/hook` | `PreSync`, `Sync`, `PostSync`, `SyncFail`; also Argo CD's and Helm's |
//! | `orlop.dev/hook-delete-policy` | `BeforeHookCreation`, `HookSucceeded`, `HookFailed` |
//! | `orlop.dev/depends-on` | `group/Kind/namespace/name, …` |
//! | `orlop.dev/prune` | `disabled`, `confirm` (`confirmed` on the live object), `last` |
//! | `orlop.dev/apply` | `once`: made when it is absent, never changed |
//! | `orlop.dev/self-heal` | `disabled` |
//! | `orlop.dev/force` | `recreate` |
//! | `orlop.dev/ignore` | pointers, or `manager=NAME` |
//!
//! Our own annotation wins over another tool's. A value that cannot be read is a mistake of the
//! document, never a default.

use crate::ignore::{Glob, IGNORE_POINTERS_MAX, Ignored};
use crate::name::PRUNE_ANNOTATION;
use objects::fields::split_pointers;
use objects::{GroupKind, Object, ObjectRef};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The wave of an object.
pub const WAVE_ANNOTATION: &str = "orlop.dev/wave";
/// The phases in which an object runs as a hook.
pub const HOOK_ANNOTATION: &str = "orlop.dev/hook";
/// When a hook is deleted.
pub const HOOK_DELETE_ANNOTATION: &str = "orlop.dev/hook-delete-policy";
/// Objects that have to be ready first.
pub const DEPENDS_ON_ANNOTATION: &str = "orlop.dev/depends-on";
/// The value `once` makes an object and never changes it.
pub const APPLY_ANNOTATION: &str = "orlop.dev/apply";
/// The value `disabled` leaves changes by others alone until Git changes the object.
pub const SELF_HEAL_ANNOTATION: &str = "orlop.dev/self-heal";
/// The value `recreate` lets an immutable change delete the object and make it again.
pub const FORCE_ANNOTATION: &str = "orlop.dev/force";
/// Fields that are left to others.
pub const IGNORE_ANNOTATION: &str = "orlop.dev/ignore";
/// Most objects that one object may depend on.
pub const DEPENDENCIES_MAX: usize = 64;

const ARGO_WAVE: &str = "argocd.argoproj.io/sync-wave";
const ARGO_HOOK: &str = "argocd.argoproj.io/hook";
const ARGO_HOOK_DELETE: &str = "argocd.argoproj.io/hook-delete-policy";
const ARGO_OPTIONS: &str = "argocd.argoproj.io/sync-options";
const HELM_HOOK: &str = "helm.sh/hook";
const HELM_HOOK_DELETE: &str = "helm.sh/hook-delete-policy";
const HELM_HOOK_WEIGHT: &str = "helm.sh/hook-weight";

/// When hooks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Phase {
    /// Before anything is applied.
    PreSync,
    /// Together with everything else of its wave.
    Sync,
    /// When everything is applied and healthy.
    PostSync,
    /// When the delivery has failed.
    SyncFail,
}

impl Phase {
    /// All, in order.
    pub const ALL: [Self; 4] = [Self::PreSync, Self::Sync, Self::PostSync, Self::SyncFail];

    /// The phase in lower case, for names of objects.
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Self::PreSync => "presync",
            Self::Sync => "sync",
            Self::PostSync => "postsync",
            Self::SyncFail => "syncfail",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PreSync => "PreSync",
            Self::Sync => "Sync",
            Self::PostSync => "PostSync",
            Self::SyncFail => "SyncFail",
        })
    }
}

/// How an object runs as a hook. What is still there from an earlier run is always deleted first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hook {
    /// When; empty when it only has phases that are not run here.
    pub phases: BTreeSet<Phase>,
    /// Delete it when it has succeeded.
    pub delete_succeeded: bool,
    /// Delete it when it has failed.
    pub delete_failed: bool,
    /// Phases of other tools that are not run here.
    pub skipped: Vec<String>,
}

/// Whether and when an object may be pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PruneRule {
    /// As the options say.
    #[default]
    Allowed,
    /// Never.
    Disabled,
    /// Only after somebody has confirmed it.
    Confirm,
    /// Somebody has confirmed it.
    Confirmed,
}

impl PruneRule {
    /// From the annotations of an object, live ones too.
    #[must_use]
    pub fn of(object: &Object) -> Self {
        let words = object.annotation(PRUNE_ANNOTATION).unwrap_or_default();
        let has = |word: &str| split_pointers(words).contains(&word);
        if has("disabled") {
            Self::Disabled
        } else if has("confirmed") {
            Self::Confirmed
        } else if has("confirm") {
            Self::Confirm
        } else if argo_option(object, "Prune=false") {
            Self::Disabled
        } else if argo_option(object, "Prune=confirm") {
            Self::Confirm
        } else {
            Self::Allowed
        }
    }
}

/// Whether an object is pruned after everything else has ended well.
#[must_use]
pub fn prunes_last(object: &Object) -> bool {
    let words = object.annotation(PRUNE_ANNOTATION).unwrap_or_default();
    split_pointers(words).contains(&"last") || argo_option(object, "PruneLast=true")
}

/// The wave of an object, live ones too; 0 when there is none that can be read.
#[must_use]
pub fn wave_of(object: &Object) -> i32 {
    written_wave(object).and_then(|(_, text)| text.trim().parse().ok()).unwrap_or(0)
}

fn written_wave(object: &Object) -> Option<(&'static str, &str)> {
    [WAVE_ANNOTATION, ARGO_WAVE, HELM_HOOK_WEIGHT]
        .into_iter()
        .find_map(|key| Some((key, object.annotation(key)?)))
}

fn argo_option(object: &Object, wanted: &str) -> bool {
    let options = object.annotation(ARGO_OPTIONS).unwrap_or_default();
    options.split(',').any(|option| option.trim().eq_ignore_ascii_case(wanted))
}

/// Everything that a document says about its delivery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directives {
    /// Its wave.
    pub wave: i32,
    /// Whether it is a hook.
    pub hook: Option<Hook>,
    /// What has to be ready first. An empty namespace may stand for the object's own.
    pub depends_on: Vec<ObjectRef>,
    /// Made when it is absent, never changed.
    pub once: bool,
    /// What others changed is left alone until Git changes the object.
    pub keeps_drift: bool,
    /// An immutable change may delete it and make it again.
    pub recreate: bool,
    /// Fields that are left to others.
    pub ignored: Ignored,
}

/// An annotation that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the annotation {annotation} is `{value}`: {expected}")]
pub struct DirectiveError {
    /// Its key.
    pub annotation: &'static str,
    /// What stands there, cut.
    pub value: String,
    /// What may stand there.
    pub expected: String,
}

/// Longest value that is repeated in a message, in characters.
const VALUE_CHARS_MAX: usize = 80;

fn wrong(annotation: &'static str, value: &str, expected: impl Into<String>) -> DirectiveError {
    let value = value.chars().take(VALUE_CHARS_MAX).collect();
    DirectiveError { annotation, value, expected: expected.into() }
}

impl Directives {
    /// Reads the annotations of a document.
    ///
    /// # Errors
    /// The first annotation that cannot be read.
    pub fn of(object: &Object) -> Result<Self, DirectiveError> {
        let has_any = object
            .at(&["metadata", "annotations"])
            .and_then(|annotations| annotations.as_object())
            .is_some_and(|annotations| !annotations.is_empty());
        if !has_any {
            return Ok(Self::default());
        }
        let wave = match written_wave(object) {
            None => 0,
            Some((key, text)) => text
                .trim()
                .parse()
                .map_err(|_| wrong(key, text, "a wave is a number such as -1 or 5"))?,
        };
        check_prune(object)?;
        let only = |key, value| match object.annotation(key) {
            None => Ok(false),
            Some(text) if text == value => Ok(true),
            Some(text) => Err(wrong(key, text, format!("expected `{value}`"))),
        };
        Ok(Self {
            wave,
            hook: hook(object)?,
            depends_on: dependencies(object)?,
            once: only(APPLY_ANNOTATION, "once")?,
            keeps_drift: only(SELF_HEAL_ANNOTATION, "disabled")?,
            recreate: only(FORCE_ANNOTATION, "recreate")?,
            ignored: ignored(object)?,
        })
    }
}

fn check_prune(object: &Object) -> Result<(), DirectiveError> {
    let Some(text) = object.annotation(PRUNE_ANNOTATION) else { return Ok(()) };
    let known = ["disabled", "confirm", "confirmed", "last", "enabled"];
    match split_pointers(text).iter().all(|word| known.contains(word)) {
        true => Ok(()),
        false => Err(wrong(PRUNE_ANNOTATION, text, "expected disabled, confirm or last")),
    }
}

/// Words of a list that may be written with commas.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn hook(object: &Object) -> Result<Option<Hook>, DirectiveError> {
    let written = [HOOK_ANNOTATION, ARGO_HOOK, HELM_HOOK]
        .into_iter()
        .find_map(|key| Some((key, object.annotation(key)?)));
    let Some((key, text)) = written else { return Ok(None) };
    let mut hook = Hook::default();
    let mut is_object = false;
    for word in words(text) {
        match (key, word) {
            (HELM_HOOK, "pre-install" | "pre-upgrade") | (_, "PreSync") => {
                hook.phases.insert(Phase::PreSync);
            }
            (HELM_HOOK, "post-install" | "post-upgrade") | (_, "PostSync") => {
                hook.phases.insert(Phase::PostSync);
            }
            (_, "Sync") => {
                hook.phases.insert(Phase::Sync);
            }
            (_, "SyncFail") => {
                hook.phases.insert(Phase::SyncFail);
            }
            // Helm 2 installed definitions first; that is what every delivery does here.
            (HELM_HOOK, "crd-install") => is_object = true,
            (HELM_HOOK, _) | (ARGO_HOOK, "Skip" | "PreDelete" | "PostDelete") => {
                hook.skipped.push(format!("{key}: {word}"));
            }
            _ => return Err(wrong(key, text, "expected PreSync, Sync, PostSync or SyncFail")),
        }
    }
    if hook.phases.is_empty() && (is_object || hook.skipped.is_empty()) {
        return Ok(None);
    }
    let policies = [HOOK_DELETE_ANNOTATION, ARGO_HOOK_DELETE, HELM_HOOK_DELETE]
        .into_iter()
        .find_map(|key| Some((key, object.annotation(key)?)));
    for (key, policy) in policies.iter().flat_map(|(key, text)| words(text).map(|w| (*key, w))) {
        match policy {
            "BeforeHookCreation" | "before-hook-creation" => {}
            "HookSucceeded" | "hook-succeeded" => hook.delete_succeeded = true,
            "HookFailed" | "hook-failed" => hook.delete_failed = true,
            other => {
                let expected = "expected BeforeHookCreation, HookSucceeded or HookFailed";
                return Err(wrong(key, other, expected));
            }
        }
    }
    Ok(Some(hook))
}

fn dependencies(object: &Object) -> Result<Vec<ObjectRef>, DirectiveError> {
    let Some(text) = object.annotation(DEPENDS_ON_ANNOTATION) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for word in words(text) {
        let parts: Vec<&str> = word.split('/').collect();
        let id = match *parts.as_slice() {
            [group, kind, name] if !kind.is_empty() && !name.is_empty() => {
                ObjectRef::new(GroupKind::new(group, kind), "", name)
            }
            [group, kind, namespace, name] if !kind.is_empty() && !name.is_empty() => {
                ObjectRef::new(GroupKind::new(group, kind), namespace, name)
            }
            _ => {
                let expected = "expected group/Kind/namespace/name, as in apps/Deployment/shop/db";
                return Err(wrong(DEPENDS_ON_ANNOTATION, word, expected));
            }
        };
        found.push(id);
    }
    if found.len() > DEPENDENCIES_MAX {
        let expected = format!("at most {DEPENDENCIES_MAX} objects");
        return Err(wrong(DEPENDS_ON_ANNOTATION, text, expected));
    }
    Ok(found)
}

fn ignored(object: &Object) -> Result<Ignored, DirectiveError> {
    let Some(text) = object.annotation(IGNORE_ANNOTATION) else { return Ok(Ignored::default()) };
    let mut ignored = Ignored::default();
    for word in split_pointers(text) {
        match word.strip_prefix("manager=") {
            Some(manager) => ignored.managers.push(Glob::new(manager)),
            None => {
                let pointer = word.parse();
                let pointer = pointer.map_err(|error: objects::fields::PointerError| {
                    wrong(IGNORE_ANNOTATION, word, error.to_string())
                })?;
                ignored.pointers.push(pointer);
            }
        }
    }
    if ignored.pointers.len() + ignored.managers.len() > IGNORE_POINTERS_MAX {
        let expected = format!("at most {IGNORE_POINTERS_MAX} fields");
        return Err(wrong(IGNORE_ANNOTATION, text, expected));
    }
    Ok(ignored)
}

#[cfg(test)]
mod tests;
