use super::*;
use proptest::prelude::{prop_assert, proptest};

fn found<'t>(rule: &str, text: &'t str) -> Vec<&'t str> {
    let rule = RULES.iter().find(|one| one.name == rule).unwrap();
    let mut found = Vec::new();
    let survey = Survey::of(text.as_bytes());
    let mut each = |start, end| found.push(text.get(start..end).unwrap());
    (rule.find)(&survey, text.as_bytes(), &mut each);
    assert!(found.is_empty() || (rule.suspects)(&survey, text.as_bytes()), "{text}");
    found
}

const CASES: [(&str, &str, &[&str]); 72] = [
    ("email", "mail a.b+c@example.co.uk, please", &["a.b+c@example.co.uk"]),
    ("email", "<a@b.io>;{\"m\":\"x@y.de\"}", &["a@b.io", "x@y.de"]),
    ("email", "josé@exämple.com.", &["josé@exämple.com"]),
    ("email", "a@b a@b.c @x.de user@ a@.de a@1.2.3.4", &[]),
    ("email", "a@b.de@c.de", &["a@b.de", "b.de@c.de"]),
    ("email", "用户alice@example.com登录于2024年", &["用户alice@example.com登录于"]),
    ("email", "session alice@example.com-2024 opened", &["alice@example.com"]),
    ("email", "ivan@example.xn--p1ai-, a@b.XN--P1AI用", &["ivan@example.xn--p1ai", "a@b.XN--P1AI"]),
    ("email", "a@b.de.7 a@b.de.x-1.-. a@b.de2", &["a@b.de", "a@b.de", "a@b.de"]),
    ("email", "lib@1.2.3-rc.1 lib@v2.x1 a@b.-.", &[]),
    ("credit-card", "4111111111111111", &["4111111111111111"]),
    (
        "credit-card",
        "card 4111 1111 1111 1111, 5500-0055-5555-5559",
        &["4111 1111 1111 1111", "5500-0055-5555-5559"],
    ),
    ("credit-card", "on 2024-05-06 4111 1111 1111 1111 paid", &["4111 1111 1111 1111"]),
    ("credit-card", "pan=378282246310005;", &["378282246310005"]),
    ("credit-card", "pan_30569309025904", &["30569309025904"]),
    ("credit-card", "4111111111111112", &[]),
    ("credit-card", "a4111111111111111", &[]),
    ("credit-card", "4111111111111111b", &[]),
    ("credit-card", "1715000000000000008 1715000000000", &[]),
    ("credit-card", "41111111111111111111", &[]),
    ("credit-card", "4111  1111 1111 1111", &[]),
    ("credit-card", "4222222222222", &["4222222222222"]),
    ("ipv4", "from 10.0.0.1:80 to 192.168.255.255.", &["10.0.0.1", "192.168.255.255"]),
    ("ipv4", "[0.0.0.0] 256.1.1.1 1.2.3 1.2.3.4.5 v1.2.3.4 1.2.3.4a", &["0.0.0.0"]),
    ("ipv4", "1..2.3.4 1.2.3.4444", &[]),
    ("ipv4", "5.6.7.8,1.2.3.4", &["5.6.7.8", "1.2.3.4"]),
    ("ipv6", "from [2001:db8::1]:80 to fe80::1.", &["2001:db8::1", "fe80::1"]),
    (
        "ipv6",
        "2001:0db8:0000:0000:0000:0000:0000:0001: down",
        &["2001:0db8:0000:0000:0000:0000:0000:0001"],
    ),
    ("ipv6", "::ffff:10.0.0.1 ::1", &["::ffff:10.0.0.1", "::1"]),
    ("ipv6", "12:34:56 std::fmt crate::add a::bz :: \"a\":1", &[]),
    ("ipv6", "1:2:3:4:5:6:7:8", &["1:2:3:4:5:6:7:8"]),
    ("ipv6", "2024-05-06T07:08:09", &[]),
    ("ipv6", "peer:2001:db8::1 addr:fe80::1: up", &["2001:db8::1", "fe80::1"]),
    ("ipv6", "2001:db8:1:2:3:4:5:6:443", &["2001:db8:1:2:3:4:5:6"]),
    ("ipv6", "a:2001:db8:1:2:3:4:5:6:443 x:y::1 x::1 12:34:56:78", &[]),
    ("ipv6", "12:34:56:78:9a:bc x12:34:56:78:9a:bc:de:f0:12", &["34:56:78:9a:bc:de:f0:12"]),
    ("bearer", "Authorization: Bearer abc.DEF-123==", &["abc.DEF-123=="]),
    ("bearer", "bearer: abcdefgh BEARER abcdefghi", &["abcdefgh", "abcdefghi"]),
    ("bearer", "Bearer\r\n abcdefgh", &["abcdefgh"]),
    ("bearer", "bearerbearer=abcdefgh", &["abcdefgh"]),
    ("bearer", "bearerbearerbearer", &[]),
    ("bearer", "the bearer of news", &[]),
    ("bearer", "Bearer short", &[]),
    ("bearer", "Bearerabcdefghijk", &[]),
    ("bearer", "Bearer 12|abcdefgh, Bearer me:abc#de;", &["12|abcdefgh", "me:abc#de"]),
    ("bearer", "Bearer 'abcd efgh' Bearer \"a,b c:de\"", &["abcd efgh", "a,b c:de"]),
    ("bearer", "{'bearer': 'abcdefgh', 'a': 1}", &["abcdefgh"]),
    ("bearer", "{\"bearer\":\"abcd\\\"efgh\",\"a\":1}", &["abcd\\\"efgh"]),
    ("bearer", "{\"bearer\":{\"bearer\":12345678}}", &["12345678"]),
    ("bearer", "(Bearer abcdefgh) <Bearer abcdefghi>", &["abcdefgh", "abcdefghi"]),
    ("bearer", "[{\"a\":\"Bearer\"}, 12345678, {\"b\":\"c\"}]", &[]),
    ("bearer", "{\"a\":\"Bearer \"}, 12345678, {\"b\":\"c\"}", &[]),
    ("bearer", "Bearer 'abcdefgh and more", &["abcdefgh"]),
    ("bearer", "Bearer \u{4ee4}\u{724c}\u{5df2}\u{8fc7}", &[]),
    ("bearer", "the bearer's message", &[]),
    ("bearer", "auth=Bearer%20abcdefgh Bearer+abcdefghi", &["abcdefgh", "abcdefghi"]),
    ("bearer", "bearer%3A%20%09abcdefgh Bearer\\x20abcdefghi", &["abcdefgh", "abcdefghi"]),
    ("bearer", "bearer%3a+abcdefgh Bearer#011abcdefghi", &["abcdefgh", "abcdefghi"]),
    ("bearer", "Bearer +abc/def= Bearer++abc/def=", &["+abc/def=", "+abc/def="]),
    ("bearer", "Bearer%2Fabcdefgh Bearer%2 Bearer\\x41bcdefgh Bearer#04abcdefgh", &[]),
    (
        "jwt",
        "t=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_1;",
        &["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_1"],
    ),
    ("jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0", &["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0"]),
    ("jwt", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", &["eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."]),
    ("jwt", "eyJhbGciOi.key-12345.iv_1.text.tag eyJ", &["eyJhbGciOi.key-12345.iv_1.text.tag"]),
    ("jwt", "eyJhbGciOi..iv_123456.text.tag.", &["eyJhbGciOi..iv_123456.text.tag"]),
    ("jwt", "eyJhbGciOi... eyJhbGciOi..iv eyJhbGciOi.key..iv_123456", &[]),
    ("jwt", "xeyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", &[]),
    ("jwt", "eyJhbGciOiJIUzI1NiJ9", &[]),
    ("jwt", "eyJ.eyJ.eyJ", &[]),
    ("email", "", &[]),
    ("credit-card", "", &[]),
    ("ipv4", "", &[]),
];

#[test]
fn r29_each_rule_finds_exactly_this() {
    for (rule, text, wanted) in CASES {
        assert_eq!(found(rule, text), wanted, "{rule}: {text}");
    }
}

const SECRETS: [(&str, &str); 9] = [
    ("credit-card", "4111111111111111"),
    ("credit-card", "4111 1111 1111 1111"),
    ("credit-card", "378282246310005"),
    ("ipv4", "10.1.2.3"),
    ("ipv4", "255.255.255.255"),
    ("ipv6", "2001:db8::1:2"),
    ("ipv6", "fe80::1"),
    ("ipv6", "1:2:3:4:5:6:7:8"),
    ("jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_1"),
];

#[test]
fn r29_a_secret_is_found_behind_an_escape_as_it_is_behind_a_blank() {
    let colours =
        ["\x1b", r"\x1b", r"\x1B", r"\u001b", r"\u001B", r"\e", r"\033", "#033", "^[", "%1B"];
    let colours = colours.iter().flat_map(|escape| {
        ["[m", "[0m", "[36m", "[38;2;255;128;0m", "[4:3m", "[K", "[?25h"]
            .map(|rest| format!("{escape}{rest}"))
    });
    let bytes = (0..=255).flat_map(|byte| {
        [format!("%{byte:02X}"), format!("%{byte:02x}"), format!(r"\x{byte:02X}")]
    });
    let controls = (0..32).map(|byte| format!("#{byte:03o}"));
    for escape in colours.chain(bytes).chain(controls) {
        for (rule, secret) in SECRETS {
            for before in ["", "ip=", "card", "x 1", "é%C3%A9"] {
                let text = format!("{before}{escape}{secret}{escape}");
                let found = found(rule, &text);
                // Digits of the escape may be taken for the first ones.
                let is_whole = matches!(&found[..], [one] if one.ends_with(secret));
                assert!(is_whole, "{rule} in {text:?}: {found:?}");
            }
        }
    }
}

#[test]
fn r29_what_only_looks_like_an_escape_ends_no_word() {
    let words = [
        "xyz",
        "m",
        "0m",
        "[0m",
        "x1b[0m",
        "e[0m",
        "033[0m",
        "1b[m",
        "u001b[m",
        "x22",
        "\\x2g",
        "%g2",
        "%2g",
        "\x1b[0 m",
        "\x1b]0m",
        "\x1b[0;xm",
        "#a11g",
        "#ggg",
    ];
    for word in words {
        for (rule, secret) in SECRETS {
            let text = format!("{word}{secret}");
            let mut found = found(rule, &text).into_iter();
            // Of an address behind a word is found what is behind its first colon.
            assert!(!found.any(|found| found.contains(secret)), "{rule} in {text:?}");
        }
    }
}

/// A look from each place to the end of such a line would be 10^12 bytes.
#[test]
fn r29_no_row_of_beginnings_makes_a_rule_look_at_a_line_from_each_of_them() {
    let rows = [
        "bearer",
        "bearer=",
        "bearer ",
        "bearer+",
        "bearer%20",
        "bearer-a",
        "bearer: \"",
        "bearer: '\\",
        "bearer:\"a\\\"",
        "eyJ..",
        "a:1:",
        "eyJ",
        "eyJ.",
        ".eyJ",
        "a@",
        "@a.",
        "a@b.c1.",
        "1.",
        "1.1.1.",
        "::",
        "a:",
        ":1:.",
        "4 ",
        "4-",
        "4111",
        "41111111111111 ",
        "a.",
        "@",
        "-",
        "%204",
        "%20eyJ",
        "\x1b[0m",
        "\x1b[0;",
        "\x1b[1;1.1.1.1m",
        "m1.1.1.1;",
        r"\x22eyJ",
    ];
    for row in rows {
        let line = row.repeat((1 << 20) / row.len());
        for rule in RULES {
            let survey = Survey::of(line.as_bytes());
            let (mut last, mut bytes) = (0, 0);
            (rule.find)(&survey, line.as_bytes(), &mut |start, end| {
                bytes += end - start.max(last);
                last = end;
            });
            assert!(bytes <= line.len(), "{} in {row}", rule.name);
        }
    }
}

proptest! {
    #[test]
    fn r29_what_is_found_between_quotes_is_found_in_the_line_too(
        before in "[a-z0-9 .:@-]{0,8}",
        text in "[a-z]{0,2}[0-9]{0,3}[ .:@=-]{0,1}(4111111111111111|10\\.0\\.0\\.1|a@b\\.de|fe80::1|bearer abcdefgh|eyJhbGciOi\\.eyJzdWIiOi)[ .:@=-]{0,1}[a-z0-9]{0,2}",
        after in "[a-z0-9 .:@-]{0,8}",
    ) {
        let line = format!("{before}\"{text}\"{after}");
        for rule in &RULES {
            let finds = |text: &str| {
                let mut finds = false;
                let survey = Survey::of(text.as_bytes());
                (rule.find)(&survey, text.as_bytes(), &mut |_, _| finds = true);
                finds
            };
            prop_assert!(!finds(&text) || finds(&line), "{} in {line}", rule.name);
        }
    }

    #[test]
    fn r29_no_cheap_test_hides_a_finding(
        before in "[a-z .:\"0-9-]{0,40}",
        secret in "[a-z]{1,5}@[a-z]{1,5}\\.de|4111 1111 1111 1111|4111111111111111|[0-9]\\.[0-9]{2}\\.1\\.[0-9]|fe80::[0-9a-f]{1,4}|1:2:3:4:5:6:[0-9a-f]{1,4}:8|Bearer [a-z0-9]{8,20}|eyJ[a-z]{5}\\.[a-z]{9}\\.[a-z]",
        after in "[a-z .:\"0-9-]{0,40}",
    ) {
        let text = format!("{before} {secret} {after}");
        let count = RULES.iter().map(|rule| found(rule.name, &text).len()).sum::<usize>();
        prop_assert!(count > 0, "{}", text);
    }

    #[test]
    fn no_text_makes_a_rule_panic_or_cut_a_character(text in "[a@.:é€0-9 -]{0,80}|(eyJ|Bearer |[a-z.]){0,20}|.{0,60}") {
        for rule in RULES {
            found(rule.name, &text);
        }
    }
}
