//! Patterns, and RE2's dialect translated into another's.

use policy::pattern::{HostPattern, PathPattern, PatternError, Re2, ValuePattern};
use regex::bytes::Regex;

/// A pattern, a line feed, and a text to be matched.
pub fn target(data: &[u8]) {
    let Ok(both) = std::str::from_utf8(data) else {
        return;
    };
    let (pattern, text) = both.split_once('\n').unwrap_or((both, "/sport"));
    let told = |error: PatternError| {
        let place = error.offset();
        assert!(place <= pattern.len(), "{place} in {pattern:?}: {error}");
        assert!(
            pattern.is_char_boundary(place),
            "{place} in {pattern:?}: {error}"
        );
        assert!(!error.message().is_empty());
    };
    let _ = HostPattern::parse(pattern).map_err(told);
    let _ = PathPattern::parse(pattern).map_err(told);
    let _ = ValuePattern::parse(pattern).map_err(told);
    match Re2::parse(pattern) {
        Ok(re2) => check(&re2, text),
        Err(error) => told(error),
    }
}

fn check(re2: &Re2, text: &str) {
    assert_eq!(Re2::parse(re2.as_str()).as_ref(), Ok(re2));
    let Ok(whole) = re2.whole() else { return };
    let hit = whole.is_match(text.as_bytes());
    if hit {
        let search = re2.search().map(|search| search.is_match(text.as_bytes()));
        assert!(
            search.unwrap_or(true),
            "{re2:?} is not in {text:?}, of which it is all"
        );
    }
    if let Some(theirs) = of_regex(re2.as_str()) {
        assert_eq!(hit, theirs.is_match(text.as_bytes()), "{re2:?} on {text:?}");
    }
    // As canonical paths are.
    if text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic()) {
        let path = re2.matches(text);
        assert_eq!(path, hit, "{re2:?} on {text:?}");
        assert!(
            !path || re2.matches_folded(text),
            "{re2:?} denies less on {text:?}"
        );
    }
}

/// The same pattern where both dialects say the same.
fn of_regex(pattern: &str) -> Option<Regex> {
    let same = |b: u8| b.is_ascii_alphanumeric() || b"/_-.*+?|()^$".contains(&b);
    let plain = pattern.bytes().all(same) && !pattern.contains("(?");
    let anchored = format!(r"\A(?:{pattern})\z");
    plain.then(|| Regex::new(&anchored).expect("what RE2 takes of this, regex takes"))
}

/// Patterns with texts.
pub fn seeds() -> Vec<Vec<u8>> {
    super::seeds::texts(&[
        "/(health|sport)(/.*)?\n/sport/cricket",
        "^/health|/sport$\n/health/x",
        "[a&&b]\\d\\pN[[:alpha:]]\nx",
        "(?i)K\\Q.*\\E{2,3}x{,5}\n/K",
        "*.cnn.com\nedition.cnn.com",
        "/api/*/x\n/api/v4/x",
        "/{id=**}/y\n/a/b/y",
        "(|a)*b+?\n/ab",
        "present\n",
    ])
}
