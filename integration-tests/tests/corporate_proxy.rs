//! External hosts behind a corporate proxy: the gateway asks it for a tunnel, with
//! credentials, and speaks verified TLS with the host through it.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use boring::ssl::{SslAcceptor, SslFiletype, SslMethod, SslStream};
use serde_json::{Value, json};

use integration_tests::egret::Egret;
use integration_tests::mesh::Mesh;
use integration_tests::pki::{Credential, Pki};
use integration_tests::raw::Hello;
use integration_tests::record::{assert_has, reason};
use integration_tests::recorder::Recorder;
use integration_tests::sidecar::{Protocol, TCP_ALPN};
use integration_tests::tinyproxy::Tinyproxy;

const HTTPBIN: &str = "httpbin.org";
const SECOND: &str = "second.test";
const SECRET: &str = "open-sesame";

/// A bench with a proxy at `proxy`; `$VIA` is the way through it, in whose
/// folder the credentials `user:open-sesame` lie.
fn start(proxy: SocketAddr, configuration: &str) -> Mesh {
    let pki = Pki::create();
    let credentials = pki.mesh_roots().with_file_name("proxy-credentials");
    fs::write(&credentials, format!("user:{SECRET}\n")).unwrap();
    let via = format!(
        "via: {{ proxy: \"{proxy}\", credentials: $PKI/proxy-credentials, allowAddresses: [127.0.0.1] }}"
    );
    Mesh::start_by(Egret::start, pki, &configuration.replace("$VIA", &via))
}

/// The recorder by the name the proxy looks up, known by its own certificate.
fn by_proxy() -> String {
    format!(
        "defaults: {{ policy: allow, retries: {{ attempts: 0 }} }}
destinations:
  - host: {HTTPBIN}
    upstream: {{ host: localhost, port: $RECORDER_PORT, connectTimeout: 2s, tls: {{ ca: $ORIGIN_CA, sni: {HTTPBIN} }}, $VIA }}
  - host: {SECOND}
    upstream: {{ host: localhost, port: $RECORDER_PORT, tls: {{ ca: $PKI/mesh-roots.pem, sni: {SECOND} }}, $VIA }}
"
    )
}

#[track_caller]
fn assert_nothing_told_of_the_secret(mesh: &Mesh) {
    let all = [mesh.egret.lines(), mesh.egret.diagnostics()]
        .concat()
        .concat();
    // As it is, and as it is sent.
    for secret in [SECRET, "dXNlcjpvcGVuLXNlc2FtZQ"] {
        assert!(!all.contains(secret), "{all}");
    }
}

#[test]
fn a_host_is_reached_through_the_proxy_and_verified_behind_it() {
    let proxy = Tinyproxy::start(&format!("user {SECRET}"));
    let mesh = start(proxy.address(), &by_proxy());
    let origin = format!("localhost:{}", mesh.recorder.address().port());
    for protocol in Protocol::ALL {
        let target = format!("/{protocol:?}");
        let reply = mesh
            .sidecar("sleep", protocol)
            .curl(HTTPBIN, &target)
            .send();
        assert_eq!(reply.status, 200, "{}\n{}", mesh.egret.said(), proxy.log());
        let seen = mesh.recorder.wait_for(&target);
        assert_eq!(seen.server_name.as_deref(), Some(HTTPBIN));
        let head = String::from_utf8(seen.message.head).unwrap().to_lowercase();
        assert!(!head.contains("proxy-"), "{head}");
        assert_has(
            &mesh.egret.record_of(&target),
            &json!({
                "response_code": 200, "response_flags": "-",
                "upstream_host": proxy.address().to_string(),
                "upstream_cluster": format!("outbound|{}||localhost", mesh.recorder.address().port()),
            }),
        );
    }
    proxy.wait_for(&origin);
    assert_eq!(mesh.recorder.connections(), 1, "a tunnel is used again");

    assert_eq!(mesh.fetch("sleep", SECOND, "/untrusted").status, 503);
    let record = mesh.egret.record_of("/untrusted");
    assert_eq!(reason(&record), "upstream_tls_verification", "{record:#}");
    assert!(mesh.recorder.seen_for("/untrusted").is_empty());
    assert_nothing_told_of_the_secret(&mesh);
}

#[test]
fn without_the_right_credentials_there_is_no_tunnel_until_the_file_holds_them() {
    let proxy = Tinyproxy::start("user other-words");
    let mesh = start(proxy.address(), &by_proxy());
    assert_eq!(mesh.fetch("sleep", HTTPBIN, "/refused").status, 503);
    let record = mesh.egret.record_of("/refused");
    assert_has(
        &record,
        &json!({
            "failure": "proxy_refused", "response_flags": "UF", "decision": "allow",
            "upstream_host": proxy.address().to_string(),
            "upstream_transport_failure_reason": "the proxy asks for other credentials (401)",
        }),
    );
    assert_eq!(mesh.recorder.connections(), 0);
    let credentials = mesh.pki.mesh_roots().with_file_name("proxy-credentials");
    fs::write(credentials, "user:other-words").unwrap();
    mesh.until_served("sleep", HTTPBIN, "/again");
    assert_nothing_told_of_the_secret(&mesh);
}

#[test]
fn bytes_go_through_the_proxy_too() {
    let proxy = Tinyproxy::start(&format!("user {SECRET}"));
    // It greets first, as many a database does.
    let greeter = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = greeter.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in greeter.incoming().flatten() {
            let _ = stream.write_all(b"welcome");
        }
    });
    let mesh = start(
        proxy.address(),
        &format!(
            "listeners: [{{ name: db, port: 5432, bind: \"127.0.0.1:0\", mode: tcp }}]
defaults: {{ policy: allow }}
tcp:
  - {{ host: localhost, at: gateway:5432, upstream: {{ port: {port}, $VIA }} }}
"
        ),
    );
    let hello = Hello {
        alpn: TCP_ALPN.to_vec(),
        ..Hello::of(&mesh.pki, "sleep", "any.test")
    };
    let mut raw = hello.connect(mesh.egret.listener("db")).unwrap();
    assert_eq!(raw.some().unwrap(), b"welcome");
    drop(raw);
    let record = mesh.egret.wait_for_record("the tunnel", |_| true);
    assert_has(
        &record,
        &json!({
            "upstream_host": proxy.address().to_string(), "bytes_sent": 7,
            "upstream_cluster": format!("outbound|{port}||localhost"),
        }),
    );
    assert_eq!(proxy.asked_for(&format!("localhost:{port}")), 1);
}

/// A proxy that reads a head and says `answer`, over and over if it has no end;
/// and how often it was asked.
fn hostile(answer: &'static [u8], is_endless: bool) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            thread::spawn(move || {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head);
                while stream.write_all(answer).is_ok() && is_endless {}
                let _ = stream.read(&mut head);
            });
        }
    });
    (address, asked)
}

#[test]
fn a_hostile_proxy_costs_a_failure_with_a_reason() {
    let endless: &[u8] = &[b'a'; 1024];
    for (answer, is_endless, failure, why) in [
        (
            &b"HTTP/1.1 403 No\r\n\r\n"[..],
            false,
            "proxy_refused",
            "opens no tunnel to `localhost:",
        ),
        (endless, true, "proxy_protocol", "has no end"),
        (
            b"SSH-2.0-OpenSSH\r\n\r\n",
            false,
            "proxy_protocol",
            "is no HTTP",
        ),
        (b"", false, "connect_timeout", "no connection within 2s"),
        (
            b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
            false,
            "upstream_tls_handshake",
            "TLS handshake with `httpbin.org` failed",
        ),
    ] {
        let (proxy, _) = hostile(answer, is_endless);
        let mesh = start(proxy, &by_proxy());
        let reply = mesh.fetch("sleep", HTTPBIN, "/x");
        assert_eq!(reply.status, 503, "{failure}");
        let record = mesh.egret.record_of("/x");
        assert_eq!(record["failure"], failure, "{record:#}");
        let told = record["upstream_transport_failure_reason"].as_str();
        assert!(told.is_some_and(|told| told.contains(why)), "{record:#}");
        assert_eq!(record["upstream_host"], proxy.to_string());
        assert!(!reply.text().contains("evil"));
    }
}

#[test]
fn an_answer_before_the_question_is_nobodys() {
    let (proxy, _) = hostile(
        b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        false,
    );
    let plain = by_proxy().replace(
        &format!("tls: {{ ca: $ORIGIN_CA, sni: {HTTPBIN} }}"),
        "tls: off",
    );
    let mesh = start(proxy, &plain);
    let reply = mesh.fetch("sleep", HTTPBIN, "/x");
    assert_eq!(reply.status, 503);
    assert_eq!(reason(&mesh.egret.record_of("/x")), "proxy_protocol");
}

#[test]
fn no_address_that_the_destination_may_not_reach_is_asked_of_the_proxy() {
    let (proxy, asked) = hostile(b"HTTP/1.1 200 OK\r\n\r\n", false);
    let addresses = ["10.0.0.1", "127.0.0.1", "169.254.169.254", "[::1]"];
    let named = addresses
        .map(|host| format!("  - {{ host: \"{host}\", upstream: {{ tls: off, $VIA }} }}\n"));
    let mesh = start(
        proxy,
        &format!(
            "defaults: {{ policy: allow }}
destinations:
  - {{ host: \"*\", upstream: {{ $VIA }} }}
{}",
            named.concat()
        ),
    );
    for host in addresses {
        let reply = mesh.raw(host, &format!("GET /x HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        assert_eq!(reply.status(), 403, "{host}");
    }
    let records = mesh.egret.wait_for_records("refusals", 4, |_| true);
    let is_refused = |record: &Value| {
        reason(record) == "address_denied" && record["upstream_host"] == Value::Null
    };
    assert!(records.iter().all(is_refused), "{records:#?}");
    // A wildcard admits names alone.
    let reply = mesh.raw("10.0.0.2", "GET /x HTTP/1.1\r\nhost: 10.0.0.2\r\n\r\n");
    assert_eq!(reply.status(), 404);
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn what_one_host_is_reached_by_serves_no_other_behind_the_same_proxy() {
    let proxy = Tinyproxy::start(&format!("user {SECRET}"));
    let (one, other) = (Recorder::plain(), Recorder::plain());
    let upstream = |host: &str, port: u16| {
        format!(
            "  - host: {host}\n    upstream: {{ host: localhost, port: {port}, tls: off, $VIA }}\n"
        )
    };
    let mesh = start(
        proxy.address(),
        &format!(
            "defaults: {{ policy: allow }}\ndestinations:\n{}{}",
            upstream(HTTPBIN, one.address().port()),
            upstream(SECOND, other.address().port()),
        ),
    );
    for number in 0..2 {
        for (host, origin) in [(HTTPBIN, &one), (SECOND, &other)] {
            let target = format!("/{host}/{number}");
            assert_eq!(mesh.fetch("sleep", host, &target).status, 200);
            assert_eq!(origin.wait_for(&target).connection, 1);
        }
    }
}

/// A proxy within TLS that opens every tunnel it is asked for, with the heads it
/// was sent.
fn encrypted(credential: &Credential) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let mut tls = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    tls.set_certificate_chain_file(&credential.chain).unwrap();
    tls.set_private_key_file(&credential.key, SslFiletype::PEM)
        .unwrap();
    let acceptor = tls.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&heads);
    thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            let Ok(mut tls) = acceptor.accept(tcp) else {
                continue;
            };
            let mut head = vec![0; 4096];
            let length = tls.read(&mut head).unwrap();
            let head = String::from_utf8(head[..length].to_vec()).unwrap();
            let authority = head.split(' ').nth(1).unwrap().to_owned();
            told.lock().unwrap().push(head);
            let origin = TcpStream::connect(authority).unwrap();
            tls.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            thread::spawn(move || relay(tls, origin));
        }
    });
    (address, heads)
}

/// Both ways, each in its turn, until either side is done.
fn relay(mut tls: SslStream<TcpStream>, mut origin: TcpStream) {
    let moment = Some(Duration::from_millis(5));
    tls.get_ref().set_read_timeout(moment).unwrap();
    origin.set_read_timeout(moment).unwrap();
    let mut buffer = [0; 16 * 1024];
    let is_late = |error: &io::Error| {
        matches!(
            error.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
        )
    };
    loop {
        match tls.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => origin.write_all(&buffer[..length]).unwrap(),
            Err(error) if is_late(&error) => {}
            Err(_) => return,
        }
        match origin.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => tls.write_all(&buffer[..length]).unwrap(),
            Err(error) if is_late(&error) => {}
            Err(_) => return,
        }
    }
}

#[test]
fn credentials_are_shown_to_no_proxy_that_is_not_the_one_named() {
    let pki = Pki::create();
    let (proxy, heads) = encrypted(&pki.origin(&["proxy.test"]));
    let credentials = pki.mesh_roots().with_file_name("proxy-credentials");
    fs::write(&credentials, format!("user:{SECRET}\n")).unwrap();
    let upstream = |host: &str, name: &str| {
        format!(
            "  - host: {host}
    upstream:
      host: localhost
      port: $RECORDER_PORT
      tls: {{ ca: $ORIGIN_CA, sni: {host} }}
      via:
        proxy: {name}:{}
        addresses: [127.0.0.1]
        allowAddresses: [127.0.0.1]
        credentials: $PKI/proxy-credentials
        tls: {{ ca: $ORIGIN_CA }}
",
            proxy.port()
        )
    };
    let mesh = Mesh::start_with(
        pki,
        &format!(
            "defaults: {{ policy: allow }}\ndestinations:\n{}{}",
            upstream(HTTPBIN, "proxy.test"),
            upstream(SECOND, "other-proxy.test"),
        ),
    );
    assert_eq!(mesh.fetch("sleep", SECOND, "/x").status, 503);
    let record = mesh.egret.record_of("/x");
    assert_eq!(reason(&record), "upstream_tls_verification", "{record:#}");
    let why = record["upstream_transport_failure_reason"]
        .as_str()
        .unwrap();
    assert!(why.contains("`other-proxy.test`"), "{why}");
    assert!(heads.lock().unwrap().is_empty());

    assert_eq!(mesh.fetch("sleep", HTTPBIN, "/y").status, 200);
    let seen = mesh.recorder.wait_for("/y");
    assert_eq!(seen.server_name.as_deref(), Some(HTTPBIN));
    let heads = heads.lock().unwrap().clone();
    assert_eq!(heads.len(), 1);
    assert!(
        heads[0].contains("Proxy-Authorization: Basic "),
        "{heads:?}"
    );
}
