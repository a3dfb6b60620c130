//! A commit or tag object taken apart: what is signed, the signature, and who says to have made it.
//!
//! Git signs the object without its signature: a commit carries it in the header `gpgsig` (in a
//! SHA-256 repository `gpgsig-sha256`), a tag behind its message. Input: the object's bytes, up
//! to [`OBJECT_BYTES_MAX`]. Output: [`Signed`], or nothing for an object without a signature.
//!
//! Git itself reads odd objects generously. Here an object with two signatures of one kind, with
//! unknown headers that begin with `gpgsig`, or with two committers is refused, because each of
//! these is a way to show people something other than what was signed.

use crate::verdict::Fault;

/// Larger objects are refused, in bytes. A message has some kilobytes.
pub const OBJECT_BYTES_MAX: usize = 4 << 20;
/// Larger signatures are refused, in bytes.
pub const SIGNATURE_BYTES_MAX: usize = 64 << 10;

/// The first lines of signatures, as Git tells them apart.
const BEGINNINGS: [(&str, Format); 4] = [
    ("-----BEGIN SSH SIGNATURE-----", Format::Ssh),
    ("-----BEGIN PGP SIGNATURE-----", Format::Pgp),
    ("-----BEGIN PGP MESSAGE-----", Format::PgpMessage),
    ("-----BEGIN SIGNED MESSAGE-----", Format::X509),
];

/// Digits of an object id in a SHA-256 repository.
const SHA256_DIGITS: usize = 64;

/// What kind of object is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A commit.
    Commit,
    /// An annotated tag.
    Tag,
}

/// The kind of signature, by its first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Ssh,
    Pgp,
    PgpMessage,
    X509,
    Unknown,
}

impl Format {
    pub(crate) fn of(signature: &[u8]) -> Self {
        BEGINNINGS
            .iter()
            .find(|(line, _)| signature.starts_with(line.as_bytes()))
            .map_or(Self::Unknown, |(_, format)| *format)
    }
}

/// A signed object in its parts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    /// What was signed.
    pub(crate) payload: Vec<u8>,
    /// The armoured signature.
    pub(crate) signature: Vec<u8>,
    /// The e-mail address of the committer or tagger.
    pub(crate) committer: String,
    /// When they say it was made, in seconds since 1970.
    pub(crate) made_at: i64,
}

/// Takes an object apart; nothing when it has no signature.
pub(crate) fn split(object: &[u8], kind: ObjectKind) -> Result<Option<Signed>, Fault> {
    if object.len() > OBJECT_BYTES_MAX {
        return Err(Fault::unsupported(format!("an object over {} MiB", OBJECT_BYTES_MAX >> 20)));
    }
    let parts = match kind {
        ObjectKind::Commit => split_commit(object)?,
        ObjectKind::Tag => split_tag(object)?,
    };
    let Some((payload, signature)) = parts else { return Ok(None) };
    if signature.len() > SIGNATURE_BYTES_MAX {
        let what = format!("a signature over {} KiB", SIGNATURE_BYTES_MAX >> 10);
        return Err(Fault::unsupported(what));
    }
    let person = match kind {
        ObjectKind::Commit => person(&payload, "committer ")?,
        ObjectKind::Tag => person(&payload, "tagger ")?,
    };
    let (committer, made_at) = person;
    Ok(Some(Signed { payload, signature, committer, made_at }))
}

/// What was signed and the signature.
type Parts = Option<(Vec<u8>, Vec<u8>)>;

fn split_commit(object: &[u8]) -> Result<Parts, Fault> {
    let headers = headers(object);
    let tree = headers.first().and_then(|header| header.text.strip_prefix(b"tree "));
    let Some(tree) = tree else { return Err(Fault::bad("the commit does not begin with a tree")) };
    let ours =
        if tree.trim_ascii_end().len() == SHA256_DIGITS { "gpgsig-sha256" } else { "gpgsig" };
    let (mut payload, found) = take_signatures(object, &headers)?;
    let body = headers.last().map_or(0, |header| header.end);
    payload.extend_from_slice(object.get(body..).unwrap_or_default());
    let ours = found.into_iter().find(|(name, _)| *name == ours);
    Ok(ours.map(|(_, signature)| (payload, signature)))
}

fn split_tag(object: &[u8]) -> Result<Parts, Fault> {
    let Some(at) = last_beginning(object) else { return Ok(None) };
    let (before, signature) = object.split_at_checked(at).unwrap_or((object, &[]));
    let headers = headers(before);
    if !headers.first().is_some_and(|header| header.text.starts_with(b"object ")) {
        return Err(Fault::bad("the tag does not begin with an object"));
    }
    let body = headers.last().map_or(0, |header| header.end);
    if last_beginning(before).is_some() {
        return Err(Fault::bad("the tag has more than one signature"));
    }
    let (mut payload, _) = take_signatures(before, &headers)?;
    payload.extend_from_slice(before.get(body..).unwrap_or_default());
    Ok(Some((payload, signature.to_vec())))
}

/// One header with its continuation lines: `text` is the first line, `end` where the next begins.
struct Header<'a> {
    text: &'a [u8],
    start: usize,
    end: usize,
}

/// The headers: everything before the first empty line.
fn headers(object: &[u8]) -> Vec<Header<'_>> {
    let mut headers: Vec<Header<'_>> = Vec::new();
    let mut at = 0;
    for line in object.split_inclusive(|byte| *byte == b'\n') {
        let end = at + line.len();
        match (line, headers.last_mut()) {
            ([b'\n', ..], _) => break,
            ([b' ', ..], Some(header)) => header.end = end,
            _ => headers.push(Header { text: line, start: at, end }),
        }
        at = end;
    }
    headers
}

/// The name of a header, and the signature in it.
type NamedSignature = (&'static str, Vec<u8>);

/// The headers without signatures, and the signatures by the name of their header.
fn take_signatures(
    object: &[u8],
    headers: &[Header<'_>],
) -> Result<(Vec<u8>, Vec<NamedSignature>), Fault> {
    let mut kept = Vec::with_capacity(object.len());
    let mut found: Vec<NamedSignature> = Vec::new();
    for header in headers {
        let whole = object.get(header.start..header.end).unwrap_or_default();
        if !header.text.starts_with(b"gpgsig") {
            kept.extend_from_slice(whole);
            continue;
        }
        let named = ["gpgsig", "gpgsig-sha256"].into_iter().find_map(|name| {
            let value = whole.strip_prefix(name.as_bytes())?.strip_prefix(b" ")?;
            Some((name, value))
        });
        let Some((name, value)) = named else {
            return Err(Fault::bad("a header that begins with `gpgsig` is not one of Git's"));
        };
        if found.iter().any(|(other, _)| *other == name) {
            return Err(Fault::bad(format!("the header `{name}` is given twice")));
        }
        let mut signature = Vec::with_capacity(value.len());
        for line in value.split_inclusive(|byte| *byte == b'\n') {
            // The first line has lost its name already, further ones have a space before them.
            let continued = !signature.is_empty();
            let line = if continued { line.strip_prefix(b" ").unwrap_or(line) } else { line };
            signature.extend_from_slice(line);
        }
        found.push((name, signature));
    }
    Ok((kept, found))
}

/// Where the last line that begins a signature begins.
fn last_beginning(object: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut last = None;
    for line in object.split_inclusive(|byte| *byte == b'\n') {
        if Format::of(line) != Format::Unknown {
            last = Some(at);
        }
        at += line.len();
    }
    last
}

/// The address and the time of the one header that names who made the object.
fn person(payload: &[u8], name: &str) -> Result<(String, i64), Fault> {
    let headers = headers(payload);
    let mut found = headers.iter().filter_map(|header| header.text.strip_prefix(name.as_bytes()));
    let (Some(value), None) = (found.next(), found.next()) else {
        return Err(Fault::bad(format!("the object has not exactly one {}", name.trim_end())));
    };
    let text = String::from_utf8_lossy(value);
    let malformed = || Fault::bad(format!("the object's {} cannot be read", name.trim_end()));
    let (before, time) = text.trim_end().rsplit_once('>').ok_or_else(malformed)?;
    let (_, address) = before.rsplit_once('<').ok_or_else(malformed)?;
    let seconds = time.split_ascii_whitespace().next().ok_or_else(malformed)?;
    Ok((address.to_owned(), seconds.parse().map_err(|_| malformed())?))
}

#[cfg(test)]
mod tests;
