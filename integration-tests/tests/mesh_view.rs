//! What an application meets where a sidecar would be: plain HTTP to any port
//! of a host, and its own TLS, which passes through untouched by its server
//! name. Documents 000, 001 and 003 work so.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use integration_tests::client::{Curl, Reply};
use integration_tests::hello::client_hello;
use integration_tests::mesh::Mesh;
use integration_tests::origin::LARGE;
use integration_tests::process::Signal;
use integration_tests::record::{assert_has, reason};
use integration_tests::wait::{PATIENCE, until, within};

/// An application's ports 80 and 443 lead to the mesh's view, port 8443 to a
/// listener for TLS alone.
const LISTENERS: &str = r#"
listeners:
  - { name: mesh, bind: "127.0.0.1:0" }
  - { name: http, port: 80, bind: "127.0.0.1:0", as: mesh, mode: plaintext }
  - { name: https, port: 443, bind: "127.0.0.1:0", as: mesh, mode: plaintext }
  - { name: tls, port: 8443, bind: "127.0.0.1:0", mode: passthrough, hosts: "*.cnn.com" }
limits: { headTimeout: 1s, handshakeTimeout: 1s }
"#;

const PINNED: &str = r#"
dns:
  hosts:
    www.googleapis.com:443: ["$NGINX"]
    edition.cnn.com:443: ["$NGINX"]
"#;

const LOOPBACK: &str = "defaults: { policy: allow, addresses: { allow: [127.0.0.0/8] } }\n";

const GOOGLE: &str = "passthrough: [{ host: \"*.googleapis.com\", at: mesh:443 }]\n";
const BOOKS: &str = "/books/v1/volumes?q=isbn:0486424618";

fn start(parts: &[&str]) -> Mesh {
    Mesh::start(&[&[LISTENERS], parts].concat().concat())
}

fn doors(mesh: &Mesh) -> [(u16, SocketAddr); 3] {
    [(80, "http"), (443, "https"), (8443, "tls")]
        .map(|(port, name)| (port, mesh.egret.listener(name)))
}

/// What the application gets that asks for a URL and trusts the origins.
fn fetch(mesh: &Mesh, url: &str) -> Reply {
    let curl = Curl::application(&doors(mesh), url);
    curl.roots(&mesh.pki.origin_roots()).send()
}

/// The record of the TLS connection for a server name.
#[track_caller]
fn tunnel(mesh: &Mesh, name: impl Into<Value>) -> Value {
    let name = name.into();
    mesh.egret.wait_for_record("the tunnel", |record| {
        record["requested_server_name"] == name && record["method"] == Value::Null
    })
}

#[track_caller]
fn assert_refused(mesh: &Mesh, url: &str) {
    let reply = fetch(mesh, url);
    assert_eq!(reply.status, 0, "{url}: {}", reply.text());
    assert!(!reply.error.is_empty(), "{url}");
    let asked = mesh.nginx.settled_requests();
    assert!(asked.is_empty(), "{url}: {asked:#?}");
}

fn connect(mesh: &Mesh, listener: &str) -> TcpStream {
    let tcp = TcpStream::connect(mesh.egret.listener(listener)).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    tcp
}

/// Waits until the gateway closes; no byte may come before.
#[track_caller]
fn assert_closed(mut tcp: TcpStream) {
    let mut byte = [0];
    match tcp.read(&mut byte) {
        Ok(0) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_tls_of_an_application_passes_through_untouched() {
    let mesh = start(&[LOOPBACK, PINNED, GOOGLE]);
    let url = format!("https://www.googleapis.com{BOOKS}");
    let reply = fetch(&mesh, &url);
    // curl has verified the origin's own certificate.
    assert_eq!(
        (reply.status, &*reply.error),
        (200, ""),
        "{}",
        mesh.egret.said()
    );
    let seen = mesh.nginx.wait_for(BOOKS);
    assert_eq!(seen["sni"], "www.googleapis.com");
    let record = tunnel(&mesh, "www.googleapis.com");
    assert_has(
        &record,
        &json!({
            "decision": "allow", "refusal": null, "failure": null,
            "method": null, "path": null, "protocol": null, "authority": null,
            "response_code": 0, "response_flags": "-", "source_principal": null,
            "upstream_host": mesh.nginx.address().to_string(),
            "upstream_cluster": "outbound|443||www.googleapis.com",
        }),
    );
    assert!(
        record["bytes_received"].as_u64().unwrap() > 500,
        "{record:#}"
    );
    assert!(record["bytes_sent"].as_u64().unwrap() > 500, "{record:#}");
    let metrics = mesh.egret.admin("/metrics");
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    let opened = metrics
        .lines()
        .find(|line| line.starts_with("istio_tcp_connections_opened_total{"));
    let opened = opened.expect("a tunnel was counted");
    assert!(
        opened.contains("destination_service=\"*.googleapis.com\""),
        "{opened}"
    );
    assert!(opened.ends_with(" 1"), "{opened}");
}

#[test]
fn without_a_passage_it_is_refused_again() {
    let mesh = start(&[LOOPBACK, PINNED, GOOGLE]);
    let url = format!("https://www.googleapis.com{BOOKS}");
    assert_eq!(fetch(&mesh, &url).status, 200);
    mesh.configure(&[LISTENERS, LOOPBACK, PINNED].concat());
    let ended = within(PATIENCE, || (fetch(&mesh, &url).status == 0).then_some(()));
    assert!(ended.is_some(), "{}", mesh.egret.said());
    let record = mesh.egret.wait_for_record("the refusal", |record| {
        record["refusal"] == "unknown_passage"
    });
    assert_has(
        &record,
        &json!({ "decision": "refuse", "response_flags": "NR" }),
    );
}

#[test]
fn pins_change_with_the_configuration() {
    let mesh = start(&[LOOPBACK, PINNED, GOOGLE]);
    let url = "https://www.googleapis.com/x";
    assert_eq!(fetch(&mesh, url).status, 200);
    // The recorder has no certificate for this name: curl will not have it.
    let elsewhere = PINNED.replace("$NGINX", "$RECORDER");
    mesh.configure(&[LISTENERS, LOOPBACK, &elsewhere, GOOGLE].concat());
    until("the other address is dialled", || {
        (fetch(&mesh, url).status == 0).then_some(())
    });
    let recorder = mesh.recorder.address().to_string();
    let record = mesh
        .egret
        .wait_for_record("the other address", |r| r["upstream_host"] == recorder);
    assert_eq!(record["requested_server_name"], "www.googleapis.com");
    assert!(
        !mesh.egret.said().contains("takes effect at the next start"),
        "{}",
        mesh.egret.said()
    );
}

#[test]
fn plain_http_to_port_443_stays_plain_http() {
    let destination = "destinations:
  - { host: \"*.googleapis.com\", upstream: { tls: { ca: $ORIGIN_CA } } }
";
    let mesh = start(&[LOOPBACK, PINNED, GOOGLE, destination]);
    let reply = fetch(&mesh, &format!("http://www.googleapis.com:443{BOOKS}"));
    assert_eq!(reply.status, 200, "{}", mesh.egret.said());
    let record = mesh.egret.record_of(BOOKS);
    assert_has(
        &record,
        &json!({ "authority": "www.googleapis.com:443", "protocol": "HTTP/1.1" }),
    );
    let unknown = fetch(&mesh, "http://www.example.com:443/");
    assert_eq!(
        unknown.status, 502,
        "as a sidecar that knows only its registry"
    );
}

/// An origin for plain HTTP that sends everybody to its TLS.
fn redirecting() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for tcp in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 4096];
            let _ = (&tcp).read(&mut head);
            let answer = "HTTP/1.1 301 Moved Permanently\r\nlocation: https://edition.cnn.com/politics\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = (&tcp).write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn an_application_follows_its_origin_from_http_to_its_own_tls() {
    let pins = format!("{PINNED}    edition.cnn.com:80: [\"{}\"]\n", redirecting());
    let mesh = start(&[
        LOOPBACK,
        &pins,
        "destinations: [{ host: edition.cnn.com, upstream: { port: 80, tls: off } }]\n",
        "passthrough: [{ host: edition.cnn.com, at: mesh:443 }]\n",
    ]);
    let curl = Curl::application(&doors(&mesh), "http://edition.cnn.com/politics");
    let curl = curl.roots(&mesh.pki.origin_roots());
    let reply = curl.args(&["--location"]).send();
    assert_eq!(
        (reply.status, &*reply.error),
        (200, ""),
        "{}",
        mesh.egret.said()
    );
    assert_eq!(mesh.egret.record_of("/politics")["response_code"], 301);
    assert_eq!(tunnel(&mesh, "edition.cnn.com")["decision"], "allow");
    assert_eq!(mesh.nginx.wait_for("/politics")["sni"], "edition.cnn.com");
}

#[test]
fn what_policy_refuses_is_closed_recorded_and_never_dialled() {
    let defaults = LOOPBACK.replace("policy: allow", "policy: deny");
    let policies = "policies:
  - { name: readers, allow: { host: edition.cnn.com, path: \"/health\" } }
  - { name: google, allow: { host: \"*.googleapis.com\" } }
  - { name: no-books, deny: { host: books.googleapis.com, path: \"/x\" } }
";
    let cnn = "passthrough:
  - { host: \"*.googleapis.com\", at: mesh:443, upstream: { host: www.googleapis.com } }
  - { host: edition.cnn.com, at: mesh:443 }
";
    // One log tells but one of the names, the other all but that one.
    let logs = "logs:
  - { name: one, to: stdout, when: { host: books.googleapis.com } }
  - { name: others, to: stdout, unless: [{ host: books.googleapis.com }] }
";
    let mesh = start(&[&defaults, PINNED, cnn, policies, logs]);
    for (name, why, decision, rule) in [
        ("www.example.com", "not_allowed", "deny", None),
        // To allow one path is not to allow what cannot be seen.
        ("edition.cnn.com", "not_allowed", "deny", None),
        // To deny one path is to deny what might be it.
        ("books.googleapis.com", "denied", "deny", Some("no-books")),
    ] {
        assert_refused(&mesh, &format!("https://{name}/x"));
        let record = tunnel(&mesh, name);
        assert_has(
            &record,
            &json!({ "decision": decision, "rule": rule, "response_code": 0 }),
        );
        assert_eq!(reason(&record), why, "{record:#}");
        let told = mesh
            .egret
            .records_where(|r| r["requested_server_name"] == name);
        assert_eq!(told.len(), 1, "{told:#?}");
    }
    assert_eq!(
        fetch(&mesh, "https://www.googleapis.com/allowed").status,
        200
    );
    assert_eq!(tunnel(&mesh, "www.googleapis.com")["rule"], "google");
}

#[test]
fn a_hello_that_names_no_host_is_refused() {
    let all = "passthrough: [{ host: \"*\", at: mesh:443 }]\n";
    let mesh = start(&[LOOPBACK, PINNED, all]);
    assert_refused(&mesh, "https://127.0.0.1/");
    let record = tunnel(&mesh, Value::Null);
    assert_eq!(reason(&record), "no_server_name", "{record:#}");
    // curl would send no address as a name.
    let named = client_hello("127-0-0-1x.test");
    let at = named
        .windows(15)
        .position(|w| w == b"127-0-0-1x.test")
        .unwrap();
    let mut address = named.clone();
    address[at..at + 15].copy_from_slice(b"127.000.000.001");
    let mut tcp = connect(&mesh, "https");
    tcp.write_all(&address).unwrap();
    assert_closed(tcp);
    let record = tunnel(&mesh, "127.000.000.001");
    assert_eq!(reason(&record), "malformed_server_name", "{record:#}");
    assert!(mesh.nginx.settled_requests().is_empty());
}

#[test]
fn an_address_nobody_allowed_is_not_dialled_for_being_pinned() {
    let mesh = start(&["defaults: { policy: allow }\n", PINNED, GOOGLE]);
    assert_refused(&mesh, "https://www.googleapis.com/");
    let record = tunnel(&mesh, "www.googleapis.com");
    assert_has(
        &record,
        &json!({ "refusal": "address_denied", "decision": "refuse", "upstream_host": null }),
    );
}

#[test]
fn an_origin_that_does_not_listen_is_a_failure_on_record() {
    // A port just given back may be another test's by now; nobody listens here.
    let closed = SocketAddr::from(([127, 255, 0, 1], 1));
    let pins = format!("dns: {{ hosts: {{ www.googleapis.com: \"{closed}\" }} }}\n");
    let mesh = start(&[LOOPBACK, &pins, GOOGLE]);
    assert_refused(&mesh, "https://www.googleapis.com/");
    let record = tunnel(&mesh, "www.googleapis.com");
    assert_has(
        &record,
        &json!({ "decision": "allow", "failure": "connect_failure", "response_flags": "UF",
            "upstream_host": closed.to_string(), "bytes_sent": 0 }),
    );
}

#[test]
fn a_large_download_comes_whole() {
    let mesh = start(&[LOOPBACK, PINNED, GOOGLE]);
    let reply = fetch(&mesh, "https://www.googleapis.com/large");
    assert_eq!(
        (reply.status, reply.body.len(), &*reply.error),
        (200, LARGE, "")
    );
    let record = tunnel(&mesh, "www.googleapis.com");
    assert!(
        record["bytes_sent"].as_u64().unwrap() > LARGE as u64,
        "{record:#}"
    );
}

/// Where a raw origin listens, and what it heard by the end of its caller's words.
fn answering(answer: Vec<u8>) -> (SocketAddr, thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        let mut heard = Vec::new();
        tcp.read_to_end(&mut heard).unwrap();
        tcp.write_all(&answer).unwrap();
        heard
    });
    (address, serving)
}

#[test]
fn an_origin_still_answers_who_has_said_all() {
    let (address, origin) = answering(vec![b'.'; 1_000_000]);
    let pins = format!("dns: {{ hosts: {{ half.test: \"{address}\" }} }}\n");
    let passage = "passthrough: [{ host: half.test, at: mesh:443 }]\n";
    let mesh = start(&[LOOPBACK, &pins, passage]);
    let mut tcp = connect(&mesh, "https");
    let sent = [client_hello("half.test"), b"and early data".to_vec()].concat();
    for piece in sent.chunks(100) {
        tcp.write_all(piece).unwrap();
    }
    tcp.shutdown(Shutdown::Write).unwrap();
    let mut heard = Vec::new();
    tcp.read_to_end(&mut heard).unwrap();
    assert_eq!(heard.len(), 1_000_000);
    assert!(
        origin.join().unwrap() == sent,
        "the origin heard other bytes"
    );
    let record = tunnel(&mesh, "half.test");
    assert_has(
        &record,
        &json!({ "bytes_received": sent.len(), "bytes_sent": 1_000_000, "failure": null }),
    );
}

#[test]
fn slow_and_senseless_clients_are_bounded() {
    let mesh = start(&[LOOPBACK, PINNED, GOOGLE]);
    let whole = client_hello("www.googleapis.com");
    for (listener, sent, why) in [
        ("https", &whole[..1], "handshake_timeout"),
        ("https", &whole[..whole.len() - 1], "handshake_timeout"),
        ("tls", b"", "handshake_timeout"),
        ("tls", b"GET / HTTP/1.1\r\n\r\n", "plaintext"),
        ("https", b"\x16\x03\x01garbage", "malformed_client_hello"),
        (
            "tls",
            b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00",
            "malformed_client_hello",
        ),
    ] {
        let mut tcp = connect(&mesh, listener);
        let me = tcp.local_addr().unwrap().to_string();
        tcp.write_all(sent).unwrap();
        let begun = Instant::now();
        assert_closed(tcp);
        assert!(begun.elapsed() < Duration::from_secs(10), "{sent:?}");
        let record = mesh
            .egret
            .wait_for_record("the client", |r| r["downstream_remote_address"] == me);
        assert_eq!(reason(&record), why, "{record:#}");
        assert_eq!(record["decision"], "refuse");
    }
}

#[test]
fn a_listener_for_tls_alone_serves_its_hosts_in_the_gateways_view() {
    let passages = "passthrough:
  - { host: edition.cnn.com, at: gateway:8443 }
  - { host: www.googleapis.com, at: gateway:8443 }
";
    let mesh = start(&[LOOPBACK, PINNED, passages]);
    assert_eq!(fetch(&mesh, "https://edition.cnn.com:8443/x").status, 200);
    assert_eq!(tunnel(&mesh, "edition.cnn.com")["decision"], "allow");
    let others = fetch(&mesh, "https://www.googleapis.com:8443/y");
    assert_eq!(others.status, 0);
    assert_eq!(
        reason(&tunnel(&mesh, "www.googleapis.com")),
        "unknown_server_name"
    );
    let other_door = fetch(&mesh, "https://edition.cnn.com/z");
    assert_eq!(other_door.status, 0);
    let refused = mesh
        .egret
        .wait_for_record("the other door", |r| r["refusal"] == "unknown_passage");
    assert_eq!(refused["requested_server_name"], "edition.cnn.com");
}

#[test]
fn an_open_tunnel_ends_with_the_process_and_on_record() {
    let (address, _origin) = answering(Vec::new());
    let pins = format!("dns: {{ hosts: {{ open.test: \"{address}\" }} }}\n");
    let mut mesh = start(&[
        LOOPBACK,
        &pins,
        "drain: { serve: 100ms, finish: 500ms }\n",
        "passthrough: [{ host: open.test, at: mesh:443 }]\n",
    ]);
    let mut tcp = connect(&mesh, "https");
    tcp.write_all(&client_hello("open.test")).unwrap();
    // Open, once the origin is dialled.
    until("the origin is dialled", || {
        let metrics = mesh.egret.admin("/metrics");
        let text = String::from_utf8_lossy(&metrics.body).into_owned();
        text.contains("\negret_upstream_connections_total 1\n")
            .then_some(())
    });
    mesh.egret.signal(Signal::Terminate);
    let begun = Instant::now();
    let status = mesh.egret.exit_within(Duration::from_secs(10));
    assert!(status.is_some_and(|s| s.success()), "{}", mesh.egret.said());
    assert!(
        begun.elapsed() >= Duration::from_millis(500),
        "{:?}",
        begun.elapsed()
    );
    assert_closed(tcp);
    let record = tunnel(&mesh, "open.test");
    assert_has(
        &record,
        &json!({ "decision": "allow", "failure": null, "connection_termination_details": "drained" }),
    );
}
