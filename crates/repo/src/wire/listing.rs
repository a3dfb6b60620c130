//! The greeting of a server, and which references it has.

use super::{AGENT, LISTING_BYTES_MAX, Packet, WireError, packet, trimmed, write_line};
use gix_hash::ObjectId;
use std::io::BufRead;

/// What a server says first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// It speaks protocol 2.
    pub(crate) version2: bool,
    /// What it can, one word each; with protocol 2, `fetch=shallow filter` is one of them.
    capabilities: Vec<String>,
    /// All it has, with the first protocol.
    pub(crate) refs: Vec<RemoteRef>,
}

/// One reference of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteRef {
    /// Its full name.
    pub(crate) name: String,
    /// What it points to: a commit, or the object of an annotated tag.
    pub(crate) id: ObjectId,
    /// What the tag stands for.
    pub(crate) peeled: Option<ObjectId>,
    /// The branch that `HEAD` stands for.
    pub(crate) target: Option<String>,
}

/// Whether a list was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listed {
    Whole,
    /// The caller has seen enough.
    Stopped,
}

impl Greeting {
    /// Whether the server can be asked for something: a word of a `fetch` request in protocol 2,
    /// a capability in the first one.
    pub(crate) fn can(&self, word: &str) -> bool {
        if !self.version2 {
            return self.capabilities.iter().any(|capability| capability == word);
        }
        let fetch = self.capabilities.iter().find_map(|line| line.strip_prefix("fetch="));
        fetch.is_some_and(|words| words.split(' ').any(|known| known == word))
    }

    /// Whether it names the format of its object ids, which is then told back.
    pub(crate) fn names_object_format(&self) -> bool {
        self.capabilities.iter().any(|line| line == "object-format=sha1")
    }

    /// Whether the server can be asked for this object by its id; with protocol 2, always.
    pub(crate) fn gives_out(&self, id: ObjectId) -> bool {
        self.version2
            || self.can("allow-reachable-sha1-in-want")
            || self.can("allow-any-sha1-in-want")
            || self.refs.iter().any(|r| r.id == id || r.peeled == Some(id))
    }

    fn check_object_format(&self) -> Result<(), WireError> {
        let other = |line: &&String| {
            line.strip_prefix("object-format=").is_some_and(|format| format != "sha1")
        };
        match self.capabilities.iter().find(other) {
            Some(_) => Err(WireError::Protocol("its object ids are not SHA-1, which is not read")),
            None => Ok(()),
        }
    }
}

/// Reads the greeting; over http it starts with a line that names the service.
pub(crate) fn greeting(
    reader: &mut dyn BufRead,
    references_max: usize,
) -> Result<Greeting, WireError> {
    let mut buffer = Vec::new();
    let mut first = line(packet(reader, &mut buffer)?)?.map(<[u8]>::to_vec);
    if first.as_deref().is_some_and(|line| line.starts_with(b"# service=")) {
        if packet(reader, &mut buffer)? != Packet::Flush {
            return Err(WireError::Protocol("the answer is not Git's protocol"));
        }
        first = line(packet(reader, &mut buffer)?)?.map(<[u8]>::to_vec);
    }
    if first.as_deref() == Some(b"version 1") {
        first = line(packet(reader, &mut buffer)?)?.map(<[u8]>::to_vec);
    }
    let greeting = match first {
        Some(first) if first == b"version 2" => capabilities(reader)?,
        first => references(first, reader, references_max)?,
    };
    greeting.check_object_format()?;
    Ok(greeting)
}

/// The lines after `version 2`.
fn capabilities(reader: &mut dyn BufRead) -> Result<Greeting, WireError> {
    const CAPABILITIES_MAX: usize = 256;
    let mut buffer = Vec::new();
    let mut greeting = Greeting { version2: true, ..Greeting::default() };
    while let Some(line) = line(packet(reader, &mut buffer)?)? {
        if greeting.capabilities.len() == CAPABILITIES_MAX {
            return Err(WireError::Protocol("the server lists too many capabilities"));
        }
        greeting.capabilities.push(String::from_utf8_lossy(line).into_owned());
    }
    Ok(greeting)
}

/// The first protocol: all references, the first of them with the capabilities behind a zero.
fn references(
    first: Option<Vec<u8>>,
    reader: &mut dyn BufRead,
    references_max: usize,
) -> Result<Greeting, WireError> {
    let mut greeting = Greeting::default();
    let Some(first) = first else { return Ok(greeting) };
    let zero = first.iter().position(|byte| *byte == 0);
    let zero = zero.ok_or(WireError::Protocol("the answer is not Git's protocol"))?;
    let (name, words) = first.split_at_checked(zero).unwrap_or_default();
    let words = String::from_utf8_lossy(words.strip_prefix(b"\0").unwrap_or(words)).into_owned();
    greeting.capabilities = words.split_ascii_whitespace().map(str::to_owned).collect();
    let head = greeting.capabilities.iter().find_map(|word| word.strip_prefix("symref=HEAD:"));
    let head = head.map(str::to_owned);
    let (mut buffer, mut bytes, mut next) = (Vec::new(), 0_usize, Some(name.to_vec()));
    while let Some(found) = next {
        bytes = bytes.saturating_add(found.len());
        let (id, name) = id_and_rest(&found)?;
        let name = String::from_utf8_lossy(name).into_owned();
        if greeting.refs.len() >= references_max || bytes > LISTING_BYTES_MAX {
            return Err(WireError::TooMany(references_max));
        }
        if let Some(tag) = name.strip_suffix("^{}") {
            if let Some(last) = greeting.refs.last_mut().filter(|last| last.name == tag) {
                last.peeled = Some(id);
            }
        } else if !name.starts_with("shallow ") {
            let target = head.clone().filter(|_| name == "HEAD");
            greeting.refs.push(RemoteRef { name, id, peeled: None, target });
        }
        next = loop {
            match line(packet(reader, &mut buffer)?)? {
                Some(line) if line.starts_with(b"shallow ") => {}
                line => break line.map(<[u8]>::to_vec),
            }
        };
    }
    // An empty repository has one line that only carries the capabilities.
    greeting.refs.retain(|r| r.name != "capabilities^{}" && r.name != "capabilities");
    Ok(greeting)
}

/// The request for the references whose names start with one of the prefixes.
pub(crate) fn listing_request(greeting: &Greeting, prefixes: &[String]) -> Vec<u8> {
    let mut request = Vec::new();
    write_line(&mut request, "command=ls-refs\n");
    write_line(&mut request, &format!("agent={AGENT}\n"));
    if greeting.names_object_format() {
        write_line(&mut request, "object-format=sha1\n");
    }
    request.extend_from_slice(b"0001");
    write_line(&mut request, "peel\n");
    write_line(&mut request, "symrefs\n");
    for prefix in prefixes {
        write_line(&mut request, &format!("ref-prefix {prefix}\n"));
    }
    request.extend_from_slice(b"0000");
    request
}

/// Reads the answer to it; `see` gets each reference and says whether to go on.
pub(crate) fn listing(
    reader: &mut dyn BufRead,
    references_max: usize,
    see: &mut dyn FnMut(RemoteRef) -> bool,
) -> Result<Listed, WireError> {
    let (mut buffer, mut bytes, mut count) = (Vec::new(), 0_usize, 0_usize);
    while let Some(line) = line(packet(reader, &mut buffer)?)? {
        bytes = bytes.saturating_add(line.len());
        count += 1;
        if count > references_max || bytes > LISTING_BYTES_MAX {
            return Err(WireError::TooMany(references_max));
        }
        let (id, rest) = match line.strip_prefix(b"unborn ") {
            Some(_) => continue,
            None => id_and_rest(line)?,
        };
        let text = String::from_utf8_lossy(rest);
        let mut words = text.split(' ');
        let name = words.next().unwrap_or_default().to_owned();
        let mut found = RemoteRef { name, id, peeled: None, target: None };
        for word in words {
            if let Some(peeled) = word.strip_prefix("peeled:") {
                found.peeled = Some(object_id(peeled.as_bytes())?);
            } else if let Some(target) = word.strip_prefix("symref-target:") {
                found.target = Some(target.to_owned());
            }
        }
        if !see(found) {
            return Ok(Listed::Stopped);
        }
    }
    Ok(Listed::Whole)
}

/// A line; `None` at the flush that ends a list.
fn line(packet: Packet<'_>) -> Result<Option<&[u8]>, WireError> {
    match packet {
        Packet::Data(line) => Ok(Some(trimmed(line))),
        Packet::Flush => Ok(None),
        Packet::Delimiter | Packet::End => {
            Err(WireError::Protocol("a list of the server has a packet that is none of it"))
        }
    }
}

fn id_and_rest(line: &[u8]) -> Result<(ObjectId, &[u8]), WireError> {
    let at = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let (id, rest) = line.split_at_checked(at).unwrap_or_default();
    Ok((object_id(id)?, rest.strip_prefix(b" ").unwrap_or_default()))
}

pub(super) fn object_id(digits: &[u8]) -> Result<ObjectId, WireError> {
    let id = ObjectId::from_hex(digits).ok().filter(|_| digits.len() == 40);
    id.ok_or(WireError::Protocol("a line of the server has no object id where one belongs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    fn packets(lines: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in lines {
            match *line {
                "" => bytes.extend_from_slice(b"0000"),
                line => write_line(&mut bytes, line),
            }
        }
        bytes
    }

    #[test]
    fn both_protocols_greet_and_are_told_apart() {
        let second = packets(&["version 2\n", "agent=x\n", "fetch=shallow filter\n", ""]);
        let found = greeting(&mut second.as_slice(), 10).unwrap();
        assert!(found.version2 && found.can("filter") && !found.can("wait"));
        let first = packets(&[
            "# service=git-upload-pack\n",
            "",
            &format!("{ID} HEAD\0 shallow symref=HEAD:refs/heads/main agent=x\n"),
            &format!("{ID} refs/tags/v1\n"),
            &format!("{ID} refs/tags/v1^{{}}\n"),
            "",
        ]);
        let found = greeting(&mut first.as_slice(), 10).unwrap();
        assert!(!found.version2 && found.can("shallow") && !found.can("filter"));
        let names: Vec<_> = found.refs.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(names, ["HEAD", "refs/tags/v1"]);
        assert_eq!(found.refs[0].target.as_deref(), Some("refs/heads/main"));
        assert!(found.refs[1].peeled.is_some());
        let other = packets(&["version 2\n", "object-format=sha256\n", ""]);
        assert!(greeting(&mut other.as_slice(), 10).is_err());
    }

    #[test]
    fn a_greeting_or_a_list_that_is_cut_at_any_byte_is_an_error() {
        let second = packets(&["version 2\n", "fetch=shallow filter\n", ""]);
        let first = packets(&[&format!("{ID} HEAD\0 shallow\n"), ""]);
        for whole in [second, first] {
            assert!(greeting(&mut whole.as_slice(), 10).is_ok());
            for end in 0..whole.len() {
                assert!(greeting(&mut whole.get(..end).unwrap(), 10).is_err(), "{end}");
            }
        }
        let whole = packets(&[&format!("{ID} refs/heads/a\n"), ""]);
        for end in 0..whole.len() {
            let listed = listing(&mut whole.get(..end).unwrap(), 10, &mut |_| true);
            assert!(listed.is_err(), "{end}");
        }
    }

    #[test]
    fn references_are_listed_up_to_the_bound_and_not_beyond() {
        let line = format!("{ID} refs/tags/v1 peeled:{ID}\n");
        let mut lines = vec![line.as_str(); 5];
        lines.push("");
        let bytes = packets(&lines);
        let mut seen = 0;
        let mut see = |_| {
            seen += 1;
            true
        };
        assert_eq!(listing(&mut bytes.as_slice(), 5, &mut see).unwrap(), Listed::Whole);
        assert_eq!(seen, 5);
        let error = listing(&mut bytes.as_slice(), 4, &mut |_| true).unwrap_err();
        assert!(matches!(error, WireError::TooMany(4)));
        let stopped = listing(&mut bytes.as_slice(), 5, &mut |_| false).unwrap();
        assert_eq!(stopped, Listed::Stopped);
        let long = format!("{ID} refs/tags/{}", "v".repeat(60_000));
        let count = LISTING_BYTES_MAX / long.len();
        let mut bytes = Vec::new();
        for _ in 0..count {
            write_line(&mut bytes, &long);
        }
        let mut within = bytes.clone();
        within.extend_from_slice(b"0000");
        assert!(listing(&mut within.as_slice(), 100_000, &mut |_| true).is_ok());
        write_line(&mut bytes, &long);
        let error = listing(&mut bytes.as_slice(), 100_000, &mut |_| true).unwrap_err();
        assert!(matches!(error, WireError::TooMany(_)));
    }
}
