//! One pattern over a value of a header or query parameter. Values are bytes
//! that the client chose; whether doubtful ones count is the asker's matter.

use super::{Matcher, PatternError, Re2};

/// A pattern over the values of a field.
#[derive(Clone, Debug)]
pub enum ValuePattern {
    /// The field is there, perhaps empty.
    Present,
    /// The field is there and not empty.
    NonEmpty,
    /// The field is not there.
    Absent,
    /// This value.
    Exact(Box<str>),
    /// Every value that begins so.
    Prefix(Box<str>),
    /// Every value that ends so.
    Suffix(Box<str>),
    /// Every value that matches as a whole.
    Regex(Matcher),
    /// No value that this one matches; a missing field is asked as an empty
    /// one.
    Not(Box<ValuePattern>),
}

impl ValuePattern {
    /// Reads `abc`, `abc*`, `*abc`, `*` (present and not empty), `present` or
    /// `absent`.
    ///
    /// # Errors
    /// Refuses a `*` elsewhere.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        match text {
            "*" => return Ok(Self::NonEmpty),
            "present" => return Ok(Self::Present),
            "absent" => return Ok(Self::Absent),
            _ => {}
        }
        if let Some(end) = text.strip_prefix('*') {
            refuse_star(end, 1)?;
            return Ok(Self::Suffix(end.into()));
        }
        let begin = text.strip_suffix('*');
        refuse_star(begin.unwrap_or(text), 0)?;
        Ok(match begin {
            Some(begin) => Self::Prefix(begin.into()),
            None => Self::exact(text),
        })
    }

    /// One value; a `*` is a character like any other.
    #[must_use]
    pub fn exact(text: &str) -> Self {
        Self::Exact(text.into())
    }

    /// A regular expression for the whole value.
    ///
    /// # Errors
    /// Refuses what is not RE2, and what is too large.
    pub fn regex(text: &str) -> Result<Self, PatternError> {
        Re2::parse(text)?.whole().map(Self::Regex)
    }

    /// Whether the pattern asks that the field be missing.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Whether a value that is there matches.
    #[must_use]
    pub fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Present => true,
            Self::NonEmpty => !value.is_empty(),
            Self::Absent => false,
            Self::Exact(text) => value == text.as_bytes(),
            Self::Prefix(begin) => value.starts_with(begin.as_bytes()),
            Self::Suffix(end) => value.ends_with(end.as_bytes()),
            Self::Regex(matcher) => matcher.is_match(value),
            Self::Not(pattern) => !pattern.matches(value),
        }
    }
}

fn refuse_star(text: &str, offset: usize) -> Result<(), PatternError> {
    let Some(at) = text.find('*') else {
        return Ok(());
    };
    Err(PatternError::at(
        offset + at,
        "`*` stands at one end of a value; write `{exact: …}` for the character, or `{regex: …}`",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, value: &str) -> bool {
        ValuePattern::parse(pattern)
            .unwrap()
            .matches(value.as_bytes())
    }

    #[test]
    fn reads_the_four_spellings_and_the_two_words() {
        for (pattern, yes, no) in [
            ("abc", &["abc"][..], &["abcd", "ABC", ""][..]),
            ("abc*", &["abc", "abcd"], &["xabc", "ab"]),
            ("*abc", &["abc", "xabc"], &["abcd"]),
            ("*", &["x"], &[""]),
            ("present", &["x", "", "present"], &[]),
            ("absent", &[], &["x", "", "absent"]),
        ] {
            assert!(yes.iter().all(|value| matches(pattern, value)), "{pattern}");
            assert!(!no.iter().any(|value| matches(pattern, value)), "{pattern}");
        }
        assert!(ValuePattern::parse("absent").unwrap().is_absent());
        assert!(!ValuePattern::parse("present").unwrap().is_absent());
    }

    #[test]
    fn refuses_a_star_inside_and_points_at_it() {
        for (pattern, at) in [("a*b", 1), ("*a*", 2), ("*/*", 2), ("a**", 1)] {
            assert_eq!(
                ValuePattern::parse(pattern).unwrap_err().offset(),
                at,
                "{pattern}"
            );
        }
        assert!(ValuePattern::exact("*/*").matches(b"*/*"));
    }

    #[test]
    fn a_regex_matches_the_whole_value_and_no_byte_that_is_not_utf8() {
        let pattern = ValuePattern::regex("a.*|b").unwrap();
        assert!(pattern.matches(b"a") && pattern.matches(b"axb") && pattern.matches(b"b"));
        assert!(!pattern.matches(b"ba") && !pattern.matches(b""));
        assert!(!pattern.matches(b"a\xff"));
    }
}
