//! The path as the most permissive origin might read it, for DENY only.
//!
//! A DENY rule is also matched against this view, so that an origin which
//! decodes twice, strips parameters or folds Unicode cannot be reached around
//! the rule (rule P3). It must never allow a request and is never sent.

use super::escape::decode_repeatedly;
use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;

/// Widens a canonical path: percent-decoded up to three times, cut at `#` or
/// `?`, backslashes turned, folded to NFKC without case, parameters, trailing
/// dots and trailing spaces dropped from each segment, slashes merged and dots
/// resolved. Borrowed when all of that changes nothing.
pub fn deny_view(path: &str) -> Cow<'_, str> {
    if is_plain(path.as_bytes()) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(widen(path))
}

fn widen(path: &str) -> String {
    let decoded = decode_repeatedly(path.as_bytes());
    let seen = decoded
        .split(|byte| matches!(byte, b'#' | b'?'))
        .next()
        .unwrap_or_default();
    let text = String::from_utf8_lossy(seen).replace('\\', "/");
    resolve(&fold(&text))
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
