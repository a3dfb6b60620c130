//! What the parsers are told: which names mean what, which fields to keep, what becomes the body.

use crate::error::PlanError;

/// How many names of fields an [`Options`] may have.
pub const NAMES_MAX: usize = 128;
/// How many bytes a name of a field may have.
pub const NAME_BYTES_MAX: usize = 256;
const SLOTS: usize = 256;

/// What a field means for its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// When it happened.
    Time,
    /// How severe it is.
    Severity,
    /// The message that becomes the body.
    Message,
    /// The trace id, in hex.
    TraceId,
    /// The span id, in hex.
    SpanId,
    /// Both ids, as a W3C `traceparent`.
    Traceparent,
    /// The HTTP status. It stays a field too.
    Status,
    /// A field that is kept when only some are.
    Kept,
}

/// How many roles there are, that of a plain field with them.
pub(crate) const ROLES: usize = 8;

/// Which fields become fields of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// All of them.
    #[default]
    All,
    /// Those with the role [`Role::Kept`], those that were picked, and the status.
    Named,
}

/// What becomes the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Body {
    /// The field with the role [`Role::Message`] when there is one, else the whole line.
    #[default]
    Message,
    /// The whole line, so that nothing is lost when only some fields are kept.
    Line,
}

/// What the parsers of a plan are told.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which fields are kept.
    pub keep: Keep,
    /// What becomes the body.
    pub body: Body,
    /// The pattern of the parser `regex`.
    pub pattern: Option<regex::Regex>,
    keys: Vec<Key>,
    /// For each hash the first key with it, plus one; 0 is none.
    heads: Box<[u8; SLOTS]>,
}

/// A name with a meaning.
#[derive(Debug, Clone)]
struct Key {
    name: Box<str>,
    shape: Shape,
    role: Role,
    /// Whether a field of this name stays one when it has filled its role.
    stays: bool,
    /// The next key with the same hash, plus one; 0 is none.
    next: u8,
}

/// The names that are understood unless others are given. Of those with one hash the last one is
/// found first.
pub const USUAL_NAMES: [(&str, Role); 45] = [
    ("status", Role::Status),
    ("status_code", Role::Status),
    ("statusCode", Role::Status),
    ("http.status_code", Role::Status),
    ("http_status", Role::Status),
    ("http.response.status_code", Role::Status),
    ("response_code", Role::Status),
    ("timestamp", Role::Time),
    ("time", Role::Time),
    ("ts", Role::Time),
    ("@timestamp", Role::Time),
    ("@t", Role::Time),
    ("Timestamp", Role::Time),
    ("datetime", Role::Time),
    ("level", Role::Severity),
    ("severity", Role::Severity),
    ("lvl", Role::Severity),
    ("loglevel", Role::Severity),
    ("log.level", Role::Severity),
    ("levelname", Role::Severity),
    ("severity_text", Role::Severity),
    ("@l", Role::Severity),
    ("@level", Role::Severity),
    ("Level", Role::Severity),
    ("LogLevel", Role::Severity),
    ("message", Role::Message),
    ("msg", Role::Message),
    ("@m", Role::Message),
    ("@message", Role::Message),
    ("Message", Role::Message),
    ("trace_id", Role::TraceId),
    ("traceId", Role::TraceId),
    ("traceID", Role::TraceId),
    ("traceid", Role::TraceId),
    ("trace.id", Role::TraceId),
    ("otelTraceID", Role::TraceId),
    ("@tr", Role::TraceId),
    ("span_id", Role::SpanId),
    ("spanId", Role::SpanId),
    ("spanID", Role::SpanId),
    ("spanid", Role::SpanId),
    ("span.id", Role::SpanId),
    ("otelSpanID", Role::SpanId),
    ("@sp", Role::SpanId),
    ("traceparent", Role::Traceparent),
];

/// What a field of this name means unless other names are given.
#[must_use]
pub fn role(name: &str) -> Option<Role> {
    USUAL_NAMES.iter().find(|(usual, _)| *usual == name).map(|(_, role)| *role)
}

impl Default for Options {
    fn default() -> Self {
        let mut options = Self {
            keep: Keep::All,
            body: Body::Message,
            pattern: None,
            keys: Vec::new(),
            heads: Box::new([0; SLOTS]),
        };
        for (name, role) in USUAL_NAMES {
            options.insert(name, role);
        }
        options
    }
}

impl Options {
    /// Only the given fields (beside time, severity, ids and status), and the line as the body. A
    /// usual name that is given keeps its meaning, and is a field too.
    ///
    /// # Errors
    /// When there are too many names or one is too long.
    pub fn pick<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self, PlanError> {
        let mut options = Self { keep: Keep::Named, body: Body::Line, ..Self::default() };
        for name in names {
            match options.keys.iter_mut().find(|known| *known.name == *name) {
                Some(known) => known.stays = true,
                None => options.name(name, Role::Kept)?,
            }
        }
        Ok(options)
    }

    /// Says what a field of this name means. A name that is known gets the new meaning.
    ///
    /// # Errors
    /// When there are too many names or it is too long.
    pub fn name(&mut self, name: &str, role: Role) -> Result<(), PlanError> {
        if name.len() > NAME_BYTES_MAX {
            return Err(PlanError::LongName { bytes: name.len(), max: NAME_BYTES_MAX });
        }
        if let Some(known) = self.keys.iter_mut().find(|known| *known.name == *name) {
            (known.role, known.stays) = (role, role == Role::Status);
            return Ok(());
        }
        if self.keys.len() >= NAMES_MAX {
            return Err(PlanError::ManyNames { max: NAMES_MAX });
        }
        self.insert(name, role);
        Ok(())
    }

    /// Forgets all names, so that only those that follow have a meaning.
    #[must_use]
    pub fn without_names(mut self) -> Self {
        self.keys.clear();
        self.heads.fill(0);
        self
    }

    fn insert(&mut self, name: &str, role: Role) {
        let shape = Shape::of(name.as_bytes());
        let stays = role == Role::Status;
        let key = Key { name: name.into(), shape, role, stays, next: 0 };
        self.keys.push(key);
        let number = u8::try_from(self.keys.len()).unwrap_or(0);
        if let (Some(head), Some(key)) = (self.heads.get_mut(shape.slot()), self.keys.last_mut()) {
            key.next = std::mem::replace(head, number);
        }
    }

    /// The role of a name, whether it stays a field, and a number other than 0 that is its own.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each field of each line")]
    pub(crate) fn role(&self, name: &[u8], shape: Shape) -> Option<(Role, bool, u8)> {
        let mut number = *self.heads.get(shape.slot())?;
        while number != 0 {
            let key = self.keys.get(usize::from(number) - 1)?;
            if key.shape.is(shape) && (shape.len <= Shape::WHOLE || key.name.as_bytes() == name) {
                return Some((key.role, key.stays, number));
            }
            number = key.next;
        }
        None
    }
}

/// A name as two numbers: those of at most 16 bytes are the same if and only if these are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    head: u64,
    tail: u64,
    len: usize,
    hash: u16,
}

impl Shape {
    /// Names of so many bytes are wholly in their shape.
    const WHOLE: usize = 16;

    /// The shape of a name.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each field of each line")]
    pub(crate) fn of(name: &[u8]) -> Self {
        let short = |bytes: [u8; 4]| u64::from(u32::from_le_bytes(bytes));
        let (head, tail) = if let (Some(head), Some(tail)) = (name.first_chunk(), name.last_chunk())
        {
            (u64::from_le_bytes(*head), u64::from_le_bytes(*tail))
        } else if let (Some(head), Some(tail)) = (name.first_chunk(), name.last_chunk()) {
            (short(*head), short(*tail))
        } else {
            let at = |index: usize| name.get(index).copied().unwrap_or(0);
            (short([at(0), at(1), at(2), 0]), 0)
        };
        let len = name.len();
        let mixed = head ^ tail.rotate_left(29) ^ (len as u64) << 57;
        let hash = (mixed ^ mixed >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { head, tail, len, hash: (hash >> 48) as u16 }
    }

    /// Whether it is the other one: their hashes follow from the rest.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each field of each line")]
    fn is(self, other: Self) -> bool {
        self.head == other.head && self.tail == other.tail && self.len == other.len
    }

    /// Where to look for what the name means.
    #[inline]
    fn slot(self) -> usize {
        usize::from(self.hash >> 8)
    }

    /// Another part of the hash, to tell fields of one record apart.
    #[inline]
    pub(crate) fn spread(self) -> u8 {
        self.hash as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(options: &Options, name: &str) -> Option<(Role, bool, u8)> {
        options.role(name.as_bytes(), Shape::of(name.as_bytes()))
    }

    #[test]
    fn every_usual_name_has_its_role_and_others_have_none() {
        let options = Options::default();
        for (name, role) in USUAL_NAMES {
            assert_eq!(found(&options, name).map(|one| one.0), Some(role), "{name}");
        }
        for name in ["", "tame", "Time", "times", "user", "é"] {
            assert_eq!(found(&options, name), None, "{name}");
        }
        assert_eq!(found(&options.without_names(), "time"), None);
    }

    #[test]
    fn names_are_bounded_and_can_change_their_meaning_and_a_picked_one_keeps_it() {
        let mut options = Options::pick(["time", "user"]).unwrap();
        assert_eq!(found(&options, "time").map(|found| found.0), Some(Role::Time));
        assert_eq!(found(&options, "user").map(|found| found.0), Some(Role::Kept));
        options.name("time", Role::Kept).unwrap();
        assert_eq!(found(&options, "time").map(|found| found.0), Some(Role::Kept));
        options.name(&"n".repeat(NAME_BYTES_MAX), Role::Kept).unwrap();
        assert!(options.name(&"n".repeat(NAME_BYTES_MAX + 1), Role::Kept).is_err());
        let mut options = Options::default().without_names();
        for number in 0..NAMES_MAX {
            options.name(&number.to_string(), Role::Kept).unwrap();
        }
        assert!(options.name("more", Role::Kept).is_err());
        assert!((0..NAMES_MAX).all(|number| found(&options, &number.to_string()).is_some()));
    }
}
