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
        ("msg=a msg=b, flag=1", r#"flag="1" msg="b,""#),
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
