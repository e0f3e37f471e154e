//! A process that holds nearly as much memory as it may.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::json;

use integration_tests::http2;
use integration_tests::mesh::Mesh;
use integration_tests::raw::{Ending, Hello, Raw};
use integration_tests::record::assert_has;
use integration_tests::wait::{until, within};

use crate::besieged::{HOST, MIB, get, stream, unbounded, with};

/// Has the memory the gateway holds be so many hundredths of what it may, until
/// it says what follows. To read a configuration takes some memory, too.
fn hold(mesh: &Mesh, hundredths: usize, pressure: u8) {
    let line = format!("egret_memory_pressure {pressure}\n");
    until(&line, || {
        let limit = mesh.egret.memory() * 100 / hundredths;
        mesh.configure(&with(&format!("memory: {limit}B")));
        within(Duration::from_secs(2), || {
            let metrics = mesh.egret.admin("/metrics").text();
            metrics.contains(&line).then_some(())
        })
    });
}

#[test]
fn near_the_bound_requests_are_refused_and_then_connections_and_then_neither() {
    let mesh = Mesh::start(&with("connections: 1000"));
    assert_eq!(mesh.fetch("sleep", HOST, "/bytes/1").status, 200);
    let mut raw = Hello::of(&mesh.pki, "sleep", HOST)
        .connect(mesh.gateway())
        .unwrap();
    hold(&mesh, 92, 1);
    let answer = raw
        .exchange("GET /shed HTTP/1.1\r\nhost: httpbin.org\r\n\r\n")
        .unwrap();
    assert_eq!(
        (answer.status(), answer.text().as_str()),
        (503, "overloaded")
    );
    assert_eq!(answer.value("connection").as_deref(), Some("close"));
    assert_eq!(raw.rest(Duration::from_secs(5)).1, Ending::Closed);
    assert_has(
        &mesh.egret.record_of("/shed"),
        &json!({
            "refusal": "overloaded", "response_code": 503, "response_flags": "OM",
            "response_code_details": "overload", "decision": "refuse",
        }),
    );
    assert!(mesh.recorder.seen_for("/shed").is_empty());
    hold(&mesh, 150, 2);
    let mut tcp = TcpStream::connect(mesh.gateway()).unwrap();
    assert!(matches!(tcp.read(&mut [0]), Ok(0) | Err(_)));
    let record = mesh.egret.wait_for_record("the connection", |record| {
        record["refusal"] == "overloaded" && record["response_code"] == 0
    });
    assert_has(&record, &json!({ "response_flags": "OM", "method": null }));
    // Readiness does not change: to take every gateway out at once helps nobody.
    assert_eq!(mesh.egret.admin("/healthz/ready").status(), 200);
    hold(&mesh, 10, 0);
    assert_eq!(mesh.fetch("sleep", HOST, "/bytes/1").status, 200);
    let metrics = mesh.egret.admin("/metrics").text();
    let held = metrics
        .lines()
        .find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
    let held: usize = held.unwrap().parse().unwrap();
    assert!(held > MIB && held < 1024 * MIB, "{held}");
}

#[test]
fn a_flood_that_would_take_all_memory_is_shed_before_and_passes() {
    let mesh = Mesh::start(&with("bodyIdleTimeout: 3s"));
    let limit = mesh.egret.memory() + 56 * MIB;
    mesh.configure(&with(&format!("bodyIdleTimeout: 3s, memory: {limit}B")));
    let told = format!("egret_memory_limit_bytes {limit}\n");
    until("the bound is known", || {
        let metrics = mesh.egret.admin("/metrics").text();
        metrics.contains(&told).then_some(())
    });
    let served = || mesh.fetch("politics", HOST, "/bytes/1").status == 200;
    let hello = Hello {
        alpn: vec!["h2"],
        ..Hello::of(&mesh.pki, "sleep", HOST)
    };
    let mut attackers = Vec::new();
    let mut most = 0;
    // Some megabytes each, until there is no room for others; those who came
    // first are not cut yet.
    let shed = (0..60).find_map(|_| {
        let before = mesh.egret.memory();
        attackers.extend(attack(&hello, mesh.gateway()));
        within(Duration::from_millis(300), || {
            most = most.max(mesh.egret.memory());
            (most > before + 4 * MIB).then_some(())
        });
        (!served()).then_some(())
    });
    assert_eq!(shed, Some(()), "at most {most} of {limit}");
    assert!(most < limit, "{most} of {limit}");
    let _ = mesh
        .egret
        .wait_for_record("the shedding", |r| r["refusal"] == "overloaded");
    // They are cut for not reading, and what they held is free.
    mesh.until_served("politics", HOST, "/bytes/1");
    assert!(mesh.egret.memory() < limit);
}

/// Asks for much, and reads nothing of it.
fn attack(hello: &Hello, gateway: SocketAddr) -> Option<Raw> {
    let mut raw = hello.connect(gateway).ok()?;
    raw.send(&http2::preface()).ok()?;
    let mut raw = unbounded(raw);
    let requests: Vec<u8> = (0..20)
        .flat_map(|n| get(stream(n), "/bytes/1000000"))
        .collect();
    raw.send(&requests).ok()?;
    Some(raw)
}
