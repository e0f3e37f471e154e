//! Tests of the neighbouring file, one rule a test.

use super::*;
use crate::canonical::Encoded;

const STRICT: PathProfile = PathProfile {
    encoded_slashes: Encoded::Reject,
    double_encoding: Encoded::Reject,
    duplicate_slashes: DuplicateSlashes::Merge,
};
const KEEP_ENCODED: PathProfile = PathProfile {
    encoded_slashes: Encoded::Keep,
    ..STRICT
};
const KEEP_DOUBLE: PathProfile = PathProfile {
    double_encoding: Encoded::Keep,
    ..STRICT
};
const KEEP_SLASHES: PathProfile = PathProfile {
    duplicate_slashes: DuplicateSlashes::Keep,
    ..STRICT
};

fn becomes(profile: PathProfile, path: &str, expected: &str) {
    let canonical = canonicalise(path, Survey::of(path), profile);
    assert_eq!(canonical, Ok(Cow::Borrowed(expected)), "{path}");
    let again = canonicalise(expected, Survey::of(expected), profile);
    assert!(
        matches!(again, Ok(Cow::Borrowed(same)) if same == expected),
        "{expected}"
    );
}

fn refused(profile: PathProfile, path: &str, reason: Malformed) {
    assert_eq!(
        canonicalise(path, Survey::of(path), profile),
        Err(reason),
        "{path}"
    );
}

#[test]
fn the_default_profile_is_strict() {
    assert_eq!(PathProfile::default(), STRICT);
}

#[test]
fn takes_every_character_rfc_3986_allows_in_a_path() {
    let path = "/AZaz09-._~!$&'()*+,;=:@/%20";
    becomes(STRICT, path, path);
}

#[test]
fn refuses_characters_outside_rfc_3986() {
    for character in "\\\"<>[]^`{|}".chars() {
        refused(STRICT, &format!("/a{character}"), Malformed::PathByte);
    }
}

#[test]
fn an_illegal_character_is_named_before_a_broken_escape() {
    refused(STRICT, "/%zz\\", Malformed::PathByte);
}

#[test]
fn merges_slashes_unless_they_are_kept() {
    becomes(STRICT, "//a///b//", "/a/b/");
    becomes(STRICT, "//", "/");
    becomes(KEEP_SLASHES, "//a///b//", "//a///b//");
}

#[test]
fn a_slash_that_is_kept_encoded_is_not_merged() {
    becomes(KEEP_ENCODED, "/a%2f/%2Fb", "/a%2F/%2Fb");
}

#[test]
fn refuses_dot_segments_however_they_are_written() {
    for path in [
        "/.",
        "/..",
        "/./",
        "/../",
        "/a/..",
        "/a/./b",
        "/%2e",
        "/%2E%2e/",
        "/.%2e",
        "//..//",
        "/..;",
        "/..;a=b/",
        "/.;/",
        "/..%3B",
        "/..%3bx;y",
        "/.;..",
    ] {
        refused(STRICT, path, Malformed::PathDotSegment);
        refused(KEEP_SLASHES, path, Malformed::PathDotSegment);
    }
}

#[test]
fn dots_that_are_part_of_a_name_are_lawful() {
    for path in [
        "/...",
        "/.well-known/a",
        "/a..",
        "/..a",
        "/a.b/c..d",
        "/..%20",
        "/a;..",
        "/a/x;.",
    ] {
        becomes(STRICT, path, path);
    }
}

#[test]
fn refuses_a_segment_of_nothing_but_parameters() {
    for path in ["/;", "/a/;b/c", "/%3B", "/%3bx", "//;x", "/;;"] {
        refused(STRICT, path, Malformed::PathEmptySegment);
        refused(KEEP_SLASHES, path, Malformed::PathEmptySegment);
    }
    becomes(STRICT, "/a;b/c;d=e", "/a;b/c;d=e");
}

#[test]
fn kept_slashes_do_not_hide_dot_segments() {
    for path in [
        "/a%2F..",
        "/a%2f..%2fb",
        "/a/..%2Fb",
        "/a/.%5Cb",
        "/a%5C..;x%5Cb",
        "/a%2F%2e%3Bx",
    ] {
        refused(KEEP_ENCODED, path, Malformed::PathEncodedDotSegment);
    }
    becomes(
        KEEP_ENCODED,
        "/api/v4/projects/group%2fname%2F.ci",
        "/api/v4/projects/group%2Fname%2F.ci",
    );
}

#[test]
fn kept_double_encoding_does_not_hide_dot_segments() {
    for path in [
        "/a/%252e%252e/b",
        "/a%252F..",
        "/a/.%252e",
        "/a/%25252e",
        "/a%255c..",
    ] {
        refused(KEEP_DOUBLE, path, Malformed::PathEncodedDotSegment);
    }
    becomes(KEEP_DOUBLE, "/job/feature%252Fx/", "/job/feature%252Fx/");
}
