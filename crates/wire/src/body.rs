//! The body of a request: pieces that lie where they were made, so that nothing is copied to send
//! them.

use hyper::body::{Bytes, Frame, SizeHint};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

/// Pieces that are sent one after the other. Their length is known, so HTTP/1.1 needs no chunks.
#[derive(Debug, Clone, Default)]
pub struct Body {
    pieces: VecDeque<Bytes>,
    /// Bytes of all of them.
    length: u64,
}

impl Body {
    /// How many bytes are left.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// All of it in one piece, which is a copy when there are several.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        match self.pieces.front() {
            Some(only) if self.pieces.len() == 1 => only.clone(),
            _ => self.pieces.iter().flatten().copied().collect(),
        }
    }

    /// The next piece with something in it.
    #[inline(never)]
    fn take(&mut self) -> Option<Bytes> {
        while let Some(piece) = self.pieces.pop_front() {
            self.length -= piece.len() as u64;
            if !piece.is_empty() {
                return Some(piece);
            }
        }
        None
    }

    /// A piece before all others.
    pub fn push_front(&mut self, piece: Bytes) {
        self.length += piece.len() as u64;
        self.pieces.push_front(piece);
    }
}

/// The last piece of a body, and what lives as long as it.
struct Last {
    piece: Bytes,
    _unsent: Arc<()>,
}

impl AsRef<[u8]> for Last {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

impl Body {
    /// What lives until all of it was sent, or given up; with nothing to send it never did.
    pub(crate) fn unsent(&mut self) -> Weak<()> {
        let last = self.pieces.iter_mut().rev().find(|piece| !piece.is_empty());
        last.map_or_else(Weak::new, |last| {
            let unsent = Arc::new(());
            let watch = Arc::downgrade(&unsent);
            *last = Bytes::from_owner(Last { piece: std::mem::take(last), _unsent: unsent });
            watch
        })
    }
}

impl From<Bytes> for Body {
    fn from(piece: Bytes) -> Self {
        let mut body = Self::default();
        body.push_front(piece);
        body
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    // Apart from `take`, so that the compiler sees that there are no trailers and leaves out what
    // would send them.
    #[inline(always)]
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.take().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[test]
    fn a_body_is_unsent_until_its_last_piece_is_gone() {
        let mut body = Body::default();
        assert_eq!(body.unsent().strong_count(), 0);
        for piece in ["", "b", "a"] {
            body.push_front(Bytes::from(piece));
        }
        let unsent = body.unsent();
        assert_eq!((body.take().unwrap(), unsent.strong_count()), (Bytes::from("a"), 1));
        let last = body.take().unwrap();
        drop(body);
        assert_eq!((&last[..], unsent.strong_count()), (&b"b"[..], 1));
        drop(last);
        assert_eq!(unsent.strong_count(), 0);
    }

    #[tokio::test]
    async fn pieces_are_sent_in_their_order_and_their_length_is_known() {
        let mut body = Body::from(Bytes::from_static(b"d"));
        body.push_front(Bytes::new());
        body.push_front(Bytes::from_static(b"bc"));
        body.push_front(Bytes::from_static(b"a"));
        assert_eq!((body.len(), hyper::body::Body::size_hint(&body).exact()), (4, Some(4)));
        assert_eq!((body.bytes(), Body::default().bytes()), (Bytes::from("abcd"), Bytes::new()));
        let one = Bytes::from(vec![1; 100]);
        assert_eq!(Body::from(one.clone()).bytes().as_ptr(), one.as_ptr());
        let mut frames = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            frames.extend(frame.into_data());
            assert_eq!(hyper::body::Body::is_end_stream(&body), frames.len() == 3);
        }
        assert_eq!(frames, ["a", "bc", "d"].map(Bytes::from));
        assert!(hyper::body::Body::is_end_stream(&Body::default()));
    }
}
