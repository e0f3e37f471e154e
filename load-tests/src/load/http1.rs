//! HTTP/1.1 as a client speaks it: one request, one answer, by the bytes.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::tls::Stream;
use super::{Reply, Request};

/// What is read at once; more than a TLS record.
const BUFFER: usize = 64 * 1024;
/// What is written of a body at once.
pub(super) static CHUNK: [u8; 64 * 1024] = [b'.'; 64 * 1024];

/// A connection, and what was read of it and not yet used.
pub(super) struct Http1 {
    stream: Stream,
    buffer: Vec<u8>,
    filled: usize,
}

/// The head of `request`, written once for all.
pub(super) fn head(host: &str, request: &Request) -> Vec<u8> {
    let mut head = format!(
        "{} {} HTTP/1.1\r\nhost: {host}\r\nuser-agent: load-tests\r\n",
        request.method, request.path
    );
    if request.method == "POST" {
        head.push_str(&format!("content-length: {}\r\n", request.upload));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

impl Http1 {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            buffer: vec![0; BUFFER],
            filled: 0,
        }
    }

    /// Sends and reads the whole answer.
    pub(super) async fn exchange(&mut self, head: &[u8], upload: usize) -> io::Result<Reply> {
        self.stream.write_all(head).await?;
        let mut left = upload;
        while left > 0 {
            let chunk = CHUNK.get(..left.min(CHUNK.len())).unwrap_or(&CHUNK);
            self.stream.write_all(chunk).await?;
            left -= chunk.len();
        }
        let (reply, end) = self.read_head().await?;
        self.skip_body(end, reply.bytes).await?;
        Ok(reply)
    }

    async fn read_head(&mut self) -> io::Result<(Reply, usize)> {
        loop {
            let read = self.buffer.get(..self.filled).unwrap_or_default();
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = read.get(..end).unwrap_or_default();
                return Ok((parse(head)?, end + 4));
            }
            self.fill().await?;
        }
    }

    /// Drops a body of `length` that begins at `start`; keeps what follows it.
    async fn skip_body(&mut self, start: usize, length: usize) -> io::Result<()> {
        let mut left = length;
        let mut here = start;
        loop {
            let ready = left.min(self.filled - here);
            left -= ready;
            here += ready;
            if left == 0 {
                break;
            }
            self.filled = 0;
            here = 0;
            self.fill().await?;
        }
        self.buffer.copy_within(here..self.filled, 0);
        self.filled -= here;
        Ok(())
    }

    async fn fill(&mut self) -> io::Result<()> {
        let free = self.buffer.get_mut(self.filled..).unwrap_or_default();
        match self.stream.read(free).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.filled += read;
                Ok(())
            }
        }
    }
}

/// Status and framing. Every part of the rig answers with a length.
fn parse(head: &[u8]) -> io::Result<Reply> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "an answer that is not HTTP/1.1");
    let text = std::str::from_utf8(head).map_err(|_| wrong())?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let mut reply = Reply {
        status: status.and_then(|s| s.parse().ok()).ok_or_else(wrong)?,
        ..Reply::default()
    };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            reply.bytes = value.parse().map_err(|_| wrong())?;
        } else if name.eq_ignore_ascii_case("connection") {
            reply.closes = value.eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            let error = io::Error::new(io::ErrorKind::Unsupported, "an answer in chunks");
            return Err(error);
        }
    }
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_status_length_and_whether_it_closes() {
        let reply = parse(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 19\r\nConnection: close");
        let reply = reply.unwrap();
        assert_eq!((reply.status, reply.bytes, reply.closes), (403, 19, true));
        assert_eq!(parse(b"HTTP/1.1 204 No Content").unwrap().bytes, 0);
    }

    #[test]
    fn takes_no_answer_it_cannot_frame() {
        assert!(parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked").is_err());
        assert!(parse(b"no HTTP").is_err());
    }

    #[test]
    fn a_post_says_its_length_and_a_get_none() {
        let post = String::from_utf8(head("a.test", &Request::post("/x", 0))).unwrap();
        assert!(post.ends_with("\r\ncontent-length: 0\r\n\r\n"), "{post}");
        let get = String::from_utf8(head("a.test", &Request::get("/x"))).unwrap();
        assert!(get.starts_with("GET /x HTTP/1.1\r\nhost: a.test\r\n"));
        assert!(!get.contains("content-length"));
    }
}
