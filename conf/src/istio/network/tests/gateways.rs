//! Gateways: what they serve, and what is listened on.

use super::*;

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
