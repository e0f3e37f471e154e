//! TCP routes: which applies, where it leads, and what rules are asked.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use policy::destination::{
    Carries, Reach, TcpLead, TcpRoute, Upstream, UpstreamHost, UpstreamProtocol, UpstreamRef,
    UpstreamTls,
};
use policy::door::{Door, View};
use policy::expr::Expr;
use policy::origin::Origin;
use policy::pattern::{HostPattern, PathPattern};
use policy::principal::Principal;
use policy::refusal::Refusal;
use policy::rule::{Answer, DefaultPolicy, Effect, Enforcement, Matcher, Rule, Template};
use policy::source::SourcePattern;
use policy::{Admission, AdmissionSpec, RawTunnel, To};

const DOOR: Door = Door {
    view: View::Gateway,
    port: 5432,
};

fn origin() -> Arc<Origin> {
    Arc::new(Origin::new("test.yaml", 1, 1))
}

fn hosts(texts: &[&str]) -> Vec<HostPattern> {
    let parsed = texts.iter().map(|text| HostPattern::parse(text).unwrap());
    parsed.collect()
}

fn from(text: &str) -> Vec<SourcePattern> {
    SourcePattern::parse(text, &["td".into()]).unwrap()
}

fn upstream(tls: UpstreamTls) -> Upstream {
    Upstream {
        host: UpstreamHost::Requested,
        port: 5432,
        addresses: Vec::new(),
        tls,
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

fn lead(host: &str, upstream: u32, weight: u32) -> TcpLead {
    TcpLead {
        host: host.into(),
        carries: Carries::Bytes,
        upstream: UpstreamRef(upstream),
        weight,
    }
}

fn route(leads: Vec<TcpLead>) -> TcpRoute {
    TcpRoute {
        door: DOOR,
        server_names: Vec::new(),
        from: Vec::new(),
        leads,
        origin: origin(),
    }
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

fn compile(tcp: Vec<TcpRoute>, rules: Vec<Rule>, default: DefaultPolicy) -> Admission {
    Admission::compile(AdmissionSpec {
        default_policy: default,
        rules,
        tcp,
        upstreams: (0..3).map(|_| upstream(UpstreamTls::Off)).collect(),
        ..AdmissionSpec::default()
    })
    .unwrap()
}

/// The host and upstream of a connection of `account`, or why there is none.
fn asked(
    admission: &Admission,
    account: Option<&str>,
    server_name: Option<&str>,
    door: Door,
    lot: u32,
) -> Result<(String, u32), Refusal> {
    let name = |account| Principal::from_name(&format!("td/ns/{account}/sa/it")).unwrap();
    let address: IpAddr = [192, 0, 2, 1].into();
    let caller = admission.caller(account.map(name), address);
    let raw = RawTunnel {
        to: To::Port { server_name },
        caller: &caller,
        view: door.view,
        port: door.port,
        time: 0,
    };
    assert!(admission.goes_by_port(raw), "no server name leads anywhere");
    let admitted = admission.admit_tunnel(raw, lot);
    admitted
        .map(|admitted| {
            (
                admitted.tunnel.host().to_owned(),
                admitted.plan.upstream().0,
            )
        })
        .map_err(|refused| refused.refusal)
}

#[test]
fn the_first_route_that_applies_leads() {
    let admission = compile(
        vec![
            TcpRoute {
                server_names: hosts(&["a.test", "*.a.test"]),
                ..route(vec![lead("a.test", 0, 1)])
            },
            TcpRoute {
                from: from("ns:one"),
                ..route(vec![lead("b.test", 1, 1)])
            },
            TcpRoute {
                from: from("ip:198.51.100.0/24"),
                ..route(vec![lead("c.test", 2, 1)])
            },
        ],
        Vec::new(),
        DefaultPolicy::Allow,
    );
    let to = |host: &str, upstream| Ok((host.to_owned(), upstream));
    for (account, name, door, expected) in [
        (Some("two"), Some("a.test"), DOOR, to("a.test", 0)),
        (Some("two"), Some("x.a.test"), DOOR, to("a.test", 0)),
        (None, Some("a.test"), DOOR, to("a.test", 0)),
        (Some("one"), Some("b.test"), DOOR, to("b.test", 1)),
        (Some("one"), None, DOOR, to("b.test", 1)),
        (Some("two"), None, DOOR, Err(Refusal::UnknownPassage)),
        (None, None, DOOR, Err(Refusal::UnknownPassage)),
        (
            Some("one"),
            None,
            Door::gateway(5433),
            Err(Refusal::UnknownPassage),
        ),
        (
            Some("one"),
            None,
            Door::mesh(5432),
            Err(Refusal::UnknownPassage),
        ),
    ] {
        let said = asked(&admission, account, name, door, 0);
        assert_eq!(said, expected, "{account:?} {name:?} {door}");
    }
}

#[test]
fn hosts_are_drawn_by_weight_and_policy_is_asked_about_the_one_drawn() {
    let routes = vec![route(vec![lead("a.test", 0, 3), lead("b.test", 1, 1)])];
    let to_a = Matcher {
        hosts: hosts(&["a.test"]),
        ..Matcher::default()
    };
    let admission = compile(routes, vec![rule(Effect::Allow, to_a)], DefaultPolicy::Deny);
    let first = asked(&admission, Some("one"), None, DOOR, u32::MAX / 2);
    assert_eq!(first, Ok(("a.test".to_owned(), 0)));
    let last = asked(&admission, Some("one"), None, DOOR, u32::MAX);
    assert_eq!(last, Err(Refusal::NotAllowed));
}

/// Keys, and whether each holds where it permits and where it refuses.
fn keys() -> Vec<(&'static str, Matcher, bool, bool)> {
    let with = |change: &dyn Fn(&mut Matcher)| {
        let mut matcher = Matcher::default();
        change(&mut matcher);
        matcher
    };
    let expr = |text: &str| with(&|m| m.expr = Some(Arc::new(Expr::cexl(text).unwrap())));
    vec![
        ("host", with(&|m| m.hosts = hosts(&["db.test"])), true, true),
        (
            "other host",
            with(&|m| m.hosts = hosts(&["x.test"])),
            false,
            false,
        ),
        (
            "from",
            with(&|m| m.from = from("ns:one").into()),
            true,
            true,
        ),
        (
            "ip",
            with(&|m| m.from = from("ip:192.0.2.0/24").into()),
            true,
            true,
        ),
        (
            "other",
            with(&|m| m.from = from("ns:two").into()),
            false,
            false,
        ),
        ("port", with(&|m| m.listener_ports = vec![5432]), true, true),
        (
            "other port",
            with(&|m| m.listener_ports = vec![443]),
            false,
            false,
        ),
        (
            "sni",
            with(&|m| m.server_names = hosts(&["outer.test"])),
            true,
            true,
        ),
        // The host is no server name here.
        (
            "sni as host",
            with(&|m| m.server_names = hosts(&["db.test"])),
            false,
            false,
        ),
        (
            "path",
            with(&|m| m.paths = vec![PathPattern::Any]),
            false,
            true,
        ),
        ("protocol", expr(r#"context.protocol == "tcp""#), true, true),
        (
            "service",
            expr(r#"destination.service.host == "db.test""#),
            true,
            true,
        ),
        (
            "expr sni",
            expr(r#"connection.requested_server_name == "outer.test""#),
            true,
            true,
        ),
        ("expr path", expr(r#"request.path == "/""#), false, true),
    ]
}

#[test]
fn keys_of_http_never_permit_and_always_refuse() {
    let deny = || {
        Effect::Deny(Answer {
            status: 403,
            body: Template::default(),
        })
    };
    for (what, matcher, permits, refuses) in keys() {
        let verdict = |effect, default| {
            let routes = vec![route(vec![lead("db.test", 0, 1)])];
            let admission = compile(routes, vec![rule(effect, matcher.clone())], default);
            asked(&admission, Some("one"), Some("outer.test"), DOOR, 0).is_ok()
        };
        assert_eq!(
            verdict(Effect::Allow, DefaultPolicy::Deny),
            permits,
            "allow: {what}"
        );
        assert_eq!(
            verdict(deny(), DefaultPolicy::Allow),
            !refuses,
            "deny: {what}"
        );
    }
}

#[test]
fn a_route_that_leads_nowhere_or_into_tls_twice_does_not_compile() {
    let tls = TcpLead {
        carries: Carries::Tls,
        ..lead("a.test", 1, 1)
    };
    for (leads, said) in [
        (Vec::new(), Some("this leads nowhere: name an upstream")),
        (
            vec![lead("a.test", 7, 1)],
            Some("the upstream named here does not exist"),
        ),
        (
            vec![tls],
            Some("the application brings its own TLS here: write `tls: off` for the upstream"),
        ),
        (vec![lead("a.test", 1, 1)], None),
    ] {
        let compiled = Admission::compile(AdmissionSpec {
            tcp: vec![route(leads)],
            upstreams: vec![
                upstream(UpstreamTls::Off),
                upstream(UpstreamTls::On(Default::default())),
            ],
            ..AdmissionSpec::default()
        });
        let messages = compiled.err().unwrap_or_default();
        let messages = messages.iter().map(|error| &*error.message);
        assert_eq!(messages.collect::<Vec<_>>(), Vec::from_iter(said));
    }
}
