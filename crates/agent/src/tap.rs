//! What a stage sees.

/// Where to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Lines as they were written.
    Raw,
    /// Records before sampling.
    Parsed,
    /// Records that go to the sinks.
    Sampled,
}

impl Stage {
    /// The stage of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Raw, Self::Parsed, Self::Sampled].into_iter().find(|stage| stage.name() == name)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Parsed => "parsed",
            Self::Sampled => "sampled",
        }
    }
}
