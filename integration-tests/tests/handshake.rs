//! How connections from the mesh begin: protocols, versions and groups,
//! server names, and what comes of those that are no TLS or never finish it.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use boring::ssl::SslVersion;
use serde_json::json;

use integration_tests::client::Curl;
use integration_tests::mesh::Mesh;
use integration_tests::pki::GATEWAY_PRINCIPAL;
use integration_tests::raw::Hello;
use integration_tests::record::{assert_has, reason};

const CNN: &str = "edition.cnn.com";
const GET: &str = "GET /sport HTTP/1.1\r\nhost: edition.cnn.com\r\n\r\n";
const SLEEP: &str = "cluster.local/ns/default/sa/sleep";

/// Everyone with an identity may do everything: what is refused is refused for who asks.
const OPEN: &str = "
defaults: { policy: allow }
destinations:
  - host: edition.cnn.com
    upstream: { addresses: [\"$NGINX\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
  - host: httpbin.org
    upstream: { addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
";

/// Whether a peer that says hello so gets an answer to a request.
fn is_served(gateway: SocketAddr, hello: &Hello) -> bool {
    let answer = hello.connect(gateway).map(|mut raw| raw.exchange(GET));
    matches!(answer, Ok(Ok(message)) if message.status() == 200)
}

#[test]
fn the_protocol_is_h2_then_http_1_then_none() {
    let mesh = Mesh::start(OPEN);
    for (offered, chosen) in [
        (
            vec!["istio-http/1.1", "istio", "http/1.1"],
            Some("http/1.1"),
        ),
        (vec!["istio-h2", "istio", "h2"], Some("h2")),
        (vec!["http/1.1", "h2"], Some("h2")),
        (vec!["istio-peer-exchange", "istio"], None),
        (vec![], None),
    ] {
        let hello = Hello {
            alpn: offered.clone(),
            ..Hello::of(&mesh.pki, "sleep", CNN)
        };
        let raw = hello.connect(mesh.gateway()).unwrap();
        assert_eq!(raw.alpn().as_deref(), chosen, "{offered:?}");
        let served = chosen == Some("h2") || is_served(mesh.gateway(), &hello);
        assert!(served, "{offered:?}: {}", mesh.egret.said());
    }
}

#[test]
fn tls_is_1_2_or_1_3_with_the_groups_of_a_sidecar() {
    let mesh = Mesh::start(OPEN);
    let hello = Hello::of(&mesh.pki, "sleep", CNN);
    for (groups, newest, version) in [
        ("X25519MLKEM768", SslVersion::TLS1_3, "TLSv1.3"),
        ("X25519", SslVersion::TLS1_3, "TLSv1.3"),
        ("P-256", SslVersion::TLS1_3, "TLSv1.3"),
        // TLS 1.2 binds the key of the certificate to the groups as well.
        ("P-256", SslVersion::TLS1_2, "TLSv1.2"),
    ] {
        let raw = Hello {
            groups,
            newest,
            ..hello.clone()
        }
        .connect(mesh.gateway())
        .unwrap();
        assert_eq!(
            (raw.group().as_str(), raw.version().as_str()),
            (groups, version)
        );
        assert_eq!(raw.server_uris(), [format!("spiffe://{GATEWAY_PRINCIPAL}")]);
    }
    let old = Hello {
        newest: SslVersion::TLS1_1,
        ..hello
    };
    assert!(old.connect(mesh.gateway()).is_err());
    let refused = mesh
        .egret
        .wait_for_record("TLS 1.1", |r| r["decision"] == "refuse");
    assert_eq!(reason(&refused), "handshake_failed", "{refused:#}");
}

#[test]
fn no_session_is_offered_for_resumption() {
    let mesh = Mesh::start(OPEN);
    let mut raw = Hello::of(&mesh.pki, "sleep", CNN)
        .connect(mesh.gateway())
        .unwrap();
    // Tickets of TLS 1.3 come after the handshake: reading an answer collects them.
    assert_eq!(raw.exchange(GET).unwrap().status(), 200);
    assert_eq!(raw.resumable_sessions(), 0);
}

#[test]
fn a_server_name_that_is_no_host_of_the_listener_is_refused() {
    let listener = "listeners: [{ name: mesh, bind: \"127.0.0.1:0\", hosts: [\"*.cnn.com\"] }]\n";
    let mesh = Mesh::start(&[listener, OPEN].concat());
    let named = |name: &str| Hello {
        server_name: Some(name.to_owned()),
        ..Hello::of(&mesh.pki, "sleep", CNN)
    };
    assert!(is_served(mesh.gateway(), &named("EDITION.cnn.com")));
    assert!(!is_served(mesh.gateway(), &named("httpbin.org")));
    let refused = mesh
        .egret
        .wait_for_record("the name", |r| r["decision"] == "refuse");
    assert_eq!(reason(&refused), "unknown_server_name", "{refused:#}");
    assert_has(
        &refused,
        &json!({
            "requested_server_name": "httpbin.org", "response_flags": "NR", "response_code": 0,
            "response_code_details": "filter_chain_not_found",
        }),
    );
}

#[test]
fn a_host_other_than_the_connections_server_name_is_misdirected() {
    let mesh = Mesh::start(OPEN);
    let answer = mesh.raw(CNN, "GET /bytes/1 HTTP/1.1\r\nhost: httpbin.org\r\n\r\n");
    assert_eq!(answer.status(), 421);
    let record = mesh.egret.record_of("/bytes/1");
    assert_eq!(
        (reason(&record), &record["source_principal"]),
        ("misdirected", &SLEEP.into())
    );
    assert_eq!(mesh.recorder.connections(), 0);
}

#[test]
fn plain_text_on_the_mesh_port_is_refused_and_recorded() {
    let mesh = Mesh::start(OPEN);
    let reply = Curl::through(mesh.gateway(), CNN, "/sport").send();
    assert_ne!(reply.status, 200);
    let record = mesh
        .egret
        .wait_for_record("plain text", |r| r["decision"] == "refuse");
    assert_eq!(reason(&record), "plaintext", "{record:#}");
    assert!(mesh.nginx.settled_requests().is_empty());
}

#[test]
fn a_handshake_that_stalls_is_cut_and_recorded() {
    let limits = "limits: { handshakeTimeout: 1s }\n";
    let mesh = Mesh::start(&[limits, OPEN].concat());
    let mut silent = TcpStream::connect(mesh.gateway()).unwrap();
    silent.write_all(&[0x16, 0x03, 0x01]).unwrap();
    let record = mesh
        .egret
        .wait_for_record("the stall", |r| r["decision"] == "refuse");
    assert_eq!(reason(&record), "handshake_timeout", "{record:#}");
    let took = Duration::from_millis(record["duration"].as_u64().unwrap_or_default());
    assert!(
        took >= Duration::from_millis(900) && took < Duration::from_secs(2),
        "{took:?}"
    );
}
