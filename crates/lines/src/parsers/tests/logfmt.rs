//! What logfmt does with keys and words that say something twice.

use super::*;

#[test]
fn r17_logfmt_keeps_the_line_where_a_value_hides_another_or_a_message_may_go_on() {
    for (line, after) in [
        (
            "type=A msg=audit(17.1:2): pid=1 msg='op=PAM' res=ok",
            r#"type="A" pid="1" res="ok" msg="op=PAM""#,
        ),
        ("level=info msg=moved from a", r#"from=true a=true msg="moved""#),
        ("msg=a msg=b, flag=1", r#"flag="1" msg="b""#),
        ("level=error level=info a=1", r#"a="1""#),
        ("status=500 status=200", r#"status="200""#),
        ("a=1 b=x a=2", r#"a="2" b="x""#),
        ("a=1 b b=2", r#"a="1" b="2""#),
    ] {
        let out = read(with("logfmt"), line);
        assert_eq!(out.body(&out.records()[0]), line);
        assert!(told(&out).ends_with(&format!("|{line}| {after}")), "{}", told(&out));
    }
    for (line, wanted) in [
        ("msg=a x=1 msg=a x=1 flag flag", r#"0 - 0 |a| x="1" flag=true"#),
        ("level=info msg='a b' flag", "9 - 0 |a b| flag=true"),
        ("level=info level=info msg=a", "9 - 0 |a|"),
    ] {
        assert_eq!(told(&read(with("logfmt"), line)), wanted);
    }
}

#[test]
fn r17_logfmt_gives_up_the_comma_behind_a_bare_value_and_no_other_one() {
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let line = format!("level=error, msg=m, status=503, trace_id={trace}, id=1");
    let out = read(with("logfmt"), &line);
    assert_eq!(
        (told(&out).as_str(), out.records()[0].has_trace()),
        (r#"17 - 503 |m| status="503" id="1""#, true)
    );
    for (line, wanted) in [
        ("a=1,2, b=3,4 c=5, ", r#"a="1,2" b="3,4" c="5""#),
        ("a=1,2,, b=, c=,, d=4,", r#"a="1,2,," b="," c=",," d="4""#),
        ("a='1,', b=\"2,\", c=x,y", r#"a="1," b="2," c="x,y""#),
    ] {
        assert_eq!(told(&read(with("logfmt"), line)), format!("0 - 0 |{line}| {wanted}"));
    }
    // What follows may belong to the value.
    let line = "msg=m a=1, 2 b=3";
    assert_eq!(
        told(&read(with("logfmt"), line)),
        format!(r#"0 - 0 |{line}| a="1" 2=true b="3" msg="m""#)
    );
}

#[test]
fn r13_a_text_with_pairs_in_it_gives_no_time_and_a_severity_only_by_its_name() {
    let at = "2017-07-14 02:40:00";
    for (line, wanted) in [
        (
            format!(
                "LOG:  execute <unnamed>: SELECT * FROM events WHERE time='{at}' AND level='error'"
            ),
            format!(r#"17 - 0 || time="{at}" AND=true"#),
        ),
        (
            "so ts=1500000000 level=3 level=30".to_owned(),
            r#"0 - 0 || ts="1500000000" level="30""#.to_owned(),
        ),
        (
            format!("2026-01-01T00:00:00Z ERROR status=503 time=\"{at}\" lvl=warn"),
            format!(r#"13 - 503 || status="503" time="{at}""#),
        ),
    ] {
        let told = told(&read(with("logfmt"), &line));
        assert_eq!(told.replace(&line, ""), wanted);
    }
    // Where the line begins with a pair, its pairs are what they say.
    let line = "time=2024-05-06T07:08:09Z level=3 and more";
    let told = told(&read(with("logfmt"), line));
    assert_eq!(told, format!("17 0 0 |{line}| and=true more=true"));
}
