//! A conversation's way to the server, and back.

use super::http::Http;
use super::ssh;
use super::watch::Incoming;
use crate::RepoError;
use crate::error::Cause;

/// How a server is asked.
pub(super) enum Transport<'a> {
    Http(Box<Http<'a>>),
    Ssh(Box<ssh::Server<'a>>),
}

impl<'a> Transport<'a> {
    /// The start of the greeting.
    pub(super) fn greet(&mut self) -> Result<&mut Incoming<'a>, RepoError> {
        match self {
            Self::Http(http) => http.greet(),
            Self::Ssh(server) => Ok(&mut server.reading),
        }
    }

    /// The start of the answer to a request.
    pub(super) fn ask(
        &mut self,
        request: Vec<u8>,
        url: &str,
    ) -> Result<&mut Incoming<'a>, RepoError> {
        match self {
            Self::Http(http) => http.ask(request),
            Self::Ssh(server) => {
                server.send(&request).map_err(|error| RepoError::Negotiate {
                    url: url.to_owned(),
                    source: Cause::of(&error),
                })?;
                Ok(&mut server.reading)
            }
        }
    }

    /// Whether an answer ends where its connection's stream ends.
    pub(super) fn answers_end(&self) -> bool {
        matches!(self, Self::Http(_))
    }
}
