//! What was probably meant by what leads nowhere.

use policy::door::Door;

use super::{ask, compiled, snapshot, told};
use crate::{Environment, SourceFile, compile};

const ENTRY: &str = "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: a }
spec: { hosts: [a.example], ports: [{ number: 80, name: http, protocol: HTTP }], resolution: DNS }
---
";

fn gateway(namespace: &str, selector: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{ name: istio-egressgateway, namespace: {namespace} }}
spec: {{ selector: {{ {selector} }}, servers: [{{ port: {{ number: 443, name: https, protocol: HTTPS }}, hosts: [a.example], tls: {{ mode: ISTIO_MUTUAL }} }}] }}
---
"
    )
}

fn routed(gateways: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{ name: v }}
spec: {{ hosts: [a.example], gateways: [{gateways}], http: [{{ route: [{{ destination: {{ host: a.example }} }}] }}] }}
---
"
    )
}

/// What is told of an object that begins at the twelfth line, where the
/// configuration is taken.
fn remarks(objects: &str, about: &str) -> Vec<String> {
    let snapshot = snapshot(objects);
    let told = snapshot.warnings().iter().map(told);
    told.filter(|told| told.contains(about)).collect()
}

#[test]
fn a_misspelt_gateway_is_pointed_out() {
    let ours = "istio: egressgateway";
    for (namespace, gateways, expected) in [
        (
            "default",
            "istio-egressgatway",
            "`istio-egressgatway`: did you mean `istio-egressgateway`?",
        ),
        (
            "istio-system",
            "istio-egressgateway",
            "`istio-egressgateway`: did you mean `istio-system/istio-egressgateway`?",
        ),
        (
            "istio-system",
            "istio-system/istio-egresgateway",
            "`istio-system/istio-egresgateway`: did you mean `istio-system/istio-egressgateway`?",
        ),
    ] {
        let objects = format!("{ENTRY}{}{}", gateway(namespace, ours), routed(gateways));
        let expected = format!("13:19 warning: there is no Gateway {expected}");
        assert_eq!(remarks(&objects, "there is no Gateway"), [expected]);
        assert_eq!(remarks(&objects, "none of which is this one"), [""; 0]);
    }
    let none = format!("{ENTRY}{}", routed("istio-egresgateway"));
    assert_eq!(
        remarks(&none, "did you mean `istio-egressgateway`?").len(),
        1
    );
    for gateways in [
        "istio-egressgateway",
        "default/istio-egressgateway",
        "another",
        "mesh",
    ] {
        let objects = format!("{ENTRY}{}{}", gateway("default", ours), routed(gateways));
        assert_eq!(
            remarks(&objects, "there is no Gateway"),
            [""; 0],
            "{gateways}"
        );
    }
}

#[test]
fn a_misspelt_selector_is_pointed_out() {
    let about = |selector: &str| {
        let objects = format!("{ENTRY}{}", gateway("default", selector));
        remarks(&objects, "is no label of ours")
    };
    for (selector, meant) in [
        ("istio: egress-gateway", "istio: egressgateway"),
        ("istoi: egressgateway", "istio: egressgateway"),
        ("app: istio-egresgateway", "app: istio-egressgateway"),
    ] {
        let expected = format!(
            "8:19 warning: this Gateway selects `{selector}`, which is no label of ours: did you mean `{meant}`?"
        );
        assert_eq!(about(selector), [expected]);
    }
    for selector in [
        "istio: ingressgateway",
        "app: istio-ingressgateway",
        "istio: other",
    ] {
        let expected = format!(
            "8:19 note: this Gateway is another one's: it selects `{selector}`, which is no label of ours"
        );
        assert_eq!(about(selector), [expected]);
    }
    assert_eq!(about("istio: egressgateway"), [""; 0]);
}

#[test]
fn without_a_gateway_of_ours_it_is_said_how_to_claim_one() {
    let told = |selector: &str| {
        let file = SourceFile::new("f", gateway("default", selector) + ENTRY);
        let problems = compile(&[file], &Environment::default())
            .err()
            .unwrap_or_default();
        let errors = problems
            .iter()
            .map(told)
            .filter(|told| told.contains(" error: "));
        errors.collect::<Vec<_>>()
    };
    let [error] = told("istio: other").try_into().unwrap();
    assert!(
        error.starts_with("3:19 error: no Gateway is this gateway's"),
        "{error}"
    );
    assert_eq!(told("istio: egressgateway"), [""; 0]);
}

#[test]
fn the_service_that_istio_makes_of_our_gateway_object_is_ours() {
    let object = |class: &str, addresses: &str| {
        format!(
            "{ENTRY}apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{ name: egress, namespace: istio-system }}
spec: {{ gatewayClassName: {class}, {addresses} listeners: [{{ name: http, port: 80, protocol: HTTP }}] }}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{ name: v }}
spec: {{ hosts: [a.example], http: [{{ route: [{{ destination: {{ host: egress-istio.istio-system.svc.cluster.local, port: {{ number: 80 }} }} }}] }}] }}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{ name: r, namespace: istio-system }}
spec:
  parentRefs: [{{ name: egress }}]
  hostnames: [a.example]
  rules: [{{ backendRefs: [{{ group: networking.istio.io, kind: Hostname, name: a.example, port: 80 }}] }}]
---
version: 1
gateway: {{ name: egress }}
"
        )
    };
    let asked = |class: &str, addresses: &str| {
        let snapshot = snapshot(&object(class, addresses));
        ask(&snapshot, Door::mesh(80), "a.example", "/")
    };
    assert_eq!(asked("istio", ""), "http://a.example:80");
    for (class, addresses) in [
        ("istio-waypoint", ""),
        (
            "istio",
            "addresses: [{ value: b.istio-system.svc.cluster.local }],",
        ),
    ] {
        assert_eq!(
            asked(class, addresses),
            "respond 503",
            "{class} {addresses}"
        );
    }
}

#[test]
fn one_mistake_is_told_once() {
    let secret = "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: r }
spec: { host: a.example, trafficPolicy: { tls: { mode: MUTUAL, credentialName: gone } } }
";
    let hostnames = "apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: { name: t }
spec:
  parentRefs: [{ group: networking.istio.io, kind: ServiceEntry, name: a }]
  rules: [{ backendRefs: [{ group: networking.istio.io, kind: Hostname, name: a.example, port: 80 }] }]
";
    for (object, expected) in [
        (
            secret,
            "9:80 error: there is no Secret `gone` in `istio-system`, the gateway's namespace: write it, or name files",
        ),
        (
            hostnames,
            "10:3 error: `hostnames` is missing: write such as `hostnames: [edition.cnn.com]`",
        ),
    ] {
        let problems = compiled(&format!("{ENTRY}{object}")).unwrap_err();
        assert_eq!(problems, [expected]);
    }
}

#[test]
fn words_have_a_case_and_protocols_have_none() {
    let errors = |resolution: &str, protocol: &str| {
        let text = ENTRY.replace("DNS", resolution).replace("HTTP", protocol);
        let mut told = compiled(&text).err().unwrap_or_default();
        told.retain(|told| told.contains(" error: "));
        told
    };
    for protocol in ["HTTP", "http", "Http", "0"] {
        assert_eq!(errors("DNS", protocol), [""; 0], "{protocol}");
    }
    assert_eq!(errors("2", "HTTP"), [""; 0]);
    let told = "4:94 error: unknown word `dns`: did you mean `DNS`?";
    assert_eq!(errors("dns", "HTTP"), [told]);
}

#[test]
fn lists_of_one_kind_are_lists() {
    let list = |kind: &str, items: &str| {
        compiled(&format!("{ENTRY}apiVersion: v1\nkind: {kind}\n{items}\n"))
    };
    let misspelt = "items:\n- apiVersion: networking.istio.io/v1\n  kind: ServiceEntry\n  metadata: { name: b }\n  spec: { hots: [] }\n";
    for kind in ["List", "ServiceEntryList"] {
        let problems = list(kind, misspelt).unwrap_err();
        assert!(
            problems
                .iter()
                .any(|told| told.contains("did you mean `hosts`?")),
            "{problems:#?}"
        );
        for items in ["items: []", "items:"] {
            let snapshot = list(kind, items).unwrap();
            let told: Vec<_> = snapshot.warnings().iter().map(told).collect();
            assert_eq!(told.len(), 1, "{told:#?}");
            assert!(
                told[0].contains("note: this list holds no objects"),
                "{told:#?}"
            );
        }
    }
    let problems = list("List", "metadata: {}").unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].contains("`items` is missing"), "{problems:#?}");
}

/// A socket that is to be reached from this machine alone is no other.
#[test]
fn a_server_binds_where_it_says() {
    let gateway = |servers: &str| {
        format!(
            "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{ name: g, namespace: istio-system }}
spec: {{ selector: {{ istio: egressgateway }}, servers: [{servers}] }}
"
        )
    };
    let local = "{ port: { number: 8080, name: http, protocol: HTTP }, bind: 127.0.0.1, hosts: [a.example] }";
    let any = "{ port: { number: 8080, name: http, protocol: HTTP }, hosts: [b.example] }";
    let alone = |objects: &str| {
        let files = [SourceFile::new("istio.yaml", objects)];
        compile(&files, &Environment::default())
    };
    let snapshot = alone(&gateway(local)).unwrap();
    let binds = snapshot.settings().listeners.iter();
    let binds: Vec<String> = binds.map(|listener| listener.bind.to_string()).collect();
    assert_eq!(binds, ["127.0.0.1:8080"]);
    for (objects, expected) in [
        (
            gateway(&format!("{local}, {any}")),
            "port 8080 on another address than the server at",
        ),
        (
            gateway(&local.replace("127.0.0.1", "unix:///s")),
            "`unix:///s` is no address of a socket here: write such as `127.0.0.1`",
        ),
    ] {
        let problems = alone(&objects).map(|_| ()).unwrap_err();
        let found = problems
            .iter()
            .any(|problem| told(problem).contains(expected));
        assert!(found, "{problems:?}");
    }
    // A native listener may not be open to more.
    let at_443 = local.replace("8080", "443");
    let mut problems = compiled(&gateway(&at_443)).map(|_| ()).unwrap_err();
    problems.retain(|problem| problem.contains(" error: "));
    assert_eq!(
        problems,
        [
            "4:55 error: this server binds `127.0.0.1`, and the listener `mtls-443` at native.yaml:2 does not: write `bind: '127.0.0.1:443'` there, or delete `bind` here"
        ]
    );
}

#[test]
fn terms_of_tls_that_are_narrower_than_ours_are_told() {
    let gateway =
        |tls: &str| gateway("default", "istio: egressgateway").replace("mode: ISTIO_MUTUAL", tls);
    let refused = compiled(&gateway("mode: ISTIO_MUTUAL, minProtocolVersion: TLSV1_3"));
    let problems = refused.map(|_| ()).unwrap_err();
    let refused =
        |told: &String| told.contains("error: not supported yet: callers may speak TLS 1.2");
    assert!(problems.iter().any(refused), "{problems:?}");
    let ciphers = gateway("mode: ISTIO_MUTUAL, minProtocolVersion: TLSV1_2, cipherSuites: [X]");
    let told = remarks(&ciphers, "`cipherSuites` has no effect");
    assert_eq!(told.len(), 1, "{told:?}");
}
