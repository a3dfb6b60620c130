//! What access logs have besides the common fields.

use super::*;

const REQUEST: &str = r#"[06/May/2024:07:08:09 +0000] "GET /a HTTP/1.1" 503 157"#;
const FIELDS: &str = r#"http.request.method="GET" url.original="/a" network.protocol.version="1.1" http.response.status_code=503 http.response.body.size=157"#;

#[test]
fn what_is_behind_the_size_and_in_no_quotes_is_the_rest() {
    for (tail, wanted) in [
        (" 1234", r#" rest="1234""#),
        (" 1234 0.5 \"x y\"", r#" rest="1234 0.5 \"x y\"""#),
        (" \"-\" \"c\" 1234", r#" user_agent.original="c" rest="1234""#),
        (" ", ""),
    ] {
        let line = format!("192.0.2.7 - - {REQUEST}{tail}");
        let wanted = format!(r#"0 0 503 |{line}| client.address="192.0.2.7" {FIELDS}{wanted}"#);
        assert_eq!(told(&read(with("access"), &line)), wanted);
    }
}

#[test]
fn a_virtual_host_before_the_client_is_the_server() {
    let host = r#"server.address="www.example.com" server.port=443 client.address="#;
    for (start, wanted) in [
        ("www.example.com:443 192.0.2.7 - -", format!(r#"{host}"192.0.2.7""#)),
        (
            "www.example.com:443 2001:db8::1 - bob",
            format!(r#"{host}"2001:db8::1" user.name="bob""#),
        ),
        ("www.example.com:443 h.example i b s", format!(r#"{host}"h.example" user.name="b s""#)),
        // No host with its port, or nothing that is the client.
        ("2001:db8::1 1.2 - bob", r#"client.address="2001:db8::1" user.name="- bob""#.to_owned()),
        ("192.0.2.7:443 - b s", r#"client.address="192.0.2.7:443" user.name="b s""#.to_owned()),
        ("192.0.2.7:443 1.2 bob", r#"client.address="192.0.2.7:443" user.name="bob""#.to_owned()),
        ("a:x 192.0.2.7 - bob", r#"client.address="a:x" user.name="- bob""#.to_owned()),
        (":1 192.0.2.7 - bob", r#"client.address=":1" user.name="- bob""#.to_owned()),
    ] {
        let line = format!("{start} {REQUEST}");
        let wanted = format!("0 0 503 |{line}| {wanted} {FIELDS}");
        assert_eq!(told(&read(with("access"), &line)), wanted);
    }
}
