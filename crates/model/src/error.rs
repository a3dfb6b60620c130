//! How an error explains itself: what failed, why (its sources), what to do (a hint), and
//! whether trying again can help.
//!
//! An error's `Display` names the operation and its subject and never repeats its source; the
//! chain is printed once, at the edge, by [`report`].

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// What a person can do about an error: one sentence, imperative, no final period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint(Cow<'static, str>);

impl Hint {
    /// A hint from a fixed or a composed sentence.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self(text.into())
    }

    /// The sentence.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the same operation can succeed when it is tried again unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The input or the permissions must change first.
    Never,
    /// The other side asked for this pause, or it is the usual one for this failure.
    After(Duration),
    /// At once: for example after a conflict on a resource version.
    Now,
}

/// An error that tells a person what to do and a machine whether to try again.
pub trait Explain: Error {
    /// What to do about it, where something useful is known.
    fn hint(&self) -> Option<Hint> {
        None
    }

    /// Whether trying again can help. The default is the safe one.
    fn retry(&self) -> Retry {
        Retry::Never
    }
}

/// Prints an error with its sources and its hint; made by [`report`].
pub struct Report<'a> {
    error: &'a (dyn Error + 'a),
    hint: Option<Hint>,
}

/// The printed form of an error at the edge of a plane.
///
/// ```text
/// error: cannot read manifests/web.yaml
///   cause: permission denied
///   hint: run as the user that owns the file
/// ```
///
/// A source whose text is already the end of the line above it is left out, because libraries
/// often print their source inside their own message.
#[must_use]
pub fn report<'a>(error: &'a (dyn Error + 'a), hint: Option<Hint>) -> Report<'a> {
    Report { error, hint }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut above = self.error.to_string();
        write!(f, "error: {}", indented(&above))?;
        let mut source = self.error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !above.ends_with(&text) {
                write!(f, "\n  cause: {}", indented(&text))?;
                above = text;
            }
            source = cause.source();
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {}", indented(hint.as_str()))?;
        }
        Ok(())
    }
}

/// An error and its causes in one line, for a log or a field of a status. As in a [`report`], a
/// cause that the text before it ends with is left out.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// Further lines of a message stand under its first one.
fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|layer| layer as _)
        }
    }

    fn layers(texts: &[&'static str]) -> Layer {
        let (first, rest) = texts.split_first().unwrap();
        Layer(first, (!rest.is_empty()).then(|| Box::new(layers(rest))))
    }

    #[test]
    fn a_report_prints_each_cause_once_and_the_hint_last() {
        let error = layers(&[
            "cannot fetch: connect: refused",
            "connect: refused",
            "refused",
            "os error 111",
        ]);
        let text = report(&error, Some(Hint::new("start the server"))).to_string();
        expect![[r"
            error: cannot fetch: connect: refused
              cause: os error 111
              hint: start the server"]]
        .assert_eq(&text);
    }

    #[test]
    fn a_chain_is_one_line_with_each_cause_once() {
        let error = layers(&["cannot fetch: refused", "refused", "os error 111"]);
        assert_eq!(chain(&error), "cannot fetch: refused: os error 111");
        assert_eq!(chain(&layers(&["alone"])), "alone");
    }

    #[test]
    fn further_lines_of_a_cause_are_indented_under_it() {
        let error = layers(&["cannot parse", "line 3:\n3 | a: b: c\n"]);
        expect![[r"
            error: cannot parse
              cause: line 3:
                3 | a: b: c"]]
        .assert_eq(&report(&error, None).to_string());
    }
}
