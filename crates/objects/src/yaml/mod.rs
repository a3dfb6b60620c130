//! YAML as kubectl reads it: bytes of a file → objects with their places, and everything that is
//! wrong with the file at once.
//!
//! A manifest that means one thing to kubectl and another to a delivery tool is an outage, so
//! scalars follow the YAML 1.1 rules of the Go library behind kubectl (`0644` is 420, `yes` is
//! true, timestamps are strings), numbers take the form that the API server stores (`8.0` is 8),
//! keys that are not strings become strings, `<<` merges. Where kubectl is silent about a loss
//! this reader is not: a key given twice is an error that names both lines, and a document behind
//! `...` is read.
//!
//! The file is cut at its `---` lines first, so a document that cannot be parsed does not hide
//! the problems of the others. `List` and every typed list give their items.
//!
//! Limits: [`FILE_BYTES_MAX`], [`OBJECTS_PER_FILE_MAX`], [`DEPTH_MAX`], [`ALIAS_BYTES_MAX`],
//! [`DIAGNOSTICS_PER_FILE_MAX`]. Values are built in place from parser events; the peak is the
//! text plus the objects of one document ([`parse_each`]) or of all ([`parse`]).

mod build;
mod diagnostic;
mod events;
mod expand;
mod scalar;
mod split;
#[cfg(test)]
mod tests;

pub use diagnostic::{Diagnostic, Fault};

use crate::{Manifest, Origin};
use build::{Built, Document};
use diagnostic::Mark;
use events::{JsonEvents, YamlEvents};
use expand::Expanded;
use split::Chunk;
use std::sync::Arc;

/// A larger file is refused before it is read.
pub const FILE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Objects beyond these are refused, counted after lists are taken apart.
pub const OBJECTS_PER_FILE_MAX: usize = 50_000;
/// Levels of maps and lists in one document.
pub const DEPTH_MAX: usize = 100;
/// What anchors and aliases of one file may copy, counting 64 bytes for each value.
pub const ALIAS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Diagnostics beyond these are counted, not kept.
pub const DIAGNOSTICS_PER_FILE_MAX: usize = 100;

/// What a file holds and what is wrong with it. Both can be non-empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parsed {
    /// The objects that could be read, in the order of the file.
    pub manifests: Vec<Manifest>,
    /// What is wrong, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a file of YAML or JSON documents. `file` is its path for messages and origins.
#[must_use]
pub fn parse(file: &str, bytes: &[u8]) -> Parsed {
    let mut manifests = Vec::new();
    let diagnostics = parse_each(file, bytes, &mut |manifest| manifests.push(manifest));
    manifests.shrink_to_fit();
    Parsed { manifests, diagnostics }
}

/// As [`parse`], for files of any length: each object goes to `sink` as soon as its document is
/// read, in the order of the file. Gives back what is wrong.
pub fn parse_each(file: &str, bytes: &[u8], sink: &mut dyn FnMut(Manifest)) -> Vec<Diagnostic> {
    let mut reader = Reader {
        file: Arc::from(file),
        text: "",
        sink,
        objects: 0,
        diagnostics: Vec::new(),
        left_out: 0,
        alias_bytes: 0,
    };
    match split::decode(bytes) {
        Ok(text) => reader.read(text),
        Err((mark, fault)) => {
            let line = bytes.split(|byte| *byte == b'\n').nth(usize_from(mark.line - 1));
            let line = match fault {
                Fault::NotUtf8 => String::from_utf8_lossy(line.unwrap_or_default()).into_owned(),
                _ => String::new(),
            };
            let secret = may_be_secret(&String::from_utf8_lossy(bytes));
            reader.diagnose(mark, fault, &line, secret);
        }
    }
    reader.finish()
}

struct Reader<'a, 's> {
    file: Arc<str>,
    text: &'a str,
    sink: &'s mut dyn FnMut(Manifest),
    /// How many there were, those beyond the limit too.
    objects: usize,
    diagnostics: Vec<Diagnostic>,
    left_out: usize,
    alias_bytes: usize,
}

impl<'a> Reader<'a, '_> {
    fn read(&mut self, text: &'a str) {
        self.text = text;
        for chunk in split::chunks(text) {
            let (built, json) = self.build(chunk);
            for (mark, fault) in built.problems {
                self.diagnose_in(chunk, mark, fault);
            }
            for document in built.documents {
                self.take(chunk, document, json);
                if self.objects > OBJECTS_PER_FILE_MAX {
                    let mark = Mark { line: 1, column: 1 };
                    return self.diagnose_in(chunk, mark, Fault::TooManyObjects);
                }
            }
        }
    }

    /// Text that begins like JSON is read as JSON, and as YAML when it is not JSON after all.
    fn build(&mut self, chunk: Chunk<'a>) -> (Built, bool) {
        if !chunk.text.trim_start().starts_with(['{', '[']) {
            return (build::build(YamlEvents::new(chunk.text), &mut self.alias_bytes), false);
        }
        let as_json = build::build(JsonEvents::new(chunk.text), &mut self.alias_bytes);
        if !as_json.broken {
            return (as_json, true);
        }
        let as_yaml = build::build(YamlEvents::new(chunk.text), &mut self.alias_bytes);
        let json_file = self.file.to_ascii_lowercase().ends_with(".json");
        if as_yaml.broken && json_file { (as_json, true) } else { (as_yaml, false) }
    }

    fn take(&mut self, chunk: Chunk<'a>, document: Document, json: bool) {
        if document.value.is_null() {
            return;
        }
        let index = document.index;
        let mut faults = Vec::new();
        expand::expand(document, |expanded| match expanded {
            Expanded::Object(object, line) => {
                let line = line_in_file(chunk, line);
                self.objects += 1;
                if self.objects <= OBJECTS_PER_FILE_MAX {
                    let origin = Origin { file: self.file.clone(), line };
                    (self.sink)(Manifest { object, origin });
                }
            }
            Expanded::Fault { fault, path, mark } => faults.push((fault, path, mark)),
        });
        for (fault, path, mark) in faults {
            let found = match json {
                true => expand::locate(JsonEvents::new(chunk.text), index, &path),
                false => expand::locate(YamlEvents::new(chunk.text), index, &path),
            };
            self.diagnose_in(chunk, found.filter(|_| !path.is_empty()).unwrap_or(mark), fault);
        }
    }

    /// A problem at a place that is counted from the chunk's first line.
    fn diagnose_in(&mut self, chunk: Chunk<'a>, mark: Mark, fault: Fault) {
        if self.diagnostics.len() >= DIAGNOSTICS_PER_FILE_MAX {
            self.left_out += 1;
            return;
        }
        let fault = match fault {
            Fault::DuplicateKey { key, first_line } => {
                Fault::DuplicateKey { key, first_line: line_in_file(chunk, first_line) }
            }
            fault => fault,
        };
        let line = split::line_text(chunk.text, mark.line);
        let mark = Mark { line: line_in_file(chunk, mark.line), ..mark };
        self.diagnose(mark, fault, line, may_be_secret(chunk.text));
        // The parser stumbles over a conflict some lines behind its marker.
        let conflict = chunk.text.lines().any(|line| line.starts_with("<<<<<<< "));
        if let Some(last) = self.diagnostics.pop_if(|_| conflict) {
            self.diagnostics.push(last.with_hint("resolve the Git merge conflict"));
        }
    }

    fn diagnose(&mut self, mark: Mark, fault: Fault, line: &str, secret: bool) {
        self.diagnostics.push(Diagnostic::new(&self.file, mark, fault, line, secret));
    }

    fn finish(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
        if self.left_out > 0 {
            let line = self.diagnostics.last().map_or(1, |diagnostic| diagnostic.line);
            let fault = Fault::MoreLeftOut { count: self.left_out };
            self.diagnose(Mark { line, column: 1 }, fault, "", false);
        }
        self.diagnostics
    }
}

/// Whether a broken document might be a Secret: some line that speaks of a kind also says so.
/// Errs on the side of showing nothing.
fn may_be_secret(text: &str) -> bool {
    let names_secret = |line: &str| {
        let line = line.to_ascii_lowercase();
        line.contains("kind") && line.contains("secret")
    };
    text.lines().any(names_secret)
        || text.lines().any(|line| line.trim_start().starts_with("stringData"))
}

fn line_in_file(chunk: Chunk<'_>, line: u32) -> u32 {
    chunk.first_line.saturating_add(line).saturating_sub(1)
}

fn usize_from(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
