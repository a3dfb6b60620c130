//! JSON values written as block YAML, as `kubectl get -o yaml` lays it out.
//!
//! What a reader sees must be what any YAML reader gets back: a string that an older reader
//! would take for a boolean, a number or a null (`yes`, `0644`, `1_000`, `~`) is quoted, and
//! text of several lines becomes a literal block where that is exact. Input is bounded by the
//! caller's value; there are no errors.

use serde_json::Value;

/// Spaces per level. Lists stand at the level of their key, as kubectl prints them.
const INDENT_SPACES: usize = 2;
/// Words that some YAML 1.1 or 1.2 reader takes for a boolean or a null.
const RESERVED_WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];

/// The value as one YAML document without `---`, ending in a newline.
#[must_use]
pub fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => block(&mut out, value, 0, false),
        Value::Array(list) if !list.is_empty() => block(&mut out, value, 0, false),
        leaf => {
            scalar(&mut out, leaf, 0);
            out.push('\n');
        }
    }
    out
}

/// Several documents, each begun with `---`.
#[must_use]
pub fn to_yaml_stream<'a>(values: impl IntoIterator<Item = &'a Value>) -> String {
    let mut out = String::new();
    for value in values {
        out.push_str("---\n");
        out.push_str(&to_yaml(value));
    }
    out
}

/// A non-empty map or list; `inline` says that the first line already stands behind a `- `.
fn block(out: &mut String, value: &Value, level: usize, inline: bool) {
    let lead = |out: &mut String, first: bool| {
        if !(first && inline) {
            out.extend(std::iter::repeat_n(' ', level));
        }
    };
    match value {
        Value::Object(map) => {
            for (index, (key, child)) in map.iter().enumerate() {
                lead(out, index == 0);
                text(out, key);
                out.push(':');
                entry(out, child, level);
            }
        }
        Value::Array(list) => {
            for (index, child) in list.iter().enumerate() {
                lead(out, index == 0);
                out.push('-');
                if is_nested(child) {
                    out.push(' ');
                    block(out, child, level + INDENT_SPACES, true);
                } else {
                    out.push(' ');
                    scalar(out, child, level + INDENT_SPACES);
                    out.push('\n');
                }
            }
        }
        _ => {}
    }
}

/// What stands behind `key:`.
fn entry(out: &mut String, child: &Value, level: usize) {
    if is_nested(child) {
        out.push('\n');
        let deeper = if child.is_array() { level } else { level + INDENT_SPACES };
        block(out, child, deeper, false);
    } else {
        out.push(' ');
        scalar(out, child, level + INDENT_SPACES);
        out.push('\n');
    }
}

fn is_nested(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    }
}

/// A value that fits behind a key or a dash; `level` is where further lines of it stand.
fn scalar(out: &mut String, value: &Value, level: usize) {
    match value {
        Value::String(string) if is_literal_block(string) => literal(out, string, level),
        Value::String(string) => text(out, string),
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        other => out.push_str(&other.to_string()),
    }
}

/// Whether a literal block gives the string back exactly, in every reader.
fn is_literal_block(string: &str) -> bool {
    let body = string.strip_suffix('\n').unwrap_or(string);
    body.contains('\n')
        && !body.ends_with('\n')
        && !body.starts_with([' ', '\t', '\n'])
        && body.lines().all(|line| !line.ends_with(' ') && !line.starts_with('\t'))
        && !body.contains(|c: char| c != '\n' && c != '\t' && must_be_escaped(c))
}

fn literal(out: &mut String, string: &str, level: usize) {
    let body = match string.strip_suffix('\n') {
        Some(body) => {
            out.push('|');
            body
        }
        None => {
            out.push_str("|-");
            string
        }
    };
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            out.extend(std::iter::repeat_n(' ', level.max(INDENT_SPACES)));
            out.push_str(line);
        }
    }
}

/// A string in one line: plain where nobody can misread it, else double-quoted.
fn text(out: &mut String, string: &str) {
    if is_plain(string) {
        out.push_str(string);
        return;
    }
    out.push('"');
    for c in string.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if must_be_escaped(c) => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Plain strings begin with a letter or a slash, so no number, date, tag, anchor or indicator
/// can be meant, and hold only characters without a meaning in YAML.
fn is_plain(string: &str) -> bool {
    let begins_well = string.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let harmless = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(
                c,
                ' ' | '-' | '_' | '.' | '/' | '=' | '@' | '+' | '(' | ')' | ';' | ':' | ','
            )
    };
    begins_well
        && string.chars().all(harmless)
        && !string.ends_with([' ', ':'])
        && !string.contains(": ")
        && !RESERVED_WORDS.iter().any(|word| word.eq_ignore_ascii_case(string))
}

/// Characters that YAML does not allow raw, or that readers treat as a line break.
fn must_be_escaped(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn an_object_looks_as_kubectl_prints_it() {
        let value = json!({
            "apiVersion": "v1",
            "data": {"script": "#!/bin/sh\nexit 0\n", "empty": "", "mode": "0644", "tail": "a\nb"},
            "list": [{"name": "a", "ports": [80, 443]}, [1, [2]], {}, [], "x: y", null],
            "none": {},
        });
        expect![[r##"
            apiVersion: v1
            data:
              empty: ""
              mode: "0644"
              script: |
                #!/bin/sh
                exit 0
              tail: |-
                a
                b
            list:
            - name: a
              ports:
              - 80
              - 443
            - - 1
              - - 2
            - {}
            - []
            - "x: y"
            - null
            none: {}
        "##]]
        .assert_eq(&to_yaml(&value));
    }

    #[test]
    fn strings_that_a_reader_could_take_for_something_else_are_quoted() {
        for word in [
            "yes",
            "NO",
            "null",
            "~",
            "1e3",
            ".5",
            "0x1f",
            "2024-01-01",
            "- a",
            "a #b",
            "",
            " a",
            "a:",
            "*a",
            "!t",
        ] {
            assert_eq!(to_yaml(&json!(word)), format!("\"{word}\"\n"));
        }
        assert_eq!(to_yaml(&json!("\u{7}\u{85}")), "\"\\u0007\\u0085\"\n");
        assert_eq!(to_yaml(&json!("nginx:1.25")), "nginx:1.25\n");
    }

    #[test]
    fn a_stream_begins_each_document_with_its_mark() {
        assert_eq!(to_yaml_stream([&json!(1), &json!({"a": 2})]), "---\n1\n---\na: 2\n");
    }
}
