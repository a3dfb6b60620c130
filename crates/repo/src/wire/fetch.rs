//! Asking for objects, and what comes before and around the pack in the answer.

use super::listing::object_id;
use super::{AGENT, Greeting, Packet, WireError, packet, said, trimmed, write_line};
use gix_hash::ObjectId;
use std::io::{self, BufRead, Read};

/// Commits without parents that one answer may name.
const SHALLOW_MAX: usize = 100_000;

/// What is asked for in one round. One round is enough: what is here is known exactly, so there is
/// nothing to haggle about.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) want: ObjectId,
    /// Commits that are here with all that they lead to, except behind those of `shallow`.
    pub(crate) haves: Vec<ObjectId>,
    /// Commits that are here without their parents.
    pub(crate) shallow: Vec<ObjectId>,
    /// So many commits deep, when given.
    pub(crate) depth: Option<usize>,
    /// Which objects to leave out, where the server can.
    pub(crate) filter: Option<String>,
    /// Whether deltas against objects that are here may come.
    pub(crate) thin: bool,
}

/// What comes before the pack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Commits that come without their parents.
    pub(crate) shallow: Vec<ObjectId>,
    /// Commits whose parents are here from now on.
    pub(crate) unshallow: Vec<ObjectId>,
    /// The first packet of the pack, when it had to be read to see that it is one.
    first: Option<Vec<u8>>,
}

impl Request {
    /// The bytes for a server that greeted like this.
    ///
    /// # Errors
    /// When the server is too old for it.
    pub(crate) fn bytes(&self, greeting: &Greeting) -> Result<Vec<u8>, WireError> {
        if (self.depth.is_some() || !self.shallow.is_empty()) && !greeting.can("shallow") {
            return Err(WireError::Protocol("the server cannot send a part of the history"));
        }
        if greeting.version2 { Ok(self.version2(greeting)) } else { self.version0(greeting) }
    }

    /// Whether the filter will be used.
    pub(crate) fn is_filtered(&self, greeting: &Greeting) -> bool {
        self.filter.is_some() && greeting.can("filter")
    }

    fn version2(&self, greeting: &Greeting) -> Vec<u8> {
        let mut to = Vec::new();
        write_line(&mut to, "command=fetch\n");
        write_line(&mut to, &format!("agent={AGENT}\n"));
        if greeting.names_object_format() {
            write_line(&mut to, "object-format=sha1\n");
        }
        to.extend_from_slice(b"0001");
        if self.thin {
            write_line(&mut to, "thin-pack\n");
        }
        write_line(&mut to, "no-progress\n");
        write_line(&mut to, "ofs-delta\n");
        self.bounds(greeting, &mut to);
        write_line(&mut to, &format!("want {}\n", self.want));
        for have in &self.haves {
            write_line(&mut to, &format!("have {have}\n"));
        }
        write_line(&mut to, "done\n");
        to.extend_from_slice(b"0000");
        to
    }

    fn version0(&self, greeting: &Greeting) -> Result<Vec<u8>, WireError> {
        if !greeting.can("side-band-64k") {
            return Err(WireError::Protocol("the server is too old: it knows no side-band-64k"));
        }
        let mut words = format!("want {} side-band-64k agent={AGENT}", self.want);
        let needed = [
            ("ofs-delta", true),
            ("no-progress", true),
            ("thin-pack", self.thin),
            ("shallow", self.depth.is_some() || !self.shallow.is_empty()),
            ("filter", self.is_filtered(greeting)),
        ];
        for (word, _) in needed.iter().filter(|(word, on)| *on && greeting.can(word)) {
            words.push(' ');
            words.push_str(word);
        }
        let mut to = Vec::new();
        write_line(&mut to, &format!("{words}\n"));
        self.bounds(greeting, &mut to);
        to.extend_from_slice(b"0000");
        for have in &self.haves {
            write_line(&mut to, &format!("have {have}\n"));
        }
        write_line(&mut to, "done\n");
        Ok(to)
    }

    fn bounds(&self, greeting: &Greeting, to: &mut Vec<u8>) {
        for shallow in &self.shallow {
            write_line(to, &format!("shallow {shallow}\n"));
        }
        if let Some(depth) = self.depth {
            write_line(to, &format!("deepen {depth}\n"));
        }
        if let Some(filter) = self.filter.as_ref().filter(|_| greeting.can("filter")) {
            write_line(to, &format!("filter {filter}\n"));
        }
    }
}

/// Reads up to the pack, which then comes through a [`SideBand`].
pub(crate) fn answer(reader: &mut dyn BufRead, version2: bool) -> Result<Answer, WireError> {
    let mut answer = Answer::default();
    let mut buffer = Vec::new();
    loop {
        match packet(reader, &mut buffer)? {
            // The first protocol has no line before the pack: a packet of it starts with the
            // number of its band.
            Packet::Data(data @ [1..=3, ..]) if !version2 => {
                answer.first = Some(data.to_vec());
                return Ok(answer);
            }
            Packet::Data(line) => match trimmed(line) {
                b"packfile" if version2 => return Ok(answer),
                line => answer.note(line)?,
            },
            Packet::Delimiter => {}
            Packet::Flush if !version2 => {}
            Packet::Flush | Packet::End => {
                return Err(WireError::Protocol("the answer ends before the objects"));
            }
        }
    }
}

impl Answer {
    fn note(&mut self, line: &[u8]) -> Result<(), WireError> {
        if let Some(id) = line.strip_prefix(b"shallow ") {
            self.shallow.push(object_id(id)?);
        } else if let Some(id) = line.strip_prefix(b"unshallow ") {
            self.unshallow.push(object_id(id)?);
        } else if !known(line) {
            return Err(WireError::Protocol("the answer is not Git's protocol"));
        }
        if self.shallow.len() + self.unshallow.len() > SHALLOW_MAX {
            return Err(WireError::Protocol("the answer names too many commits without parents"));
        }
        Ok(())
    }
}

/// Lines that say nothing we need.
fn known(line: &[u8]) -> bool {
    let words = [&b"acknowledgments"[..], b"shallow-info", b"wanted-refs", b"NAK", b"ready"];
    words.contains(&line) || line.starts_with(b"ACK ")
}

/// The pack inside of the packets that carry it.
pub(crate) struct SideBand<'a> {
    reader: &'a mut dyn BufRead,
    first: Option<Vec<u8>>,
    buffer: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<'a> SideBand<'a> {
    pub(crate) fn new(reader: &'a mut dyn BufRead, answer: &mut Answer) -> Self {
        Self { reader, first: answer.first.take(), buffer: Vec::new(), at: 0, ended: false }
    }

    /// Whether a packet is here; `false` at the end of all.
    fn next(&mut self) -> io::Result<bool> {
        if let Some(first) = self.first.take() {
            self.buffer = first;
            return Ok(true);
        }
        match packet(self.reader, &mut self.buffer) {
            Ok(Packet::Data(_)) => Ok(true),
            Ok(Packet::Flush) => Ok(false),
            Ok(_) => Err(io::Error::other("a packet around the objects is of no band")),
            Err(WireError::Io(error)) => Err(error),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        while !self.ended && self.at >= self.buffer.len() {
            (self.at, self.ended) = (0, !self.next()?);
            match self.buffer.first() {
                _ if self.ended => self.buffer.clear(),
                Some(1) => self.at = 1,
                // What the server says to people while it works.
                Some(2) => self.buffer.clear(),
                Some(3) => {
                    let reason = said(self.buffer.get(1..).unwrap_or_default());
                    self.buffer.clear();
                    return Err(io::Error::other(format!("the server says: {reason}")));
                }
                _ => {
                    self.buffer.clear();
                    return Err(io::Error::other("a packet around the objects is of no band"));
                }
            }
        }
        Ok(())
    }
}

impl BufRead for SideBand<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.fill()?;
        Ok(self.buffer.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.at += amount;
    }
}

impl Read for SideBand<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), available.get(..count)) {
            to.copy_from_slice(from);
        }
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn what_stands_before_the_pack_is_read_in_both_protocols() {
        let shallow = format!("0034shallow {ID}");
        let second =
            format!("0011shallow-info\n{shallow}0001000dpackfile\n0009\u{1}PACK0006\u{2}.0000");
        let first = format!("{shallow}00000008NAK\n0009\u{1}PACK0000");
        for (text, version2) in [(second, true), (first, false)] {
            let mut reader = text.as_bytes();
            let mut found = answer(&mut reader, version2).unwrap();
            assert_eq!(found.shallow.len(), 1);
            let mut pack = String::new();
            SideBand::new(&mut reader, &mut found).read_to_string(&mut pack).unwrap();
            assert_eq!(pack, "PACK");
        }
    }

    #[test]
    fn an_answer_that_is_cut_at_any_byte_is_an_error() {
        let whole = format!("0034shallow {ID}00000008NAK\n0009\u{1}PACK0000");
        let read = |text: &str| {
            let mut reader = text.as_bytes();
            let mut found = answer(&mut reader, false)?;
            let mut pack = Vec::new();
            SideBand::new(&mut reader, &mut found).read_to_end(&mut pack)?;
            Ok::<_, WireError>(pack)
        };
        assert!(read(&whole).is_ok());
        for end in 0..whole.len() {
            assert!(read(whole.get(..end).unwrap()).is_err(), "{end}");
        }
        let told = read("000c\u{3}no way\n").unwrap_err();
        assert_eq!(told.to_string(), "the server says: no way");
    }
}
