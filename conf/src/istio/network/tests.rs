//! Routing kinds, from YAML to what becomes of a request.

mod declared;
mod exports;
mod nowhere;
mod nulls;
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

/// Document 004's VirtualService, for `uri` at the gateway.
fn through_gateway(uri: &str) -> String {
    let routes = virtual_service(&format!(
        "  hosts: [edition.cnn.com]
  gateways: [istio-egressgateway, mesh]
  http:
  - match: [{{ gateways: [mesh], port: 80 }}]
    route:
    - destination: {{ host: istio-egressgateway.istio-system.svc.cluster.local, subset: cnn, port: {{ number: 443 }} }}
      weight: 100
  - match: [{{ gateways: [istio-egressgateway], port: 443{uri} }}]
    route: [{{ destination: {{ host: edition.cnn.com, port: {{ number: 443 }} }}, weight: 100 }}]
"
    ));
    format!("{GATEWAY}{routes}")
}

#[test]
fn a_gateway_serves_what_its_virtual_services_route() {
    let all = snapshot(&through_gateway(""));
    let some = snapshot(&through_gateway(", uri: { regex: '/health|/sport' }"));
    for door in [Door::gateway(443), Door::mesh(80)] {
        let cnn = |snapshot: &Snapshot, path: &str| ask(snapshot, door, "edition.cnn.com", path);
        assert_eq!(
            cnn(&all, "/politics"),
            "https://edition.cnn.com:443",
            "{door}"
        );
        assert_eq!(cnn(&some, "/politics"), "no_route", "{door}");
        assert_eq!(
            cnn(&some, "/sport"),
            "https://edition.cnn.com:443",
            "{door}"
        );
        assert_eq!(cnn(&some, "/sport/x"), "no_route", "{door}");
    }
    // The port of the Host is nothing to a gateway.
    let other_port = ask(&all, Door::gateway(443), "edition.cnn.com:80", "/");
    assert_eq!(other_port, "https://edition.cnn.com:443");
    let elsewhere = ask(&all, Door::gateway(8443), "edition.cnn.com", "/");
    assert_eq!(elsewhere, "unknown_host");
}

#[test]
fn without_a_gateway_object_there_is_one_of_our_name_in_every_namespace() {
    let (entry, _) = GATEWAY.split_once("---").unwrap();
    let (_, routes) = through_gateway("")
        .rsplit_once("---\n")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let snapshot = snapshot(&format!("{entry}---\n{routes}"));
    let gateway = ask(&snapshot, Door::gateway(443), "edition.cnn.com", "/");
    assert_eq!(gateway, "https://edition.cnn.com:443");
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

#[test]
fn what_cannot_be_honoured_is_refused_at_its_place() {
    for (http, expected) in [
        (format!("  - {{ {TO_CNN}, mirror: {{ host: x.example }} }}"), "`mirror` cannot be honoured"),
        (format!("  - {{ {TO_CNN}, rewrite: {{ uriRegexRewrite: {{}} }} }}"), "`uriRegexRewrite` cannot be honoured"),
        (format!("  - {{ {TO_CNN}, headers: {{ request: {{ set: {{ x: '%REQ(y)%' }} }} }} }}"), "holds `%`"),
        (format!("  - {{ {TO_CNN}, match: [{{ headers: {{ Host: {{ exact: x }} }} }}] }}"), "write `authority`"),
        (format!("  - {{ {TO_CNN}, math: [] }}"), "unknown field `math`: did you mean `match`?"),
        ("  - { match: [{ uri: { regex: '(?=x)' } }] }".to_owned(), "ECMAScript look-ahead"),
        ("  - { match: [{ uri: { exact: /a, prefix: /b } }] }".to_owned(), "exclude each other"),
        ("  - { route: [{ destination: { host: istio-egressgateway.istio-system.svc.cluster.local, port: { number: 443 } } }] }".to_owned(), "leads from the gateway to the gateway itself"),
    ] {
        let problems = compiled(&routed(&format!("{http}\n"))).unwrap_err();
        assert!(problems.iter().any(|p| p.contains(expected) && p.contains("error")), "{http}: {problems:?}");
    }
}

#[test]
fn keys_come_in_both_spellings_and_each_once() {
    let snake = routed(&format!(
        "  - {{ {TO_CNN}, direct_response: {{ status: 418 }} }}\n"
    ));
    let problems = compiled(&snake).unwrap_err();
    assert!(
        problems
            .iter()
            .any(|p| p.contains("`route` and `directResponse` exclude each other")),
        "{problems:?}"
    );
    let both = routed(&format!(
        "  - {{ {TO_CNN}, match: [{{ ignore_uri_case: true, ignoreUriCase: true }}] }}\n"
    ));
    let problems = compiled(&both).unwrap_err();
    assert!(
        problems
            .iter()
            .any(|p| p.contains("are one field: delete one of them")),
        "{problems:?}"
    );
}

#[test]
fn verification_cannot_be_turned_off() {
    let rule = format!(
        "{}\n---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{ name: r }}\nspec:\n  host: edition.cnn.com\n  trafficPolicy: {{ tls: {{ mode: SIMPLE, insecureSkipVerify: true }} }}\n",
        routed(&format!("  - {{ {TO_CNN} }}"))
    );
    let problems = compiled(&rule).unwrap_err();
    assert!(
        problems.iter().any(|p| p.contains("always verified")),
        "{problems:?}"
    );
}

#[test]
fn objects_that_do_not_apply_are_told_why() {
    let objects = format!(
        "{}---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{ name: other }}
spec:
  selector: {{ istio: ingressgateway }}
  servers: [{{ port: {{ number: 80, name: http, protocol: HTTP }}, hosts: ['*'] }}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{ name: ingress }}
spec: {{ hosts: [shop.example], gateways: [other], http: [{{ route: [{{ destination: {{ host: shop }} }}] }}] }}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{ name: hidden, namespace: elsewhere }}
spec: {{ hosts: [hidden.example], exportTo: ['.'], ports: [{{ number: 80, name: http, protocol: HTTP }}], resolution: DNS }}
",
        routed(&format!("  - {{ {TO_CNN} }}\n"))
    );
    let snapshot = snapshot(&objects);
    let notes: Vec<_> = snapshot
        .warnings()
        .iter()
        .map(|p| p.message.clone())
        .collect();
    for expected in [
        "this Gateway is another one's: it selects `istio: ingressgateway`, which is no label of ours",
        "VirtualService ingress.default names the gateways `other`, none of which is this one: passed over",
        "this ServiceEntry is not exported to `istio-system`, the gateway's namespace: passed over",
    ] {
        assert!(
            notes.iter().any(|note| note == expected),
            "{expected}: {notes:?}"
        );
    }
}

#[test]
fn gateways_say_what_is_listened_on_where_no_native_document_does() {
    let gateway = |servers: &str| {
        let text = format!(
            "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{ name: g }}\nspec:\n  selector: {{ istio: egressgateway }}\n  servers:\n{servers}"
        );
        compile(&[SourceFile::new("g.yaml", text)], &Environment::default())
    };
    let server = |port: u16, protocol: &str, mode: &str| {
        let tls = match mode {
            "" => String::new(),
            mode => format!(", tls: {{ mode: {mode} }}"),
        };
        format!(
            "  - {{ port: {{ number: {port}, name: p, protocol: {protocol} }}, hosts: [a.example]{tls} }}\n"
        )
    };
    let all = server(443, "HTTPS", "ISTIO_MUTUAL")
        + &server(8443, "TLS", "PASSTHROUGH")
        + &server(80, "HTTP", "");
    let snapshot = gateway(&all).unwrap();
    let modes: Vec<_> = snapshot
        .settings()
        .listeners
        .iter()
        .map(|l| (l.port, l.mode))
        .collect();
    assert_eq!(
        modes,
        [
            (443, ListenerMode::MutualTls),
            (8443, ListenerMode::Passthrough),
            (80, ListenerMode::Plaintext),
        ]
    );
    let both = server(443, "HTTPS", "ISTIO_MUTUAL") + &server(443, "TLS", "PASSTHROUGH");
    let problems = gateway(&both).unwrap_err();
    assert!(
        problems
            .iter()
            .any(|p| p.message.contains("give one of them another port")),
        "{problems:?}"
    );
}

#[test]
fn where_istio_verifies_less_is_told_at_the_object() {
    let rule = |tls: &str| {
        format!(
            "{}---\napiVersion: networking.istio.io/v1alpha3\nkind: DestinationRule\nmetadata: {{ name: r }}\nspec:\n  host: edition.cnn.com\n  trafficPolicy:\n    tls: {tls}\n",
            routed(&format!("  - {{ {TO_CNN} }}\n"))
        )
    };
    let none = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: { name: s }\nspec: { hosts: [a.example], ports: [{ number: 80, name: http, protocol: HTTP }] }\n";
    let egress = "apiVersion: config.istio.io/v1alpha2\nkind: EgressRule\nmetadata: { name: e }\nspec: { destination: { service: a.example }, ports: [{ port: 443, protocol: https }] }\n";
    for (objects, expected) in [
        (rule("{ mode: SIMPLE }"), Some("without `caCertificates`")),
        (rule("{ mode: SIMPLE }").replace("v1alpha3", "v1"), None),
        (
            routed(&format!("  - {{ {TO_CNN} }}\n")),
            Some("the port of `edition.cnn.com` is declared as one of TLS"),
        ),
        (
            rule("{ mode: SIMPLE, sni: x.example }"),
            Some("must be for `x.example`"),
        ),
        (rule("{ mode: SIMPLE, caCertificates: /ca.pem }"), None),
        (rule("{ mode: DISABLE }"), None),
        (none.to_owned(), Some("`resolution: NONE`")),
        (none.replace("spec: {", "spec: { resolution: DNS,"), None),
        (
            egress.to_owned(),
            Some("`https` was encrypted without verifying"),
        ),
        (egress.replace("https", "http"), None),
    ] {
        let snapshot = snapshot(&objects);
        let remarks = snapshot.warnings().iter().map(told);
        let purposes: Vec<_> = remarks
            .filter(|r| r.contains("different on purpose"))
            .collect();
        match expected {
            None => assert_eq!(purposes, [""; 0], "{objects}"),
            Some(expected) => assert!(
                matches!(purposes.as_slice(), [only] if only.contains(expected)),
                "{objects}: {purposes:?}"
            ),
        }
    }
}

#[test]
fn a_hop_does_not_lead_around_rules_on_the_gateways_port() {
    let policy = |ports: &str| {
        format!(
            "{}---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{ name: p, namespace: istio-system }}\nspec: {{ action: DENY, rules: [{{ to: [{{ operation: {{ ports: ['{ports}'] }} }}] }}] }}\n",
            through_gateway("")
        )
    };
    let refused = snapshot(&policy("443"));
    for door in [Door::mesh(80), Door::gateway(443)] {
        assert_eq!(
            ask(&refused, door, "edition.cnn.com", "/"),
            "denied",
            "{door}"
        );
    }
    let other = snapshot(&policy("444"));
    assert_eq!(
        ask(&other, Door::mesh(80), "edition.cnn.com", "/"),
        "https://edition.cnn.com:443"
    );
}

#[test]
fn a_known_kind_of_an_unknown_group_is_an_error() {
    let object = |version: &str, kind: &str| {
        format!(
            "apiVersion: {version}\nkind: {kind}\nmetadata: {{ name: p }}\nspec: {{ action: DENY, rules: [{{}}] }}\n"
        )
    };
    for (version, kind, expected) in [
        (
            "security.istio.oi/v1",
            "AuthorizationPolicy",
            "`AuthorizationPolicy` is no kind of `security.istio.oi`: write `security.istio.io/…` in `apiVersion`",
        ),
        (
            "security.isto.io/v1",
            "AuthorizationPolicy",
            "`AuthorizationPolicy` is no kind of `security.isto.io`: write `security.istio.io/…` in `apiVersion`",
        ),
        (
            "v1",
            "AuthorizationPolicy",
            "`AuthorizationPolicy` is no kind of Kubernetes itself: write `security.istio.io/…` in `apiVersion`",
        ),
        (
            "gateway.networking.x-k8s.io/v1",
            "HTTPRoute",
            "`HTTPRoute` is no kind of `gateway.networking.x-k8s.io`: write `gateway.networking.k8s.io/…` in `apiVersion`",
        ),
    ] {
        let problems = compiled(&object(version, kind)).unwrap_err();
        assert_eq!(problems, [format!("2:7 error: {expected}")]);
    }
    // Others have kinds of that name.
    compiled(&object("kyverno.io/v1", "Policy")).unwrap();
}

/// As with kubectl, so that a policy is not nobody's.
#[test]
fn an_empty_namespace_is_none() {
    let policy = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: p, namespace: '' }\nspec: { action: DENY, rules: [{}] }\n";
    let files = [
        SourceFile::new("native.yaml", NATIVE),
        SourceFile::new("istio.yaml", policy),
    ];
    let environment = Environment {
        namespace: Some("istio-system".to_owned()),
        ..Environment::default()
    };
    let snapshot = compile(&files, &environment).unwrap();
    let told = ask(&snapshot, Door::gateway(443), "edition.cnn.com", "/");
    assert_eq!(told, "denied");
}
