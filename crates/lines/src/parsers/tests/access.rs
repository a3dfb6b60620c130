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
