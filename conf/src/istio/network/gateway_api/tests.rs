//! Gateway API, from YAML to what becomes of a request.

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

/// A Gateway of that name and namespace, of that class, with these addresses.
fn other_gateway(metadata: &str, class: &str, more: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {metadata}
spec:
  gatewayClassName: {class}
  {more}
  listeners: [{{ name: http, port: 8080, protocol: HTTP, allowedRoutes: {{ namespaces: {{ from: All }} }} }}]
---
"
    )
}

#[test]
fn a_gateway_is_ours_by_its_address_or_by_its_name() {
    let (entry, _) = GATEWAY.split_once("---").unwrap();
    for (metadata, class, more, ours) in [
        (
            "{ name: istio-egressgateway, namespace: istio-system }",
            "istio",
            "",
            true,
        ),
        (
            "{ name: istio-egressgateway, namespace: istio-system }",
            "egret",
            "",
            true,
        ),
        (
            "{ name: istio-egressgateway, namespace: istio-system }",
            "nginx",
            "",
            false,
        ),
        (
            "{ name: istio-egressgateway, namespace: elsewhere }",
            "istio",
            "",
            false,
        ),
        ("{ name: x, namespace: istio-system }", "istio", "", false),
        (
            "{ name: x, namespace: istio-system }",
            "istio",
            "addresses: [{ type: Hostname, value: istio-egressgateway }]",
            true,
        ),
        (
            "{ name: x, namespace: elsewhere }",
            "istio",
            "addresses: [{ type: Hostname, value: istio-egressgateway }]",
            false,
        ),
        (
            "{ name: x, namespace: elsewhere }",
            "istio-waypoint",
            "addresses: [{ type: Hostname, value: istio-egressgateway.istio-system.svc.cluster.local }]",
            false,
        ),
        (
            "{ name: istio-egressgateway, namespace: istio-system }",
            "istio",
            "addresses: [{ value: 192.0.2.1, type: IPAddress }]",
            false,
        ),
    ] {
        let route = object(
            "HTTPRoute",
            "r",
            &format!(
                "  parentRefs: [{metadata}]\n  hostnames: [edition.cnn.com]\n  rules: [{{ {TO_CNN} }}]"
            ),
        );
        let snapshot = snapshot(&format!(
            "{entry}---\n{}{route}",
            other_gateway(metadata, class, more)
        ));
        let led = ask(&snapshot, Door::gateway(8080), "edition.cnn.com", "/");
        let expected = if ours {
            "https://edition.cnn.com:443"
        } else {
            "unknown_host"
        };
        assert_eq!(led, expected, "{metadata} {class} {more}");
        let told = warnings(&snapshot);
        let noted = told
            .iter()
            .any(|w| w.contains("note: this Gateway is another one's: "));
        assert_eq!(noted, !ours, "{told:?}");
    }
}

#[test]
fn a_route_attaches_where_a_listener_takes_it() {
    let attach = |parent: &str, hosts: &str, namespace: &str| {
        format!(
            "{GATEWAY}apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{ name: r, namespace: {namespace} }}\nspec: {{ parentRefs: [{parent}], hostnames: [{hosts}], rules: [{{ {TO_CNN} }}] }}\n"
        )
    };
    let own = "name: cnn-egress-gateway, namespace: default";
    for (parent, hosts, namespace, why) in [
        (
            "{ name: cnn-egress-gateway }",
            "edition.cnn.com",
            "default",
            None,
        ),
        (
            "{ name: cnn-egress-gateway, sectionName: https-listener-for-cnn }",
            "'*.cnn.com'",
            "default",
            None,
        ),
        (
            "{ name: cnn-egress-gateway, port: 443 }",
            "'*.cnn.com'",
            "default",
            None,
        ),
        (
            "{ name: cnn-egress-gateway, port: 80 }",
            "edition.cnn.com",
            "default",
            Some("no listener of the Gateway `cnn-egress-gateway` takes this route"),
        ),
        (
            "{ name: cnn-egress-gateway, sectionName: x }",
            "edition.cnn.com",
            "default",
            Some("no listener of the Gateway"),
        ),
        (
            "{ name: cnn-egress-gateway }",
            "www.cnn.com",
            "default",
            Some("no `hostname` of the Gateway `cnn-egress-gateway` is one of this route"),
        ),
        (
            &format!("{{ {own} }}"),
            "edition.cnn.com",
            "other",
            Some("no listener of the Gateway"),
        ),
        (
            "{ name: nobody }",
            "edition.cnn.com",
            "default",
            Some("there is no Gateway `nobody` in `default`"),
        ),
        (
            "{ kind: Service, group: '', name: shop }",
            "edition.cnn.com",
            "default",
            Some(
                "HTTPRoute r.default attaches to the Service `shop`, which says nothing to a gateway",
            ),
        ),
    ] {
        let snapshot = snapshot(&attach(parent, hosts, namespace));
        let led = cnn(&snapshot, "/");
        let told = warnings(&snapshot);
        match why {
            None => assert_eq!(
                led, "https://edition.cnn.com:443",
                "{parent} {hosts}: {told:?}"
            ),
            Some(why) => {
                assert_eq!(led, "unknown_host", "{parent} {hosts}");
                assert!(told.iter().any(|w| w.contains(why)), "{why}: {told:?}");
            }
        }
        // Nothing leaves by a host that the listener does not serve.
        let beside = ask(&snapshot, Door::gateway(443), "www.cnn.com", "/");
        assert_eq!(beside, "unknown_host", "{parent} {hosts}");
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

fn backend_tls(target: &str, validation: &str) -> String {
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

#[test]
fn what_cannot_be_honoured_is_refused_at_its_place() {
    let filter =
        |filter: &str| http_route("r", &format!("  - filters: [{filter}]\n    {TO_CNN}\n"));
    let hostname = "{ group: networking.istio.io, kind: Hostname, name: edition.cnn.com }";
    for (object, place, expected) in [
        (
            filter("{ type: RequestMirror, requestMirror: { backendRef: { name: x } } }"),
            "36:38",
            "`requestMirror` cannot be honoured",
        ),
        (
            filter("{ type: CORS, cors: {} }"),
            "36:29",
            "`cors` cannot be honoured",
        ),
        (
            filter("{ type: ExternalAuth, externalAuth: {} }"),
            "36:37",
            "`externalAuth` cannot be honoured",
        ),
        (
            filter("{ type: ExtensionRef, extensionRef: {} }"),
            "36:37",
            "`extensionRef` cannot be honoured",
        ),
        (
            filter("{ type: URLRewrite }"),
            "36:15",
            "is written under `urlRewrite`: write it",
        ),
        (filter("{ type: Other }"), "36:23", "unknown word `Other`"),
        (
            filter(
                "{ type: RequestRedirect, requestRedirect: { path: { type: ReplacePrefixMatch, replacePrefixMatch: /x } } }",
            ),
            "36:65",
            "not supported yet: `ReplacePrefixMatch` of a redirection",
        ),
        (
            filter("{ type: RequestRedirect, requestRedirect: {} }"),
            "37:5",
            "`backendRefs` and `RequestRedirect` exclude each other",
        ),
        (
            filter(
                "{ type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: host, value: x }] } }",
            ),
            "36:85",
            "`host` is no field to change",
        ),
        (
            http_route(
                "r",
                &format!(
                    "  - matches: [{{ path: {{ type: Exact, value: /x }} }}]\n    filters: [{{ type: URLRewrite, urlRewrite: {{ path: {{ type: ReplacePrefixMatch, replacePrefixMatch: /y }} }} }}]\n    {TO_CNN}\n"
                ),
            ),
            "36:15",
            "needs a match of type `PathPrefix`",
        ),
        (
            http_route(
                "r",
                &format!(
                    "  - matches: [{{ path: {{ type: RegularExpression, value: '(?=x)' }} }}]\n    {TO_CNN}\n"
                ),
            ),
            "36:58",
            "look-ahead",
        ),
        (
            http_route(
                "r",
                &format!(
                    "  - matches: [{{ headers: [{{ name: Host, value: x }}] }}]\n    {TO_CNN}\n"
                ),
            ),
            "36:35",
            "`Host` is no header to match, since callers may write it in many ways: write `hostnames`",
        ),
        (
            http_route("r", &format!("  - match: []\n    {TO_CNN}\n")),
            "36:5",
            "unknown field `match`: write `",
        ),
        (
            http_route(
                "r",
                &format!("  - sessionPersistence: {{}}\n    {TO_CNN}\n"),
            ),
            "36:5",
            "`sessionPersistence` cannot be honoured",
        ),
        (
            backend_tls(hostname, "{ hostname: a.example }"),
            "34:15",
            "whom to trust is missing",
        ),
        (
            backend_tls(
                hostname,
                "{ hostname: a.example, caCertificateRefs: [{ kind: Secret, name: ca }] }",
            ),
            "34:58",
            "there is no Secret `ca` in `default` that holds `ca.crt`",
        ),
        (
            backend_tls(
                hostname,
                "{ hostname: a.example, wellKnownCACertificates: System, subjectAltNames: [{ type: URI, uri: 'spiffe://x' }] }",
            ),
            "34:102",
            "identity of a workload",
        ),
        (
            backend_tls(
                "{ group: apps, kind: Deployment, name: x }",
                "{ hostname: a.example, wellKnownCACertificates: System }",
            ),
            "33:16",
            "a `Deployment` of `apps` is no upstream",
        ),
    ] {
        let problems = compiled(&format!("{GATEWAY}{object}")).unwrap_err();

        let found = problems
            .iter()
            .any(|p| p.starts_with(&format!("{place} error: ")) && p.contains(expected));
        assert!(found, "{place} {expected}: {problems:#?}");
    }
}

#[test]
fn listeners_that_would_know_nobody_are_refused() {
    for (from, to, expected) in [
        (
            "      options: { gateway.istio.io/tls-terminate-mode: ISTIO_MUTUAL }\n",
            "",
            "asks callers for no certificate",
        ),
        (
            "protocol: HTTPS\n    tls:",
            "protocol: TLS\n    tls:",
            "write `tls: { mode: Passthrough }`",
        ),
        (
            "mode: Terminate",
            "mode: Passthrough",
            "a listener of HTTPS ends TLS",
        ),
        (
            "protocol: HTTPS\n    tls:",
            "protocol: TCP\n    tls:",
            "not supported yet: this protocol",
        ),
        (
            "from: Same",
            "from: Selector, selector: { matchLabels: { team: a } }",
            "labels of namespaces are not known here",
        ),
    ] {
        let changed = GATEWAY.replace(from, to);
        assert_ne!(changed, GATEWAY);
        let problems = compiled(changed.trim_end_matches("---\n")).unwrap_err();
        assert!(
            problems.iter().any(|p| p.contains(expected)),
            "{expected}: {problems:?}"
        );
    }
    let named = GATEWAY.replace(
        "from: Same",
        "from: Selector, selector: { matchLabels: { kubernetes.io/metadata.name: default } }",
    );
    let snapshot = snapshot(&format!(
        "{named}{}",
        http_route("r", &format!("  - {TO_CNN}"))
    ));
    assert_eq!(cnn(&snapshot, "/"), "https://edition.cnn.com:443");
}

#[test]
fn a_route_of_another_namespace_is_for_its_own_callers() {
    let objects = format!(
        "{GATEWAY}apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{ name: consumer, namespace: shop }}
spec:
  parentRefs: [{{ group: networking.istio.io, kind: ServiceEntry, name: cnn, namespace: default, sectionName: plain }}]
  rules: [{{ {TO_CNN} }}]
"
    );
    let snapshot = snapshot(&objects);
    let admission = snapshot.admission();
    let destination = admission
        .find_destination("edition.cnn.com", Door::mesh(8080))
        .unwrap();
    let from = &destination.routes[0].matchers[0].from;
    assert!(format!("{from:?}").contains("Exact(\"shop\")"), "{from:?}");
    // Nobody is known at a plain listener, so the route is nobody's.
    assert_eq!(
        ask(&snapshot, Door::mesh(8080), "edition.cnn.com:8080", "/"),
        "no_route"
    );
}
