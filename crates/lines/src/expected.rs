//! What the members of a JSON object are expected to be: lines of one program are much alike, so
//! at each place the name of the line before is compared first, and what it is for is known then.
//!
//! A name is expected only when it was read there without escapes, so equal bytes are that name.
//! Memory: [`PLACES_MAX`] names.

use crate::draft::Wanted;
use crate::json::walk::HEAD;

/// So many places are remembered.
const PLACES_MAX: usize = 32;

/// Names by their places in the object.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    names: Vec<Name>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Name {
    /// The name in quotes with a colon, and which of the bytes that is.
    text: u128,
    mask: u128,
    /// The name's length; 0 when none is expected.
    length: usize,
    wanted: Option<Wanted>,
}

impl Expected {
    /// Forgets all: what a name is for depends on the plan.
    pub(crate) fn clear(&mut self) {
        self.names.clear();
    }

    /// The length of the name that is expected at this place, and what it is for, when a member
    /// begins with it.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "run for each member of each line")]
    pub(crate) fn name(&self, place: usize, head: &[u8; HEAD]) -> Option<(usize, Option<Wanted>)> {
        let name = self.names.get(place)?;
        let same = (u128::from_le_bytes(*head) ^ name.text) & name.mask == 0;
        (same && name.length != 0).then_some((name.length, name.wanted))
    }

    /// A member at this place has this name, without escapes.
    pub(crate) fn learn(&mut self, place: usize, name: &[u8], wanted: Option<Wanted>) {
        if place >= PLACES_MAX {
            return;
        }
        if self.names.len() <= place {
            self.names.resize(place + 1, Name::default());
        }
        let Some(known) = self.names.get_mut(place) else { return };
        let (mut text, mut mask) = ([0; HEAD], [0; HEAD]);
        let whole = [b"\"".as_slice(), name, b"\":"];
        let places = text.iter_mut().zip(&mut mask);
        let bytes = whole.into_iter().flatten();
        places.zip(bytes).for_each(|((text, mask), byte)| (*text, *mask) = (*byte, u8::MAX));
        let length = if name.len() + 3 <= HEAD { name.len() } else { 0 };
        let (text, mask) = (u128::from_le_bytes(text), u128::from_le_bytes(mask));
        *known = Name { text, mask, length, wanted };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(expected: &Expected, place: usize, text: &str) -> Option<usize> {
        let head = *format!("{text:16}").as_bytes().first_chunk().unwrap();
        expected.name(place, &head).map(|(length, _)| length)
    }

    #[test]
    fn a_name_is_expected_at_its_place_and_nowhere_else_and_only_as_it_was() {
        let mut expected = Expected::default();
        expected.learn(1, b"level", None);
        assert_eq!(length(&expected, 1, "\"level\":1"), Some(5));
        for other in ["\"levels\":1", "\"leve\":1", "\"level\" :1", " \"level\":", "\"lével\":"] {
            assert_eq!(length(&expected, 1, other), None, "{other}");
        }
        assert_eq!(length(&expected, 0, "\"level\":1"), None);
        assert_eq!(length(&expected, 2, "\"level\":1"), None);
        expected.clear();
        assert_eq!(length(&expected, 1, "\"level\":1"), None);
    }

    #[test]
    fn what_is_too_long_or_empty_or_too_far_is_never_expected() {
        let mut expected = Expected::default();
        for (place, name, wanted) in [
            (0, "", None),
            (1, "a", Some(1)),
            (2, "thirteen_byte", Some(13)),
            (3, "fourteen_bytes", None),
            (PLACES_MAX, "far", None),
        ] {
            expected.learn(place, name.as_bytes(), None);
            assert_eq!(length(&expected, place, &format!("\"{name}\":")), wanted, "{name}");
        }
        assert_eq!(expected.names.len(), 4);
    }
}
