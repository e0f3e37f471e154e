//! Addresses that fail are left out for a while, by their address: an answer of
//! DNS that brings them back changes nothing.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use integration_tests::mesh::Mesh;
use integration_tests::record::{assert_has, reason};
use integration_tests::sidecar::Protocol;
use integration_tests::wait::until;

const HTTPBIN: &str = "httpbin.org";
const SECOND: &str = "second.test";
const GOOD: Ipv4Addr = Ipv4Addr::LOCALHOST;
const BAD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// The recorder under a name, left out as `outlier` says.
fn start(outlier: &str) -> Mesh {
    Mesh::start(&format!(
        "dns: {{ servers: [\"$DNS\"], timeout: 2s }}
defaults: {{ policy: allow, addresses: {{ allow: [127.0.0.0/8] }}, retries: {{ attempts: 0 }} }}
destinations:
  - host: {HTTPBIN}
    timeout: 2s
    upstream: {{ port: $RECORDER_PORT, tls: {{ ca: $ORIGIN_CA }}, outlier: {outlier} }}
  - host: {SECOND}
    upstream: {{ port: $RECORDER_PORT, tls: {{ ca: $ORIGIN_CA }} }}
"
    ))
}

/// Accepts at `address`, closes at once, and counts.
fn hanging_up(address: SocketAddr) -> Arc<AtomicUsize> {
    let listener = TcpListener::bind(address).expect("the other address of the port");
    let accepted = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&accepted);
    thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    accepted
}

#[track_caller]
fn assert_ejected(mesh: &Mesh, target: &str) {
    let record = mesh.egret.record_of(target);
    assert_eq!(reason(&record), "upstream_ejected", "{record:#}");
    assert_has(
        &record,
        &json!({
            "response_code": 503, "response_flags": "UH", "decision": "allow",
            "response_code_details": "no_healthy_upstream", "upstream_host": Value::Null,
        }),
    );
}

#[test]
fn an_address_that_fails_is_left_out_whatever_dns_says() {
    let mesh = start("{ consecutive5xx: 3, eject: 1h, maxEjectionPercent: 50 }");
    let bad = hanging_up((BAD, mesh.recorder.address().port()).into());
    mesh.names.answer(HTTPBIN, &[BAD, GOOD]);
    for number in 0..3 {
        let target = format!("/fails/{number}");
        assert_eq!(mesh.fetch("sleep", HTTPBIN, &target).status, 503);
        assert_eq!(
            reason(&mesh.egret.record_of(&target)),
            "upstream_tls_handshake"
        );
    }
    assert_eq!(mesh.fetch("sleep", HTTPBIN, "/next").status, 200);
    let record = mesh.egret.record_of("/next");
    assert_eq!(record["upstream_host"], mesh.recorder.address().to_string());
    assert_eq!(mesh.egret.metric("egret_upstream_ejected_addresses"), 1);
    let event = until("the event", || {
        let lines = mesh.egret.diagnostics();
        lines.into_iter().find(|line| line.contains("\"ejected\""))
    });
    assert!(
        event.contains("127.0.0.2") && event.contains(HTTPBIN),
        "{event}"
    );

    // Names are asked for again, and answered otherwise and then as before.
    for answer in [&[GOOD][..], &[BAD, GOOD]] {
        mesh.names.answer(HTTPBIN, answer);
        let asked = mesh.names.questions().len();
        let mut number = 0;
        until("another question", || {
            number += 1;
            let target = format!("/{}/{number}", answer.len());
            assert_eq!(mesh.fetch("sleep", HTTPBIN, &target).status, 200);
            (mesh.names.questions().len() >= asked + 4).then_some(())
        });
    }
    assert_eq!(bad.load(Ordering::SeqCst), 3);
    assert_eq!(mesh.egret.metric("egret_upstream_ejections_total"), 1);
}

#[test]
fn when_all_are_left_out_the_caller_is_told_at_once_and_other_hosts_go_on() {
    let mesh = start("{ consecutive5xx: 3, eject: 1h }");
    mesh.names.answer(HTTPBIN, &[GOOD]);
    mesh.names.answer(SECOND, &[GOOD]);
    for (number, status) in [500, 503, 200, 502, 500, 504].iter().enumerate() {
        let target = format!("/status/{status}?{number}");
        assert_eq!(mesh.fetch("sleep", HTTPBIN, &target).status, *status);
    }
    let asked = mesh.recorder.seen().len();
    for protocol in Protocol::ALL {
        let sidecar = mesh.sidecar("sleep", protocol);
        let target = format!("/out?{protocol:?}");
        let reply = sidecar.curl(HTTPBIN, &target).send();
        assert_eq!((reply.status, &*reply.text()), (503, "no healthy upstream"));
        assert_ejected(&mesh, &target);
    }
    assert_eq!(mesh.recorder.seen().len(), asked, "nothing was sent");
    assert_eq!(mesh.fetch("sleep", SECOND, "/other").status, 200);
}

#[test]
fn what_was_left_out_comes_back_in_time() {
    let mesh = start("{ consecutive5xx: 1, eject: 1s }");
    mesh.names.answer(HTTPBIN, &[GOOD]);
    assert_eq!(mesh.fetch("sleep", HTTPBIN, "/status/500").status, 500);
    assert_eq!(mesh.fetch("sleep", HTTPBIN, "/out").status, 503);
    assert_ejected(&mesh, "/out");
    mesh.until_served("sleep", HTTPBIN, "/back");
    assert_eq!(mesh.egret.metric("egret_upstream_ejected_addresses"), 0);
}

#[test]
fn where_some_must_be_left_all_are_used_in_need() {
    let mesh = start("{ consecutive5xx: 1, eject: 1h, minHealthPercent: 1 }");
    mesh.names.answer(HTTPBIN, &[GOOD]);
    assert_eq!(mesh.fetch("sleep", HTTPBIN, "/status/500").status, 500);
    assert_eq!(mesh.fetch("sleep", HTTPBIN, "/still").status, 200);
    assert_eq!(mesh.egret.metric("egret_upstream_ejected_addresses"), 1);
}

#[test]
fn an_origin_that_does_not_answer_in_time_fails_and_a_callers_haste_is_not_its_fault() {
    let mesh = start("{ consecutive5xx: 0, consecutiveLocalFailures: 1, eject: 1h }");
    mesh.names.answer(HTTPBIN, &[GOOD]);
    // Statuses are none of this count.
    assert_eq!(mesh.fetch("sleep", HTTPBIN, "/status/503").status, 503);
    assert_eq!(mesh.fetch("sleep", HTTPBIN, "/fine").status, 200);
    let hasty = mesh
        .curl("sleep", HTTPBIN, "/silence?hasty")
        .header("content-type: application/grpc")
        .header("te: trailers")
        .header("grpc-timeout: 300m")
        .http2()
        .send();
    assert_eq!(hasty.header("grpc-status"), Some("4"));
    assert_eq!(mesh.fetch("sleep", HTTPBIN, "/fine?again").status, 200);
    assert_eq!(mesh.fetch("sleep", HTTPBIN, "/silence").status, 504);
    assert_eq!(mesh.fetch("sleep", HTTPBIN, "/out").status, 503);
    assert_ejected(&mesh, "/out");
}

#[test]
fn a_reload_does_not_forget_what_is_left_out() {
    let outlier = "{ consecutive5xx: 1, eject: 1h }";
    let mesh = start(outlier);
    mesh.names.answer(HTTPBIN, &[GOOD]);
    assert_eq!(mesh.fetch("sleep", HTTPBIN, "/status/500").status, 500);
    let changed = std::fs::read_to_string(mesh.egret.configuration()).unwrap();
    mesh.egret.configure(&(changed + "  - host: new.test\n"));
    until("the reload", || {
        (mesh.egret.metric("egret_reloads_total") == 1).then_some(())
    });
    assert_eq!(mesh.fetch("sleep", HTTPBIN, "/out").status, 503);
    assert_ejected(&mesh, "/out");
}
