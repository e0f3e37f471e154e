//! HBONE, with Envoy in ztunnel's place: the caller's own certificate around, and
//! within what an application says to the address it dialled.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use boring::ssl::SslVersion;
use serde_json::{Value, json};

use integration_tests::client::Curl;
use integration_tests::http2;
use integration_tests::leaf::Signer;
use integration_tests::mesh::Mesh;
use integration_tests::raw::{Hello, Raw};
use integration_tests::record::{assert_has, reason};
use integration_tests::sidecar::{Protocol, Setup, Sidecar};
use integration_tests::wait::until;

const CONFIGURATION: &str = r#"
listeners:
  - { name: hbone, port: 15008, bind: "127.0.0.1:0", mode: hbone }
dns:
  hosts: { www.googleapis.com: $NGINX, edition.cnn.com: $NGINX }
  vips: { 240.240.0.10: edition.cnn.com, 240.240.0.11: www.googleapis.com, 240.240.0.12: db.test, "2001:db8::12": db.test }
defaults: { addresses: { allow: [127.0.0.0/8] } }
destinations:
  - { host: edition.cnn.com, upstream: { tls: { ca: $ORIGIN_CA } } }
  - { host: httpbin.org, upstream: { addresses: $RECORDER, tls: { ca: $ORIGIN_CA } } }
passthrough: [{ host: "*.googleapis.com", at: mesh:443 }]
policies: [{ name: sleepers, allow: { from: sa:default/sleep } }]
"#;

const SLEEP: &str = "cluster.local/ns/default/sa/sleep";

/// What leads an application's connections to `authority`.
fn ztunnel(mesh: &Mesh, account: &str, authority: &str) -> Sidecar {
    let setup = Setup {
        account,
        credential: &mesh.pki.workload(account),
        roots: &mesh.pki.mesh_roots(),
        gateway: mesh.egret.listener("hbone"),
        protocol: Protocol::Http2,
        externals: &[],
    };
    Sidecar::start_for_hbone(&setup, authority)
}

/// Hears all, then says its answer, once.
fn answering(answer: &'static [u8]) -> (String, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        let mut heard = Vec::new();
        let _ = tcp.read_to_end(&mut heard);
        let _ = tcp.write_all(answer);
        heard
    });
    (address, serving)
}

fn hello(mesh: &Mesh, account: &str) -> Hello {
    Hello {
        alpn: vec!["h2"],
        server_name: None,
        ..Hello::of(&mesh.pki, account, "unused.test")
    }
}

fn connect(mesh: &Mesh, account: &str) -> Raw {
    hello(mesh, account)
        .connect(mesh.egret.listener("hbone"))
        .unwrap()
}

fn fields(all: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let all = all.iter();
    all.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect()
}

#[test]
fn http_within_is_judged_as_what_a_workload_says() {
    let mesh = Mesh::start(CONFIGURATION);
    for (authority, version, protocol) in [
        ("240.240.0.10:80", "--http1.1", "HTTP/1.1"),
        ("240.240.0.10:80", "--http2-prior-knowledge", "HTTP/2"),
        ("edition.cnn.com:80", "--http1.1", "HTTP/1.1"),
    ] {
        let sleep = ztunnel(&mesh, "sleep", authority);
        let path = format!("/{}?{protocol}", authority.len());
        let reply = sleep.curl("edition.cnn.com", &path).args(&[version]).send();
        assert_eq!(
            (reply.status, &*reply.error),
            (200, ""),
            "{authority} {version}\n{}\n{}",
            mesh.egret.said(),
            sleep.log()
        );
        assert_eq!(mesh.nginx.wait_for(&path)["sni"], "edition.cnn.com");
        assert_has(
            &mesh.egret.record_of(&path),
            &json!({
                "source_principal": SLEEP, "rule": "sleepers", "protocol": protocol,
                "authority": "edition.cnn.com", "response_code": 200, "response_flags": "-",
                "requested_server_name": null,
            }),
        );
    }
    let intruder = ztunnel(&mesh, "intruder", "240.240.0.10:80");
    let reply = intruder.curl("edition.cnn.com", "/refused").send();
    assert_eq!((reply.status, &*reply.text()), (403, "RBAC: access denied"));
    assert_has(
        &mesh.egret.record_of("/refused"),
        &json!({ "refusal": "not_allowed", "source_principal": "cluster.local/ns/default/sa/intruder" }),
    );
    // Whatever address was dialled, what is said is what is asked.
    let reply = intruder.curl("other.test", "/other").send();
    assert_eq!(reply.status, 403);
}

#[test]
fn a_large_answer_comes_whole_and_many_at_once() {
    let mesh = Mesh::start(CONFIGURATION);
    let sleep = ztunnel(&mesh, "sleep", "240.240.0.10:80");
    thread::scope(|scope| {
        for number in 0..8 {
            let sleep = &sleep;
            scope.spawn(move || {
                let reply = sleep
                    .curl("edition.cnn.com", &format!("/large?{number}"))
                    .send();
                assert_eq!(reply.body.len(), integration_tests::origin::LARGE);
            });
        }
    });
    let body = vec![b'x'; 3_000_000];
    let sent = sleep.curl("httpbin.org", "/sent").body(&body).send();
    assert_eq!(sent.status, 200, "{}", mesh.egret.said());
    let told = mesh.egret.record_of("/sent");
    assert_eq!(told["bytes_received"], body.len());
    assert!(mesh.recorder.wait_for("/sent").message.body == body);
}

#[test]
fn tls_within_passes_by_its_server_name() {
    let mesh = Mesh::start(CONFIGURATION);
    for (account, authority, status) in [
        ("sleep", "240.240.0.11:443", 200),
        ("sleep", "www.googleapis.com:443", 200),
        ("intruder", "240.240.0.11:443", 0),
    ] {
        let workload = ztunnel(&mesh, account, authority);
        let doors = [(443, workload.address())];
        let path = format!("/{account}");
        let curl = Curl::application(&doors, &format!("https://www.googleapis.com{path}"));
        let reply = curl.roots(&mesh.pki.origin_roots()).send();
        assert_eq!(reply.status, status, "{authority}: {}", mesh.egret.said());
        let principal = format!("cluster.local/ns/default/sa/{account}");
        let told = mesh.egret.wait_for_record("the tunnel", |record| {
            record["source_principal"] == principal && record["inner_server_name"].is_string()
        });
        let refusal = if status == 0 {
            json!("not_allowed")
        } else {
            Value::Null
        };
        assert_has(
            &told,
            &json!({ "inner_server_name": "www.googleapis.com", "refusal": refusal }),
        );
    }
    assert_eq!(mesh.nginx.wait_for("/sleep")["sni"], "www.googleapis.com");
    let other = ztunnel(&mesh, "sleep", "240.240.0.11:443");
    let doors = [(443, other.address())];
    let reply = Curl::application(&doors, "https://edition.cnn.com/x").send();
    assert_eq!(reply.status, 0);
    let told = mesh
        .egret
        .wait_for_record("no passage", |r| r["refusal"] == "unknown_passage");
    assert_eq!(told["inner_server_name"], "edition.cnn.com");
}

#[test]
fn bytes_go_where_the_address_leads_and_the_server_may_speak_first() {
    let (address, origin) = answering(b"what the database says");
    let routes = format!(
        "{CONFIGURATION}tcp: [{{ host: db.test, at: mesh:5432, upstream: {{ addresses: \"{address}\" }} }}]\n"
    );
    let mesh = Mesh::start(&routes);
    let sleep = ztunnel(&mesh, "sleep", "240.240.0.12:5432");
    let mut tcp = TcpStream::connect(sleep.address()).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    tcp.write_all(b"what is asked").unwrap();
    tcp.shutdown(Shutdown::Write).unwrap();
    let mut heard = Vec::new();
    tcp.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, b"what the database says", "{}", mesh.egret.said());
    assert_eq!(origin.join().unwrap(), b"what is asked");
    let told = mesh
        .egret
        .wait_for_record("the tunnel", |record| record["method"] == "CONNECT");
    assert_has(
        &told,
        &json!({
            "authority": "db.test:5432", "protocol": "HTTP/2", "response_code": 200,
            "source_principal": SLEEP, "rule": "sleepers", "bytes_received": 13, "bytes_sent": 22,
            "upstream_cluster": "outbound|5432||db.test",
        }),
    );
    // What is not allowed, or cannot be, has its status.
    for (account, authority, status, code) in [
        ("intruder", "240.240.0.12:5432", 403, "not_allowed"),
        ("intruder", "[2001:db8::12]:5432", 403, "not_allowed"),
        ("sleep", "db.test:5432", 503, "connect_failure"),
    ] {
        let mut raw = connect(&mesh, account);
        let asked = fields(&[(":method", "CONNECT"), (":authority", authority)]);
        let answer = http2::ask(&mut raw, &asked, b"").unwrap();
        assert_eq!(answer.status, Some(status), "{authority}");
        let told = mesh
            .egret
            .wait_for_record(code, |record| reason(record) == code);
        assert_has(
            &told,
            &json!({ "method": "CONNECT", "authority": "db.test:5432", "response_code": status }),
        );
    }
}

#[test]
fn what_is_no_connect_to_a_host_of_the_mesh_is_400_on_record() {
    let mesh = Mesh::start(CONFIGURATION);
    for (asked, code) in [
        (
            &[(":method", "CONNECT"), (":authority", "240.240.0.99:80")][..],
            "unknown_vip",
        ),
        (
            &[(":method", "CONNECT"), (":authority", "169.254.169.254:80")],
            "unknown_vip",
        ),
        (
            &[(":method", "CONNECT"), (":authority", "127.0.0.1:80")],
            "unknown_vip",
        ),
        (
            &[(":method", "CONNECT"), (":authority", "edition.cnn.com")],
            "host_port",
        ),
        (
            &[(":method", "CONNECT"), (":authority", "a_b-.test:80")],
            "host_label",
        ),
        (
            &[
                (":method", "CONNECT"),
                (":authority", "edition.cnn.com:80"),
                ("host", "other.test"),
            ],
            "target_authority",
        ),
        (
            &[
                (":method", "CONNECT"),
                (":authority", "edition.cnn.com:80"),
                ("content-length", "0"),
            ],
            "connect_body",
        ),
        (
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "edition.cnn.com"),
                (":path", "/"),
            ],
            "proxy_target",
        ),
    ] {
        let mut raw = connect(&mesh, "sleep");
        let client = raw.local_address().to_string();
        let answer = http2::ask(&mut raw, &fields(asked), b"").unwrap();
        assert_eq!(answer.status, Some(400), "{asked:?}: {}", mesh.egret.said());
        let told = mesh
            .egret
            .wait_for_record(code, |record| record["downstream_remote_address"] == client);
        assert_eq!(reason(&told), code, "{told:#}");
        assert_has(
            &told,
            &json!({ "method": asked[0].1, "source_principal": SLEEP, "upstream_host": null }),
        );
    }
    assert_eq!(mesh.egret.metric("egret_upstream_connections_total"), 0);
}

#[test]
fn nothing_but_hbone_is_spoken_there() {
    let mesh = Mesh::start(CONFIGURATION);
    let listener = mesh.egret.listener("hbone");
    for (what, hello) in [
        (
            "TLS 1.2",
            Hello {
                newest: SslVersion::TLS1_2,
                ..hello(&mesh, "sleep")
            },
        ),
        (
            "HTTP/1.1",
            Hello {
                alpn: vec!["http/1.1"],
                ..hello(&mesh, "sleep")
            },
        ),
        (
            "no protocol",
            Hello {
                alpn: Vec::new(),
                ..hello(&mesh, "sleep")
            },
        ),
        (
            "no certificate",
            Hello {
                credential: None,
                ..hello(&mesh, "sleep")
            },
        ),
    ] {
        let refused = match hello.connect(listener) {
            Err(_) => true,
            // In TLS 1.3 it shows when the first answer is read.
            Ok(mut raw) => raw.send(&http2::preface()).is_err() || raw.some().unwrap().is_empty(),
        };
        assert!(refused, "{what}");
    }
    let told = mesh
        .egret
        .wait_for_records("refused handshakes", 4, |record| record["method"].is_null());
    let mut why: Vec<_> = told.iter().map(reason).collect();
    why.sort_unstable();
    let failed = "handshake_failed";
    assert_eq!(why, [failed, failed, failed, "no_client_certificate"]);
}

#[test]
fn addresses_of_service_entries_are_known() {
    let (address, origin) = answering(b"heard");
    let objects = format!(
        "listeners: [{{ name: hbone, port: 15008, bind: \"127.0.0.1:0\", mode: hbone }}]
dns: {{ hosts: {{ db.test: \"{address}\" }} }}
defaults: {{ policy: allow, addresses: {{ allow: [127.0.0.0/8] }} }}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{ name: db }}
spec:
  hosts: [db.test]
  addresses: [240.240.0.7]
  ports: [{{ number: 5432, name: tcp, protocol: TCP }}]
  resolution: DNS
"
    );
    let mesh = Mesh::start(&objects);
    let workload = ztunnel(&mesh, "sleep", "240.240.0.7:5432");
    let mut tcp = TcpStream::connect(workload.address()).unwrap();
    tcp.write_all(b"asked").unwrap();
    tcp.shutdown(Shutdown::Write).unwrap();
    let mut heard = Vec::new();
    tcp.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, b"heard", "{}\n{}", mesh.egret.said(), workload.log());
    assert_eq!(origin.join().unwrap(), b"asked");
}

#[test]
fn every_stream_counts_as_a_connection_of_its_caller() {
    let bounded = format!("{CONFIGURATION}limits: {{ connectionsPerPrincipal: 2 }}\n");
    let mesh = Mesh::start(&bounded);
    let mut raw = connect(&mesh, "sleep");
    let asked = fields(&[(":method", "CONNECT"), (":authority", "240.240.0.10:80")]);
    raw.send(&http2::preface()).unwrap();
    // Streams that stay open: nothing is said within.
    let block: Vec<u8> = asked.iter().flat_map(http2::literal).collect();
    let open = |stream| http2::frame(http2::HEADERS, http2::END_HEADERS, stream, &block);
    raw.send(&[open(1), open(3)].concat()).unwrap();
    let answer = http2::answer(&mut raw, 3).unwrap();
    assert_eq!(answer.status, Some(503), "{}", mesh.egret.said());
    let told = mesh
        .egret
        .wait_for_record("one too many", |r| r["refusal"] == "too_many_connections");
    assert_has(
        &told,
        &json!({ "source_principal": SLEEP, "method": "CONNECT", "response_code": 503 }),
    );
}

/// The origin of a tunnel never reads for all connections but the last of so many,
/// to which it says what it heard.
fn stubborn(stalled: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut held = Vec::new();
        for tcp in listener.incoming().map_while(Result::ok) {
            if held.len() < stalled {
                held.push(tcp);
                continue;
            }
            let mut heard = Vec::new();
            let _ = (&tcp).read_to_end(&mut heard);
            let _ = (&tcp).write_all(&heard);
        }
    });
    address
}

#[test]
fn streams_that_stand_still_hold_up_no_other() {
    const STALLED: usize = 8;
    let routes = format!(
        "{CONFIGURATION}tcp: [{{ host: db.test, at: mesh:5432, upstream: {{ addresses: \"{}\" }} }}]\n",
        stubborn(STALLED)
    );
    let mesh = Mesh::start(&routes);
    let sleep = ztunnel(&mesh, "sleep", "db.test:5432");
    let fill = |sleep: &Sidecar| {
        let mut tcp = TcpStream::connect(sleep.address()).unwrap();
        tcp.set_write_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        // Until nothing more is taken, anywhere on the way.
        while tcp.write(&[0; 64 * 1024]).is_ok() {}
        tcp
    };
    let stalled: Vec<_> = thread::scope(|scope| {
        let filling: Vec<_> = (0..STALLED).map(|_| scope.spawn(|| fill(&sleep))).collect();
        filling.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let mut tcp = TcpStream::connect(sleep.address()).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let asked = vec![b'?'; 1_000_000];
    tcp.write_all(&asked).unwrap();
    tcp.shutdown(Shutdown::Write).unwrap();
    let mut heard = Vec::new();
    tcp.read_to_end(&mut heard).unwrap();
    assert!(
        heard == asked,
        "{} bytes: {}",
        heard.len(),
        mesh.egret.said()
    );
    assert_eq!(stalled.len(), STALLED);
}

#[test]
fn what_is_within_ends_with_the_callers_right() {
    let (address, _origin) = answering(b"");
    let routes = format!(
        "{CONFIGURATION}tcp: [{{ host: db.test, at: mesh:5432, upstream: {{ addresses: \"{address}\" }} }}]\n"
    );
    let mesh = Mesh::start(&routes);
    let bytes = ztunnel(&mesh, "sleep", "db.test:5432");
    let http = ztunnel(&mesh, "sleep", "edition.cnn.com:80");
    let mut tunnel = TcpStream::connect(bytes.address()).unwrap();
    tunnel.write_all(b"open").unwrap();
    let mut kept = TcpStream::connect(http.address()).unwrap();
    kept.write_all(b"GET /before HTTP/1.1\r\nHost: edition.cnn.com\r\n\r\n")
        .unwrap();
    assert_eq!(mesh.egret.record_of("/before")["response_code"], 200);
    until("the tunnel is open", || {
        (mesh.egret.metric("istio_tcp_connections_opened_total") == 1).then_some(())
    });
    // Their root is trusted no more.
    mesh.pki.trust(&[Signer::NextMesh]);
    for mut tcp in [tunnel, kept] {
        tcp.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut heard = Vec::new();
        let ended = tcp.read_to_end(&mut heard);
        assert!(
            !matches!(&ended, Err(e) if e.kind() == io::ErrorKind::WouldBlock),
            "still open: {}",
            mesh.egret.said()
        );
    }
    let told = mesh
        .egret
        .wait_for_record("the tunnel", |record| record["authority"] == "db.test:5432");
    assert_has(
        &told,
        &json!({ "refusal": "certificate_untrusted", "response_code": 200, "bytes_received": 4 }),
    );
}

#[test]
fn a_stream_on_which_nothing_is_said_is_on_record() {
    let mesh = Mesh::start(CONFIGURATION);
    let mut raw = connect(&mesh, "sleep");
    let asked = fields(&[
        (":method", "CONNECT"),
        (":authority", "forbidden.test:3306"),
    ]);
    raw.send(&[http2::preface(), http2::head(1, &asked, false)].concat())
        .unwrap();
    let head = |bytes: &[u8]| {
        let mut rest = bytes;
        while let Some((frame, length)) = http2::Frame::read(rest) {
            if frame.kind == http2::HEADERS {
                return true;
            }
            rest = &rest[length..];
        }
        false
    };
    let mut bytes = Vec::new();
    while !head(&bytes) {
        bytes.extend(raw.some().unwrap());
    }
    raw.send(&http2::frame(http2::DATA, http2::END_STREAM, 1, b""))
        .unwrap();
    let told = mesh
        .egret
        .wait_for_record("the stream", |record| record["method"] == "CONNECT");
    assert_has(
        &told,
        &json!({
            "authority": "forbidden.test:3306", "response_code": 200, "failure": "client_gone",
            "source_principal": SLEEP, "bytes_received": 0, "upstream_host": null,
        }),
    );
}

#[test]
fn a_stream_that_its_caller_resets_is_on_record() {
    let (address, origin) = answering(b"");
    let routes = format!(
        "{CONFIGURATION}tcp: [{{ host: db.test, at: mesh:5432, upstream: {{ addresses: \"{address}\" }} }}]\n"
    );
    let mesh = Mesh::start(&routes);
    let mut raw = connect(&mesh, "sleep");
    let asked = fields(&[(":method", "CONNECT"), (":authority", "db.test:5432")]);
    let block: Vec<u8> = asked.iter().flat_map(http2::literal).collect();
    let open = http2::frame(http2::HEADERS, http2::END_HEADERS, 1, &block);
    let data = http2::frame(http2::DATA, 0, 1, b"half a quest");
    raw.send(&[http2::preface(), open, data].concat()).unwrap();
    until("the bytes are through", || {
        (mesh.egret.metric("istio_tcp_connections_opened_total") == 1).then_some(())
    });
    // CANCEL
    raw.send(&http2::frame(http2::RST_STREAM, 0, 1, &8_u32.to_be_bytes()))
        .unwrap();
    let told = mesh
        .egret
        .wait_for_record("the stream", |record| record["method"] == "CONNECT");
    assert_has(
        &told,
        &json!({ "failure": "client_gone", "response_flags": "DC", "response_code": 200 }),
    );
    let heard = origin.join().unwrap();
    assert!(b"half a quest".starts_with(&heard), "{heard:?}");
}
