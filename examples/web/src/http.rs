//! HTTP/1.1 as much as a probe, a browser and curl need: a bounded request head in, a response
//! out. Bodies are not read; a request that has one is answered and its connection closed.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A longer request head is refused with 431.
pub(crate) const HEAD_BYTES_MAX: usize = 8 * 1024;
/// A client has this long to send a head, counted from the first wait for it.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A client has this long to take each part of a response.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// A request's head, as much of it as the pages look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Behind the `?`, without it.
    pub(crate) query: String,
    /// Whether another request may follow on this connection.
    pub(crate) keep_alive: bool,
}

/// What is sent back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

impl Response {
    /// Plain text.
    pub(crate) fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }
}

/// Why no request came.
#[derive(Debug)]
pub(crate) enum NoRequest {
    /// The client went away, said nothing in time, or sent half a head.
    Gone,
    /// It is not a request that can be answered: with this response instead.
    Refused(Response),
}

/// One connection with the bytes that were read beyond the last head.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Waits for the next request.
    pub(crate) fn request(&mut self) -> Result<Request, NoRequest> {
        let deadline = Instant::now() + HEAD_TIMEOUT;
        loop {
            if let Some(end) = head_end(&self.buffer) {
                let rest = self.buffer.split_off(end.min(self.buffer.len()));
                let head = std::mem::replace(&mut self.buffer, rest);
                return parse(&head).map_err(NoRequest::Refused);
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                let refusal = Response::text(431, "request head too large\n");
                return Err(NoRequest::Refused(refusal));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stream.set_read_timeout(Some(left)).is_err() {
                return Err(NoRequest::Gone);
            }
            let mut part = [0; 1024];
            match self.stream.read(&mut part) {
                Ok(0) => return Err(NoRequest::Gone),
                Ok(count) => self.buffer.extend_from_slice(part.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(NoRequest::Gone),
            }
        }
    }

    /// Sends a response; without its body for a HEAD request.
    pub(crate) fn respond(
        &mut self,
        response: &Response,
        body: bool,
        close: bool,
    ) -> io::Result<()> {
        let connection = if close { "close" } else { "keep-alive" };
        let mut text = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: {connection}\r\n",
            response.status,
            reason(response.status),
            response.content_type,
            response.body.len(),
        );
        if response.status == 405 {
            text.push_str("Allow: GET, HEAD\r\n");
        }
        text.push_str("\r\n");
        if body {
            text.push_str(&response.body);
        }
        self.stream.write_all(text.as_bytes())?;
        self.stream.flush()
    }
}

/// Where the head ends, behind its empty line.
fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map(|at| at + 4)
        .filter(|end| *end <= HEAD_BYTES_MAX)
}

fn parse(head: &[u8]) -> Result<Request, Response> {
    let bad = |what: &str| Response::text(400, format!("{what}\n"));
    let head = std::str::from_utf8(head).map_err(|_| bad("the request head is not UTF-8"))?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(bad("the request line needs a method, a target and a version"));
    };
    if !version.starts_with("HTTP/1.") {
        return Err(Response::text(505, "only HTTP/1.1 is spoken here\n"));
    }
    if !target.starts_with('/') {
        return Err(bad("the target must begin with `/`"));
    }
    let mut keep_alive = version != "HTTP/1.0";
    for line in lines.take_while(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(':') else {
            return Err(bad("a header needs a colon"));
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "connection" if value.eq_ignore_ascii_case("close") => keep_alive = false,
            // A body would be taken for the next request.
            "transfer-encoding" => keep_alive = false,
            "content-length" if value != "0" => keep_alive = false,
            _ => {}
        }
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Ok(Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        keep_alive,
    })
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(head: &str) -> u16 {
        parse(head.as_bytes()).map_or_else(|response| response.status, |_| 200)
    }

    #[test]
    fn a_request_line_is_read_with_its_query() {
        let request = parse(b"GET /slow?ms=5 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let request = request.unwrap();
        assert_eq!((request.path.as_str(), request.query.as_str()), ("/slow", "ms=5"));
        assert!(!request.keep_alive);
    }

    #[test]
    fn what_is_not_a_request_is_refused_with_its_status() {
        assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), 200);
        assert_eq!(status("GET /\r\n\r\n"), 400);
        assert_eq!(status("GET x HTTP/1.1\r\n\r\n"), 400);
        assert_eq!(status("GET / HTTP/1.1\r\nno colon\r\n\r\n"), 400);
        assert_eq!(status("GET / HTTP/2\r\n\r\n"), 505);
        assert_eq!(parse(b"\xff\r\n\r\n").unwrap_err().status, 400);
    }

    #[test]
    fn a_body_never_becomes_the_next_request() {
        for header in ["Content-Length: 5", "transfer-encoding: chunked"] {
            let head = format!("POST / HTTP/1.1\r\n{header}\r\n\r\n");
            assert!(!parse(head.as_bytes()).unwrap().keep_alive, "{header}");
        }
    }

    #[test]
    fn the_head_bound_is_exact() {
        let mut head = vec![b'x'; HEAD_BYTES_MAX - 4];
        head.extend(b"\r\n\r\n");
        assert_eq!(head_end(&head), Some(HEAD_BYTES_MAX));
        head.insert(0, b'x');
        assert_eq!(head_end(&head), None);
    }
}
