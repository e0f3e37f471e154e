//! Remote lists: what is known of them, and what follows when nothing is.

use std::net::{IpAddr, Ipv4Addr};

use policy::door::View;
use policy::refusal::Refusal;
use policy::source::Caller;
use policy::{NoHeaders, RawRequest};

use super::*;
use crate::remote::{KnownLists, RemoteList};

const LIST: &str = "lists:\n  x: { url: 'https://lists.example/x' }\n";

fn file(text: &str) -> SourceFile {
    document(&format!("destinations: [{{ host: a.example }}]\n{text}"))
}

fn lists(text: &str) -> Vec<RemoteList> {
    let snapshot = compile(&[file(text)], &environment()).unwrap();
    snapshot.lists().to_vec()
}

/// Compiled with `content` for every list, or with nothing known.
fn with(text: &str, content: Option<&str>) -> Result<Snapshot, Vec<crate::Problem>> {
    let mut known = KnownLists::new();
    if let Some(content) = content {
        let all = lists(text);
        known.extend(all.iter().map(|list| (list.source(), content.into())));
    }
    let environment = Environment {
        lists: known,
        ..environment()
    };
    compile(&[file(text)], &environment)
}

fn get<'a>(target: &'a str, caller: &'a Caller) -> RawRequest<'a> {
    RawRequest {
        method: b"GET",
        authority: b"a.example",
        target: target.as_bytes(),
        headers: &NoHeaders,
        caller,
        server_name: None,
        view: View::Gateway,
        port: 443,
        time: 0,
    }
}

fn decided(snapshot: &Snapshot, target: &str) -> bool {
    let admission = snapshot.admission();
    let caller = admission.caller(None, IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));
    let raw = get(target, &caller);
    match admission.admit(raw, 0) {
        Ok(_) => true,
        Err(refused) => {
            assert!(matches!(
                refused.refusal,
                Refusal::Denied | Refusal::NotAllowed
            ));
            false
        }
    }
}

#[test]
fn what_is_not_known_falls_as_the_operator_says() {
    // A policy, and what becomes of `/listed` and `/other` when the list is
    // unknown, under `onError: deny` and `allow`; empty; and holds `/listed`.
    type Pair = [bool; 2];
    const YES: Pair = [true, true];
    const NO: Pair = [false, false];
    let rest = "  - allow: { host: '*' }\n";
    let cases: [(&str, &str, Pair, Pair, Pair, Pair); 9] = [
        (
            "deny: { path: { list: x } }",
            rest,
            NO,
            YES,
            YES,
            [false, true],
        ),
        (
            "deny: { path: [/y, { list: x }] }",
            rest,
            NO,
            YES,
            YES,
            [false, true],
        ),
        (
            "deny: { path: [/other, { list: x }] }",
            rest,
            NO,
            [true, false],
            [true, false],
            NO,
        ),
        (
            "deny: { path: { list: x }, method: GET }",
            rest,
            NO,
            YES,
            YES,
            [false, true],
        ),
        (
            "{ deny: { host: '*' }, unless: { path: { list: x } } }",
            rest,
            NO,
            YES,
            NO,
            [true, false],
        ),
        (
            "allow: { path: { list: x } }",
            "",
            NO,
            YES,
            NO,
            [true, false],
        ),
        (
            "allow: { path: [/other, { list: x }] }",
            "",
            [false, true],
            YES,
            [false, true],
            YES,
        ),
        (
            "{ allow: { host: '*' }, unless: { path: { list: x } } }",
            "",
            NO,
            YES,
            YES,
            [false, true],
        ),
        (
            "{ allow: { host: '*' }, unless: { target: { list: x } } }",
            "",
            NO,
            YES,
            YES,
            [false, true],
        ),
    ];
    for (policy, rest, deny, allow, empty, listed) in cases {
        let text = |on_error: &str| {
            format!(
                "lists: {{ x: {{ url: 'https://l.example/', onError: {on_error} }} }}\npolicies:\n  - {policy}\n{rest}"
            )
        };
        let asked = |on_error: &str, content| {
            let snapshot = with(&text(on_error), content).unwrap();
            ["/listed", "/other"].map(|path| decided(&snapshot, path))
        };
        assert_eq!(asked("deny", None), deny, "unknown: {policy}");
        assert_eq!(
            asked("allow", None),
            allow,
            "unknown, onError: allow: {policy}"
        );
        for on_error in ["deny", "allow"] {
            assert_eq!(asked(on_error, Some("# none\n")), empty, "empty: {policy}");
            assert_eq!(
                asked(on_error, Some("/listed\n")),
                listed,
                "listed: {policy}"
            );
        }
    }
}

#[test]
fn every_key_of_a_matcher_falls_alike() {
    let keys = [
        "from",
        "host",
        "path",
        "target",
        "method",
        "port",
        "hostPort",
        "listenerPort",
        "sni",
    ];
    for key in keys {
        let deny = format!(
            "{LIST}policies:\n  - deny: {{ {key}: {{ list: x }} }}\n  - allow: {{ host: '*' }}\n"
        );
        let allow = format!("{LIST}policies:\n  - allow: {{ {key}: {{ list: x }} }}\n");
        assert!(
            !decided(&with(&deny, None).unwrap(), "/a"),
            "unknown {key} denies"
        );
        assert!(
            !decided(&with(&allow, None).unwrap(), "/a"),
            "unknown {key} allows nobody"
        );
        assert!(
            decided(&with(&deny, Some("")).unwrap(), "/a"),
            "no {key} denies nobody"
        );
        assert!(
            !decided(&with(&allow, Some("")).unwrap(), "/a"),
            "no {key} allows nobody"
        );
    }
}

#[test]
fn in_doubt_a_log_tells() {
    for (log, unknown, empty) in [
        ("when: { path: { list: x } }", true, false),
        ("unless: { path: { list: x } }", true, true),
        (
            "{ when: { path: { list: x } }, unless: { path: { list: x } } }",
            true,
            false,
        ),
    ] {
        for on_error in ["deny", "allow"] {
            let text = format!(
                "lists: {{ x: {{ url: 'https://l.example/', onError: {on_error} }} }}\nlogs:\n  - {log}\n"
            );
            let told = |content| {
                let snapshot = with(&text, content).unwrap();
                let admission = snapshot.admission();
                let caller = admission.caller(None, IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));
                let raw = get("/a", &caller);
                let request = admission.canonicalise(raw).unwrap();
                let filter = &snapshot.settings().logs[0].filter;
                let matches = |m: &policy::rule::Matcher, toward| m.holds(&request, toward);
                let when = filter.when.is_empty()
                    || filter
                        .when
                        .iter()
                        .any(|m| matches(m, policy::Toward::Permit));
                when && !filter
                    .unless
                    .iter()
                    .any(|m| matches(m, policy::Toward::Permit))
            };
            assert_eq!(told(None), unknown, "unknown: {log}");
            assert_eq!(told(Some("")), empty, "empty: {log}");
        }
    }
}

fn told(text: &str, content: Option<&str>) -> Vec<String> {
    let problems = match with(text, content) {
        Ok(snapshot) => snapshot.warnings().to_vec(),
        Err(problems) => problems,
    };
    let told = problems.iter().map(|p| {
        let origin = &p.origin;
        format!(
            "{}:{}:{} {}: {}",
            origin.file, origin.line, origin.column, p.severity, p.message
        )
    });
    told.collect()
}

#[test]
fn an_unknown_list_is_pointed_out_and_a_known_one_is_not() {
    assert_eq!(
        told(LIST, None),
        [
            "etc/egress.yaml:5:3 warning: the content of list `x` is not known: what depends on it is refused"
        ]
    );
    let allowing = LIST.replace(" }", ", onError: allow }");
    assert_eq!(
        told(&allowing, None),
        [
            "etc/egress.yaml:5:3 warning: the content of list `x` is not known: what depends on it is let go on, by `onError: allow`"
        ]
    );
    assert_eq!(told(LIST, Some("/a")), [""; 0]);
}

#[test]
fn a_bad_entry_is_told_by_the_list_and_its_line() {
    let text = format!("{LIST}policies: [{{ deny: {{ path: {{ list: x }} }} }}]\n");
    assert_eq!(
        told(&text, Some("/a\n# b\n  <html>\n")),
        [
            "list `x`:3:3 error: a path begins with `/`; write `/<html>`, or `*<html>` for every path that ends so"
        ]
    );
}

#[test]
fn a_list_server_cannot_mean_everything() {
    let boundless = [
        ("from", "any"),
        ("from", "anonymous"),
        ("from", "*"),
        ("from", "ns:*"),
        ("from", "sa:*/*"),
        ("from", "td:*"),
        ("from", "name:*"),
        ("from", "ip:0.0.0.0/0"),
        ("from", "ip:::/0"),
        ("host", "*"),
        ("path", "*"),
        ("path", "/*"),
    ];
    for (key, entry) in boundless {
        let text = format!("{LIST}policies: [{{ allow: {{ {key}: {{ list: x }} }} }}]\n");
        let refused = told(&text, Some(&format!("{entry}\n")));
        let expected = format!("list `x`:1:1 error: `{entry}` means everything, which");
        assert!(
            refused.iter().any(|told| told.starts_with(&expected)),
            "{key} {entry}: {refused:#?}"
        );
    }
    for (key, entry) in [
        ("from", "ns:a"),
        ("from", "sa:a/*"),
        ("from", "ip:192.0.2.0/30"),
        ("host", "*.example"),
        ("path", "/"),
        ("path", "/0"),
        ("path", "/any*"),
    ] {
        let text = format!("{LIST}policies: [{{ allow: {{ {key}: {{ list: x }} }} }}]\n");
        assert_eq!(told(&text, Some(entry)), [""; 0], "{key} {entry}");
    }
}

#[test]
fn hosts_of_a_fetched_list_need_no_destination() {
    let text = format!("{LIST}policies: [{{ deny: {{ host: {{ list: x }} }} }}]\n");
    assert_eq!(told(&text, Some("bad.example\n*.worse.example\n")), [""; 0]);
}

#[test]
fn a_digest_tells_contents_apart() {
    let digest = |content| with(LIST, content).unwrap().digest().to_string();
    let digests = [
        digest(None),
        digest(Some("")),
        digest(Some("/a")),
        digest(Some("/b")),
    ];
    let different: std::collections::HashSet<_> = digests.iter().collect();
    assert_eq!(different.len(), 4, "{digests:?}");
    assert_eq!(digest(Some("/a")), digest(Some("/a")));
}

#[test]
fn a_list_says_where_it_is_fetched_and_how_often() {
    let text = "defaults: { connectTimeout: 1s, addresses: { deny: [198.51.100.0/24] } }
lists:
  x: { url: 'https://l.example:8443/t?u', refresh: 100ms, ttl: 1s, onError: allow, tls: { ca: /ca.pem, sni: in.example }, addresses: [10.0.0.1], allowAddresses: [10.0.0.0/8] }
  y: { url: 'https://l.example/', ttl: 30s }
";
    let [x, y] = lists(text).try_into().unwrap();
    let seconds = std::time::Duration::from_secs;
    assert_eq!((x.refresh.as_millis(), x.ttl), (100, seconds(1)));
    assert_eq!((y.refresh, y.ttl), (seconds(30), seconds(30)));
    assert_eq!((&*x.authority, &*x.target), ("l.example:8443", "/t?u"));
    let upstream = &x.upstream;
    assert_eq!(upstream.addresses, ["10.0.0.1:8443".parse().unwrap()]);
    assert_eq!(upstream.connect_timeout, seconds(1));
    assert_eq!(
        (upstream.reach.allowed.len(), upstream.reach.denied.len()),
        (1, 1)
    );
    let policy::destination::UpstreamTls::On(tls) = &upstream.tls else {
        panic!("{upstream:?}");
    };
    assert_eq!(tls.server_name.as_deref(), Some("in.example"));
    assert!(tls.ca.is_some());
    let [plain] = lists("lists: { x: { url: 'https://l.example/' } }\n")
        .try_into()
        .unwrap();
    assert_eq!((plain.refresh, plain.ttl), (seconds(60), seconds(86_400)));
}

#[test]
fn what_is_wrong_with_a_remote_list_is_told_at_its_place() {
    let first = |list: &str| {
        let mut told = problems(&format!("lists:\n  x: {{ {list} }}\n"));
        told.retain(|problem| !problem.contains("is not known"));
        assert_eq!(told.len(), 1, "{list}: {told:#?}");
        told.remove(0)
    };
    let cases = [
        (
            "url: 'ftp://l.example/'",
            "4:13 error: no URL of a list: write such as `https://lists.example/topics.txt`, without user, password or fragment",
        ),
        (
            "ttl: 1s",
            "4:6 error: `url` is missing: write such as `url: https://lists.example/topics.txt`",
        ),
        (
            "url: 'http://l.example/'",
            "4:13 warning: this list is fetched in plain text, and whoever is on the way writes it: write `https://`",
        ),
        (
            "url: 'https://l.example/', tls: off",
            "4:35 error: `tls: off` contradicts the URL: write `http://`, or delete `tls`",
        ),
        (
            "url: 'https://l.example/', refresh: 10ms",
            "4:44 error: `10ms` is too often for any server: write at least `100ms`",
        ),
        (
            "url: 'https://l.example/', refresh: 60s, ttl: 30s",
            "4:49 error: the content would be given up before it is asked for again: write a `ttl` of several times `refresh`",
        ),
        (
            "url: 'https://l.example/', onError: ignore",
            "4:44 error: unknown word `ignore`: write `deny` or `allow`",
        ),
        (
            "url: 'https://192.0.2.1/'",
            "4:3 error: `192.0.2.1` is no name a certificate can show: write `tls: { sni: NAME }`",
        ),
        (
            "url: 'https://l.example/', addresses: [10.0.0.1]",
            "4:47 error: `10.0.0.1` is private and never dialled: write `allowAddresses: [10.0.0.1]` in the destination",
        ),
        (
            "url: 'https://l.example/', maxAge: 24h",
            "4:35 error: unknown field `maxAge`: write `ttl`, for how long the last good content is believed",
        ),
    ];
    for (list, expected) in cases {
        assert_eq!(first(list), expected);
    }
}

#[test]
fn a_request_does_not_take_its_way_by_what_a_list_server_says() {
    let way =
        "error: a list with a URL stands in `policies` and `logs` only: write its entries here";
    let route = format!(
        "{LIST}destinations: [{{ host: a.example, routes: [{{ path: {{ list: x }} }}] }}]\n"
    );
    let door = "version: 1\nlists: { x: { url: 'https://l.example/' } }\nlisteners: [{ port: 8443, hosts: { list: x } }]\n";
    for file in [document(&route), SourceFile::new("f", door)] {
        let told = compiled(&[file]).unwrap_err();
        assert!(
            told.iter().any(|problem| problem.ends_with(way)),
            "{told:#?}"
        );
    }
}

#[test]
fn a_list_of_callers_is_read_once_and_every_reference_judged() {
    let text = |second: &str| {
        format!(
            "lists: {{ team: [sa:a/b, sa:c/d] }}\ndestinations: [{{ host: a.test }}]\npolicies:\n\
             - allow: {{ from: {{ list: team }}, host: a.test }}\n\
             - allow: {{ from: {second}, host: a.test, path: /x }}\n"
        )
    };
    let admission = admission(&text("{ list: team }"));
    let from = |rule: usize| &admission.rules()[rule].matchers[0].from;
    assert!(std::sync::Arc::ptr_eq(from(0), from(1)));
    assert_eq!(from(0).len(), 2);
    let wrong = problem(&text("{ list: team, lsit: team }"));
    assert!(wrong.contains("lsit"), "{wrong}");
    let unknown = problem(&text("{ list: teem }"));
    assert!(unknown.contains("did you mean `team`"), "{unknown}");
}
