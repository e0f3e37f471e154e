//! The path of a target: rules T4 to T13, in their order.
//!
//! Dot segments are refused, not resolved: an honest client has resolved them
//! already (RFC 3986, section 5.2.4), and resolving is where proxies and
//! origins have disagreed most (CVE-2019-9901, CVE-2026-73511).

use super::bytes::{DOT, ESCAPE, NOT_PATH, PARAMETER, SLASH, Survey};
use super::escape;
use super::malformed::Malformed;
use super::profile::{DuplicateSlashes, PathProfile};
use std::borrow::Cow;

/// The canonical form of `raw`, which begins with a slash and was surveyed;
/// borrowed when `raw` is canonical already.
pub(super) fn canonicalise(
    raw: &str,
    survey: Survey,
    profile: PathProfile,
) -> Result<Cow<'_, str>, Malformed> {
    if survey.holds(NOT_PATH) {
        return Err(Malformed::PathByte);
    }
    let mut path = Cow::Borrowed(raw);
    if survey.holds(ESCAPE) {
        path = escape::canonicalise(raw, profile)?;
    }
    // Decoding never yields a slash, so the survey of the raw path still holds.
    if survey.opens_with(SLASH) && profile.duplicate_slashes == DuplicateSlashes::Merge {
        path = Cow::Owned(merge_slashes(&path));
    }
    if survey.holds(ESCAPE) || survey.opens_with(DOT | PARAMETER) {
        refuse_segments(&path)?;
    }
    if survey.holds(ESCAPE) && profile.keeps_encoded() {
        refuse_hidden_dots(&path)?;
    }
    Ok(path)
}

/// T11.
fn merge_slashes(path: &str) -> String {
    let mut merged = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !merged.ends_with('/') {
            merged.push(c);
        }
    }
    merged
}

/// T12. A servlet container reads `/..;x/` as `/../` and `/;x/` as `//`.
fn refuse_segments(path: &str) -> Result<(), Malformed> {
    for segment in path.split('/') {
        match stem(segment) {
            "." | ".." => return Err(Malformed::PathDotSegment),
            "" if !segment.is_empty() => return Err(Malformed::PathEmptySegment),
            _ => {}
        }
    }
    Ok(())
}

/// A segment without its parameters, whether they are written `;` or `%3B`.
fn stem(segment: &str) -> &str {
    let stem = segment.split_once(';').map_or(segment, |(stem, _)| stem);
    stem.split_once("%3B").map_or(stem, |(stem, _)| stem)
}

/// T13. What a profile keeps encoded an origin may decode, `..%2F..` as well as
/// `%252e%252e`; no such origin may be walked upwards.
fn refuse_hidden_dots(path: &str) -> Result<(), Malformed> {
    let decoded = escape::decode_repeatedly(path.as_bytes());
    for segment in decoded.split(|byte| matches!(byte, b'/' | b'\\')) {
        if let Some(b"." | b"..") = segment.split(|byte| *byte == b';').next() {
            return Err(Malformed::PathEncodedDotSegment);
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
