//! Path templates, as AuthorizationPolicy writes them: `/v1/{*}/users/{**}`.

use super::{PatternError, Re2};

/// A path whose segments may be left open. `{*}` is one segment and not empty,
/// `{**}` any number of segments, and the last operator if there is one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Template {
    source: Box<str>,
    regex: Re2,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// An operator that is not a whole segment, one behind `{**}`, another
    /// `*`, or a path without its slash.
    pub fn parse(source: &str) -> Result<Self, PatternError> {
        let Some(path) = source.strip_prefix('/') else {
            return Err(PatternError::new(format!(
                "`{source}` is no path: write `/{source}`"
            )));
        };
        let mut regex = String::new();
        let mut open_end = false;
        let mut offset = 1;
        for segment in path.split('/') {
            if open_end && matches!(segment, "{*}" | "{**}") {
                return Err(PatternError::at(offset, "nothing open stands behind `{**}`"));
            }
            match segment {
                "{*}" => regex.push_str("/[^/]+"),
                "{**}" => {
                    open_end = true;
                    regex.push_str("/.*");
                }
                plain => push_literal(&mut regex, plain, offset)?,
            }
            offset += segment.len() + 1;
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

    /// The same as a regular expression.
    pub(super) fn regex(&self) -> &Re2 {
        &self.regex
    }
}

fn push_literal(regex: &mut String, segment: &str, offset: usize) -> Result<(), PatternError> {
    if let Some(at) = segment.find(['*', '{', '}']) {
        return Err(PatternError::at(
            offset + at,
            "`{*}` and `{**}` stand for whole segments: write `/a/{*}/b`",
        ));
    }
    regex.push('/');
    for c in segment.chars() {
        if !c.is_ascii_alphanumeric() && c.is_ascii() {
            regex.push('\\');
        }
        regex.push(c);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(template: &str, path: &str) -> bool {
        Template::parse(template).unwrap().regex().matches(path)
    }

    #[test]
    fn one_star_is_one_segment_and_two_are_any_number() {
        assert!(matches("/v1/{*}/users", "/v1/a/users"));
        assert!(!matches("/v1/{*}/users", "/v1//users"));
        assert!(!matches("/v1/{*}/users", "/v1/a/b/users"));
        assert!(matches("/v1/{**}", "/v1/a/b") && matches("/v1/{**}", "/v1/"));
        assert!(!matches("/v1/{**}", "/v1"));
        assert!(matches("/foo/{**}/", "/foo//") && !matches("/foo/{**}/", "/foo/bar"));
    }

    #[test]
    fn everything_else_is_literal() {
        assert!(matches("/a.b/{*}", "/a.b/c") && !matches("/a.b/{*}", "/axb/c"));
    }

    #[test]
    fn refuses_operators_that_are_no_whole_segments() {
        for template in ["/a{*}", "/{*}b", "/a*", "/{**}/{*}", "/{**}/{**}", "a/{*}", "/{x}"] {
            assert!(Template::parse(template).is_err(), "{template}");
        }
    }
}
