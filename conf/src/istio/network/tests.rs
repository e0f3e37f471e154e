//! Routing kinds, from YAML to what becomes of a request.

mod declared;
mod exports;
mod gateways;
mod nowhere;
mod nulls;
mod refused;
mod remarks;
mod resilience;
mod websockets;

use policy::destination::{Action, UpstreamHost, UpstreamTls};
use policy::door::Door;
use policy::{Admission, Next, NoHeaders, RawRequest};

use crate::snapshot::ListenerMode;
use crate::{Environment, Snapshot, SourceFile, compile};

const NATIVE: &str = "version: 1
listeners: [{ port: 443 }, { name: m, as: mesh, mode: plaintext, port: 80 }]
defaults: { policy: allow }
";

/// The objects of Istio's page on TLS origination at an egress gateway.
const GATEWAY: &str = "
apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata: { name: cnn }
spec:
  hosts: [edition.cnn.com]
  ports:
  - { number: 80, name: http, protocol: HTTP }
  - { number: 443, name: https, protocol: HTTPS }
  resolution: DNS
---
apiVersion: networking.istio.io/v1alpha3
kind: Gateway
metadata: { name: istio-egressgateway }
spec:
  selector: { istio: egressgateway }
  servers:
  - port: { number: 443, name: https, protocol: HTTPS }
    hosts: [edition.cnn.com]
    tls: { mode: MUTUAL, serverCertificate: /c, privateKey: /k, caCertificates: /r }
---
";

fn virtual_service(spec: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1alpha3\nkind: VirtualService\nmetadata: {{ name: vs }}\nspec:\n{spec}"
    )
}

pub(super) fn compiled(objects: &str) -> Result<Snapshot, Vec<String>> {
    let files = [
        SourceFile::new("native.yaml", NATIVE),
        SourceFile::new("istio.yaml", objects),
    ];
    compile(&files, &Environment::default()).map_err(|problems| problems.iter().map(told).collect())
}

pub(super) fn told(problem: &crate::Problem) -> String {
    let (line, column) = (problem.origin.line, problem.origin.column);
    format!("{line}:{column} {}: {}", problem.severity, problem.message)
}

pub(super) fn snapshot(objects: &str) -> Snapshot {
    compiled(objects).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// What becomes of `GET http://host/path` that comes in by a door: the upstream,
/// or why there is none.
pub(super) fn ask(snapshot: &Snapshot, door: Door, host: &str, path: &str) -> String {
    let admission = snapshot.admission();
    let caller = admission.caller(None, [127, 0, 0, 1].into());
    let raw = RawRequest {
        method: b"GET",
        authority: host.as_bytes(),
        target: path.as_bytes(),
        headers: &NoHeaders,
        caller: &caller,
        server_name: None,
        view: door.view,
        port: door.port,
        time: 0,
    };
    match admission.admit(raw, 0) {
        Err(refused) => refused.refusal.code().to_owned(),
        Ok(admitted) => match admitted.next {
            Next::Go(plan) => lead(admission, &plan),
            Next::Ask(_) => "asks".to_owned(),
        },
    }
}

fn lead(admission: &Admission, plan: &policy::Plan) -> String {
    let route = admission.route(plan).unwrap();
    let Some(upstream) = plan.upstream() else {
        return match &route.action {
            Action::Respond(respond) => format!("respond {}", respond.status),
            Action::Redirect(redirect) => format!("redirect {}", redirect.status),
            Action::Forward(_) | Action::Hop(_) => "nowhere".to_owned(),
        };
    };
    let upstream = &admission.upstreams()[upstream.0 as usize];
    let scheme = match upstream.tls {
        UpstreamTls::Off => "http",
        UpstreamTls::On(_) => "https",
    };
    match &upstream.host {
        UpstreamHost::Named(name) => format!("{scheme}://{name}:{}", upstream.port),
        UpstreamHost::Requested => format!("{scheme}://(requested):{}", upstream.port),
    }
}

#[test]
fn an_egress_rule_opens_its_hosts_at_its_ports_and_encrypts() {
    let snapshot = snapshot(
        "
apiVersion: config.istio.io/v1alpha2
kind: EgressRule
metadata: { name: googleapis, namespace: default }
spec:
  destination: { service: '*.googleapis.com' }
  ports: [{ port: 443, protocol: https }]
",
    );
    let mesh = |host: &str| ask(&snapshot, Door::mesh(80), host, "/books");
    assert_eq!(mesh("www.googleapis.com:443"), "https://(requested):443");
    assert_eq!(mesh("fcm.googleapis.com:443"), "https://(requested):443");
    assert_eq!(mesh("googleapis.com:443"), "unknown_mesh_host");
    assert_eq!(mesh("www.googleapis.com"), "unknown_mesh_host");
    // Gateways ignored EgressRules.
    let gateway = ask(&snapshot, Door::gateway(443), "www.googleapis.com", "/");
    assert_eq!(gateway, "unknown_host");
    assert!(
        snapshot.admission().passages().is_empty(),
        "it takes plain HTTP"
    );
}

#[test]
fn plain_http_to_a_port_moves_to_another_and_is_encrypted() {
    // Documents 001 and 003.
    let objects = "
apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata: { name: googleapis }
spec:
  hosts: [www.googleapis.com]
  ports:
  - { number: 80, name: http, protocol: HTTP }
  - { number: 443, name: https, protocol: HTTPS }
  resolution: DNS
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: { name: rewrite-port }
spec:
  hosts: [www.googleapis.com]
  http:
  - match: [{ port: 80 }]
    route: [{ destination: { host: www.googleapis.com, port: { number: 443 } } }]
---
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata: { name: originate }
spec:
  host: www.googleapis.com
  trafficPolicy:
    portLevelSettings: [{ port: { number: 443 }, tls: { mode: SIMPLE } }]
";
    let with = snapshot(objects);
    assert_eq!(
        ask(&with, Door::mesh(80), "www.googleapis.com", "/"),
        "https://www.googleapis.com:443"
    );
    // A rule for one port says nothing of the other; the protocol does (F.20).
    let without = snapshot(objects.rsplit_once("---").unwrap().0);
    assert_eq!(
        ask(&without, Door::mesh(80), "www.googleapis.com", "/"),
        "https://www.googleapis.com:443"
    );
    let passages: Vec<_> = without
        .admission()
        .passages()
        .iter()
        .map(|p| (p.door, &*p.name))
        .collect();
    assert_eq!(passages, [(Door::mesh(443), "www.googleapis.com")]);
}

#[test]
fn one_that_routes_only_tls_leaves_http_as_it_was() {
    // Document 003 at its beginning.
    let objects = "
apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata: { name: cnn }
spec:
  hosts: [edition.cnn.com]
  ports:
  - { number: 80, name: http, protocol: HTTP }
  - { number: 443, name: https, protocol: HTTPS }
  resolution: DNS
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: { name: cnn }
spec:
  hosts: [edition.cnn.com]
  tls:
  - match: [{ port: 443, sniHosts: [edition.cnn.com] }]
    route: [{ destination: { host: edition.cnn.com, port: { number: 443 } } }]
";
    let snapshot = snapshot(objects);
    assert_eq!(
        ask(&snapshot, Door::mesh(80), "edition.cnn.com", "/"),
        "http://edition.cnn.com:80"
    );
    let passages = snapshot.admission().passages().iter();
    let passages: Vec<_> = passages.map(|p| (p.door, &*p.name)).collect();
    assert_eq!(passages, [(Door::mesh(443), "edition.cnn.com")]);
}

#[test]
fn what_0_7_wrote_is_read() {
    let objects = "
apiVersion: networking.istio.io/v1alpha3
kind: ExternalService
metadata: { name: google-ext }
spec:
  hosts: [www.google.com]
  ports: [{ number: 443, name: https, protocol: http }]
---
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata: { name: google-ext }
spec:
  name: www.google.com
  trafficPolicy: { tls: { mode: SIMPLE } }
---
apiVersion: networking.istio.io/v1alpha3
kind: ExternalService
metadata: { name: httpbin-ext }
spec:
  hosts: [httpbin.org]
  ports: [{ number: 80, name: http, protocol: http }]
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: { name: httpbin-ext }
spec:
  hosts: [httpbin.org]
  http: [{ timeout: 3s }]
";
    let snapshot = snapshot(objects);
    let mesh = |host: &str| ask(&snapshot, Door::mesh(80), host, "/");
    assert_eq!(mesh("www.google.com:443"), "https://www.google.com:443");
    assert_eq!(mesh("httpbin.org"), "http://httpbin.org:80");
    let destination = snapshot
        .admission()
        .find_destination("httpbin.org", Door::mesh(80))
        .unwrap();
    assert_eq!(
        destination.routes[0].timeout,
        Some(std::time::Duration::from_secs(3))
    );
}

/// The routes of `edition.cnn.com` at the gateway, in YAML.
fn routed(http: &str) -> String {
    let spec =
        format!("  hosts: [edition.cnn.com]\n  gateways: [istio-egressgateway]\n  http:\n{http}");
    format!("{GATEWAY}{}", virtual_service(&spec))
}

const TO_CNN: &str = "route: [{ destination: { host: edition.cnn.com, port: { number: 443 } } }]";

#[test]
fn routes_are_asked_in_order_and_none_behind_one_that_takes_everything() {
    let snapshot = snapshot(&routed(&format!(
        "  - {{ match: [{{ uri: {{ exact: /a }} }}], directResponse: {{ status: 418 }} }}
  - {{ match: [{{ uri: {{ prefix: /pol }} }}], redirect: {{ uri: /x }} }}
  - {{ {TO_CNN} }}
  - {{ match: [{{ uri: {{ exact: /b }} }}], directResponse: {{ status: 419 }} }}
"
    )));
    let cnn = |path: &str| ask(&snapshot, Door::gateway(443), "edition.cnn.com", path);
    assert_eq!(cnn("/a"), "respond 418");
    assert_eq!(cnn("/politics"), "redirect 301");
    assert_eq!(cnn("/b"), "https://edition.cnn.com:443");
    let mut warnings: Vec<_> = snapshot.warnings().iter().map(told).collect();
    warnings.retain(|told| told.contains("warning: "));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("this route is never reached"),
        "{warnings:?}"
    );
}

#[test]
fn catch_alls_of_several_virtual_services_come_last() {
    let other = |name: &str, http: &str| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{ name: {name} }}\nspec:\n  hosts: [edition.cnn.com]\n  gateways: [istio-egressgateway]\n  http: [{http}]\n"
        )
    };
    let snapshot = snapshot(&format!(
        "{GATEWAY}{}{}",
        other("first", &format!("{{ {TO_CNN} }}")).trim_start_matches("---\n"),
        other(
            "second",
            "{ match: [{ uri: { exact: /b } }], directResponse: { status: 418 } }"
        ),
    ));
    let cnn = |path: &str| ask(&snapshot, Door::gateway(443), "edition.cnn.com", path);
    assert_eq!(
        (&*cnn("/b"), &*cnn("/c")),
        ("respond 418", "https://edition.cnn.com:443")
    );
}

#[test]
fn a_route_to_an_undeclared_host_is_answered_503_and_told() {
    let snapshot = snapshot(&routed(
        "  - route: [{ destination: { host: elsewhere.example } }]\n",
    ));
    assert_eq!(
        ask(&snapshot, Door::gateway(443), "edition.cnn.com", "/"),
        "respond 503"
    );
    let warnings: Vec<_> = snapshot.warnings().iter().map(told).collect();
    assert!(
        warnings
            .iter()
            .any(|w| w.contains("no object declares `elsewhere.example`: write a ServiceEntry")),
        "{warnings:?}"
    );
}
