//! Path templates as AuthorizationPolicy spells them: `{*}` is one segment,
//! `{**}` any text to the end or to the literal tail. A template is a spelling
//! of a regular expression, and an index treats it as one.

use super::{Case, PatternError, Re2, spelling};

/// A valid template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathTemplate {
    source: Box<str>,
    regex: Re2,
}

impl PathTemplate {
    /// Reads a template: literal segments, `{*}`, and `{**}` as the last
    /// operator, each a whole segment.
    ///
    /// # Errors
    /// Refuses any other use of `*` and braces.
    pub(super) fn parse(source: &str) -> Result<Self, PatternError> {
        let Some(segments) = source.strip_prefix('/') else {
            return Err(PatternError::new("a template begins with `/`"));
        };
        let mut regex = String::new();
        let mut open_ended = false;
        let mut at = 1;
        for segment in segments.split('/') {
            let operator = operator(segment);
            if open_ended && operator.is_some() {
                return Err(PatternError::at(
                    at,
                    "no operator may follow `{**}`; write `{*}` for single segments",
                ));
            }
            open_ended |= segment == "{**}";
            regex.push('/');
            match operator {
                Some(operator) => regex.push_str(operator),
                None => push_literal(&mut regex, segment, at)?,
            }
            at += segment.len() + 1;
        }
        Ok(Self {
            source: source.into(),
            regex: Re2::parse(&regex)?,
        })
    }

    /// The template as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// The same paths as a regular expression.
    pub(super) fn regex(&self) -> &Re2 {
        &self.regex
    }

    /// As [`PathPattern::matches_folded`](super::PathPattern::matches_folded).
    pub(super) fn matches_folded(&self, path: &str) -> bool {
        match self.holds_escape() {
            true => self.regex.matches_folded(path),
            false => self.matches(path, str::eq_ignore_ascii_case),
        }
    }

    pub(super) fn prepare_folded(&self) -> Result<(), PatternError> {
        match self.holds_escape() {
            true => self.regex.prepare(Case::Folded),
            false => Ok(()),
        }
    }

    fn holds_escape(&self) -> bool {
        self.source.contains('%')
    }

    /// Whether the path matches, segment by segment; `same` compares texts.
    pub(super) fn matches(&self, path: &str, same: fn(&str, &str) -> bool) -> bool {
        let (mut template, mut path) = (&*self.source, path);
        while let Some(next) = template.strip_prefix('/') {
            let Some(rest) = path.strip_prefix('/') else {
                return false;
            };
            let (segment, tail) = segment(next);
            if segment == "{**}" {
                return ends_with(rest, tail, same);
            }
            let (given, after) = self::segment(rest);
            let fits = match segment {
                "{*}" => !given.is_empty(),
                literal => same(given, literal),
            };
            if !fits {
                return false;
            }
            (template, path) = (tail, after);
        }
        path.is_empty()
    }
}

/// The regular expression of an operator.
fn operator(segment: &str) -> Option<&'static str> {
    match segment {
        "{*}" => Some("[^/]+"),
        "{**}" => Some(".*"),
        _ => None,
    }
}

fn push_literal(regex: &mut String, segment: &str, offset: usize) -> Result<(), PatternError> {
    if let Some(at) = segment.find(['*', '{', '}', '?']) {
        return Err(PatternError::at(
            offset + at,
            format!(
                "`{segment}` is no segment of a template; write `{{*}}` for one whole segment, `{{**}}` for the rest"
            ),
        ));
    }
    spelling::check(segment, offset)?;
    for c in segment.chars() {
        if !c.is_ascii_alphanumeric() {
            regex.push('\\');
        }
        regex.push(c);
    }
    Ok(())
}

/// The first segment, and the rest with its leading `/`.
fn segment(text: &str) -> (&str, &str) {
    let end = text.find('/').unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn ends_with(text: &str, tail: &str, same: fn(&str, &str) -> bool) -> bool {
    let start = text.len().checked_sub(tail.len());
    start
        .and_then(|start| text.get(start..))
        .is_some_and(|end| same(end, tail))
}
