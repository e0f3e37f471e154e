//! What a deny says cannot be got around by writing the request another way, and
//! what an allow says is not stretched by it. Every case asks the index and, as
//! its reference, the matcher itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::sync::Arc;
use std::time::Duration;

use policy::canonical::{Encoded, PathProfile};
use policy::destination::{
    Action, Destination, Reach, Retries, Route, Upgrades, Upstream, UpstreamHost, UpstreamProtocol,
    UpstreamRef, UpstreamTls, Weighted,
};
use policy::door::View;
use policy::expr::{Attribute, Expr, Readings};
use policy::origin::Origin;
use policy::pattern::{HostPattern, PathPattern, ValuePattern};
use policy::refusal::Refusal;
use policy::rule::{
    Answer, DefaultPolicy, Effect, Enforcement, Matcher, NamedPattern, Rule, Template,
};
use policy::{Admission, AdmissionSpec, Headers, RawRequest, Toward};

/// A request to `api.example` at the gateway's port 443.
#[derive(Clone, Copy)]
struct Asked<'a> {
    authority: &'a str,
    target: &'a str,
    fields: &'a [(&'a str, &'a str)],
    view: View,
}

impl Default for Asked<'_> {
    fn default() -> Self {
        Self {
            authority: "api.example",
            target: "/",
            fields: &[],
            view: View::Gateway,
        }
    }
}

struct Fields<'a>(&'a [(&'a str, &'a str)]);

impl Headers for Fields<'_> {
    fn value(&self, name: &str, index: usize) -> Option<&[u8]> {
        let mut values = self.0.iter().filter(|(other, _)| *other == name);
        values.nth(index).map(|(_, value)| value.as_bytes())
    }
}

fn origin() -> Arc<Origin> {
    Arc::new(Origin::new("egress.yaml", 1, 1))
}

fn upstream() -> Upstream {
    Upstream {
        host: UpstreamHost::Requested,
        port: 443,
        addresses: Vec::new(),
        tls: UpstreamTls::Off,
        protocol: UpstreamProtocol::Http1,
        reach: Reach::default(),
        connect_timeout: Duration::from_secs(1),
        idle_timeout: Duration::from_secs(1),
        bounds: Default::default(),
        outlier: None,
        via: None,
        origin: origin(),
    }
}

/// Keeps what others refuse, so that as much as can be comes before the rules.
fn destination() -> Destination {
    Destination {
        host: HostPattern::parse("api.example").unwrap(),
        name: "api.example".into(),
        door: None,
        ports: Vec::new(),
        profile: PathProfile {
            encoded_slashes: Encoded::Keep,
            double_encoding: Encoded::Keep,
            ..PathProfile::default()
        },
        routes: vec![Route {
            name: "default".into(),
            matchers: Vec::new(),
            action: Action::Forward(vec![Weighted {
                upstream: UpstreamRef(0),
                weight: 1,
            }]),
            timeout: None,
            retries: Retries::default(),
            changes: None,
            upgrades: Upgrades::Refused,
            max_body: None,
            origin: origin(),
        }],
        origin: origin(),
    }
}

/// Whether a rule of this one matcher applies; asked twice over.
fn applies(matcher: &Matcher, toward: Toward, asked: Asked<'_>) -> bool {
    let (effect, default_policy) = match toward {
        Toward::Refuse => {
            let answer = Answer {
                status: 403,
                body: Template::default(),
            };
            (Effect::Deny(answer), DefaultPolicy::Allow)
        }
        Toward::Permit => (Effect::Allow, DefaultPolicy::Deny),
    };
    let spec = AdmissionSpec {
        default_policy,
        rules: vec![Rule {
            name: "rule".into(),
            effect,
            enforcement: Enforcement::Enforced,
            matchers: vec![matcher.clone()],
            unless: Vec::new(),
            origin: origin(),
        }],
        destinations: vec![destination()],
        upstreams: vec![upstream()],
        ..AdmissionSpec::default()
    };
    let admission = Admission::compile(spec).unwrap();
    let caller = admission.caller(None, [192, 0, 2, 1].into());
    let raw = RawRequest {
        method: b"GET",
        authority: asked.authority.as_bytes(),
        target: asked.target.as_bytes(),
        headers: &Fields(asked.fields),
        caller: &caller,
        server_name: None,
        view: asked.view,
        port: 443,
        time: 0,
    };
    let refused = match admission.admit(raw, 0) {
        Ok(_) => false,
        Err(refused) => {
            let by_rule = matches!(refused.refusal, Refusal::Denied | Refusal::NotAllowed);
            assert!(by_rule, "{:?} of {}", refused.refusal, asked.target);
            true
        }
    };
    let applies = refused == (toward == Toward::Refuse);
    let request = admission.canonicalise(raw).unwrap();
    let told = matcher.holds(&request, toward);
    assert_eq!(applies, told, "the index and the matcher: {raw:?}");
    applies
}

#[track_caller]
fn denied(matcher: &Matcher, asked: Asked<'_>) -> bool {
    applies(matcher, Toward::Refuse, asked)
}

#[track_caller]
fn allowed(matcher: &Matcher, asked: Asked<'_>) -> bool {
    applies(matcher, Toward::Permit, asked)
}

fn path(pattern: PathPattern) -> Matcher {
    Matcher {
        paths: vec![pattern],
        ..Matcher::default()
    }
}

/// A deny of the path refuses these and not those; an allow takes the first only.
#[track_caller]
fn check_path(pattern: PathPattern, exact: &str, refused: &[&str], passed: &[&str]) {
    let matcher = path(pattern.clone());
    let to = |target| Asked {
        target,
        ..Asked::default()
    };
    let expected = [&exact]
        .into_iter()
        .chain(refused)
        .map(|target| (*target, true));
    for (target, expected) in expected.chain(passed.iter().map(|target| (*target, false))) {
        assert_eq!(
            denied(&matcher, to(target)),
            expected,
            "{pattern:?} {target}"
        );
        let permitted = allowed(&matcher, to(target));
        assert_eq!(permitted, target == exact, "allow {pattern:?} {target}");
    }
    let targets = Matcher {
        targets: matcher.paths,
        ..Matcher::default()
    };
    for target in refused {
        assert!(denied(&targets, to(target)), "target {pattern:?} {target}");
    }
}

#[test]
fn a_literal_behind_a_wildcard_is_found_on_both_sides_of_a_decoded_delimiter() {
    let template = PathPattern::template("/{*}/secret").unwrap();
    let evasions = [
        "/x%23/secret;v=1",
        "/x%3F/secret.",
        "/x%23/secret%3Fa",
        "/x%2523y/SECRET",
        "/x/secret%23/b",
    ];
    check_path(
        template,
        "/x/secret",
        &evasions,
        &["/x%23/secrets", "/x%3Fy"],
    );
    let suffix = PathPattern::parse("*/admin").unwrap();
    check_path(
        suffix,
        "/foo/admin",
        &[
            "/fo%23o/admin;x",
            "/fo%3Fo/Admin",
            "/admin%23x",
            "/%23/admin%3Fx%20",
        ],
        &["/admin/x", "/foo%23admin"],
    );
}

#[test]
fn a_literal_with_escapes_is_found_where_views_hold_none() {
    check_path(
        PathPattern::parse("/caf%C3%A9").unwrap(),
        "/caf%C3%A9",
        &[
            "/caf%C3%A9;x",
            "/caf%C3%A9.",
            "/CAF%C3%89",
            "/cafe%CC%81",
            "/caf%25C3%25A9",
        ],
        &["/cafe", "/caf%C3%A8", "/caf%C3%A9/x"],
    );
    check_path(
        PathPattern::parse("/my%20files/*").unwrap(),
        "/my%20files/a",
        &["/my%20files;x/a", "/My%20Files/a", "/my%2520files/a"],
        &["/my%20files", "/myfiles/a"],
    );
    check_path(
        PathPattern::parse("*/%C3%A9t%C3%A9").unwrap(),
        "/x/%C3%A9t%C3%A9",
        &["/x/%C3%89T%C3%89", "/%C3%A9t%C3%A9;x"],
        &["/x/ete"],
    );
    check_path(
        PathPattern::segment_prefix("/a%2Fb").unwrap(),
        "/a%2Fb/c",
        &["/a/b", "/a%252Fb/c", "/A%2FB;x"],
        &["/a%2Fbc", "/a"],
    );
    check_path(
        PathPattern::segment_prefix("/a%2F").unwrap(),
        "/a%2F/c",
        &["/a%2Fc", "/a/c"],
        &["/ac"],
    );
}

#[test]
fn templates_and_expressions_with_escapes_are_found_there_too() {
    check_path(
        PathPattern::template("/v1/{*}/caf%C3%A9/{**}").unwrap(),
        "/v1/x/caf%C3%A9/y",
        &[
            "/v1/x/CAF%C3%89/y",
            "/v1/x;a/caf%C3%A9;b/y",
            "/v1/%23/caf%C3%A9./y",
        ],
        &["/v1/x/cafe/y"],
    );
    check_path(
        PathPattern::regex("/(caf%C3%A9|th%C3%A9)(/.*)?").unwrap(),
        "/th%C3%A9/x",
        &["/TH%C3%89", "/caf%C3%A9;x", "/caf%C3%A9./y"],
        &["/the", "/th%C3%A9s"],
    );
    check_path(
        PathPattern::regex(".*%20x").unwrap(),
        "/a%20x",
        &["/a%20X;", "/a%2520x"],
        &["/ax", "/a%20xy"],
    );
}

#[test]
fn what_a_view_drops_from_a_segment_a_literal_keeps() {
    check_path(
        PathPattern::parse("/report;admin").unwrap(),
        "/report;admin",
        &["/REPORT;Admin"],
        &["/report", "/report;user"],
    );
    check_path(
        PathPattern::parse("*%3Bv=1").unwrap(),
        "/a%3Bv=1",
        &["/A%3BV=1", "/a;v=1"],
        &["/a", "/a;v=2"],
    );
}

#[test]
fn a_target_is_found_whichever_way_its_query_is_written() {
    let target = |pattern| Matcher {
        targets: vec![pattern],
        ..Matcher::default()
    };
    let plain = |text| target(PathPattern::parse(text).unwrap());
    for (matcher, sent, denies, allows) in [
        (plain("/a?x=1"), "/a?x=1", true, true),
        (plain("/a?x=1"), "/A;b?%78=%31", true, false),
        (plain("/a?x=1"), "/a?x=%32", false, false),
        (plain("/a?x=b%20c"), "/a?x=b%20c", true, true),
        (plain("/a?x=b%20c"), "/a?x=%62%20C", true, false),
        (plain("*=b%20c"), "/a?x=%62%20C", true, false),
        (
            target(PathPattern::regex(".*[?&]role=ad%6Din(&.*)?").unwrap()),
            "/?a&role=%61dmin",
            true,
            false,
        ),
    ] {
        let asked = Asked {
            target: sent,
            ..Asked::default()
        };
        assert_eq!(denied(&matcher, asked), denies, "{matcher:?} {sent}");
        assert_eq!(allowed(&matcher, asked), allows, "{matcher:?} {sent}");
    }
}

#[test]
fn no_caller_chooses_his_port_at_a_gateway() {
    let ports = |ports: &[u16]| Matcher {
        ports: ports.to_vec(),
        ..Matcher::default()
    };
    let to = |authority, view| Asked {
        authority,
        view,
        ..Asked::default()
    };
    // (host, view, port, a deny of it holds, an allow of it holds)
    for (authority, view, port, denies, allows) in [
        ("api.example", View::Gateway, 443, true, true),
        ("api.example:443", View::Gateway, 443, true, true),
        ("api.example:80", View::Gateway, 443, true, false),
        ("api.example:80", View::Gateway, 80, true, false),
        ("api.example", View::Gateway, 80, false, false),
        ("api.example:80", View::Mesh, 443, false, false),
        ("api.example:80", View::Mesh, 80, true, true),
        ("api.example", View::Mesh, 443, true, true),
    ] {
        let (matcher, asked) = (ports(&[port]), to(authority, view));
        assert_eq!(
            denied(&matcher, asked),
            denies,
            "{authority} {view:?} {port}"
        );
        assert_eq!(
            allowed(&matcher, asked),
            allows,
            "{authority} {view:?} {port}"
        );
    }
    let named = Matcher {
        host_ports: vec![80],
        ..Matcher::default()
    };
    for (authority, view, denies, allows) in [
        ("api.example:80", View::Gateway, true, true),
        ("api.example", View::Gateway, false, false),
        ("api.example:80", View::Mesh, true, true),
    ] {
        let asked = to(authority, view);
        assert_eq!(denied(&named, asked), denies, "{authority} {view:?}");
        assert_eq!(allowed(&named, asked), allows, "{authority} {view:?}");
    }
    let listener = Matcher {
        host_ports: vec![443],
        ..Matcher::default()
    };
    assert!(denied(&listener, to("api.example:80", View::Gateway)));
    assert!(!allowed(&listener, to("api.example:80", View::Gateway)));
    let both = ports(&[80, 443]);
    assert!(allowed(&both, to("api.example:80", View::Gateway)));
}

#[test]
fn cookies_are_judged_as_they_are_sent() {
    let cookie = |pattern| Matcher {
        headers: vec![NamedPattern {
            name: "cookie".into(),
            pattern,
        }],
        ..Matcher::default()
    };
    let with = |fields| Asked {
        fields,
        ..Asked::default()
    };
    let crumbs = with(&[("cookie", "role=admin"), ("cookie", "debug=1")]);
    let joined = with(&[("cookie", "role=admin; debug=1")]);
    let regex = |text| ValuePattern::regex(text).unwrap();
    let together = cookie(regex(".*role=admin; *debug=1.*"));
    let crumb = cookie(regex("debug=1"));
    let not = |text| cookie(ValuePattern::Not(Box::new(regex(text))));
    for (matcher, denies, allows) in [
        (&together, true, true),
        (&crumb, true, false),
        (&not(".*debug=1"), false, false),
        (&not("debug=1"), true, false),
    ] {
        assert_eq!(denied(matcher, crumbs), denies, "{matcher:?}");
        assert_eq!(allowed(matcher, crumbs), allows, "{matcher:?}");
    }
    assert!(denied(&together, joined) && !denied(&crumb, joined));
}

fn expr(text: &str) -> Matcher {
    Matcher {
        expr: Some(Arc::new(Expr::cel(text).unwrap())),
        ..Matcher::default()
    }
}

#[test]
fn an_expression_that_refuses_sees_every_value_of_a_name() {
    let role = |text: &str, values: &[&str]| {
        let fields: Vec<_> = values.iter().map(|value| ("x-role", *value)).collect();
        let asked = Asked {
            fields: &fields,
            ..Asked::default()
        };
        let matcher = expr(text);
        (denied(&matcher, asked), allowed(&matcher, asked))
    };
    let is_admin = r#"request.headers["x-role"] == "admin""#;
    for (text, values, expected) in [
        (is_admin, &["admin"][..], (true, true)),
        (is_admin, &["user"], (false, false)),
        (is_admin, &["user", "admin"], (true, false)),
        (is_admin, &["admin", "user"], (true, false)),
        (is_admin, &["a", "b", "c", "admin"], (true, false)),
        (is_admin, &["a", "b", "c"], (false, false)),
        (is_admin, &["a"; 32], (false, false)),
        // Too many to look through.
        (is_admin, &["a"; 33], (true, false)),
        (
            r#"request.headers["x-role"] == "a,b""#,
            &["a", "b"],
            (true, true),
        ),
        (
            r#"request.headers["x-role"] != "user""#,
            &["user"],
            (false, false),
        ),
        (
            r#"request.headers["x-role"].startsWith("adm")"#,
            &["user", "admin"],
            (true, false),
        ),
    ] {
        assert_eq!(role(text, values), expected, "{text} {values:?}");
    }
    // No order of values hides what holds together.
    let both = r#"request.headers["x-role"] == "admin" && request.headers["x-debug"] == "1""#;
    let fields = [
        ("x-role", "user"),
        ("x-role", "admin"),
        ("x-debug", "1"),
        ("x-debug", "0"),
    ];
    let asked = Asked {
        fields: &fields,
        ..Asked::default()
    };
    assert!(denied(&expr(both), asked) && !allowed(&expr(both), asked));
    let either = format!(r#"({both}) || request.method == "PUT""#);
    assert!(denied(&expr(&either), asked) && !allowed(&expr(&either), asked));
    let cookies = [("cookie", "role=admin"), ("cookie", "debug=1")];
    for (text, allows) in [
        (
            r#"request.headers["cookie"] == "role=admin; debug=1""#,
            true,
        ),
        (r#"request.headers["cookie"] == "debug=1""#, false),
    ] {
        let asked = Asked {
            fields: &cookies,
            ..Asked::default()
        };
        assert!(denied(&expr(text), asked), "{text}");
        assert_eq!(allowed(&expr(text), asked), allows, "{text}");
    }
}

#[test]
fn an_expression_that_refuses_reads_a_query_as_origins_do() {
    let admin = r#"request.query_params["admin"] == "1""#;
    let many = format!("/?{}admin=1", "admin=0&".repeat(40));
    for (text, target, denies, allows) in [
        (admin, "/?admin=1", true, true),
        (admin, "/?admin=0", false, false),
        (admin, "/?admin=0&admin=1", true, false),
        (admin, "/?%61dmin=1", true, false),
        (admin, "/?admin=%31", true, false),
        (admin, "/?admin=0&%61dmin=0&adm%69n=%31", true, false),
        (admin, "/?admin=0&other=1&b=%31", false, false),
        (admin, &many, true, false),
        (admin, "/?admin=%FF", true, false),
        (
            r#"request.query_params["q"] == "a b""#,
            "/?q=a+b",
            true,
            false,
        ),
        (
            r#"request.query_params["q"] == "a%20b""#,
            "/?q=0&q=a%20b",
            true,
            false,
        ),
        (
            r#"request.query.contains("admin=1")"#,
            "/?x&%61dmin=%31",
            true,
            false,
        ),
        (r#"request.path == "/a?x=1""#, "/a?%78=1", true, false),
        (r#"request.path == "/a?x=1""#, "/a?X=%31", true, false),
    ] {
        let asked = Asked {
            target,
            ..Asked::default()
        };
        assert_eq!(denied(&expr(text), asked), denies, "{text} {target}");
        assert_eq!(allowed(&expr(text), asked), allows, "{text} {target}");
    }
}

#[test]
fn an_expression_that_refuses_sees_a_path_as_origins_might() {
    let secret = r#"request.url_path == "/xSecret""#;
    for (text, target, denies, allows) in [
        (secret, "/xSecret", true, true),
        (secret, "/xSecret;a", true, false),
        (secret, "/XSECRET", true, false),
        (secret, "/xsecret%3Fa", true, false),
        (secret, "/xsecrets", false, false),
        (r#"request.path == "/xsecret""#, "/xsecret;a", true, false),
        (
            r#"request.path.startsWith("/Pay")"#,
            "/PAY;x?y",
            true,
            false,
        ),
        (
            r#"request.path in ["/A", "/caf%C3%A9"]"#,
            "/caf%C3%A9.",
            true,
            false,
        ),
        (
            r#"request.url_path.endsWith("/admin")"#,
            "/x%23/admin;a",
            true,
            false,
        ),
        (
            r#"request.url_path.matches("^/Caf%C3%A9/[A-Z]+$")"#,
            "/caf%C3%A9;x/y",
            true,
            false,
        ),
        (r#"request.path == "/a%3Fb""#, "/a%3FB", true, false),
        (r#"request.path == "/a%3Fb""#, "/A?b", true, false),
        (
            r#"request.url_path == "/a;b" || request.path == "/c.""#,
            "/a",
            false,
            false,
        ),
        // What is let through by its negation, stays so.
        (r#"request.url_path != "/a;B""#, "/a;B", false, false),
        (
            r#"!(request.path in ["/c.", "/a;b=1/d?X=%41"])"#,
            "/a;b=1/d?X=%41",
            false,
            false,
        ),
        (r#"request.url_path != "/API""#, "/API", false, false),
        (
            r#"!request.url_path.startsWith("/API")"#,
            "/API/x",
            false,
            false,
        ),
        (
            r#"!request.url_path.matches("^/API/[A-Z]*$")"#,
            "/API/X",
            false,
            false,
        ),
        (
            r#"!(request.path in ["/caf%C3%A9"])"#,
            "/caf%C3%A9",
            false,
            false,
        ),
    ] {
        let asked = Asked {
            target,
            ..Asked::default()
        };
        assert_eq!(denied(&expr(text), asked), denies, "{text} {target}");
        assert_eq!(allowed(&expr(text), asked), allows, "{text} {target}");
    }
}

#[test]
fn a_request_that_can_be_read_in_one_way_only_is_read_once() {
    let admission = Admission::compile(AdmissionSpec {
        destinations: vec![destination()],
        upstreams: vec![upstream()],
        ..AdmissionSpec::default()
    })
    .unwrap();
    let caller = admission.caller(None, [192, 0, 2, 1].into());
    let readings = |target: &str, fields: &[(&str, &str)]| {
        let raw = RawRequest {
            method: b"GET",
            authority: b"api.example",
            target: target.as_bytes(),
            headers: &Fields(fields),
            caller: &caller,
            server_name: None,
            view: View::Gateway,
            port: 443,
            time: 0,
        };
        let request = admission.canonicalise(raw).unwrap();
        let mut readings = 0;
        let told = request.each(&mut |attributes, _| {
            readings += 1;
            attributes.map_entry(Attribute::RequestHeaders, "x-role");
            attributes.map_entry(Attribute::RequestQueryParams, "a");
            attributes.value(Attribute::RequestPath);
            false
        });
        (readings, told.is_ok())
    };
    let one = [("x-role", "user"), ("x-other", "a"), ("x-other", "b")];
    assert_eq!(readings("/a/b?a=1&b=2&b=3", &one), (1, true));
    assert_eq!(readings("/a/b", &[]), (1, true));
    // As it is; first and second; in the path's two views.
    let two = [("x-role", "user"), ("x-role", "admin")];
    assert_eq!(readings("/a", &two), (3, true));
    assert_eq!(readings("/A%3Fb", &two), (5, true));
    assert_eq!(readings("/a?a=%31", &[]), (3, true));
    // Bounded, whatever a caller sends.
    let many = [("x-role", "a"); 100];
    let target = format!("/A%23b%3F?{}", "a=%31&".repeat(1000));
    let (most, told) = readings(&target, &many);
    assert!(most <= 33 && !told, "{most}");
}
