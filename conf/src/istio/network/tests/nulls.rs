//! What a template has rendered empty: `null` where a route asks, or answers.

use super::compiled;

/// A VirtualService of `a.example` with these routes, at line 4.
fn routed(spec: &str) -> String {
    object(
        "networking.istio.io/v1",
        "VirtualService",
        &format!("hosts: [a.example], {spec}"),
    )
}

fn object(version: &str, kind: &str, spec: &str) -> String {
    format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{ name: n }}\nspec: {{ {spec} }}\n")
}

#[test]
fn what_would_widen_without_its_value_is_an_error() {
    const TO_A: &str = "route: [{ destination: { host: a.example } }]";
    let api = |kind, spec: &str| object("gateway.networking.k8s.io/v1", kind, spec);
    for (objects, key) in [
        (routed("http: [{ directResponse: }]"), "directResponse"),
        (routed("http: [{ redirect: }]"), "redirect"),
        (routed("http: [{ route: }]"), "route"),
        (routed(&format!("http: [{{ match: , {TO_A} }}]")), "match"),
        (
            routed(&format!("http: [{{ match: [{{ uri: }}], {TO_A} }}]")),
            "uri",
        ),
        (
            routed(&format!(
                "http: [{{ match: [{{ uri: {{ prefix: }} }}], {TO_A} }}]"
            )),
            "prefix",
        ),
        (
            routed("http: [{ route: [{ destination: { host: a.example, subset: } }] }]"),
            "subset",
        ),
        (routed("http: "), "http"),
        (
            routed(&format!("gateways: , http: [{{ {TO_A} }}]")),
            "gateways",
        ),
        (
            routed(&format!("export_to: , http: [{{ {TO_A} }}]")),
            "export_to",
        ),
        (
            routed(&format!(
                "tls: [{{ match: [{{ sniHosts: [a.example], port: }}], {TO_A} }}]"
            )),
            "port",
        ),
        (
            routed(&format!(
                "tcp: [{{ match: [{{ sourceSubnet: }}], {TO_A} }}]"
            )),
            "sourceSubnet",
        ),
        (
            object(
                "networking.istio.io/v1",
                "DestinationRule",
                "host: a.example, trafficPolicy: { tls: { mode: SIMPLE, caCertificates: } }",
            ),
            "caCertificates",
        ),
        (
            api(
                "HTTPRoute",
                "parentRefs: [{ name: g, sectionName: }], rules: [{ backendRefs: [] }]",
            ),
            "sectionName",
        ),
        (
            api(
                "HTTPRoute",
                "parentRefs: [{ name: g }], rules: [{ matches: [{ path: { value: } }] }]",
            ),
            "value",
        ),
        (
            api(
                "HTTPRoute",
                "parentRefs: [{ name: g }], hostnames: , rules: [{ matches: }]",
            ),
            "hostnames",
        ),
        (
            api(
                "ReferenceGrant",
                "from: [{ kind: HTTPRoute, namespace: a }], to: [{ kind: Service, name: }]",
            ),
            "name",
        ),
    ] {
        let told = compiled(&objects).map(|_| ()).expect_err(&objects);
        let expected = format!("error: `{key}` has no value: write one, or delete the key");
        assert!(
            told.iter().any(|told| told.ends_with(&expected)),
            "{objects}: {told:?}"
        );
    }
}

/// Elsewhere it is as if it were not written, as with Kubernetes.
#[test]
fn what_does_not_widen_may_be_without_its_value() {
    compiled(&routed(
        "http: [{ name: , timeout: , headers: , directResponse: { status: 404, body: } }]",
    ))
    .unwrap();
}
