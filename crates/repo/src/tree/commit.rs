//! What a commit and an annotated tag say: who, when, what, and the bytes that a signature covers.

use crate::error::Cause;
use gix_hash::{Kind, ObjectId};
use gix_object::{CommitRef, TagRef};
use jiff::Timestamp;
use std::fmt;
use std::sync::Arc;

/// Characters of a name, an address or a subject line that are kept.
pub const HEADER_CHARS_MAX: usize = 256;

/// Who wrote or committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The mail address.
    pub email: String,
}

/// What is known about a commit. Names and times are what its author claims; only a signature over
/// [`raw`](Self::raw) proves any of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commit {
    /// Its full id, 40 hexadecimal digits.
    pub id: String,
    /// The ids of its parents; more than one for a merge.
    pub parents: Vec<String>,
    /// Who wrote the change.
    pub author: Person,
    /// When it was written, by the author's clock.
    pub authored_at: Timestamp,
    /// Who made the commit.
    pub committer: Person,
    /// When it was committed, by the committer's clock.
    pub committed_at: Timestamp,
    /// The first line of its message.
    pub subject: String,
    raw: Raw,
}

/// What is known about an annotated tag; see [`Commit`] for what that is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tag {
    /// Its full id, 40 hexadecimal digits.
    pub id: String,
    /// The name that it was made for, which is part of what is signed. A reference with another
    /// name may point to it.
    pub name: String,
    /// The id of what it stands for: a commit, or another tag.
    pub target: String,
    /// Who made it; old tags do not say.
    pub tagger: Option<Person>,
    /// When it was made, by the tagger's clock.
    pub tagged_at: Option<Timestamp>,
    /// The first line of its message.
    pub subject: String,
    raw: Raw,
}

/// The bytes of an object, checked against its id.
#[derive(Clone, PartialEq, Eq)]
struct Raw(Arc<[u8]>);

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

impl Commit {
    /// The object as Git hashes it, without its head: what a signature covers, and the signature.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw.0
    }

    /// Reads a commit whose bytes were checked against `id`.
    pub(crate) fn read(id: ObjectId, raw: &[u8]) -> Result<Self, Cause> {
        let commit = CommitRef::from_bytes(raw, Kind::Sha1).map_err(|e| Cause::of(&e))?;
        let author = commit.author().map_err(|e| Cause::of(&e))?;
        let committer = commit.committer().map_err(|e| Cause::of(&e))?;
        Ok(Self {
            id: id.to_string(),
            parents: commit.parents().map(|id| id.to_string()).collect(),
            author: person(author.name, author.email),
            authored_at: time(author.seconds())?,
            committer: person(committer.name, committer.email),
            committed_at: time(committer.seconds())?,
            subject: line(commit.message),
            raw: Raw(raw.into()),
        })
    }
}

impl Tag {
    /// The object as Git hashes it, without its head: what a signature covers, and the signature.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw.0
    }

    /// Reads a tag whose bytes were checked against `id`.
    pub(crate) fn read(id: ObjectId, raw: &[u8]) -> Result<Self, Cause> {
        let tag = TagRef::from_bytes(raw, Kind::Sha1).map_err(|e| Cause::of(&e))?;
        let tagger = tag.tagger().map_err(|e| Cause::of(&e))?;
        let tagged_at = tagger.as_ref().map(|tagger| time(tagger.seconds())).transpose()?;
        Ok(Self {
            id: id.to_string(),
            name: line(tag.name),
            target: tag.target().to_string(),
            tagger: tagger.map(|tagger| person(tagger.name, tagger.email)),
            tagged_at,
            subject: line(tag.message),
            raw: Raw(raw.into()),
        })
    }
}

fn person(name: &[u8], email: &[u8]) -> Person {
    Person { name: line(name), email: line(email) }
}

fn time(seconds: i64) -> Result<Timestamp, Cause> {
    Timestamp::from_second(seconds).map_err(|_| Cause::new("a time in it is out of range"))
}

/// The first line, printable and bounded.
fn line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let first = text.trim_start().lines().next().unwrap_or_default().trim();
    first.chars().filter(|c| !c.is_control()).take(HEADER_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn commit(subject: &str) -> String {
        format!(
            "tree {0}\nparent {0}\nparent {0}\nauthor A <a@x> 1700000000 +0100\n\
             committer C <c@x> 1700000060 -0500\ngpgsig -----BEGIN\n line\n\n{subject}\n\nmore\n",
            "0123456789abcdef0123456789abcdef01234567"
        )
    }

    #[test]
    fn gitops_16_a_commit_tells_who_and_when_and_keeps_the_bytes_that_are_signed() {
        let text = commit("subject\u{7}");
        let read = Commit::read(ObjectId::null(Kind::Sha1), text.as_bytes()).unwrap();
        assert_eq!((read.author.name.as_str(), read.committer.email.as_str()), ("A", "c@x"));
        assert_eq!(read.committed_at.as_second() - read.authored_at.as_second(), 60);
        assert_eq!((read.parents.len(), read.subject.as_str()), (2, "subject"));
        assert_eq!(read.raw(), text.as_bytes());
        assert!(!format!("{read:?}").contains("BEGIN"));
    }

    #[test]
    fn a_subject_is_kept_up_to_its_bound() {
        let subject = "s".repeat(HEADER_CHARS_MAX + 1);
        let text = commit(&subject);
        let read = Commit::read(ObjectId::null(Kind::Sha1), text.as_bytes()).unwrap();
        assert_eq!(read.subject.len(), HEADER_CHARS_MAX);
    }

    proptest! {
        #[test]
        fn no_object_makes_the_reader_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            at in 0usize..300,
        ) {
            crate::fuzzing::git_objects(&bytes);
            let mut text = commit("subject").into_bytes();
            let at = at.min(text.len());
            text.splice(at.., bytes);
            crate::fuzzing::git_objects(&text);
        }
    }
}
