//! HTTP/2 requests, frame by frame, for fields no library would send.
//!
//! Fields are written as literals, so that every byte goes out as it is given
//! (RFC 7541, section 6.2.2).

use std::collections::BTreeMap;
use std::io;

use crate::raw::Raw;

/// A piece of a body (RFC 9113, section 6, as all of these).
pub const DATA: u8 = 0;
/// Fields of a message.
pub const HEADERS: u8 = 1;
/// Out of use.
pub const PRIORITY: u8 = 2;
/// The end of a stream.
pub const RST_STREAM: u8 = 3;
/// Of the connection.
pub const SETTINGS: u8 = 4;
/// To be answered.
pub const PING: u8 = 6;
/// The end of the connection.
pub const GOAWAY: u8 = 7;
/// More may be sent.
pub const WINDOW_UPDATE: u8 = 8;
/// More fields.
pub const CONTINUATION: u8 = 9;

/// The stream's last frame.
pub const END_STREAM: u8 = 1;
/// Settings or ping are taken note of.
pub const ACK: u8 = 1;
/// The message's last fields.
pub const END_HEADERS: u8 = 4;

/// What a connection is told that asked for too much.
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// Payload of a frame at most, unless the peer allows more.
const FRAME: usize = 16_384;

/// What came of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Status of the answer's head.
    pub status: Option<u16>,
    /// Whether the gateway reset the stream.
    pub reset: bool,
    /// Whether it said that the connection is over, or just ended it.
    pub gone: bool,
}

/// Begins a connection, sends the fields and the body as one stream of it, and
/// reads until that stream or the connection is over.
///
/// # Errors
/// When the gateway says nothing for long.
pub fn ask(raw: &mut Raw, fields: &[(Vec<u8>, Vec<u8>)], body: &[u8]) -> io::Result<Answer> {
    // A refusal may come, and the connection go, before all is sent.
    let _ = raw.send(&[preface(), request(1, fields, body)].concat());
    answer(raw, 1)
}

/// Reads until a stream or the connection is over.
///
/// # Errors
/// When the gateway says nothing for long.
pub fn answer(raw: &mut Raw, stream: u32) -> io::Result<Answer> {
    let answers = answers(raw, &[stream])?;
    Ok(answers.into_values().next().unwrap_or_default())
}

/// Reads until each of these streams, or the connection, is over.
///
/// # Errors
/// When the gateway says nothing for long.
pub fn answers(raw: &mut Raw, streams: &[u32]) -> io::Result<BTreeMap<u32, Answer>> {
    let all = streams.iter().map(|stream| (*stream, Answer::default()));
    let mut answers: BTreeMap<_, _> = all.collect();
    let mut open = streams.to_vec();
    let mut bytes = Vec::new();
    while !open.is_empty() {
        let more = raw.some()?;
        if more.is_empty() {
            let left = answers
                .iter_mut()
                .filter(|(stream, _)| open.contains(stream));
            left.for_each(|(_, answer)| answer.gone = true);
            break;
        }
        bytes.extend(more);
        while let Some((got, length)) = Frame::read(&bytes) {
            for (stream, answer) in &mut answers {
                if answer.take(&got, *stream) {
                    open.retain(|still| still != stream);
                }
            }
            if got.kind == SETTINGS && got.flags & ACK == 0 {
                let _ = raw.send(&frame(SETTINGS, ACK, 0, b""));
            }
            bytes.drain(..length);
        }
    }
    Ok(answers)
}

/// What begins a connection.
#[must_use]
pub fn preface() -> Vec<u8> {
    let settings = frame(SETTINGS, 0, 0, b"");
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings].concat()
}

/// Reads until the connection is over: the code of the last GOAWAY, if there
/// was one.
///
/// # Errors
/// When the gateway neither says anything nor ends it for long.
pub fn farewell(raw: &mut Raw) -> io::Result<Option<u32>> {
    let mut code = None;
    let mut bytes = Vec::new();
    loop {
        let more = raw.some()?;
        if more.is_empty() {
            return Ok(code);
        }
        bytes.extend(more);
        while let Some((frame, length)) = Frame::read(&bytes) {
            if frame.kind == GOAWAY {
                code = frame.word(1);
            }
            bytes.drain(..length);
        }
    }
}

/// The frames of one request.
#[must_use]
pub fn request(stream: u32, fields: &[(Vec<u8>, Vec<u8>)], body: &[u8]) -> Vec<u8> {
    let mut bytes = head(stream, fields, body.is_empty());
    if !body.is_empty() {
        bytes.extend(frame(DATA, END_STREAM, stream, body));
    }
    bytes
}

/// The frames of a request's head; `end`: nothing follows.
#[must_use]
pub fn head(stream: u32, fields: &[(Vec<u8>, Vec<u8>)], end: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let block: Vec<u8> = fields.iter().flat_map(literal).collect();
    let mut pieces = block.chunks(FRAME).peekable();
    let mut kind = HEADERS;
    while let Some(piece) = pieces.next() {
        let last = if pieces.peek().is_none() {
            END_HEADERS
        } else {
            0
        };
        let end = if kind == HEADERS && end {
            END_STREAM
        } else {
            0
        };
        bytes.extend(frame(kind, last | end, stream, piece));
        kind = CONTINUATION;
    }
    bytes
}

/// One frame.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A literal field that nobody is to index.
#[must_use]
pub fn literal((name, value): &(Vec<u8>, Vec<u8>)) -> Vec<u8> {
    [&[0], &*length(name), name, &*length(value), value].concat()
}

/// An integer of a seven bit prefix (RFC 7541, section 5.1).
fn length(text: &[u8]) -> Vec<u8> {
    let Some(mut rest) = text.len().checked_sub(127) else {
        return vec![text.len() as u8];
    };
    let mut bytes = vec![127];
    while rest >= 128 {
        bytes.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    bytes.push(rest as u8);
    bytes
}

/// A frame as it came.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its kind, one of the constants above.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream.
    pub stream: u32,
    /// What is in it.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// A number of four bytes of the payload.
    fn word(&self, number: usize) -> Option<u32> {
        let bytes = self.payload.get(4 * number..4 * number + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    }

    /// The first frame and its length, once it is whole.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let (head, rest) = bytes.split_at_checked(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5] & 127, head[6], head[7], head[8]]);
        let frame = Self {
            kind: head[3],
            flags: head[4],
            stream,
            payload: rest.get(..length)?,
        };
        Some((frame, 9 + length))
    }
}

impl Answer {
    /// Takes a frame in; whether the stream is over with it.
    fn take(&mut self, frame: &Frame<'_>, stream: u32) -> bool {
        match (frame.kind, frame.stream == stream) {
            (HEADERS, true) => {
                self.status = self.status.or(status(frame.payload));
                frame.flags & END_STREAM != 0
            }
            (DATA, true) => frame.flags & END_STREAM != 0,
            (RST_STREAM, true) => {
                self.reset = true;
                true
            }
            (GOAWAY, _) => {
                self.gone = true;
                false
            }
            _ => false,
        }
    }
}

/// The status, which is the first field of every answer.
fn status(block: &[u8]) -> Option<u16> {
    match *block {
        // The static table (RFC 7541, appendix A), entries 8 to 14.
        [entry @ 0x88..=0x8e, ..] => {
            Some([200, 204, 206, 304, 400, 404, 500][usize::from(entry - 0x88)])
        }
        [0x48 | 0x08 | 0x18, length, ref text @ ..] => {
            let text = text.get(..usize::from(length & 127))?;
            let digits = if length & 128 == 0 {
                String::from_utf8(text.to_vec()).ok()?
            } else {
                digits(text)
            };
            digits.parse().ok()
        }
        _ => None,
    }
}

/// Three digits in Huffman's code (RFC 7541, appendix B): `0` to `2` are the
/// numbers 0 to 2 in five bits, `3` to `9` the numbers 25 to 31 in six.
fn digits(text: &[u8]) -> String {
    let bits: String = text.iter().map(|byte| format!("{byte:08b}")).collect();
    let mut rest = &*bits;
    let mut digits = String::new();
    while digits.len() < 3 {
        let short = rest.get(..5).and_then(|b| u8::from_str_radix(b, 2).ok());
        let long = rest.get(..6).and_then(|b| u8::from_str_radix(b, 2).ok());
        let (digit, taken) = match (short, long) {
            (Some(number @ 0..=2), _) => (b'0' + number, 5),
            (_, Some(number @ 25..=31)) => (b'3' + number - 25, 6),
            _ => break,
        };
        digits.push(char::from(digit));
        rest = &rest[taken..];
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_way_to_write_a_status() {
        assert_eq!(status(&[0x88]), Some(200));
        assert_eq!(status(b"\x48\x03421"), Some(421));
        // RFC 7541, C.6.1 and C.6.2.
        assert_eq!(status(&[0x48, 0x82, 0x64, 0x02]), Some(302));
        assert_eq!(status(&[0x48, 0x83, 0x64, 0x0e, 0xff]), Some(307));
    }

    #[test]
    fn writes_lengths_of_any_size() {
        assert_eq!(length(&[0; 126]), [126]);
        assert_eq!(length(&[0; 127]), [127, 0]);
        assert_eq!(length(&[0; 1464]), [127, 0b1011_1001, 0b0000_1010]);
    }
}
