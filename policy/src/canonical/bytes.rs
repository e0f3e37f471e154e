//! What each byte of a request target may be and mean.
//!
//! One look-up a byte; the classes met are gathered in a bit set, so that an
//! ordinary path is known to be canonical after a single pass. Only classifies:
//! what a class leads to is decided by the rules in the neighbouring files.

/// Outside 0x21-0x7E: nothing in a target may be (rule T1).
pub(super) const ILLEGAL: u8 = 1;
/// `#`, which never goes on the wire (rule T1).
pub(super) const FRAGMENT: u8 = 1 << 1;
/// Neither an RFC 3986 `pchar` nor a slash (rule T4); lawful in a query.
pub(super) const NOT_PATH: u8 = 1 << 2;
/// `%`
pub(super) const ESCAPE: u8 = 1 << 3;
/// `/`
pub(super) const SLASH: u8 = 1 << 4;
/// `.`
pub(super) const DOT: u8 = 1 << 5;
/// `;`, which begins the parameters of a segment.
pub(super) const PARAMETER: u8 = 1 << 6;

/// The class of one byte; zero for a byte that is never special.
const fn class(byte: u8) -> u8 {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => 0,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@' => 0,
        b'/' => SLASH,
        b'.' => DOT,
        b';' => PARAMETER,
        b'%' => ESCAPE,
        b'#' => FRAGMENT,
        0x21..=0x7e => NOT_PATH,
        _ => ILLEGAL,
    }
}

/// Whether percent-encoding this byte is never needed (RFC 3986, section 2.3).
pub(super) const fn is_unreserved(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~')
}

/// The classes met anywhere in `text`.
pub(super) fn classes(text: &str) -> u8 {
    text.bytes().fold(0, |seen, byte| seen | class(byte))
}

/// What one pass over a path tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Survey {
    /// The classes met anywhere.
    pub(super) seen: u8,
    /// The classes met right behind a slash.
    opening: u8,
}

impl Survey {
    pub(super) fn of(path: &str) -> Survey {
        let mut survey = Survey {
            seen: 0,
            opening: 0,
        };
        let mut previous = 0;
        for byte in path.bytes() {
            let class = class(byte);
            survey.seen |= class;
            if previous == SLASH {
                survey.opening |= class;
            }
            previous = class;
        }
        survey
    }

    /// Whether any of `classes` occurs.
    pub(super) const fn holds(self, classes: u8) -> bool {
        self.seen & classes != 0
    }

    /// Whether any of `classes` begins a segment.
    pub(super) const fn opens_with(self, classes: u8) -> bool {
        self.opening & classes != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_path_holds_only_slashes() {
        let survey = Survey::of("/books/v1/volumes:list,@me~a_b-c");
        assert_eq!(survey.seen, SLASH);
        assert!(!survey.opens_with(!0));
    }

    #[test]
    fn tells_what_a_segment_begins_with() {
        assert!(Survey::of("/a/.b").opens_with(DOT));
        assert!(Survey::of("/a//b").opens_with(SLASH));
        assert!(Survey::of("/a/;b").opens_with(PARAMETER));
        assert!(!Survey::of("/a.b/c;d/").opens_with(DOT | SLASH | PARAMETER));
    }

    #[test]
    fn every_byte_has_the_class_rfc_3986_gives_it() {
        let unreserved = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
        let path_too = b"!$&'()*+,;=:@%/";
        for byte in 0..=u8::MAX {
            assert_eq!(is_unreserved(byte), unreserved.contains(&byte), "{byte:#x}");
            let in_path = unreserved.contains(&byte) || path_too.contains(&byte);
            let refused = class(byte) & (ILLEGAL | FRAGMENT | NOT_PATH) != 0;
            assert_eq!(refused, !in_path, "{byte:#x}");
            assert_eq!(
                class(byte) == ILLEGAL,
                !byte.is_ascii_graphic(),
                "{byte:#x}"
            );
        }
    }
}
