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
