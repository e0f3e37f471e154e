use super::*;
use crate::Problem;

fn at(url: &str) -> Result<RemoteList, UrlError> {
    let origin = Origin::new("f", 1, 1);
    let timeout = Duration::from_secs(5);
    RemoteList::at(url, "topics", Reach::default(), timeout, &origin)
}

#[test]
fn a_url_says_whom_to_ask_and_for_what() {
    let cases = [
        ("https://lists.example/a", "lists.example", 443, "/a", true),
        (
            "HTTPS://Lists.Example./a?b=c",
            "lists.example",
            443,
            "/a?b=c",
            true,
        ),
        ("https://lists.example", "lists.example", 443, "/", true),
        ("https://lists.example?x", "lists.example", 443, "/?x", true),
        (
            "https://lists.example:443/",
            "lists.example",
            443,
            "/",
            true,
        ),
        (
            "https://lists.example:80/",
            "lists.example:80",
            80,
            "/",
            true,
        ),
        (
            "http://lists.example:8080/",
            "lists.example:8080",
            8080,
            "/",
            false,
        ),
        ("http://lists.example/", "lists.example", 80, "/", false),
    ];
    for (url, authority, port, target, tls) in cases {
        let list = at(url).unwrap();
        let found = (&*list.authority, list.upstream.port, &*list.target);
        assert_eq!(found, (authority, port, target), "{url}");
        assert_eq!(list.upstream.tls != UpstreamTls::Off, tls, "{url}");
        assert_eq!(
            list.upstream.host,
            UpstreamHost::Named("lists.example".into()),
            "{url}"
        );
    }
}

#[test]
fn what_is_no_url_of_a_list_is_refused_and_not_repeated() {
    for url in [
        "",
        "lists.example/a",
        "ftp://lists.example/a",
        "file:///etc/passwd",
        "https://",
        "https:///a",
        "https://user:hunter2@lists.example/a",
        "https://*.example/a",
        "https://lists.example/a b",
        "https://lists.example/\r\nx: y",
        "https://lists.example/a#b",
        "https://lists.example:0x50/",
    ] {
        let error = at(url).expect_err(url);
        assert!(!error.to_string().contains("hunter2"));
    }
}

/// What a content says, as `line:column text`, and what is wrong with it.
fn read(text: &str) -> (Vec<String>, Vec<String>) {
    let report = Report::default();
    let entries = entries("list `x`", text, &report);
    let told = |origin: &Origin, text: &str| format!("{}:{} {text}", origin.line, origin.column);
    let entries = entries.iter().map(|node| match &node.value {
        Value::Scalar(scalar) => told(&node.origin, &scalar.text),
        other => panic!("{other:?}"),
    });
    let entries = entries.collect();
    let problem = |p: Problem| told(&p.origin, &p.message);
    (
        entries,
        report.finish(&[]).into_iter().map(problem).collect(),
    )
}

#[test]
fn entries_stand_one_a_line_among_comments() {
    let cases: [(&str, &[&str]); 6] = [
        ("/a\n/b\n", &["1:1 /a", "2:1 /b"]),
        ("\u{feff}/a\r\n\r\n  /b  \r\n", &["1:1 /a", "3:3 /b"]),
        ("# topics\n\n/a\n #/c\n/b#c", &["3:1 /a", "5:1 /b#c"]),
        ("", &[]),
        ("# whitelist:\n", &[]),
        (
            "# addresses\nwhitelist:\n- 192.0.2.1\n- 10.0.0.0/8\n",
            &["3:3 192.0.2.1", "4:3 10.0.0.0/8"],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(
            read(text),
            (expected.iter().map(|e| (*e).to_owned()).collect(), vec![]),
            "{text:?}"
        );
    }
}

#[test]
fn a_list_server_writes_values_and_nothing_else() {
    let told = |text: &str| read(text).1;
    assert_eq!(
        told("whitelist: [{ list: other }, 192.0.2.1]"),
        ["1:13 found a map where a single value belongs"]
    );
    assert_eq!(
        told("whitelist: 192.0.2.1"),
        ["1:12 found a single value where a list belongs: write `whitelist: [192.0.2.1]`"]
    );
    let long = "/a\n".repeat(MAX_ENTRIES + 1);
    assert_eq!(
        told(&long),
        [format!(
            "{}:1 the list has more than {MAX_ENTRIES} entries: divide it",
            MAX_ENTRIES + 1
        )]
    );
}

#[test]
fn content_belongs_to_where_it_came_from() {
    let list = at("https://lists.example/a").unwrap();
    let others = [
        at("https://lists.example/b").unwrap(),
        at("https://lists.example:8443/a").unwrap(),
        at("http://lists.example/a").unwrap(),
    ];
    let trusting = {
        let mut other = list.clone();
        other.upstream.tls = UpstreamTls::On(TlsPolicy {
            min_version: policy::destination::TlsVersion::Tls13,
            ..TlsPolicy::default()
        });
        other
    };
    for other in others.iter().chain([&trusting]) {
        assert_ne!(list.source(), other.source());
    }
    let slower = RemoteList {
        refresh: TTL,
        ..list.clone()
    };
    assert_eq!(list.source(), slower.source());
}
