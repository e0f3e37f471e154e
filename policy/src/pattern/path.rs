//! One pattern over paths (or path and query), in every spelling operators
//! have for it, and its plain meaning. An index finds the same answer for many
//! patterns at once; this is what it must agree with.

use super::{Case, PathTemplate, PatternError, Re2, spelling};
use crate::canonical::deny_literal;

/// A pattern over canonical paths.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathPattern {
    /// Every path.
    Any,
    /// This path.
    Exact(Box<str>),
    /// Every path that begins so, letter for letter (Istio: `/pol` matches
    /// `/politics`).
    Prefix(Box<str>),
    /// This path and every path below it (Gateway API `PathPrefix`: `/a`
    /// matches `/a` and `/a/b`, not `/ab`). Never ends in `/`.
    SegmentPrefix(Box<str>),
    /// Every path that ends so.
    Suffix(Box<str>),
    /// Every path that matches as a whole.
    Regex(Re2),
    /// Every path of this shape.
    Template(PathTemplate),
}

impl PathPattern {
    /// The native spelling: `/x` exact, `/x*` prefix, `*x` suffix, `*` any.
    ///
    /// # Errors
    /// Refuses a `*` elsewhere, and what no canonical path can hold.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Some(end) = text.strip_prefix('*') {
            refuse_star(end, 1)?;
            spelling::check(end, 1)?;
            return Ok(Self::Suffix(end.into()));
        }
        refuse_relative(text)?;
        let begin = text.strip_suffix('*');
        let literal = begin.unwrap_or(text);
        refuse_star(literal, 0)?;
        spelling::check(literal, 0)?;
        Ok(match begin {
            Some(begin) => Self::Prefix(begin.into()),
            None => Self::Exact(text.into()),
        })
    }

    /// One path; a `*` is a character like any other.
    ///
    /// # Errors
    /// Refuses what no canonical path can hold.
    pub fn exact(text: &str) -> Result<Self, PatternError> {
        refuse_relative(text)?;
        spelling::check(text, 0)?;
        Ok(Self::Exact(text.into()))
    }

    /// Every path that begins so, letter for letter.
    ///
    /// # Errors
    /// Refuses what no canonical path can hold.
    pub fn prefix(text: &str) -> Result<Self, PatternError> {
        refuse_relative(text)?;
        spelling::check(text, 0)?;
        Ok(Self::Prefix(text.into()))
    }

    /// Every path that ends so, letter for letter.
    ///
    /// # Errors
    /// Refuses what no canonical path can hold.
    pub fn suffix(text: &str) -> Result<Self, PatternError> {
        spelling::check(text, 0)?;
        Ok(Self::Suffix(text.into()))
    }

    /// A path and every path below it; a final `/` makes no difference.
    ///
    /// # Errors
    /// Refuses `*`, and what no canonical path can hold.
    pub fn segment_prefix(text: &str) -> Result<Self, PatternError> {
        refuse_relative(text)?;
        if let Some(at) = text.find('*') {
            return Err(PatternError::at(
                at,
                format!(
                    "a prefix takes whole segments and no `*`; write `{}`",
                    text.trim_end_matches(['*', '/'])
                ),
            ));
        }
        spelling::check(text, 0)?;
        Ok(match text.strip_suffix('/').unwrap_or(text) {
            "" => Self::Any,
            path => Self::SegmentPrefix(path.into()),
        })
    }

    /// A regular expression for the whole path.
    ///
    /// # Errors
    /// Refuses what is not RE2.
    pub fn regex(text: &str) -> Result<Self, PatternError> {
        Re2::parse(text).map(Self::Regex)
    }

    /// A template such as `/v1/{*}/{**}`.
    ///
    /// # Errors
    /// Refuses operators that are not whole segments, or follow `{**}`.
    pub fn template(text: &str) -> Result<Self, PatternError> {
        PathTemplate::parse(text).map(Self::Template)
    }

    /// Compiles what [`PathPattern::matches`], or `matches_folded`, would compile
    /// on first use: for patterns that are asked one by one on every request.
    ///
    /// # Errors
    /// Refuses a regular expression whose automaton is too large, which would
    /// else permit nothing, or deny everything, without a word.
    pub fn prepare(&self, case: Case) -> Result<(), PatternError> {
        match self {
            Self::Regex(regex) => regex.prepare(case),
            Self::Template(template) if case == Case::Folded => template.prepare_folded(),
            _ => Ok(()),
        }
    }

    /// Whether a path matches: for what permits.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Regex(regex) => regex.matches(path),
            _ => self.compares(path, |one, other| one == other),
        }
    }

    /// Whether a path, as it is sent or as a view shows it, matches when ASCII
    /// letters of either case are equal: for what denies (security: P3).
    #[must_use]
    pub fn matches_folded(&self, path: &str) -> bool {
        match self {
            Self::Regex(regex) => regex.matches_folded(path),
            Self::Template(template) => template.matches_folded(path),
            _ => {
                let compares = |pattern: &Self| pattern.compares(path, str::eq_ignore_ascii_case);
                compares(self) || self.widened().as_ref().is_some_and(compares)
            }
        }
    }

    /// The pattern that finds in views what this one finds in paths as they are
    /// sent, where escapes make a difference. Regular expressions, and templates,
    /// which are some, see to that themselves.
    pub(super) fn widened(&self) -> Option<Self> {
        Some(match self {
            Self::Exact(text) => Self::Exact(deny_literal(text)?.into()),
            Self::Prefix(begin) => Self::Prefix(deny_literal(begin)?.into()),
            Self::Suffix(end) => Self::Suffix(deny_literal(end)?.into()),
            Self::SegmentPrefix(begin) => match deny_literal(begin)? {
                // `/a%2F`: what is below begins so, and views merge slashes.
                begin if begin.ends_with('/') => Self::Prefix(begin.into()),
                begin => Self::SegmentPrefix(begin.into()),
            },
            Self::Any | Self::Regex(_) | Self::Template(_) => return None,
        })
    }

    fn compares(&self, path: &str, same: fn(&str, &str) -> bool) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(text) => same(path, text),
            Self::Prefix(begin) => begins_with(path, begin, same),
            Self::SegmentPrefix(begin) => {
                let rest = path.get(begin.len()..);
                let ends = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
                ends && begins_with(path, begin, same)
            }
            Self::Suffix(end) => {
                let start = path.len().checked_sub(end.len());
                let tail = start.and_then(|start| path.get(start..));
                tail.is_some_and(|tail| same(tail, end))
            }
            Self::Template(template) => template.matches(path, same),
            Self::Regex(_) => false,
        }
    }
}

fn begins_with(path: &str, begin: &str, same: fn(&str, &str) -> bool) -> bool {
    path.get(..begin.len())
        .is_some_and(|head| same(head, begin))
}

fn refuse_relative(text: &str) -> Result<(), PatternError> {
    if text.starts_with('/') {
        return Ok(());
    }
    let message = match text {
        "" => "an empty path; write `*` for every path".to_owned(),
        _ => format!(
            "a path begins with `/`; write `/{text}`, or `*{text}` for every path that ends so"
        ),
    };
    Err(PatternError::new(message))
}

fn refuse_star(text: &str, offset: usize) -> Result<(), PatternError> {
    let Some(at) = text.find('*') else {
        return Ok(());
    };
    Err(PatternError::at(
        offset + at,
        "`*` stands at one end of a path; write `{template: …}` with `{*}` for a segment, or `{regex: …}`",
    ))
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
