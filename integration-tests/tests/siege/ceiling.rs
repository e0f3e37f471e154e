//! A process that holds nearly as much memory as it may.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use boring::ssl::{HandshakeError, Ssl, SslContext, SslFiletype, SslMethod, SslVersion};
use boring::x509::X509;
use serde_json::json;

use integration_tests::http2;
use integration_tests::mesh::Mesh;
use integration_tests::raw::{Ending, Hello, Raw};
use integration_tests::record::assert_has;
use integration_tests::wait::{until, within};

use crate::besieged::{HOST, MIB, connect_from, get, stream, unbounded, with};

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
    let mesh = Mesh::start(&with("bodyIdleTimeout: 6s"));
    let limit = mesh.egret.memory() + 56 * MIB;
    mesh.configure(&with(&format!("bodyIdleTimeout: 6s, memory: {limit}B")));
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

#[test]
fn what_a_flood_of_handshakes_held_is_free_when_it_has_gone() {
    let mesh = Mesh::start(&with("handshakeTimeout: 120s"));
    let limit = mesh.egret.memory() + 40 * MIB;
    mesh.configure(&with(&format!("handshakeTimeout: 120s, memory: {limit}B")));
    let told = format!("egret_memory_limit_bytes {limit}\n");
    until("the bound is known", || {
        let metrics = mesh.egret.admin("/metrics").text();
        metrics.contains(&told).then_some(())
    });
    let acceptable = long_chain(&mesh);
    let is_short = || {
        let metrics = mesh.egret.admin("/metrics").text();
        (!metrics.contains("egret_memory_pressure 0\n")).then_some(())
    };
    let mut attackers = Vec::new();
    // From many sources: of one there may not be enough.
    let shed = (10..70).find_map(|last| {
        let from = || connect_from(&format!("127.0.0.{last}"), mesh.gateway());
        attackers.extend((0..20).map(|_| Stalled::begin(&acceptable, from())));
        within(Duration::from_millis(200), is_short)
    });
    assert_eq!(shed, Some(()), "{} of {limit}", mesh.egret.memory());
    drop(attackers);
    mesh.until_served("politics", HOST, "/bytes/1");
    until("nothing is short", || {
        let metrics = mesh.egret.admin("/metrics").text();
        metrics.contains("egret_memory_pressure 0\n").then_some(())
    });
}

#[test]
fn handshakes_of_one_source_take_no_memory_from_others() {
    let mesh = Mesh::start(&with("handshakeTimeout: 120s"));
    // Room for twice what a source may take where there is little.
    let limit = mesh.egret.memory() + 100 * MIB;
    mesh.configure(&with(&format!("handshakeTimeout: 120s, memory: {limit}B")));
    let acceptable = long_chain(&mesh);
    let mut attackers = Vec::new();
    let turned_away = (0..60).find_map(|_| {
        let from = || connect_from("127.0.0.10", mesh.gateway());
        attackers.extend((0..20).map(|_| Stalled::begin(&acceptable, from())));
        let mut told = mesh.egret.records().into_iter();
        told.find(|record| record["refusal"] == "too_many_handshakes")
    });
    assert!(turned_away.is_some(), "{} of {limit}", mesh.egret.memory());
    attackers.extend(
        (0..100).map(|_| Stalled::begin(&acceptable, connect_from("127.0.0.10", mesh.gateway()))),
    );
    let metrics = mesh.egret.admin("/metrics").text();
    assert!(metrics.contains("egret_memory_pressure 0\n"));
    let good = Hello::of(&mesh.pki, "politics", HOST);
    let mut good = good
        .over(connect_from("127.0.0.11", mesh.gateway()))
        .unwrap();
    let answer = good.exchange("GET /bytes/1 HTTP/1.1\r\nhost: httpbin.org\r\n\r\n");
    assert_eq!(answer.unwrap().status(), 200);
}

/// A good certificate, and so many others that it is all just taken.
fn long_chain(mesh: &Mesh) -> SslContext {
    let credential = mesh.pki.workload("sleep");
    let mut tls = SslContext::builder(SslMethod::tls()).unwrap();
    tls.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
    tls.set_certificate_chain_file(&credential.chain).unwrap();
    tls.set_private_key_file(&credential.key, SslFiletype::PEM)
        .unwrap();
    let chain = std::fs::read(&credential.chain).unwrap();
    let leaf = X509::from_pem(&chain).unwrap();
    for _ in 0..15_000 / leaf.to_der().unwrap().len() - 2 {
        tls.add_extra_chain_cert(leaf.clone()).unwrap();
    }
    tls.build()
}

/// A client that shows its certificates, and never that they are its own.
struct Stalled {
    tcp: TcpStream,
    heard: bool,
    held: Vec<u8>,
}

impl Stalled {
    fn begin(context: &SslContext, tcp: TcpStream) -> Option<TcpStream> {
        tcp.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
        let (heard, held) = (false, Vec::new());
        let client = Self { tcp, heard, held };
        let Err(HandshakeError::WouldBlock(stalled)) = Ssl::new(context).unwrap().connect(client)
        else {
            return None;
        };
        let Self { tcp, held, .. } = stalled.get_ref();
        // The first message of its flight, in records of its own.
        let mut records = &held[..];
        let mut messages = Vec::new();
        while let [22, _, _, high, low, rest @ ..] = records {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            messages.extend_from_slice(&rest[..length]);
            records = &rest[length..];
        }
        let [_, a, b, c, ..] = messages[..] else {
            return None;
        };
        let length = u32::from_be_bytes([0, a, b, c]);
        for piece in messages[..4 + length as usize].chunks(8192) {
            let head = [&[22, 3, 3][..], &(piece.len() as u16).to_be_bytes()].concat();
            (&*tcp).write_all(&[&head, piece].concat()).ok()?;
        }
        tcp.try_clone().ok()
    }
}

impl Read for Stalled {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.heard = true;
        match self.held.is_empty() {
            true => self.tcp.read(buffer),
            false => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Stalled {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.heard {
            true => self.held.extend(bytes),
            false => self.tcp.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
