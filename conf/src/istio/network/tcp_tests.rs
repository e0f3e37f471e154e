//! TCP routes of VirtualServices, from YAML to where connections lead.

use policy::destination::{Carries, UpstreamHost, UpstreamTls};

use super::tests::{compiled, told};
use crate::snapshot::{ListenerMode, Snapshot};
use crate::{Environment, SourceFile, compile};

const ENTRIES: &str = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: db }
spec: { hosts: [db.example], ports: [{ number: 5432, name: tcp, protocol: TCP }], resolution: DNS }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: web }
spec: { hosts: [web.example, other.example], ports: [{ number: 443, name: tls, protocol: TLS }], resolution: DNS }
---
";

fn gateway(protocol: &str, hosts: &str, tls: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{ name: g }}
spec:
  selector: {{ istio: egressgateway }}
  servers: [{{ port: {{ number: 443, name: p, protocol: {protocol} }}, hosts: {hosts}{tls} }}]
---
"
    )
}

const MUTUAL: &str = ", tls: { mode: ISTIO_MUTUAL }";

fn service(name: &str, hosts: &str, routes: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{ name: {name} }}
spec: {{ hosts: {hosts}, gateways: [g, mesh], {routes} }}
---
"
    )
}

fn snapshot(objects: &str) -> Snapshot {
    let file = SourceFile::new("istio.yaml", format!("{ENTRIES}{objects}"));
    compile(&[file], &Environment::default())
        .unwrap_or_else(|problems| panic!("{:#?}", problems.iter().map(told).collect::<Vec<_>>()))
}

/// Each route as `door[ sni=…][ from=…] host=upstream:port*weight carries …`.
fn routes(snapshot: &Snapshot) -> Vec<String> {
    let admission = snapshot.admission();
    let told = admission.tcp_routes().iter().map(|route| {
        let mut line = route.door.to_string();
        for name in &route.server_names {
            line += &format!(" sni={name}");
        }
        for from in &route.from {
            line += &format!(" from={from:?}");
        }
        for lead in &route.leads {
            let upstream = &admission.upstreams()[lead.upstream.0 as usize];
            let UpstreamHost::Named(name) = &upstream.host else {
                panic!("{upstream:?}");
            };
            let carries = match lead.carries {
                Carries::Bytes => "bytes",
                Carries::Tls => "tls",
            };
            let tls = match upstream.tls {
                UpstreamTls::Off => "",
                UpstreamTls::On(_) => " encrypted",
            };
            let (host, port, weight) = (&lead.host, upstream.port, lead.weight);
            line += &format!(" {host}={name}:{port}*{weight} {carries}{tls}");
        }
        line
    });
    told.collect()
}

fn to(host: &str, port: u16) -> String {
    format!(
        "tcp: [{{ route: [{{ destination: {{ host: {host}, port: {{ number: {port} }} }} }}] }}]"
    )
}

#[test]
fn what_a_server_carries_says_how_it_is_listened_to() {
    for (protocol, tls, mode) in [
        ("HTTPS", MUTUAL, ListenerMode::MutualTls),
        ("TLS", MUTUAL, ListenerMode::Tcp),
        (
            "TLS",
            ", tls: { mode: MUTUAL, credentialName: c }",
            ListenerMode::Tcp,
        ),
        ("TCP", MUTUAL, ListenerMode::Tcp),
        ("MONGO", MUTUAL, ListenerMode::Tcp),
        ("TCP", "", ListenerMode::PlainTcp),
        (
            "TLS",
            ", tls: { mode: PASSTHROUGH }",
            ListenerMode::Passthrough,
        ),
    ] {
        let snapshot = snapshot(&gateway(protocol, "[web.example]", tls));
        let listener = &snapshot.settings().listeners[0];
        assert_eq!(listener.mode, mode, "{protocol}{tls}");
        assert_eq!(
            listener.hosts.is_empty(),
            mode == ListenerMode::PlainTcp,
            "{protocol}{tls}"
        );
        assert_eq!(
            snapshot.settings().identity.is_some(),
            mode.is_mutual(),
            "{protocol}{tls}"
        );
    }
}

#[test]
fn a_route_leads_by_the_name_of_the_mutual_tls_around_it() {
    let one = service("one", "[web.example]", &to("web.example", 443));
    let two = service("two", "[db.example]", &to("db.example", 5432));
    let listed = gateway("TLS", "[web.example, db.example]", MUTUAL);
    let by_name = [
        "gateway:443 sni=web.example web.example=web.example:443*1 tls",
        "gateway:443 sni=db.example db.example=db.example:5432*1 bytes",
    ];
    assert_eq!(routes(&snapshot(&format!("{listed}{one}{two}"))), by_name);
    // Sidecars without `sni` name the gateway itself.
    let any = gateway("TLS", "['*']", MUTUAL);
    let led = routes(&snapshot(&format!("{any}{one}{two}")));
    assert_eq!(led[..2], by_name);
    assert_eq!(led[2..], ["gateway:443 web.example=web.example:443*1 tls"]);
    let plain = gateway("TCP", "[web.example]", "");
    assert_eq!(
        routes(&snapshot(&format!("{plain}{one}"))),
        ["gateway:443 web.example=web.example:443*1 tls"]
    );
}

#[test]
fn weights_blocks_and_destination_rules_count() {
    let gateway = gateway("TCP", "['*']", "");
    let rule = "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: r }
spec: { host: other.example, trafficPolicy: { tls: { mode: SIMPLE } } }
---
";
    let routed = service(
        "one",
        "['*']",
        "tcp: [
    { match: [{ port: 80 }], route: [{ destination: { host: db.example } }] },
    { match: [{ gateways: [mesh] }], route: [{ destination: { host: db.example } }] },
    { match: [{ sourceSubnet: 10.1.2.3/8 }], route: [{ destination: { host: db.example } }] },
    { match: [{ port: 443, gateways: [g] }], route: [
      { destination: { host: web.example }, weight: 3 }, { destination: { host: other.example }, weight: 1 },
      { destination: { host: db.example }, weight: 0 }] }]",
    );
    assert_eq!(
        routes(&snapshot(&format!("{gateway}{rule}{routed}"))),
        [
            "gateway:443 from=Address(10.0.0.0/8) db.example=db.example:5432*1 bytes",
            "gateway:443 web.example=web.example:443*3 tls other.example=other.example:443*1 bytes encrypted",
        ]
    );
}

#[test]
fn a_listener_that_would_read_what_passes_is_told() {
    for (mode, protocol, tls, is_told) in [
        ("mtls", "TLS", MUTUAL, true),
        ("tcp", "TLS", MUTUAL, false),
        ("passthrough, tls: mutual", "TLS", MUTUAL, false),
        ("tcp, tls: off", "TLS", MUTUAL, true),
        ("tcp, tls: off", "TCP", "", false),
        ("tcp", "TCP", "", false),
        ("plaintext", "TCP", "", true),
        ("mtls", "HTTPS", MUTUAL, false),
    ] {
        let native = format!("version: 1\nlisteners: [{{ port: 443, mode: {mode} }}]\n");
        let files = [
            SourceFile::new("native.yaml", native),
            SourceFile::new("istio.yaml", gateway(protocol, "['*']", tls)),
        ];
        let snapshot = compile(&files, &Environment::default()).unwrap();
        let mut told = snapshot.warnings().iter().map(told);
        let told = told.any(|line| line.contains("this server passes bytes on"));
        assert_eq!(told, is_told, "{mode} {protocol}{tls}");
    }
}

#[test]
fn tls_routes_within_mutual_tls_are_passages() {
    let gateway = gateway("TLS", "['*.example']", MUTUAL);
    let routed = service(
        "one",
        "[web.example]",
        "tls: [{ match: [{ port: 443, sniHosts: [web.example] }], route: [{ destination: { host: web.example } }] }]",
    );
    let snapshot = snapshot(&format!("{gateway}{routed}"));
    let passages = snapshot.admission().passages();
    assert_eq!(passages.len(), 1);
    assert_eq!(
        (&*passages[0].name, passages[0].door.to_string()),
        ("web.example", "gateway:443".to_owned())
    );
}

#[test]
fn a_route_that_leads_nowhere_keeps_its_connections() {
    let gateway = gateway("TCP", "['*']", "");
    let routed = service(
        "one",
        "['*']",
        "tcp: [{ route: [{ destination: { host: nowhere.example } }] }, { route: [{ destination: { host: db.example } }] }]",
    );
    let snapshot = snapshot(&format!("{gateway}{routed}"));
    assert_eq!(routes(&snapshot), [""; 0]);
    let warned = snapshot.warnings().iter().map(told);
    let mut warned = warned.filter(|w| w.contains("until then connections are refused"));
    assert!(warned.next().is_some());
}

#[test]
fn a_declared_port_is_open_in_the_mesh_unless_it_is_routed() {
    let mesh = "version: 1\nlisteners: [{ port: 5432, as: mesh, mode: tcp }]\n";
    let compile = |objects: &str| {
        let files = [
            SourceFile::new("native.yaml", mesh),
            SourceFile::new("istio.yaml", format!("{ENTRIES}{objects}")),
        ];
        routes(&compile(&files, &Environment::default()).unwrap())
    };
    assert_eq!(
        compile(""),
        ["mesh:5432 db.example=db.example:5432*1 bytes"]
    );
    let routed = service(
        "one",
        "[db.example]",
        "tcp: [{ match: [{ sourceNamespace: a }], route: [{ destination: { host: web.example } }] }]",
    );
    let led = compile(&routed);
    assert!(
        matches!(led.as_slice(), [only] if only.starts_with("mesh:5432 from=Workload") && only.ends_with(" web.example=web.example:443*1 tls")),
        "{led:?}"
    );
}

#[test]
fn what_cannot_be_honoured_is_said_at_its_place() {
    let one = |routes: &str| {
        let objects = format!(
            "{ENTRIES}{}{}",
            gateway("TCP", "['*']", ""),
            service("one", "['*']", routes)
        );
        match compiled(&objects) {
            Err(problems) => problems,
            Ok(snapshot) => snapshot.warnings().iter().map(told).collect(),
        }
    };
    for (routes, expected) in [
        (
            "tcp: [{ match: [{ destinationSubnets: [10.0.0.0/8] }], route: [{ destination: { host: db.example } }] }]",
            "error: `destinationSubnets` is asked of addresses that callers choose",
        ),
        (
            "tcp: [{ match: [{ sourceSubnet: ten }], route: [{ destination: { host: db.example } }] }]",
            "error: `ten` is no range of addresses",
        ),
        (
            "tcp: [{ match: [{ sniHosts: [a] }], route: [{ destination: { host: db.example } }] }]",
            "error: unknown field `sniHosts`",
        ),
        ("tcp: [{}]", "error: `route` is missing"),
        (
            "tcp: [{ route: [{ destination: { host: '*.example' } }] }]",
            "error: `*.example` is no single host",
        ),
        (
            "tcp: [{ route: [{ destination: { host: db.example } }] }, { route: [{ destination: { host: db.example } }] }]",
            "warning: this route is never reached",
        ),
        (
            "tcp: [{ match: [{ sourceLabels: { app: x } }], route: [{ destination: { host: db.example } }] }]",
            "warning: `sourceLabels` and `sourceNamespace` are compared with the gateway's own",
        ),
        (
            "http: [{ route: [{ destination: { host: db.example } }] }]",
            "warning: nothing of VirtualService one.default has an effect at port 443 of the Gateway, which carries bytes",
        ),
    ] {
        let said = one(routes);
        assert!(
            said.iter().any(|line| line.contains(expected)),
            "{routes}: {said:#?}"
        );
    }
}
