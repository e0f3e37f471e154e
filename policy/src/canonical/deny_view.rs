//! The path as permissive origins might read it, for DENY only.
//!
//! A DENY rule is also matched against these views, so that an origin which
//! decodes twice, strips parameters or folds Unicode cannot be reached around
//! the rule (rule P3). They must never allow a request and are never sent.

use super::escape::decode_repeatedly;
use std::borrow::Cow;
use std::iter;
use unicode_normalization::UnicodeNormalization;

/// What a decoded path may be taken to end at. Which of the two ends it, origins
/// disagree about, and some know neither: to cut `/x%23/secret` at its `#` is to
/// lose sight of `/secret`, and so is not to cut `/secret%23`.
const DELIMITERS: [u8; 2] = [b'#', b'?'];

/// A canonical path, widened: percent-decoded up to three times, backslashes
/// turned, folded to NFKC without case, parameters, trailing dots and trailing
/// spaces dropped from each segment, slashes merged and dots resolved. Once
/// whole, and once up to the first `#` and the first `?` that decoding brings
/// forth. A hit on any of them denies.
#[derive(Debug)]
pub struct DenyViews<'a> {
    /// Borrowed when the widening changes nothing.
    whole: Cow<'a, str>,
    /// None, for nearly every path.
    cut: Vec<String>,
}

/// Widens a canonical path.
pub fn deny_views(path: &str) -> DenyViews<'_> {
    if is_plain(path.as_bytes()) {
        return DenyViews {
            whole: Cow::Borrowed(path),
            cut: Vec::new(),
        };
    }
    let decoded = decode_repeatedly(path.as_bytes());
    let cut = |delimiter: &u8| {
        let end = decoded.iter().position(|byte| byte == delimiter)?;
        decoded.get(..end).map(widen)
    };
    DenyViews {
        whole: Cow::Owned(widen(&decoded)),
        cut: DELIMITERS.iter().filter_map(cut).collect(),
    }
}

impl DenyViews<'_> {
    /// Every view, the whole path's first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        iter::once(&*self.whole).chain(self.cut.iter().map(String::as_str))
    }
}

/// A literal of a DENY as views show it: they hold no escape that it may hold, and
/// no letter that case folding changes. What views drop from a segment, stays:
/// `/a;b` denies `/a;b`, and not all of `/a`.
pub(crate) fn deny_text(literal: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase() && byte != b'%';
    match literal.bytes().all(is_plain) {
        true => Cow::Borrowed(literal),
        false => Cow::Owned(letters(&decode_repeatedly(literal.as_bytes()))),
    }
}

/// As [`deny_text`]; `None` when it differs from the literal in the case of ASCII
/// letters at most.
pub(crate) fn deny_literal(literal: &str) -> Option<String> {
    let wide = deny_text(literal);
    (!wide.eq_ignore_ascii_case(literal)).then(|| wide.into_owned())
}

fn widen(decoded: &[u8]) -> String {
    resolve(&letters(decoded))
}

fn letters(decoded: &[u8]) -> String {
    fold(&String::from_utf8_lossy(decoded).replace('\\', "/"))
}

/// Whether no step of the widening changes the path: lower-case, no escape, no
/// parameter, no empty segment but the last, no segment that ends in a dot.
fn is_plain(path: &[u8]) -> bool {
    let Some((b'/', rest)) = path.split_first() else {
        return false;
    };
    let mut previous = b'/';
    for &byte in rest {
        let plain = match byte {
            b'/' => !matches!(previous, b'/' | b'.'),
            b'%' | b';' | b'\\' | b'?' | b'#' => false,
            _ => byte.is_ascii_graphic() && !byte.is_ascii_uppercase(),
        };
        if !plain {
            return false;
        }
        previous = byte;
    }
    previous != b'.'
}

/// NFKC, then Unicode full case folding, from the standard library's mappings:
/// lower, upper, lower. The middle step joins what only upper case joins: `ß` and
/// `ẞ` become `ss`, final sigma becomes sigma, `ǰ` becomes `j` and its caron.
/// (`ſ`, the Kelvin sign and the ligatures are ASCII letters after NFKC already.)
/// Over all of Unicode two things are unlike CaseFolding.txt: dotless `ı`, which
/// folds to itself and is therefore left out, and Cherokee, which folds upwards
/// there and downwards here; either way its two cases become one.
fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    for c in text.nfkc() {
        match c {
            'ı' => folded.push(c),
            _ => folded.extend(
                c.to_lowercase()
                    .flat_map(char::to_uppercase)
                    .flat_map(char::to_lowercase),
            ),
        }
    }
    folded
}

/// Trims every segment, drops the empty ones and resolves dots (RFC 3986, 5.2.4);
/// a path that ends in an empty, `.` or `..` segment ends in a slash.
fn resolve(path: &str) -> String {
    let mut kept = Vec::new();
    let mut last = "";
    for segment in path.split('/').skip(1) {
        last = trim(segment);
        match last {
            "" | "." => {}
            ".." => drop(kept.pop()),
            name => kept.push(name),
        }
    }
    if matches!(last, "" | "." | "..") {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

/// A segment without parameters, trailing dots and trailing spaces (Windows
/// origins ignore the latter two); one that is nothing but dots stays.
fn trim(segment: &str) -> &str {
    const IGNORED: [char; 2] = [' ', '.'];
    if segment.trim_matches(IGNORED).is_empty() {
        return segment;
    }
    segment
        .split(';')
        .next()
        .unwrap_or(segment)
        .trim_end_matches(IGNORED)
}

#[cfg(test)]
#[path = "deny_view_tests.rs"]
mod tests;
