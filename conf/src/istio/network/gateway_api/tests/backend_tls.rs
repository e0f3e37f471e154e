//! BackendTLSPolicies.

use super::*;

fn upstream_tls(objects: &str, rule: &str) -> Option<TlsPolicy> {
    let snapshot = snapshot(&format!("{GATEWAY}{objects}---\n{}", http_route("r", rule)));
    let destination = snapshot
        .admission()
        .find_destination("edition.cnn.com", Door::gateway(443))
        .unwrap();
    let Action::Forward(weighted) = &destination.routes[0].action else {
        panic!("{:?}", destination.routes[0].action);
    };
    let upstream = &snapshot.admission().upstreams()[weighted[0].upstream.0 as usize];
    match &upstream.tls {
        UpstreamTls::Off => None,
        UpstreamTls::On(policy) => Some(policy.clone()),
    }
}

pub(super) fn backend_tls(target: &str, validation: &str) -> String {
    object(
        "BackendTLSPolicy",
        "tls",
        &format!("  targetRefs: [{target}]\n  validation: {validation}"),
    )
}

#[test]
fn a_backend_tls_policy_says_how_tls_is_spoken() {
    let plain = format!("  - {TO_PLAIN}");
    let hostname = "{ group: networking.istio.io, kind: Hostname, name: edition.cnn.com }";
    let entry = "{ group: networking.istio.io, kind: ServiceEntry, name: cnn, sectionName: plain }";
    let system = "{ hostname: tls.cnn.com, wellKnownCACertificates: System }";
    assert_eq!(upstream_tls("", &plain), None, "the port is plain");
    for target in [hostname, entry] {
        let policy = upstream_tls(&backend_tls(target, system), &plain).unwrap();
        assert_eq!(
            policy.server_name.as_deref(),
            Some("tls.cnn.com"),
            "{target}"
        );
        assert_eq!(policy.names, ["tls.cnn.com".into()]);
        assert_eq!(policy.ca, None);
    }
    // Another section is not meant.
    let other = backend_tls(&entry.replace("plain", "http"), system);
    assert_eq!(upstream_tls(&other, &plain), None);
    // A DestinationRule has the last word, which it need not take.
    let rule = |tls: &str| {
        let rule = object(
            "DestinationRule",
            "d",
            &format!("  host: edition.cnn.com\n  trafficPolicy: {tls}"),
        );
        upstream_tls(&format!("{}{rule}", backend_tls(hostname, system)), &plain)
    };
    assert_eq!(rule("{ tls: { mode: DISABLE } }"), None);
    assert!(rule("{ connectionPool: { tcp: { connectTimeout: 1s } } }").is_some());
    let authorities = "{ hostname: tls.cnn.com, caCertificateRefs: [{ group: '', kind: ConfigMap, name: ca }], subjectAltNames: [{ type: Hostname, hostname: alt.cnn.com }] }";
    let map =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ca }\ndata: { ca.crt: PEM }\n---\n";
    let policy = upstream_tls(
        &format!("{map}{}", backend_tls(hostname, authorities)),
        &plain,
    )
    .unwrap();
    assert_eq!(policy.ca, Some(Pem::Text("PEM\n".into())));
    assert_eq!(policy.names, ["alt.cnn.com".into()]);
}
