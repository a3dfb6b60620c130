//! From the verdicts on a revision to a decision, with reasons for people.
//!
//! Input: a [`Policy`], the verdict on the annotated tag that was followed (if one was), and the
//! verdicts on the commits between the last delivered revision and the new one, the new one
//! first; merge commits and what they bring in belong to that list. Output: a [`Decision`].
//!
//! Limit: [`REASONS_MAX`] reasons are told one by one, further ones as a number.

use crate::Verdict;

/// More reasons are told as a number.
pub const REASONS_MAX: usize = 10;
/// Characters of a commit id in reasons.
const ID_CHARS: usize = 12;

/// Which commits must be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The new revision alone; whoever signs it vouches for what is below.
    Head,
    /// The new revision and every commit that is new with it.
    EveryCommit,
}

/// What a signed tag is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TagRule {
    /// Tags are not looked at; the commits decide.
    #[default]
    NotRequired,
    /// The tag must be annotated and signed, and then its commits need no signature.
    Vouches,
    /// The tag must be annotated and signed, and the commits are judged as well.
    Required,
}

/// What must be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Which commits.
    pub mode: Mode,
    /// Which tags.
    pub tag: TagRule,
}

/// The tag that the revision was found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tag<'a> {
    /// The revision is a branch or a commit id.
    None,
    /// A tag that is only a name for a commit: it cannot be signed.
    Lightweight(&'a str),
    /// A tag object: its name, and the verdict on it.
    Annotated(&'a str, &'a Verdict),
}

/// Whether the revision may be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may; the sentence says on whose word.
    Accepted {
        /// For people, without a final period.
        reason: String,
    },
    /// It may not.
    Refused {
        /// One sentence each for people, at most [`REASONS_MAX`] and one.
        reasons: Vec<String>,
    },
}

/// Judges a revision. `commits` begins with the revision itself.
#[must_use]
pub fn judge(policy: Policy, tag: &Tag<'_>, commits: &[(String, Verdict)]) -> Decision {
    let mut reasons = Vec::new();
    let mut accepted = Vec::new();
    if policy.tag != TagRule::NotRequired {
        match tag {
            Tag::Annotated(name, verdict) if verdict.is_good() => {
                accepted.push(format!("tag {name}: {verdict}"));
            }
            Tag::Annotated(name, verdict) => reasons.push(format!("tag {name}: {verdict}")),
            Tag::Lightweight(name) => reasons.push(format!(
                "tag {name} is a plain name for a commit, which cannot be signed; an annotated \
                 tag is required"
            )),
            Tag::None => reasons.push(
                "a signed tag is required, and the revision is not found by a tag".to_owned(),
            ),
        }
    }
    if policy.tag != TagRule::Vouches {
        let judged = match policy.mode {
            Mode::Head => commits.get(..1),
            Mode::EveryCommit => Some(commits),
        };
        let judged = judged.unwrap_or_default();
        if judged.is_empty() {
            reasons.push("there is no commit to judge".to_owned());
        }
        let bad = judged.iter().filter(|(_, verdict)| !verdict.is_good());
        reasons.extend(bad.map(|(id, verdict)| format!("commit {}: {verdict}", short(id))));
        match judged {
            [(id, verdict)] => accepted.push(format!("commit {}: {verdict}", short(id))),
            [(id, verdict), ..] => accepted.push(format!(
                "{} commits are signed; commit {}: {verdict}",
                judged.len(),
                short(id)
            )),
            [] => {}
        }
    }
    if reasons.is_empty() {
        return Decision::Accepted { reason: accepted.join("; ") };
    }
    let more = reasons.len().saturating_sub(REASONS_MAX);
    if more > 0 {
        reasons.truncate(REASONS_MAX);
        reasons.push(format!("and {more} more"));
    }
    Decision::Refused { reasons }
}

fn short(id: &str) -> String {
    id.chars().take(ID_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scheme;

    fn good() -> Verdict {
        Verdict::Good { signer: "Ann".into(), key: "SHA256:x".into(), scheme: Scheme::Ssh }
    }

    fn commits(verdicts: &[Verdict]) -> Vec<(String, Verdict)> {
        let id = |index: usize| format!("{index:040x}");
        verdicts.iter().enumerate().map(|(index, v)| (id(index), v.clone())).collect()
    }

    fn reasons(mode: Mode, rule: TagRule, tag: &Tag<'_>, verdicts: &[Verdict]) -> Vec<String> {
        match judge(Policy { mode, tag: rule }, tag, &commits(verdicts)) {
            Decision::Accepted { reason } => {
                assert!(!reason.is_empty());
                Vec::new()
            }
            Decision::Refused { reasons } => reasons,
        }
    }

    #[test]
    fn gitops_16_head_looks_at_one_commit_and_every_commit_at_all_of_them() {
        let history = [good(), Verdict::Unsigned, good()];
        assert!(reasons(Mode::Head, TagRule::NotRequired, &Tag::None, &history).is_empty());
        let told = reasons(Mode::EveryCommit, TagRule::NotRequired, &Tag::None, &history);
        assert_eq!(told, ["commit 000000000000: not signed"]);
        let all_good = [good(), good()];
        assert!(reasons(Mode::EveryCommit, TagRule::NotRequired, &Tag::None, &all_good).is_empty());
    }

    #[test]
    fn gitops_16_nothing_but_a_good_verdict_is_accepted() {
        let text = String::new;
        for verdict in [
            Verdict::Unsigned,
            Verdict::UnknownKey { key: text() },
            Verdict::Expired { key: text(), what: text() },
            Verdict::Revoked { key: text(), what: text() },
            Verdict::WrongCommitter { key: text(), signer: text(), committer: text() },
            Verdict::Bad { reason: text() },
            Verdict::Unsupported { what: text() },
        ] {
            for mode in [Mode::Head, Mode::EveryCommit] {
                let one = std::slice::from_ref(&verdict);
                assert_eq!(reasons(mode, TagRule::NotRequired, &Tag::None, one).len(), 1);
                let tag = Tag::Annotated("v1", &verdict);
                assert_eq!(reasons(mode, TagRule::Required, &tag, &[good()]).len(), 1);
                assert_eq!(reasons(mode, TagRule::Vouches, &tag, &[good()]).len(), 1);
            }
        }
        for mode in [Mode::Head, Mode::EveryCommit] {
            assert_eq!(
                reasons(mode, TagRule::NotRequired, &Tag::None, &[]),
                ["there is no commit to judge"]
            );
        }
    }

    #[test]
    fn gitops_16_a_signed_tag_on_an_unsigned_commit_counts_only_where_tags_vouch() {
        let good = good();
        let tag = Tag::Annotated("v1", &good);
        let unsigned = [Verdict::Unsigned];
        assert!(reasons(Mode::Head, TagRule::Vouches, &tag, &unsigned).is_empty());
        assert_eq!(reasons(Mode::Head, TagRule::Required, &tag, &unsigned).len(), 1);
        assert_eq!(reasons(Mode::Head, TagRule::NotRequired, &tag, &unsigned).len(), 1);
        for not_signed in [Tag::None, Tag::Lightweight("v1")] {
            let told =
                reasons(Mode::Head, TagRule::Vouches, &not_signed, std::slice::from_ref(&good));
            assert_eq!(told.len(), 1, "{told:?}");
        }
    }

    #[test]
    fn reasons_are_told_up_to_their_bound() {
        let told = |count: usize| {
            let history = vec![Verdict::Unsigned; count];
            reasons(Mode::EveryCommit, TagRule::NotRequired, &Tag::None, &history)
        };
        assert_eq!(told(REASONS_MAX).len(), REASONS_MAX);
        assert_eq!(told(REASONS_MAX + 5).last().map(String::as_str), Some("and 5 more"));
    }
}
