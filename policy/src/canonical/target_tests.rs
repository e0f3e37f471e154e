//! Tests of the neighbouring file, one rule a test.

use super::*;

fn parse(raw: &str) -> Result<Target<'_>, Malformed> {
    let authority = Authority::parse(b"open.cnn.test").unwrap();
    Target::parse(raw.as_bytes(), &authority, PathProfile::default())
}

fn sent(raw: &str) -> Result<String, Malformed> {
    let mut line = String::new();
    parse(raw)
        .map(|target| target.append_to(&mut line))
        .map(|()| line)
}

fn becomes(raw: &str, expected: &str) {
    assert_eq!(sent(raw), Ok(expected.to_owned()), "{raw}");
    assert_eq!(
        parse(raw).map(|target| target.is_verbatim()),
        Ok(raw == expected),
        "{raw}"
    );
    assert_eq!(
        parse(expected).map(|target| target.is_verbatim()),
        Ok(true),
        "{expected}"
    );
}

fn refused(raw: &str, reason: Malformed) {
    assert_eq!(parse(raw), Err(reason), "{raw}");
}

#[test]
fn an_ordinary_target_is_borrowed_and_verbatim() {
    let target = parse("/books/v1/volumes?q=x").unwrap();
    assert!(matches!(target.path, Cow::Borrowed("/books/v1/volumes")));
    assert_eq!(
        (target.path(), target.query()),
        ("/books/v1/volumes", Some("q=x"))
    );
    assert!(target.is_verbatim());
}

#[test]
fn a_rewritten_path_is_not_verbatim() {
    becomes("//a/%62?x", "/a/b?x");
    becomes("/a%2a", "/a%2A");
    becomes("/a%2A", "/a%2A");
}

#[test]
fn the_query_is_sent_byte_for_byte() {
    for query in ["", "?", "a=/../%2F//;%zz", "\\\"<>[]^`{|}", "http://x/"] {
        becomes(&format!("/a?{query}"), &format!("/a?{query}"));
        assert_eq!(
            parse(&format!("/a?{query}")).map(|target| target.query()),
            Ok(Some(query))
        );
    }
    assert_eq!(parse("/a").map(|target| target.query()), Ok(None));
}

#[test]
fn refuses_bytes_outside_visible_ascii_anywhere() {
    for raw in [
        "/a b",
        "/a?b c",
        "/\t",
        "/\0",
        "/\u{7f}",
        "/\u{e9}",
        "/?\u{e9}",
        "http://open.cnn.test/ ",
    ] {
        refused(raw, Malformed::TargetByte);
    }
    let authority = Authority::parse(b"open.cnn.test").unwrap();
    let broken = Target::parse(b"/\xff", &authority, PathProfile::default());
    assert_eq!(broken, Err(Malformed::TargetByte));
}

#[test]
fn refuses_a_fragment_anywhere() {
    for raw in ["/a#b", "/a?b#c", "#", "http://open.cnn.test/#a"] {
        refused(raw, Malformed::TargetFragment);
    }
}

#[test]
fn refuses_a_target_that_is_neither_a_path_nor_a_web_url() {
    for raw in [
        "*",
        "politics",
        "open.cnn.test:443",
        "?a",
        "ftp://open.cnn.test/",
        "foo:bar://open.cnn.test/",
        "http:/open.cnn.test/",
        "http:open.cnn.test",
    ] {
        refused(raw, Malformed::TargetForm);
    }
    refused("", Malformed::TargetEmpty);
}

#[test]
fn the_absolute_form_is_rewritten_to_the_path() {
    becomes("http://open.cnn.test/a?b", "/a?b");
    becomes("HTTPS://OPEN.cnn.test./%61", "/a");
    becomes("http://open.cnn.test", "/");
    becomes("http://open.cnn.test?q=/x", "/?q=/x");
    becomes("https://open.cnn.test//", "/");
}

#[test]
fn refuses_an_absolute_form_that_names_another_authority() {
    for raw in [
        "http://evil.test/",
        "http://open.cnn.test:80/",
        "https://open.cnn.test.evil.test/",
    ] {
        refused(raw, Malformed::TargetAuthority);
    }
    refused("http:///a", Malformed::HostEmpty);
    refused("http://u@open.cnn.test/", Malformed::HostDelimiter);
    refused(
        "http://open.cnn.test\\@evil.test/",
        Malformed::HostDelimiter,
    );
}

#[test]
fn the_path_rules_hold_in_the_absolute_form_too() {
    refused("http://open.cnn.test/../a", Malformed::PathDotSegment);
    refused("http://open.cnn.test/%2F", Malformed::PathEncodedSlash);
    refused("http://open.cnn.test/<", Malformed::PathByte);
}

#[test]
fn the_longest_target_is_8192_bytes() {
    let longest = format!("/{}", "a".repeat(8191));
    becomes(&longest, &longest);
    refused(&format!("{longest}a"), Malformed::TargetTooLong);
    assert_eq!(Malformed::TargetTooLong.status(), 414);
}
