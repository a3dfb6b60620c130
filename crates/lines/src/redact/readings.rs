//! What a text says when its escapes are read, for texts of which nobody knows whether a backslash
//! is one: a line as it was written, and nested values.
//!
//! Escapes are those of JSON. What is within a text of JSON within another one is escaped again, so
//! they are read [`READINGS`] times, the last time however often they are escaped. Memory: as much
//! as the text for each time, and 8 bytes for each escape.

use crate::json::text;
use crate::record::narrow;

/// How often escapes are read.
const READINGS: usize = 3;

/// A text with its escapes read.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) text: String,
    /// For each escape, where it ends in this text and in the one that it was read from.
    ends: Vec<(u32, u32)>,
}

impl Reading {
    /// `None` when there is nothing to be read. What is no escape stays as it is. With `rows`, a
    /// row of backslashes counts as one.
    fn of(text: &str, rows: bool) -> Option<Self> {
        let mut read = Self { text: String::new(), ends: Vec::new() };
        let mut rest = text;
        while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
            let after = rest.as_bytes().get(at + 1..)?;
            let more = after.iter().take_while(|byte| rows && **byte == b'\\').count();
            let (plain, escape) = (rest.get(..at)?, rest.get(at + more..)?);
            let taken = match text::character(escape.as_bytes()) {
                Some((one, taken)) => {
                    read.text.push_str(plain);
                    read.text.push(one);
                    let end = text.len() - escape.len() + taken;
                    read.ends.push((narrow(read.text.len()), narrow(end)));
                    at + more + taken
                }
                None => {
                    let taken = at + more + 1;
                    read.text.push_str(rest.get(..taken)?);
                    taken
                }
            };
            rest = rest.get(taken..)?;
        }
        read.text.push_str(rest);
        (!read.ends.is_empty()).then_some(read)
    }

    /// Where a place of this text, between two characters, is in the one that it was read from.
    fn before(&self, at: usize) -> usize {
        let escapes = self.ends.partition_point(|(end, _)| *end as usize <= at);
        let last = escapes.checked_sub(1).and_then(|last| self.ends.get(last));
        let (here, there) = last.copied().unwrap_or_default();
        at - here as usize + there as usize
    }
}

/// The text with its escapes read once, twice and so on, while that makes a difference.
pub(super) fn readings(text: &str) -> Vec<Reading> {
    let mut readings: Vec<Reading> = Vec::new();
    while readings.len() < READINGS {
        let last = readings.last().map_or(text, |reading| &reading.text);
        let Some(next) = Reading::of(last, readings.len() + 1 == READINGS) else { break };
        readings.push(next);
    }
    readings
}

/// Where a place of the last of these readings is in the text itself.
pub(super) fn in_text(readings: &[Reading], at: usize) -> usize {
    readings.iter().rev().fold(at, |at, reading| reading.before(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    fn read(text: &str) -> Vec<String> {
        readings(text).into_iter().map(|reading| reading.text).collect()
    }

    #[test]
    fn r29_escapes_are_read_three_times_and_then_however_often_they_are_escaped() {
        for (text, wanted) in [
            ("", &[][..]),
            (r"C:\Users\ \x \", &[]),
            (r#"a\"\/\n\u0041\ud83d\ude00b"#, &["a\"/\nA😀b"]),
            (r#"\\\"a\\n\\x"#, &[r#"\"a\n\x"#, "\"a\n\\x"]),
            (r"\u005cu0041", &[r"\u0041", "A"]),
            (r"\\\\n", &[r"\\n", r"\n", "\n"]),
            (r"\\\\\\\\\\\\\\\\n", &[r"\\\\\\\\n", r"\\\\n", "\n"]),
            (r"é\né", &["é\né"]),
        ] {
            assert_eq!(read(text), wanted, "{text}");
        }
    }

    #[test]
    fn r29_a_row_of_backslashes_is_read_once_each_time() {
        let text = "\\".repeat(1 << 20);
        let lengths = |text: &str| read(text).iter().map(String::len).collect::<Vec<usize>>();
        assert_eq!(lengths(&text), [1 << 19, 1 << 18]);
        assert_eq!(lengths(&format!("{text}n")), [(1 << 19) + 1, (1 << 18) + 1, 1]);
    }

    proptest! {
        #[test]
        fn r29_what_is_found_in_a_reading_lies_where_it_was_escaped(
            before in r#"(\\|n|"|u0041|é|😀|[a-z]){0,12}"#,
            secret in r#"["/\n\\éa]{1,6}"#,
            times in 1..=3_usize,
            after in "(é|[a-z]){0,4}",
            pick in any::<prop::sample::Index>(),
        ) {
            let escape = |text: &str| {
                let quoted = serde_json::to_string(text).unwrap();
                quoted.get(1..quoted.len() - 1).unwrap().to_owned()
            };
            let escaped = |text: &str| (0..times).fold(text.to_owned(), |text, _| escape(&text));
            let text = format!("{}{}{after}", escaped(&before), escaped(&secret));
            let all = readings(&text);
            if let Some(reading) = all.get(times - 1) && times < READINGS {
                let whole = format!("{before}{secret}{after}");
                prop_assert_eq!(&reading.text, &whole);
                let (start, end) = (before.len(), before.len() + secret.len());
                let (from, to) = (in_text(&all[..times], start), in_text(&all[..times], end));
                let found = (from, text.get(from..to).unwrap());
                prop_assert_eq!(found, (escaped(&before).len(), &*escaped(&secret)));
            }
            // No place of any reading is within a character.
            for count in 1..=all.len() {
                let read = &all[count - 1].text;
                let places: Vec<usize> = read.char_indices().map(|(at, _)| at).collect();
                if !places.is_empty() {
                    let at = in_text(&all[..count], *pick.get(&places));
                    prop_assert!(text.is_char_boundary(at));
                }
            }
        }
    }
}
