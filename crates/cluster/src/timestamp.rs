//! Timestamps as the API writes them.

use jiff::Timestamp;
use std::time::SystemTime;

/// `2026-01-31T09:00:00Z`.
pub(crate) fn seconds_text(at: SystemTime) -> String {
    timestamp(at).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `2026-01-31T09:00:00.000000Z`.
pub(crate) fn micros_text(at: SystemTime) -> String {
    timestamp(at).strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// A clock outside the years that can be written reads as the epoch.
fn timestamp(at: SystemTime) -> Timestamp {
    Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn timestamps_are_written_as_the_api_writes_them() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_500_000);
        assert_eq!(seconds_text(at), "1970-01-01T00:00:01Z");
        assert_eq!(micros_text(at), "1970-01-01T00:00:01.500000Z");
    }
}
