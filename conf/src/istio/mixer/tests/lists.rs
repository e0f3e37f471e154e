//! Lists: what is on them, by every way to compare and every value.

use super::*;

/// Whether a list lets a request through.
#[track_caller]
fn passes(spec: &str, value: &str, ask: Ask) -> bool {
    let text = check(
        ("listchecker", spec),
        ("listentry", &format!("{{ value: '{value}' }}")),
        "''",
    );
    let refused = ask.refused(&snapshot(&text));
    if let Some((status, body)) = &refused {
        assert_eq!(*status, 403);
        let verdict = match spec.contains("blacklist: true") {
            true => " is blacklisted",
            false => " is not whitelisted",
        };
        let begin = "PERMISSION_DENIED:h.listchecker.istio-system:";
        assert!(body.starts_with(begin) && body.ends_with(verdict), "{body}");
    }
    refused.is_none()
}

#[test]
fn a_whitelist_lets_through_what_is_on_it() {
    let path = |target| Ask { target, ..ASK };
    let who = |who| Ask { who, ..ASK };
    let from = |address| Ask { address, ..ASK };
    let header = |value| Ask {
        header: Header("x-team", value),
        ..ASK
    };
    let named = |server_name| Ask { server_name, ..ASK };
    for (spec, value, ask, expected) in [
        (
            "{ overrides: [/a, '/b?c=1'] }",
            "request.path",
            path("/b?c=1"),
            true,
        ),
        ("{ overrides: [/a] }", "request.path", path("/a?x"), false),
        (
            "{ overrides: [/a] }",
            r#"request.path | "x""#,
            path("/a"),
            true,
        ),
        (
            "{ overrides: [/a] }",
            "request.url_path",
            path("/a?x"),
            true,
        ),
        ("{ overrides: [/a] }", "request.url_path", path("/A"), false),
        (
            "{ overrides: [/a], entry_type: CASE_INSENSITIVE_STRINGS }",
            "request.path",
            path("/A"),
            true,
        ),
        (
            "{ overrides: [/a], entryType: 1 }",
            "request.path",
            path("/B"),
            false,
        ),
        (
            "{ overrides: ['^/a$', sport], entryType: REGEX }",
            "request.path",
            path("/x/sports"),
            true,
        ),
        (
            "{ overrides: ['^/a$', sport], entryType: REGEX }",
            "request.path",
            path("/a"),
            true,
        ),
        (
            "{ overrides: ['^/a$', sport], entryType: REGEX }",
            "request.path",
            path("/a/b"),
            false,
        ),
        (
            "{ overrides: ['^/a$', sport], entryType: REGEX }",
            "request.path",
            path("/a?x"),
            false,
        ),
        (
            "{ overrides: ['^/a$|^/b'], entryType: REGEX }",
            "request.url_path",
            path("/bc?x"),
            true,
        ),
        (
            "{ overrides: [EDITION.cnn.com] }",
            "request.host",
            ASK,
            true,
        ),
        ("{ overrides: [cnn.com] }", "request.host", ASK, false),
        (
            "{ overrides: ['cnn\\.com$'], entryType: REGEX }",
            "request.host",
            ASK,
            true,
        ),
        ("{ overrides: [GET] }", "request.method", ASK, true),
        ("{ overrides: [POST] }", "request.method", ASK, false),
        (
            "{ overrides: [cluster.local/ns/default/sa/sleep] }",
            "source.principal",
            who(Some(SLEEP)),
            true,
        ),
        (
            "{ overrides: [cluster.local/ns/default/sa/sleep] }",
            "source.user",
            who(Some(POLITICS)),
            false,
        ),
        (
            "{ overrides: [cluster.local/ns/default/sa/sleep] }",
            "source.principal",
            who(None),
            false,
        ),
        (
            "{ overrides: [nobody] }",
            r#"source.principal | "nobody""#,
            who(None),
            true,
        ),
        (
            "{ overrides: [nobody] }",
            r#"source.principal | "x""#,
            who(None),
            false,
        ),
        (
            "{ overrides: [default] }",
            "source.namespace",
            who(Some(SLEEP)),
            true,
        ),
        (
            "{ overrides: [default] }",
            "source.namespace",
            who(Some("elsewhere/ns/default/sa/a")),
            false,
        ),
        (
            "{ overrides: [defaul] }",
            "source.namespace",
            who(Some(SLEEP)),
            false,
        ),
        (
            "{ overrides: [10.0.0.0/8], entryType: IP_ADDRESSES }",
            "source.ip",
            from([10, 1, 2, 3]),
            true,
        ),
        (
            "{ overrides: [10.1.2.3], entryType: IP_ADDRESSES }",
            "source.ip",
            from([10, 1, 2, 4]),
            false,
        ),
        (
            "{ overrides: [10.1.2.3] }",
            "source.ip",
            from([10, 1, 2, 3]),
            true,
        ),
        (
            "{ overrides: [10.0.0.0/8], entryType: 2 }",
            r#"request.headers["x-team"]"#,
            header("10.9.9.9"),
            true,
        ),
        (
            "{ overrides: [10.0.0.0/8], entryType: 2 }",
            r#"request.headers["x-team"]"#,
            header("none"),
            false,
        ),
        (
            "{ overrides: [red, blue] }",
            r#"request.headers["x-team"]"#,
            header("blue"),
            true,
        ),
        (
            "{ overrides: [red, blue] }",
            r#"request.headers["x-team"]"#,
            header("Blue"),
            false,
        ),
        (
            "{ overrides: [red, blue] }",
            r#"request.headers["x-team"]"#,
            ASK,
            false,
        ),
        (
            "{ overrides: [edition.cnn.com] }",
            "connection.requested_server_name",
            named(Some("edition.cnn.com")),
            true,
        ),
        (
            "{ overrides: [edition.cnn.com] }",
            "connection.requested_server_name",
            named(None),
            false,
        ),
    ] {
        assert_eq!(
            passes(spec, value, ask),
            expected,
            "{spec} {value} {:?} {}",
            ask.who,
            ask.target
        );
    }
}

#[test]
fn a_blacklist_refuses_what_is_on_it_and_what_it_cannot_tell() {
    let path = |target| Ask { target, ..ASK };
    let who = |who| Ask { who, ..ASK };
    for (list, value, ask, expected) in [
        (
            "overrides: [/politics]",
            "request.path",
            path("/sport"),
            true,
        ),
        (
            "overrides: [/politics]",
            "request.path",
            path("/politics"),
            false,
        ),
        // As a lenient origin would read them.
        (
            "overrides: [/politics]",
            "request.path",
            path("/Politics"),
            false,
        ),
        (
            "overrides: [/politics]",
            "request.path",
            path("/politics;x"),
            false,
        ),
        (
            "overrides: ['^/pol'], entryType: REGEX",
            "request.path",
            path("/Politics;x"),
            false,
        ),
        (
            "overrides: ['^/pol'], entryType: REGEX",
            "request.path",
            path("/a/pol"),
            true,
        ),
        (
            "overrides: [/politics], entryType: 1",
            "request.url_path",
            path("/POLITICS?x"),
            false,
        ),
        ("overrides: [edition.cnn.com]", "request.host", ASK, false),
        ("overrides: [other.cnn.com]", "request.host", ASK, true),
        ("overrides: [POST]", "request.method", ASK, true),
        (
            "overrides: [cluster.local/ns/default/sa/sleep]",
            "source.principal",
            who(Some(SLEEP)),
            false,
        ),
        (
            "overrides: [cluster.local/ns/default/sa/sleep]",
            "source.principal",
            who(Some(POLITICS)),
            true,
        ),
        (
            "overrides: [cluster.local/ns/default/sa/sleep]",
            "source.principal",
            who(None),
            false,
        ),
        (
            "overrides: [cluster.local/ns/default/sa/sleep]",
            r#"source.principal | "x""#,
            who(None),
            true,
        ),
        (
            "overrides: [x]",
            r#"source.principal | "x""#,
            who(None),
            false,
        ),
        (
            "overrides: [default]",
            "source.namespace",
            who(Some("elsewhere/ns/default/sa/a")),
            false,
        ),
        (
            "overrides: [x.example]",
            "connection.requested_server_name",
            ASK,
            false,
        ),
        (
            "overrides: [red]",
            r#"request.headers["x-team"]"#,
            ASK,
            false,
        ),
        (
            "overrides: [red]",
            r#"request.headers["x-team"] | """#,
            ASK,
            true,
        ),
    ] {
        let spec = format!("{{ {list}, blacklist: true }}");
        assert_eq!(
            passes(&spec, value, ask),
            expected,
            "{list} {value} {:?} {}",
            ask.who,
            ask.target
        );
    }
}

#[test]
fn a_blacklist_of_callers_in_a_rule_of_a_namespace_asks_for_both() {
    let object = |kind: &str, spec: &str| {
        format!(
            "---\napiVersion: config.istio.io/v1alpha2\nkind: {kind}\nmetadata: {{ name: x, namespace: default }}\nspec: {spec}\n"
        )
    };
    let list = "{ overrides: [cluster.local/ns/default/sa/sleep, cluster.local/ns/other/sa/x], blacklist: true }";
    let text = object("listchecker", list)
        + &object("listentry", "{ value: source.principal }")
        + &object(
            "rule",
            "{ actions: [{ handler: x.listchecker, instances: [x.listentry] }] }",
        );
    let snapshot = snapshot(&text);
    for (who, passes) in [
        (Some(SLEEP), false),
        (Some(POLITICS), true),
        (Some("cluster.local/ns/other/sa/x"), true),
        (None, false),
    ] {
        assert_eq!(
            Ask { who, ..ASK }.refused(&snapshot).is_none(),
            passes,
            "{who:?}"
        );
    }
}

#[test]
fn a_list_kept_elsewhere_is_fetched_and_unknown_until_then() {
    for (blacklist, listed, other) in [(false, false, true), (true, true, false)] {
        let spec = format!(
            "{{ providerUrl: 'https://lists.example/paths', overrides: [/here], blacklist: {blacklist} }}"
        );
        let text = check(
            ("listchecker", &spec),
            ("listentry", "{ value: request.path }"),
            "request.host == \"edition.cnn.com\"",
        );
        let files = [
            SourceFile::new("native.yaml", NATIVE),
            SourceFile::new("mixer.yaml", text),
        ];
        let unknown = compile(&files, &Environment::default()).unwrap();
        let [list] = unknown.lists() else {
            panic!("{:?}", unknown.lists());
        };
        assert_eq!(&*list.name, "h.listchecker.istio-system");
        assert_eq!((list.refresh.as_secs(), list.ttl.as_secs()), (60, 300));
        let refused =
            |snapshot: &Snapshot, target| Ask { target, ..ASK }.refused(snapshot).is_some();
        for target in ["/here", "/there", "/elsewhere"] {
            assert!(refused(&unknown, target), "unknown: {target}");
        }
        let elsewhere = Ask {
            host: "www.example",
            ..ASK
        };
        assert!(
            elsewhere.refused(&unknown).is_none(),
            "no check asks the list"
        );
        let environment = Environment {
            lists: [(list.source(), "# fetched\n/there\n".into())].into(),
            ..Environment::default()
        };
        let known = compile(&files, &environment).unwrap();
        let empty = Environment {
            lists: [(list.source(), "# none\n".into())].into(),
            ..Environment::default()
        };
        let bare: Vec<SourceFile> = files
            .iter()
            .map(|f| SourceFile::new(f.name.clone(), f.text.replace("overrides: [/here],", "")))
            .collect();
        let empty = compile(&bare, &empty).unwrap();
        assert_eq!(
            refused(&empty, "/here"),
            other,
            "nothing is on an empty list"
        );
        for (target, expected) in [("/here", listed), ("/there", listed), ("/elsewhere", other)] {
            assert_eq!(refused(&known, target), expected, "{blacklist} {target}");
        }
    }
}
