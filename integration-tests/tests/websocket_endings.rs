//! How WebSockets end: by either side, in its time, with the caller's right, with
//! the process. Whatever was said before is still heard, and there is a line.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::json;

use integration_tests::leaf::{Leaf, Signer};
use integration_tests::mesh::Mesh;
use integration_tests::peers;
use integration_tests::process::Signal;
use integration_tests::raw::{Ending, Hello, Raw};
use integration_tests::record::assert_has;
use integration_tests::sidecar::Protocol;
use integration_tests::wait::{PATIENCE, until};

const HOST: &str = "second.test";
const ASKING: &str = "GET /chat HTTP/1.1\r\nHost: second.test\r\nConnection: Upgrade\r\n\
Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const AGREED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\
Upgrade: websocket\r\n\r\n";
const MIB: usize = 1024 * 1024;

/// A gateway whose WebSockets lead to an origin that does `then` once it has agreed
/// to one. Its door `plain` is for callers without TLS.
fn bench<T: Send + 'static>(
    more: &str,
    then: impl Fn(TcpStream) -> T + Send + Sync + 'static,
) -> (Mesh, JoinHandle<T>) {
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = origin.local_addr().unwrap();
    let mesh = Mesh::start(&format!(
        "{more}
listeners:
  - {{ name: mesh, port: 443, bind: \"127.0.0.1:0\" }}
  - {{ name: plain, port: 80, bind: \"127.0.0.1:0\", mode: plaintext }}
defaults: {{ policy: allow }}
destinations:
  - host: {HOST}
    upstream: {{ addresses: [\"{address}\"], tls: off }}
    allowAddresses: [127.0.0.0/8]
    websocket: true
"
    ));
    let served = thread::spawn(move || {
        let (mut stream, _) = origin.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        read_head(&mut stream);
        stream.write_all(AGREED).unwrap();
        then(stream)
    });
    (mesh, served)
}

fn read_head(stream: &mut impl Read) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
}

/// Sends back what it is sent, to the end.
fn echo(stream: TcpStream) -> u64 {
    std::io::copy(&mut &stream, &mut &stream).unwrap_or(0)
}

/// All that is sent to the end.
fn heard(mut stream: TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    heard
}

fn open(mesh: &Mesh, hello: &Hello) -> Raw {
    let mut raw = hello.connect(mesh.gateway()).unwrap();
    raw.send(ASKING.as_bytes()).unwrap();
    assert_eq!(raw.head().unwrap().status(), 101);
    raw
}

fn sleep(mesh: &Mesh) -> Hello {
    Hello::of(&mesh.pki, "sleep", HOST)
}

#[test]
fn it_stands_no_longer_than_a_tunnel_may_though_bytes_move() {
    let (mesh, served) = bench("limits: { tunnelTimeout: 1s }", echo);
    let mut raw = open(&mesh, &sleep(&mesh));
    let begun = Instant::now();
    let mut echoed = 0;
    while begun.elapsed() < PATIENCE {
        if raw.send(b"still here").is_err() || raw.some().unwrap_or_default().is_empty() {
            break;
        }
        echoed += 1;
    }
    let stood = begun.elapsed();
    assert!(echoed > 0 && stood < Duration::from_secs(4), "{stood:?}");
    assert!(stood > Duration::from_millis(900), "{stood:?}");
    let _ = served.join().unwrap();
    let record = mesh.egret.record_of("/chat");
    assert_has(
        &record,
        &json!({
            "response_code": 101, "decision": "allow",
            "response_code_details": "max_duration_timeout",
        }),
    );
}

/// Asks at a door for callers without TLS.
fn open_at(door: SocketAddr) -> TcpStream {
    let mut tcp = TcpStream::connect(door).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp.write_all(ASKING.as_bytes()).unwrap();
    read_head(&mut tcp);
    tcp
}

/// Says more than anything on the way holds, and hears it all back meanwhile.
fn talk(mut tcp: TcpStream) {
    let mut writing = tcp.try_clone().unwrap();
    let asking = thread::spawn(move || writing.write_all(&vec![b'.'; 16 * MIB]));
    let mut back = vec![0; 16 * MIB];
    tcp.read_exact(&mut back).unwrap();
    asking.join().unwrap().unwrap();
    assert!(back.iter().all(|byte| *byte == b'.'));
}

#[test]
fn neither_side_waits_for_the_other_to_read() {
    let limits = "limits: { bodyIdleTimeout: 60s }";
    let (mesh, _served) = bench(limits, echo);
    talk(open_at(mesh.egret.listener("plain")));
    for protocol in Protocol::ALL {
        let (mesh, _served) = bench(limits, echo);
        let sidecar = mesh.sidecar("sleep", protocol);
        talk(open_at(sidecar.address()));
        let record = mesh.egret.record_of("/chat");
        for direction in ["bytes_received", "bytes_sent"] {
            assert_eq!(record[direction], 16 * MIB, "{protocol:?} {record:#}");
        }
    }
}

#[test]
fn a_caller_who_has_said_all_still_hears_the_answer() {
    let (mesh, served) = bench("", echo);
    let mut tcp = open_at(mesh.egret.listener("plain"));
    let mut writing = tcp.try_clone().unwrap();
    let asking = thread::spawn(move || {
        writing.write_all(&vec![b'.'; 32 * MIB]).unwrap();
        writing.shutdown(Shutdown::Write).unwrap();
    });
    let mut back = Vec::new();
    tcp.read_to_end(&mut back).unwrap();
    asking.join().unwrap();
    assert_eq!(back.len(), 32 * MIB);
    assert_eq!(served.join().unwrap(), 32 * MIB as u64);
    assert_has(
        &mesh.egret.record_of("/chat"),
        &json!({
            "response_code": 101, "failure": null,
            "bytes_received": 32 * MIB, "bytes_sent": 32 * MIB,
        }),
    );
}

#[test]
fn what_a_caller_said_is_heard_however_he_leaves() {
    for plainly in [false, true] {
        let (mesh, served) = bench("", |mut stream: TcpStream| {
            // It comes in pieces, and he is gone before the last is read.
            let mut some = vec![0; 1000];
            stream.read_exact(&mut some).unwrap();
            let mut rest = heard(stream);
            some.append(&mut rest);
            some
        });
        let said: Vec<u8> = (0..3 * MIB).map(|n| (n % 251) as u8).collect();
        if plainly {
            let mut tcp = open_at(mesh.egret.listener("plain"));
            tcp.write_all(&said).unwrap();
            drop(tcp);
        } else {
            // The end of TCP without that of TLS.
            let mut raw = open(&mesh, &sleep(&mesh));
            raw.send(&said).unwrap();
            drop(raw);
        }
        let heard = served.join().unwrap();
        assert_eq!(heard.len(), said.len(), "plainly: {plainly}");
        assert!(heard == said);
        let record = mesh.egret.record_of("/chat");
        assert_has(
            &record,
            &json!({ "response_code": 101, "bytes_received": said.len() }),
        );
    }
}

#[test]
fn what_the_upstream_said_is_heard_though_it_closes_at_once() {
    let said: Vec<u8> = (0..3 * MIB).map(|n| (n % 251) as u8).collect();
    let saying = said.clone();
    let (mesh, served) = bench("", move |mut stream: TcpStream| {
        stream.write_all(&saying).unwrap();
    });
    let mut raw = open(&mesh, &sleep(&mesh));
    served.join().unwrap();
    let (heard, ending) = raw.rest(PATIENCE);
    assert!(heard == said, "{} of {}", heard.len(), said.len());
    assert_eq!(ending, Ending::Closed);
    drop(raw);
    let record = mesh.egret.record_of("/chat");
    assert_has(
        &record,
        &json!({ "response_code": 101, "bytes_sent": said.len() }),
    );
}

#[test]
fn a_side_that_stays_when_the_other_has_closed_is_not_waited_for_long() {
    let (mesh, served) = bench("", |mut stream: TcpStream| {
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        // It does not close; the gateway does, and a write tells in the end.
        until("the connection is over", || {
            stream.write_all(b".").err().map(drop)
        });
        heard
    });
    let mut raw = open(&mesh, &sleep(&mesh));
    raw.send(b"good-bye").unwrap();
    raw.finish();
    let begun = Instant::now();
    assert_eq!(served.join().unwrap(), b"good-bye");
    assert!(begun.elapsed() < Duration::from_secs(9));
    let record = mesh.egret.record_of("/chat");
    assert_has(&record, &json!({ "response_code": 101 }));
}

#[test]
fn it_is_closed_when_its_callers_certificate_is_revoked() {
    let (mesh, _served) = bench("", echo);
    let leaf = Leaf::workload("cluster.local/ns/default/sa/thief");
    let stolen = mesh.pki.issue("thief", &leaf, Signer::Mesh);
    let configuration = fs::read_to_string(mesh.egret.configuration()).unwrap();
    let none = mesh.pki.revocation_list("revoked", &[]);
    let none = format!("mesh-roots.pem, crl: {} }}", none.display());
    mesh.egret
        .configure(&configuration.replace("mesh-roots.pem }", &none));
    let hello = Hello {
        credential: Some(stolen.clone()),
        ..sleep(&mesh)
    };
    let mut raw = open(&mesh, &hello);
    raw.send(b"ping").unwrap();
    assert_eq!(raw.some().unwrap(), b"ping");
    let _ = mesh.pki.revocation_list("revoked", &[&stolen]);
    let (bytes, ending) = raw.rest(Duration::from_secs(30));
    assert_eq!((bytes.len(), ending), (0, Ending::Closed));
    assert_has(
        &mesh.egret.record_of("/chat"),
        &json!({
            "response_code": 101, "refusal": "certificate_revoked", "decision": "refuse",
            "bytes_received": 4, "bytes_sent": 4,
        }),
    );
}

#[test]
fn it_goes_on_while_the_process_drains_and_is_cut_on_record_with_it() {
    let (mut mesh, served) = bench("drain: { serve: 300ms, finish: 2s }", echo);
    let mut raw = open(&mesh, &sleep(&mesh));
    let open = |mesh: &Mesh| {
        ["egret_websockets", "egret_websockets_total"].map(|name| mesh.egret.metric(name))
    };
    assert_eq!(open(&mesh), [1, 1]);
    mesh.egret.signal(Signal::Terminate);
    let begun = Instant::now();
    // Longer than it serves, as long as it may take to finish.
    while begun.elapsed() < Duration::from_secs(1) {
        raw.send(b"ping").unwrap();
        assert_eq!(raw.some().unwrap(), b"ping");
    }
    assert!(mesh.egret.exit_within(PATIENCE).is_some());
    assert!(begun.elapsed() >= Duration::from_secs(2));
    assert_eq!(raw.rest(PATIENCE).1, Ending::Closed);
    let echoed = served.join().unwrap();
    assert_has(
        &mesh.egret.record_of("/chat"),
        &json!({
            "response_code": 101, "decision": "allow", "failure": null, "method": "GET",
            "response_code_details": "drained", "bytes_sent": echoed,
        }),
    );
}

#[test]
fn the_process_ends_with_the_last_of_them() {
    let (mut mesh, served) = bench("drain: { serve: 100ms, finish: 20s }", echo);
    let mut raw = open(&mesh, &sleep(&mesh));
    mesh.egret.signal(Signal::Terminate);
    raw.send(b"ping").unwrap();
    assert_eq!(raw.some().unwrap(), b"ping");
    let begun = Instant::now();
    raw.finish();
    assert!(mesh.egret.exit_within(PATIENCE).is_some());
    assert!(begun.elapsed() < Duration::from_secs(8));
    assert_eq!(served.join().unwrap(), 4);
    let record = mesh.egret.record_of("/chat");
    assert_has(&record, &json!({ "response_code": 101, "failure": null }));
}

#[test]
fn explain_tells_where_websockets_are_let_through() {
    let dir = tempfile::TempDir::with_prefix("egret-websocket-").unwrap();
    let configuration = "version: 1
defaults: { policy: allow }
listeners: [{ port: 443 }]
destinations: [{ host: chat.test, routes: [{ prefix: /chat, websocket: true }, { prefix: / }] }]
";
    fs::write(dir.path().join("egret.yaml"), configuration).unwrap();
    for (path, through) in [("/chat", true), ("/other", false)] {
        let mut egret = Command::new(peers::egret());
        let said = egret
            .args([
                "explain",
                "--config",
                "egret.yaml",
                "--as",
                "sa:default/sleep",
                "GET",
            ])
            .arg(format!("http://chat.test{path}"))
            .current_dir(dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8([said.stdout, said.stderr].concat()).unwrap();
        assert!(said.contains("to https://chat.test:443"), "{said}");
        let told = said.contains("443; WebSockets are let through\n");
        assert_eq!(told, through, "{said}");
    }
}
