//! What is wrong with a file, where, and what to do about it.

use crate::ShapeError;
use model::{Explain, Finding, Hint, Severity, Subject};
use std::fmt;
use std::sync::Arc;

/// A longer line is shown as a window around the column.
const EXCERPT_CHARS_MAX: usize = 100;

/// A place in a text: line and column from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) line: u32,
    pub(super) column: u32,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The file is larger than [`super::FILE_BYTES_MAX`].
    #[error("the file has {bytes} bytes, more than the {} allowed", super::FILE_BYTES_MAX)]
    FileTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The file holds more than [`super::OBJECTS_PER_FILE_MAX`] objects.
    #[error("the file holds more than {} objects", super::OBJECTS_PER_FILE_MAX)]
    TooManyObjects,
    /// The file is UTF-16 or UTF-32.
    #[error("the file is {encoding}, expected UTF-8")]
    WrongEncoding {
        /// The encoding it seems to be in.
        encoding: &'static str,
    },
    /// A byte is not part of a UTF-8 character.
    #[error("this byte is not UTF-8")]
    NotUtf8,
    /// YAML does not allow this character unescaped.
    #[error("control character U+{code:04X} is not allowed")]
    ControlCharacter {
        /// Its code point.
        code: u32,
    },
    /// The text is not YAML, or not JSON.
    #[error("{message}")]
    Syntax {
        /// What the parser says.
        message: String,
    },
    /// Nested deeper than [`super::DEPTH_MAX`].
    #[error("nested deeper than {} levels", super::DEPTH_MAX)]
    TooDeep,
    /// Aliases expand to more than [`super::ALIAS_BYTES_MAX`].
    #[error("aliases expand to more than {} bytes", super::ALIAS_BYTES_MAX)]
    AliasesTooLarge,
    /// An alias for an anchor that its document does not have (yet), or that holds the alias.
    #[error("the alias has no complete anchor before it in this document")]
    UnknownAlias,
    /// A key is given twice in one map.
    #[error("duplicate key `{key}`, first given on line {first_line}")]
    DuplicateKey {
        /// The key.
        key: String,
        /// Line of the first one, from 1.
        first_line: u32,
    },
    /// A map or a list is used as a key.
    #[error("a map key must be a string, this is a map or a list")]
    ComplexKey,
    /// A scalar that has no form as a JSON key.
    #[error("a map key must be a string, this is {found}")]
    KeyType {
        /// What it is, with its article.
        found: &'static str,
    },
    /// Infinity or not-a-number.
    #[error("JSON has no infinity and no not-a-number")]
    NotFinite,
    /// The text does not fit its explicit tag.
    #[error("the value does not fit its tag `{tag}`")]
    TagMismatch {
        /// The tag.
        tag: String,
    },
    /// A `!!binary` value is not base64.
    #[error("the `!!binary` value is not base64")]
    Binary,
    /// A `!!binary` value has no form in JSON.
    #[error("the `!!binary` value is not text, which JSON cannot hold")]
    BinaryNotText,
    /// `<<` with something other than a map or a list of maps.
    #[error("`<<` needs a map or a list of maps")]
    MergeValue,
    /// The document does not have the shape of a Kubernetes object.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// `metadata.name` is absent or empty, and there is no `metadata.generateName`.
    #[error("`metadata.name` is missing")]
    NameMissing,
    /// A field of `metadata` has the wrong type.
    #[error("`{field}` is {found}, expected {expected}")]
    MetadataType {
        /// Path of the field.
        field: String,
        /// What it must be, with its article.
        expected: &'static str,
        /// What it is, with its article.
        found: &'static str,
    },
    /// A list kind whose `items` is not a list.
    #[error("`items` of a {kind} must be a list")]
    ItemsNotAList {
        /// The kind.
        kind: String,
    },
    /// Too many diagnostics to print.
    #[error("{count} more problems in this file are not shown")]
    MoreLeftOut {
        /// How many.
        count: usize,
    },
}

/// One problem in one file, with its place and an excerpt.
///
/// Excerpts of documents that may be a Secret are withheld, so a diagnostic can be logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file's path as the caller named it.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub fault: Fault,
    /// The line with a caret under the column, ready to print; empty when there is none to show.
    pub excerpt: String,
    hint: Option<Hint>,
}

impl Diagnostic {
    /// `text` is what the position counts in: the whole file. `secret` withholds the excerpt.
    pub(super) fn new(
        file: &Arc<str>,
        mark: Mark,
        fault: Fault,
        line_text: &str,
        secret: bool,
    ) -> Self {
        let excerpt = match secret {
            true => format!("  {} | (not shown: the document may be a Secret)", mark.line),
            false => excerpt(line_text, mark),
        };
        let hint = hint(&fault, line_text);
        Self { file: file.clone(), line: mark.line, column: mark.column, fault, excerpt, hint }
    }

    /// The same with a better hint than the line alone can give.
    pub(super) fn with_hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(Hint::new(hint));
        self
    }

    /// The same as a finding of CI or admission.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let subject = Subject::File {
            path: self.file.to_string(),
            line: Some(self.line),
            column: Some(self.column),
        };
        let finding = Finding::new("yaml", Severity::Error, subject, self.fault.to_string());
        match &self.hint {
            Some(hint) => finding.with_hint(hint),
            None => finding,
        }
    }
}

impl fmt::Display for Diagnostic {
    /// `file:line:column: what`, then the excerpt. The hint is [`Explain::hint`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.fault)?;
        if !self.excerpt.is_empty() {
            write!(f, "\n{}", self.excerpt)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}

impl Explain for Diagnostic {
    fn hint(&self) -> Option<Hint> {
        self.hint.clone()
    }
}

/// The line and a caret under the column; a tab shows as an arrow, so that it can be seen.
fn excerpt(line_text: &str, mark: Mark) -> String {
    let column = usize::try_from(mark.column.saturating_sub(1)).unwrap_or(0);
    let skip = column.saturating_sub(EXCERPT_CHARS_MAX / 2);
    let skip = if line_text.chars().nth(EXCERPT_CHARS_MAX).is_none() { 0 } else { skip };
    let mut shown = String::new();
    if skip > 0 {
        shown.push('…');
    }
    let visible = |c: char| match c {
        '\t' => '→',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    shown.extend(line_text.chars().skip(skip).take(EXCERPT_CHARS_MAX).map(visible));
    if line_text.chars().nth(skip + EXCERPT_CHARS_MAX).is_some() {
        shown.push('…');
    }
    let caret = column - skip + usize::from(skip > 0);
    let number = mark.line.to_string();
    let gutter = " ".repeat(number.len());
    format!("  {number} | {shown}\n  {gutter} | {}^", " ".repeat(caret))
        .lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

/// What to do, from the fault and the line it stands on.
fn hint(fault: &Fault, line: &str) -> Option<Hint> {
    let text = match fault {
        Fault::Syntax { message } => return syntax_hint(message, line),
        Fault::FileTooLarge { .. } | Fault::TooManyObjects => "split the file",
        Fault::WrongEncoding { .. } | Fault::NotUtf8 => "save the file as UTF-8",
        Fault::ControlCharacter { .. } => "remove it, or write it as \\x.. inside double quotes",
        Fault::TooDeep | Fault::AliasesTooLarge => "write the document without aliases, or flatter",
        Fault::UnknownAlias => "anchors (`&name`) do not reach across documents",
        Fault::DuplicateKey { .. } => "keep one of them",
        Fault::ComplexKey if line.contains("{{") => TEMPLATE_HINT,
        Fault::ComplexKey | Fault::KeyType { .. } => "put the key in quotes",
        Fault::NotFinite => "put the value in quotes, or give a finite number",
        Fault::TagMismatch { .. } => "remove the tag",
        Fault::Binary | Fault::BinaryNotText => {
            "write the base64 text without the tag, under `data` or `binaryData`"
        }
        Fault::MergeValue => "refer to a map: `<<: *name`",
        Fault::Shape(_) => "a Kubernetes object needs `apiVersion`, `kind` and `metadata`",
        Fault::NameMissing => {
            "give the object a fixed name; only a hook may have a `generateName` instead"
        }
        Fault::MetadataType { expected: "a string", .. } => "put the value in quotes",
        Fault::MetadataType { .. } | Fault::ItemsNotAList { .. } => "check the indentation",
        Fault::MoreLeftOut { .. } => "mend the ones shown first",
    };
    Some(Hint::new(text))
}

const TEMPLATE_HINT: &str = "this looks like a template: render it before it is delivered";

fn syntax_hint(message: &str, line: &str) -> Option<Hint> {
    let indent = line.get(..line.len() - line.trim_start().len()).unwrap_or_default();
    let content = line.trim_start();
    let value = content.split_once(": ").map(|(_, value)| value.trim_start());
    let starts_badly = |text: &str| text.starts_with(['@', '`', '%', '*', '&', '!', '[', '{']);
    let text = if message.contains("unknown anchor") {
        "write the value out: no anchor of that name stands before it in this document"
    } else if indent.contains('\t') || message.contains("tab") {
        "a tab is used for indentation: replace it with spaces"
    } else if line.contains("{{") || line.contains("{%") {
        TEMPLATE_HINT
    } else if message.contains("mapping values are not allowed") || message.contains("':'") {
        match value {
            Some(value) if value.contains(": ") || value.ends_with(':') => {
                "put the value in quotes: an unquoted value must not contain a colon and a space"
            }
            _ => "check the indentation here and on the line above",
        }
    } else if message.contains("quoted scalar") && message.contains("escape") {
        "double the backslash, or use single quotes"
    } else if message.contains("quoted scalar") {
        "close the quote that was opened, or check what follows it"
    } else if value.is_some_and(starts_badly) || message.contains("unexpected character") {
        "put the value in quotes"
    } else if message.contains("simple key") || message.contains("expected key") {
        "a `:` may be missing, or the indentation differs from the lines above"
    } else if message.contains("indent") || message.contains("block") {
        "align the line with its neighbours"
    } else if message.contains("flow") || message.contains("bracket") {
        "a bracket or a comma may be missing"
    } else {
        return None;
    };
    Some(Hint::new(text))
}
