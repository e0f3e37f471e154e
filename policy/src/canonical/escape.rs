//! Percent-encoding in paths: rules T5 to T10.
//!
//! An escape is decoded once and only when it stands for an unreserved
//! character; everything else stays encoded with upper-case digits. Query
//! strings are none of this file's business: they are never decoded.

use super::bytes::is_unreserved;
use super::malformed::Malformed;
use super::profile::{Encoded, PathProfile};
use std::borrow::Cow;
use std::str;

/// Characters that NFKC or a "best fit" code page turns into `.`, `/`, `\`, `;`
/// or `%`; no API needs them in a path, and origins disagree about them.
const CONFUSABLE: [char; 9] = [
    '\u{ff0e}', '\u{ff0f}', '\u{ff3c}', '\u{2024}', '\u{2025}', '\u{fe52}', '\u{fe68}', '\u{ff1b}',
    '\u{ff05}',
];

/// How often the most permissive origin is assumed to decode.
const ROUNDS: usize = 3;

/// Applies T5 to T10 to a path that holds at least one `%`.
pub(super) fn canonicalise(path: &str, profile: PathProfile) -> Result<Cow<'_, str>, Malformed> {
    refuse_escapes(path, profile)?;
    let canonical = decode_unreserved(path);
    // T9 is judged behind T6: `%25%34%31` must not become `%2541` unseen.
    if profile.double_encoding == Encoded::Reject && is_double_encoded(&canonical) {
        return Err(Malformed::PathDoubleEncoding);
    }
    refuse_text(&decode(path.as_bytes()))?;
    if canonical == path {
        return Ok(Cow::Borrowed(path));
    }
    Ok(Cow::Owned(canonical))
}

/// T5, T7 and T8, in this order whatever the order of the escapes.
fn refuse_escapes(path: &str, profile: PathProfile) -> Result<(), Malformed> {
    let (mut control, mut slash) = (false, false);
    for unit in Units(path.as_bytes()) {
        if !unit.is_escape() {
            if unit.byte == b'%' {
                return Err(Malformed::PathEscape);
            }
            continue;
        }
        control |= unit.byte.is_ascii_control();
        slash |= matches!(unit.byte, b'/' | b'\\');
    }
    if control {
        return Err(Malformed::PathControl);
    }
    if slash && profile.encoded_slashes == Encoded::Reject {
        return Err(Malformed::PathEncodedSlash);
    }
    Ok(())
}

/// T6.
fn decode_unreserved(path: &str) -> String {
    let mut canonical = String::with_capacity(path.len());
    for unit in Units(path.as_bytes()) {
        if unit.is_escape() && !is_unreserved(unit.byte) {
            canonical.extend(
                unit.written
                    .iter()
                    .map(|byte| char::from(byte.to_ascii_uppercase())),
            );
        } else {
            canonical.push(char::from(unit.byte));
        }
    }
    canonical
}

/// T9.
fn is_double_encoded(path: &str) -> bool {
    path.split("%25").skip(1).any(|behind| {
        matches!(behind.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
    })
}

/// T10. Refusing broken UTF-8 refuses overlong forms such as `%C0%AF`.
fn refuse_text(decoded: &[u8]) -> Result<(), Malformed> {
    if decoded.is_ascii() {
        return Ok(());
    }
    let text = str::from_utf8(decoded).map_err(|_| Malformed::PathUtf8)?;
    if text.contains(CONFUSABLE) {
        return Err(Malformed::PathConfusable);
    }
    Ok(())
}

/// Decodes every valid escape, again and again, as the most permissive origin
/// might; a `%` without two digits stays.
pub(super) fn decode_repeatedly(path: &[u8]) -> Cow<'_, [u8]> {
    let mut decoded = Cow::Borrowed(path);
    for _ in 0..ROUNDS {
        if decoded.contains(&b'%') {
            decoded = Cow::Owned(decode(&decoded));
        }
    }
    decoded
}

fn decode(path: &[u8]) -> Vec<u8> {
    Units(path).map(|unit| unit.byte).collect()
}

/// A byte of a path together with the way it was written.
#[derive(Debug)]
struct Unit<'a> {
    /// `a`, or `%61`.
    written: &'a [u8],
    /// What it stands for.
    byte: u8,
}

impl Unit<'_> {
    fn is_escape(&self) -> bool {
        self.written.len() > 1
    }
}

/// Walks over the units of a path. A `%` that begins no valid escape is a unit
/// of one byte.
#[derive(Debug)]
struct Units<'a>(&'a [u8]);

impl<'a> Iterator for Units<'a> {
    type Item = Unit<'a>;

    fn next(&mut self) -> Option<Unit<'a>> {
        let (length, byte) = match *self.0 {
            [b'%', high, low, ..] => match octet(high, low) {
                Some(byte) => (3, byte),
                None => (1, b'%'),
            },
            [byte, ..] => (1, byte),
            [] => return None,
        };
        let (written, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(Unit { written, byte })
    }
}

/// The byte that two hexadecimal digits stand for.
fn octet(high: u8, low: u8) -> Option<u8> {
    let high = char::from(high).to_digit(16)?;
    let low = char::from(low).to_digit(16)?;
    u8::try_from(high << 4 | low).ok()
}

#[cfg(test)]
#[path = "escape_tests.rs"]
mod tests;
