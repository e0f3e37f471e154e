//! HTTP/1.1 as the origin speaks it.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_boring::SslStream;

use super::size;

const BUFFER: usize = 64 * 1024;

/// Answers requests until the connection ends.
pub(super) async fn serve(mut stream: SslStream<TcpStream>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    let mut answer = Vec::new();
    loop {
        let read = buffer.get(..filled).unwrap_or_default();
        let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else {
            let free = buffer.get_mut(filled..).unwrap_or_default();
            match stream.read(free).await? {
                0 => return Ok(()),
                more => filled += more,
            }
            continue;
        };
        let head = read.get(..end).unwrap_or_default();
        let asked = Asked::read(head).ok_or(io::ErrorKind::InvalidData)?;
        let rest = end + 4;
        let body = asked.body.min(filled - rest);
        buffer.copy_within(rest + body..filled, 0);
        filled -= rest + body;
        if asked.body > body {
            skip(&mut stream, asked.body - body).await?;
        }
        asked.write(&mut answer);
        stream.write_all(&answer).await?;
    }
}

/// Reads a body of which `left` bytes are still to come.
async fn skip(stream: &mut SslStream<TcpStream>, left: usize) -> io::Result<()> {
    let mut body = BufReader::with_capacity(BUFFER, stream.take(left as u64));
    let read = tokio::io::copy_buf(&mut body, &mut tokio::io::sink()).await?;
    if read < left as u64 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// What of a request's head matters here.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    body: usize,
    wants: usize,
}

impl Asked {
    fn read(head: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(head).ok()?;
        let mut lines = text.split("\r\n");
        let wants = size(lines.next()?.split(' ').nth(1)?);
        let mut body = 0;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                body = value.trim().parse().ok()?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                return None;
            }
        }
        Some(Self { body, wants })
    }

    /// Head and body as one piece, written anew only where the size changes.
    fn write(&self, answer: &mut Vec<u8>) {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n",
            self.wants
        );
        if answer.len() != head.len() + self.wants || !answer.starts_with(head.as_bytes()) {
            *answer = head.into_bytes();
            answer.resize(answer.len() + self.wants, b'.');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_sent_and_wanted() {
        let head = b"POST /sport/7 HTTP/1.1\r\nHost: a\r\nContent-Length: 12";
        assert_eq!(Asked::read(head), Some(Asked { body: 12, wants: 7 }));
        assert_eq!(
            Asked::read(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked"),
            None
        );
    }

    #[test]
    fn answers_the_size_wanted_each_time() {
        let mut answer = Vec::new();
        for wants in [3, 1000, 3] {
            Asked { body: 0, wants }.write(&mut answer);
            let text = String::from_utf8(answer.clone()).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.ends_with(&format!("content-length: {wants}")));
            assert_eq!(body.len(), wants);
        }
    }
}
