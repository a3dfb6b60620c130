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

/// How many roles there are that one name can fill.
pub(crate) const ROLES: usize = 7;

/// Which fields become fields of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// All of them.
    #[default]
    All,
    /// Those with the role [`Role::Kept`], and the status.
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
    keys: Vec<(Box<str>, Role)>,
    /// For each hash the first key with it, plus one; 0 is none.
    heads: Box<[u8; SLOTS]>,
    /// For each key the next one with the same hash, plus one.
    next: Vec<u8>,
}

/// The names that are understood unless others are given.
pub const USUAL_NAMES: [(&str, Role); 38] = [
    ("timestamp", Role::Time),
    ("time", Role::Time),
    ("ts", Role::Time),
    ("@timestamp", Role::Time),
    ("@t", Role::Time),
    ("datetime", Role::Time),
    ("level", Role::Severity),
    ("severity", Role::Severity),
    ("lvl", Role::Severity),
    ("loglevel", Role::Severity),
    ("log.level", Role::Severity),
    ("levelname", Role::Severity),
    ("severity_text", Role::Severity),
    ("@l", Role::Severity),
    ("message", Role::Message),
    ("msg", Role::Message),
    ("@m", Role::Message),
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
    ("status", Role::Status),
    ("status_code", Role::Status),
    ("statusCode", Role::Status),
    ("http.status_code", Role::Status),
    ("http_status", Role::Status),
    ("http.response.status_code", Role::Status),
];

impl Default for Options {
    fn default() -> Self {
        let mut options = Self {
            keep: Keep::All,
            body: Body::Message,
            pattern: None,
            keys: Vec::new(),
            heads: Box::new([0; SLOTS]),
            next: Vec::new(),
        };
        for (name, role) in USUAL_NAMES {
            options.insert(name, role);
        }
        options
    }
}

impl Options {
    /// Only the given fields (beside time, severity, ids and status), and the line as the body.
    ///
    /// # Errors
    /// When there are too many names or one is too long.
    pub fn pick<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Self, PlanError> {
        let mut options = Self { keep: Keep::Named, body: Body::Line, ..Self::default() };
        for name in names {
            options.name(name, Role::Kept)?;
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
        if let Some(known) = self.keys.iter_mut().find(|(known, _)| **known == *name) {
            known.1 = role;
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
        self.next.clear();
        self.heads.fill(0);
        self
    }

    fn insert(&mut self, name: &str, role: Role) {
        self.keys.push((name.into(), role));
        let number = u8::try_from(self.keys.len()).unwrap_or(0);
        if let Some(head) = self.heads.get_mut(slot(name)) {
            self.next.push(std::mem::replace(head, number));
        }
    }

    /// The role of a name, and a number other than 0 that is the name's own.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each field of each line")]
    pub(crate) fn role(&self, name: &str) -> Option<(Role, u8)> {
        let mut number = *self.heads.get(slot(name))?;
        while number != 0 {
            let at = usize::from(number) - 1;
            let (key, role) = self.keys.get(at)?;
            if **key == *name {
                return Some((*role, number));
            }
            number = *self.next.get(at)?;
        }
        None
    }
}

/// A cheap hash: the length and the ends of a name tell most names apart.
#[inline(always)]
#[expect(clippy::inline_always, reason = "run for each field of each line")]
fn slot(name: &str) -> usize {
    let bytes = name.as_bytes();
    let first = bytes.first().copied().unwrap_or(0);
    let last = bytes.last().copied().unwrap_or(0);
    let hash = bytes.len().wrapping_mul(37) + usize::from(first) * 7 + usize::from(last) * 31;
    hash % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_name_has_its_role_and_others_have_none() {
        let options = Options::default();
        for (name, role) in USUAL_NAMES {
            assert_eq!(options.role(name).map(|found| found.0), Some(role), "{name}");
        }
        for name in ["", "tame", "Time", "times", "user", "é"] {
            assert_eq!(options.role(name), None, "{name}");
        }
        assert_eq!(options.without_names().role("time"), None);
    }

    #[test]
    fn names_are_bounded_and_can_change_their_meaning() {
        let mut options = Options::pick(["time", "user"]).unwrap();
        assert_eq!(options.role("time").map(|found| found.0), Some(Role::Kept));
        assert_eq!(options.role("user").map(|found| found.0), Some(Role::Kept));
        options.name(&"n".repeat(NAME_BYTES_MAX), Role::Kept).unwrap();
        assert!(options.name(&"n".repeat(NAME_BYTES_MAX + 1), Role::Kept).is_err());
        let mut options = Options::default().without_names();
        for number in 0..NAMES_MAX {
            options.name(&number.to_string(), Role::Kept).unwrap();
        }
        assert!(options.name("more", Role::Kept).is_err());
        assert!((0..NAMES_MAX).all(|number| options.role(&number.to_string()).is_some()));
    }
}
