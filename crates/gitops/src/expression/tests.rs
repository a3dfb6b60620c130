use super::*;
use proptest::prelude::*;
use serde_json::json;

fn run(text: &str, document: &Json) -> Result<Json, ExpressionError> {
    Expression::compile(text, &["self"])?.evaluate(&[("self", document)])
}

fn error(text: &str) -> String {
    run(text, &json!({"a": [1], "s": "x"})).unwrap_err().to_string()
}

#[test]
fn expressions_mean_what_cel_says() {
    let document = json!({
        "n": 3, "d": 1.5, "s": "web-1", "big": u64::MAX, "none": null,
        "list": [1, 2, 3], "map": {"a": 1, "b": 2},
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "Synced", "status": "False"}],
    });
    let vectors = [
        ("1 + 2 * 3 - 4 / 2 % 3", json!(5)),
        ("-self.n + 0x10", json!(13)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("(1 + 2) * 3", json!(9)),
        ("7u % 4u", json!(3)),
        ("1.5 + .5e1", json!(6.5)),
        ("self.d > 1 && self.n == 3.0 && 1 < 1.5 && 2u == 2", json!(true)),
        ("self.big > 9223372036854775807", json!(true)),
        ("'a' + \"b\" + r'\\n' + '\\u00e4\\x41' + '''c'd'''", json!("ab\\näAc'd")),
        ("'a' < 'b' && 'a' != 1", json!(true)),
        ("self.n > 2 ? 'yes' : 'no'", json!("yes")),
        ("true ? 1 : true ? 2 : 3", json!(1)),
        ("has(self.map.a) && !has(self.map.c) && has(self.none)", json!(true)),
        ("self['map']['b'] + self.list[0] + self.list[1.0]", json!(5)),
        ("2 in self.list && 'a' in self.map && !(5 in self.list)", json!(true)),
        ("self.list.all(x, x > 0) && self.list.exists(x, x == 2)", json!(true)),
        ("self.list.exists_one(x, x > 2) && [].all(x, false)", json!(true)),
        ("self.list.filter(x, x != 2).map(x, x * 10)", json!([10, 30])),
        ("self.list.map(x, x > 1, [x])", json!([[2], [3]])),
        ("self.map.exists(k, self.map[k] == 2)", json!(true)),
        ("self.list.all(x, self.list.exists(y, y == x))", json!(true)),
        ("self.conditions.exists(c, c.type == 'Ready' && c.status == 'True')", json!(true)),
        ("{'a': 1, 'b': [1]} == {'b': [1], 'a': 1.0}", json!(true)),
        ("[1, 2] + [3] == self.list && size(self.list) == self.list.size()", json!(true)),
        ("self.nothing.x == 1 || true", json!(true)),
        ("self.list.exists(x, x / 0 == 1 || x == 3)", json!(true)),
        ("false && self.nothing", json!(false)),
        ("{'k': null, 'l': [1u,],}", json!({"k": null, "l": [1]})),
        ("// a remark\n1 // another", json!(1)),
    ];
    for (text, expected) in vectors {
        assert_eq!(run(text, &document), Ok(expected), "{text}");
    }
}

#[test]
fn the_functions_of_kubernetes_that_are_here_do_what_they_do_there() {
    let document = json!({"cpu": "500m", "memory": "1Gi", "at": "2026-11-25T12:00:00Z"});
    let vectors = [
        ("quantity(self.memory) == quantity('1024Mi')", json!(true)),
        ("quantity(self.cpu).isLessThan(quantity('1'))", json!(true)),
        ("quantity('2').compareTo(quantity('1500m'))", json!(1)),
        ("quantity('50k').asInteger() + quantity('0').sign()", json!(50_000)),
        ("quantity('1500m').isInteger() || isQuantity('1 Gi')", json!(false)),
        ("'a,b,c'.split(',').join('-').upperAscii()", json!("A-B-C")),
        ("'hello'.substring(1, 3) + 'hello'.substring(4)", json!("elo")),
        ("' x '.trim().replace('x', 'yy').lowerAscii()", json!("yy")),
        ("'abcb'.indexOf('b') + 'abcb'.lastIndexOf('b') + 'a'.indexOf('z')", json!(3)),
        ("'abc'.contains('b') && 'abc'.startsWith('a') && 'abc'.endsWith('c')", json!(true)),
        ("[3, 1, 2].min() + [3, 1, 2].max() + [1, 2].sum()", json!(7)),
        ("[1, 2, 2].isSorted() && ![2, 1].isSorted()", json!(true)),
        ("[1, 2, 1].lastIndexOf(1) + [1].indexOf(5)", json!(1)),
        ("int('7') + int(7.9) + int(7u) + size('äö')", json!(23)),
        ("string(1) + string(true) + string(1.5)", json!("1true1.5")),
        ("double('1.5') + double(1)", json!(2.5)),
        ("duration('1h30m') > duration('89m')", json!(true)),
        ("string(duration('1500ms') - duration('2s'))", json!("-0.5s")),
        ("timestamp(self.at) + duration('1h') == timestamp('2026-11-25T13:00:00Z')", json!(true)),
        ("(timestamp(self.at) - timestamp('2026-11-25T11:00:00Z')).getMinutes()", json!(60)),
        ("timestamp(self.at).getFullYear()", json!(2026)),
    ];
    for (text, expected) in vectors {
        assert_eq!(run(text, &document), Ok(expected), "{text}");
    }
}

#[test]
fn errors_say_where_and_what_and_what_was_meant() {
    let vectors = [
        ("1 +", "1:4: the expression ends where a value is missing"),
        ("1 1", "1:3: the expression should end here"),
        ("(1", "1:3: `)` is missing here"),
        ("\n  slef.a", "2:3: there is no variable `slef`"),
        ("self.s.strtsWith('a')", "1:8: the function `strtsWith` is not supported"),
        ("self.s.matches('a')", "1:8: the function `matches` is not supported"),
        ("size(1, 2)", "1:1: `size` is not called like this"),
        ("self.?a", "1:5: optional fields (`.?`) are not supported: use `has()`"),
        ("'ä' + 'x", "1:7: this text has no end"),
        ("1 = 1", "1:3: the expression should end here"),
        ("1 ; 2", "1:3: `;` is no part of an expression"),
        ("99999999999999999999", "1:1: this number is too large or has no form"),
        ("9223372036854775808", "1:1: this number is too large"),
        ("self.b", "1:6: no such key: b"),
        ("self.a[1]", "1:7: there is no element 1"),
        ("1 / 0", "1:3: a division by zero"),
        ("9223372036854775807 + 1", "1:21: the result is too large"),
        ("1 + 'a'", "1:3: `+` of an int and a text"),
        ("1 + 1.0", "1:3: `+` of an int and a double"),
        ("self.s && true", "1:6: `&&` of a text"),
        ("quantity('x')", "1:1: `quantity` cannot be done with a text"),
        ("has(self)", "1:1: `has` takes one field, as in `has(self.status)`"),
        ("{'a': 1, 'a': 2}", "1:10: this key is there twice"),
    ];
    for (text, expected) in vectors {
        assert_eq!(error(text), expected, "{text}");
    }
    let hint = |text: &str| run(text, &json!({})).unwrap_err().hint().unwrap().to_string();
    assert_eq!(hint("slef.a"), "did you mean `self`?");
    assert_eq!(hint("'a'.strtsWith('a')"), "did you mean `startsWith`?");
}

#[test]
fn a_value_is_never_part_of_an_error() {
    let document = json!({"token": "canary", "list": ["canary"]});
    for text in ["self.token + 1", "self.token.x", "int(self.token)", "self.list[7]", "-self.token"]
    {
        let error = run(text, &document).unwrap_err();
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}

#[test]
fn work_is_bounded_whatever_the_expression_and_the_document_are() {
    let long: Vec<u32> = (0..1000).collect();
    let document = json!({"list": long, "text": "x".repeat(100_000)});
    let squared = "self.list.all(x, self.list.all(y, x + y >= 0))";
    assert_eq!(run(squared, &document), Err(ExpressionError::Cost));
    assert_eq!(run("self.list.all(x, x >= 0)", &document), Ok(json!(true)));
    let doubled = format!("[{}]", vec!["self.text + self.text"; 40].join(","));
    assert_eq!(run(&doubled, &document), Err(ExpressionError::Cost));
    let grown = "self.list.map(x, self.text.replace('x', self.text))";
    assert!(run(grown, &document).is_err());
    // An error that is swallowed by `||` does not swallow the end of the budget.
    let hidden = format!("({squared}) || true");
    assert_eq!(run(&hidden, &document), Err(ExpressionError::Cost));
    let equal = "self.list.exists(x, self.list == self.list && x < 0)";
    assert_eq!(run(equal, &document), Err(ExpressionError::Cost));
}

#[test]
fn the_length_and_the_depth_hold_at_their_bounds() {
    let deep = |levels: usize| format!("{}1{}", "(".repeat(levels), ")".repeat(levels));
    assert!(Expression::compile(&deep(DEPTH_MAX - 1), &[]).is_ok());
    let error = Expression::compile(&deep(DEPTH_MAX), &[]).unwrap_err();
    assert!(matches!(error, ExpressionError::TooDeep { .. }));
    for text in [
        "1".to_owned() + &"+1".repeat(DEPTH_MAX),
        "!".repeat(2000) + "true",
        "self".to_owned() + &".a".repeat(DEPTH_MAX),
        "[".repeat(2000),
    ] {
        assert!(Expression::compile(&text, &["self"]).is_err(), "{text}");
    }
    let wide = "true".to_owned() + &" && true".repeat(400);
    assert_eq!(run(&wide, &json!({})), Ok(json!(true)));
    let long = format!("{}1", " ".repeat(EXPRESSION_BYTES_MAX - 1));
    assert!(Expression::compile(&long, &[]).is_ok());
    assert_eq!(Expression::compile(&format!(" {long}"), &[]), Err(ExpressionError::TooLong));
}

#[test]
fn a_result_of_another_type_is_refused() {
    let one = Expression::compile("1", &[]).unwrap();
    assert_eq!(
        one.holds(&[]).unwrap_err().to_string(),
        "the expression gives an int, expected true or false"
    );
    assert!(one.text(&[]).is_err());
    assert_eq!(Expression::compile("'a' + 'b'", &[]).unwrap().text(&[]), Ok("ab".to_owned()));
}

proptest! {
    #[test]
    fn no_text_makes_the_compiler_or_the_interpreter_panic(
        text in "\\PC{0,40}",
        words in prop::collection::vec(prop::sample::select(vec![
            "self", ".", "a", "[", "]", "(", ")", "{", "}", ":", ",", "?", "+", "-", "*", "/", "%",
            "!", "&&", "||", "==", "<", "in", "1", "2.5", "'x'", "null", "true", "size", "has",
            ".map(x,", ".all(x,", "x", "duration('1h')", "timestamp('2026-01-01T00:00:00Z')",
            "quantity('1Gi')", "9223372036854775807", "1u", ".split('')", ".substring(1)",
        ]), 0..14),
    ) {
        crate::fuzzing::expression(text.as_bytes());
        crate::fuzzing::expression(words.concat().as_bytes());
        crate::fuzzing::expression(words.join(" ").as_bytes());
    }

    #[test]
    fn numbers_are_compared_by_value_whatever_their_types_are(a in any::<i64>(), b in any::<i64>()) {
        let document = json!({"a": a, "b": b});
        for (sign, expected) in [("<", a < b), ("==", a == b), (">=", a >= b)] {
            let text = format!("self.a {sign} self.b");
            prop_assert_eq!(run(&text, &document), Ok(json!(expected)));
        }
        let small = json!({"a": a >> 12, "b": b >> 12});
        let text = "(double(self.a) < self.b) == (self.a < self.b)";
        prop_assert_eq!(run(text, &small), Ok(json!(true)));
    }
}
