use super::*;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

/// Printed by Go's `resource.Quantity`; see `testdata/INDEX.md`.
const VECTORS: &str = include_str!("../../../../testdata/quantities.json");

#[derive(Deserialize)]
struct Recorded {
    vectors: Vec<Vector>,
    /// Texts of equal value side by side, the smallest value first.
    ascending: Vec<Vec<String>>,
}

#[derive(Deserialize)]
struct Vector {
    text: String,
    #[serde(default)]
    canonical: String,
    #[serde(default)]
    error: bool,
}

fn recorded() -> Recorded {
    serde_json::from_str(VECTORS).unwrap()
}

#[test]
fn gitops_4_every_quantity_prints_as_go_prints_it() {
    let mut wrong = Vec::new();
    for Vector { text, canonical, error } in recorded().vectors {
        let ours = Quantity::parse(&text).map(|quantity| quantity.canonical());
        let theirs = (!error).then_some(canonical);
        if ours.clone().ok() != theirs {
            wrong.push(format!("{text:?}: Go {theirs:?}, ours {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn gitops_4_quantities_are_ordered_by_value_as_in_go() {
    let groups = recorded().ascending;
    let parse = |text: &String| Quantity::parse(text).unwrap();
    for group in &groups {
        for text in group {
            assert_eq!(parse(&group[0]), parse(text), "{group:?}");
        }
    }
    for pair in groups.windows(2) {
        assert!(parse(&pair[0][0]) < parse(&pair[1][0]), "{pair:?}");
    }
}

#[test]
fn gitops_4_the_same_amount_in_another_spelling_is_no_change() {
    for (left, right) in [
        (json!("0.1"), json!("100m")),
        (json!("1Gi"), json!("1024Mi")),
        (json!(1), json!("1000m")),
        (json!(0.5), json!("500m")),
        (json!("1e3"), json!("1k")),
        (json!("not one"), json!("not one")),
    ] {
        assert!(same_quantity(&left, &right), "{left} {right}");
    }
    assert!(!same_quantity(&json!("1G"), &json!("1Gi")));
    assert!(!same_quantity(&json!("x"), &json!("y")));
    assert!(!same_quantity(&json!(null), &json!("0")));
}

#[test]
fn gitops_4_a_port_is_the_same_as_a_number_and_as_its_digits() {
    assert!(same_int_or_string(&json!(80), &json!("80")));
    assert!(same_int_or_string(&json!("25%"), &json!("25%")));
    assert!(!same_int_or_string(&json!("080"), &json!(80)));
    assert!(!same_int_or_string(&json!("25%"), &json!(25)));
    assert!(!same_int_or_string(&json!(80), &json!("http")));
}

#[test]
fn the_length_bound_is_exact() {
    assert!(Quantity::parse(&"1".repeat(QUANTITY_BYTES_MAX)).is_ok());
    // The exponent becomes 18: its form is longer than a text may be, and no promise is broken.
    let odd = format!("{}e20", "1".repeat(QUANTITY_BYTES_MAX - 3));
    assert_eq!(Quantity::parse(&odd).unwrap().canonical().len(), QUANTITY_BYTES_MAX + 2);
    crate::fuzzing::quantity_parse(odd.as_bytes());
    let long = "1".repeat(QUANTITY_BYTES_MAX + 1);
    assert_eq!(Quantity::parse(&long), Err(QuantityError::TooLong(QUANTITY_BYTES_MAX + 1)));
}

#[test]
fn an_error_names_the_wrong_part() {
    let error = |text: &str| Quantity::parse(text).unwrap_err().to_string();
    assert_eq!(error("1GB"), "`1GB` is not a quantity");
    assert_eq!(error("1ki"), "`ki` in `1ki` is not a suffix of a quantity");
    assert_eq!(error("Pi"), "`Pi` has no number before its suffix");
    assert_eq!(
        error("1e99999999999"),
        "`e99999999999` in `1e99999999999` is not a suffix of a quantity"
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "[-+]{0,2}[0-9.]{0,24}[eEinumkKMGTP]{0,3}[-+]?[0-9]{0,12}|\\PC{0,12}") {
        crate::fuzzing::quantity_parse(text.as_bytes());
    }

    #[test]
    fn small_quantities_compare_like_their_nanos(
        a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000,
        (x, y) in (0_u32..7, 0_u32..7)
    ) {
        let suffixes = ["n", "u", "m", "", "k", "M", "G"];
        let nanos = |n: i64, s: u32| i128::from(n) * 1000_i128.pow(s);
        let q = |n: i64, s: u32| Quantity::parse(&format!("{n}{}", suffixes[s as usize])).unwrap();
        prop_assert_eq!(q(a, x).cmp(&q(b, y)), nanos(a, x).cmp(&nanos(b, y)));
        prop_assert_eq!(q(a, x) == q(b, y), nanos(a, x) == nanos(b, y));
        let printed = Quantity::parse(&q(a, x).canonical()).unwrap();
        prop_assert_eq!(printed, q(a, x));
    }
}
