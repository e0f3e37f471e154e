use super::*;

fn checked(head: &str) -> Result<Head, Refusal> {
    check(head.as_bytes(), &Limits::default())
}

#[test]
fn finds_the_end_of_a_head_however_it_arrives() {
    let whole = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody";
    for split in 0..whole.len() {
        let first = end(&whole[..split], 0);
        assert_eq!(first.is_some(), split >= 27, "{split}");
        assert_eq!(end(whole, split.min(26)), Some(27), "{split}");
    }
    assert_eq!(end(b"GET / HTTP/1.1\n\nx", 0), Some(16));
    assert_eq!(end(b"GET / HTTP/1.1\r\n\nx", 0), Some(17));
    assert_eq!(end(b"GET / HTTP/1.1\rHost: a\r\r", 0), Some(15));
    assert_eq!(end(b"GET / HTTP/1.1\r", 0), None);
}

#[test]
fn finds_the_same_end_byte_by_byte() {
    for number in 0..3_usize.pow(8) {
        let digit = |place: u32| b"x\r\n"[number / 3_usize.pow(place) % 3];
        let bytes: Vec<u8> = (0..8).map(digit).collect();
        let mut growing = (1..=8).map(|length| end(&bytes[..length], length - 1));
        let found = growing.find_map(|end| end);
        assert_eq!(found, end(&bytes, 0), "{}", bytes.escape_ascii());
    }
}

#[test]
fn takes_an_ordinary_request() {
    let head = "GET /sport?a=1 HTTP/1.1\r\nhost: edition.cnn.com\r\naccept: */*\r\n\r\n";
    assert_eq!(checked(head), Ok(Head::default()));
}

#[test]
fn refuses_line_endings_that_parsers_read_in_two_ways() {
    for head in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nX:X\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\n\n",
    ] {
        assert_eq!(checked(head), Err(Refusal::BareLineEnding), "{head:?}");
    }
}

#[test]
fn refuses_request_lines_of_any_other_form() {
    for line in [
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET /",
        "GET\t/ HTTP/1.1",
        "GET / x HTTP/1.1",
        "GET / HTTP/2.0",
        "GET / http/1.1",
        "PRI / HTTP/1.1",
        "G@T / HTTP/1.1",
        "",
    ] {
        let head = format!("{line}\r\nHost: a\r\n\r\n");
        assert_eq!(checked(&head), Err(Refusal::MalformedRequestLine), "{line}");
    }
    assert_eq!(checked("GET / HTTP/1.0\r\n\r\n"), Err(Refusal::HttpVersion));
    assert_eq!(
        checked("GET /#x HTTP/1.1\r\n\r\n").unwrap_err().code(),
        "target_fragment"
    );
}

#[test]
fn refuses_fields_that_are_not_name_and_value() {
    for field in [
        "X : a", " X: a", "\tfolded", "X", ": a", "X\0: a", "X: a\0b", "X: a\x01", "X: \x7f",
        "(X): a", "X é: a",
    ] {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n");
        assert_eq!(checked(&head), Err(Refusal::MalformedHeader), "{field:?}");
    }
    assert_eq!(
        checked("GET / HTTP/1.1\r\nHost: a\r\nX: caf\u{e9}\ta\r\n\r\n"),
        Ok(Head::default())
    );
}

#[test]
fn counts_fields_and_target_bytes() {
    let fields = "x: y\r\n".repeat(101);
    let head = format!("GET / HTTP/1.1\r\n{fields}\r\n");
    assert_eq!(checked(&head), Err(Refusal::TooManyFields));
    let head = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(8192));
    assert_eq!(checked(&head).unwrap_err().status(), 414);
}

#[test]
fn a_url_names_the_host_of_the_host_field_in_any_spelling() {
    let named = |target: &str, host: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let head = checked(&head).map_err(Refusal::code);
        head.map(|head| head.named_before_path)
    };
    assert_eq!(named("HTTP://A.TEST/x", "a.test"), Ok(13));
    assert_eq!(named("https://a.test.?x", "A.test"), Ok(15));
    assert_eq!(named("/http://b.test/", "a.test"), Ok(0));
    assert_eq!(named("ftp://a.test/", "a.test"), Ok(0));
    for (target, code) in [
        ("http://b.test/", "target_authority"),
        ("http://a.test:81/", "target_authority"),
        ("http://a.test@b.test/", "host_delimiter"),
        ("http://a.test\\b/", "host_delimiter"),
        ("http:///a.test/", "host_empty"),
    ] {
        assert_eq!(named(target, "a.test"), Err(code), "{target}");
    }
}

#[test]
fn fields_of_http_2_are_judged_together() {
    let judged = |fields: &[(&'static str, &'static str)]| {
        let pairs = fields.iter().map(|(name, value)| {
            let name = http::HeaderName::from_static(name);
            (name, http::HeaderValue::from_static(value))
        });
        let headers = http::HeaderMap::from_iter(pairs);
        check_http2(&headers, &Limits::default()).map_err(Refusal::code)
    };
    let (length, host) = (("content-length", "5"), ("host", "a.test"));
    assert_eq!(judged(&[length, host]), Ok(()));
    assert_eq!(judged(&[length, length]), Err("content_length"));
    assert_eq!(judged(&[host, host]), Err("host_repeated"));
}

#[test]
fn what_pingora_would_refuse_is_refused_before() {
    for (target, code) in [
        ("/a<b", "path_byte"),
        ("/a`b?c", "path_byte"),
        ("/?a=\"b\"", "target_byte"),
        ("/?a=b>", "target_byte"),
    ] {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(checked(&head).map_err(Refusal::code), Err(code), "{target}");
    }
    assert!(checked("GET /?a=`{b}'^| HTTP/1.1\r\nHost: a\r\n\r\n").is_ok());
}

#[test]
fn sketches_what_was_refused() {
    let sketch = sketch(b"GET  /x HTTP/1.1\nHost: a\n\n");
    assert_eq!(sketch.method, Some(&b"GET"[..]));
    assert_eq!(sketch.target, Some(&b"/x"[..]));
    assert_eq!(sketch.host, Some(&b"a"[..]));
}
