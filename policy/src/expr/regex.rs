//! Regular expressions inside expressions: compiled once, searched unanchored.
//!
//! RE2's dialect with ASCII classes and a bounded size, so that a pattern from
//! a configuration cannot exhaust memory. The dialect lives in one function.

use std::fmt;

use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;

use super::error::Problem;

/// The largest compiled form of one pattern, in bytes.
const SIZE_LIMIT: usize = 1 << 20;

/// A compiled pattern. Two are equal when their texts are.
#[derive(Clone)]
pub struct Pattern {
    text: Box<str>,
    regex: Regex,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Result<Self, Problem> {
        let regex = compile_regex(text).map_err(|reason| Problem::Pattern {
            pattern: text.to_owned(),
            reason,
        })?;
        Ok(Self {
            text: text.into(),
            regex,
        })
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern is found anywhere in the text.
    pub fn is_found_in(&self, text: &str) -> bool {
        self.regex.is_match(text.as_bytes())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.text)
    }
}

fn compile_regex(text: &str) -> Result<Regex, String> {
    Regex::builder()
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .configure(
            Config::new()
                .utf8_empty(false)
                .nfa_size_limit(Some(SIZE_LIMIT)),
        )
        .build(text)
        .map_err(|error| error.to_string())
}
