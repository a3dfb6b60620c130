//! Reading a map of the config file field by field: each question names the field, its kind, its
//! bounds and its default. What was never asked for is unknown, and every mistake is collected.

use super::Mistake;
use super::yaml::{Content, Entry, Node};
use model::{ByteSize, Span};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Mistakes of one file that are told.
pub const MISTAKES_MAX: usize = 100;

/// The smallest share: one of a thousand.
pub(crate) const PERCENT_MIN: f64 = 0.1;

/// The name of what has none: its type, and the least number that makes it another one than those
/// before it.
pub(crate) fn name_of(word: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut names = (0_usize..).map(|number| format!("{word}-{number}"));
    names.find(|name| !is_taken(name)).unwrap_or_default()
}

/// What was found out while reading.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) mistakes: Vec<Mistake>,
    /// Every field that was asked for, as `inputs[].paths`.
    pub(crate) asked: BTreeSet<String>,
}

impl Book {
    pub(crate) fn wrong(&mut self, line: usize, message: String, near: Option<&str>) {
        if self.mistakes.len() < MISTAKES_MAX {
            self.mistakes.push(Mistake { line, message, near: near.map(str::to_owned) });
        }
    }
}

/// A value with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed<T> {
    pub(crate) line: usize,
    pub(crate) value: T,
}

/// A map while it is read.
pub(crate) struct Section<'a> {
    entries: &'a [Entry],
    /// Its own line.
    pub(crate) line: usize,
    /// As in the reference, `inputs[]`.
    kind: String,
    /// As in the file, `inputs[2]`.
    shown: String,
    asked: RefCell<Vec<&'static str>>,
    book: &'a RefCell<Book>,
}

impl<'a> Section<'a> {
    /// The outermost map.
    pub(crate) fn root(node: &'a Node, book: &'a RefCell<Book>) -> Self {
        Self::of(node, String::new(), String::new(), book)
    }

    fn of(node: &'a Node, kind: String, shown: String, book: &'a RefCell<Book>) -> Self {
        let entries = match &node.content {
            Content::Map(entries) => entries.as_slice(),
            _ => {
                if !node.is_null() {
                    let name = if shown.is_empty() { "the file" } else { &shown };
                    let message = format!("`{name}` must be a map, this is {}", node.what());
                    book.borrow_mut().wrong(node.line, message, None);
                }
                &[]
            }
        };
        Self { entries, line: node.line, kind, shown, asked: RefCell::default(), book }
    }

    /// Notes a mistake at one of this map's fields, or at the map.
    pub(crate) fn wrong(&self, line: usize, message: impl Into<String>) {
        self.book.borrow_mut().wrong(line, message.into(), None);
    }

    /// Whether nothing is wrong so far, in the whole file.
    pub(crate) fn is_well(&self) -> bool {
        self.book.borrow().mistakes.is_empty()
    }

    /// The field's name as a person would say it.
    pub(crate) fn name(&self, key: &str) -> String {
        if self.shown.is_empty() { key.to_owned() } else { format!("{}.{key}", self.shown) }
    }

    fn kind_of(&self, key: &str) -> String {
        if self.kind.is_empty() { key.to_owned() } else { format!("{}.{key}", self.kind) }
    }

    fn ask(&self, key: &'static str) -> Option<&'a Entry> {
        if !self.asked.borrow().contains(&key) {
            self.asked.borrow_mut().push(key);
            self.book.borrow_mut().asked.insert(self.kind_of(key));
        }
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Whether the field stands in the file.
    pub(crate) fn has(&self, key: &'static str) -> bool {
        self.ask(key).is_some()
    }

    /// The line of a field, or of the map.
    pub(crate) fn line_of(&self, key: &'static str) -> usize {
        self.ask(key).map_or(self.line, |entry| entry.line)
    }

    /// A text.
    pub(crate) fn text(&self, key: &'static str) -> Option<Placed<String>> {
        let entry = self.ask(key)?;
        let Content::Scalar { text, .. } = &entry.value.content else {
            let what = entry.value.what();
            self.wrong(entry.line, format!("`{}` must be text, this is {what}", self.name(key)));
            return None;
        };
        if text.is_empty() || entry.value.is_null() {
            self.wrong(entry.line, format!("`{}` has no value", self.name(key)));
            return None;
        }
        Some(Placed { line: entry.line, value: text.clone() })
    }

    /// A text that must stand there.
    pub(crate) fn required(&self, key: &'static str, what: &str) -> Option<Placed<String>> {
        if !self.has(key) {
            self.wrong(self.line, format!("`{}` is missing: it is {what}", self.name(key)));
        }
        self.text(key)
    }

    /// Something with a lower and an upper bound.
    fn bounded<T: Copy + PartialOrd>(
        &self,
        key: &'static str,
        range: &RangeInclusive<T>,
        default: T,
        words: (&str, fn(&T) -> String),
        read: fn(&str) -> Option<T>,
    ) -> T {
        let Some(placed) = self.text(key) else { return default };
        match read(&placed.value).filter(|value| range.contains(value)) {
            Some(value) => value,
            None => {
                let (what, show) = words;
                let bounds = format!("{} to {}", show(range.start()), show(range.end()));
                let name = self.name(key);
                let message =
                    format!("`{name}` must be {what} from {bounds}, not `{}`", placed.value);
                self.wrong(placed.line, message);
                default
            }
        }
    }

    /// A whole number.
    pub(crate) fn number(
        &self,
        key: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> u64 {
        let words: (&str, fn(&u64) -> String) = ("a number", u64::to_string);
        self.bounded(key, &range, default, words, |text| text.parse().ok())
    }

    /// A share in percent, fractions allowed.
    pub(crate) fn percent(&self, key: &'static str, default: f64) -> f64 {
        let words: (&str, fn(&f64) -> String) = ("a share in percent", f64::to_string);
        let read = |text: &str| text.strip_suffix('%').unwrap_or(text).trim().parse().ok();
        self.bounded(key, &(PERCENT_MIN..=100.0), default, words, read)
    }

    /// A number of bytes.
    pub(crate) fn size(&self, key: &'static str, range: RangeInclusive<u64>, default: u64) -> u64 {
        let words: (&str, fn(&u64) -> String) = ("a size", |bytes| ByteSize(*bytes).to_string());
        let read = |text: &str| text.parse::<ByteSize>().ok().map(|size| size.0);
        self.bounded(key, &range, default, words, read)
    }

    /// A duration.
    pub(crate) fn span(
        &self,
        key: &'static str,
        range: RangeInclusive<Duration>,
        default: Duration,
    ) -> Duration {
        let words: (&str, fn(&Duration) -> String) =
            ("a duration such as 5s", |span| Span(*span).to_string());
        let read = |text: &str| text.parse::<Span>().ok().map(|span| span.0);
        self.bounded(key, &range, default, words, read)
    }

    /// Yes or no.
    pub(crate) fn flag(&self, key: &'static str, default: bool) -> bool {
        self.choice(key, &[("true", true), ("false", false)], default)
    }

    /// One of some words.
    pub(crate) fn choice<T: Clone>(&self, key: &'static str, words: &[(&str, T)], default: T) -> T {
        let chosen = self.text(key).and_then(|placed| self.chosen(key, words, &placed));
        chosen.unwrap_or(default)
    }

    /// Some of some words; those that are none of them are mistakes.
    pub(crate) fn choices<T: Clone>(&self, key: &'static str, words: &[(&str, T)]) -> Vec<T> {
        let texts = self.texts(key);
        texts.iter().filter_map(|placed| self.chosen(key, words, placed)).collect()
    }

    fn chosen<T: Clone>(
        &self,
        key: &'static str,
        words: &[(&str, T)],
        placed: &Placed<String>,
    ) -> Option<T> {
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == placed.value) {
            return Some(value.clone());
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let near = model::nearest(&placed.value, known.iter().copied());
        let mut message = format!(
            "`{}` must be one of {}, not `{}`",
            self.name(key),
            known.join(", "),
            placed.value
        );
        if let Some(near) = near {
            message.push_str(&format!("; did you mean `{near}`?"));
        }
        self.book.borrow_mut().wrong(placed.line, message, near);
        None
    }

    /// A list of texts; one text alone is a list of one.
    pub(crate) fn texts(&self, key: &'static str) -> Vec<Placed<String>> {
        let Some(entry) = self.ask(key) else { return Vec::new() };
        let nodes: &[Node] = match &entry.value.content {
            Content::List(items) => items,
            Content::Scalar { .. } => std::slice::from_ref(&entry.value),
            Content::Map(_) => {
                self.wrong(entry.line, format!("`{}` must be a list", self.name(key)));
                return Vec::new();
            }
        };
        let mut texts = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            match &node.content {
                Content::Scalar { text, .. } if !text.is_empty() && !node.is_null() => {
                    texts.push(Placed { line: node.line, value: text.clone() });
                }
                _ => self.wrong(
                    node.line,
                    format!("`{}[{index}]` must be text, this is {}", self.name(key), node.what()),
                ),
            }
        }
        texts
    }

    /// A map of names to texts.
    pub(crate) fn pairs(&self, key: &'static str) -> Vec<(String, Placed<String>)> {
        let Some(entry) = self.ask(key) else { return Vec::new() };
        let Content::Map(entries) = &entry.value.content else {
            if !entry.value.is_null() {
                self.wrong(entry.line, format!("`{}` must be a map of texts", self.name(key)));
            }
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for inner in entries {
            match &inner.value.content {
                Content::Scalar { text, .. } => {
                    let placed = Placed { line: inner.line, value: text.clone() };
                    pairs.push((inner.key.clone(), placed));
                }
                _ => self
                    .wrong(inner.line, format!("`{}.{}` must be text", self.name(key), inner.key)),
            }
        }
        pairs
    }

    /// A map below this one; an absent one is none.
    pub(crate) fn section(&self, key: &'static str) -> Option<Section<'a>> {
        let entry = self.ask(key)?;
        Some(Self::of(&entry.value, self.kind_of(key), self.name(key), self.book))
    }

    /// A list of maps below this one.
    pub(crate) fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        let Some(entry) = self.ask(key) else { return Vec::new() };
        let Content::List(items) = &entry.value.content else {
            if !entry.value.is_null() {
                let what = entry.value.what();
                let name = self.name(key);
                self.wrong(entry.line, format!("`{name}` must be a list of maps, this is {what}"));
            }
            return Vec::new();
        };
        let kind = format!("{}[]", self.kind_of(key));
        let shown = |index: usize| format!("{}[{index}]", self.name(key));
        items
            .iter()
            .enumerate()
            .map(|(index, node)| Self::of(node, kind.clone(), shown(index), self.book))
            .collect()
    }

    /// Every field that nobody asked for is a mistake.
    pub(crate) fn finish(self) {
        let asked = self.asked.borrow();
        for entry in self.entries.iter().filter(|entry| !asked.contains(&entry.key.as_str())) {
            let near = model::nearest(&entry.key, asked.iter().copied());
            let name = self.name(&entry.key);
            let message = match near {
                Some(near) => format!("unknown field `{name}`; did you mean `{near}`?"),
                None => format!("unknown field `{name}`"),
            };
            self.book.borrow_mut().wrong(entry.line, message, near);
        }
    }
}
