//! One compiled regular expression, for texts that no index covers: values of
//! headers, entries of lists, expressions.

use std::fmt;
use std::sync::Arc;

use super::automaton::{Automaton, Piece};
use super::{PatternError, Re2, RegexLimits};

/// A compiled pattern. Cheap to clone.
#[derive(Clone)]
pub struct Matcher(Arc<Inner>);

struct Inner {
    source: Box<str>,
    automaton: Automaton,
}

impl Matcher {
    pub(super) fn new(source: &Re2, piece: Piece) -> Result<Self, PatternError> {
        Ok(Self(Arc::new(Inner {
            source: source.as_str().into(),
            automaton: Automaton::new(&[piece], &RegexLimits::default())?,
        })))
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.source
    }

    /// Whether the text matches. Bytes that are not UTF-8 match no character
    /// of a pattern, not even `.`: whoever denies treats them as a match
    /// before asking (CVE-2026-73552).
    #[must_use]
    pub fn is_match(&self, text: &[u8]) -> bool {
        let mut hit = false;
        let walked = self.0.automaton.each_match(text, |_| hit = true);
        walked.is_ok() && hit
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Matcher").field(&self.as_str()).finish()
    }
}
