//! A record with something to hide is written anew, without it.

use super::across::{Across, Found, digits, merged};
use super::readings::{in_text, readings};
use super::survey::Survey;
use super::{Active, Redaction, Replacement};
use crate::json::scan::Index;
use crate::json::walk;
use crate::record::{Field, Record, Span, Value, narrow};
use crate::texts::Texts;

/// The least number with the digits of a card.
const CARD_NUMBER_MIN: u64 = 1_000_000_000_000;

/// A record's new texts.
#[derive(Default)]
struct Rewrite {
    text: String,
    base: u32,
    changed: bool,
}

impl Redaction {
    /// Replaces what nobody may see in a record whose texts are the last of the block. `message` is
    /// the name of its message, or empty. `given_up` are the fields of the line that the record
    /// does not have, and its message.
    #[inline]
    pub(crate) fn apply(
        &self,
        block: &mut Texts,
        record: &mut Record,
        message: Span,
        given_up: &[Field],
    ) -> bool {
        let line = block.text(record.line);
        let mut survey = Survey::of(line.as_bytes());
        // Members of JSON have marks around them. Other parsers may cut a row of digits in two.
        let no_fields = block.unfinished_fields().is_empty() && given_up.is_empty();
        let is_whole = record.body == record.line && no_fields;
        if !record.plain && !is_whole {
            survey.cards = survey.rows;
        }
        let suspicious = self.rules.iter().any(|rule| rule.suspects(&survey, line))
            || self.suspects_ends(line, record, is_whole)
            || self.suspects_decoded(line, block, record);
        suspicious
            && self.may_find(line, &survey, block, record, given_up)
            && self.rewrite(block, record, message, given_up)
    }

    /// Whether a part of the line may match a pattern that asks what is around a match, where the
    /// line itself does not. The marks of JSON are no part of words, as the ends of a text are.
    #[inline]
    fn suspects_ends(&self, line: &str, record: &Record, is_whole: bool) -> bool {
        (self.has_anchors || self.has_word_ends && !record.plain)
            && (!is_whole || has_escapes(line, record))
    }

    /// Whether a suspicion is worth to write the record anew. Long numbers are suspicious and
    /// common: a look at each text finds out that there is nothing, and copies none of them. What
    /// stands in the line between quotes was looked at with it.
    fn may_find(
        &self,
        line: &str,
        survey: &Survey,
        block: &Texts,
        record: &Record,
        given_up: &[Field],
    ) -> bool {
        if has_escapes(line, record) {
            return true;
        }
        let has_patterns = self.has_patterns();
        // A number is of interest to no rule of ours unless it is as long as that of a card.
        let least = if has_patterns { 0 } else { CARD_NUMBER_MIN };
        let finds = |span: Span| {
            (has_patterns || !is_quoted(line, record.line, span)) && self.finds(block.text(span))
        };
        self.finds_in(line, survey)
            || (record.body != record.line && finds(record.body))
            || finds(record.severity_text)
            || block.unfinished_fields().iter().chain(given_up).any(|field| {
                finds(field.key)
                    || match field.value {
                        Value::Str(span) | Value::Json(span) => finds(span),
                        Value::Int(number) => {
                            number.unsigned_abs() >= least && self.finds(&number.to_string())
                        }
                        Value::UInt(number) => number >= least && self.finds(&number.to_string()),
                        // Marks are around a number as quotes are around a text.
                        Value::Number(span) => has_patterns && finds(span),
                        Value::Bool(_) | Value::Null => false,
                    }
            })
    }

    fn finds(&self, text: &str) -> bool {
        self.finds_in(text, &Survey::of(text.as_bytes()))
    }

    fn finds_in(&self, text: &str, survey: &Survey) -> bool {
        self.rules.iter().any(|rule| {
            let mut found = false;
            if rule.suspects(survey, text) {
                rule.find(survey, text, &mut |start, end| found |= start < end);
            }
            found
        })
    }

    #[inline]
    fn suspects(&self, text: &str) -> bool {
        let survey = Survey::of(text.as_bytes());
        self.rules.iter().any(|rule| rule.suspects(&survey, text))
    }

    /// Whether a text that was decoded from the line, and so looks different in it, may have
    /// something to hide.
    fn suspects_decoded(&self, line: &str, block: &Texts, record: &Record) -> bool {
        if !has_escapes(line, record) {
            return false;
        }
        let end = record.line.range().end;
        let decoded = |span: Span| span.range().start >= end && self.suspects(block.text(span));
        // But for letters that are escaped, rules of ours suspect what they find then in the line
        // as it is.
        let reads = self.has_patterns() || memchr::memmem::find(line.as_bytes(), b"\\u").is_some();
        reads && readings(line).iter().any(|reading| self.suspects(&reading.text))
            || decoded(record.body)
            || block.unfinished_fields().iter().any(|field| {
                let value = matches!(field.value, Value::Str(span) if decoded(span));
                value || decoded(field.key)
            })
    }

    fn has_patterns(&self) -> bool {
        self.rules.iter().any(|rule| matches!(rule, Active::Custom(_)))
    }

    #[cold]
    fn rewrite(
        &self,
        block: &mut Texts,
        record: &mut Record,
        message: Span,
        given_up: &[Field],
    ) -> bool {
        let base = record.line.start;
        let mut new = Rewrite { text: String::new(), base, changed: false };
        let (mut found, text) = (Vec::new(), block.text(record.line));
        self.search(text, &mut found);
        let mut across = self.across(record.line, &found);
        let mut parts: Vec<Field> = block.unfinished_fields().to_vec();
        parts.extend_from_slice(given_up);
        across.find_loose(text, &parts);
        self.search_parts(block, &parts, &across, &mut found);
        let whole = record.body == record.line;
        new.changed |= self.replace(text, found, &mut new.text);
        let line = new.written(0);
        let body = if whole {
            line
        } else {
            self.span(
                block,
                record.body,
                self.around(block, &across, message, record.body),
                &mut new,
            )
        };
        let severity_text = across.part(record.severity_text);
        let severity_text = self.span(block, record.severity_text, severity_text, &mut new);
        let fields: Vec<Field> = block.unfinished_fields().to_vec();
        let mut rewritten = Vec::with_capacity(fields.len());
        for Field { key: name, value } in fields {
            let key = self.span(block, name, across.name(name), &mut new);
            let value = match value {
                Value::Str(span) => {
                    let found = self.around(block, &across, name, span);
                    Value::Str(self.span(block, span, found, &mut new))
                }
                Value::Json(span) => self.json(block.text(span), across.value(span), &mut new),
                Value::Number(span) => self.decimal(block.text(span), across.value(span), &mut new),
                Value::Int(_) | Value::UInt(_) => {
                    self.number(block, name, value, &across, &mut new)
                }
                Value::Bool(_) | Value::Null => value,
            };
            rewritten.push(Field { key, value });
        }
        if !new.changed {
            return false;
        }
        block.replace_open(base, &new.text, &rewritten);
        (record.line, record.body, record.severity_text) = (line, body, severity_text);
        true
    }

    /// What is found in the text of a field, or of the message, by what is around it in the line.
    /// Of a text that the line has only with escapes it is all, when its name makes it a secret.
    fn around(&self, block: &Texts, across: &Across, name: Span, text: Span) -> Vec<Found> {
        if across.place(text).is_some() {
            return across.value(text);
        }
        for (raw, inside) in across.quoted(block.text(across.line), name) {
            let found = across.value(raw);
            if found.is_empty() {
                continue;
            }
            let mut alone = Vec::new();
            self.search(inside, &mut alone);
            let alone = merged(alone);
            let is_alone = |(start, end, _): &Found| {
                let next = alone.partition_point(|(_, end, _)| end <= start);
                alone.get(next).is_some_and(|(from, to, _)| from <= start && end <= to)
            };
            if let Some((.., rule)) = found.iter().find(|found| !is_alone(found)) {
                return vec![(0, text.len as usize, *rule)];
            }
        }
        Vec::new()
    }

    /// Writes a text without what nobody may see. A text of an earlier record stays where it is.
    fn span(&self, block: &Texts, span: Span, found: Vec<Found>, new: &mut Rewrite) -> Span {
        if span.start < new.base {
            return span;
        }
        let from = new.text.len();
        new.changed |= self.write(block.text(span), found, &mut new.text);
        new.written(from)
    }

    /// JSON stays JSON where that is possible, and becomes text where it is not.
    fn json(&self, text: &str, found: Vec<Found>, new: &mut Rewrite) -> Value {
        let from = new.text.len();
        if !self.write(text, found, &mut new.text) {
            return Value::Json(new.written(from));
        }
        new.changed = true;
        let wrapped = format!("{{\"\":{}}}", new.text.get(from..).unwrap_or_default());
        let valid = walk::object(&wrapped, &mut Index::default(), |_: walk::Member| {}).is_some();
        let span = new.written(from);
        if valid { Value::Json(span) } else { Value::Str(span) }
    }

    /// A number stays what it is, unless a part of it is a secret.
    fn decimal(&self, text: &str, found: Vec<Found>, new: &mut Rewrite) -> Value {
        let from = new.text.len();
        let changed = self.write(text, found, &mut new.text);
        new.changed |= changed;
        let span = new.written(from);
        if changed { Value::Str(span) } else { Value::Number(span) }
    }

    /// A number that is a secret becomes text.
    fn number(
        &self,
        block: &Texts,
        name: Span,
        value: Value,
        across: &Across,
        new: &mut Rewrite,
    ) -> Value {
        let Some(text) = digits(value) else { return value };
        let line = block.text(across.line);
        let found = match across.number(line, name, &text) {
            Some(place) => across.value(place),
            None => {
                let rule = across.loose(&text).and_then(|loose| loose.rule);
                rule.map(|rule| (0, text.len(), rule)).into_iter().collect()
            }
        };
        let from = new.text.len();
        if self.write(&text, found, &mut new.text) {
            new.changed = true;
            return Value::Str(new.written(from));
        }
        new.text.truncate(from);
        value
    }

    /// Appends the text with replacements, also of what was `found` in it by what is around it;
    /// whether there were any.
    fn write(&self, text: &str, mut found: Vec<Found>, out: &mut String) -> bool {
        self.search(text, &mut found);
        self.replace(text, found, out)
    }

    /// The same when everything was found already.
    fn replace(&self, text: &str, found: Vec<Found>, out: &mut String) -> bool {
        let mut at = 0;
        for (start, end, rule) in merged(found) {
            out.push_str(text.get(at..start).unwrap_or_default());
            let secret = text.get(start..end).unwrap_or_default();
            let name = self.rules.get(rule).map_or("redacted", |rule| rule.name());
            Replacement::write(&self.replacement, name, secret, out);
            at = end;
        }
        out.push_str(text.get(at..).unwrap_or_default());
        at > 0
    }

    /// What the rules find in a text. Written with escapes it is in a line, without them it is what
    /// a reader sees; nobody knows whether a backslash is one, so it is one and none.
    fn search(&self, text: &str, found: &mut Vec<Found>) {
        self.search_as_is(text, found);
        let readings = readings(text);
        for (number, reading) in readings.iter().enumerate() {
            let (from, read) = (found.len(), readings.get(..=number).unwrap_or_default());
            self.search_as_is(&reading.text, found);
            for (start, end, _) in found.iter_mut().skip(from) {
                (*start, *end) = (in_text(read, *start), in_text(read, *end));
            }
        }
    }

    fn search_as_is(&self, text: &str, found: &mut Vec<Found>) {
        let survey = Survey::of(text.as_bytes());
        for (number, rule) in self.rules.iter().enumerate() {
            if rule.suspects(&survey, text) {
                rule.find(&survey, text, &mut |start, end| {
                    if start < end {
                        found.push((start, end, number));
                    }
                });
            }
        }
    }

    /// What of this goes for parts of the line. A mail address may have the marks in it that stand
    /// between fields, and is found in a field alone.
    fn across(&self, line: Span, found: &[Found]) -> Across {
        let (mut rules, mut patterns) = (Vec::new(), Vec::new());
        for one in found {
            match self.rules.get(one.2) {
                Some(Active::Builtin(rule)) if rule.name != "email" => rules.push(*one),
                Some(Active::Custom(_)) => patterns.push(*one),
                _ => {}
            }
        }
        Across { line, rules: merged(rules), patterns: merged(patterns), loose: Vec::new() }
    }

    /// What patterns find in fields, which have other ends than the line that they stand in.
    fn search_parts(
        &self,
        block: &Texts,
        parts: &[Field],
        across: &Across,
        found: &mut Vec<Found>,
    ) {
        if !self.has_patterns() {
            return;
        }
        let line = block.text(across.line);
        for field in parts {
            let number = digits(field.value);
            let (text, at) = match (field.value, &number) {
                (_, Some(number)) => (number.as_str(), None),
                (Value::Str(span) | Value::Json(span) | Value::Number(span), _) => {
                    let Some((at, _)) = across.place(span) else { continue };
                    (block.text(span), Some(at))
                }
                _ => continue,
            };
            let mut inside = Vec::new();
            self.search(text, &mut inside);
            if inside.is_empty() {
                continue;
            }
            let number = || match across.number(line, field.key, text) {
                Some(place) => across.place(place).map(|(at, _)| at),
                None => across.loose(text).and_then(|loose| loose.last),
            };
            let Some(at) = at.or_else(number) else { continue };
            found.extend(inside.iter().map(|(start, end, rule)| (at + start, at + end, *rule)));
        }
    }
}

impl Rewrite {
    fn written(&self, from: usize) -> Span {
        Span { start: self.base + narrow(from), len: narrow(self.text.len() - from) }
    }
}

/// Whether a part of the line may mean another text than it shows.
#[inline]
fn has_escapes(line: &str, record: &Record) -> bool {
    !record.plain && memchr::memchr(b'\\', line.as_bytes()).is_some()
}

/// Whether a part of the line stands between quotes, which end whatever a rule may find: there is
/// nothing in it alone when there is nothing in the line.
#[inline]
fn is_quoted(line: &str, at: Span, part: Span) -> bool {
    let Some(start) = part.start.checked_sub(at.start) else { return false };
    let (start, bytes) = (start as usize, line.as_bytes());
    let before = start.checked_sub(1).and_then(|before| bytes.get(before));
    before == Some(&b'"') && bytes.get(start + part.len as usize) == Some(&b'"')
}
