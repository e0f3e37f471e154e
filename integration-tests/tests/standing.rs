//! Callers who lose the right to ask while their connections are open: by a
//! revocation list, by roots, by trust domains. Their connections end, on
//! record; those of others are not touched.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use integration_tests::client::{Curl, Reply};
use integration_tests::egret::{Beside, Egret};
use integration_tests::hello::client_hello;
use integration_tests::http2;
use integration_tests::leaf::{Leaf, Signer};
use integration_tests::load::Load;
use integration_tests::mesh::Mesh;
use integration_tests::pki::{Credential, Pki};
use integration_tests::process::Signal;
use integration_tests::raw::{Ending, Hello, Raw};
use integration_tests::record::{assert_has, reason};
use integration_tests::sidecar::Protocol;
use integration_tests::wait::until;

const HOST: &str = "httpbin.org";
const GET: &str = "GET /x HTTP/1.1\r\nhost: httpbin.org\r\n\r\n";
const THIEF: &str = "cluster.local/ns/default/sa/thief";
/// Within which a connection must be gone.
const SOON: Duration = Duration::from_secs(10);

const REVOCABLE: &str = "identity: { files: { chain: $PKI/gateway/chain.pem, \
    key: $PKI/gateway/key.pem, roots: $PKI/mesh-roots.pem, crl: $PKI/mesh.crl.pem } }\n";

const OPEN: &str = "defaults: { policy: allow }
destinations:
  - host: httpbin.org
    upstream: { addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
";

/// A mesh with a revocation list of nobody, and a certificate that was stolen.
fn start(more: &str) -> (Mesh, Credential) {
    let pki = Pki::create();
    let stolen = pki.issue("stolen", &Leaf::workload(THIEF), Signer::Mesh);
    let _ = pki.revocation_list("mesh", &[]);
    let mesh = Mesh::start_with(pki, &[REVOCABLE, OPEN, more].concat());
    (mesh, stolen)
}

/// A mesh, and a certificate that is good for so many seconds.
fn start_for_seconds(seconds: i64, more: &str) -> (Mesh, Credential) {
    let pki = Pki::create();
    let brief = pki.issue(
        "brief",
        &Leaf::workload(THIEF).for_seconds(seconds),
        Signer::Mesh,
    );
    (Mesh::start_with(pki, &[OPEN, more].concat()), brief)
}

/// Waits until a new connection with `credential` is refused.
fn until_refused(mesh: &Mesh, credential: &Credential) {
    until("the certificate is refused", || {
        let fresh = with(mesh, credential).connect(mesh.gateway());
        fresh
            .and_then(|mut raw| raw.exchange(GET).map_err(|e| e.to_string()))
            .err()
    });
}

fn with(mesh: &Mesh, credential: &Credential) -> Hello {
    Hello {
        credential: Some(credential.clone()),
        ..Hello::of(&mesh.pki, "sleep", HOST)
    }
}

/// A connection that has been served once.
fn served(hello: &Hello, mesh: &Mesh) -> Raw {
    let mut raw = hello.connect(mesh.gateway()).unwrap();
    assert_eq!(raw.exchange(GET).unwrap().status(), 200);
    raw
}

fn revoke(mesh: &Mesh, stolen: &Credential) {
    let _ = mesh.pki.revocation_list("mesh", &[stolen]);
}

fn over_http2(hello: &Hello, mesh: &Mesh) -> Raw {
    let hello = Hello {
        alpn: vec!["h2"],
        ..hello.clone()
    };
    let mut raw = hello.connect(mesh.gateway()).unwrap();
    raw.send(&http2::preface()).unwrap();
    raw
}

fn asking(stream: u32, path: &str) -> Vec<u8> {
    let fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", HOST),
        (":path", path),
    ];
    let fields = fields.map(|(name, value)| (name.into(), value.into()));
    http2::request(stream, &fields, b"")
}

#[track_caller]
fn refusals(mesh: &Mesh, code: &str) -> Vec<Value> {
    let of_thief = |r: &Value| r["source_principal"] == THIEF && r["decision"] == "refuse";
    let refused = mesh.egret.wait_for_records("the refusal", 1, of_thief);
    assert!(refused.iter().all(|r| reason(r) == code), "{refused:#?}");
    refused
}

#[test]
fn an_idle_connection_ends_when_its_certificate_is_revoked() {
    let (mesh, stolen) = start("");
    let mut bad = served(&with(&mesh, &stolen), &mesh);
    let mut good = served(&Hello::of(&mesh.pki, "sleep", HOST), &mesh);
    revoke(&mesh, &stolen);
    let (bytes, ending) = bad.rest(SOON);
    assert_eq!((bytes.len(), ending), (0, Ending::Closed));
    assert_eq!(refusals(&mesh, "certificate_revoked").len(), 1);
    assert_eq!(good.exchange(GET).unwrap().status(), 200);
}

#[test]
fn no_request_is_served_on_a_connection_whose_certificate_is_revoked() {
    let (mesh, stolen) = start("");
    let mut bad = served(&with(&mesh, &stolen), &mesh);
    revoke(&mesh, &stolen);
    until_refused(&mesh, &stolen);
    let before = mesh.recorder.seen().len();
    assert!(bad.exchange(GET).is_err());
    assert_eq!(mesh.recorder.seen().len(), before);
}

#[test]
fn over_http_2_what_was_begun_is_finished_and_nothing_else_begun() {
    let (mesh, stolen) = start("");
    let mut bad = over_http2(&with(&mesh, &stolen), &mesh);
    bad.send(&asking(1, "/delay/3")).unwrap();
    let mut good = over_http2(&Hello::of(&mesh.pki, "sleep", HOST), &mesh);
    let _ = mesh.recorder.wait_for("/delay/3");
    revoke(&mesh, &stolen);
    let _ = refusals(&mesh, "certificate_revoked");
    bad.send(&asking(3, "/late")).unwrap();
    let late = http2::answer(&mut bad, 3).unwrap();
    assert!(late.gone && late.status.is_none(), "{late:?}");
    assert_has(
        &mesh.egret.record_of("/delay/3"),
        &json!({ "response_code": 200, "decision": "allow" }),
    );
    let late = mesh.egret.record_of("/late");
    assert_has(&late, &json!({ "response_code": 0, "protocol": "HTTP/2" }));
    assert_eq!(reason(&late), "certificate_revoked");
    good.send(&asking(1, "/x")).unwrap();
    let answer = http2::answer(&mut good, 1).unwrap();
    assert_eq!((answer.status, answer.gone), (Some(200), false));
}

/// Listeners of which one leads to a server that says what it hears.
fn to_an_echo() -> String {
    let echo = TcpListener::bind("127.0.0.1:0").unwrap();
    let listeners = format!(
        "listeners:
  - {{ name: mesh, port: 443, bind: \"127.0.0.1:0\" }}
  - {{ name: db, port: 5432, bind: \"127.0.0.1:0\", mode: tcp }}
tcp: [{{ host: db.test, at: gateway:5432, allowAddresses: [127.0.0.0/8], \
upstream: {{ addresses: \"{}\" }} }}]\n",
        echo.local_addr().unwrap()
    );
    thread::spawn(move || {
        for tcp in echo.incoming().flatten() {
            thread::spawn(move || std::io::copy(&mut &tcp, &mut &tcp));
        }
    });
    listeners
}

/// A tunnel to it through which something has come.
fn echoed(mesh: &Mesh, hello: &Hello) -> Raw {
    let mut raw = hello.connect(mesh.egret.listener("db")).unwrap();
    raw.send(b"ping").unwrap();
    assert_eq!(raw.some().unwrap(), b"ping");
    raw
}

#[test]
fn a_tunnel_is_closed_when_its_callers_certificate_is_revoked() {
    let (mesh, stolen) = start(&to_an_echo());
    let mut bad = echoed(&mesh, &with(&mesh, &stolen));
    let mut good = echoed(&mesh, &Hello::of(&mesh.pki, "sleep", HOST));
    revoke(&mesh, &stolen);
    let (bytes, ending) = bad.rest(SOON);
    assert_eq!((bytes.len(), ending), (0, Ending::Closed));
    let told = refusals(&mesh, "certificate_revoked");
    assert_eq!(told.len(), 1);
    assert_has(&told[0], &json!({ "bytes_received": 4, "bytes_sent": 4 }));
    good.send(b"pong").unwrap();
    assert_eq!(good.some().unwrap(), b"pong");
}

#[test]
fn nothing_is_dialled_for_a_caller_whose_certificate_was_revoked_meanwhile() {
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    let route = format!(
        "listeners:
  - {{ name: mesh, port: 443, bind: \"127.0.0.1:0\" }}
  - {{ name: tls, port: 8443, bind: \"127.0.0.1:0\", mode: passthrough, tls: mutual }}
passthrough: [{{ host: inner.test, at: gateway:8443, allowAddresses: [127.0.0.0/8], \
upstream: {{ addresses: \"{}\" }} }}]\n",
        origin.local_addr().unwrap()
    );
    let (mesh, stolen) = start(&route);
    let tls = mesh.egret.listener("tls");
    // It is known who calls, and his hello is waited for.
    let mut bad = with(&mesh, &stolen).connect(tls).unwrap();
    let mut good = Hello::of(&mesh.pki, "sleep", HOST).connect(tls).unwrap();
    good.send(&client_hello("inner.test")).unwrap();
    let _ = origin.accept().unwrap();
    revoke(&mesh, &stolen);
    until("the list is in force", || {
        let fresh = with(&mesh, &stolen).connect(mesh.gateway());
        fresh
            .and_then(|mut raw| raw.exchange(GET).map_err(|e| e.to_string()))
            .err()
    });
    bad.send(&client_hello("inner.test")).unwrap();
    assert_eq!(bad.rest(SOON), (Vec::new(), Ending::Closed));
    let told = mesh.egret.wait_for_record("the tunnel", |record| {
        record["inner_server_name"] == "inner.test" && record["decision"] == "refuse"
    });
    assert_eq!(reason(&told), "certificate_revoked");
    origin.set_nonblocking(true).unwrap();
    assert!(origin.accept().is_err(), "it was dialled");
}

#[test]
fn a_connection_ends_with_the_root_that_vouched_for_it() {
    let mesh = Mesh::start(OPEN);
    let next = mesh
        .pki
        .issue("next", &Leaf::workload(THIEF), Signer::NextMesh);
    let mut bad = served(&with(&mesh, &next), &mesh);
    let mut good = served(&Hello::of(&mesh.pki, "sleep", HOST), &mesh);
    mesh.pki.trust(&[Signer::Mesh]);
    assert_eq!(bad.rest(SOON).1, Ending::Closed);
    let _ = refusals(&mesh, "certificate_untrusted");
    assert_eq!(good.exchange(GET).unwrap().status(), 200);
}

#[test]
fn a_connection_ends_with_its_trust_domain() {
    const BOTH: &str = "trust: [{ domain: cluster.local }, \
        { domain: partner.example, roots: $PKI/mesh-roots.pem }]\n";
    let mesh = Mesh::start(&[BOTH, OPEN].concat());
    let leaf = Leaf::workload("partner.example/ns/default/sa/thief");
    let partner = mesh.pki.issue("partner", &leaf, Signer::Mesh);
    let mut bad = served(&with(&mesh, &partner), &mesh);
    let mut good = served(&Hello::of(&mesh.pki, "sleep", HOST), &mesh);
    mesh.configure(OPEN);
    assert_eq!(bad.rest(SOON).1, Ending::Closed);
    let told = mesh
        .egret
        .wait_for_record("the refusal", |r| r["decision"] == "refuse");
    assert_eq!(reason(&told), "trust_domain");
    assert_eq!(good.exchange(GET).unwrap().status(), 200);
}

#[test]
fn no_request_fails_for_those_whose_right_stands() {
    let (mut mesh, _) = start("");
    let sidecars = Protocol::ALL.map(|protocol| mesh.sidecar("sleep", protocol));
    let mut requests: Vec<Box<dyn Fn() -> Reply + Send>> = Vec::new();
    for sidecar in &sidecars {
        let address = sidecar.address();
        requests.push(Box::new(move || {
            Curl::through(address, HOST, "/load").send()
        }));
    }
    let load = Load::start(requests);
    for round in 0..5 {
        let name = format!("thief{round}");
        let thief = mesh
            .pki
            .issue(&name, &Leaf::workload(THIEF), Signer::NextMesh);
        let mut bad = served(&with(&mesh, &thief), &mesh);
        revoke(&mesh, &thief);
        mesh.pki.trust(match round % 2 {
            0 => &[Signer::Mesh],
            _ => &[Signer::Mesh, Signer::NextMesh],
        });
        mesh.egret.signal(Signal::Hangup);
        assert_eq!(bad.rest(SOON).1, Ending::Closed);
        mesh.pki.trust(&[Signer::Mesh, Signer::NextMesh]);
        let next = mesh
            .pki
            .issue("next", &Leaf::workload(THIEF), Signer::NextMesh);
        until("the root is back", || {
            let fresh = with(&mesh, &next).connect(mesh.gateway());
            fresh.ok().and_then(|mut raw| raw.exchange(GET).ok())
        });
        load.go_on_for(10);
    }
    let failed = load.finish();
    assert!(failed.is_empty(), "{failed:#?}\n{}", mesh.egret.said());
    let of_sidecar = |r: &Value| r["source_principal"] == "cluster.local/ns/default/sa/sleep";
    let told = mesh.egret.records_where(of_sidecar);
    assert!(told.iter().all(|r| r["decision"] == "allow"), "{told:#?}");
}

#[test]
fn what_is_under_way_does_not_go_on_for_ever() {
    let (mesh, stolen) = start("");
    let mut bad = with(&mesh, &stolen).connect(mesh.gateway()).unwrap();
    bad.send(GET.replace("/x", "/silence").as_bytes()).unwrap();
    let _ = mesh.recorder.wait_for("/silence");
    let begun = Instant::now();
    revoke(&mesh, &stolen);
    let (bytes, ending) = bad.rest(Duration::from_secs(50));
    assert_eq!((bytes.len(), ending), (0, Ending::Closed));
    assert!(
        begun.elapsed() > Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
    let told = mesh.egret.record_of("/silence");
    assert_eq!(reason(&told), "certificate_revoked");
    assert_has(&told, &json!({ "decision": "refuse", "response_code": 0 }));
}

#[test]
fn an_upstreams_connection_does_not_outlive_the_roots_it_was_verified_by() {
    let mesh = Mesh::start(OPEN);
    assert_eq!(mesh.fetch("sleep", HOST, "/x").status, 200);
    assert_eq!(mesh.recorder.connections(), 1);
    assert_eq!(mesh.fetch("sleep", HOST, "/x").status, 200);
    assert_eq!(mesh.recorder.connections(), 1, "it is kept for the next");
    std::fs::copy(mesh.pki.mesh_roots(), mesh.pki.origin_roots()).unwrap();
    mesh.until_answered(503, "sleep", HOST, "/x");
    let told = mesh
        .egret
        .wait_for_record("the failure", |r| r["response_code"] == 503);
    assert_eq!(reason(&told), "upstream_tls_verification", "{told:#}");
}

#[test]
fn a_connection_ends_when_its_certificate_expires() {
    let (mesh, brief) = start_for_seconds(3, "");
    let mut idle = with(&mesh, &brief).connect(mesh.gateway()).unwrap();
    let (bytes, ending) = idle.rest(SOON);
    assert_eq!((bytes.len(), ending), (0, Ending::Closed));
    assert_eq!(refusals(&mesh, "certificate_expired").len(), 1);
}

#[test]
fn a_connection_takes_its_leave_before_its_certificate_expires() {
    let (mesh, brief) = start_for_seconds(60, "");
    let mut raw = with(&mesh, &brief).connect(mesh.gateway()).unwrap();
    let answer = raw.exchange(GET).unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.value("connection").as_deref(), Some("close"));
    assert_eq!(raw.rest(SOON).1, Ending::Closed);
    let mut raw = over_http2(&with(&mesh, &brief), &mesh);
    let farewells = [1, 3].map(|stream| {
        raw.send(&asking(stream, "/x")).unwrap();
        http2::answer(&mut raw, stream).unwrap()
    });
    assert_eq!(farewells[0].status, Some(200));
    assert!(farewells.iter().any(|f| f.gone), "{farewells:?}");
    let refused = |r: &Value| r["decision"] == "refuse";
    assert_eq!(mesh.egret.records_where(refused).len(), 0);
}

#[test]
fn nothing_begins_with_a_certificate_that_has_expired() {
    let (mesh, brief) = start_for_seconds(3, "");
    let mut raw = over_http2(&with(&mesh, &brief), &mesh);
    until_refused(&mesh, &brief);
    raw.send(&asking(1, "/late")).unwrap();
    let late = http2::answer(&mut raw, 1).unwrap();
    assert!(late.reset && late.status.is_none(), "{late:?}");
    assert_eq!(
        reason(&mesh.egret.record_of("/late")),
        "certificate_expired"
    );
    assert!(mesh.recorder.seen_for("/late").is_empty());
}

#[test]
fn what_a_certificate_began_outlives_it() {
    let (mesh, brief) = start_for_seconds(3, &to_an_echo());
    let mut tunnel = echoed(&mesh, &with(&mesh, &brief));
    let mut raw = over_http2(&with(&mesh, &brief), &mesh);
    raw.send(&asking(1, "/delay/6")).unwrap();
    let _ = mesh.recorder.wait_for("/delay/6");
    until_refused(&mesh, &brief);
    tunnel.send(b"pong").unwrap();
    assert_eq!(tunnel.some().unwrap(), b"pong");
    assert_eq!(http2::answer(&mut raw, 1).unwrap().status, Some(200));
}

#[test]
fn an_upstreams_connection_does_not_outlive_the_systems_authorities() {
    let pki = Pki::create();
    let beside = Beside {
        environment: vec![
            ("SSL_CERT_FILE", pki.origin_roots().into()),
            ("SSL_CERT_DIR", pki.dir().join("none").into()),
        ],
        ..Beside::default()
    };
    let start = |configuration: &str| Egret::start_beside(configuration, &beside);
    let mesh = Mesh::start_by(start, pki, &OPEN.replace(", tls: { ca: $ORIGIN_CA }", ""));
    assert_eq!(
        mesh.fetch("sleep", HOST, "/x").status,
        200,
        "{}",
        mesh.egret.said()
    );
    let roots = mesh.pki.origin_roots();
    let beside = roots.with_extension("new");
    std::fs::copy(mesh.pki.mesh_roots(), &beside).unwrap();
    std::fs::rename(&beside, &roots).unwrap();
    mesh.until_answered(503, "sleep", HOST, "/x");
    let told = mesh
        .egret
        .wait_for_record("the failure", |r| r["response_code"] == 503);
    assert_eq!(reason(&told), "upstream_tls_verification", "{told:#}");
}
