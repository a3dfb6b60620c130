//! What is found in a line as a whole, and what of it goes for the parts that a parser cut it in.

use crate::parsers::closing;
use crate::record::{Span, narrow};

/// What is to be replaced: its start and end in a text, and the number of the rule.
pub(super) type Found = (usize, usize, usize);

/// What is found in a line as a whole, for its parts: a parser may cut a secret in two, or from
/// what makes it one.
pub(super) struct Across {
    pub(super) line: Span,
    /// By rules of ours: a token behind another word, a number with blanks. None overlap.
    pub(super) rules: Vec<Found>,
    /// By patterns, in their order.
    pub(super) patterns: Vec<Found>,
}

impl Across {
    /// What of it lies in a part of the line.
    pub(super) fn part(&self, part: Span) -> Vec<Found> {
        let Some((from, to)) = self.place(part) else { return Vec::new() };
        let first = self.rules.partition_point(|(_, end, _)| *end <= from);
        let begun = self.rules.iter().skip(first).take_while(|(start, ..)| *start < to);
        begun.map(|found| within(found, from, to)).collect()
    }

    /// The same for the value of a field. A pattern that begins with the name of a field, or with
    /// the mark before it, means its value and not the name. A name that the line does not have as
    /// it is, is the word before the value.
    pub(super) fn value(&self, line: &str, key: Span, value: Span) -> Vec<Found> {
        let mut found = self.part(value);
        if let Some((from, to)) = self.place(value) {
            let name = self.place(key).map_or_else(|| word_before(line, from), |(name, _)| name);
            let first = self.patterns.partition_point(|(start, ..)| start + 1 < name);
            let begun = self.patterns.iter().skip(first).take_while(|(start, ..)| *start < to);
            let reaching = begun.filter(|(_, end, _)| *end > from);
            found.extend(reaching.map(|found| within(found, from, to)));
        }
        found
    }

    /// Where a whole number is: behind its name, as it is written. Of equal names it is the first.
    pub(super) fn number(&self, line: &str, name: Span, text: &str) -> Option<Span> {
        let (_, end) = self.place(name)?;
        let gap = |byte: &u8| matches!(byte, b'"' | b':') || byte.is_ascii_whitespace();
        let start = end + line.as_bytes().get(end..)?.iter().take_while(|byte| gap(byte)).count();
        let place = self.line.part(narrow(start), narrow(start + text.len()));
        stands_alone(line, start, text).then_some(place)
    }

    /// All of a number that is not behind its name: when something that is found has to do with
    /// these digits, wherever they stand.
    pub(super) fn reaching(&self, line: &str, text: &str) -> Vec<Found> {
        let rule = [&self.rules, &self.patterns].into_iter().find_map(|found| {
            // The one that reaches furthest of those that begin before the end of a place.
            let (mut found, mut furthest) = (found.iter().peekable(), None::<&Found>);
            let places = memchr::memmem::find_iter(line.as_bytes(), text);
            places.filter(|at| stands_alone(line, *at, text)).find_map(|at| {
                while let Some(next) = found.next_if(|(start, ..)| *start < at + text.len()) {
                    furthest = furthest.filter(|last| last.1 >= next.1).or(Some(next));
                }
                furthest.filter(|(_, end, _)| *end > at).map(|(.., rule)| *rule)
            })
        });
        rule.map(|rule| (0, text.len(), rule)).into_iter().collect()
    }

    /// The name and the value of a text that the line has with escapes, as it stands between quotes
    /// behind its name. Of equal names each one's.
    pub(super) fn quoted<'l>(
        &self,
        line: &'l str,
        name: Span,
    ) -> impl Iterator<Item = (Span, Span, &'l str)> {
        let (start, end) = self.place(name).unwrap_or_default();
        let (name, rest) = (line.get(start..end), line.get(start..));
        let (name, rest) = (name.unwrap_or_default(), rest.unwrap_or_default());
        // An empty name would be found everywhere.
        let names = memchr::memmem::find_iter(rest.as_bytes(), name).filter(|_| !name.is_empty());
        let whole = self.line;
        names.filter_map(move |at| {
            let (start, end) = (start + at, start + at + name.len());
            let (from, to) = quoted_behind(line, end)?;
            let span = |from, to| whole.part(narrow(from), narrow(to));
            Some((span(start, end), span(from, to), line.get(from..to)?))
        })
    }

    /// Where in the line a part of it is that is not empty.
    pub(super) fn place(&self, part: Span) -> Option<(usize, usize)> {
        let (line, part) = (self.line.range(), part.range());
        let is_in = line.start <= part.start && part.end <= line.end && !part.is_empty();
        is_in.then(|| (part.start - line.start, part.end - line.start))
    }
}

/// Where the word begins that is before a value: what is between quotes, or behind a mark.
fn word_before(line: &str, value: usize) -> usize {
    let bytes = line.as_bytes().get(..value).unwrap_or_default();
    let is_gap = |byte: &u8| byte.is_ascii_whitespace() || b"\"'=:".contains(byte);
    let end = bytes.iter().rposition(|byte| !is_gap(byte)).map_or(0, |last| last + 1);
    let marks = if bytes.get(end) == Some(&b'"') { "\"" } else { "\"',{[ \t\r\n" };
    let name = bytes.get(..end).unwrap_or_default();
    name.iter().rposition(|byte| marks.as_bytes().contains(byte)).map_or(0, |mark| mark + 1)
}

/// Whether a number is at this place that is no part of a longer one.
fn stands_alone(line: &str, at: usize, number: &str) -> bool {
    let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let (bytes, end) = (line.as_bytes(), at + number.len());
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    bytes.get(at..end) == Some(number.as_bytes())
        && !before.is_some_and(goes_on)
        && !bytes.get(end).is_some_and(goes_on)
}

fn within((start, end, rule): &Found, from: usize, to: usize) -> Found {
    (*start.max(&from) - from, *end.min(&to) - from, *rule)
}

/// The inside of quotes that are behind the name that ends here.
fn quoted_behind(line: &str, end: usize) -> Option<(usize, usize)> {
    let bytes = line.as_bytes();
    let rest = bytes.get(end..)?;
    let rest = rest.strip_prefix(b"\"").unwrap_or(rest).trim_ascii_start();
    let rest = rest.strip_prefix(b":").or(rest.strip_prefix(b"="))?.trim_ascii_start();
    let [quote @ (b'"' | b'\''), inside @ ..] = rest else { return None };
    let start = bytes.len() - inside.len();
    Some((start, closing(bytes, start, *quote)?.0))
}

/// The last place where a number stands that is no part of a longer one.
pub(super) fn last_alone(line: &str, number: &str) -> Option<usize> {
    let mut places = memchr::memmem::rfind_iter(line.as_bytes(), number);
    places.find(|at| stands_alone(line, *at, number))
}

/// In the order of the text. What overlaps is hidden as a whole, under the name of what began
/// first.
pub(super) fn merged(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_unstable_by_key(|(start, end, rule)| (*start, usize::MAX - *end, *rule));
    found.dedup_by(|next, last| {
        let overlaps = next.0 < last.1;
        if overlaps {
            last.1 = last.1.max(next.1);
        }
        overlaps
    });
    found
}
