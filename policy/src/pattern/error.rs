//! The one way a pattern can be wrong: a place in it, and what to write
//! instead. Patterns fail while a configuration is compiled, never later.

use std::fmt;

/// Why a pattern was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    offset: usize,
    message: Box<str>,
}

impl PatternError {
    /// An error at a byte of the pattern.
    pub(super) fn at(offset: usize, message: impl Into<Box<str>>) -> Self {
        Self {
            offset,
            message: message.into(),
        }
    }

    /// An error of the pattern as a whole.
    pub(super) fn new(message: impl Into<Box<str>>) -> Self {
        Self::at(0, message)
    }

    /// Where in the pattern, in bytes from its beginning.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// What is wrong and what to write instead.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for PatternError {}
