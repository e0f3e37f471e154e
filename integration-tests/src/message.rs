//! HTTP/1.1 messages as bytes: enough to read one off a stream and look into
//! its head. It keeps every byte as it came, so that tests can assert them; it
//! judges nothing.

use std::io::{self, ErrorKind, Read};

/// One message as read from a stream.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// Start line and fields, with the empty line that ends them.
    pub head: Vec<u8>,
    /// The body as it came, chunk sizes and trailers included.
    pub raw_body: Vec<u8>,
    /// The body without framing.
    pub body: Vec<u8>,
}

/// What the length of a body follows from (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// `Content-Length`.
    Length(usize),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

impl Message {
    /// The first line, without its line ending.
    #[must_use]
    pub fn start_line(&self) -> String {
        self.lines().next().unwrap_or_default()
    }

    /// The status of a response; 0 when the start line is no status line.
    #[must_use]
    pub fn status(&self) -> u16 {
        let line = self.start_line();
        let code = line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3));
        code.and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    /// The target of a request.
    #[must_use]
    pub fn target(&self) -> String {
        self.start_line()
            .split(' ')
            .nth(1)
            .unwrap_or_default()
            .to_owned()
    }

    /// Field names and values in the order they came, names as they were spelt.
    #[must_use]
    pub fn fields(&self) -> Vec<(String, String)> {
        let split = |line: String| {
            line.split_once(':')
                .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        };
        self.lines().skip(1).filter_map(split).collect()
    }

    /// All values of a field.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<String> {
        let fields = self.fields().into_iter();
        fields
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }

    /// The first value of a field.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<String> {
        self.values(name).into_iter().next()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// How the body is delimited, by the head's own words.
    #[must_use]
    pub fn framing(&self) -> Framing {
        if self.value("transfer-encoding").is_some() {
            return Framing::Chunked;
        }
        let length = self
            .value("content-length")
            .and_then(|value| value.parse().ok());
        length.map_or(Framing::None, Framing::Length)
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        let text = String::from_utf8_lossy(&self.head).into_owned();
        let lines: Vec<String> = text.split("\r\n").map(str::to_owned).collect();
        lines.into_iter().filter(|line| !line.is_empty())
    }
}

/// Reads a head; `None` when the stream ends before its first byte.
///
/// # Errors
/// When the stream fails, or ends within the head.
pub fn read_head(stream: &mut impl Read) -> io::Result<Option<Message>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match read_byte(stream)? {
            Some(byte) => head.push(byte),
            None if head.is_empty() => return Ok(None),
            None => return Err(ErrorKind::UnexpectedEof.into()),
        }
    }
    Ok(Some(Message {
        head,
        ..Message::default()
    }))
}

/// Reads the body the head announces into `message`.
///
/// # Errors
/// When the stream fails or ends early; what came so far is kept.
pub fn read_body(stream: &mut impl Read, message: &mut Message) -> io::Result<()> {
    match message.framing() {
        Framing::None => Ok(()),
        Framing::Length(length) => read_sized(stream, message, length),
        Framing::Chunked => read_chunks(stream, message),
    }
}

fn read_sized(stream: &mut impl Read, message: &mut Message, length: usize) -> io::Result<()> {
    let start = message.body.len();
    let got = stream.take(length as u64).read_to_end(&mut message.body);
    message.raw_body.extend_from_slice(&message.body[start..]);
    if got? < length {
        Err(ErrorKind::UnexpectedEof.into())
    } else {
        Ok(())
    }
}

fn read_chunks(stream: &mut impl Read, message: &mut Message) -> io::Result<()> {
    loop {
        let line = read_line(stream, message)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| ErrorKind::InvalidData)?;
        if size == 0 {
            break;
        }
        read_sized(stream, message, size)?;
        read_line(stream, message)?;
    }
    while !read_line(stream, message)?.is_empty() {}
    Ok(())
}

fn read_line(stream: &mut impl Read, message: &mut Message) -> io::Result<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(read_byte(stream)?.ok_or(ErrorKind::UnexpectedEof)?);
    }
    message.raw_body.extend_from_slice(&line);
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn read_byte(stream: &mut impl Read) -> io::Result<Option<u8>> {
    let mut byte = [0];
    loop {
        match stream.read(&mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(byte[0])),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Message {
        let mut stream = bytes;
        let mut message = read_head(&mut stream).unwrap().unwrap();
        read_body(&mut stream, &mut message).unwrap();
        message
    }

    #[test]
    fn keeps_a_chunked_body_both_raw_and_joined() {
        let raw = b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nt: v\r\n\r\n";
        let head = b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let message = read(&[&head[..], raw].concat());
        assert_eq!(message.raw_body, raw);
        assert_eq!(message.body, b"abcde");
    }

    #[test]
    fn reads_a_sized_body_and_no_further() {
        let message =
            read(b"HTTP/1.1 404 Not Found\r\nA: 1\r\na: 2\r\ncontent-length: 2\r\n\r\nokGET");
        assert_eq!((message.status(), message.text()), (404, "ok".to_owned()));
        assert_eq!(message.values("A"), ["1", "2"]);
    }

    #[test]
    fn a_stream_that_ends_early_is_an_error_or_nothing() {
        assert!(read_head(&mut &b""[..]).unwrap().is_none());
        assert!(read_head(&mut &b"GET / HT"[..]).is_err());
    }
}
