//! Regular expressions in the dialect of RE2, which Envoy and Istio speak.
//!
//! Patterns are translated, never handed over: the same text means silently
//! different things to RE2 and to Rust (`[a&&b]`, `\d`, `x{,5}`). A match is
//! always of a whole text, so `^/health|/sport$` admits neither `/health/x`
//! nor `/x/sport`. Only [`Re2::search`] looks for a part of a text.

mod class;
mod cursor;
mod escape;
mod group;
mod lower;
mod scan;
mod wide;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;

pub use lower::Lowered;

use lower::Alphabet;

use super::automaton::Piece;
use super::matcher::Matcher;
use super::{Case, PatternError};

/// The longest pattern, in bytes (security: P7).
const MAX_BYTES: usize = 1024;

/// The deepest nesting of groups and repetitions.
const MAX_DEPTH: u32 = 200;

/// A valid pattern. Cheap to clone and to keep: it is only its text until it
/// is asked to match by itself.
#[derive(Clone)]
pub struct Re2(Arc<Inner>);

struct Inner {
    source: Box<str>,
    sensitive: OnceLock<Result<Matcher, PatternError>>,
    folded: OnceLock<Result<Matcher, PatternError>>,
}

impl Re2 {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What RE2 refuses is refused, and what it would refuse for its size.
    pub fn parse(source: &str) -> Result<Self, PatternError> {
        if source.len() > MAX_BYTES {
            return Err(PatternError::at(
                MAX_BYTES,
                format!("a regular expression has at most {MAX_BYTES} bytes; write several"),
            ));
        }
        parse(source, Case::Sensitive)?;
        Ok(Self(Arc::new(Inner {
            source: source.into(),
            sensitive: OnceLock::new(),
            folded: OnceLock::new(),
        })))
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.source
    }

    /// The simplest thing that matches the same paths.
    #[must_use]
    pub fn lowered(&self, case: Case) -> Lowered {
        self.of_paths(case).map_or(Lowered::Regex, |hir| {
            lower::lower(&hir, Alphabet::of_paths(case))
        })
    }

    /// Compiles the pattern to match whole texts of any bytes.
    ///
    /// # Errors
    /// Refuses a pattern whose automaton is too large.
    pub fn whole(&self) -> Result<Matcher, PatternError> {
        let hir = lower::whole(&parse(self.as_str(), Case::Sensitive)?, Alphabet::Every);
        Matcher::new(self, Piece::whole(hir))
    }

    /// Compiles the pattern to match any part of a text, as Mixer's lists and
    /// the `matches` function of expressions do.
    ///
    /// # Errors
    /// Refuses a pattern whose automaton is too large.
    pub fn search(&self) -> Result<Matcher, PatternError> {
        let hir = lower::rebuilt(&parse(self.as_str(), Case::Sensitive)?, Alphabet::Every);
        Matcher::new(self, Piece::part(hir))
    }

    /// As [`Re2::search`], in views of a path: in lower case, with and without
    /// escapes.
    ///
    /// # Errors
    /// Refuses a pattern whose automaton is too large.
    pub(crate) fn search_folded(&self) -> Result<Matcher, PatternError> {
        let hir = lower::rebuilt(&parse(self.as_str(), Case::Folded)?, Alphabet::LowerCase);
        Matcher::new(self, Piece::part(wide::widened(&hir)))
    }

    /// Whether the whole path matches. Canonical paths are ASCII, so sets and
    /// `.` match no other character here. Compiles the pattern on first use:
    /// for single patterns; many belong in an index.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.path(Case::Sensitive)
            .as_ref()
            .is_ok_and(|matcher| matcher.is_match(path.as_bytes()))
    }

    /// Whether the pattern spells an escape in pieces, so that a deny cannot find
    /// what an origin makes of it.
    #[must_use]
    pub fn has_broken_escape(&self) -> bool {
        let parsed = parse(self.as_str(), Case::Folded);
        parsed.is_ok_and(|hir| wide::has_broken_escape(&lower::rebuilt(&hir, Alphabet::LowerCase)))
    }

    /// Whether the whole path, as it is sent or as a view shows it, matches when
    /// letters of either case are equal. For what denies: in doubt, it does.
    #[must_use]
    pub fn matches_folded(&self, path: &str) -> bool {
        self.path(Case::Folded).as_ref().map_or(true, |matcher| {
            matcher.is_match(path.to_ascii_lowercase().as_bytes())
        })
    }

    /// Compiles the pattern for [`Re2::matches`] or [`Re2::matches_folded`].
    pub(super) fn prepare(&self, case: Case) -> Result<(), PatternError> {
        self.path(case).as_ref().map(drop).map_err(Clone::clone)
    }

    fn path(&self, case: Case) -> &Result<Matcher, PatternError> {
        let compiled = match case {
            Case::Sensitive => &self.0.sensitive,
            Case::Folded => &self.0.folded,
        };
        compiled.get_or_init(|| Matcher::new(self, Piece::whole(self.of_paths(case)?)))
    }

    /// The pattern as an index compiles it.
    pub(super) fn piece(&self, case: Case) -> Result<Piece, PatternError> {
        Ok(lower::piece(self.of_paths(case)?, Alphabet::of_paths(case)))
    }

    /// The pattern for whole paths, not yet anchored.
    fn of_paths(&self, case: Case) -> Result<Hir, PatternError> {
        let parsed = parse(self.as_str(), case)?;
        let hir = lower::whole(&parsed, Alphabet::of_paths(case));
        Ok(match case {
            Case::Sensitive => hir,
            Case::Folded => wide::widened(&hir),
        })
    }
}

/// Parses the translation; what is still wrong then is told at its place in
/// the pattern as written. Sets are of characters, as in RE2, but a text may
/// be any bytes.
fn parse(source: &str, case: Case) -> Result<Hir, PatternError> {
    let translation = scan::translate(source)?;
    let parsed = ParserBuilder::new()
        .utf8(false)
        .nest_limit(MAX_DEPTH)
        .dot_matches_new_line(case == Case::Folded)
        .build()
        .parse(&translation.text);
    parsed.map_err(|error| {
        let (offset, kind) = match &error {
            regex_syntax::Error::Parse(error) => {
                (error.span().start.offset, error.kind().to_string())
            }
            regex_syntax::Error::Translate(error) => {
                (error.span().start.offset, error.kind().to_string())
            }
            other => (0, other.to_string()),
        };
        PatternError::at(
            translation.origin(offset),
            format!("not a valid pattern: {kind}"),
        )
    })
}

impl fmt::Debug for Re2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Re2").field(&self.as_str()).finish()
    }
}

impl PartialEq for Re2 {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Re2 {}

impl Hash for Re2 {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialOrd for Re2 {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Re2 {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

#[cfg(test)]
#[path = "re2_tests.rs"]
mod tests;
