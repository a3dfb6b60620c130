//! Whose signature a revision has, before anything of it is rendered or applied.
//!
//! The keys are read from the GitSync's namespace with every new revision. Whatever is not a good
//! signature of an allowed key is a refusal with its reason; so is a key file with a mistake in
//! it, because a line that was passed over could be the one that revokes.

use crate::home::MaterialKind;
use crate::syncer::{Loaded, Syncer};
use gitops::spec::{
    KeySource, KeySourceKind, Operation, Reference, SignatureVerdict, Valid, VerifyMode,
};
use model::chain;
use signature::policy::{Decision, Mode, Policy, Tag, TagRule, judge};
use signature::{CommitterRule, ObjectKind, Trust, Verdict};

impl Syncer {
    /// Why the revision is refused; none when it may go on. Fills in what is known of the signer.
    pub(crate) async fn verify(
        &mut self,
        valid: &Valid,
        loaded: &Loaded,
        operation: &mut Operation,
    ) -> Option<String> {
        let verify = &valid.spec().source.verify;
        let mode = match verify.mode {
            VerifyMode::Off => return None,
            VerifyMode::Head => Mode::Head,
            VerifyMode::EveryCommit => Mode::EveryCommit,
        };
        let trust = match self.trust(valid).await {
            Ok(trust) => trust,
            Err(message) => return Some(message),
        };
        let at = self.shared.options.clock.now();
        let at = at.duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let at = i64::try_from(at).unwrap_or(i64::MAX);
        let look = |commit: &repo::Commit| {
            let verdict = signature::verify(commit.raw(), ObjectKind::Commit, &trust, at);
            (commit.id.clone(), verdict)
        };
        let commits: Vec<(String, Verdict)> = match (mode, self.status.applied_revision.clone()) {
            (Mode::EveryCommit, Some(old)) if old != loaded.commit.id => {
                match self.between(loaded, &old).await {
                    Ok(commits) => commits.iter().map(look).collect(),
                    Err(message) => return Some(message),
                }
            }
            _ => vec![look(&loaded.commit)],
        };
        // A signed tag vouches for the commit that it stands for, where a tag is what is wanted.
        let by_tag = matches!(valid.reference(), Reference::Tag(_) | Reference::Semver(_));
        let tag = loaded.tags.first().filter(|_| by_tag);
        let tag_verdict = tag.map(|tag| signature::verify(tag.raw(), ObjectKind::Tag, &trust, at));
        let (rule, tag) = match (tag, &tag_verdict) {
            (Some(tag), Some(verdict)) => {
                let rule = if mode == Mode::Head { TagRule::Vouches } else { TagRule::Required };
                (rule, Tag::Annotated(&tag.name, verdict))
            }
            _ => (TagRule::NotRequired, Tag::None),
        };
        let shown = tag_verdict.as_ref().or_else(|| commits.first().map(|(_, verdict)| verdict));
        if let Some(verdict) = shown {
            operation.signature = summary(verdict);
            if let Verdict::Good { signer, .. } = verdict {
                operation.signer = Some(signer.clone());
            }
        }
        match judge(Policy { mode, tag: rule }, &tag, &commits) {
            Decision::Accepted { .. } => None,
            Decision::Refused { reasons } => Some(reasons.join("; ")),
        }
    }

    /// Every commit since the one that was applied; a rewritten branch proves nothing about how
    /// it came here, so it is refused.
    async fn between(&self, loaded: &Loaded, old: &str) -> Result<Vec<repo::Commit>, String> {
        let (connections, fetch) = (self.shared.connections.clone(), loaded.fetch.clone());
        let (old, new) = (old.to_owned(), loaded.commit.id.clone());
        let cache = self.shared.options.cache.clone();
        let range = crate::syncer::on_a_thread(&self.shared.stop, move |cancel| {
            connections.commits_between(&fetch, (old.as_str(), new.as_str()), &cache, cancel)
        })
        .await?;
        let range = range.map_err(|error| chain(&error))?;
        if !range.descends {
            return Err(format!(
                "the history was rewritten: {} does not come from what was applied, so that its \
                 commits cannot be checked one by one; with `verify.mode: head` only the newest is",
                loaded.commit.id
            ));
        }
        Ok(range.commits)
    }

    async fn trust(&self, valid: &Valid) -> Result<Trust, String> {
        let verify = &valid.spec().source.verify;
        let rule = if verify.require_committer_match {
            CommitterRule::MustMatch
        } else {
            CommitterRule::Ignore
        };
        let mut trust = Trust::new().with_committer_rule(rule);
        let mut mistakes = Vec::new();
        if let Some(source) = &verify.allowed_signers {
            let bytes = self.key_file(source, verify.signers_key()).await?;
            let text =
                String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", source.name))?;
            mistakes.extend(trust.add_allowed_signers(&source.name, &text));
        }
        if let Some(source) = &verify.pgp_keys {
            let bytes = self.key_file(source, verify.pgp_key()).await?;
            mistakes.extend(trust.add_key_ring(&source.name, &bytes));
        }
        match mistakes.first() {
            None => Ok(trust),
            Some(mistake) => Err(format!("the allowed keys cannot be used: {mistake}")),
        }
    }

    async fn key_file(&self, source: &KeySource, key: &str) -> Result<Vec<u8>, String> {
        let kind = match source.kind {
            KeySourceKind::ConfigMap => MaterialKind::ConfigMap,
            KeySourceKind::Secret => MaterialKind::Secret,
        };
        let found = self.shared.home.material(&self.key, kind, &source.name).await;
        let found = found.map_err(|error| chain(&error))?;
        let name = format!("{} {}/{}", kind.name(), self.key.namespace, source.name);
        let found = found.ok_or_else(|| format!("the {name} does not exist"))?;
        found.0.get(key).cloned().ok_or_else(|| format!("the {name} has no key `{key}`"))
    }
}

fn summary(verdict: &Verdict) -> SignatureVerdict {
    match verdict {
        Verdict::Good { .. } => SignatureVerdict::Good,
        Verdict::Unsigned => SignatureVerdict::Unsigned,
        Verdict::UnknownKey { .. } => SignatureVerdict::UnknownKey,
        Verdict::Expired { .. } => SignatureVerdict::Expired,
        Verdict::Revoked { .. } => SignatureVerdict::Revoked,
        Verdict::WrongCommitter { .. } => SignatureVerdict::WrongCommitter,
        _ => SignatureVerdict::Bad,
    }
}
