//! Tests of the neighbouring file, one rule a test.

use super::*;

fn seen(path: &str, expected: &str) {
    all_seen(path, &[expected]);
}

fn all_seen(path: &str, expected: &[&str]) {
    let views = deny_views(path);
    assert_eq!(views.iter().collect::<Vec<_>>(), expected, "{path}");
}

#[test]
fn a_plain_path_is_borrowed() {
    for path in [
        "/",
        "/books/v1/volumes",
        "/a/",
        "/index.html",
        "/.well-known/x",
        "/a..b",
        "/a~b:c@d,e",
    ] {
        let views = deny_views(path);
        let borrowed = matches!(views.whole, Cow::Borrowed(same) if same == path);
        assert!(borrowed && views.cut.capacity() == 0, "{path}");
    }
}

#[test]
fn the_cheap_scan_agrees_with_the_whole_widening() {
    let pieces = ["/", "a", ".", "-", "A", ";", "%41", " ", "\\"];
    let mut plain = 0;
    for a in pieces {
        for b in pieces {
            for path in pieces.map(|c| format!("/{a}{b}{c}")) {
                if is_plain(path.as_bytes()) {
                    assert_eq!(widen(path.as_bytes()), path);
                    plain += 1;
                }
            }
        }
    }
    assert!(plain > 10);
}

#[test]
fn decodes_up_to_three_times() {
    seen("/%70olitics", "/politics");
    seen("/%252570olitics", "/politics");
    seen("/a%2Fb%5Cc", "/a/b/c");
}

#[test]
fn is_seen_whole_and_up_to_a_query_or_fragment_however_that_is_written() {
    all_seen("/politics?a", &["/politics?a", "/politics"]);
    all_seen("/politics%3Fa", &["/politics?a", "/politics"]);
    all_seen("/politics%23/b", &["/politics#/b", "/politics"]);
    all_seen("/x%2523/Secret;v=1", &["/x#/secret", "/x"]);
    all_seen("/%3F/secret.", &["/?/secret", "/"]);
}

#[test]
fn each_delimiter_is_taken_for_a_letter_before_the_other() {
    all_seen(
        "/x%23/secret;a%3Fb%3Fc",
        &["/x#/secret", "/x", "/x#/secret"],
    );
    all_seen("/a%3Fb%23c", &["/a?b#c", "/a?b", "/a"]);
}

#[test]
fn literals_lose_their_escapes_and_keep_what_views_drop() {
    for (literal, wide) in [
        ("/caf%C3%A9", Some("/caf\u{e9}")),
        ("/CAF%C3%89/", Some("/caf\u{e9}/")),
        ("/my%20files%3Bx/", Some("/my files;x/")),
        ("/a%2Fb%5Cc", Some("/a/b/c")),
        ("/100%25", Some("/100%")),
        ("/Plain;a=b.", None),
        ("/%", None),
    ] {
        assert_eq!(deny_literal(literal).as_deref(), wide, "{literal}");
    }
}

#[test]
fn folds_case_of_ascii_and_beyond() {
    seen("/PoliTICS", "/politics");
    seen("/politic%C5%BF", "/politics");
    seen("/%E2%84%AAey", "/key");
    seen("/stra%C3%9Fe/%E1%BA%9E", "/strasse/ss");
    seen("/%EF%BC%B0olitics", "/politics");
    seen("/%EF%AC%81x", "/fix");
    seen("/%CF%82%CE%A3", "/\u{3c3}\u{3c3}");
    seen("/%C7%B0", "/j\u{30c}");
    seen("/%C4%B1%C4%B0", "/\u{131}i\u{307}");
}

#[test]
fn every_ascii_letter_that_case_folding_can_yield_is_yielded() {
    let folds = [
        ('ß', "ss"),
        ('ẞ', "ss"),
        ('İ', "i\u{307}"),
        ('ǰ', "j\u{30c}"),
        ('ẖ', "h\u{331}"),
        ('ẗ', "t\u{308}"),
        ('ẘ', "w\u{30a}"),
        ('ẙ', "y\u{30a}"),
    ];
    for (character, folded) in folds {
        assert_eq!(fold(&character.to_string()), folded);
    }
}

#[test]
fn drops_parameters_and_trailing_dots_and_spaces() {
    seen("/politics;x=y/a", "/politics/a");
    seen("/politics./a", "/politics/a");
    seen("/politics%20.%20", "/politics");
    seen("/a/;x", "/a/");
    seen("/a/...", "/a/...");
}

#[test]
fn merges_slashes_and_resolves_dots() {
    seen("//a///b", "/a/b");
    seen("/a/../b", "/b");
    seen("/a/..", "/");
    seen("/a/b/.", "/a/b/");
    seen("/../../a", "/a");
    seen("/a/%252e%252e/b", "/b");
    seen("/a%2F", "/a/");
}

#[test]
fn replaces_bytes_that_are_not_utf8() {
    seen("/a%FFb", "/a\u{fffd}b");
}

#[test]
fn anything_that_is_no_path_is_the_root() {
    seen("", "/");
    seen("abc", "/");
}
