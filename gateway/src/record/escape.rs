//! Text from callers, made harmless inside a line.
//!
//! Whatever bytes come in, a line stays one line and its fields stay its
//! fields (log injection, CWE-117). Also escaped are DEL and the C1 controls:
//! a terminal may take them for commands.

use std::io::Write as _;

use conf::text_format::Ends;

/// Stands for bytes that are no UTF-8.
const REPLACEMENT: char = '\u{fffd}';

/// Whether a byte stands for itself in a JSON string.
fn is_plain_json(byte: u8) -> bool {
    (0x20..0x7f).contains(&byte) & (byte != b'"') & (byte != b'\\')
}

/// Writes the inside of a JSON string: at most `limit` bytes, cut between
/// characters.
pub(crate) fn json(out: &mut Vec<u8>, text: &[u8], limit: usize) {
    let within = text.get(..limit).unwrap_or(text);
    let (plain, _) = within
        .split_at_checked(plain_run(within))
        .unwrap_or((within, &[]));
    out.extend_from_slice(plain);
    if plain.len() < within.len() {
        let rest = text.get(plain.len()..).unwrap_or_default();
        json_characters(out, rest, limit - plain.len());
    }
}

/// How many bytes at the beginning stand for themselves. Eight are looked at
/// together: nearly all text is plain.
fn plain_run(text: &[u8]) -> usize {
    let (eights, rest) = text.as_chunks::<8>();
    let plain = |eight: &&[u8; 8]| eight.iter().fold(true, |all, b| all & is_plain_json(*b));
    let whole = eights.iter().take_while(plain).count();
    let next = eights.get(whole).map_or(rest, <[u8; 8]>::as_slice);
    whole * 8 + next.iter().take_while(|b| is_plain_json(**b)).count()
}

/// Character by character, for text that is not all plain.
fn json_characters(out: &mut Vec<u8>, text: &[u8], mut room: usize) {
    for chunk in text.utf8_chunks() {
        let invalid = (!chunk.invalid().is_empty()).then_some(REPLACEMENT);
        for character in chunk.valid().chars().chain(invalid) {
            let before = out.len();
            json_character(out, character);
            let used = out.len() - before;
            if used > room {
                out.truncate(before);
                return;
            }
            room -= used;
        }
    }
}

fn json_character(out: &mut Vec<u8>, character: char) {
    match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        control if control.is_control() => {
            // Writing to memory cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(control));
        }
        other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Where in a text line a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Between quotes: spaces stand for themselves.
    Quoted,
    /// Elsewhere: a space would begin another field, and so would these.
    Word(Ends),
}

impl Place {
    fn is_ended_by(self, byte: u8) -> bool {
        match self {
            Self::Quoted => false,
            Self::Word(ends) => ends.contains(byte),
        }
    }
}

/// Writes a value of a text line: what is not printable ASCII, a quote, a
/// backslash and, in a [`Place::Word`], a space and what else ends one become
/// `\xNN`. At most `limit` bytes, cut between escapes.
pub(crate) fn text(out: &mut Vec<u8>, text: &[u8], place: Place, limit: usize) {
    let end = out.len() + limit;
    for byte in text {
        let plain = match byte {
            b'"' | b'\\' => false,
            b' ' => place == Place::Quoted,
            other => (0x21..0x7f).contains(other) && !place.is_ended_by(*other),
        };
        if out.len() + if plain { 1 } else { 4 } > end {
            return;
        }
        if plain {
            out.push(*byte);
        } else {
            hexadecimal(out, *byte);
        }
    }
}

fn hexadecimal(out: &mut Vec<u8>, byte: u8) {
    let digit = |nibble: u8| {
        if nibble < 10 {
            b'0' + nibble
        } else {
            b'a' + nibble - 10
        }
    };
    out.extend_from_slice(&[b'\\', b'x', digit(byte >> 4), digit(byte & 0xf)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json_of(given: &[u8], limit: usize) -> String {
        let mut out = Vec::new();
        json(&mut out, given, limit);
        String::from_utf8(out).unwrap()
    }

    fn text_of(given: &[u8], place: Place, limit: usize) -> String {
        let mut out = Vec::new();
        text(&mut out, given, place, limit);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn escapes_what_json_and_terminals_must_not_see() {
        for (given, escaped) in [
            (&b"plain /path?x=1"[..], "plain /path?x=1"),
            (b"say \"hi\"", r#"say \"hi\""#),
            (b"back\\slash", r"back\\slash"),
            (b"a\nb\r\t\0", r"a\u000ab\u000d\u0009\u0000"),
            (b"\x1b[31m\x7f", r"\u001b[31m\u007f"),
            ("csi \u{9b}".as_bytes(), r"csi \u009b"),
            ("é € 😀".as_bytes(), "é € 😀"),
            (b"bad \xff\xc3", "bad \u{fffd}\u{fffd}"),
            (b"over \xc0\xaf long", "over \u{fffd}\u{fffd} long"),
        ] {
            assert_eq!(json_of(given, 1024), escaped);
        }
    }

    #[test]
    fn every_single_byte_anywhere_in_a_word_reads_back() {
        for byte in 0..=255_u8 {
            for at in 0..20 {
                let mut given = vec![b'a'; 20];
                given[at] = byte;
                let line = format!("\"{}\"", json_of(&given, 1024));
                let read: String = serde_json::from_str(&line).unwrap();
                assert_eq!(read, String::from_utf8_lossy(&given));
            }
        }
    }

    #[test]
    fn cuts_between_characters_and_never_within_an_escape() {
        assert_eq!(json_of(b"abcdefghij", 4), "abcd");
        assert_eq!(json_of("abcé".as_bytes(), 4), "abc");
        assert_eq!(json_of("abcéd".as_bytes(), 5), "abcé");
        assert_eq!(json_of(b"ab\n", 7), "ab");
        assert_eq!(json_of(b"ab\n", 8), r"ab\u000a");
        assert_eq!(json_of(b"abcdefghij\"", 11), "abcdefghij");
        assert_eq!(text_of(b"ab\n", Place::Quoted, 5), "ab");
    }

    #[test]
    fn a_word_has_no_spaces_and_no_value_ends_its_quotes() {
        assert_eq!(text_of(b"a b", Place::Quoted, 99), "a b");
        assert_eq!(text_of(b"a b", Place::Word(Ends::default()), 99), r"a\x20b");
        assert_eq!(
            text_of("\"\n\\é".as_bytes(), Place::Quoted, 99),
            r"\x22\x0a\x5c\xc3\xa9"
        );
    }
}
