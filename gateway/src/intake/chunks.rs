//! The framing of a chunked body, as bytes (security design, rule M7).
//!
//! Pingora reads the body; this follows the same bytes before it and lets none
//! pass that another parser could read in another way. What is framed well goes
//! through untouched.

use std::fmt;
use std::io;

use policy::refusal::Refusal;

use super::head::split_field;
use crate::socket::Observer;

/// Digits of a size.
const MAX_DIGITS: u8 = 16;
/// Bytes of one chunk's extension.
const MAX_EXTENSION: usize = 1024;
/// Bytes of all trailers.
const MAX_TRAILERS: usize = 8 * 1024;

/// How far a body has come.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    place: Place,
    trailers: usize,
}

/// What the next byte belongs to.
#[derive(Debug)]
enum Place {
    Size {
        digits: u8,
        size: u64,
    },
    Extension {
        length: usize,
        size: u64,
    },
    SizeEnd {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataReturn,
    DataEnd,
    Trailer {
        line: Vec<u8>,
    },
    TrailerEnd {
        line: Vec<u8>,
    },
    Behind,
    /// A byte was wrong, and so is whatever follows.
    Broken,
}

impl Default for Place {
    fn default() -> Self {
        Self::Size { digits: 0, size: 0 }
    }
}

impl Chunks {
    /// Takes the next bytes. What stands behind the body is not looked at.
    ///
    /// # Errors
    /// At the first byte that is not of the one form.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let mut rest = bytes;
        while let Some((first, after)) = rest.split_first() {
            match &mut self.place {
                Place::Behind => return Ok(()),
                Place::Data { left } => {
                    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= u64::try_from(here).unwrap_or(*left);
                    if *left == 0 {
                        self.place = Place::DataReturn;
                    }
                    rest = rest.get(here..).unwrap_or_default();
                }
                _ => {
                    let place = std::mem::replace(&mut self.place, Place::Broken);
                    self.place = self.step(place, *first).ok_or(Refusal::MalformedBody)?;
                    rest = after;
                }
            }
        }
        Ok(())
    }

    fn step(&mut self, place: Place, byte: u8) -> Option<Place> {
        match (place, byte) {
            (Place::Size { digits: 1.., size }, b'\r') => Some(Place::SizeEnd { size }),
            (Place::Size { digits: 1.., size }, b';') => Some(Place::Extension { length: 0, size }),
            (Place::Size { digits, size }, byte) if digits < MAX_DIGITS => {
                let digit = char::from(byte).to_digit(16)?;
                Some(Place::Size {
                    digits: digits + 1,
                    size: (size << 4) | u64::from(digit),
                })
            }
            (Place::Extension { size, .. }, b'\r') => Some(Place::SizeEnd { size }),
            (Place::Extension { length, size }, byte) => {
                let fits = length < MAX_EXTENSION && !byte.is_ascii_control();
                fits.then_some(Place::Extension {
                    length: length + 1,
                    size,
                })
            }
            (Place::SizeEnd { size: 0 }, b'\n') => Some(Place::Trailer { line: Vec::new() }),
            (Place::SizeEnd { size }, b'\n') => Some(Place::Data { left: size }),
            (Place::DataReturn, b'\r') => Some(Place::DataEnd),
            (Place::DataEnd, b'\n') => Some(Place::default()),
            (Place::Trailer { line }, b'\r') => Some(Place::TrailerEnd { line }),
            (Place::Trailer { line }, byte) => self.trailer(line, byte),
            (Place::TrailerEnd { line }, b'\n') if line.is_empty() => Some(Place::Behind),
            (Place::TrailerEnd { mut line }, b'\n') => {
                split_field(&line).ok()?;
                line.clear();
                Some(Place::Trailer { line })
            }
            _ => None,
        }
    }

    fn trailer(&mut self, mut line: Vec<u8>, byte: u8) -> Option<Place> {
        self.trailers += 1;
        if self.trailers > MAX_TRAILERS || byte == b'\n' {
            return None;
        }
        line.push(byte);
        Some(Place::Trailer { line })
    }
}

impl Observer for Chunks {
    fn read(&mut self, bytes: &[u8]) -> io::Result<()> {
        let malformed = |_| io::Error::new(io::ErrorKind::InvalidData, MalformedChunks);
        self.take(bytes).map_err(malformed)
    }
}

/// What a reader is told instead of the bytes.
#[derive(Debug)]
struct MalformedChunks;

impl fmt::Display for MalformedChunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed chunked body")
    }
}

impl std::error::Error for MalformedChunks {}

/// Whether an error of Pingora's is one of these.
pub(crate) fn is_malformed(error: &pingora_error::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    let inner = cause.and_then(io::Error::get_ref);
    inner.is_some_and(|inner| inner.is::<MalformedChunks>())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same verdict however the bytes arrive.
    fn take(body: &[u8]) -> Result<(), Refusal> {
        let whole = Chunks::default().take(body);
        for split in 0..body.len() {
            let mut chunks = Chunks::default();
            let halves = chunks
                .take(&body[..split])
                .and_then(|()| chunks.take(&body[split..]));
            assert_eq!(halves, whole, "{split}");
        }
        let mut chunks = Chunks::default();
        let bytes = body.iter().try_for_each(|byte| chunks.take(&[*byte]));
        assert_eq!(bytes, whole);
        whole
    }

    #[test]
    fn takes_bodies_of_the_one_form() {
        for body in [
            "5\r\nhello\r\n0\r\n\r\n",
            "0\r\n\r\n",
            "00005;name=\"a b\"\r\nhello\r\nA\r\n0123456789\r\n0;last\r\n\r\n",
            "1\r\n\n\r\n0\r\nX-Sum: 1\r\nX-Time: 2\r\n\r\n",
            "0\r\n\r\nwhatever\0 comes behind",
        ] {
            assert_eq!(take(body.as_bytes()), Ok(()), "{body:?}");
        }
    }

    #[test]
    fn refuses_every_other_form() {
        for body in [
            "\r\nhello",
            " 5\r\nhello\r\n",
            "5 \r\nhello\r\n",
            "+5\r\nhello\r\n",
            "0x5\r\nhello\r\n",
            "5\nhello\r\n",
            "5\rhello\r\n",
            "5;\0\r\nhello\r\n",
            "5;a\x01\r\nhello\r\n",
            "5;a\rb\r\nhello\r\n",
            "5;a\nb\r\nhello\r\n",
            "5\r\nhello!\r\n",
            "5\r\nhello\r0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "10000000000000005\r\nhello\r\n",
            "5\r\nhello\r\n0\n\r\n",
            "5\r\nhello\r\n0\r\n\n",
            "0\r\nX\r\n\r\n",
            "0\r\nX : y\r\n\r\n",
            "0\r\nX: a\0b\r\n\r\n",
            "0\r\nX: a\nY: b\r\n\r\n",
        ] {
            assert_eq!(
                take(body.as_bytes()),
                Err(Refusal::MalformedBody),
                "{body:?}"
            );
        }
    }

    #[test]
    fn bounds_extensions_and_trailers() {
        let extended = |bytes: usize| format!("1;{}\r\nx\r\n", "e".repeat(bytes));
        let mut chunks = Chunks::default();
        assert_eq!(chunks.take(extended(1024).as_bytes()), Ok(()));
        assert!(chunks.take(extended(1025).as_bytes()).is_err());
        let trailers = |count: usize| format!("0\r\n{}\r\n", "X-Long: y\r\n".repeat(count));
        assert_eq!(Chunks::default().take(trailers(900).as_bytes()), Ok(()));
        assert!(Chunks::default().take(trailers(911).as_bytes()).is_err());
    }

    #[test]
    fn counts_the_largest_size_there_is() {
        let mut chunks = Chunks::default();
        assert_eq!(chunks.take(b"ffffffffffffffff\r\nbytes"), Ok(()));
        assert_eq!(chunks.take(&[0; 1000]), Ok(()));
    }

    #[test]
    fn nothing_passes_behind_a_wrong_byte() {
        let mut chunks = Chunks::default();
        assert!(chunks.take(b"x").is_err());
        assert!(chunks.take(b"0\r\n\r\n").is_err());
    }
}
