//! Patterns and conditions in all their spellings.

use policy::expr::Dialect;
use policy::pattern::{PathPattern, ValuePattern};
use policy::rule::Matcher;
use policy::source::{NamePattern, SourcePattern};

use super::*;

fn matcher(text: &str) -> Matcher {
    let text = format!("policies: [{{ deny: {text} }}]\n");
    admission(&text).rules()[0].matchers[0].clone()
}

/// The one problem of a matcher, which begins in column 11 of line 4.
#[track_caller]
fn wrong(text: &str) -> String {
    problem(&format!("policies:\n  - deny: {text}\n"))
}

#[test]
fn a_path_is_meant_letter_for_letter_or_by_segments() {
    let paths = matcher(
        "{ path: [{ exact: '/a*' }, { begins: '/*b' }, { ends: 'c*' }, { prefix: /d/ }, '/e*'] }",
    )
    .paths;
    assert_eq!(
        paths,
        [
            PathPattern::Exact("/a*".into()),
            PathPattern::Prefix("/*b".into()),
            PathPattern::Suffix("c*".into()),
            PathPattern::SegmentPrefix("/d".into()),
            PathPattern::Prefix("/e".into()),
        ]
    );
    assert_eq!(
        wrong("{ path: { begins: a } }"),
        "4:29 error: a path begins with `/`; write `/a`, or `*a` for every path that ends so"
    );
    assert_eq!(
        wrong("{ path: { exact: /a, ends: b } }"),
        "4:19 error: write either `regex`, `template`, `prefix`, `exact`, `begins` or `ends`"
    );
    assert_eq!(
        wrong("{ path: { exact: '/a?b' } }"),
        "4:28 error: a path has no query: write `target:` to match path and query"
    );
}

#[test]
fn a_value_is_negated_and_combined() {
    let headers = matcher(
        "{ header: { a: { not: b* }, c: { all: [d*, { not: { exact: '*' } }] }, e: { begins: '' }, f: { ends: '*' } } }",
    )
    .headers;
    let shown: Vec<String> = headers
        .iter()
        .map(|named| format!("{} {:?}", named.name, named.pattern))
        .collect();
    assert_eq!(
        shown,
        [
            "a Not(Prefix(\"b\"))",
            "c Prefix(\"d\")",
            "c Not(Exact(\"*\"))",
            "e Prefix(\"\")",
            "f Suffix(\"*\")",
        ]
    );
    assert!(matches!(headers[0].pattern, ValuePattern::Not(_)));
    assert_eq!(
        wrong("{ header: { a: { all: [] } } }"),
        "4:28 error: `all` is an empty list: write an entry, or delete the key"
    );
    assert_eq!(
        wrong("{ header: { a: { not: } } }"),
        "4:28 error: `not` has no value: write one, or delete the key"
    );
}

#[test]
fn a_workload_is_named_whole_or_part_by_part() {
    let sources = matcher(
        "{ from: ['name:cluster.local/ns/*', 'name:*/sa/x', 'ns:*-prod', { domain: '*', namespace: a*, account: '*b' }] }",
    )
    .from;
    let name = NamePattern::parse;
    assert_eq!(
        *sources,
        [
            SourcePattern::Name(name("cluster.local/ns/*")),
            SourcePattern::Name(name("*/sa/x")),
            SourcePattern::Workload {
                trust_domain: name("cluster.local"),
                namespace: name("*-prod"),
                service_account: NamePattern::Any,
            },
            SourcePattern::Workload {
                trust_domain: NamePattern::Any,
                namespace: name("a*"),
                service_account: name("*b"),
            },
        ]
    );
    assert_eq!(
        wrong("{ from: { namespace: a, account: b } }"),
        "4:19 error: `domain` is missing: write such as `domain: cluster.local`"
    );
    assert_eq!(
        wrong("{ from: { domain: a, namespace: a/b, account: b } }"),
        "4:43 error: `a/b` is no name: write letters, digits, `-`, `.` and `_`, and a `*` at one end"
    );
}

#[test]
fn a_condition_is_written_in_mixers_language_where_it_says_so() {
    let expr = matcher(r#"{ expr: { mixer: 'request.headers["x"] | "" == "y"' } }"#)
        .expr
        .unwrap();
    assert_eq!(
        (expr.dialect(), expr.text()),
        (Dialect::Cexl, r#"request.headers["x"] | "" == "y""#)
    );
    let expr = matcher(r#"{ expr: 'request.method == "GET"' }"#)
        .expr
        .unwrap();
    assert_eq!(expr.dialect(), Dialect::Cel);
    assert_eq!(
        wrong("{ expr: { mixer: request.method } }"),
        "4:19 error: the condition is STRING where BOOL belongs: write a comparison"
    );
    assert_eq!(
        wrong("{ expr: { mixer: 'request.metod == \"a\"' } }"),
        "4:29 error: unknown attribute `request.metod`; write such as `request.method`"
    );
    assert_eq!(
        wrong("{ expr: { mixer: 'source.labels[\"app\"] == \"a\"' } }"),
        "4:28 warning: `source.labels` is never known here: where it decides, a `deny` refuses and nothing else matches"
    );
}

#[test]
fn the_gateways_own_name_is_a_constant() {
    let uid = "context.reporter.uid.startsWith(\"kubernetes://istio-egressgateway\")";
    let both = matcher(&format!(
        r#"{{ expr: '{uid} && request.method == "GET"' }}"#
    ));
    assert_eq!(both.expr.unwrap().text(), r#"request.method == "GET""#);
    let other = matcher(r#"{ expr: { mixer: 'context.reporter.uid == "x"' } }"#);
    assert_eq!(other.expr.unwrap().text(), "false");
}

#[test]
fn a_deny_that_spells_an_escape_in_pieces_is_warned_of() {
    assert_eq!(
        wrong("{ path: { regex: '/caf%C3%A[89]' } }"),
        "4:19 warning: an escape in pieces refuses only what is spelled so, not what origins make of it: write each whole, as `(%C3%A8|%C3%A9)`, or what stands before it and `.*`"
    );
    let excepted = "policies: [{ allow: { from: any }, unless: { path: { regex: '/[a%]' } } }]\n";
    assert!(problem(excepted).contains("warning: an escape in pieces"));
    for quiet in [
        "policies: [{ deny: { path: { regex: '/caf(%C3%A8|%C3%A9)' } } }]\n",
        "policies: [{ allow: { path: { regex: '/caf%C3%A[89]' } } }]\n",
    ] {
        assert_eq!(problems(quiet), [""; 0]);
    }
}

#[test]
fn host_path_and_method_are_no_headers_to_match() {
    let says = |name: &str, key: &str| {
        format!(
            "error: `{name}` is no header to match, since callers may write it in many ways: write {key}"
        )
    };
    for (name, key) in [
        ("host", "`host`, and `port` for its port"),
        ("Host", "`host`, and `port` for its port"),
        (":authority", "`host`, and `port` for its port"),
        (":path", "`path`, or `target` for path and query"),
        (":method", "`method`"),
    ] {
        let deny = wrong(&format!("{{ header: {{ '{name}': x }} }}"));
        assert!(deny.ends_with(&says(name, key)), "{deny}");
        let route = format!(
            "destinations: [{{ host: a.example, routes: [{{ header: {{ '{name}': x }} }}] }}]\n"
        );
        assert!(problem(&route).ends_with(&says(name, key)), "{name}");
        let log = format!("logs: [{{ to: stdout, when: {{ header: {{ '{name}': x }} }} }}]\n");
        assert!(problem(&log).ends_with(&says(name, key)), "{name}");
    }
    assert!(wrong("{ header: { ':scheme': https } }").ends_with("delete it"));
    let expr = wrong(r#"{ expr: 'request.method == "GET" && request.headers["Host"] == "x"' }"#);
    assert!(expr.ends_with(&says("host", "`request.host`")), "{expr}");
    // Mixer's own expressions are served them in their canonical form.
    let mixer = wrong(r#"{ expr: { mixer: '(request.headers["host"] | "") == "x"' } }"#);
    assert!(
        mixer.contains("warning: `host` is no header to match"),
        "{mixer}"
    );
}
