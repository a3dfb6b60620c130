//! A bearer token in a file that somebody else renews while this process runs.
//!
//! The token is read again after [`TOKEN_FILE_SECONDS`], and at once when the server refuses it.
//! A file that cannot be read any more leaves the last token in use. The token is in no message.

use http::HeaderValue;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A token from a file is used for this long before the file is read again.
pub const TOKEN_FILE_SECONDS: u64 = 60;

/// The file and what was last read from it.
pub(crate) struct TokenFile {
    path: PathBuf,
    cached: Mutex<Cached>,
}

struct Cached {
    header: HeaderValue,
    read: Instant,
}

impl TokenFile {
    /// Reads the file for the first time; the error says why it cannot.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let cached = Cached { header: read(path)?, read: Instant::now() };
        Ok(Self { path: path.to_owned(), cached: Mutex::new(cached) })
    }

    /// The value of `Authorization`.
    pub(crate) fn header(&self, now: Instant) -> HeaderValue {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now.saturating_duration_since(cached.read);
        if age >= Duration::from_secs(TOKEN_FILE_SECONDS) {
            self.renew(&mut cached, now);
        }
        cached.header.clone()
    }

    /// The server refused `used`: whether there is another token to try now.
    pub(crate) fn refused(&self, used: &HeaderValue, now: Instant) -> bool {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.header == used {
            self.renew(&mut cached, now);
        }
        cached.header != used
    }

    fn renew(&self, cached: &mut Cached, now: Instant) {
        match read(&self.path) {
            Ok(header) => cached.header = header,
            Err(error) => {
                let path = self.path.display();
                tracing::warn!(%path, %error, "the last token stays in use");
            }
        }
        cached.read = now;
    }
}

fn read(path: &Path) -> Result<HeaderValue, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let token = text.trim();
    let plain = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    let header = plain.then(|| HeaderValue::try_from(format!("Bearer {token}")).ok()).flatten();
    let mut header = header.ok_or("it holds no token")?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_again_after_its_time_and_at_once_when_it_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let put = |text: &str| std::fs::write(&path, text).unwrap();
        put("one\n");
        let start = Instant::now();
        let token = TokenFile::open(&path).unwrap();
        let limit = Instant::now() + Duration::from_secs(TOKEN_FILE_SECONDS);
        put("two");
        assert_eq!(token.header(start + Duration::from_secs(TOKEN_FILE_SECONDS - 1)), "Bearer one");
        assert_eq!(token.header(limit), "Bearer two");
        assert!(!token.refused(&"Bearer two".parse().unwrap(), limit), "there is no other one");
        put("three");
        assert!(token.refused(&"Bearer two".parse().unwrap(), limit));
        // A second request that was under way with the old token is sent again as well.
        assert!(token.refused(&"Bearer two".parse().unwrap(), limit));
        assert_eq!(token.header(limit), "Bearer three");
        std::fs::remove_file(&path).unwrap();
        let later = limit + Duration::from_secs(TOKEN_FILE_SECONDS);
        assert_eq!(token.header(later), "Bearer three", "better than none");
        assert!(format!("{:?}", token.header(later)).contains("Sensitive"));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for text in ["", " \n", "a b", "a\nb", "ä"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(TokenFile::open(&path).err().as_deref(), Some("it holds no token"));
        }
    }
}
