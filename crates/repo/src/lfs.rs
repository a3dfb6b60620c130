//! Git LFS pointers: small text files that stand for a large file kept elsewhere. A pointer is
//! not the manifest that its author sees, so delivering it would be wrong; it is refused.

/// Bytes of the longest pointer; the specification of Git LFS says less than 1,024.
const POINTER_BYTES_MAX: usize = 1024;

/// The first line of a pointer, in its current and its earliest spelling.
const VERSION_LINES: [&[u8]; 2] = [
    b"version https://git-lfs.github.com/spec/v1\n",
    b"version https://hawser.github.com/spec/v1\n",
];

/// Whether these bytes are a pointer: a version line, then an object id and a size.
pub(crate) fn is_pointer(bytes: &[u8]) -> bool {
    if bytes.len() >= POINTER_BYTES_MAX {
        return false;
    }
    let Some(rest) = VERSION_LINES.iter().find_map(|line| bytes.strip_prefix(*line)) else {
        return false;
    };
    let has = |key: &[u8]| rest.split(|b| *b == b'\n').any(|line| line.starts_with(key));
    has(b"oid ") && has(b"size ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POINTER: &str = "version https://git-lfs.github.com/spec/v1\n\
        oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

    #[test]
    fn gitops_15_a_pointer_is_told_from_a_manifest() {
        assert!(is_pointer(POINTER.as_bytes()));
        assert!(!is_pointer(b"apiVersion: v1\nkind: ConfigMap\n"));
        assert!(!is_pointer(b""));
        assert!(!is_pointer(b"version https://git-lfs.github.com/spec/v1\n"));
        let padding = POINTER_BYTES_MAX - POINTER.len();
        let long = format!("{POINTER}{}", "x".repeat(padding));
        assert!(!is_pointer(long.as_bytes()));
        assert!(is_pointer(long.get(..POINTER_BYTES_MAX - 1).unwrap().as_bytes()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_detection_fail(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
            let _ = is_pointer(&bytes);
        }

        #[test]
        fn extensions_between_the_lines_do_not_hide_a_pointer(name in "[a-z]{1,8}", n in 0u64..1000) {
            let text = format!(
                "version https://git-lfs.github.com/spec/v1\next-0-{name} sha256:00\noid sha256:11\nsize {n}\n"
            );
            prop_assert!(is_pointer(text.as_bytes()));
        }
    }
}
