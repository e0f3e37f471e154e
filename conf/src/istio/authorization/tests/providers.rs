//! Providers of MeshConfig, asked by CUSTOM policies.

use std::time::Duration;

use policy::authoriser::{Authoriser, OnError, Service};
use policy::destination::{UpstreamProtocol, UpstreamTls};

use super::*;

const CUSTOM: &str = "action: CUSTOM\nprovider: { name: opa }\nrules: [{}]";

/// A CUSTOM policy, and MeshConfig with this provider at the fourteenth line.
fn with(provider: &str) -> String {
    format!(
        "{}---
apiVersion: v1
kind: ConfigMap
metadata: {{ name: istio, namespace: istio-system }}
data:
  mesh: |-
    extensionProviders:
    - name: unasked
      envoyExtAuthzGrpc: {{ service: x.svc, port: 1, includeRequestBodyInCheck: {{}} }}
    - name: opa
      {provider}
",
        policy(CUSTOM)
    )
}

fn authoriser(provider: &str) -> (Authoriser, policy::destination::Upstream) {
    let snapshot = snapshot(&with(provider));
    let [authoriser] = snapshot.admission().authorisers() else {
        panic!("{provider}");
    };
    let upstream = usize::try_from(authoriser.upstream.0).unwrap();
    let upstream = snapshot.admission().upstreams()[upstream].clone();
    (authoriser.clone(), upstream)
}

fn words(names: &[policy::authoriser::FieldNames]) -> String {
    let words: Vec<String> = names.iter().map(ToString::to_string).collect();
    words.join(" ")
}

#[test]
fn a_provider_is_an_authoriser() {
    let (http, upstream) = authoriser(
        "envoyExtAuthzHttp: { service: policy/opa.policy.svc.cluster.local, port: 8000, timeout: 2s, pathPrefix: /check/, statusOnError: '503', includeRequestHeadersInCheck: [x-team-*], headersToUpstreamOnAllow: [x-user], headersToDownstreamOnDeny: [location] }",
    );
    assert_eq!(&*http.name, "opa");
    assert_eq!(
        http.service,
        Service::Http {
            prefix: "/check".into()
        }
    );
    assert_eq!(
        (http.timeout, http.on_error),
        (Duration::from_secs(2), OnError::Deny(503))
    );
    assert_eq!(words(&http.told), "authorization x-team-*");
    assert_eq!(words(&http.upstream_fields), "x-user");
    assert_eq!(words(&http.denial_fields), "location");
    assert_eq!(upstream.port, 8000);
    assert_eq!(
        (upstream.tls, upstream.protocol),
        (UpstreamTls::Off, UpstreamProtocol::Http1)
    );
    // A service of the cluster; a cloud's metadata is none.
    assert!(upstream.reach.admits("10.96.0.7".parse().unwrap()));
    assert!(!upstream.reach.admits("169.254.169.254".parse().unwrap()));
    assert!(!upstream.reach.admits("100.100.100.200".parse().unwrap()));

    let (grpc, upstream) =
        authoriser("envoyExtAuthzGrpc: { service: opa.example, port: 9000, failOpen: true }");
    assert_eq!(grpc.service, Service::Grpc);
    assert_eq!(
        (grpc.timeout, grpc.on_error),
        (Duration::from_secs(600), OnError::Allow)
    );
    assert_eq!(words(&grpc.told), "*");
    assert_eq!(upstream.protocol, UpstreamProtocol::Http2);
    assert!(!upstream.reach.admits("10.96.0.7".parse().unwrap()));

    let (plain, _) = authoriser("envoyExtAuthzHttp: { service: opa.example, port: 80 }");
    assert_eq!(plain.on_error, OnError::Deny(403));
    assert_eq!(
        (words(&plain.upstream_fields), words(&plain.denial_fields)),
        (String::new(), "*".into())
    );
}

#[test]
fn requests_are_referred_to_it() {
    let snapshot = snapshot(&with(
        "envoyExtAuthzGrpc: { service: opa.example, port: 9000 }",
    ));
    let rules = snapshot.admission().rules();
    let referred = rules.iter().any(|rule| {
        matches!(rule.effect, ::policy::rule::Effect::Refer(to) if to == ::policy::authoriser::AuthoriserRef(0))
    });
    assert!(referred);
}

#[test]
fn what_a_provider_cannot_ask_for_is_refused_at_its_place() {
    let told = |more: &str| {
        let text = with(&format!(
            "envoyExtAuthzHttp: {{ service: opa.example, port: 80, {more} }}"
        ));
        let mut told = problems(&text);
        told.retain(|told| told.contains(" error: "));
        told
    };
    for (more, expected) in [
        (
            "includeRequestBodyInCheck: { maxRequestBytes: 1 }",
            "18:60 error: `includeRequestBodyInCheck` cannot be honoured: authorisers are told of heads alone: delete it",
        ),
        (
            "includeAdditionalHeadersInCheck: { x: y }",
            "18:60 error: `includeAdditionalHeadersInCheck` cannot be honoured: an authoriser is told of the caller's own fields alone: delete it",
        ),
        (
            "headersToDownstreamOnAllow: [x]",
            "18:60 error: `headersToDownstreamOnAllow` cannot be honoured: an authoriser's yes changes no answer: delete it",
        ),
        (
            "statusOnError: '200'",
            "18:75 error: `200` is no number from 400 to 599: write one",
        ),
        (
            "failOpne: true",
            "18:60 error: unknown field `failOpne`: did you mean `failOpen`?",
        ),
    ] {
        assert_eq!(told(more), [expected], "{more}");
    }
    assert_eq!(told("clearRouteCache: false"), [""; 0]);
    let rule = "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: { name: r }\nspec: { host: '*.example', trafficPolicy: { tls: { mode: SIMPLE } } }\n";
    let both = with("envoyExtAuthzHttp: { service: opa.example, port: 80 }") + rule;
    let told = problems(&both);
    assert!(
        told.iter()
            .any(|told| told.contains("which cannot be honoured for a provider")),
        "{told:#?}"
    );
}

#[test]
fn a_native_authoriser_of_the_name_comes_first() {
    let native =
        "---\nversion: 1\nauthorisers: { opa: { grpc: { url: 'https://native.example' } } }\n";
    let text = with("envoyExtAuthzHttp: { service: opa.example, port: 80 }") + native;
    let snapshot = snapshot(&text);
    let [authoriser] = snapshot.admission().authorisers() else {
        panic!("{:?}", snapshot.admission().authorisers());
    };
    assert_eq!(authoriser.service, Service::Grpc);
}
