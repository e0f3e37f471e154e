//! Patterns of paths and values, each in the shortest spelling that reads as
//! the very same.

use policy::pattern::{PathPattern, PatternError, ValuePattern};

use super::super::canonical_path::{Part, check};
use crate::yaml::emit::Out;

type Parse = fn(&str) -> Result<PathPattern, PatternError>;

/// A path; nothing if it has no spelling.
///
/// What the native format refuses because no canonical path can match it is
/// written as a regular expression, which it takes at its word.
pub(super) fn path(pattern: &PathPattern, part: Part) -> Option<Out> {
    let reads = |text: &str, parse: Parse| {
        parse(text).is_ok_and(|read| read == *pattern) && check(pattern, part).is_ok()
    };
    let spelled = |plain: String, key: &'static str, text: &str, parse: Parse| {
        if reads(&plain, PathPattern::parse) {
            return Some(Out::Word(plain));
        }
        reads(text, parse).then(|| Out::one(key, Out::word(text)))
    };
    let written = match pattern {
        PathPattern::Any => return Some(Out::word("*")),
        PathPattern::Prefix(text) | PathPattern::Suffix(text) if text.is_empty() => {
            return Some(Out::word("*"));
        }
        PathPattern::Exact(text) => spelled(text.to_string(), "exact", text, PathPattern::exact),
        PathPattern::Prefix(text) => {
            spelled(format!("{text}*"), "begins", text, PathPattern::prefix)
        }
        PathPattern::Suffix(text) => spelled(format!("*{text}"), "ends", text, PathPattern::suffix),
        PathPattern::SegmentPrefix(text) => {
            reads(text, PathPattern::segment_prefix).then(|| Out::one("prefix", Out::word(text)))
        }
        PathPattern::Regex(regex) => Some(Out::one("regex", Out::word(regex.as_str()))),
        PathPattern::Template(template) => reads(template.as_str(), PathPattern::template)
            .then(|| Out::one("template", Out::word(template.as_str()))),
    };
    written.or_else(|| as_regex(pattern))
}

fn as_regex(pattern: &PathPattern) -> Option<Out> {
    let regex = match pattern {
        PathPattern::Exact(text) => escaped(text),
        PathPattern::Prefix(text) => format!("{}.*", escaped(text)),
        PathPattern::Suffix(text) => format!(".*{}", escaped(text)),
        PathPattern::SegmentPrefix(text) => format!("{}(/.*)?", escaped(text)),
        PathPattern::Any | PathPattern::Regex(_) | PathPattern::Template(_) => return None,
    };
    PathPattern::regex(&regex).ok()?;
    Some(Out::one("regex", Out::Word(regex)))
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_punctuation() && !matches!(c, '/' | '_' | '-') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// The value of a header or query parameter.
pub(super) fn value(pattern: &ValuePattern) -> Out {
    let or = |plain: Option<String>, key, text: &str| match plain {
        Some(plain) => Out::Text(plain),
        None => Out::one(key, Out::text(text)),
    };
    let plain = |text: &str| !text.contains('*');
    match pattern {
        ValuePattern::Present => Out::word("present"),
        ValuePattern::NonEmpty => Out::word("*"),
        ValuePattern::Absent => Out::word("absent"),
        ValuePattern::Exact(text) => {
            let means_itself = plain(text) && !matches!(&**text, "present" | "absent");
            or(means_itself.then(|| text.to_string()), "exact", text)
        }
        ValuePattern::Prefix(text) => {
            let is_plain = plain(text) && !text.is_empty();
            or(is_plain.then(|| format!("{text}*")), "begins", text)
        }
        ValuePattern::Suffix(text) => {
            let is_plain = plain(text) && !text.is_empty();
            or(is_plain.then(|| format!("*{text}")), "ends", text)
        }
        ValuePattern::Regex(regex) => Out::one("regex", Out::word(regex.as_str())),
        ValuePattern::Not(inner) => Out::one("not", value(inner)),
    }
}
