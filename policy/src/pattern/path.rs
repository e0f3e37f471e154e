//! Patterns over canonical paths.

use super::{PatternError, Re2, Template};

/// What a path must look like.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathPattern {
    /// Every path.
    Any,
    /// This path.
    Exact(Box<str>),
    /// Every path that begins so.
    Prefix(Box<str>),
    /// This path and everything below it; kept without its final slash.
    SegmentPrefix(Box<str>),
    /// Every path that ends so.
    Suffix(Box<str>),
    /// Every path the expression matches whole.
    Regex(Re2),
    /// Every path of this form.
    Template(Template),
}

impl PathPattern {
    /// Reads the native spelling: `/x` exact, `/x*` prefix, `*x` suffix, `*`
    /// any.
    ///
    /// # Errors
    /// A `*` elsewhere, a path without its slash, an empty pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Some(suffix) = text.strip_prefix('*') {
            no_star(suffix, 1)?;
            return Ok(Self::Suffix(suffix.into()));
        }
        if !text.starts_with('/') {
            return Err(PatternError::new(format!(
                "`{text}` is no path: write `/{text}`, `*` for any, or `*…` for an ending"
            )));
        }
        match text.strip_suffix('*') {
            Some(prefix) => {
                no_star(prefix, 0)?;
                Ok(Self::Prefix(prefix.into()))
            }
            None => {
                no_star(text, 0)?;
                Ok(Self::Exact(text.into()))
            }
        }
    }

    /// A prefix of whole segments, as in the Gateway API: `/a` and `/a/` match
    /// `/a`, `/a/` and `/a/b`, not `/ab`.
    ///
    /// # Errors
    /// A path without its slash, or with a `*`.
    pub fn segment_prefix(text: &str) -> Result<Self, PatternError> {
        if !text.starts_with('/') {
            return Err(PatternError::new(format!("`{text}` is no path: write `/{text}`")));
        }
        no_star(text, 0)?;
        let text = text.strip_suffix('/').unwrap_or(text);
        Ok(Self::SegmentPrefix(text.into()))
    }

    /// An RE2 expression, matched whole.
    ///
    /// # Errors
    /// What RE2 refuses.
    pub fn regex(text: &str) -> Result<Self, PatternError> {
        Re2::parse(text).map(Self::Regex)
    }

    /// A template: `{*}` is one segment, `{**}` any number of them.
    ///
    /// # Errors
    /// See [`Template::parse`].
    pub fn template(text: &str) -> Result<Self, PatternError> {
        Template::parse(text).map(Self::Template)
    }

    /// Whether a path matches, decided plainly. The index must agree.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => **exact == *path,
            Self::Prefix(prefix) => path.starts_with(&**prefix),
            Self::SegmentPrefix(prefix) => path
                .strip_prefix(&**prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            Self::Suffix(suffix) => path.ends_with(&**suffix),
            Self::Regex(regex) => regex.matches(path),
            Self::Template(template) => template.regex().matches(path),
        }
    }

    /// The same without regard to ASCII case: for what denies.
    #[must_use]
    pub fn matches_folded(&self, path: &str) -> bool {
        let plain = |text: &str, same: fn(&str, &str) -> bool| {
            same(&path.to_ascii_lowercase(), &text.to_ascii_lowercase())
        };
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact.eq_ignore_ascii_case(path),
            Self::Prefix(prefix) => plain(prefix, |path, prefix| path.starts_with(prefix)),
            Self::SegmentPrefix(prefix) => plain(prefix, |path, prefix| {
                path.strip_prefix(prefix)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }),
            Self::Suffix(suffix) => plain(suffix, |path, suffix| path.ends_with(suffix)),
            Self::Regex(regex) => regex.matches_folded(path),
            Self::Template(template) => template.regex().matches_folded(path),
        }
    }
}

fn no_star(text: &str, offset: usize) -> Result<(), PatternError> {
    match text.find('*') {
        None => Ok(()),
        Some(at) => Err(PatternError::at(
            offset + at,
            "a `*` stands only at the beginning or the end; for one elsewhere write \
             `{template: \"/a/{*}/b\"}` or `{regex: \"…\"}`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_four_native_spellings() {
        let matches = |pattern: &str, path: &str| PathPattern::parse(pattern).unwrap().matches(path);
        assert!(matches("/x", "/x") && !matches("/x", "/x/") && !matches("/x", "/X"));
        assert!(matches("/x*", "/xy") && matches("/x*", "/x") && !matches("/x*", "/y/x"));
        assert!(matches("*x", "/a/x") && !matches("*x", "/x/"));
        assert!(matches("*", "/"));
    }

    #[test]
    fn refuses_what_is_no_path_and_says_what_to_write() {
        for (text, advice) in [
            ("x", "write `/x`"),
            ("", "write `/`"),
            ("/a*b", "template"),
            ("*a*", "template"),
            ("/a**", "template"),
        ] {
            let error = PathPattern::parse(text).unwrap_err();
            assert!(error.message().contains(advice), "{text}: {error}");
        }
        assert_eq!(PathPattern::parse("/ab*c").unwrap_err().offset(), 3);
    }

    #[test]
    fn a_segment_prefix_ends_at_a_slash() {
        for text in ["/a", "/a/"] {
            let pattern = PathPattern::segment_prefix(text).unwrap();
            for path in ["/a", "/a/", "/a/b"] {
                assert!(pattern.matches(path), "{text} {path}");
            }
            assert!(!pattern.matches("/ab") && !pattern.matches("/A"));
            assert!(pattern.matches_folded("/A/b"));
        }
        assert!(PathPattern::segment_prefix("/").unwrap().matches("/anything"));
    }
}
