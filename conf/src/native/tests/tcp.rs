//! `tcp`: what it means, and every mistake.

use policy::destination::{Carries, UpstreamHost, UpstreamTls};

use super::{admission, compiled, problems};
use crate::SourceFile;

/// Each route as `door[ sni][ from] lead:port*weight carries[ tls] …`.
fn routes(text: &str) -> Vec<String> {
    let admission = admission(text);
    let told = admission.tcp_routes().iter().map(|route| {
        let mut line = route.door.to_string();
        for name in &route.server_names {
            line += &format!(" sni={name}");
        }
        if !route.from.is_empty() {
            line += &format!(" from={}", route.from.len());
        }
        for lead in &route.leads {
            let upstream = &admission.upstreams()[lead.upstream.0 as usize];
            let UpstreamHost::Named(name) = &upstream.host else {
                panic!("{upstream:?}");
            };
            let carries = match lead.carries {
                Carries::Bytes => "bytes",
                Carries::Tls => "tls",
            };
            let tls = match upstream.tls {
                UpstreamTls::Off => "",
                UpstreamTls::On(_) => " encrypted",
            };
            let (host, port, weight) = (&lead.host, upstream.port, lead.weight);
            line += &format!(" {host}={name}:{port}*{weight} {carries}{tls}");
        }
        line
    });
    told.collect()
}

#[test]
fn a_route_leads_to_its_host_at_the_port_callers_come_to_or_where_it_says() {
    for (text, expected) in [
        (
            "{ host: db.test, at: gateway:5432 }",
            &["gateway:5432 db.test=db.test:5432*1 bytes"][..],
        ),
        (
            "{ host: DB.test, at: [gateway:5432, mesh:5432], sni: ['*.a.test', b.test], from: sa:ns/a }",
            &[
                "gateway:5432 sni=*.a.test sni=b.test from=1 db.test=db.test:5432*1 bytes",
                "mesh:5432 sni=*.a.test sni=b.test from=1 db.test=db.test:5432*1 bytes",
            ],
        ),
        (
            "{ host: db.test, at: gateway:5432, upstream: { host: other.test, port: 6432, tls: on } }",
            &["gateway:5432 db.test=other.test:6432*1 bytes encrypted"],
        ),
        (
            "{ host: a.test, at: gateway:443 }",
            &["gateway:443 a.test=a.test:443*1 tls"],
        ),
        (
            "{ host: a.test, at: gateway:443, carries: bytes }",
            &["gateway:443 a.test=a.test:443*1 bytes"],
        ),
        (
            "{ host: a.test, at: gateway:443, upstream: { tls: { sni: b.test } } }",
            &["gateway:443 a.test=a.test:443*1 bytes encrypted"],
        ),
        (
            "{ host: a.test, at: gateway:8883, carries: tls, to: [{ weight: 3 }, { host: b.test, carries: bytes, upstream: { port: 1 } }] }",
            &["gateway:8883 a.test=a.test:8883*3 tls b.test=b.test:1*1 bytes"],
        ),
    ] {
        assert_eq!(routes(&format!("tcp: [{text}]\n")), expected, "{text}");
    }
}

#[test]
fn a_route_has_the_addresses_it_is_given_and_allowed() {
    let text = "tcp:
  - host: db.test
    at: gateway:5432
    allowAddresses: [10.0.0.0/8]
    upstream: { addresses: [10.0.0.1], connectTimeout: 1s }
";
    let admission = admission(text);
    let upstream = &admission.upstreams()[0];
    assert_eq!(upstream.addresses[0].to_string(), "10.0.0.1:5432");
    assert_eq!(upstream.connect_timeout.as_secs(), 1);
}

#[test]
fn a_rule_on_a_host_that_only_a_tcp_route_serves_is_no_slip() {
    let text = "tcp: [{ host: db.test, at: gateway:5432 }]
policies: [{ allow: { host: db.test } }]
";
    let snapshot = super::snapshot(text);
    assert_eq!(snapshot.warnings().len(), 0, "{:?}", snapshot.warnings());
}

#[test]
fn a_route_that_cannot_be_meant_is_refused() {
    for (text, expected) in [
        (
            "{ at: gateway:1 }",
            "4:5 error: `host` is missing: write such as `host: db.example.com`",
        ),
        (
            "{ host: '*.a.test', at: gateway:1 }",
            "4:13 error: `*.a.test` is a pattern where one name belongs: write such as `api.example.com`",
        ),
        (
            "{ host: a.test }",
            "4:5 error: `at` is missing: write such as `at: gateway:5432`",
        ),
        (
            "{ host: a.test, at: gateway:1, upstream: {}, to: [{}] }",
            "4:46 error: `to` and `upstream` exclude each other: delete one of them",
        ),
        (
            "{ host: a.test, at: gateway:1, to: [{ weight: 0 }] }",
            "4:40 error: all weights are 0, so nothing is served: write a weight above 0",
        ),
        (
            "{ host: a.test, at: gateway:1, sni: [] }",
            "4:36 error: `sni` is an empty list: write an entry, or delete the key",
        ),
        (
            "{ host: a.test, at: gateway:1, carries: tls, upstream: { tls: on } }",
            "4:5 error: the application brings its own TLS here: write `tls: off` for the upstream",
        ),
        (
            "{ host: a.test, at: gateway:1, upstream: { addresses: 127.0.0.1 } }",
            "4:59 error: `127.0.0.1` is loopback and never dialled: write `allowAddresses: [127.0.0.1]` in the destination",
        ),
    ] {
        let said = problems(&format!("tcp:\n  - {text}\n"));
        assert_eq!(said, [expected], "{text}");
    }
}

#[test]
fn another_way_round_the_bytes_is_refused() {
    for (listener, expected) in [
        ("mode: tcp, tls: simple", "write `mutual` or `off`"),
        ("mode: mtls, tls: off", "unknown field `tls`"),
        (
            "mode: tcp, tls: off, hosts: a.test",
            "`hosts` has no effect here",
        ),
    ] {
        let text = format!("version: 1\nlisteners: [{{ port: 1, {listener} }}]\n");
        let said = compiled(&[SourceFile::new("f", text)]).unwrap_err();
        assert!(said[0].contains(expected), "{said:?}");
    }
}
