//! Regular expressions inside expressions: RE2, compiled once, searched
//! unanchored. The dialect and its bounds are those of every other pattern.

use std::fmt;

use super::error::Problem;
use crate::pattern::{Matcher, PatternError, Re2};

/// A compiled pattern. Two are equal when their texts are.
#[derive(Clone)]
pub struct Pattern(Matcher);

impl Pattern {
    pub(super) fn new(text: &str) -> Result<Self, Problem> {
        Self::parse(text).map_err(|error| Problem::Pattern {
            pattern: text.to_owned(),
            reason: error.to_string(),
        })
    }

    /// A pattern that no expression's text holds.
    ///
    /// # Errors
    /// What RE2 refuses, and a pattern whose automaton is too large.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        compile(text).map(Self)
    }

    /// The pattern that finds in views of a path what this one finds in the path;
    /// `None` where it would be too large.
    pub(super) fn widened(&self) -> Option<Self> {
        let folded = Re2::parse(self.as_str()).and_then(|re2| re2.search_folded());
        folded.ok().map(Self)
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether the pattern is found anywhere in the text.
    pub fn is_found_in(&self, text: &str) -> bool {
        self.0.is_match(text.as_bytes())
    }
}

fn compile(text: &str) -> Result<Matcher, PatternError> {
    Re2::parse(text)?.search()
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.as_str())
    }
}
