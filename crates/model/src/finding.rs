//! What a check, a policy or a probe found: one shape for CI, admission, drift and the console.

use crate::Hint;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How much a finding matters. The order is the order of importance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing needs to be done.
    Info,
    /// Should be looked at; work goes on.
    Warning,
    /// Must be mended; the operation is refused or incomplete.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum Subject {
    /// A place in a file; lines and columns count from 1.
    File {
        /// Path as the reader knows it: relative to the source's root.
        path: String,
        /// Line, where known.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        line: Option<u32>,
        /// Column in characters, where known.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        column: Option<u32>,
    },
    /// A Kubernetes object, printed as `Kind.group namespace/name`.
    Object {
        /// The object's printed identity.
        id: String,
        /// A field path inside it, as kubectl prints one: `.spec.replicas`.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        field: Option<String>,
    },
    /// A host or a node by name.
    Host {
        /// The name.
        name: String,
    },
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line: None, .. } => f.write_str(path),
            Self::File { path, line: Some(line), column: None } => write!(f, "{path}:{line}"),
            Self::File { path, line: Some(line), column: Some(column) } => {
                write!(f, "{path}:{line}:{column}")
            }
            Self::Object { id, field: None } => f.write_str(id),
            Self::Object { id, field: Some(field) } => write!(f, "{id} {field}"),
            Self::Host { name } => f.write_str(name),
        }
    }
}

/// One observed fact that supports a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What was looked at: a field, a metric, a log line's source.
    pub what: String,
    /// What was seen there; secrets are masked before they get here.
    pub seen: String,
}

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The stable id of the rule: file stem, config key and docs page.
    pub id: String,
    /// How much it matters.
    pub severity: Severity,
    /// What it is about.
    pub subject: Subject,
    /// What is wrong, in one sentence without a final period.
    pub message: String,
    /// What was seen.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub evidence: Vec<Evidence>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
}

impl Finding {
    /// A finding without evidence.
    pub fn new(id: &str, severity: Severity, subject: Subject, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { id: id.to_owned(), severity, subject, message, evidence: Vec::new(), hint: None }
    }

    /// The same finding with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: &Hint) -> Self {
        self.hint = Some(hint.as_str().to_owned());
        self
    }

    /// The same finding with one more observed fact.
    #[must_use]
    pub fn with_evidence(mut self, what: impl Into<String>, seen: impl Into<String>) -> Self {
        self.evidence.push(Evidence { what: what.into(), seen: seen.into() });
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {} [{}]", self.subject, self.severity, self.message, self.id)?;
        for Evidence { what, seen } in &self.evidence {
            write!(f, "\n  {what}: {seen}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_finding_prints_like_a_compiler_message() {
        let subject = Subject::File { path: "a/b.yaml".into(), line: Some(3), column: Some(7) };
        let finding =
            Finding::new("duplicate-key", Severity::Error, subject, "`name` is given twice")
                .with_evidence("first", "line 2")
                .with_hint(&Hint::new("keep one of them"));
        expect![[r"
            a/b.yaml:3:7: error: `name` is given twice [duplicate-key]
              first: line 2
              hint: keep one of them"]]
        .assert_eq(&finding.to_string());
    }

    #[test]
    fn a_finding_survives_json() {
        let subject = Subject::Object { id: "Pod x/y".into(), field: Some(".spec".into()) };
        let finding = Finding::new("x", Severity::Info, subject, "m");
        let json = serde_json::to_string(&finding).unwrap();
        assert_eq!(serde_json::from_str::<Finding>(&json).unwrap(), finding);
        expect![[r#"{"id":"x","severity":"info","subject":{"type":"object","id":"Pod x/y","field":".spec"},"message":"m"}"#]]
            .assert_eq(&json);
    }

    #[test]
    fn severities_are_ordered_by_importance() {
        assert!(Severity::Error > Severity::Warning && Severity::Warning > Severity::Info);
    }
}
