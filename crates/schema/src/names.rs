//! The syntax of names, label keys and label values.

/// Characters of a DNS label, and of a label's value.
pub(crate) const LABEL_CHARS_MAX: usize = 63;
/// Characters of a DNS subdomain.
const SUBDOMAIN_CHARS_MAX: usize = 253;

/// RFC 1123, one label.
pub(crate) fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= LABEL_CHARS_MAX
        && text.bytes().all(inner)
        && !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// RFC 1123, labels with dots between; a label of any length, as the API server reads it.
pub(crate) fn is_subdomain(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= SUBDOMAIN_CHARS_MAX
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// Letters, digits, `-`, `_` and `.`, a letter or digit at both ends.
fn is_qualified_part(text: &str) -> bool {
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    text.len() <= LABEL_CHARS_MAX
        && ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

/// The key of a label or, with `any_case`, of an annotation.
pub(crate) fn is_key(text: &str, any_case: bool) -> bool {
    match text.split_once('/') {
        None => is_qualified_part(text),
        Some((prefix, name)) if any_case => {
            is_subdomain(&prefix.to_ascii_lowercase()) && is_qualified_part(name)
        }
        Some((prefix, name)) => is_subdomain(prefix) && is_qualified_part(name),
    }
}

/// The value of a label.
pub(crate) fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_qualified_part(text)
}

/// What can be part of a URL's path.
pub(crate) fn is_path_segment(text: &str) -> bool {
    text != "." && text != ".." && !text.contains(['/', '%'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_at_their_bounds() {
        assert!(is_label(&"a".repeat(LABEL_CHARS_MAX)) && !is_label(&"a".repeat(64)));
        assert!(is_label("a-1") && !is_label("-a") && !is_label("A") && !is_label(""));
        assert!(is_subdomain("a.b-c.d") && !is_subdomain("a..b") && !is_subdomain("a.-b"));
        assert!(is_subdomain(&"a".repeat(SUBDOMAIN_CHARS_MAX)));
        assert!(!is_subdomain(&"a".repeat(SUBDOMAIN_CHARS_MAX + 1)));
        assert!(is_key("app.kubernetes.io/name", false) && is_key("A_b.c", false));
        assert!(!is_key("Example.com/a", false) && is_key("Example.com/a", true));
        assert!(!is_key("a/b/c", false) && !is_key("", false) && !is_key("a/", false));
        assert!(is_label_value("") && is_label_value("A.b_c") && !is_label_value("a b"));
        assert!(is_path_segment("system:x") && !is_path_segment("a/b") && !is_path_segment(".."));
    }
}
