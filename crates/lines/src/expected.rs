//! What leads to the members of a JSON object: lines of one program are much alike, so at each
//! place the bytes between two values are compared first with those of the line before, and what
//! the name in them is for is known then.
//!
//! Bytes are expected only when they were read there, with a name without escapes, so equal bytes
//! mean the same. Memory: [`PLACES_MAX`] times less than 100 bytes.

use crate::draft::{FIELDS_MAX, Wanted};
use crate::json::scan::Marks;
use crate::json::walk::{GAP, Part, Step};

/// So many places are remembered. Where one is expected there is room for a field.
const PLACES_MAX: usize = 64;
const _: () = assert!(PLACES_MAX < FIELDS_MAX);

/// Names by their places in the object.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    /// The number of the plan under which they were learned.
    plan: u64,
    names: Vec<Name>,
}

#[derive(Debug, Clone, Copy)]
struct Name {
    /// The bytes that lead to the value, and which of a gap those are.
    text: [u8; GAP],
    mask: [u8; GAP],
    step: Step<Option<Wanted>>,
}

impl Default for Name {
    /// What is never there: no text has such a byte.
    fn default() -> Self {
        let nowhere = Part { start: 0, len: 0 };
        let step = Step { key: nowhere, length: 0, is_text: false, known: None };
        Self { text: [u8::MAX; GAP], mask: [u8::MAX; GAP], step }
    }
}

impl Expected {
    /// Forgets all under another plan, because what a name is for depends on it.
    pub(crate) fn follow(&mut self, plan: u64) {
        if self.plan != plan {
            self.plan = plan;
            self.names.clear();
        }
    }

    /// The step to the value at this place, when the rest of the line begins with what was read
    /// there.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each member of each line")]
    pub(crate) fn step(
        &self,
        place: usize,
        rest: &[u8],
        marks: impl Marks,
    ) -> Option<&Step<Option<Wanted>>> {
        let name = self.names.get(place)?;
        let leads = |gap: &[u8; GAP]| marks.equal(gap, &name.text, &name.mask);
        let equal = match rest.first_chunk() {
            Some(gap) => leads(gap),
            None => leads(&padded(rest)),
        };
        equal.then_some(&name.step)
    }

    /// These bytes, which the step tells about, lead to the value at this place.
    pub(crate) fn learn(&mut self, place: usize, gap: &[u8], step: Step<Option<Wanted>>) {
        if place >= PLACES_MAX {
            return;
        }
        if self.names.len() <= place {
            self.names.resize(place + 1, Name::default());
        }
        let Some(known) = self.names.get_mut(place) else { return };
        *known = Name::default();
        if gap.len() > GAP {
            return;
        }
        let (mut text, mut mask) = ([0; GAP], [0; GAP]);
        let places = text.iter_mut().zip(&mut mask);
        places.zip(gap).for_each(|((text, mask), byte)| (*text, *mask) = (*byte, u8::MAX));
        *known = Name { text, mask, step };
    }
}

/// The last bytes of a line, with NULs after them, which lead to no value.
#[inline(never)]
fn padded(rest: &[u8]) -> [u8; GAP] {
    let mut gap = [0; GAP];
    gap.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    gap
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::scan::Index;

    fn step(length: usize) -> Step<Option<Wanted>> {
        let key = Part { start: 2, len: 1 };
        Step { key, length: u32::try_from(length).unwrap(), is_text: true, known: None }
    }

    fn length(expected: &Expected, place: usize, text: &str) -> Option<u32> {
        let index = Index::default();
        let length = |text: &str| {
            expected.step(place, text.as_bytes(), index.marks()).map(|step| step.length)
        };
        let found = length(text);
        assert_eq!(length(&format!("{text:32}")), found, "{text}");
        found
    }

    #[test]
    fn a_name_is_expected_at_its_place_and_nowhere_else_and_only_as_it_was() {
        let mut expected = Expected::default();
        let gap = r#"","level":""#;
        expected.learn(1, gap.as_bytes(), step(gap.len()));
        assert_eq!(length(&expected, 1, r#"","level":"info"#), Some(11));
        for other in [
            r#"","levels":""#,
            r#"","leve":""#,
            r#"","level" :""#,
            r#"", "level":""#,
            r#","level":""#,
            r#"","level":1"#,
            r#"","lével":""#,
            "",
        ] {
            assert_eq!(length(&expected, 1, other), None, "{other}");
        }
        assert_eq!(length(&expected, 0, gap), None);
        assert_eq!(length(&expected, 2, gap), None);
        expected.follow(1);
        assert_eq!(length(&expected, 1, gap), None);
    }

    #[test]
    fn what_is_too_long_or_too_far_is_never_expected() {
        let mut expected = Expected::default();
        for (place, name, is_known) in
            [(0, 26, true), (1, 27, false), (PLACES_MAX - 1, 1, true), (PLACES_MAX, 1, false)]
        {
            let gap = format!("\",\"{}\":\"", "n".repeat(name));
            expected.learn(place, gap.as_bytes(), step(gap.len()));
            let wanted = is_known.then(|| u32::try_from(gap.len()).unwrap());
            assert_eq!(length(&expected, place, &gap), wanted, "{gap}");
        }
        assert_eq!(expected.names.len(), PLACES_MAX);
        expected.learn(0, b"{\"a\":\"", step(6));
        expected.learn(0, &[b' '; GAP + 1], step(GAP + 1));
        assert_eq!(length(&expected, 0, "{\"a\":\""), None, "the last one counts");
    }
}
