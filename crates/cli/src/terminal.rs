//! How text reaches a person: colours, the width of the terminal, and writing to stdout so that a
//! closed pipe is a clean end and not an error.
//!
//! Colour never carries meaning on its own: every coloured word is also a word or a sign.

use crate::CliError;
use crate::host::Host;
use clap::ValueEnum;
use serde::Serialize;
use std::io::{BufWriter, Write};

/// The width that is assumed when it is not known, in columns.
pub(crate) const WIDTH_COLUMNS_DEFAULT: usize = 100;

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Also into files and pipes.
    Always,
    /// Not at all.
    Never,
}

/// The form of the data on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON document, stable.
    Json,
    /// The same document as YAML.
    Yaml,
}

/// What a piece of text is, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Made, healthy, the new value.
    Good,
    /// Changed, progressing.
    Warn,
    /// Deleted, failed, the old value.
    Bad,
    /// Less important than its surroundings.
    Dim,
    /// A heading.
    Bold,
}

/// Whether and how wide to paint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Painter {
    color: bool,
}

impl Painter {
    /// Decides for one stream.
    #[must_use]
    pub(crate) fn new(choice: ColorChoice, host: &Host, is_terminal: bool) -> Self {
        let color = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                is_terminal
                    && host.environment.get("NO_COLOR").is_none()
                    && host.environment.get("TERM") != Some("dumb")
            }
        };
        Self { color }
    }

    /// Whether it paints at all.
    #[must_use]
    pub(crate) fn paints(self) -> bool {
        self.color
    }

    /// The text in the colour of its style.
    #[must_use]
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let code = match style {
            Style::Good => "32",
            Style::Warn => "33",
            Style::Bad => "31",
            Style::Dim => "2",
            Style::Bold => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Control characters that come from a repository or a cluster must not reach a terminal.
#[must_use]
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// Writes data to stdout and flushes it.
///
/// # Errors
/// [`CliError::Stdout`]; a closed pipe among them ends the process with 0.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(CliError::Stdout)
}

/// Writes a message to stderr. When nobody reads it there is nobody to tell.
pub(crate) fn print_error(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// Writes a value in the form that was asked for; `text` makes the one for people.
///
/// # Errors
/// As [`print`]; [`CliError::Json`] when the value has no JSON form.
pub(crate) fn print_as<T: Serialize>(
    value: &T,
    format: OutputFormat,
    text: impl FnOnce() -> String,
) -> Result<(), CliError> {
    let document = || serde_json::to_value(value).map_err(CliError::Json);
    match format {
        OutputFormat::Text => print(&text()),
        OutputFormat::Yaml => print(&objects::emit::to_yaml(&document()?)),
        OutputFormat::Json => {
            let value = &document()?;
            // Not by way of a text of its own: a plan of ten thousand objects is megabytes.
            let mut stdout = BufWriter::new(std::io::stdout().lock());
            serde_json::to_writer_pretty(&mut stdout, value)
                .map_err(std::io::Error::from)
                .and_then(|()| stdout.write_all(b"\n"))
                .and_then(|()| stdout.flush())
                .map_err(CliError::Stdout)
        }
    }
}

/// Rows under headings, each column as wide as its widest cell; the last one is not padded.
#[must_use]
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(visible_width(cell));
        }
    }
    let heading_row: Vec<String> = headings.iter().map(|&heading| heading.to_owned()).collect();
    let mut out = String::new();
    for row in std::iter::once(&heading_row).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            let padding = width.saturating_sub(visible_width(cell)) + COLUMN_GAP;
            line.extend(std::iter::repeat_n(' ', padding));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Spaces between two columns of a table.
const COLUMN_GAP: usize = 3;

/// Characters without the escape sequences of [`Painter::paint`].
fn visible_width(text: &str) -> usize {
    let mut width = 0;
    let mut escaped = false;
    for c in text.chars() {
        match c {
            '\u{1b}' => escaped = true,
            'm' if escaped => escaped = false,
            _ if escaped => {}
            _ => width += 1,
        }
    }
    width
}

/// The width of the terminal behind stderr, from `COLUMNS` or the terminal itself.
#[must_use]
pub(crate) fn width_columns(host: &Host) -> usize {
    let told = host.environment.get("COLUMNS").and_then(|text| text.parse().ok());
    let asked =
        || terminal_size::terminal_size_of(std::io::stderr()).map(|(width, _)| width.0.into());
    told.or_else(asked).filter(|columns| *columns > 0).unwrap_or(WIDTH_COLUMNS_DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::host;
    use expect_test::expect;

    #[test]
    fn colour_follows_the_choice_the_terminal_and_no_color() {
        let plain = host(&[]);
        let refused = host(&[("NO_COLOR", "1")]);
        let dumb = host(&[("TERM", "dumb")]);
        let empty = host(&[("NO_COLOR", "")]);
        let paints = |choice, host, terminal| Painter::new(choice, host, terminal).paints();
        assert!(paints(ColorChoice::Auto, &plain, true));
        assert!(paints(ColorChoice::Auto, &empty, true));
        assert!(!paints(ColorChoice::Auto, &plain, false));
        assert!(!paints(ColorChoice::Auto, &refused, true));
        assert!(!paints(ColorChoice::Auto, &dumb, true));
        assert!(paints(ColorChoice::Always, &refused, false));
        assert!(!paints(ColorChoice::Never, &plain, true));
    }

    #[test]
    fn a_table_lines_up_also_when_cells_are_coloured() {
        let painter = Painter { color: true };
        let rows = vec![
            vec![painter.paint(Style::Good, "ok"), "first".to_owned()],
            vec!["longer".to_owned(), "second".to_owned()],
        ];
        let text = table(&["STATE", "NAME"], &rows).replace('\u{1b}', "^");
        expect![[r"
            STATE    NAME
            ^[32mok^[0m       first
            longer   second
        "]]
        .assert_eq(&text);
    }

    #[test]
    fn control_characters_of_others_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a\u{fffd}[2Jb\nc");
    }
}
