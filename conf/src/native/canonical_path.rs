//! Whether a path as configured is one that requests can have.
//!
//! Requests are matched in their canonical form. A pattern in another form
//! would match nothing: a permission without effect, or, worse, a refusal. The
//! pattern itself knows single characters; here the canonicaliser is asked.

use policy::canonical::{Authority, DuplicateSlashes, Encoded, PathProfile, Target};
use policy::pattern::PathPattern;

/// What of a target a pattern speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Only the path.
    Path,
    /// Path and query.
    Target,
}

/// What any destination may keep: the pattern may be meant for such a one.
const LENIENT: PathProfile = PathProfile {
    encoded_slashes: Encoded::Keep,
    double_encoding: Encoded::Keep,
    duplicate_slashes: DuplicateSlashes::Keep,
};

/// Checks that some canonical path can match. Regular expressions and endings
/// are taken at their word.
///
/// # Errors
/// Why none can, and what to write.
pub(crate) fn check(pattern: &PathPattern, part: Part) -> Result<(), String> {
    let (text, more) = match pattern {
        PathPattern::Any | PathPattern::Suffix(_) | PathPattern::Regex(_) => return Ok(()),
        PathPattern::Exact(text) => (text.to_string(), ""),
        // Whatever follows may complete a segment such as `..`.
        PathPattern::Prefix(text) => (text.to_string(), "x"),
        PathPattern::SegmentPrefix(text) => (text.to_string(), "/"),
        PathPattern::Template(template) => (template.as_str().replace(['{', '}', '*'], "x"), ""),
    };
    if part == Part::Path && text.contains('?') {
        return Err("a path has no query: write `target:` to match path and query".to_owned());
    }
    let whole = format!("{text}{more}");
    match canonical(&whole, LENIENT)? {
        canonical if canonical == whole => Ok(()),
        canonical => {
            let meant = canonical.strip_suffix(more).unwrap_or(&canonical);
            Err(format!(
                "`{text}` is not in canonical form and never matches: write `{meant}`"
            ))
        }
    }
}

/// A path, and its query if there is one, that is sent as written.
///
/// # Errors
/// What is wrong, and what to write.
pub(super) fn verbatim(text: &str) -> Result<Box<str>, String> {
    if !text.starts_with('/') {
        return Err(format!("`{text}` is no path: begin it with `/`"));
    }
    match canonical(text, LENIENT)? {
        canonical if canonical == text => Ok(text.into()),
        canonical => Err(format!(
            "`{text}` is not in canonical form: write `{canonical}`"
        )),
    }
}

/// The canonical form of a path and its query.
fn canonical(text: &str, profile: PathProfile) -> Result<String, String> {
    let refused = |why| format!("`{text}`: {why}");
    let any = Authority::parse(b"host").map_err(refused)?;
    let target = Target::parse(text.as_bytes(), &any, profile).map_err(refused)?;
    let mut canonical = String::new();
    target.append_to(&mut canonical);
    Ok(canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), String> {
        check(&PathPattern::parse(text).unwrap(), Part::Path)
    }

    #[test]
    fn takes_what_requests_can_have() {
        for text in [
            "/", "/health", "/a/b/", "/a%20b", "/a%2Fb", "/a//b", "/*", "/.*", "/.git*", "/a/..*",
            "*.js", "*",
        ] {
            assert_eq!(checked(text), Ok(()), "{text}");
        }
        let prefix = |text| check(&PathPattern::segment_prefix(text).unwrap(), Part::Path);
        assert_eq!(
            (prefix("/"), prefix("/v1/"), prefix("/v1")),
            (Ok(()), Ok(()), Ok(()))
        );
        let template = PathPattern::template("/v1/{*}/x/{**}").unwrap();
        assert_eq!(check(&template, Part::Path), Ok(()));
        let target = PathPattern::parse("/a?x=1*").unwrap();
        assert_eq!(check(&target, Part::Target), Ok(()));
    }

    #[test]
    fn refuses_what_requests_never_have() {
        for text in ["/a/../b", "/a/.", "/a/..;x/b", "/a%00", "/a/%2E%2E/b"] {
            let pattern = PathPattern::Exact(text.into());
            assert!(check(&pattern, Part::Path).is_err(), "{text}");
        }
        assert_eq!(
            checked("/a?b"),
            Err("a path has no query: write `target:` to match path and query".to_owned())
        );
    }

    #[test]
    fn what_is_sent_is_what_was_written() {
        assert_eq!(verbatim("/a?b=%2f").as_deref(), Ok("/a?b=%2f"));
        assert_eq!(
            verbatim("/%61").unwrap_err(),
            "`/%61` is not in canonical form: write `/a`"
        );
        assert_eq!(
            verbatim("a").unwrap_err(),
            "`a` is no path: begin it with `/`"
        );
    }
}
