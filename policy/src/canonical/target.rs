//! The request target: rules T1 to T3; the path's own rules are in `path`.
//!
//! Must not look at what Pingora or a URI parser made of the target: both
//! repair what they should refuse. It reads the bytes of the request line.

use super::authority::Authority;
use super::bytes::{FRAGMENT, ILLEGAL, Survey, classes};
use super::malformed::Malformed;
use super::path;
use super::profile::PathProfile;
use std::borrow::Cow;
use std::str;

/// The longest target that is read, in bytes (rule M5).
pub const MAX_TARGET: usize = 8192;

/// A canonical request target in origin form: what is matched and what is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'a> {
    path: Cow<'a, str>,
    query: Option<&'a str>,
    verbatim: bool,
}

impl<'a> Target<'a> {
    /// Canonicalises the target of a request to `authority`.
    ///
    /// Takes the origin form, and the absolute form with http or https when its
    /// authority is the request's own (RFC 9112, section 3.2). Allocates only
    /// when the path is not canonical already or holds a `%`.
    ///
    /// # Errors
    /// The first rule of T1 to T13 that the target breaks.
    pub fn parse(
        raw: &'a [u8],
        authority: &Authority<'_>,
        profile: PathProfile,
    ) -> Result<Target<'a>, Malformed> {
        if raw.len() > MAX_TARGET {
            return Err(Malformed::TargetTooLong);
        }
        let text = str::from_utf8(raw).map_err(|_| Malformed::TargetByte)?;
        if text.starts_with('/') {
            return Target::from_origin_form(text, profile);
        }
        Target::from_absolute_form(text, authority, profile)
    }

    fn from_origin_form(text: &'a str, profile: PathProfile) -> Result<Target<'a>, Malformed> {
        let (path, query) = split_query(text);
        let survey = Survey::of(path);
        lawful(survey.seen | query.map_or(0, classes))?;
        let path = path::canonicalise(path, survey, profile)?;
        let verbatim = matches!(path, Cow::Borrowed(_));
        Ok(Target {
            path,
            query,
            verbatim,
        })
    }

    fn from_absolute_form(
        text: &'a str,
        authority: &Authority<'_>,
        profile: PathProfile,
    ) -> Result<Target<'a>, Malformed> {
        if text.is_empty() {
            return Err(Malformed::TargetEmpty);
        }
        lawful(classes(text))?;
        let rest = strip_scheme(text).ok_or(Malformed::TargetForm)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (named, rest) = rest.split_at_checked(end).ok_or(Malformed::TargetForm)?;
        if Authority::parse(named.as_bytes())? != *authority {
            return Err(Malformed::TargetAuthority);
        }
        let (path, query) = split_query(rest);
        let path = if path.is_empty() { "/" } else { path };
        let path = path::canonicalise(path, Survey::of(path), profile)?;
        Ok(Target {
            path,
            query,
            verbatim: false,
        })
    }

    /// The canonical path: begins with `/`, ASCII only, without the query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What follows the first `?`, byte for byte; empty when nothing does, and
    /// `None` when there is no `?`. Never part of a path match.
    pub fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// Whether the canonical form is the very bytes that were parsed, so that
    /// the request line needs no rewriting.
    pub fn is_verbatim(&self) -> bool {
        self.verbatim
    }

    /// Appends `path[?query]`, the bytes to send, to `out`.
    pub fn append_to(&self, out: &mut String) {
        out.push_str(&self.path);
        if let Some(query) = self.query {
            out.push('?');
            out.push_str(query);
        }
    }
}

/// T1.
fn lawful(classes: u8) -> Result<(), Malformed> {
    if classes & ILLEGAL != 0 {
        return Err(Malformed::TargetByte);
    }
    if classes & FRAGMENT != 0 {
        return Err(Malformed::TargetFragment);
    }
    Ok(())
}

/// T3.
fn split_query(target: &str) -> (&str, Option<&str>) {
    target
        .split_once('?')
        .map_or((target, None), |(path, query)| (path, Some(query)))
}

/// What follows `http://` or `https://`, in letters of any case (RFC 3986, 3.1).
fn strip_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let known = ["http", "https"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    known.then_some(rest)
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
