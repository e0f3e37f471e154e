//! Hosts that only a wildcard admits are looked up as callers write them: how
//! much they may write there is bounded, lest data leave by name.

use std::net::Ipv4Addr;

use serde_json::json;

use integration_tests::client::{Curl, Reply};
use integration_tests::mesh::Mesh;
use integration_tests::record::{assert_has, reason};
use integration_tests::sidecar::{External, Protocol, Setup, Sidecar};

const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Any name below `wild.test`, as HTTP and as TLS of the application's own; three
/// in a minute, of two labels at most.
const WILD: &str = r#"
listeners:
  - { name: mesh, port: 8080, bind: "127.0.0.1:0" }
  - { name: tls, port: 443, bind: "127.0.0.1:0", mode: passthrough }
dns: { servers: ["$DNS"], timeout: 2s }
limits: { wildcardNames: 3, wildcardLabels: 2 }
defaults: { policy: allow, addresses: { allow: [127.0.0.0/8] } }
destinations:
  - host: "*.wild.test"
    upstream: { port: $RECORDER_PORT, tls: { ca: $ORIGIN_CA, sni: httpbin.org } }
  - host: httpbin.org
    upstream: { port: $RECORDER_PORT, tls: { ca: $ORIGIN_CA } }
  - host: "*.fixed.test"
    upstream: { addresses: $RECORDER, tls: { ca: $ORIGIN_CA, sni: httpbin.org } }
passthrough:
  - { host: "*.wild.test", at: gateway:443, upstream: { port: $RECORDER_PORT } }
"#;

fn start() -> Mesh {
    let mesh = Mesh::start(WILD);
    for name in ["a", "b", "c", "d", "e", "x.y", "x.y.z"] {
        mesh.names.answer(&format!("{name}.wild.test"), &[LOOPBACK]);
    }
    mesh.names.answer("httpbin.org", &[LOOPBACK]);
    mesh
}

/// A sidecar that knows these hosts.
fn sidecar(mesh: &Mesh, protocol: Protocol, hosts: &[&str]) -> Sidecar {
    let externals: Vec<External> = hosts.iter().map(|host| External::new(host)).collect();
    Sidecar::start(&Setup {
        account: "sleep",
        credential: &mesh.pki.workload("sleep"),
        roots: &mesh.pki.mesh_roots(),
        gateway: mesh.gateway(),
        protocol,
        externals: &externals,
    })
}

fn asked(mesh: &Mesh, name: &str) -> bool {
    mesh.names.questions().iter().any(|asked| asked == name)
}

#[test]
fn a_caller_asks_for_so_many_names_and_for_no_more() {
    let mesh = start();
    let hosts = ["a", "b", "c", "d"].map(|name| format!("{name}.wild.test"));
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let sidecar = sidecar(&mesh, Protocol::Http2, &hosts);
    let fetch = |host: &str, target: &str| sidecar.curl(host, target).send().status;
    for name in ["a", "b", "c", "a", "b"] {
        assert_eq!(fetch(&format!("{name}.wild.test"), "/"), 200, "{name}");
    }
    assert_eq!(fetch("d.wild.test", "/d"), 429);
    let record = mesh.egret.record_of("/d");
    assert_eq!(reason(&record), "too_many_names", "{record:#}");
    assert_has(
        &record,
        &json!({
            "decision": "refuse", "response_flags": "RL", "authority": "d.wild.test",
            "source_principal": "cluster.local/ns/default/sa/sleep",
        }),
    );
    assert!(!asked(&mesh, "d.wild.test"), "it left by its name");
    // Another connection of his changes nothing; what he had is still his.
    assert_eq!(mesh.fetch("sleep", "e.wild.test", "/e").status, 429);
    assert_eq!(mesh.fetch("sleep", "c.wild.test", "/c").status, 200);
    // Others have names of their own, and named hosts are no names.
    assert_eq!(mesh.fetch("politics", "d.wild.test", "/p").status, 200);
    assert_eq!(mesh.fetch("sleep", "httpbin.org", "/h").status, 200);
    let metrics = mesh.egret.admin("/metrics");
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(metrics.contains("too_many_names"), "{metrics}");
}

#[test]
fn where_nothing_is_looked_up_names_are_not_counted() {
    let mesh = start();
    for number in 0..6 {
        let host = format!("n{number}.fixed.test");
        assert_eq!(mesh.fetch("sleep", &host, "/").status, 200, "{host}");
    }
    let asked = mesh.names.questions();
    assert!(
        !asked.iter().any(|name| name.contains("fixed")),
        "{asked:?}"
    );
}

#[test]
fn a_name_of_too_many_labels_is_403_and_never_looked_up() {
    let mesh = start();
    assert_eq!(mesh.fetch("sleep", "x.y.wild.test", "/two").status, 200);
    assert_eq!(mesh.fetch("sleep", "x.y.z.wild.test", "/three").status, 403);
    let record = mesh.egret.record_of("/three");
    assert_eq!(reason(&record), "name_too_deep", "{record:#}");
    assert_has(
        &record,
        &json!({ "response_flags": "-", "decision": "refuse" }),
    );
    assert!(!asked(&mesh, "x.y.z.wild.test"), "it left by its name");
}

/// What the application gets that opens TLS of its own.
fn fetch_tls(mesh: &Mesh, host: &str) -> Reply {
    let doors = [(443, mesh.egret.listener("tls"))];
    let curl = Curl::application(&doors, &format!("https://{host}/"));
    curl.roots(&mesh.pki.origin_roots()).send()
}

#[test]
fn tls_of_the_applications_own_is_bounded_likewise() {
    let mesh = start();
    // The origin has no certificate for these names: that the handshake came to
    // it is enough.
    let outcome = |host: &str| {
        fetch_tls(&mesh, host);
        mesh.egret.wait_for_record("the tunnel", |record| {
            record["requested_server_name"] == host
        })
    };
    for name in ["a", "b", "c"] {
        let record = outcome(&format!("{name}.wild.test"));
        assert_has(&record, &json!({ "decision": "allow", "refusal": null }));
    }
    let record = outcome("d.wild.test");
    assert_has(
        &record,
        &json!({ "refusal": "too_many_names", "response_code": 0, "response_flags": "RL" }),
    );
    let record = outcome("x.y.z.wild.test");
    assert_has(
        &record,
        &json!({ "refusal": "name_too_deep", "response_code": 0 }),
    );
    for host in ["d.wild.test", "x.y.z.wild.test"] {
        assert!(!asked(&mesh, host), "{host} left by its name");
    }
}
