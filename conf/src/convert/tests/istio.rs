//! Istio's objects and the native format made of them decide alike.

use super::*;

const BOTH_VIEWS: &str = "version: 1
listeners:
  - { name: gateway, port: 443 }
  - { name: mesh, as: mesh, mode: plaintext, port: 80 }
defaults: { policy: allow }
authorisers: { opa: { grpc: { url: 'https://opa.example:8443' } } }
";

macro_rules! documents {
    ($($name:literal)*) => {
        [$(SourceFile::new(
            concat!("istio/", $name),
            include_str!(concat!("../../../examples/istio/", $name)),
        ),)*]
    };
}

fn beside_native(objects: &[SourceFile]) -> Vec<SourceFile> {
    let native = SourceFile::new("native.yaml", BOTH_VIEWS);
    std::iter::once(native)
        .chain(objects.iter().cloned())
        .collect()
}

#[test]
fn the_documents_decide_the_same_when_they_are_converted() {
    for objects in [
        documents!["document-000-egress-rule.yaml" "document-000-route-rule.yaml"].to_vec(),
        documents!["document-001-passthrough.yaml"].to_vec(),
        documents!["document-001-tls-origination.yaml"].to_vec(),
        documents!["document-002-google.yaml" "document-002-httpbin.yaml" "document-002-timeout.yaml"].to_vec(),
        documents!["document-003-tls-origination.yaml"].to_vec(),
        documents!["document-004-egress-gateway.yaml" "document-004-plain-routing.yaml" "document-004-mixer-logging.yaml"].to_vec(),
        documents!["document-004-egress-gateway.yaml" "document-004-regex-routing.yaml" "document-004-mixer-logging.yaml"].to_vec(),
        documents!["document-004-egress-gateway.yaml" "document-004-plain-routing.yaml" "document-004-mixer-logging.yaml" "document-004-list-checker.yaml" "document-004-list-rule.yaml"].to_vec(),
        documents!["document-004-egress-gateway.yaml" "document-004-plain-routing.yaml" "document-004-mixer-logging.yaml" "document-004-list-checker.yaml" "document-004-exemption.yaml"].to_vec(),
    ] {
        assert_converts(&beside_native(&objects));
    }
}

#[test]
fn gateways_alone_convert_to_their_listeners() {
    assert_converts(
        &documents!["document-004-egress-gateway.yaml" "document-004-plain-routing.yaml"],
    );
}

const POLICIES: &str = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: readers, namespace: istio-system }
spec:
  action: ALLOW
  rules:
  - from:
    - source: { principals: ['*/sa/sleep', cluster.local/ns/ops/*], notNamespaces: [blocked] }
    - source: { namespaces: ['*-prod'], ipBlocks: [10.0.0.0/8] }
    to:
    - operation: { hosts: ['*.cnn.com', 'edition.cnn.com:443'], paths: [/health*, '/a/{*}/b'], notPaths: [/health/secret], methods: [GET, HEAD] }
    when:
    - { key: 'request.headers[x-team]', values: [red, 'blue*'] }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: never, namespace: istio-system }
spec:
  action: DENY
  rules:
  - from: [{ source: { notPrincipals: [cluster.local/ns/default/sa/sleep] } }]
    to: [{ operation: { paths: [/politics*] } }]
  - when: [{ key: connection.sni, values: ['*.evil.example'] }]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: watch, namespace: istio-system }
spec: { action: AUDIT, rules: [{ to: [{ operation: { methods: [POST] } }] }] }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: trial, namespace: istio-system, annotations: { istio.io/dry-run: 'true' } }
spec: { action: DENY, rules: [{ to: [{ operation: { hosts: [edition.cnn.com] } }] }] }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: asked, namespace: istio-system }
spec: { action: CUSTOM, provider: { name: opa }, rules: [{ to: [{ operation: { paths: [/sport*] } }] }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: more }
spec:
  hosts: [edition.cnn.com]
  gateways: [istio-egressgateway]
  http:
  - match:
    - { uri: { prefix: /pol }, withoutHeaders: { x-debug: {} }, queryParams: { q: { exact: '1' } } }
    - { uri: { exact: /A }, ignoreUriCase: true, method: { regex: 'P.*' } }
    rewrite: { uri: /new }
    timeout: 2s
    fault: { delay: { percentage: { value: 12.5 }, fixedDelay: 1s }, abort: { percentage: { value: 1 }, httpStatus: 503 } }
    headers: { request: { set: { x-a: b }, remove: [cookie] }, response: { add: { x-c: d } } }
    route:
    - { destination: { host: edition.cnn.com, port: { number: 443 } }, weight: 90 }
    - { destination: { host: edition.cnn.com, port: { number: 80 } }, weight: 10 }
  - match: [{ uri: { prefix: /old } }]
    redirect: { uri: /elsewhere, authority: www.cnn.com, redirectCode: 308 }
  - match: [{ headers: { x-stop: { prefix: now } } }]
    directResponse: { status: 418, body: { string: 'no: \"tea\"' } }
";

#[test]
fn policies_and_routes_of_every_form_decide_the_same() {
    let mut objects = documents!["document-004-egress-gateway.yaml"].to_vec();
    objects.push(SourceFile::new("istio/policies.yaml", POLICIES));
    assert_converts(&beside_native(&objects));
}
