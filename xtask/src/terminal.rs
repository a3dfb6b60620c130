//! What the tool writes for people: results on stdout, progress and errors on stderr.
//!
//! A reader that goes away (`cargo xtask help | head -1`) is not an error: the process ends
//! with code 0, as every Unix filter does.

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write};

/// Writes a line to stdout.
pub(crate) fn say(text: impl Display) {
    end_on_broken_pipe(writeln!(std::io::stdout(), "{text}"));
}

/// Writes a line to stderr: progress, warnings, errors.
pub(crate) fn warn(text: impl Display) {
    end_on_broken_pipe(writeln!(std::io::stderr(), "{text}"));
}

/// Announces a step on stderr, bold on a terminal.
pub(crate) fn step(text: impl Display) {
    if std::io::stderr().is_terminal() {
        warn(format_args!("\u{1b}[1m==> {text}\u{1b}[0m"));
    } else {
        warn(format_args!("==> {text}"));
    }
}

/// Rows as aligned columns, two spaces between them, no trailing spaces.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let width = cell.chars().count();
            match widths.get_mut(column) {
                Some(known) => *known = width.max(*known),
                None => widths.push(width),
            }
        }
    }
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn end_on_broken_pipe(written: std::io::Result<()>) {
    if written.is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        std::process::exit(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_without_spaces() {
        let rows = [["step", "time"], ["clippy", "2.1s"]].map(|row| row.map(str::to_owned));
        let rows: Vec<Vec<String>> = rows.into_iter().map(Vec::from).collect();
        assert_eq!(columns(&rows), "step    time\nclippy  2.1s");
    }
}
