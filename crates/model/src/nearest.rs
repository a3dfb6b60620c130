//! "Did you mean": the closest known word to one that is unknown.

/// At most this share of a word may differ for another to be offered: one edit in three letters.
const LETTERS_PER_EDIT: usize = 3;
/// Longer words are not compared; nobody mistypes them and the cost is quadratic.
const WORD_CHARS_MAX: usize = 64;

/// The known word that `word` most likely meant: fewest edits (insertion, deletion, replacement
/// or swap of neighbours, case ignored), then the first in the list. `None` when nothing is near.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let chars: Vec<char> = word.to_lowercase().chars().collect();
    let limit = chars.len().max(LETTERS_PER_EDIT) / LETTERS_PER_EDIT;
    if chars.len() > WORD_CHARS_MAX {
        return None;
    }
    known
        .into_iter()
        .filter(|candidate| *candidate != word && candidate.len() <= 4 * WORD_CHARS_MAX)
        .map(|candidate| {
            (edits(&chars, &candidate.to_lowercase().chars().collect::<Vec<_>>()), candidate)
        })
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance.
fn edits(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, l) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, r) in right.iter().enumerate() {
            let at =
                |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&above, column) + usize::from(l != r))
                .min(at(&above, column + 1) + 1)
                .min(at(&current, column) + 1);
            let swapped = row > 0
                && column > 0
                && left.get(row - 1) == Some(r)
                && right.get(column - 1) == Some(l);
            if swapped {
                best = best.min(at(&before, column - 1) + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_word_is_offered_and_a_far_one_is_not() {
        let known = ["replicas", "selector", "template", "strategy"];
        assert_eq!(nearest("replcias", known), Some("replicas"));
        assert_eq!(nearest("Selector", known), Some("selector"));
        assert_eq!(nearest("templates", known), Some("template"));
        assert_eq!(nearest("paused", known), None);
        assert_eq!(nearest("", known), None);
    }

    proptest::proptest! {
        #[test]
        fn a_distance_is_symmetric_and_zero_only_for_equal_words(a in "[a-d]{0,8}", b in "[a-d]{0,8}") {
            let (left, right): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
            proptest::prop_assert_eq!(edits(&left, &right), edits(&right, &left));
            proptest::prop_assert_eq!(edits(&left, &right) == 0, a == b);
        }
    }
}
