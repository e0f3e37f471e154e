//! Envoy's format strings: text with command operators such as
//! `%REQ(USER-AGENT)%`, read once so that a line is written without parsing.
//!
//! Only what a record knows can be asked for. What it does not know is an error
//! where it is written, and not a `-` in every line.

mod operator;

use std::fmt;
use std::sync::Arc;

pub use operator::{Field, Operator};

/// Longest format, in bytes: lines are bounded too.
const MAX_BYTES: usize = 8 * 1024;

/// Istio 1.0 (2018), 13 fields.
const ENVOY_2018: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"";

/// Istio 1.1, with Mixer's status, addresses and the server name.
const ISTIO_1_1: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% \"%DYNAMIC_METADATA(istio.mixer:status)%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME%";

/// Istio today.
const ISTIO: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%";

/// Formats with a name.
const PRESETS: [(&str, &str); 3] = [
    ("envoy-2018", ENVOY_2018),
    ("istio-1.1", ISTIO_1_1),
    ("istio", ISTIO),
];

/// A format that was read.
#[derive(Clone, PartialEq, Eq)]
pub struct TextFormat {
    written: Arc<str>,
    pieces: Arc<[Piece]>,
    ends: Ends,
}

/// What ends a value that stands outside of quotes: the punctuation behind such
/// operators. In a value it would begin another field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends(u128);

impl Ends {
    fn of(pieces: &[Piece]) -> Self {
        let behind = pieces.windows(2).filter_map(|two| match two {
            [Piece::Value { quoted: false, .. }, Piece::Literal(text)] => text.bytes().next(),
            _ => None,
        });
        let marks = behind.filter(u8::is_ascii_punctuation);
        Self(marks.fold(0, |all, mark| all | 1 << mark))
    }

    /// Whether this byte is one of them.
    #[must_use]
    pub fn contains(self, byte: u8) -> bool {
        byte.is_ascii() && self.0 & 1 << byte != 0
    }
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// This text.
    Literal(Box<str>),
    /// What the record says.
    Value {
        /// Of what.
        operator: Operator,
        /// Whether it stands alone between quotes, where spaces are safe.
        quoted: bool,
    },
}

/// Why a text is no format, and at which character, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError {
    /// The character.
    pub offset: usize,
    /// What is wrong, and what to write.
    pub message: String,
}

impl TextFormat {
    /// Reads a format string. A line ending at its end is every line's own.
    ///
    /// # Errors
    /// Refuses operators that are unknown here, and text that would break lines.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let line = text.strip_suffix('\n').unwrap_or(text);
        check(line)?;
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = line;
        while let Some((before, after)) = rest.split_once('%') {
            literal.push_str(before);
            let offset = characters_until(line, after);
            let Some((command, behind)) = command(after) else {
                return Err(FormatError {
                    offset: offset.saturating_sub(1),
                    message:
                        "a `%` opens an operator that does not end: write `%%` for a percent sign"
                            .to_owned(),
                });
            };
            rest = behind;
            if command.is_empty() {
                literal.push('%');
                continue;
            }
            let operator =
                Operator::parse(command).map_err(|message| FormatError { offset, message })?;
            // A request line in quotes is several words, as ever.
            let quoted = literal.ends_with('"') && rest.starts_with('"');
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
            }
            pieces.push(Piece::Value { operator, quoted });
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.into()));
        }
        Ok(Self {
            ends: Ends::of(&pieces),
            written: line.into(),
            pieces: pieces.into(),
        })
    }

    /// A format by its name: `envoy-2018`, `istio-1.1`, `istio`.
    #[must_use]
    pub fn preset(name: &str) -> Option<Self> {
        let (_, text) = PRESETS.iter().find(|(known, _)| *known == name)?;
        Self::parse(text).ok()
    }

    /// Istio's default.
    #[must_use]
    pub fn istio() -> Self {
        Self::preset("istio").unwrap_or(Self {
            written: "".into(),
            pieces: Arc::default(),
            ends: Ends::default(),
        })
    }

    /// The name of the format, if it is one of those that have one.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        let known = PRESETS.iter().find(|(_, text)| *text == &*self.written);
        known.map(|(name, _)| *name)
    }

    /// As it was written, without a line ending.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.written
    }

    /// What its values outside of quotes must not hold, beside spaces.
    #[must_use]
    pub fn ends(&self) -> Ends {
        self.ends
    }

    /// Its parts, in order.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }
}

impl fmt::Debug for TextFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TextFormat").field(&self.written).finish()
    }
}

fn check(text: &str) -> Result<(), FormatError> {
    if text.len() > MAX_BYTES {
        return Err(FormatError {
            offset: 0,
            message: format!("the format is longer than {MAX_BYTES} bytes: write a shorter one"),
        });
    }
    match text.chars().position(char::is_control) {
        None => Ok(()),
        Some(offset) => Err(FormatError {
            offset,
            message: "a control character in a format would break the line: delete it".to_owned(),
        }),
    }
}

/// What stands before the closing `%`, which may stand within parentheses too.
fn command(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0_u32;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth = depth.saturating_add(1),
            ')' => depth = depth.saturating_sub(1),
            '%' if depth == 0 => {
                let (command, rest) = text.split_at_checked(at)?;
                return Some((command, rest.strip_prefix('%')?));
            }
            _ => {}
        }
    }
    None
}

/// How many characters of `whole` stand before its end part `rest`.
fn characters_until(whole: &str, rest: &str) -> usize {
    whole.chars().count().saturating_sub(rest.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (usize, String) {
        let error = TextFormat::parse(text).unwrap_err();
        (error.offset, error.message)
    }

    #[test]
    fn every_preset_can_be_read_and_keeps_its_name() {
        for (name, text) in PRESETS {
            let format = TextFormat::preset(name).unwrap();
            assert_eq!((format.name(), format.written()), (Some(name), text));
            let again = TextFormat::parse(&format!("{text}\n")).unwrap();
            assert_eq!(again, format);
        }
        assert_eq!(TextFormat::istio().name(), Some("istio"));
        assert_eq!(TextFormat::preset("text"), None);
    }

    #[test]
    fn values_know_whether_they_stand_alone_in_quotes() {
        let format =
            TextFormat::parse("100%% %DURATION% \"a %PROTOCOL%\" \"%ROUTE_NAME%\"").unwrap();
        let value = |field, quoted| Piece::Value {
            operator: Operator::of(field),
            quoted,
        };
        let literal = |text: &str| Piece::Literal(text.into());
        let expected = [
            literal("100% "),
            value(Field::Duration, false),
            literal(" \"a "),
            value(Field::Protocol, false),
            literal("\" \""),
            value(Field::RouteName, true),
            literal("\""),
        ];
        assert_eq!(format.pieces(), expected);
    }

    #[test]
    fn what_no_record_knows_is_refused_at_its_place() {
        for (text, offset, expected) in [
            ("é %DURATIO%", 3, "did you mean `DURATION`?"),
            ("%", 0, "does not end"),
            ("%REQ(a%", 0, "does not end"),
            ("%RESP(server)%", 1, "response headers are not recorded"),
            ("%REQ(a b)%", 1, "no name of a header"),
            ("%REQ%", 1, "write such as `REQ(USER-AGENT)`"),
            ("%REQ(a):0%", 1, "no length"),
            ("%START_TIME(%s)%", 1, "`START_TIME` takes no argument here"),
            ("%DYNAMIC_METADATA(a:b)%", 1, "metadata of filters"),
            ("a\nb", 1, "control character"),
        ] {
            let (at, message) = refused(text);
            assert_eq!(at, offset, "{text}: {message}");
            assert!(message.contains(expected), "{text}: {message}");
        }
        assert!(refused(&"x".repeat(MAX_BYTES + 1)).1.contains("longer"));
    }
}
