//! A cursor over the words of a line, for the formats that have them in a fixed order.

/// What is left of a line.
pub(super) struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    pub(super) fn new(line: &'a str) -> Self {
        Self { rest: line }
    }

    /// What was not read.
    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }

    /// The text up to the next space or the end, which is not empty.
    pub(super) fn word(&mut self) -> Option<&'a str> {
        let (word, rest) = self.rest.split_once(' ').unwrap_or((self.rest, ""));
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    /// The text up to `end`, which is passed over.
    pub(super) fn until(&mut self, end: &str) -> Option<&'a str> {
        let (text, rest) = self.rest.split_once(end)?;
        self.rest = rest;
        Some(text)
    }

    /// A text in double quotes, in which a backslash escapes a quote, and one space after it.
    pub(super) fn quoted(&mut self) -> Option<&'a str> {
        let inside = self.rest.strip_prefix('"')?;
        let bytes = inside.as_bytes();
        let mut at = 0;
        loop {
            at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
            if bytes.get(at) == Some(&b'"') {
                break;
            }
            at += 2;
        }
        let rest = inside.get(at + 1..)?;
        self.rest = rest.strip_prefix(' ').unwrap_or(rest);
        if !rest.is_empty() && !rest.starts_with(' ') {
            return None;
        }
        inside.get(..at)
    }

    /// Passes over a text that must be next.
    pub(super) fn expect(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    /// Passes over spaces.
    pub(super) fn spaces(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }
}

/// The number of a month by its English name of three letters.
pub(super) fn month(name: &[u8; 3]) -> Option<u32> {
    const NAMES: [&[u8; 3]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    (1..).zip(NAMES).find(|(_, known)| *known == name).map(|(number, _)| number)
}
