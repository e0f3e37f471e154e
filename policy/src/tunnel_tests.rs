use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::canonical::MethodSet;
use crate::destination::{
    Passage, Reach, Upstream, UpstreamHost, UpstreamProtocol, UpstreamTls, Weighted,
};
use crate::expr::Expr;
use crate::origin::Origin;
use crate::pattern::{HostPattern, PathPattern, ValuePattern};
use crate::principal::Principal;
use crate::rule::{Answer, DefaultPolicy, Effect, Enforcement, NamedPattern, Rule, Template};
use crate::source::SourcePattern;
use crate::{Admission, AdmissionSpec};

use super::*;

const GOOGLE: &str = "www.googleapis.com";

fn origin() -> Arc<Origin> {
    Arc::new(Origin::new("test.yaml", 1, 1))
}

fn hosts(texts: &[&str]) -> Vec<HostPattern> {
    let parsed = texts.iter().map(|text| HostPattern::parse(text).unwrap());
    parsed.collect()
}

fn google() -> Matcher {
    Matcher {
        hosts: hosts(&["*.googleapis.com"]),
        ..Matcher::default()
    }
}

fn expr(text: &str) -> Option<Arc<Expr>> {
    Some(Arc::new(Expr::cexl(text).unwrap()))
}

fn rule(effect: Effect, matcher: Matcher) -> Rule {
    Rule {
        name: "rule".into(),
        effect,
        enforcement: Enforcement::Enforced,
        matchers: vec![matcher],
        unless: Vec::new(),
        origin: origin(),
    }
}

fn deny() -> Effect {
    Effect::Deny(Answer {
        status: 403,
        body: Template::default(),
    })
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

fn passage(host: &str, door: Door, upstreams: &[(u32, u32)]) -> Passage {
    let weighted = upstreams.iter().map(|&(upstream, weight)| Weighted {
        upstream: UpstreamRef(upstream),
        weight,
    });
    Passage {
        host: HostPattern::parse(host).unwrap(),
        name: host.into(),
        door,
        upstreams: weighted.collect(),
        origin: origin(),
    }
}

fn spec(default_policy: DefaultPolicy, rules: Vec<Rule>) -> AdmissionSpec {
    AdmissionSpec {
        default_policy,
        rules,
        passages: vec![
            passage("*.googleapis.com", Door::mesh(443), &[(0, 1)]),
            passage("both.test", Door::gateway(443), &[(1, 3), (2, 1)]),
        ],
        upstreams: vec![upstream(), upstream(), upstream()],
        ..AdmissionSpec::default()
    }
}

/// Where a tunnel of `sleep` to a name through a door leads, or why nowhere.
fn asked(admission: &Admission, server_name: &str, door: Door, lot: u32) -> Result<u32, Refusal> {
    let sleep = Principal::from_name("td/ns/default/sa/sleep").unwrap();
    let address: IpAddr = [192, 0, 2, 1].into();
    let caller = admission.caller(Some(sleep), address);
    let raw = RawTunnel {
        to: To::ServerName(server_name),
        caller: &caller,
        view: door.view,
        port: door.port,
        time: 0,
    };
    let admitted = admission.admit_tunnel(raw, lot);
    admitted
        .map(|admitted| admitted.plan.upstream().0)
        .map_err(|refused| refused.refusal)
}

fn verdict(default: DefaultPolicy, rules: Vec<Rule>) -> Result<u32, Refusal> {
    let admission = Admission::compile(spec(default, rules)).unwrap();
    asked(&admission, GOOGLE, Door::mesh(443), 0)
}

/// Keys, and whether each holds where it permits and where it refuses.
fn keys() -> Vec<(&'static str, Matcher, bool, bool)> {
    let local: [Box<str>; 1] = ["td".into()];
    let from = |text| SourcePattern::parse(text, &local).unwrap();
    let named = || {
        vec![NamedPattern {
            name: "x".into(),
            pattern: ValuePattern::parse("absent").unwrap(),
        }]
    };
    let with = |change: &dyn Fn(&mut Matcher)| {
        let mut matcher = google();
        change(&mut matcher);
        matcher
    };
    let cexl = |text| with(&|m| m.expr = expr(text));
    vec![
        ("host", google(), true, true),
        (
            "another host",
            with(&|m| m.hosts = hosts(&["x.test"])),
            false,
            false,
        ),
        (
            "from",
            with(&|m| m.from = from("sa:default/sleep").into()),
            true,
            true,
        ),
        (
            "another from",
            with(&|m| m.from = from("sa:default/x").into()),
            false,
            false,
        ),
        ("port", with(&|m| m.ports = vec![443]), true, true),
        ("another port", with(&|m| m.ports = vec![80]), false, false),
        (
            "listener port",
            with(&|m| m.listener_ports = vec![443]),
            true,
            true,
        ),
        (
            "another listener port",
            with(&|m| m.listener_ports = vec![80]),
            false,
            false,
        ),
        (
            "sni",
            with(&|m| m.server_names = hosts(&[GOOGLE])),
            true,
            true,
        ),
        (
            "another sni",
            with(&|m| m.server_names = hosts(&["x.test"])),
            false,
            false,
        ),
        (
            "path",
            with(&|m| m.paths = vec![PathPattern::parse("/a").unwrap()]),
            false,
            true,
        ),
        (
            "any path",
            with(&|m| m.paths = vec![PathPattern::Any]),
            false,
            true,
        ),
        (
            "target",
            with(&|m| m.targets = vec![PathPattern::Any]),
            false,
            true,
        ),
        (
            "method",
            with(&|m| m.methods = Some(MethodSet::parse(["GET"]).unwrap())),
            false,
            true,
        ),
        ("header", with(&|m| m.headers = named()), false, true),
        ("query", with(&|m| m.query = named()), false, true),
        (
            "a path and another port",
            with(&|m| {
                m.paths = vec![PathPattern::Any];
                m.ports = vec![80];
            }),
            false,
            false,
        ),
        (
            "expr: host",
            cexl(r#"request.host == "www.googleapis.com""#),
            true,
            true,
        ),
        (
            "expr: service",
            cexl(r#"destination.service.host.endsWith("googleapis.com")"#),
            true,
            true,
        ),
        (
            "expr: sni",
            cexl(r#"connection.requested_server_name == "x.test""#),
            false,
            false,
        ),
        (
            "expr: protocol",
            cexl(r#"context.protocol == "tls""#),
            true,
            true,
        ),
        (
            "expr: http",
            cexl(r#"context.protocol == "http""#),
            false,
            false,
        ),
        ("expr: path", cexl(r#"request.path == "/a""#), false, true),
        (
            "expr: path or else",
            cexl(r#"(request.path | "") == "/a""#),
            false,
            true,
        ),
        (
            "expr: header or else",
            cexl(r#"(request.headers["x"] | "none") == "none""#),
            false,
            true,
        ),
        (
            "expr: path of another caller",
            cexl(r#"source.namespace == "x" && request.path == "/a""#),
            false,
            false,
        ),
    ]
}

#[test]
fn keys_of_http_never_permit_and_always_refuse() {
    for (what, matcher, permits, refuses) in keys() {
        let allowed = verdict(
            DefaultPolicy::Deny,
            vec![rule(Effect::Allow, matcher.clone())],
        );
        let expected = if permits {
            Ok(0)
        } else {
            Err(Refusal::NotAllowed)
        };
        assert_eq!(allowed, expected, "allow: {what}");
        let denied = verdict(DefaultPolicy::Allow, vec![rule(deny(), matcher)]);
        let expected = if refuses { Err(Refusal::Denied) } else { Ok(0) };
        assert_eq!(denied, expected, "deny: {what}");
    }
}

#[test]
fn exceptions_turn_the_direction() {
    for (what, matcher, permits, refuses) in keys() {
        let excepting = |effect| {
            vec![Rule {
                unless: vec![matcher.clone()],
                ..rule(effect, google())
            }]
        };
        let allowed = verdict(DefaultPolicy::Deny, excepting(Effect::Allow));
        let expected = if refuses {
            Err(Refusal::NotAllowed)
        } else {
            Ok(0)
        };
        assert_eq!(allowed, expected, "allow unless: {what}");
        let denied = verdict(DefaultPolicy::Allow, excepting(deny()));
        let expected = if permits { Ok(0) } else { Err(Refusal::Denied) };
        assert_eq!(denied, expected, "deny unless: {what}");
    }
}

#[test]
fn policy_speaks_before_routing_and_the_default_counts() {
    let admission = |default| Admission::compile(spec(default, Vec::new())).unwrap();
    for (default, name, door, expected) in [
        (DefaultPolicy::Allow, GOOGLE, Door::mesh(443), Ok(0)),
        (
            DefaultPolicy::Allow,
            "WWW.GoogleAPIs.com.",
            Door::mesh(443),
            Ok(0),
        ),
        (
            DefaultPolicy::Allow,
            "a.b.c.d.googleapis.com",
            Door::mesh(443),
            Ok(0),
        ),
        (
            DefaultPolicy::Allow,
            "a.b.c.d.e.googleapis.com",
            Door::mesh(443),
            Err(Refusal::NameTooDeep),
        ),
        (
            DefaultPolicy::Deny,
            "a.b.c.d.e.googleapis.com",
            Door::mesh(443),
            Err(Refusal::NotAllowed),
        ),
        (
            DefaultPolicy::Allow,
            GOOGLE,
            Door::gateway(443),
            Err(Refusal::UnknownPassage),
        ),
        (
            DefaultPolicy::Allow,
            GOOGLE,
            Door::mesh(80),
            Err(Refusal::UnknownPassage),
        ),
        (
            DefaultPolicy::Allow,
            "googleapis.com",
            Door::mesh(443),
            Err(Refusal::UnknownPassage),
        ),
        (
            DefaultPolicy::Deny,
            GOOGLE,
            Door::mesh(443),
            Err(Refusal::NotAllowed),
        ),
        (
            DefaultPolicy::Deny,
            "x.test",
            Door::mesh(443),
            Err(Refusal::NotAllowed),
        ),
    ] {
        let said = asked(&admission(default), name, door, 0);
        assert_eq!(said, expected, "{name} {door} {default:?}");
    }
}

#[test]
fn a_server_name_that_is_no_host_is_refused_before_any_rule() {
    let admission = Admission::compile(spec(DefaultPolicy::Allow, Vec::new())).unwrap();
    for name in [
        "127.0.0.1",
        "[::1]",
        "::1",
        "0x7f.1",
        "",
        ".",
        "a..googleapis.com",
        "www.googleapis.com:443",
        "www.googleapis.com\0.evil.test",
        "a b.googleapis.com",
        "*.googleapis.com",
        "bücher.googleapis.com",
    ] {
        let said = asked(&admission, name, Door::mesh(443), 0);
        assert_eq!(said, Err(Refusal::MalformedServerName), "{name:?}");
    }
}

#[test]
fn upstreams_are_drawn_by_weight() {
    let admission = Admission::compile(spec(DefaultPolicy::Allow, Vec::new())).unwrap();
    for (lot, expected) in [(0, 1), (u32::MAX / 2, 1), (u32::MAX, 2)] {
        let said = asked(&admission, "both.test", Door::gateway(443), lot);
        assert_eq!(said, Ok(expected), "{lot}");
    }
}

#[test]
fn a_passage_that_leads_nowhere_or_into_tls_does_not_compile() {
    let encrypted = Upstream {
        tls: UpstreamTls::On(Default::default()),
        ..upstream()
    };
    for (leads, said) in [
        (&[][..], "this leads nowhere: name an upstream"),
        (&[(7, 1)], "the upstream named here does not exist"),
        (
            &[(1, 1)],
            "the application brings its own TLS here: write `tls: off` for the upstream",
        ),
    ] {
        let errors = Admission::compile(AdmissionSpec {
            passages: vec![passage("a.test", Door::mesh(443), leads)],
            upstreams: vec![upstream(), encrypted.clone()],
            ..AdmissionSpec::default()
        });
        let messages = errors.unwrap_err().into_iter().map(|error| error.message);
        assert_eq!(messages.collect::<Vec<_>>(), [said]);
    }
}
