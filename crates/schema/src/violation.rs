//! What is wrong with an object, in words: where, what, what is allowed, and what was meant.
//!
//! Values are not repeated: an object may hold what nobody should read in a log. Exceptions are
//! names of fields, and short words where the schema has a list of words (never in a Secret).

use std::fmt;

/// The rule that an object breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// A field that the schema does not have.
    UnknownField,
    /// A value of another type.
    Type,
    /// A field that has to be there.
    Required,
    /// A value that is not in the list.
    Enum,
    /// Text that the pattern does not match.
    Pattern,
    /// A number out of its range.
    Range,
    /// Text, a list or a map that is too short or too long.
    Size,
    /// Two elements of a list that must differ.
    Duplicate,
    /// Text of another form: a time, an address, a quantity.
    Format,
    /// None, or more than one, of several alternatives holds.
    Alternatives,
    /// A name, a label or an annotation.
    Metadata,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// `.spec.template.spec.containers[0].imagePullPolcy`.
    pub path: String,
    /// Which rule.
    pub rule: Rule,
    /// What is wrong, without the path: `unknown field`.
    pub message: String,
    /// What is allowed, where the schema says so in few words.
    pub allowed: Option<String>,
    /// The known word that was most likely meant.
    pub suggestion: Option<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)?;
        if let Some(allowed) = &self.allowed {
            write!(f, ", expected {allowed}")?;
        }
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; did you mean `{suggestion}`?")?;
        }
        Ok(())
    }
}

/// One step from a value to a value in it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// The path as text.
pub(crate) fn path(steps: &[Step<'_>]) -> String {
    use fmt::Write as _;
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Key(key) if is_plain(key) => {
                text.push('.');
                text.push_str(key);
            }
            Step::Key(key) => {
                let _ = write!(text, "[{key:?}]");
            }
            Step::Index(index) => {
                let _ = write!(text, "[{index}]");
            }
        }
    }
    if text.is_empty() { ".".to_owned() } else { text }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_people_write_it() {
        let steps = [Step::Key("spec"), Step::Key("a"), Step::Index(2), Step::Key("x/y")];
        assert_eq!(path(&steps), ".spec.a[2][\"x/y\"]");
        assert_eq!(path(&[]), ".");
    }
}
