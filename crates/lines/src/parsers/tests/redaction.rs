//! What redaction finds in a line as it was written and in its fields.

use super::*;

const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc";

fn all() -> Redaction {
    Redaction::builtin(crate::redact::rule_names()).unwrap()
}

fn redacted(parser: &str, redaction: Redaction, line: &str) -> String {
    told(&read(Settings { redaction: Some(redaction), ..with(parser) }, line))
}

#[test]
fn r29_escapes_before_and_in_a_secret_hide_it_in_no_body_and_no_nested_value() {
    for (parser, line, wanted) in [
        (
            "json",
            r#"{"error":"x\n4111111111111111\n10.9.8.7\tJWT"}"#,
            r#"0 - 0 |{"error":"x\n[credit-card]\n[ipv4]\t[jwt]"}| error="x\n[credit-card]\n[ipv4]\t[jwt]""#,
        ),
        (
            "json",
            r#"{"msg":"a","err":{"ips":"10.0.0.1\n10.0.0.2","card":"x:\r4111111111111111","six":"\n2001:db8::1\bfe80::1\f2001:db8::2"}}"#,
            r#"0 - 0 |a| err=json {"ips":"[ipv4]\n[ipv4]","card":"x:\r[credit-card]","six":"\n[ipv6]\b[ipv6]\f[ipv6]"}"#,
        ),
        (
            "json",
            r#"{"msg":"php","h":{"authorization":"Bearer abcdefgh\/SECRETPART\/tail","b":"Bearer abc\/SECRETPART"}}"#,
            r#"0 - 0 |php| h=json {"authorization":"Bearer [bearer]","b":"Bearer [bearer]"}"#,
        ),
        (
            "json",
            r#"{"a":"Bearer\tabcdefgh12345678","b":"bearer\r\nabcdefgh"}"#,
            r#"0 - 0 |{"a":"Bearer\t[bearer]","b":"bearer\r\n[bearer]"}| a="Bearer\t[bearer]" b="bearer\r\n[bearer]""#,
        ),
        (
            "logfmt",
            r#"level=info err="x\n4111111111111111\n10.9.8.7""#,
            r#"9 - 0 |level=info err="x\n[credit-card]\n[ipv4]"| err="x\n[credit-card]\n[ipv4]""#,
        ),
        // Escapes of other characters, and a JSON text within one, with the escapes of both.
        (
            "json",
            r#"{"a":"\u53f74111111111111111\u000a10.9.8.7\u00e9fe80::1","b":{"c":"\u00fc@b\u002ede"}}"#,
            r#"0 - 0 |{"a":"\u53f7[credit-card]\u000a[ipv4]\u00e9[ipv6]","b":{"c":"[email]"}}| a="号[credit-card]\n[ipv4]é[ipv6]" b=json {"c":"[email]"}"#,
        ),
        (
            "json",
            r#"{"log":"{\"m\":\"\\n10.9.8.7\\\/\",\"bearer\":\"abcdefgh\\/ijkl\"}"}"#,
            r#"0 - 0 |{"log":"{\"m\":\"\\n[ipv4]\\\/\",\"bearer\":\"[bearer]\"}"}| log="{\"m\":\"\\n[ipv4]\\/\",\"bearer\":\"[bearer]\"}""#,
        ),
        // Where a backslash is no escape, nothing less is found.
        ("syslog-rfc3164", r"C:\nick@b.de C:\fe80::1 C:\t10.9.8.7", "unparsed"),
    ] {
        let line = line.replace("JWT", JWT);
        assert_eq!(redacted(parser, all(), &line), wanted, "{line}");
    }
    let settings = Settings { redaction: Some(all()), ..Settings::default() };
    let out = read(settings, r"C:\nick@b.de C:\fe80::1 C:\t10.9.8.7");
    assert_eq!(out.body(&out.records()[0]), r"C:\[email] C:\[ipv6] C:\t[ipv4]");
}

fn own(pattern: &str) -> Redaction {
    Redaction::default().with_pattern("own", pattern, None).unwrap()
}

#[test]
fn r29_what_a_parser_cuts_from_what_makes_it_a_secret_is_hidden_as_in_the_line() {
    for (parser, line, wanted) in [
        (
            "logfmt",
            "level=info authorization=Bearer abcdefgh/SECRET end=1",
            r#"9 - 0 |level=info authorization=Bearer [bearer] end=1| authorization="Bearer" [bearer]=true end="1""#,
        ),
        (
            "logfmt",
            "a=1 Bearer YWJjZGVmZ2g== b=2",
            r#"0 - 0 |a=1 Bearer [bearer] b=2| a="1" Bearer=true [bearer]="[bearer]" b="2""#,
        ),
        (
            "logfmt",
            "pan=4111 1111 1111 1111 b=2",
            r#"0 - 0 |pan=[credit-card] b=2| pan="[credit-card]" [credit-card]=true b="2""#,
        ),
        (
            "json",
            r#"{"Bearer":"abcdefgh","bearer": 12345678,"n":1}"#,
            r#"0 - 0 |{"Bearer":"[bearer]","bearer": [bearer],"n":1}| Bearer="[bearer]" bearer="[bearer]" n=1"#,
        ),
        // The name of a field is no part of a mail address.
        ("logfmt", "user=me@b.de a=1", r#"0 - 0 |[email] a=1| user="[email]" a="1""#),
    ] {
        assert_eq!(redacted(parser, all(), line), wanted, "{line}");
    }
}

#[test]
fn r29_a_pattern_that_begins_with_the_name_of_a_field_means_its_value() {
    for (parser, pattern, line, wanted) in [
        (
            "logfmt",
            r"password=\S+",
            "a=1 password=hunter2 b=2",
            r#"0 - 0 |a=1 [own] b=2| a="1" password="[own]" b="2""#,
        ),
        (
            "json",
            r#""(pin|f|o|e)":[^,]*"#,
            r#"{"msg":"s","pin":1234,"f":1.50,"o":{"x":1},"e":"","n":7}"#,
            r#"0 - 0 |s| pin="[own]" f="[own]" o="[own]" e="" n=7"#,
        ),
        // Of equal names the last value counts, and the first name does too.
        (
            "logfmt",
            r"password=.*",
            "password=a b=2 password=hunter2",
            r#"0 - 0 |[own]| password="[own]" [own]="[own]""#,
        ),
        // What goes on beyond its field means all that lies in it.
        (
            "json",
            "password.*",
            r#"{"msg":"the password is x","user":"bob","n":7}"#,
            r#"0 - 0 |the [own]| [own]="[own]" [own]="[own]""#,
        ),
    ] {
        assert_eq!(redacted(parser, own(pattern), line), wanted, "{pattern}");
    }
}

#[test]
fn r29_what_lies_in_a_match_that_began_before_is_hidden_as_a_name_and_as_a_value() {
    for (parser, pattern, line, wanted) in [
        (
            "logfmt",
            r"--password[ =]\S+",
            "sudo: bob : TTY=pts/0 ; COMMAND=/usr/bin/mysql --password hunter2 db1",
            r#"0 - 0 |sudo: bob : TTY=pts/0 ; COMMAND=/usr/bin/mysql [own] db1| TTY="pts/0" COMMAND="/usr/bin/mysql" --password=true [own]=true db1=true"#,
        ),
        (
            "logfmt",
            r"password: \S+",
            "level=info msg=\"hi\" password: hunter2",
            r#"9 - 0 |hi| password:=true [own]=true"#,
        ),
        (
            "logfmt",
            r"Basic \S+",
            "user=bob Authorization: Basic dXNlcjpwYXNz",
            r#"0 - 0 |user=bob Authorization: [own]| user="bob" Authorization:=true Basic=true [own]=true"#,
        ),
        (
            "logfmt",
            r"(?i)set-cookie:\s*\S+",
            "Set-Cookie: sid=SECRET a=1",
            r#"0 - 0 |[own] a=1| [own]="[own]" a="1""#,
        ),
        (
            "json",
            r#""name":"password","value":"[^"]*""#,
            r#"{"msg":"env","name":"password","value":"hunter2","n":7}"#,
            r#"0 - 0 |env| name="[own]" [own]="[own]" n=7"#,
        ),
        (
            "json",
            r#""name":"pin","n":\d+"#,
            r#"{"msg":"env","name":"pin","n":1234,"f":{"x":1}}"#,
            r#"0 - 0 |env| name="[own]" [own]="[own]" f=json {"x":1}"#,
        ),
    ] {
        let told = redacted(parser, own(pattern), line);
        assert_eq!(told, wanted, "{pattern}");
    }
}

#[test]
fn r29_a_whole_number_is_hidden_under_a_repeated_an_escaped_and_an_unwritten_name() {
    let line = r#"{"msg":"hi","bearer":1,"bearer":1234567890}"#;
    assert_eq!(redacted("json", all(), line), r#"0 - 0 |hi| bearer="[bearer]""#);
    let line = r#"{"msg":"hi","a":10,"\u00e9bearer":1234567890,"i":"10.9.8.7"}"#;
    let wanted = r#"0 - 0 |hi| a=10 ébearer="[bearer]" i="[ipv4]""#;
    assert_eq!(redacted("json", all(), line), wanted);
    for (parser, pattern, line, wanted) in [
        (
            "json",
            r#""pin":\s*\d+"#,
            r#"{"pin":null,"b":"x","pin":1234567890}"#,
            r#"0 - 0 |{"pin":null,"b":"x",[own]}| pin="[own]" b="x""#,
        ),
        (
            "json",
            r#""pin":\s*\d+"#,
            r#"{"msg":"s","pin":1,"pin": 1234567890}"#,
            r#"0 - 0 |s| pin="[own]""#,
        ),
        (
            "access",
            r" \d+$",
            r#"10.9.8.7 - - [06/May/2024:07:08:09 +0000] "GET /51 HTTP/1.0" 200 51"#,
            r#"0 0 200 |10.9.8.7 - - [06/May/2024:07:08:09 +0000] "GET /51 HTTP/1.0" 200[own]| client.address="10.9.8.7" http.request.method="GET" url.original="/51" network.protocol.version="1.0" http.response.status_code=200 http.response.body.size="[own]""#,
        ),
    ] {
        assert_eq!(redacted(parser, own(pattern), line), wanted, "{line}");
    }
}

#[test]
fn r29_an_escaped_letter_lets_nothing_go_that_is_found_by_what_is_around_it() {
    let builtin = |line: &str| redacted("logfmt", all(), line);
    assert_eq!(
        builtin(r"a=1 Bearer=abcdefgh\u0041,x@b.de"),
        r#"0 - 0 |a=1 Bearer=[bearer],[email]| a="1" Bearer="[bearer],[email]""#
    );
    assert_eq!(
        builtin(r"a=\u00411 auth=Bearer abcd\u0041fgh,x@b.de \u0041"),
        r#"0 - 0 |a=\u00411 auth=Bearer [bearer],[email] \u0041| a="\\u00411" auth="Bearer""#
    );
    let redaction = all().with_pattern("own", "^sk_[a-z0-9]+$", None).unwrap();
    let line = r#"{"a":"caf\u0041","n":{"x":"\u00e9"},"user":"a@b.de","key":"sk_abc123"}"#;
    let wanted = r#"0 - 0 |{"a":"caf\u0041","n":{"x":"\u00e9"},"user":"[email]","key":"[own]"}| a="cafA" n=json {"x":"\u00e9"} user="[email]" key="[own]""#;
    assert_eq!(redacted("json", redaction, line), wanted);
    let line =
        r#"{"msg":"s","Bearer":{"x":"\u0041","y":"a@b.de"},"n":{"x":"\u0041"},"i":"1.2.3.4"}"#;
    let wanted = r#"0 - 0 |s| Bearer="[own]" n=json {"x":"\u0041"} i="1.2.3.4""#;
    assert_eq!(redacted("json", own(r#""Bearer":[^}]*\}"#), line), wanted);
}

#[test]
fn r29_a_pattern_that_begins_with_what_names_a_text_hides_it_as_message_and_without_a_name() {
    let group = Some(r"^user=\w+ password=(?P<id>\S+)".to_owned());
    let settings =
        Settings { pattern: group, redaction: Some(own(r"password=\S+")), ..with("regex") };
    let told = told(&read(settings, "user=bob password=hunter2 b=2"));
    assert_eq!(told, r#"0 - 0 |user=bob [own] b=2| id="[own]""#);
    for (parser, pattern, line, wanted) in [
        ("logfmt", r"msg=\S+", "level=info msg=declined a=1", r#"9 - 0 |[own]| a="1""#),
        (
            "logfmt",
            r"msg=.*",
            r#"msg=first a=1 msg="de cli""#,
            r#"0 - 0 |[own]| [own]="[own]" msg="[own]""#,
        ),
        (
            "logfmt",
            r"msg=\S+",
            "ERROR charge msg=declined order=17",
            r#"0 - 0 |ERROR charge [own] order=17| order="17" msg="[own]""#,
        ),
        ("json", r#""msg":"[^"]*""#, r#"{"msg":"declined","n":7}"#, "0 - 0 |[own]| n=7"),
        (
            "json",
            r#""msg":"[^"]*""#,
            r#"{"\u00e9":"a","msg":"declined"}"#,
            r#"0 - 0 |[own]| é="a""#,
        ),
        (
            "json",
            r#""a my [^"]*":"[^"]*""#,
            r#"{"msg":"s","a my k\u00e9y":"declined","b":"c"}"#,
            r#"0 - 0 |s| a my kéy="[own]" b="c""#,
        ),
        (
            "syslog-rfc5424",
            r#"password="[^"]*""#,
            r#"<34>1 - h app - - [x@1 user="bob" password="hunter2"] done"#,
            r#"18 - 0 |done| facility="auth" host.name="h" app="app" x@1.user="bob" x@1.password="[own]""#,
        ),
    ] {
        assert_eq!(redacted(parser, own(pattern), line), wanted, "{pattern}");
    }
}

#[test]
fn r29_a_pattern_reads_escapes_where_nothing_else_is_suspicious() {
    for (pattern, line, wanted) in [
        (
            r"token\s+\w+",
            r#"{"msg":"x","ctx":{"url":"token\tabcd"}}"#,
            r#"0 - 0 |x| ctx=json {"url":"[own]"}"#,
        ),
        (
            r"https?://[^:\s]+:[^@]+@",
            r#"{"msg":"x","ctx":["https:\/\/user:pw@host"]}"#,
            r#"0 - 0 |x| ctx=json ["[own]host"]"#,
        ),
    ] {
        assert_eq!(redacted("json", own(pattern), line), wanted, "{pattern}");
    }
    let settings = Settings { redaction: Some(own(r"token\s+\w+")), ..Settings::default() };
    let out = read(settings, r"a token\tabcd");
    assert_eq!(out.body(&out.records()[0]), "a [own]");
}

#[test]
fn r29_a_pattern_finds_quotes_slashes_and_tabs_that_are_escaped_however_often() {
    let pattern = r#""password":"[^"]*"|<pw>[^<]*</pw>|pw:\t\w+"#;
    for (parser, line, wanted) in [
        (
            "json",
            r#"{"msg":"login","req":{"body":"{\"user\":\"a\",\"password\":\"CANARY\"}"}}"#,
            r#"0 - 0 |login| req=json {"body":"{\"user\":\"a\",[own]}"}"#,
        ),
        (
            "json",
            r#"{"auth":"{\"password\":\"CANARY\"}"}"#,
            r#"0 - 0 |{"auth":"{[own]}"}| auth="{[own]}""#,
        ),
        (
            "json",
            r#"{"n":["<pw>CANARY<\/pw>","\u003Cpw\u003ECANARY\u003C/pw\u003E","pw:\tCANARY"]}"#,
            r#"0 - 0 |{"n":["[own]","[own]","[own]"]}| n=json ["[own]","[own]","[own]"]"#,
        ),
        (
            "logfmt",
            r#"level=info body="{\"password\":\"CANARY\"}""#,
            r#"9 - 0 |level=info body="{[own]}"| body="{[own]}""#,
        ),
        // A text of JSON within one of three others.
        (
            "json",
            r#"{"a":"{\"b\":\"{\\\"c\\\":\\\"{\\\\\\\"password\\\\\\\":\\\\\\\"CANARY\\\\\\\"}\\\"}\"}"}"#,
            r#"0 - 0 |{"a":"{\"b\":\"{\\\"c\\\":\\\"{[own]}\\\"}\"}"}| a="{\"b\":\"{\\\"c\\\":\\\"{[own]}\\\"}\"}""#,
        ),
    ] {
        assert_eq!(redacted(parser, own(pattern), line), wanted, "{line}");
    }
    let plain = Settings { redaction: Some(own(pattern)), ..Settings::default() };
    let out = read(plain, r#"INFO posting "{\"password\":\"CANARY\"}""#);
    assert_eq!(out.body(&out.records()[0]), r#"INFO posting "{[own]}""#);
}

#[test]
fn r29_a_secret_has_the_same_hash_however_it_is_escaped() {
    let keyed = all().with_key(&[7; 16]).unwrap();
    let line = r#"{"a":"Bearer abcd/efgh","b":{"c":"Bearer abcd\/\u0065fgh"}}"#;
    let told = redacted("json", keyed, line);
    let hashes: Vec<&str> =
        told.split("[bearer:").skip(1).filter_map(|rest| rest.get(..16)).collect();
    assert_eq!(hashes.len(), 4, "{told}");
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{told}");
}

#[test]
fn r29_a_text_with_escapes_is_hidden_as_a_whole_when_its_name_makes_it_a_secret() {
    for (parser, line, wanted) in [
        (
            "json",
            r#"{"bearer":"abcdefgh\/ijkl"}"#,
            r#"0 - 0 |{"bearer":"[bearer]"}| bearer="[bearer]""#,
        ),
        (
            "json",
            r#"{"bearer":"x","a":"\n1.2.3.4","bearer" : "abcdefgh\/ijkl\n1.2.3.4"}"#,
            r#"0 - 0 |{"bearer":"x","a":"\n[ipv4]","bearer" : "[bearer]"}| bearer="[bearer]" a="\n[ipv4]""#,
        ),
        (
            "logfmt",
            r#"a=1 Bearer="abcdefgh\"x""#,
            r#"0 - 0 |a=1 Bearer="[bearer]"| a="1" Bearer="[bearer]""#,
        ),
    ] {
        assert_eq!(redacted(parser, all(), line), wanted, "{line}");
    }
    for (parser, pattern, line, wanted) in [
        (
            "json",
            r#""msg":"[^"]*""#,
            r#"{"msg":"de\/clined","a":"b\tc"}"#,
            r#"0 - 0 |[own]| a="b\tc""#,
        ),
        ("logfmt", r#"msg="[^"]*""#, r#"x=1 msg="de\tclined" a=b"#, r#"0 - 0 |[own]| x="1" a="b""#),
        (
            "logfmt",
            r"pw=\S+",
            r#"x=1 pw='it\'s' a='\''"#,
            r#"0 - 0 |x=1 [own] a='\''| x="1" pw="[own]" a="'""#,
        ),
    ] {
        assert_eq!(redacted(parser, own(pattern), line), wanted, "{pattern}");
    }
}

#[test]
fn r29_anchors_are_the_ends_of_the_body_and_those_of_a_field_also_within_the_body() {
    let body = |pattern: &str, line: &str| {
        let out = read(Settings { redaction: Some(own(pattern)), ..Settings::default() }, line);
        out.body(&out.records()[0]).to_owned()
    };
    assert_eq!(body(r"^pin \d+$", "pin 12\r"), "[own]");
    assert_eq!(body(r"^pin \d+$", "a pin 12"), "a pin 12");
    for (parser, pattern, line, wanted) in [
        ("logfmt", r"^\d\d$", "a=12 b=123", r#"0 - 0 |a=[own] b=123| a="[own]" b="123""#),
        (
            "json",
            r"^\d\d$",
            r#"{"a":"12","f":{"x":"12"}}"#,
            r#"0 - 0 |{"a":"[own]","f":{"x":"12"}}| a="[own]" f=json {"x":"12"}"#,
        ),
        (
            "json",
            r"^\d{4}$",
            r#"{"a":1234,"b":"1234","c":1,"c":2345,"d":12345}"#,
            r#"0 - 0 |{"a":[own],"b":"[own]","c":1,"c":[own],"d":12345}| a="[own]" b="[own]" c="[own]" d=12345"#,
        ),
        ("json", r"^pin \d+$", r#"{"msg":"a\npin 12"}"#, "0 - 0 |a\npin 12|"),
        ("json", r"(?m)^pin \d+$", r#"{"msg":"a\npin 12"}"#, "0 - 0 |a\n[own]|"),
    ] {
        assert_eq!(redacted(parser, own(pattern), line), wanted, "{pattern}");
    }
}

#[test]
fn r29_anchors_are_the_ends_of_a_message_and_of_fields_that_a_body_has_and_the_record_not() {
    let line_body = || {
        let mut options = Options::default();
        options.body = Body::Line;
        options
    };
    let picked = || Options::pick(["a"]).unwrap();
    for needle in [None, Some("secret")] {
        let redaction = Redaction::default().with_pattern("own", r"^secret\w*$", needle).unwrap();
        for (parser, options, line, wanted) in [
            ("json", line_body(), r#"{"msg":"secretA"}"#, r#"0 - 0 |{"msg":"[own]"}|"#),
            (
                "json",
                picked(),
                r#"{"time":"2024-05-06T07:08:09Z","msg":"secretA","b":"secretB","c":"a secretC","a":1}"#,
                r#"0 0 0 |{"time":"2024-05-06T07:08:09Z","msg":"[own]","b":"[own]","c":"a secretC","a":1}| a=1"#,
            ),
            ("logfmt", picked(), "msg=secretA b=secretB z", "0 - 0 |msg=[own] b=[own] z|"),
            ("logfmt", line_body(), "msg=secretA z", r#"0 - 0 |msg=[own] z| z=true"#),
            ("klog", line_body(), "no klog secretA", "unparsed"),
        ] {
            let settings = Settings { redaction: Some(redaction.clone()), options, ..with(parser) };
            assert_eq!(told(&read(settings, line)), wanted, "{line}");
        }
    }
    let settings = Settings { redaction: Some(own(r"^\d{4}$")), options: picked(), ..with("json") };
    let told = told(&read(settings, r#"{"a":12345,"pin":1234,"x":{"y":1234}}"#));
    assert_eq!(told, r#"0 - 0 |{"a":12345,"pin":[own],"x":{"y":1234}}| a=12345"#);
}

#[test]
fn r29_a_pattern_with_anchors_finds_a_field_and_a_number() {
    let line = r#"{"msg":"s","ssn":"123-45-6789","n":-55,"f":5.50,"k":{"x":"a\n77"}}"#;
    for (pattern, wanted) in [
        (r"^\d{3}-\d{2}-\d{4}$", r#"ssn="[own]" n=-55 f=number 5.50 k=json {"x":"a\n77"}"#),
        (r"\A\d{3}-\d{2}-", r#"ssn="[own]6789" n=-55 f=number 5.50 k=json {"x":"a\n77"}"#),
        (r"^-\d+\z", r#"ssn="123-45-6789" n="[own]" f=number 5.50 k=json {"x":"a\n77"}"#),
        (r"^5\.[^x]", r#"ssn="123-45-6789" n=-55 f="[own]0" k=json {"x":"a\n77"}"#),
        (r"\b77\b", r#"ssn="123-45-6789" n=-55 f=number 5.50 k=json {"x":"a\n[own]"}"#),
    ] {
        let wanted = format!("0 - 0 |s| {wanted}");
        assert_eq!(redacted("json", own(pattern), line), wanted, "{pattern}");
        // Without the escape, too.
        let (line, wanted) = (line.replace(r"\n", " "), wanted.replace(r"\n", " "));
        assert_eq!(redacted("json", own(pattern), &line), wanted, "{pattern}");
    }
    let group = Some(r"^x(?P<id>\d+)y$".to_owned());
    let settings = Settings { pattern: group, redaction: Some(own(r"\b1\d\b")), ..with("regex") };
    assert_eq!(told(&read(settings, "x12y")), "0 - 0 |x[own]y| id=\"[own]\"");
}

proptest! {
    #[test]
    fn r29_no_escape_before_a_secret_leaves_a_copy_of_it(
        parser in prop::sample::select(vec!["json", "logfmt", "klog"]),
        before in "[a-z0-9 é]{0,3}",
        slashes in 1..5_usize,
        escape in prop::sample::select(vec![
            "b", "f", "n", "r", "t", "/", "u000A", "u00e9", "uD83d", "u001b[0m", "u001b[36m", "x22",
            "x1b[1;32m", "x09", "e[0m",
        ]),
        secret in prop::sample::select(vec![
            "4111 1111 1111 1111", "10.9.8.7", "2001:db8::1", "me@b.de", JWT, "Bearer abcd/efgh",
        ]),
        after in "[ ,;)]?",
    ) {
        let value = format!("{before}{}{escape}{secret}{after}", "\\".repeat(slashes));
        let line = match parser {
            "json" => format!(r#"{{"{value}":"{value}","n":["{value}"]}}"#),
            _ => format!(r#"a=1 k="{value}""#),
        };
        let settings = Settings { redaction: Some(all()), ..with(parser) };
        let kept = format!("{:?}", read(settings, &line));
        let secret = secret.trim_start_matches("Bearer ");
        prop_assert!(!kept.contains(secret), "{} in {}", line, kept);
    }

    #[test]
    fn r29_no_escape_lets_a_value_go_that_its_name_makes_a_secret(
        is_json in any::<bool>(),
        name in prop::sample::select(vec!["pw", "msg"]),
        before in "[a-z é]{0,3}",
        escape in prop::sample::select(vec![
            "", r"\n", r"\t", r"\/", r"\\", r#"\""#, r"\u000A", r"\u00e9", r"\u0041", r"\uD83d",
        ]),
        other in prop::sample::select(vec!["1", r"\u0041", r"a\n1.2.3.4", "me@b.de", "S3CRET"]),
    ) {
        let value = format!("{before}{escape}S3CRET{escape}");
        let (line, pattern) = match is_json {
            true => (
                format!(r#"{{"a":"{before}","{name}":"{before}{escape}","{name}" :"{value}","b":"{before}"}}"#),
                format!(r#""{name}"\s*:"(\\.|[^"\\])*""#),
            ),
            false => (
                format!(r#"a="{before}" {name}="{before}{escape}" {name}="{value}" b="{before}""#),
                format!(r#"{name}="(\\.|[^"\\])*""#),
            ),
        };
        let line = line.replace("\"a\":\"", &format!("\"a\":\"{}", other.replace("S3CRET", "")));
        let redaction = all().with_pattern("own", &pattern, None).unwrap();
        let parser = if is_json { "json" } else { "logfmt" };
        let kept = format!("{:?}", read(Settings { redaction: Some(redaction), ..with(parser) }, &line));
        prop_assert!(!kept.contains("S3CRET"), "{} in {}", line, kept);
    }
}
