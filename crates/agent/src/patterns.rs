//! Regular expressions of the config: linear in the text, bounded in size.

use crate::config::PATTERN_BYTES_MAX;

/// Bytes that a compiled pattern may take.
pub const PATTERN_COMPILED_BYTES_MAX: usize = 1024 * 1024;

/// Compiles a pattern.
pub(crate) fn compile(text: &str) -> Result<regex::Regex, String> {
    if text.len() > PATTERN_BYTES_MAX {
        return Err(format!("it is longer than {PATTERN_BYTES_MAX} bytes"));
    }
    let built = regex::RegexBuilder::new(text)
        .size_limit(PATTERN_COMPILED_BYTES_MAX)
        .dfa_size_limit(PATTERN_COMPILED_BYTES_MAX)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "it is too large when compiled".to_owned(),
        // The parser draws the pattern with a marker below it, over several lines.
        other => other.to_string().lines().last().unwrap_or("it is no pattern").trim().to_owned(),
    })
}

/// Whether a pattern can be used.
pub(crate) fn check(text: &str) -> Result<(), String> {
    compile(text).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_would_take_too_much_is_refused_with_one_line() {
        assert!(check(&"a".repeat(PATTERN_BYTES_MAX)).is_ok());
        assert!(check(&"a".repeat(PATTERN_BYTES_MAX + 1)).is_err());
        for pattern in ["(", "(?P<a>x", "\\w{1000}{1000}", "a{99999999}", "(?=x)"] {
            let reason = check(pattern).unwrap_err();
            assert!(!reason.contains('\n'), "{reason}");
        }
    }
}
