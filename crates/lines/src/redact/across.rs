//! What is found in a line as a whole, and what of it goes for the parts that a parser cut it in.

use crate::parsers::closing;
use crate::record::{Field, Span, Value, narrow};

/// What is to be replaced: its start and end in a text, and the number of the rule.
pub(super) type Found = (usize, usize, usize);

/// What is found in a line as a whole, for its parts: a parser may cut a secret in two, or from
/// what makes it one.
pub(super) struct Across {
    pub(super) line: Span,
    /// By rules of ours: a token behind another word, a number with blanks. None overlap.
    pub(super) rules: Vec<Found>,
    /// By patterns. None overlap.
    pub(super) patterns: Vec<Found>,
    /// What the line says of whole numbers that are not behind their names, by their digits.
    pub(super) loose: Vec<Loose>,
}

/// A whole number that is not behind its name in the line.
#[derive(Debug)]
pub(super) struct Loose {
    digits: String,
    /// The last place where it stands and is no part of a longer one.
    pub(super) last: Option<usize>,
    /// The rule of the first finding that has to do with these digits, wherever they stand.
    pub(super) rule: Option<usize>,
}

impl Across {
    /// What rules of ours find in a part of the line.
    pub(super) fn part(&self, part: Span) -> Vec<Found> {
        self.within(&self.rules, part).collect()
    }

    /// What of it lies in the name of a field. A pattern's match that begins with the name, or with
    /// the mark before it, means the value.
    pub(super) fn name(&self, name: Span) -> Vec<Found> {
        let (from, _) = self.place(name).unwrap_or_default();
        let begins = |(start, ..): &&Found| start + 1 < from;
        let first = self.patterns.partition_point(|(_, end, _)| *end <= from);
        let patterns = self.patterns.get(first..).unwrap_or_default();
        let before = patterns.iter().take_while(begins).count();
        let before = patterns.get(..before).unwrap_or_default();
        self.within(&self.rules, name).chain(self.within(before, name)).collect()
    }

    /// What of it lies in the value of a field, or in a message.
    pub(super) fn value(&self, value: Span) -> Vec<Found> {
        self.within(&self.rules, value).chain(self.within(&self.patterns, value)).collect()
    }

    /// What of these findings, of which none overlap, lies in a part of the line.
    fn within<'f>(&self, found: &'f [Found], part: Span) -> impl Iterator<Item = Found> + use<'f> {
        // Nothing is in what is not in the line.
        let (from, to) = self.place(part).unwrap_or_default();
        let first = found.partition_point(|(_, end, _)| *end <= from);
        let begun = found.iter().skip(first).take_while(move |(start, ..)| *start < to);
        begun.map(move |(start, end, rule)| (*start.max(&from) - from, *end.min(&to) - from, *rule))
    }

    /// Where a whole number is: behind its name, as it is written. Of equal names it is the first.
    pub(super) fn number(&self, line: &str, name: Span, text: &str) -> Option<Span> {
        let (_, end) = self.place(name)?;
        let gap = |byte: &u8| matches!(byte, b'"' | b':') || byte.is_ascii_whitespace();
        let start = end + line.as_bytes().get(end..)?.iter().take_while(|byte| gap(byte)).count();
        let place = self.line.part(narrow(start), narrow(start + text.len()));
        stands_alone(line, start, text).then_some(place)
    }

    /// Looks for the numbers among these fields that are not behind their names.
    pub(super) fn find_loose(&mut self, line: &str, fields: &[Field]) {
        let loose = fields.iter().filter_map(|field| {
            let digits = digits(field.value)?;
            self.number(line, field.key, &digits).is_none().then_some(digits)
        });
        let found = self.rules.iter().chain(&self.patterns).copied().collect();
        self.loose = Loose::all(loose.collect(), merged(found), words(line));
    }

    /// What the line says of a number that is not behind its name.
    pub(super) fn loose(&self, digits: &str) -> Option<&Loose> {
        let at = self.loose.binary_search_by(|one| one.digits.as_str().cmp(digits));
        self.loose.get(at.ok()?)
    }

    /// The value of a text that the line has with escapes, as it stands between quotes behind its
    /// name. Of equal names each one's.
    pub(super) fn quoted<'l>(
        &self,
        line: &'l str,
        name: Span,
    ) -> impl Iterator<Item = (Span, &'l str)> {
        let (start, end) = self.place(name).unwrap_or_default();
        let (name, rest) = (line.get(start..end), line.get(start..));
        let (name, rest) = (name.unwrap_or_default(), rest.unwrap_or_default());
        // An empty name would be found everywhere.
        let names = memchr::memmem::find_iter(rest.as_bytes(), name).filter(|_| !name.is_empty());
        let whole = self.line;
        names.filter_map(move |at| {
            let (from, to) = quoted_behind(line, start + at + name.len())?;
            Some((whole.part(narrow(from), narrow(to)), line.get(from..to)?))
        })
    }

    /// Where in the line a part of it is that is not empty.
    pub(super) fn place(&self, part: Span) -> Option<(usize, usize)> {
        let (line, part) = (self.line.range(), part.range());
        let is_in = line.start <= part.start && part.end <= line.end && !part.is_empty();
        is_in.then(|| (part.start - line.start, part.end - line.start))
    }
}

/// Whether a number is at this place that is no part of a longer one.
fn stands_alone(line: &str, at: usize, number: &str) -> bool {
    let (bytes, end) = (line.as_bytes(), at + number.len());
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    bytes.get(at..end) == Some(number.as_bytes())
        && !before.is_some_and(|byte| goes_on(*byte))
        && !bytes.get(end).is_some_and(|byte| goes_on(*byte))
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

/// A whole number as it is written.
pub(super) fn digits(value: Value) -> Option<String> {
    match value {
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        _ => None,
    }
}

impl Loose {
    /// What the words of a line say of these numbers, each looked at once. The findings are in
    /// their order, and none overlap.
    fn all<'l>(
        mut numbers: Vec<String>,
        found: Vec<Found>,
        words: impl Iterator<Item = (usize, &'l str)>,
    ) -> Vec<Self> {
        numbers.sort_unstable();
        numbers.dedup();
        let loose = numbers.into_iter().map(|digits| Self { digits, last: None, rule: None });
        let mut loose: Vec<Self> = loose.collect();
        if loose.is_empty() {
            return loose;
        }
        let mut found = found.into_iter().peekable();
        for (at, word) in words {
            let number = loose.binary_search_by(|one| one.digits.as_str().cmp(word));
            let Some(number) = number.ok().and_then(|number| loose.get_mut(number)) else {
                continue;
            };
            while found.next_if(|(_, end, _)| *end <= at).is_some() {}
            let reaching = found.peek().filter(|(start, ..)| *start < at + word.len());
            number.rule = number.rule.or(reaching.map(|(.., rule)| *rule));
            number.last = Some(at);
        }
        loose
    }
}

/// What a number goes on with.
fn goes_on(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)
}

/// What may be whole numbers, and what stands in their place, with where they begin.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let ends = |one: char| !u8::try_from(one).is_ok_and(goes_on);
    let mut next = 0;
    line.split_inclusive(ends).map(move |word| {
        let at = next;
        next += word.len();
        (at, word.trim_end_matches(ends))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r29_a_line_is_passed_over_once_whatever_numbers_are_looked_for_in_it() {
        let numbers = || (0..256).map(|number: u32| number.to_string()).collect::<Vec<String>>();
        let line = "7,-1 300 é3. x12=12 12 1e5 ".repeat(1_000);
        let found = vec![(2, 4, 5), (line.len() - 9, line.len() - 3, 6)];
        let mut looked = 0;
        let loose = Loose::all(numbers(), found, words(&line).inspect(|_| looked += 1));
        assert_eq!(looked, 9_000);
        let last = line.len() - 28;
        for one in &loose {
            let wanted = match one.digits.as_str() {
                "7" => (Some(last), None),
                "12" => (Some(last + 21), Some(6)),
                _ => (None, None),
            };
            assert_eq!((one.last, one.rule), wanted, "{}", one.digits);
        }
        let none = Loose::all(Vec::new(), Vec::new(), words(&line).inspect(|_| looked += 1));
        assert_eq!((none.len(), looked), (0, 9_000), "a line without such numbers is not read");
    }
}
