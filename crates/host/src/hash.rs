//! FNV-1a with 64 bits: a fingerprint of at most a kilobyte, taken piece by piece.
//!
//! It tells files of honest writers apart. A writer that makes two of its own files collide can
//! only hide its own lines from itself: identity is judged by handle, birth and content together.

/// A hash that grows with its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Goes on from a value that was taken earlier.
    pub(crate) fn from_value(value: u64) -> Self {
        Self(value)
    }

    /// Takes more input.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// The hash of all input so far.
    pub(crate) fn value(self) -> u64 {
        self.0
    }

    /// The hash of one piece.
    pub(crate) fn of(bytes: &[u8]) -> u64 {
        let mut hash = Self::default();
        hash.add(bytes);
        hash.value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_that_was_continued_equals_that_of_the_whole() {
        let mut hash = Fnv::from_value(Fnv::of(b"foo"));
        hash.add(b"bar");
        assert_eq!(hash.value(), Fnv::of(b"foobar"));
        assert_eq!(Fnv::of(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
