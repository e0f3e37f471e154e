//! TCP that is neither HTTP nor known by a server name: it goes where the port
//! leads, for callers that mutual TLS has named, and on record.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use integration_tests::client::Curl;
use integration_tests::mesh::Mesh;
use integration_tests::postgres::{self, Postgres};
use integration_tests::process::Signal;
use integration_tests::raw::{Ending, Hello, Raw};
use integration_tests::record::{assert_has, reason};
use integration_tests::sidecar::{External, Protocol, Setup, Sidecar, Sni, TCP_ALPN};
use integration_tests::wait::until;

const LISTENERS: &str = r#"
listeners:
  - { name: mesh, port: 443, bind: "127.0.0.1:0" }
  - { name: db, port: 5432, bind: "127.0.0.1:0", mode: tcp }
  - { name: web, port: 8443, bind: "127.0.0.1:0", mode: tcp }
  - { name: plain, port: 9000, bind: "127.0.0.1:0", mode: tcp, tls: off }
"#;

const LOOPBACK: &str = "defaults: { addresses: { allow: [127.0.0.0/8] } }\n";

const SLEEP: &str = "policies: [{ name: sleepers, allow: { from: sa:default/sleep } }]\n";

fn start(parts: &[&str]) -> Mesh {
    Mesh::start(&[&[LISTENERS], parts].concat().concat())
}

/// The sidecar of a workload whose TCP is led to a listener.
fn sidecar(mesh: &Mesh, account: &str, listener: &str, external: &External) -> Sidecar {
    let setup = Setup {
        account,
        credential: &mesh.pki.workload(account),
        roots: &mesh.pki.mesh_roots(),
        gateway: mesh.egret.listener(listener),
        protocol: Protocol::Http1,
        externals: &[],
    };
    Sidecar::start_for_tcp(&setup, external)
}

/// A connection of a workload straight to a listener.
fn connect(mesh: &Mesh, account: &str, listener: &str) -> Raw {
    let hello = Hello {
        alpn: TCP_ALPN.to_vec(),
        ..Hello::of(&mesh.pki, account, "any.test")
    };
    let raw = hello.connect(mesh.egret.listener(listener)).unwrap();
    assert_eq!(raw.alpn(), None, "a protocol we do not speak");
    raw
}

#[track_caller]
fn record(mesh: &Mesh, listener: &str, what: &str) -> Value {
    let local = mesh.egret.listener(listener).to_string();
    mesh.egret
        .wait_for_record(what, |r| r["downstream_local_address"] == local)
}

/// Hears all, then says its answer, once.
fn answering(answer: Vec<u8>) -> (String, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
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
fn a_database_is_reached_through_a_sidecar_by_whom_policy_allows() {
    let database = Postgres::start();
    let route = format!(
        "tcp: [{{ host: db.test, at: gateway:5432, upstream: {{ addresses: \"{}\" }} }}]\n",
        database.address()
    );
    let mesh = start(&[LOOPBACK, &route, SLEEP]);
    let external = External {
        sni: Sni::Service,
        ..External::new("db.test")
    };
    let sleep = sidecar(&mesh, "sleep", "db", &external);
    let answer = postgres::ask(sleep.address(), "select 40 + 2");
    assert_eq!(
        (&*answer.rows, &*answer.error),
        ("42", ""),
        "{}",
        sleep.log()
    );
    assert!(
        database.log().contains("select 40 + 2"),
        "{}",
        database.log()
    );
    let told = record(&mesh, "db", "the session");
    assert_has(
        &told,
        &json!({
            "decision": "allow", "rule": "sleepers", "refusal": null, "failure": null,
            "source_principal": "cluster.local/ns/default/sa/sleep",
            "requested_server_name":
                "outbound_.443_.db-test_.istio-egressgateway.istio-system.svc.cluster.local",
            "method": null, "path": null, "response_code": 0, "response_flags": "-",
            "upstream_cluster": "outbound|5432||db.test",
            "upstream_host": database.address().to_string(),
        }),
    );
    assert!(told["bytes_received"].as_u64() > Some(40), "{told:#}");
    assert!(told["bytes_sent"].as_u64() > Some(40), "{told:#}");
    assert_eq!(told.get("inner_server_name"), None);

    let before = database.log().matches("connection received").count();
    let other = sidecar(&mesh, "intruder", "db", &external);
    let answer = postgres::ask(other.address(), "select 1");
    assert_eq!(answer.rows, "");
    assert!(!answer.error.is_empty());
    let told = mesh
        .egret
        .wait_for_record("the intruder", |r| r["refusal"] == "not_allowed");
    assert_has(
        &told,
        &json!({
            "decision": "deny", "source_principal": "cluster.local/ns/default/sa/intruder",
            "upstream_host": null, "bytes_sent": 0, "response_flags": "-",
            "connection_termination_details": "rbac_access_denied_matched_policy[none]",
        }),
    );
    let after = database.log().matches("connection received").count();
    assert_eq!(before, after, "the database has seen the intruder");
}

#[test]
fn tls_of_ours_is_verified_and_bytes_are_as_they_were() {
    let route = "tcp:
  - { host: edition.cnn.com, at: gateway:8443, upstream: { addresses: $NGINX, tls: { ca: $ORIGIN_CA } } }
  - { host: wrong-name.test, at: gateway:5432, upstream: { addresses: $NGINX, tls: { ca: $ORIGIN_CA } } }
";
    let mesh = start(&[LOOPBACK, route, SLEEP]);
    let mut raw = connect(&mesh, "sleep", "web");
    let answer = raw
        .exchange("GET /through HTTP/1.1\r\nhost: edition.cnn.com\r\nconnection: close\r\n\r\n")
        .unwrap();
    assert_eq!(answer.status(), 200);
    let (rest, ending) = raw.rest(Duration::from_secs(10));
    assert_eq!((rest.len(), ending), (0, Ending::Closed));
    raw.finish();
    let seen = mesh.nginx.wait_for("/through");
    assert_eq!(seen["sni"], "edition.cnn.com");
    let told = record(&mesh, "web", "the tunnel");
    let nginx = mesh.nginx.address().to_string();
    assert_has(
        &told,
        &json!({ "decision": "allow", "failure": null, "upstream_host": nginx }),
    );
    let mut raw = connect(&mesh, "sleep", "db");
    let (heard, ending) = raw.rest(Duration::from_secs(10));
    assert_eq!((heard.len(), ending), (0, Ending::Closed));
    let told = record(&mesh, "db", "the other");
    assert_has(
        &told,
        &json!({
            "decision": "allow", "failure": "upstream_tls_verification", "response_flags": "UF",
            "upstream_transport_failure_reason":
                "certificate of `wrong-name.test` not accepted: Hostname mismatch",
        }),
    );
}

#[test]
fn what_leads_nowhere_or_to_a_private_address_is_refused_before_it_is_dialled() {
    let (address, _origin) = answering(Vec::new());
    let routes = format!(
        "dns: {{ hosts: {{ private.test: \"{address}\" }} }}
tcp:
  - {{ host: private.test, at: gateway:5432 }}
  - {{ host: elsewhere.test, at: gateway:8443, sni: elsewhere.test }}
"
    );
    let mesh = start(&[&routes, SLEEP]);
    for (listener, refusal) in [("db", "address_denied"), ("web", "unknown_passage")] {
        let mut raw = connect(&mesh, "sleep", listener);
        let (heard, ending) = raw.rest(Duration::from_secs(10));
        assert_eq!((heard.len(), ending), (0, Ending::Closed), "{listener}");
        let told = record(&mesh, listener, refusal);
        assert_eq!(reason(&told), refusal, "{told:#}");
        assert_eq!(told["decision"], "refuse");
        assert_eq!(
            told["source_principal"],
            "cluster.local/ns/default/sa/sleep"
        );
    }
}

#[test]
fn an_origin_still_answers_who_has_said_all() {
    let (address, origin) = answering(vec![b'.'; 1_000_000]);
    let route = format!(
        "tcp: [{{ host: half.test, at: gateway:5432, upstream: {{ addresses: \"{address}\" }} }}]\n"
    );
    let mesh = start(&[LOOPBACK, &route, SLEEP]);
    let mut raw = connect(&mesh, "sleep", "db");
    raw.send(b"all there is to say").unwrap();
    raw.finish();
    let (heard, ending) = raw.rest(Duration::from_secs(10));
    assert_eq!((heard.len(), ending), (1_000_000, Ending::Closed));
    assert_eq!(origin.join().unwrap(), b"all there is to say");
    let told = record(&mesh, "db", "the tunnel");
    assert_has(
        &told,
        &json!({ "bytes_received": 19, "bytes_sent": 1_000_000, "failure": null, "response_flags": "-" }),
    );
}

#[test]
fn a_tunnel_is_told_of_while_it_is_open() {
    let (address, origin) = answering(b"heard".to_vec());
    let route = format!(
        "tcp: [{{ host: long.test, at: gateway:5432, upstream: {{ addresses: \"{address}\" }} }}]\n"
    );
    let logs = "logs: [{ openTunnels: 100ms }]\n";
    let mesh = start(&[LOOPBACK, logs, &route, SLEEP]);
    let mut raw = connect(&mesh, "sleep", "db");
    raw.send(b"hello").unwrap();
    let is_open = |told: &Value| told["response_code_details"] == "tunnel_open";
    let open = mesh.egret.wait_for_record("the open tunnel", |told| {
        is_open(told) && told["bytes_received"] == 5
    });
    assert_has(
        &open,
        &json!({
            "decision": "allow", "rule": "sleepers", "bytes_sent": 0, "upstream_host": address,
            "source_principal": "cluster.local/ns/default/sa/sleep", "response_flags": "-",
        }),
    );
    let counted = || {
        [
            "connections_opened",
            "connections_closed",
            "received_bytes",
            "sent_bytes",
        ]
        .map(|name| mesh.egret.metric(&format!("istio_tcp_{name}_total")))
    };
    assert_eq!(counted(), [1, 0, 5, 0]);
    assert_eq!(
        mesh.egret.metric("egret_requests_total"),
        0,
        "it has not ended"
    );
    raw.finish();
    assert_eq!(raw.rest(Duration::from_secs(10)).0, b"heard");
    origin.join().unwrap();
    let ended = mesh.egret.wait_for_record("the end", |told| !is_open(told));
    assert_has(&ended, &json!({ "bytes_received": 5, "bytes_sent": 5 }));
    assert_eq!(counted(), [1, 1, 5, 5]);
    assert_eq!(mesh.egret.metric("egret_requests_total"), 1);
}

#[test]
fn every_tunnel_that_the_process_cuts_is_on_record() {
    const TUNNELS: usize = 60;
    // Nobody accepts: the kernel does, as far as connecting goes.
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = origin.local_addr().unwrap();
    let route = format!(
        "tcp: [{{ host: cut.test, at: gateway:5432, upstream: {{ addresses: \"{address}\" }} }}]\n"
    );
    let drain = "drain: { serve: 0s, finish: 0s }\n";
    let mut mesh = start(&[LOOPBACK, drain, &route, SLEEP]);
    let open: Vec<Raw> = (0..TUNNELS)
        .map(|_| connect(&mesh, "sleep", "db"))
        .collect();
    let opened = || mesh.egret.metric("istio_tcp_connections_opened_total");
    until("all are open", || {
        (opened() == TUNNELS as u64).then_some(())
    });
    mesh.egret.signal(Signal::Terminate);
    assert!(mesh.egret.exit_within(Duration::from_secs(20)).is_some());
    let cut = mesh.egret.records_where(|told| {
        told["response_code_details"] == "drained" && told["decision"] == "allow"
    });
    assert_eq!(cut.len(), TUNNELS);
    drop(open);
}

#[test]
fn a_tunnel_ends_when_it_is_idle_or_has_stood_too_long() {
    for (limits, details, flags) in [
        (
            "limits: { tunnelIdleTimeout: 200ms, tunnelTimeout: 60s }\n",
            "tcp_session_idle_timeout",
            "-",
        ),
        (
            "limits: { tunnelTimeout: 200ms }\n",
            "max_connection_duration_reached",
            "DT",
        ),
    ] {
        let (address, _origin) = answering(Vec::new());
        let route = format!(
            "tcp: [{{ host: slow.test, at: gateway:5432, upstream: {{ addresses: \"{address}\" }} }}]\n"
        );
        let mesh = start(&[LOOPBACK, limits, &route, SLEEP]);
        let begun = Instant::now();
        let mut raw = connect(&mesh, "sleep", "db");
        raw.send(b"hello").unwrap();
        let (heard, ending) = raw.rest(Duration::from_secs(10));
        assert_eq!((heard.len(), ending), (0, Ending::Closed), "{details}");
        assert!(begun.elapsed() >= Duration::from_millis(200), "{details}");
        let told = record(&mesh, "db", details);
        assert_has(
            &told,
            &json!({
                "decision": "allow", "failure": null, "response_flags": flags,
                "connection_termination_details": details, "bytes_received": 5,
            }),
        );
    }
}

#[test]
fn without_tls_around_it_a_caller_is_known_by_address_alone() {
    let (address, origin) = answering(b"heard".to_vec());
    let route = format!(
        "tcp: [{{ host: open.test, at: gateway:9000, upstream: {{ addresses: \"{address}\" }} }}]\n"
    );
    let refusing = start(&[LOOPBACK, &route, SLEEP]);
    let talk = |mesh: &Mesh| {
        let mut tcp = TcpStream::connect(mesh.egret.listener("plain")).unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let _ = tcp.write_all(b"hello");
        let _ = tcp.shutdown(Shutdown::Write);
        let mut heard = Vec::new();
        let _ = tcp.read_to_end(&mut heard);
        heard
    };
    assert_eq!(talk(&refusing), b"");
    let told = record(&refusing, "plain", "the refused");
    assert_has(
        &told,
        &json!({ "refusal": "not_allowed", "source_principal": null, "upstream_host": null }),
    );
    let near = "policies: [{ name: near, allow: { from: \"ip:127.0.0.0/8\", host: open.test } }]\n";
    let allowing = start(&[LOOPBACK, &route, near]);
    assert_eq!(talk(&allowing), b"heard");
    assert_eq!(origin.join().unwrap(), b"hello");
    let told = record(&allowing, "plain", "the allowed");
    assert_has(
        &told,
        &json!({
            "rule": "near", "source_principal": null, "requested_server_name": null,
            "bytes_received": 5, "bytes_sent": 5, "upstream_host": address,
        }),
    );
}

#[test]
fn tls_to_a_port_of_tls_is_for_the_host_the_port_leads_to() {
    let route = "tcp: [{ host: edition.cnn.com, at: gateway:8443, carries: tls, upstream: { addresses: $NGINX } }]\n";
    let mesh = start(&[LOOPBACK, route, SLEEP]);
    let sleep = sidecar(&mesh, "sleep", "web", &External::new("edition.cnn.com"));
    let fetch = |url: &str| {
        let doors = [(443, sleep.address()), (80, sleep.address())];
        let curl = Curl::application(&doors, url);
        curl.roots(&mesh.pki.origin_roots()).send()
    };
    let reply = fetch("https://edition.cnn.com/meant");
    assert_eq!(
        (reply.status, &*reply.error),
        (200, ""),
        "{}",
        mesh.egret.said()
    );
    assert_eq!(mesh.nginx.wait_for("/meant")["sni"], "edition.cnn.com");
    let told = record(&mesh, "web", "the tunnel");
    assert_has(
        &told,
        &json!({
            "decision": "allow", "rule": "sleepers", "requested_server_name": "edition.cnn.com",
            "inner_server_name": "edition.cnn.com",
        }),
    );
    for (url, refusal, inner) in [
        (
            "https://www.googleapis.com/borrowed",
            "other_server_name",
            json!("www.googleapis.com"),
        ),
        ("https://127.0.0.1/nameless", "no_server_name", Value::Null),
        ("http://edition.cnn.com/plain", "plaintext", Value::Null),
    ] {
        assert_eq!(fetch(url).status, 0, "{url}");
        let told = mesh.egret.wait_for_record(url, |r| r["refusal"] == refusal);
        assert_has(
            &told,
            &json!({ "decision": "refuse", "upstream_host": null }),
        );
        assert_eq!(told["inner_server_name"], inner, "{told:#}");
    }
    assert_eq!(mesh.nginx.settled_requests().len(), 1);
}
