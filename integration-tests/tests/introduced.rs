//! Connections that ztunnel has taken out of HBONE and introduces by the PROXY
//! protocol, with Envoy in ztunnel's place. Nothing in it is proven: only trusted
//! peers are heard.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use integration_tests::client::Curl;
use integration_tests::mesh::Mesh;
use integration_tests::record::{assert_has, reason};
use integration_tests::sidecar::{Protocol, Setup, Sidecar};

/// The address dialled is Envoy's own, on loopback.
const CONFIGURATION: &str = r#"
listeners:
  - { name: ztunnel, port: 15088, bind: "127.0.0.1:0", mode: proxy-protocol, trust: 127.0.0.0/8 }
dns:
  hosts: { www.googleapis.com: $NGINX, edition.cnn.com: $NGINX }
  vips: { 127.0.0.1: edition.cnn.com, 240.240.0.12: db.test }
defaults: { addresses: { allow: [127.0.0.0/8] } }
destinations:
  - { host: edition.cnn.com, upstream: { tls: { ca: $ORIGIN_CA } } }
policies: [{ name: sleepers, allow: { from: sa:default/sleep } }]
"#;

const SLEEP: &str = "spiffe://cluster.local/ns/default/sa/sleep";

fn ztunnel(mesh: &Mesh, identity: Option<&str>) -> Sidecar {
    let setup = Setup {
        account: "ztunnel",
        credential: &mesh.pki.workload("ztunnel"),
        roots: &mesh.pki.mesh_roots(),
        gateway: mesh.egret.listener("ztunnel"),
        protocol: Protocol::Http1,
        externals: &[],
    };
    Sidecar::start_introducing(&setup, identity)
}

/// A header for `10.0.0.7:45677` to an address, with one identity for each.
fn header(to: [u8; 4], port: u16, identities: &[&str]) -> Vec<u8> {
    let field = |name: &&str| {
        let length = (name.len() as u16).to_be_bytes();
        [&[0xd0][..], &length, name.as_bytes()].concat()
    };
    let fields: Vec<u8> = identities.iter().flat_map(field).collect();
    let source = [10, 0, 0, 7];
    let ports = [45677_u16.to_be_bytes(), port.to_be_bytes()].concat();
    let more = [&source[..], &to, &ports, &fields].concat();
    let length = (more.len() as u16).to_be_bytes();
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11"[..], &length, &more].concat()
}

/// Says all there is to say, and hears the answer.
fn say(mesh: &Mesh, bytes: &[u8]) -> Vec<u8> {
    let mut tcp = TcpStream::connect(mesh.egret.listener("ztunnel")).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    tcp.write_all(bytes).unwrap();
    hear(tcp)
}

/// The same, of a caller who says so.
fn say_all(mesh: &Mesh, bytes: &[u8]) -> Vec<u8> {
    let mut tcp = TcpStream::connect(mesh.egret.listener("ztunnel")).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    tcp.write_all(bytes).unwrap();
    tcp.shutdown(Shutdown::Write).unwrap();
    hear(tcp)
}

fn hear(mut tcp: TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    let _ = tcp.read_to_end(&mut heard);
    heard
}

#[test]
fn who_is_introduced_is_judged_as_if_he_had_come_himself() {
    let mesh = Mesh::start(CONFIGURATION);
    let intruder = "spiffe://cluster.local/ns/default/sa/intruder";
    for (identity, version, status, code) in [
        (Some(SLEEP), "--http1.1", 200, ""),
        (Some(SLEEP), "--http2-prior-knowledge", 200, ""),
        (Some(intruder), "--http1.1", 403, "not_allowed"),
        (None, "--http1.1", 403, "not_allowed"),
    ] {
        let workload = ztunnel(&mesh, identity);
        let path = format!("/{}?{version}", identity.map_or(0, str::len));
        let reply = workload
            .curl("edition.cnn.com", &path)
            .args(&[version])
            .send();
        assert_eq!(reply.status, status, "{path}: {}", mesh.egret.said());
        let told = mesh.egret.record_of(&path);
        let principal = identity.map(|name| name.trim_start_matches("spiffe://"));
        assert_has(
            &told,
            &json!({ "source_principal": principal, "response_code": status }),
        );
        assert_eq!(reason(&told), code);
    }
}

#[test]
fn tls_and_bytes_pass_as_within_hbone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let origin = thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        let mut heard = Vec::new();
        let _ = tcp.read_to_end(&mut heard);
        tcp.write_all(b"what the database says").unwrap();
        heard
    });
    let ways = "tcp: [{ host: db.test, at: mesh:5432, upstream: { addresses: \"$DB\" } }]\n";
    let ways = ways.replace("$DB", &address.to_string());
    let mesh = Mesh::start(&[CONFIGURATION, &ways].concat());
    let asked = [
        header([240, 240, 0, 12], 5432, &[SLEEP]),
        b"what is asked".to_vec(),
    ]
    .concat();
    assert_eq!(
        say_all(&mesh, &asked),
        b"what the database says",
        "{}",
        mesh.egret.said()
    );
    assert_eq!(origin.join().unwrap(), b"what is asked");
    let told = mesh
        .egret
        .wait_for_record("the bytes", |record| record["rule"] == "sleepers");
    assert_has(
        &told,
        &json!({
            "source_principal": SLEEP.trim_start_matches("spiffe://"), "downstream_remote_address": "10.0.0.7:45677",
            "method": null, "response_code": 0, "bytes_received": 13, "bytes_sent": 22,
            "upstream_cluster": "outbound|5432||db.test",
        }),
    );
    // TLS by its server name, at whatever port was dialled.
    let workload = ztunnel(&mesh, Some(SLEEP));
    let doors = [(443, workload.address())];
    let curl = Curl::application(&doors, "https://www.googleapis.com/x");
    assert_eq!(curl.roots(&mesh.pki.origin_roots()).send().status, 0);
    let told = mesh.egret.wait_for_record("the TLS", |r| {
        r["inner_server_name"] == "www.googleapis.com"
    });
    assert_eq!(reason(&told), "unknown_passage");
}

#[test]
fn what_introduces_nobody_we_know_is_closed_on_record() {
    let mesh = Mesh::start(CONFIGURATION);
    let request = b"GET /smuggled HTTP/1.1\r\nHost: edition.cnn.com\r\nConnection: close\r\n\r\n";
    let known = [127, 0, 0, 1];
    let foreign = "spiffe://other.domain/ns/default/sa/sleep";
    for (said, code) in [
        (
            b"PROXY TCP4 10.0.0.7 127.0.0.1 1 80\r\n".to_vec(),
            "proxy_header",
        ),
        (header(known, 80, &[SLEEP, SLEEP]), "several_spiffe_ids"),
        (
            header(known, 80, &["spiffe://cluster.local/sleep"]),
            "malformed_spiffe_id",
        ),
        (header(known, 80, &[foreign]), "trust_domain"),
        (header([240, 240, 0, 99], 80, &[SLEEP]), "unknown_vip"),
        (header([169, 254, 169, 254], 80, &[SLEEP]), "unknown_vip"),
    ] {
        let heard = say(&mesh, &[&said[..], request].concat());
        assert_eq!(heard, b"", "{code}");
        let told = mesh.egret.wait_for_record(code, |r| r["refusal"] == code);
        assert_has(
            &told,
            &json!({ "decision": "refuse", "upstream_host": null, "method": null }),
        );
    }
    assert!(mesh.nginx.settled_requests().is_empty());
    // It is the same bytes that are served where the introduction is good.
    let heard = say(&mesh, &[&header(known, 80, &[SLEEP])[..], request].concat());
    assert!(heard.starts_with(b"HTTP/1.1 200"), "{}", mesh.egret.said());
}

#[test]
fn nobody_is_heard_who_is_not_trusted() {
    let others = CONFIGURATION.replace("trust: 127.0.0.0/8", "trust: [10.0.0.0/8, \"fd00::/8\"]");
    let mesh = Mesh::start(&others);
    let request = b"GET /x HTTP/1.1\r\nHost: edition.cnn.com\r\n\r\n";
    let heard = say(
        &mesh,
        &[&header([127, 0, 0, 1], 80, &[SLEEP])[..], request].concat(),
    );
    assert_eq!(heard, b"");
    let told = mesh
        .egret
        .wait_for_record("the peer", |record| record["refusal"] == "untrusted_peer");
    assert_eq!(told["source_principal"], Value::Null);
    assert!(mesh.nginx.settled_requests().is_empty());
}

/// A connection that is introduced and served once, from `10.0.0.LAST`.
fn introduced(mesh: &Mesh, last: u8, identity: &str) -> std::io::Result<TcpStream> {
    let mut bytes = header([127, 0, 0, 1], 80, &[identity]);
    // Behind signature, version, family, length.
    bytes[16..20].copy_from_slice(&[10, 0, 0, last]);
    let mut tcp = TcpStream::connect(mesh.egret.listener("ztunnel"))?;
    tcp.set_read_timeout(Some(Duration::from_secs(30)))?;
    tcp.write_all(&bytes)?;
    ask(&mut tcp)?;
    Ok(tcp)
}

fn ask(tcp: &mut TcpStream) -> std::io::Result<()> {
    tcp.write_all(b"HEAD /x HTTP/1.1\r\nHost: edition.cnn.com\r\n\r\n")?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        tcp.read_exact(&mut byte)?;
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 200 "));
    Ok(())
}

#[test]
fn connections_count_for_whom_they_are_introduced_and_not_for_the_peer() {
    let limits = "limits: { connectionsPerSource: 2 }\n";
    let mesh = Mesh::start(&[limits, CONFIGURATION].concat());
    let _held = [7, 7, 8, 8].map(|last| introduced(&mesh, last, SLEEP).unwrap());
    assert!(introduced(&mesh, 7, SLEEP).is_err());
    let told = mesh.egret.wait_for_record("one too many", |record| {
        record["refusal"] == "too_many_connections"
    });
    let from = told["downstream_remote_address"].as_str().unwrap();
    assert!(from.starts_with("10.0.0.7:"), "{told:#}");
    assert!(introduced(&mesh, 9, SLEEP).is_ok());
}

#[test]
fn who_is_introduced_goes_with_his_trust_domain_and_with_the_peer() {
    const PARTNER: &str = "spiffe://partner.example/ns/default/sa/sleep";
    let open = CONFIGURATION.replace("from: sa:default/sleep", "host: edition.cnn.com");
    let both = "trust: [{ domain: cluster.local }, \
        { domain: partner.example, roots: $ORIGIN_CA }]\n";
    let mesh = Mesh::start(&[both, &open].concat());
    let mut partner = introduced(&mesh, 7, PARTNER).unwrap();
    let mut own = introduced(&mesh, 8, SLEEP).unwrap();
    mesh.configure(&open);
    // Told, though he asks for nothing.
    assert_eq!(partner.read(&mut [0]).unwrap(), 0);
    let told = mesh
        .egret
        .wait_for_record("the refusal", |r| r["decision"] == "refuse");
    assert_eq!(reason(&told), "trust_domain");
    ask(&mut own).unwrap();
    mesh.configure(&open.replace("trust: 127.0.0.0/8", "trust: 10.0.0.0/8"));
    assert_eq!(own.read(&mut [0]).unwrap(), 0);
    let _ = mesh
        .egret
        .wait_for_record("the refusal", |r| reason(r) == "untrusted_peer");
    assert!(introduced(&mesh, 8, SLEEP).is_err());
}
