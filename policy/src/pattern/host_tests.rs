use super::*;

fn host(text: &str) -> HostPattern {
    HostPattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn matches_as_it_is_spelled() {
    for (pattern, yes, no) in [
        (
            "edition.cnn.com",
            &["edition.cnn.com"][..],
            &[
                "xedition.cnn.com",
                "a.edition.cnn.com",
                "cnn.com",
                "edition-cnn.com",
            ][..],
        ),
        (
            "*.cnn.com",
            &["a.cnn.com", "a.b.cnn.com"],
            &[
                "cnn.com",
                ".cnn.com",
                "xcnn.com",
                "a.cnn.com.evil",
                "a.cnnxcom",
            ],
        ),
        (
            "*cnn.com",
            &["cnn.com", "a.cnn.com", "xcnn.com"],
            &["cnn.com.x", "nn.com"],
        ),
        (
            "*-bar.foo.com",
            &["x-bar.foo.com", "a.x-bar.foo.com"],
            &["bar.foo.com", "x.foo.com"],
        ),
        ("*", &["a", "a.b", "192.0.2.1", "[2001:db8::1]"], &[]),
        ("192.0.2.1", &["192.0.2.1"], &["192.0.2.10"]),
        ("[2001:db8::1]", &["[2001:db8::1]"], &["[2001:db8::2]"]),
    ] {
        assert!(yes.iter().all(|h| host(pattern).matches(h)), "{pattern}");
        assert!(!no.iter().any(|h| host(pattern).matches(h)), "{pattern}");
    }
}

#[test]
fn lower_cases_and_writes_a_labels() {
    for (text, canonical) in [
        (
            "Edition.CNN.com",
            HostPattern::Exact("edition.cnn.com".into()),
        ),
        (
            "bücher.example",
            HostPattern::Exact("xn--bcher-kva.example".into()),
        ),
        (
            "*.BÜCHER.example",
            HostPattern::Subdomains("xn--bcher-kva.example".into()),
        ),
        ("*CNN.com", HostPattern::Suffix("cnn.com".into())),
        (
            "my_host.example",
            HostPattern::Exact("my_host.example".into()),
        ),
        ("localhost", HostPattern::Exact("localhost".into())),
        ("*1a.example", HostPattern::Suffix("1a.example".into())),
    ] {
        assert_eq!(host(text), canonical, "{text}");
    }
}

#[test]
fn refuses_what_is_no_host_and_says_the_spelling() {
    let long_label = format!("{}.example", "a".repeat(64));
    let long_name = format!("{}example", "a.".repeat(124));
    for (text, offset, advice) in [
        ("", 0, "`*` for every host"),
        ("*.", 2, "an empty host"),
        (
            "a.example:443",
            9,
            "write `a.example`, and `443` as the port",
        ),
        (
            "*.a.example:443",
            11,
            "write `a.example`, and `443` as the port",
        ),
        ("https://a.example/x", 0, "write `a.example`"),
        ("a.example/x", 9, "write `a.example`, and the path"),
        ("u@a.example", 1, "write `a.example`"),
        ("a.example.", 9, "write `a.example`"),
        ("a..example", 0, "an empty label"),
        (".example", 0, "an empty label"),
        ("a.*.example", 2, "stands first"),
        ("a*", 1, "stands first"),
        ("*.*.example", 2, "stands first"),
        ("**", 1, "stands first"),
        ("*.*", 2, "stands first"),
        ("-a.example", 0, "begins or ends in `-`"),
        ("a-.example", 0, "begins or ends in `-`"),
        ("a b.example", 0, "letters, digits"),
        ("a%2eb.example", 0, "letters, digits"),
        ("a,b", 0, "letters, digits"),
        ("xn--a.example", 0, "not a valid name"),
        ("*ü.example", 1, "A-labels"),
        ("*-", 1, "empty label"),
        ("127.1", 0, "192.0.2.1"),
        ("0x7f000001", 0, "192.0.2.1"),
        ("192.0.2.01", 0, "192.0.2.1"),
        ("192.0.2.256", 0, "192.0.2.1"),
        ("a.example.0x", 0, "192.0.2.1"),
        ("*.2.1", 2, "192.0.2.1"),
        ("*1", 1, "192.0.2.1"),
        ("2001:db8::1", 0, "write `[2001:db8::1]`"),
        ("[2001:DB8:0::1]", 0, "write `[2001:db8::1]`"),
        ("[a.example]", 0, "not an IPv6 address"),
        ("[::1%eth0]", 0, "not an IPv6 address"),
        (&long_label, 0, "longer than a label"),
        (&long_name, 0, "253"),
    ] {
        let error = HostPattern::parse(text).expect_err(text);
        assert_eq!(error.offset(), offset, "{text}: {error}");
        assert!(error.message().contains(advice), "{text}: {error}");
    }
}

#[test]
fn says_whether_two_patterns_share_a_host() {
    for (one, other, shared) in [
        ("a.b", "a.b", true),
        ("a.b", "c.b", false),
        ("a.b", "*.b", true),
        ("b", "*.b", false),
        ("*.b", "*.a.b", true),
        ("*.b", "*.c", false),
        ("*-x.b", "*.b", true),
        ("*-x.b", "*-y.b", false),
        ("*b", "*.b", true),
        ("*", "a.b", true),
        ("*", "*.b", true),
        ("*", "*", true),
    ] {
        assert_eq!(host(one).overlaps(&host(other)), shared, "{one} {other}");
        assert_eq!(host(other).overlaps(&host(one)), shared, "{other} {one}");
    }
}

#[test]
fn a_pattern_is_spelled_as_it_is_read() {
    for text in ["a.b", "*.b", "*b", "*-x.b", "*", "192.0.2.1", "[::1]"] {
        assert_eq!(host(text).to_string(), text);
    }
}

#[test]
fn tells_how_many_labels_of_a_host_its_caller_chose() {
    for (pattern, name, chosen) in [
        ("edition.cnn.com", "edition.cnn.com", 0),
        ("*.cnn.com", "edition.cnn.com", 1),
        ("*.cnn.com", "a.b.c.cnn.com", 3),
        ("*cnn.com", "cnn.com", 0),
        ("*cnn.com", "xcnn.com", 0),
        ("*cnn.com", "a.b.xcnn.com", 2),
        ("*", "localhost", 0),
        ("*", "cnn.com", 0),
        ("*", "a.b.cnn.com", 2),
    ] {
        assert_eq!(
            host(pattern).labels_chosen(name),
            chosen,
            "{pattern} {name}"
        );
    }
}
