//! What a binary was built from, as the door hands it to every plane.

use serde::Serialize;

/// The facts about this binary that `version` prints and the metrics carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Build {
    /// The release, as in `0.1.0`.
    pub version: &'static str,
    /// The Git commit, or `unknown` when it was built outside a checkout.
    pub commit: &'static str,
    /// The planes that are linked.
    pub features: &'static [&'static str],
    /// The compiler, as it names itself.
    pub rustc: &'static str,
    /// The Cargo profile.
    pub profile: &'static str,
    /// The target triple.
    pub target: &'static str,
}

impl Build {
    /// The commit as people quote it: its first 12 digits.
    #[must_use]
    pub fn short_commit(&self) -> &'static str {
        self.commit.get(..12).unwrap_or(self.commit)
    }

    /// What `--version` prints, without a line feed: version, commit, features.
    #[must_use]
    pub fn line(&self) -> String {
        let features = self.features.join(", ");
        format!("orlop {} ({}; {features})", self.version, self.short_commit())
    }
}
