//! Tests of the neighbouring file, one rule a test.

use super::*;
use crate::canonical::DuplicateSlashes;

const STRICT: PathProfile = PathProfile {
    encoded_slashes: Encoded::Reject,
    double_encoding: Encoded::Reject,
    duplicate_slashes: DuplicateSlashes::Merge,
};
const KEEP_SLASHES: PathProfile = PathProfile {
    encoded_slashes: Encoded::Keep,
    ..STRICT
};
const KEEP_DOUBLE: PathProfile = PathProfile {
    double_encoding: Encoded::Keep,
    ..STRICT
};

fn under(profile: PathProfile, path: &str) -> Result<String, Malformed> {
    canonicalise(path, profile).map(Cow::into_owned)
}

fn strict(path: &str) -> Result<String, Malformed> {
    under(STRICT, path)
}

fn becomes(path: &str, expected: &str) {
    assert_eq!(strict(path), Ok(expected.to_owned()), "{path}");
}

fn refused(path: &str, reason: Malformed) {
    assert_eq!(strict(path), Err(reason), "{path}");
}

#[test]
fn decodes_unreserved_characters_once() {
    becomes("/%61%41%30%2d%2E%5f%7E", "/aA0-._~");
}

#[test]
fn writes_what_stays_encoded_in_upper_case() {
    becomes("/%3a%3B%20%c3%a9%7b", "/%3A%3B%20%C3%A9%7B");
}

#[test]
fn a_path_that_is_canonical_already_is_borrowed() {
    assert!(matches!(
        canonicalise("/a%20b", STRICT),
        Ok(Cow::Borrowed(_))
    ));
    assert!(matches!(canonicalise("/a%2ab", STRICT), Ok(Cow::Owned(_))));
}

#[test]
fn refuses_a_percent_sign_without_two_digits() {
    for path in ["/%", "/%2", "/%zz", "/%2g", "/%%41", "/%+1", "/a%20%"] {
        refused(path, Malformed::PathEscape);
    }
}

#[test]
fn refuses_encoded_control_characters() {
    for path in ["/%00", "/%0d%0a", "/%1f", "/%7F"] {
        refused(path, Malformed::PathControl);
    }
    becomes("/%20", "/%20");
    becomes("/%c2%80", "/%C2%80");
}

#[test]
fn encoded_slashes_and_backslashes_are_refused_unless_kept() {
    let spellings = [
        ("/a%2Fb", "/a%2Fb"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%5Cb", "/a%5Cb"),
        ("/a%5cb", "/a%5Cb"),
    ];
    for (path, kept) in spellings {
        refused(path, Malformed::PathEncodedSlash);
        assert_eq!(under(KEEP_SLASHES, path), Ok(kept.to_owned()));
    }
}

#[test]
fn double_encoding_is_refused_unless_kept() {
    for path in ["/%252e", "/%252F", "/%25aa", "/%2525"] {
        refused(path, Malformed::PathDoubleEncoding);
        assert_eq!(under(KEEP_DOUBLE, path), Ok(path.to_owned()));
    }
    becomes("/100%25", "/100%25");
    becomes("/%25g1", "/%25g1");
    becomes("/%254", "/%254");
    becomes("/%25%20", "/%25%20");
}

#[test]
fn double_encoding_cannot_hide_behind_encoded_digits() {
    for path in ["/%25%32%65", "/%25%32e", "/%252%65"] {
        refused(path, Malformed::PathDoubleEncoding);
        assert_eq!(under(KEEP_DOUBLE, path), Ok("/%252e".to_owned()));
    }
}

#[test]
fn refuses_bytes_that_are_not_utf8() {
    for path in [
        "/%c0%af",
        "/%C0%AE",
        "/%e0%80%af",
        "/%ff",
        "/%c3",
        "/%ed%a0%80",
        "/%f4%90%80%80",
    ] {
        refused(path, Malformed::PathUtf8);
    }
    becomes("/%e2%82%ac", "/%E2%82%AC");
}

#[test]
fn refuses_characters_that_some_origins_read_as_separators() {
    for character in CONFUSABLE {
        let mut bytes = [0; 4];
        let escaped: String = character
            .encode_utf8(&mut bytes)
            .bytes()
            .map(|byte| format!("%{byte:02x}"))
            .collect();
        refused(&format!("/a{escaped}b"), Malformed::PathConfusable);
    }
    becomes("/%ef%bc%a1", "/%EF%BC%A1");
}

#[test]
fn the_first_rule_decides_whatever_the_order_in_the_path() {
    refused("/%2F%00%zz", Malformed::PathEscape);
    refused("/%2F%00", Malformed::PathControl);
    refused("/%ff%2541%2F", Malformed::PathEncodedSlash);
    refused("/%ff%2541", Malformed::PathDoubleEncoding);
}

#[test]
fn decodes_three_times_for_the_most_permissive_origin() {
    let decoded =
        |path: &str| String::from_utf8(decode_repeatedly(path.as_bytes()).into_owned()).unwrap();
    assert_eq!(decoded("/a"), "/a");
    assert_eq!(decoded("/%2e"), "/.");
    assert_eq!(decoded("/%25252e"), "/.");
    assert_eq!(decoded("/%2525252e"), "/%2e");
    assert_eq!(decoded("/%%32e%zz%"), "/.%zz%");
}
