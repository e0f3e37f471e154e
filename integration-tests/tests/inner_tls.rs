//! TLS of the application's own within the sidecar's mutual TLS: the outer names
//! the caller, the inner the host, and neither may be borrowed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use integration_tests::client::{Curl, Reply};
use integration_tests::hello::{client_hello, hiding_hello};
use integration_tests::mesh::Mesh;
use integration_tests::record::assert_has;
use integration_tests::sidecar::{External, Protocol, Setup, Sidecar, Sni};

/// Passages in the native format.
const NATIVE: &str = r#"
listeners:
  - { name: mesh, port: 8080, bind: "127.0.0.1:0" }
  - { name: tls, port: 443, bind: "127.0.0.1:0", mode: passthrough, tls: mutual }
limits: { headTimeout: 2s }
dns: { hosts: { www.googleapis.com: $NGINX, edition.cnn.com: $NGINX, private.test: "10.1.2.3" } }
passthrough:
  - { host: "*.googleapis.com", at: gateway:443, allowAddresses: [127.0.0.0/8] }
  - { host: edition.cnn.com, at: gateway:443, allowAddresses: [127.0.0.0/8] }
  - { host: private.test, at: gateway:443 }
policies:
  - { name: books, allow: { from: sa:default/sleep, host: ["*.googleapis.com", private.test] } }
"#;

/// The same by Istio's own objects: a server that ends mutual TLS, and `tls`
/// routes by the server name within it.
const BY_NAME: &str = "
  tls:
  - match: [{ port: 443, gateways: [istio-egressgateway], sniHosts: [www.googleapis.com] }]
    route: [{ destination: { host: www.googleapis.com, port: { number: 443 } } }]
";

/// And with the `tcp` routes that Istio knows there, by the outer server name.
const BY_PORT: &str = "
  tcp:
  - match: [{ port: 443, gateways: [istio-egressgateway] }]
    route: [{ destination: { host: www.googleapis.com, port: { number: 443 } } }]
";

fn istio(routes: &str) -> String {
    format!(
        r#"
listeners:
  - {{ name: mesh, port: 8080, bind: "127.0.0.1:0" }}
  - {{ name: tls, port: 443, bind: "127.0.0.1:0", mode: tcp }}
defaults: {{ addresses: {{ allow: [127.0.0.0/8] }} }}
dns: {{ hosts: {{ www.googleapis.com: $NGINX }} }}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{ name: googleapis }}
spec:
  hosts: [www.googleapis.com]
  ports: [{{ number: 443, name: tls, protocol: TLS }}]
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{ name: istio-egressgateway }}
spec:
  selector: {{ istio: egressgateway }}
  servers:
  - port: {{ number: 443, name: tls, protocol: TLS }}
    hosts: ["*"]
    tls: {{ mode: ISTIO_MUTUAL }}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{ name: googleapis }}
spec:
  hosts: [www.googleapis.com]
  gateways: [mesh, istio-egressgateway]{routes}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{ name: books, namespace: istio-system }}
spec:
  rules:
  - from: [{{ source: {{ principals: [cluster.local/ns/default/sa/sleep] }} }}]
    to: [{{ operation: {{ ports: ["443"] }} }}]
"#
    )
}

fn sidecar(mesh: &Mesh, account: &str, sni: Sni) -> Sidecar {
    let setup = Setup {
        account,
        credential: &mesh.pki.workload(account),
        roots: &mesh.pki.mesh_roots(),
        gateway: mesh.egret.listener("tls"),
        protocol: Protocol::Http1,
        externals: &[],
    };
    let external = External {
        sni,
        ..External::new("www.googleapis.com")
    };
    Sidecar::start_for_tcp(&setup, &external)
}

/// What the application gets that asks for a URL and trusts the origins.
fn fetch(mesh: &Mesh, sidecar: &Sidecar, url: &str) -> Reply {
    let doors = [(443, sidecar.address()), (80, sidecar.address())];
    let curl = Curl::application(&doors, url);
    curl.roots(&mesh.pki.origin_roots()).send()
}

/// Sends bytes as the application, in pieces, and hears what comes.
fn send(sidecar: &Sidecar, bytes: &[u8], piece: usize) -> Vec<u8> {
    let mut tcp = TcpStream::connect(sidecar.address()).unwrap();
    tcp.set_nodelay(true).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    for piece in bytes.chunks(piece) {
        if tcp.write_all(piece).is_err() {
            break;
        }
    }
    let mut heard = vec![0; 5];
    let read = tcp.read(&mut heard).unwrap_or(0);
    heard.truncate(read);
    heard
}

#[track_caller]
fn refused(mesh: &Mesh, code: &str) -> Value {
    mesh.egret
        .wait_for_record(code, |record| record["refusal"] == code)
}

#[test]
fn the_outer_tls_names_the_caller_and_the_inner_the_host() {
    let outer =
        "outbound_.443_.www-googleapis-com_.istio-egressgateway.istio-system.svc.cluster.local";
    for (sni, requested) in [(Sni::Host, "www.googleapis.com"), (Sni::Service, outer)] {
        for (what, configuration) in [
            ("native", NATIVE.to_owned()),
            ("tls routes", istio(BY_NAME)),
            ("tcp routes", istio(BY_PORT)),
        ] {
            let mesh = Mesh::start(&configuration);
            let sleep = sidecar(&mesh, "sleep", sni);
            let reply = fetch(&mesh, &sleep, "https://www.googleapis.com/books");
            assert_eq!(
                (reply.status, &*reply.error),
                (200, ""),
                "{what} {sni:?}: {}",
                mesh.egret.said()
            );
            assert_eq!(mesh.nginx.wait_for("/books")["sni"], "www.googleapis.com");
            let told = mesh
                .egret
                .wait_for_record(what, |r| r["inner_server_name"] == "www.googleapis.com");
            assert_has(
                &told,
                &json!({
                    "decision": "allow", "failure": null, "method": null, "authority": null,
                    "source_principal": "cluster.local/ns/default/sa/sleep",
                    "requested_server_name": requested,
                    "upstream_cluster": "outbound|443||www.googleapis.com",
                    "upstream_host": mesh.nginx.address().to_string(),
                }),
            );
            let rule = told["rule"].as_str().unwrap();
            assert!(rule.contains("books"), "{rule}");

            let intruder = sidecar(&mesh, "intruder", sni);
            let reply = fetch(&mesh, &intruder, "https://www.googleapis.com/intruder");
            assert_eq!(reply.status, 0, "{what}");
            let told = refused(&mesh, "not_allowed");
            assert_has(
                &told,
                &json!({
                    "decision": "deny", "upstream_host": null,
                    "source_principal": "cluster.local/ns/default/sa/intruder",
                }),
            );
            let borrowed = fetch(&mesh, &sleep, "https://edition.cnn.com/borrowed");
            assert_eq!(borrowed.status, 0, "{what}");
            let told = mesh
                .egret
                .wait_for_record(what, |r| r["inner_server_name"] == "edition.cnn.com");
            let refusal = match what {
                "native" => "not_allowed",
                "tls routes" => "unknown_passage",
                _ => "other_server_name",
            };
            assert_has(&told, &json!({ "refusal": refusal, "upstream_host": null }));
            assert_eq!(mesh.nginx.settled_requests().len(), 1, "{what}");
        }
    }
}

#[test]
fn what_shows_no_allowed_name_is_refused_and_on_record() {
    let mesh = Mesh::start(NATIVE);
    let sleep = sidecar(&mesh, "sleep", Sni::Service);
    for (url, refusal, decision, inner) in [
        (
            "https://edition.cnn.com/x",
            "not_allowed",
            "deny",
            json!("edition.cnn.com"),
        ),
        (
            "https://private.test/x",
            "address_denied",
            "refuse",
            json!("private.test"),
        ),
        (
            "https://127.0.0.1/x",
            "no_server_name",
            "refuse",
            Value::Null,
        ),
        (
            "http://www.googleapis.com/x",
            "plaintext",
            "refuse",
            Value::Null,
        ),
    ] {
        let reply = fetch(&mesh, &sleep, url);
        assert_eq!(reply.status, 0, "{url}");
        assert!(!reply.error.is_empty(), "{url}");
        let told = refused(&mesh, refusal);
        assert_has(
            &told,
            &json!({
                "decision": decision, "upstream_host": null,
                "source_principal": "cluster.local/ns/default/sa/sleep",
            }),
        );
        assert_eq!(told["inner_server_name"], inner, "{url}");
    }
    for (bytes, refusal) in [
        (hiding_hello("www.googleapis.com"), "encrypted_server_name"),
        (b"\x16\x03\x01garbage".to_vec(), "malformed_client_hello"),
        (
            client_hello("www.googleapis.com")[..100].to_vec(),
            "handshake_timeout",
        ),
    ] {
        assert_eq!(send(&sleep, &bytes, 1_000), b"", "{refusal}");
        let told = refused(&mesh, refusal);
        assert_eq!(
            told["source_principal"],
            "cluster.local/ns/default/sa/sleep"
        );
    }
    let asked = mesh.nginx.settled_requests();
    assert!(asked.is_empty(), "{asked:#?}");
}

#[test]
fn a_hello_in_small_pieces_is_put_together() {
    let mesh = Mesh::start(NATIVE);
    let sleep = sidecar(&mesh, "sleep", Sni::Service);
    let heard = send(&sleep, &client_hello("WWW.GoogleAPIs.com"), 7);
    // The origin's own handshake.
    assert_eq!(heard.first(), Some(&22), "{}", mesh.egret.said());
}
