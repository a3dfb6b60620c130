//! What a JSON line has of a record.

use super::section::Section;

/// Members of a JSON line, as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Members(u8);

impl Members {
    /// `time`.
    pub const TIME: Self = Self(1);
    /// `severity_number` and `severity`.
    pub const SEVERITY: Self = Self(2);
    /// `body`.
    pub const BODY: Self = Self(4);
    /// `trace_id` and `span_id`.
    pub const TRACE: Self = Self(8);
    /// `attributes`.
    pub const ATTRIBUTES: Self = Self(16);
    /// `resource`.
    pub const RESOURCE: Self = Self(32);
    /// All of them.
    pub const ALL: Self = Self(63);

    /// The words of the config.
    const WORDS: [(&'static str, Self); 6] = [
        ("time", Self::TIME),
        ("severity", Self::SEVERITY),
        ("body", Self::BODY),
        ("trace", Self::TRACE),
        ("attributes", Self::ATTRIBUTES),
        ("resource", Self::RESOURCE),
    ];

    /// Whether these are among them.
    #[must_use]
    #[inline]
    pub const fn has(self, some: Self) -> bool {
        self.0 & some.0 == some.0
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    /// The list of a sink; all when there is none.
    pub(super) fn read(section: &Section<'_>) -> Self {
        if !section.has("members") {
            return Self::ALL;
        }
        let chosen = section.choices("members", &Self::WORDS);
        if section.texts("members").is_empty() {
            let message = format!("`{}` names nothing to write", section.name("members"));
            section.wrong(section.line_of("members"), message);
        }
        chosen.into_iter().fold(Self(0), Self::and)
    }
}
