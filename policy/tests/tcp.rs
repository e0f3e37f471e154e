//! TCP routes: which applies, where it leads, and what rules are asked; and what
//! CONNECT leads to by them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use policy::canonical::Malformed;
use policy::destination::{
    Carries, Passage, Reach, TcpLead, TcpRoute, Upstream, UpstreamHost, UpstreamProtocol,
    UpstreamRef, UpstreamTls, Weighted,
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

fn passage(host: &str, port: u16, upstream: u32) -> Passage {
    Passage {
        host: HostPattern::parse(host).unwrap(),
        name: host.into(),
        door: Door::mesh(port),
        upstreams: vec![Weighted {
            upstream: UpstreamRef(upstream),
            weight: 1,
        }],
        origin: origin(),
    }
}

/// What CONNECT comes to: host, port, upstream, and what may pass.
fn connected(
    admission: &Admission,
    authority: &str,
    lot: u32,
) -> Result<(String, u16, u32, Carries), Refusal> {
    let caller = admission.caller(None, [192, 0, 2, 1].into());
    let raw = RawTunnel {
        to: To::Authority(authority),
        caller: &caller,
        view: View::Mesh,
        // The proxy's own port is nobody's destination.
        port: 5432,
        time: 0,
    };
    let admitted = admission.admit_tunnel(raw, lot);
    let admitted = admitted.map_err(|refused| refused.refusal)?;
    let (tunnel, plan) = (admitted.tunnel, admitted.plan);
    let (host, port) = (tunnel.host().to_owned(), tunnel.door().port);
    Ok((host, port, plan.upstream().0, plan.carries()))
}

#[test]
fn connect_leads_to_the_host_and_port_it_names_and_no_other() {
    let at = |port| Door::mesh(port);
    let admission = Admission::compile(AdmissionSpec {
        default_policy: DefaultPolicy::Allow,
        passages: vec![passage("*.a.test", 443, 0), passage("*", 8443, 0)],
        tcp: vec![
            TcpRoute {
                door: at(5432),
                ..route(vec![lead("one.test", 0, 1), lead("two.test", 1, 9)])
            },
            TcpRoute {
                door: at(5432),
                from: from("ns:others"),
                ..route(vec![lead("three.test", 1, 1)])
            },
            TcpRoute {
                door: at(5432),
                ..route(vec![lead("three.test", 2, 1)])
            },
            TcpRoute {
                door: at(443),
                ..route(vec![TcpLead {
                    carries: Carries::Tls,
                    ..lead("x.a.test", 2, 1)
                }])
            },
        ],
        upstreams: (0..3).map(|_| upstream(UpstreamTls::Off)).collect(),
        ..AdmissionSpec::default()
    })
    .unwrap();
    let (tls, bytes) = (Carries::Tls, Carries::Bytes);
    let to = |host: &str, port, upstream, carries| Ok((host.to_owned(), port, upstream, carries));
    let malformed = |why| Err(Refusal::Malformed(why));
    for (authority, expected) in [
        ("x.a.test:443", to("x.a.test", 443, 0, tls)),
        ("X.A.TEST.:443", to("x.a.test", 443, 0, tls)),
        ("any.test:8443", to("any.test", 8443, 0, tls)),
        ("a.test:443", Err(Refusal::NoTunnel)),
        ("x.a.test:444", Err(Refusal::NoTunnel)),
        ("x.a.test:5432", Err(Refusal::NoTunnel)),
        // Whatever the lot, of several hosts the one that is named.
        ("one.test:5432", to("one.test", 5432, 0, bytes)),
        ("two.test:5432", to("two.test", 5432, 1, bytes)),
        ("three.test:5432", to("three.test", 5432, 2, bytes)),
        ("four.test:5432", Err(Refusal::NoTunnel)),
        ("one.test:5433", Err(Refusal::NoTunnel)),
        // No wildcard speaks of addresses.
        ("192.0.2.7:8443", Err(Refusal::NoTunnel)),
        ("[2001:db8::1]:8443", Err(Refusal::NoTunnel)),
        ("x.a.test", malformed(Malformed::HostPort)),
        ("x.a.test:", malformed(Malformed::HostPort)),
        ("x.a.test:0", malformed(Malformed::HostPort)),
        ("x.a.test:66000", malformed(Malformed::HostPort)),
        ("x.a.test:0443", malformed(Malformed::HostPort)),
        ("x.a.test:443:443", malformed(Malformed::HostColon)),
        ("u@x.a.test:443", malformed(Malformed::HostDelimiter)),
        ("x.a.test:443/", malformed(Malformed::HostDelimiter)),
        ("0x7f.1:8443", malformed(Malformed::HostIpv4)),
        (":443", malformed(Malformed::HostLength)),
        ("", malformed(Malformed::HostEmpty)),
    ] {
        for lot in [0, u32::MAX] {
            assert_eq!(
                connected(&admission, authority, lot),
                expected,
                "{authority}"
            );
        }
    }
}

#[test]
fn rules_of_connect_are_those_of_tunnels_and_know_its_port() {
    for (what, matcher, permits) in [
        (
            "host",
            Matcher {
                hosts: hosts(&["a.test"]),
                ..Matcher::default()
            },
            true,
        ),
        (
            "port",
            Matcher {
                ports: vec![443],
                ..Matcher::default()
            },
            true,
        ),
        (
            "the proxy's port",
            Matcher {
                ports: vec![5432],
                ..Matcher::default()
            },
            false,
        ),
        (
            "sni",
            Matcher {
                server_names: hosts(&["a.test"]),
                ..Matcher::default()
            },
            true,
        ),
        (
            "path",
            Matcher {
                paths: vec![PathPattern::Any],
                ..Matcher::default()
            },
            false,
        ),
    ] {
        let admission = Admission::compile(AdmissionSpec {
            default_policy: DefaultPolicy::Deny,
            rules: vec![rule(Effect::Allow, matcher)],
            passages: vec![passage("a.test", 443, 0)],
            upstreams: vec![upstream(UpstreamTls::Off)],
            ..AdmissionSpec::default()
        })
        .unwrap();
        let said = connected(&admission, "a.test:443", 0).map(|_| ());
        let expected = if permits {
            Ok(())
        } else {
            Err(Refusal::NotAllowed)
        };
        assert_eq!(said, expected, "{what}");
        // Policy is asked before routes are: nobody learns what there is.
        let other = connected(&admission, "b.test:443", 0).map(|_| ());
        let no = matches!(other, Err(Refusal::NotAllowed | Refusal::NoTunnel));
        assert!(no, "{what}: {other:?}");
    }
}
