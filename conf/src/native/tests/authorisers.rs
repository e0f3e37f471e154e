//! `authorisers`, and `refer` policies that need them.

use std::time::Duration;

use policy::authoriser::{FieldNames, OnError, Service};
use policy::destination::{UpstreamHost, UpstreamProtocol, UpstreamTls};
use policy::rule::Effect;

use super::{admission, problem, problems};

const POLICY: &str = "policies: [{ name: ask, refer: { path: /a }, to: opa }]\n";

/// An authoriser whose map ends in `more`, and a policy that refers to it.
fn with(more: &str) -> String {
    format!("authorisers: {{ opa: {{ {more} }} }}\n{POLICY}")
}

#[test]
fn an_authoriser_refuses_in_doubt_and_is_told_nothing_that_is_not_listed() {
    let admission = admission(&with("http: { url: 'https://opa.example' }"));
    let [opa] = admission.authorisers() else {
        panic!("{:?}", admission.authorisers())
    };
    assert_eq!(&*opa.name, "opa");
    assert_eq!(opa.on_error, OnError::Deny(403));
    assert_eq!(opa.timeout, Duration::from_millis(500));
    assert_eq!(opa.service, Service::Http { prefix: "".into() });
    assert!(opa.told.is_empty() && opa.upstream_fields.is_empty());
    let upstream = &admission.upstreams()[usize::try_from(opa.upstream.0).unwrap()];
    assert_eq!(upstream.host, UpstreamHost::Named("opa.example".into()));
    assert_eq!(upstream.port, 443);
    assert!(matches!(upstream.tls, UpstreamTls::On(_)));
    assert!(!upstream.reach.admits([10, 0, 0, 1].into()));
    let Effect::Refer(asked) = admission.rules()[0].effect else {
        panic!("{:?}", admission.rules())
    };
    assert_eq!(&*admission.authoriser(asked).unwrap().name, "opa");
}

#[test]
fn every_word_of_an_authoriser_has_its_effect() {
    let admission = admission(&with(
        "grpc: { url: 'http://opa.policy.svc:9191', addresses: [10.1.2.3], connectTimeout: 100ms }, \
         allowAddresses: [10.0.0.0/8], timeout: 2s, onError: allow, headers: ['*'], \
         responseHeaders: [X-User, x-team-*], denialHeaders: ['*-reason']",
    ));
    let opa = &admission.authorisers()[0];
    assert_eq!(
        (&opa.service, opa.on_error, opa.timeout),
        (&Service::Grpc, OnError::Allow, Duration::from_secs(2))
    );
    assert_eq!(opa.told, [FieldNames::Any]);
    let set = [
        FieldNames::Exact("x-user".into()),
        FieldNames::Prefix("x-team-".into()),
    ];
    assert_eq!(opa.upstream_fields, set);
    assert_eq!(opa.denial_fields, [FieldNames::Suffix("-reason".into())]);
    let upstream = &admission.upstreams()[usize::try_from(opa.upstream.0).unwrap()];
    assert_eq!(upstream.protocol, UpstreamProtocol::Http2);
    assert_eq!(upstream.addresses, ["10.1.2.3:9191".parse().unwrap()]);
    assert_eq!(upstream.connect_timeout, Duration::from_millis(100));
    assert_eq!(upstream.tls, UpstreamTls::Off);
}

#[test]
fn prefix_and_port_are_those_of_the_url() {
    for (url, port, prefix) in [
        ("http://opa.example/", 80, ""),
        ("http://opa.example:81/v1/check/", 81, "/v1/check"),
        ("https://OPA.example:8443/v1", 8443, "/v1"),
    ] {
        let admission = admission(&with(&format!("http: {{ url: '{url}' }}")));
        let opa = &admission.authorisers()[0];
        let upstream = &admission.upstreams()[usize::try_from(opa.upstream.0).unwrap()];
        assert_eq!(upstream.port, port, "{url}");
        let expected = Service::Http {
            prefix: prefix.into(),
        };
        assert_eq!(opa.service, expected, "{url}");
    }
}

#[test]
fn mistakes_are_told_where_they_stand() {
    let https = "url: 'https://opa.example'";
    for (more, expected) in [
        ("timeout: 1s", "3:21 error: `http` or `grpc` is missing"),
        (
            "http: { url: 'https://a.example' }, grpc: { url: 'https://a.example' }",
            "3:59 error: `http` and `grpc` exclude each other",
        ),
        (
            "http: { url: opa.example }",
            "3:36 error: `opa.example` is no URL",
        ),
        (
            "http: { url: 'https://a.example/x?y' }",
            "3:36 error: `/x?y` holds a query",
        ),
        (
            "grpc: { url: 'https://a.example/x' }",
            "3:36 error: `/x` has no meaning for gRPC",
        ),
        (
            "http: { url: 'http://a.example', tls: { min: \"1.3\" } }",
            "3:56 error: `http` is plain text",
        ),
        (
            "http: { url: 'https://a.example', tls: off }",
            "3:57 error: `https` is spoken by TLS alone",
        ),
        (
            "http: { url: 'https://10.0.0.1' }",
            "3:29 error: `10.0.0.1` is no name a certificate can show",
        ),
        (
            &*format!("http: {{ {https} }}, onError: allow, status: 503"),
            "3:77 error: `status` is the answer without a word",
        ),
        (
            &*format!("http: {{ {https} }}, status: 200"),
            "3:69 error: `200` is no number from 400 to 599",
        ),
        (
            &*format!("http: {{ {https} }}, headers: [\"a b\"]"),
            "3:71 error: `a b` is no name of a header",
        ),
        (
            &*format!("http: {{ {https} }}, body: 64KiB"),
            "3:61 error: not supported yet: `body`",
        ),
        (
            &*format!("http: {{ {https}, addresses: [10.0.0.1] }}"),
            "3:71 error: `10.0.0.1` is private and never dialled",
        ),
    ] {
        let problems = problems(&with(more));
        // The policy's reference fails with its authoriser.
        assert!(
            problems.first().is_some_and(|p| p.starts_with(expected)),
            "{more}: {problems:#?}"
        );
    }
}

#[test]
fn a_refer_names_an_authoriser_there_is_and_nothing_idle() {
    let authorisers = "authorisers: { opa: { grpc: { url: 'https://opa.example' } } }\n";
    let policy = |policy: &str| problem(&format!("{authorisers}policies: [{{ {policy} }}]\n"));
    for (text, expected) in [
        (
            "refer: { path: /a }",
            "4:12 error: `to` is missing: write such as `to: opa`",
        ),
        (
            "refer: { path: /a }, to: opaa",
            "4:39 error: unknown authoriser `opaa`: did you mean `opa`?",
        ),
        (
            "allow: { path: /a }, to: opa",
            "4:35 error: `to` has no effect here, only a `refer` asks somebody: delete it",
        ),
        (
            "refer: { path: /a }, to: opa, shadow: true",
            "4:44 error: `shadow` has no effect here, in shadow nobody is asked: delete it",
        ),
        (
            "refer: { path: /a }, to: opa, status: 404",
            "4:44 error: `status` has no effect here, only a `deny` answers: delete it",
        ),
    ] {
        assert_eq!(policy(text), expected);
    }
}

#[test]
fn a_gateway_asks_one_authoriser() {
    let told = problem(
        "authorisers:\n  a: { grpc: { url: 'https://a.example' } }\n  b: { grpc: { url: 'https://b.example' } }\n\
         policies:\n  - { refer: { path: /a }, to: a }\n  - { refer: { path: /a }, to: b }\n",
    );
    assert!(
        told.starts_with(
            "8:5 error: a gateway asks one authoriser, and the rule at etc/egress.yaml:7"
        ),
        "{told}"
    );
}
