//! Gateway API, from YAML to what becomes of a request.

mod attachment;
mod backend_tls;
mod refused;

use policy::destination::{Action, Fault, Pem, TlsPolicy, UpstreamTls};
use policy::door::Door;

use super::super::tests::{ask, compiled, snapshot, told};
use crate::Snapshot;

/// Istio's page on egress gateways, with Gateway API: the entry, and a Gateway
/// whose address is this gateway's Service.
const GATEWAY: &str = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: cnn }
spec:
  hosts: [edition.cnn.com]
  ports:
  - { number: 80, name: http, protocol: HTTP }
  - { number: 443, name: https, protocol: HTTPS }
  - { number: 8080, name: plain, protocol: HTTP }
  resolution: DNS
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: cnn-egress-gateway, annotations: { networking.istio.io/service-type: ClusterIP } }
spec:
  gatewayClassName: istio
  addresses: [{ type: Hostname, value: istio-egressgateway.istio-system.svc.cluster.local }]
  listeners:
  - name: https-listener-for-cnn
    hostname: edition.cnn.com
    port: 443
    protocol: HTTPS
    tls:
      mode: Terminate
      options: { gateway.istio.io/tls-terminate-mode: ISTIO_MUTUAL }
    allowedRoutes: { namespaces: { from: Same } }
---
";

const TO_CNN: &str = "backendRefs: [{ group: networking.istio.io, kind: Hostname, name: edition.cnn.com, port: 443 }]";
const TO_PLAIN: &str = "backendRefs: [{ group: networking.istio.io, kind: Hostname, name: edition.cnn.com, port: 8080 }]";

fn object(kind: &str, name: &str, spec: &str) -> String {
    let group = match kind {
        "ServiceEntry" | "VirtualService" | "DestinationRule" => "networking.istio.io",
        _ => "gateway.networking.k8s.io",
    };
    format!(
        "apiVersion: {group}/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec:\n{spec}\n---\n"
    )
}

/// An HTTPRoute of the Gateway with these rules.
fn http_route(name: &str, rules: &str) -> String {
    let spec = format!(
        "  parentRefs: [{{ name: cnn-egress-gateway }}]\n  hostnames: [edition.cnn.com]\n  rules:\n{rules}"
    );
    object("HTTPRoute", name, &spec)
}

fn routed(rules: &str) -> Snapshot {
    snapshot(&format!("{GATEWAY}{}", http_route("r", rules)))
}

fn cnn(snapshot: &Snapshot, path: &str) -> String {
    ask(snapshot, Door::gateway(443), "edition.cnn.com", path)
}

fn warnings(snapshot: &Snapshot) -> Vec<String> {
    snapshot.warnings().iter().map(told).collect()
}

#[test]
fn istios_page_on_egress_gateways_leads_through_both_views() {
    let objects = format!(
        "{GATEWAY}{}{}",
        object(
            "HTTPRoute",
            "direct-cnn-to-egress-gateway",
            "  parentRefs: [{ kind: ServiceEntry, group: networking.istio.io, name: cnn }]
  rules:
  - backendRefs: [{ name: istio-egressgateway, namespace: istio-system, port: 443 }]",
        ),
        http_route("forward-cnn-from-egress-gateway", &format!("  - {TO_CNN}")),
    );
    let granted = format!(
        "{objects}
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {{ name: g, namespace: istio-system }}
spec:
  from: [{{ group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: default }}]
  to: [{{ group: '', kind: Service, name: istio-egressgateway }}]
"
    );
    let with = snapshot(&granted);
    for door in [Door::gateway(443), Door::mesh(80)] {
        let led = ask(&with, door, "edition.cnn.com", "/politics");
        assert_eq!(led, "https://edition.cnn.com:443", "{door}");
    }
    let other = ask(&with, Door::gateway(443), "www.example.com", "/");
    assert_eq!(other, "unknown_host");
    // What a namespace keeps is not another's to lead to.
    let without = snapshot(&objects);
    let led = ask(&without, Door::mesh(80), "edition.cnn.com", "/politics");
    assert_eq!(led, "respond 500");
    let told = warnings(&without);
    assert!(
        told.iter()
            .any(|w| w.contains("does not grant it: write a ReferenceGrant there")),
        "{told:?}"
    );
}

#[test]
fn the_most_specific_match_wins_whatever_the_order() {
    let rule = |matched: &str, status: u16| {
        format!(
            "  - matches: [{matched}]\n    filters: [{{ type: RequestRedirect, requestRedirect: {{ statusCode: {status}, hostname: x.example }} }}]\n"
        )
    };
    let rules = [
        format!("  - {TO_CNN}\n"),
        rule("{ path: { type: RegularExpression, value: '/s.*' } }", 301),
        rule("{ path: { value: /sport } }", 302),
        rule("{ path: { value: /sport/tennis } }", 303),
        rule("{ path: { value: /sport }, method: GET }", 307),
        rule("{ path: { type: Exact, value: /sport/x } }", 308),
    ];
    let reversed: String = rules.iter().rev().cloned().collect();
    for rules in [rules.concat(), reversed] {
        let snapshot = routed(&rules);
        for (path, expected) in [
            ("/sport/x", "redirect 308"),
            ("/sport/tennis/wimbledon", "redirect 303"),
            ("/sport", "redirect 307"),
            ("/sport/x/y", "redirect 307"),
            // A prefix takes whole segments.
            ("/sports", "redirect 301"),
            ("/politics", "https://edition.cnn.com:443"),
        ] {
            assert_eq!(cnn(&snapshot, path), expected, "{path}");
        }
    }
    // The same holds across objects.
    let two = snapshot(&format!(
        "{GATEWAY}{}{}",
        http_route("a", &format!("  - {TO_CNN}")),
        http_route("b", &rule("{ path: { value: /sport } }", 302)),
    ));
    assert_eq!(cnn(&two, "/sport"), "redirect 302");
    assert_eq!(cnn(&two, "/x"), "https://edition.cnn.com:443");
}

#[test]
fn more_headers_then_more_parameters_come_first() {
    let rule = |matched: &str, status: u16| {
        format!(
            "  - matches: [{matched}]\n    filters: [{{ type: RequestRedirect, requestRedirect: {{ statusCode: {status} , hostname: x.example }} }}]\n"
        )
    };
    let snapshot = routed(
        &[
            rule("{ queryParams: [{ name: a, value: b }] }", 301),
            rule("{ headers: [{ name: X-A, value: b }] }", 302),
            rule(
                "{ headers: [{ name: X-A, value: b }], queryParams: [{ name: a, value: b }] }",
                303,
            ),
            rule("{ method: DELETE }", 307),
        ]
        .concat(),
    );
    let destination = snapshot
        .admission()
        .find_destination("edition.cnn.com", Door::gateway(443))
        .unwrap();
    let order: Vec<_> = destination
        .routes
        .iter()
        .map(|route| match &route.action {
            Action::Redirect(redirect) => redirect.status,
            _ => 0,
        })
        .collect();
    assert_eq!(order, [307, 303, 302, 301]);
    assert_eq!(cnn(&snapshot, "/?a=b"), "redirect 301");
    assert_eq!(cnn(&snapshot, "/?a=bc"), "no_route");
}

#[test]
fn filters_change_what_is_sent() {
    let snapshot = routed(&format!(
        "  - matches: [{{ path: {{ value: /old/ }} }}]
    filters:
    - {{ type: RequestHeaderModifier, requestHeaderModifier: {{ set: [{{ name: X-A, value: '1' }}], add: [{{ name: x-b, value: '2' }}], remove: [x-c] }} }}
    - {{ type: ResponseHeaderModifier, responseHeaderModifier: {{ remove: [server] }} }}
    - {{ type: URLRewrite, urlRewrite: {{ hostname: www.cnn.com, path: {{ type: ReplacePrefixMatch, replacePrefixMatch: /new }} }} }}
    timeouts: {{ request: 3s }}
    retry: {{ attempts: 1 }}
    {TO_CNN}
"
    ));
    let destination = snapshot
        .admission()
        .find_destination("edition.cnn.com", Door::gateway(443))
        .unwrap();
    let route = &destination.routes[0];
    let path = route.changes().rewrite.path.as_ref().unwrap();
    assert_eq!(path.apply("/old"), "/new");
    assert_eq!(path.apply("/old/x"), "/new/x");
    assert_eq!(route.changes().rewrite.host.as_deref(), Some("www.cnn.com"));
    assert_eq!(
        route.changes().headers.request.set,
        [("x-a".into(), "1".into())]
    );
    assert_eq!(
        route.changes().headers.request.add,
        [("x-b".into(), "2".into())]
    );
    assert_eq!(route.changes().headers.request.remove, ["x-c".into()]);
    assert_eq!(route.changes().headers.response.remove, ["server".into()]);
    assert_eq!(route.timeout, Some(std::time::Duration::from_secs(3)));
    assert_eq!(route.retries.attempts, 1);
    assert_eq!(cnn(&snapshot, "/older"), "no_route");
}

#[test]
fn a_reference_that_leads_nowhere_is_answered_500_for_its_share() {
    let nowhere =
        "{ group: networking.istio.io, kind: Hostname, name: elsewhere.example, port: 443 }";
    let alone = routed(&format!("  - backendRefs: [{nowhere}]\n"));
    assert_eq!(cnn(&alone, "/"), "respond 500");
    let told = warnings(&alone);
    assert!(
        told.iter().any(|w| w.contains("no object declares `elsewhere.example` with port 443: write a ServiceEntry: until then its requests are answered 500")),
        "{told:?}"
    );
    let shared = routed(&format!(
        "  - backendRefs: [{nowhere}, {{ group: networking.istio.io, kind: Hostname, name: edition.cnn.com, port: 443, weight: 3 }}]\n"
    ));
    let destination = shared
        .admission()
        .find_destination("edition.cnn.com", Door::gateway(443))
        .unwrap();
    let fault = &destination.routes[0].changes().fault;
    let Fault {
        abort: Some((share, 500)),
        delay: None,
    } = fault
    else {
        panic!("{fault:?}");
    };
    assert!((share.as_percent() - 25.0).abs() < 1e-9);
    for rule in [
        "  - backendRefs: [{ group: networking.istio.io, kind: Hostname, name: edition.cnn.com, port: 443, weight: 0 }]\n",
        "  - backendRefs: [{ group: networking.istio.io, kind: Hostname, name: edition.cnn.com, port: 444 }]\n",
        "  - backendRefs: [{ group: networking.istio.io, kind: ServiceEntry, name: cnn, port: 443 }]\n",
        "  - backendRefs: [{ name: shop, port: 80 }]\n",
        "  - name: empty\n",
    ] {
        assert_eq!(cnn(&routed(rule), "/"), "respond 500", "{rule}");
    }
}

#[test]
fn a_tls_route_passes_what_its_listener_leaves_alone() {
    let listener = GATEWAY
        .replace("protocol: HTTPS\n    tls:", "protocol: TLS\n    tls:")
        .replace("mode: Terminate", "mode: Passthrough");
    let spec = |more: &str| {
        format!(
            "  parentRefs: [{{ name: cnn-egress-gateway }}]\n  hostnames: [edition.cnn.com]\n  rules: [{{ {TO_CNN} }}]{more}"
        )
    };
    let passing = snapshot(&format!("{listener}{}", object("TLSRoute", "t", &spec(""))));
    let passages = passing.admission().passages();
    let names: Vec<_> = passages.iter().map(|p| (p.door, &*p.name)).collect();
    assert!(
        names.contains(&(Door::gateway(443), "edition.cnn.com")),
        "{names:?}"
    );
    // An HTTPRoute has nothing to read there.
    let http = snapshot(&format!(
        "{listener}{}",
        http_route("r", &format!("  - {TO_CNN}"))
    ));
    assert_eq!(cnn(&http, "/"), "unknown_host");
    let nowhere = spec("").replace(
        "name: edition.cnn.com, port",
        "name: elsewhere.example, port",
    );
    let nowhere = snapshot(&format!("{listener}{}", object("TLSRoute", "t", &nowhere)));
    let gateway = nowhere
        .admission()
        .passages()
        .iter()
        .any(|p| p.door == Door::gateway(443));
    assert!(!gateway);
}
