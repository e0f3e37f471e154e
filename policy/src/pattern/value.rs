//! Patterns over the values of headers and query parameters.

use super::{Matcher, PatternError, Re2};

/// What a value must look like. Values are bytes; case counts.
#[derive(Clone, Debug)]
pub enum ValuePattern {
    /// There is one, and it is not empty.
    Present,
    /// There is none.
    Absent,
    /// This value.
    Exact(Box<str>),
    /// It begins so.
    Prefix(Box<str>),
    /// It ends so.
    Suffix(Box<str>),
    /// The expression matches it whole.
    Regex(Matcher),
}

impl ValuePattern {
    /// Reads `abc` exact, `abc*` prefix, `*abc` suffix, `*` present.
    ///
    /// # Errors
    /// A `*` elsewhere.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text == "*" {
            return Ok(Self::Present);
        }
        let (pattern, rest): (fn(Box<str>) -> Self, &str) =
            match (text.strip_prefix('*'), text.strip_suffix('*')) {
                (Some(suffix), _) => (Self::Suffix, suffix),
                (None, Some(prefix)) => (Self::Prefix, prefix),
                (None, None) => (Self::Exact, text),
            };
        match rest.find('*') {
            None => Ok(pattern(rest.into())),
            Some(at) => Err(PatternError::at(
                at,
                "a `*` stands only at the beginning or the end; for one elsewhere write \
                 `{regex: \"…\"}`",
            )),
        }
    }

    /// This value, whatever characters it has.
    #[must_use]
    pub fn exact(text: &str) -> Self {
        Self::Exact(text.into())
    }

    /// An RE2 expression, matched whole.
    ///
    /// # Errors
    /// What RE2 refuses.
    pub fn regex(text: &str) -> Result<Self, PatternError> {
        Re2::parse(text)?.whole().map(Self::Regex)
    }

    /// Whether it asks that there be no value.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Whether a value matches.
    #[must_use]
    pub fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Present => !value.is_empty(),
            Self::Absent => false,
            Self::Exact(exact) => exact.as_bytes() == value,
            Self::Prefix(prefix) => value.starts_with(prefix.as_bytes()),
            Self::Suffix(suffix) => value.ends_with(suffix.as_bytes()),
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_native_spellings() {
        let matches = |pattern: &str, value: &str| {
            ValuePattern::parse(pattern).unwrap().matches(value.as_bytes())
        };
        assert!(matches("abc", "abc") && !matches("abc", "abcd") && !matches("abc", "ABC"));
        assert!(matches("abc*", "abcd") && matches("*abc", "xabc") && !matches("*abc", "abcx"));
        assert!(matches("*", "x") && !matches("*", ""));
        assert!(ValuePattern::parse("a*b").is_err());
    }

    #[test]
    fn a_regular_expression_matches_the_whole_value() {
        let pattern = ValuePattern::regex("a|b+").unwrap();
        assert!(pattern.matches(b"a") && pattern.matches(b"bbb"));
        assert!(!pattern.matches(b"ab") && !pattern.matches(b"xa"));
    }
}
