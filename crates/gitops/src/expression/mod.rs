//! CEL: the expressions of `readyExpr` and of health rules.
//!
//! A text is compiled once, with the names that it may use, and evaluated over JSON documents any
//! number of times. The interpreter is our own: a spec is written by teams that the agent does not
//! trust, so an evaluation must end within a counted budget of work ([`COST_MAX`]) whatever the
//! expression and the document are.
//!
//! It has the operators, macros (`has`, `all`, `exists`, `exists_one`, `filter`, `map`), texts,
//! numbers, lists, maps, durations and timestamps of CEL, and of Kubernetes' functions those on
//! quantities, texts and lists. It has no regular expressions (`matches`), bytes, optional values,
//! types as values or messages; what it has not is an error when compiled, never a silent
//! difference. As in Kubernetes, `&&` and `||` do not care for an error on one side when the other
//! decides.
//!
//! Limits: [`EXPRESSION_BYTES_MAX`] bytes, [`DEPTH_MAX`] levels,
//! [`COST_MAX`] units of work.

mod eval;
mod functions;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;
mod value;

use crate::spec::EXPRESSION_BYTES_MAX;
use eval::Evaluation;
use model::{Explain, Hint};
use parser::Node;
use serde_json::Value as Json;
use std::sync::Arc;
use value::Value;

/// Levels of an expression.
pub const DEPTH_MAX: usize = 50;
/// Units of work of one evaluation: an operation is one, and so are 16 bytes of text or one
/// element that it looks at.
pub const COST_MAX: u64 = 200_000;

/// Where in an expression; both from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Why an expression cannot be compiled or evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpressionError {
    /// It is longer than the limit.
    #[error("the expression is longer than {EXPRESSION_BYTES_MAX} bytes")]
    TooLong,
    /// It has more levels than the limit.
    #[error("{at}: the expression has more than {DEPTH_MAX} levels")]
    TooDeep {
        /// Where.
        at: Position,
    },
    /// It is no CEL, or uses what is not here.
    #[error("{at}: {problem}")]
    Syntax {
        /// Where.
        at: Position,
        /// What is wrong.
        problem: String,
        /// What was meant.
        hint: Option<Hint>,
    },
    /// A field or a key is not there.
    #[error("{at}: no such key: {key}")]
    NoSuchKey {
        /// Where.
        at: Position,
        /// The key.
        key: String,
    },
    /// An operation that its values do not allow.
    #[error("{at}: {problem}")]
    Evaluate {
        /// Where.
        at: Position,
        /// What is wrong; types, not values.
        problem: String,
    },
    /// The work is more than the budget.
    #[error("the expression needs more than {COST_MAX} units of work on this object")]
    Cost,
    /// The result has another type than is asked for.
    #[error("the expression gives {found}, expected {expected}")]
    Result {
        /// What it gives.
        found: &'static str,
        /// What is asked for.
        expected: &'static str,
    },
}

impl Explain for ExpressionError {
    fn hint(&self) -> Option<Hint> {
        match self {
            Self::Syntax { hint, .. } => hint.clone(),
            Self::NoSuchKey { .. } => Some(Hint::new("test it with `has()` first")),
            _ => None,
        }
    }
}

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Expression {
    text: Arc<str>,
    root: Arc<Node>,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Expression {
    /// Compiles a text that may use these variables.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn compile(text: &str, variables: &[&str]) -> Result<Self, ExpressionError> {
        if text.len() > EXPRESSION_BYTES_MAX {
            return Err(ExpressionError::TooLong);
        }
        let root = parser::parse(text, variables)?;
        Ok(Self { text: text.into(), root: Arc::new(root) })
    }

    /// The text it was compiled from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.text
    }

    /// The result as JSON. A variable that is not given is null.
    ///
    /// # Errors
    /// When the values do not allow an operation, or the work is over the budget.
    pub fn evaluate(&self, variables: &[(&str, &Json)]) -> Result<Json, ExpressionError> {
        let mut run = Evaluation::new(&self.text, variables);
        let value = run.node(&self.root)?;
        run.json(value)
    }

    /// The result, which must be true or false.
    ///
    /// # Errors
    /// As [`Expression::evaluate`], and when it is something else.
    pub fn holds(&self, variables: &[(&str, &Json)]) -> Result<bool, ExpressionError> {
        match Evaluation::new(&self.text, variables).node(&self.root)? {
            Value::Bool(holds) => Ok(holds),
            other => {
                Err(ExpressionError::Result { found: other.kind(), expected: "true or false" })
            }
        }
    }

    /// The result, which must be a text.
    ///
    /// # Errors
    /// As [`Expression::evaluate`], and when it is something else.
    pub fn text(&self, variables: &[(&str, &Json)]) -> Result<String, ExpressionError> {
        match Evaluation::new(&self.text, variables).node(&self.root)? {
            Value::Text(text) => Ok(text.into_owned()),
            other => Err(ExpressionError::Result { found: other.kind(), expected: "a text" }),
        }
    }
}

/// The place of a byte in a text.
fn position(text: &str, byte: usize) -> Position {
    let before = text.get(..text.floor_char_boundary(byte)).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let small = |count| u32::try_from(count).unwrap_or(u32::MAX);
    Position { line: small(line), column: small(column) }
}
