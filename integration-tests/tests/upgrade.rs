//! The binary is replaced while it serves: no request fails of it, and a
//! successor that fails changes nothing.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use integration_tests::client::{Curl, Reply};
use integration_tests::egret::{Beside, Egret};
use integration_tests::load::Load;
use integration_tests::mesh::Mesh;
use integration_tests::pki::Pki;
use integration_tests::process::Signal;
use integration_tests::raw::{Hello, Raw};
use integration_tests::sidecar::Protocol;
use integration_tests::wait::until;

const HOST: &str = "httpbin.org";
const GET: &str = "GET /x HTTP/1.1\r\nhost: httpbin.org\r\n\r\n";
const UPGRADES: usize = 20;
/// Within which the process before must be gone.
const SOON: Duration = Duration::from_secs(20);

const OPEN: &str = "drain: { serve: 1s, finish: 10s }
defaults: { policy: allow }
destinations:
  - host: httpbin.org
    upstream: { addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
";

fn beside(pki: &Pki, more: &[&str]) -> Beside {
    let socket = pki.dir().join("upgrade.sock");
    let mut arguments = vec!["--upgrade-socket".into(), socket.into()];
    arguments.extend(more.iter().map(Into::into));
    Beside {
        arguments,
        ..Beside::default()
    }
}

fn start() -> Mesh {
    let pki = Pki::create();
    let beside = beside(&pki, &[]);
    let mesh = Mesh::start_by(|text| Egret::start_beside(text, &beside), pki, OPEN);
    until("it can be replaced", || {
        mesh.pki.dir().join("upgrade.sock").exists().then_some(())
    });
    mesh
}

/// A new process that is to take over, with the configuration that runs, changed.
fn successor(mesh: &Mesh, change: impl Fn(String) -> String) -> Egret {
    let running = std::fs::read_to_string(mesh.egret.configuration()).unwrap();
    Egret::launch_beside(&change(running), &beside(&mesh.pki, &["--upgrade"]))
}

/// Replaces the gateway; the process before, which has ended well.
fn upgrade(mesh: &mut Mesh) -> Egret {
    let next = successor(mesh, |text| text);
    let mut before = std::mem::replace(&mut mesh.egret, next);
    let status = before.exit_within(SOON);
    assert!(
        status.is_some_and(|status| status.success()),
        "{status:?}:\n{}\n{}",
        before.said(),
        mesh.egret.said()
    );
    before
}

fn connect(mesh: &Mesh) -> Raw {
    let hello = Hello::of(&mesh.pki, "sleep", HOST);
    hello.connect(mesh.gateway()).unwrap()
}

#[test]
fn no_request_fails_of_twenty_upgrades() {
    let mut mesh = start();
    let sidecars = Protocol::ALL.map(|protocol| mesh.sidecar("sleep", protocol));
    let mut requests: Vec<Box<dyn Fn() -> Reply + Send>> = Vec::new();
    for sidecar in &sidecars {
        let address = sidecar.address();
        requests.push(Box::new(move || {
            Curl::through(address, HOST, "/load").send()
        }));
    }
    let (gateway, who) = (mesh.gateway(), mesh.pki.workload("sleep"));
    requests.push(Box::new(move || {
        let curl = Curl::to_gateway(gateway, &who, HOST, "/load");
        curl.http2().send()
    }));
    let load = Load::start(requests);
    let mut told = 0;
    for _ in 0..UPGRADES {
        load.go_on_for(10);
        let before = upgrade(&mut mesh);
        assert_eq!(mesh.gateway(), gateway, "the sockets are the same");
        told += before.records_where(|r| r["response_code"] == 200).len();
    }
    load.go_on_for(10);
    let answered = load.answered();
    let failed = load.finish();
    assert!(failed.is_empty(), "{failed:#?}\n{}", mesh.egret.said());
    told += mesh
        .egret
        .records_where(|r| r["response_code"] == 200)
        .len();
    assert!(told >= answered, "{told} records of {answered}");
}

#[test]
fn what_is_under_way_is_finished_and_its_connection_closed() {
    let mut mesh = start();
    let mut raw = connect(&mesh);
    raw.send(GET.replace("/x", "/delay/3").as_bytes()).unwrap();
    let _ = mesh.recorder.wait_for("/delay/3");
    let admin = mesh.egret.listener("admin");
    let before = upgrade(&mut mesh);
    let answer = raw.response().unwrap();
    assert_eq!(answer.status(), 200);
    let _ = before.record_of("/delay/3");
    assert_eq!(connect(&mesh).exchange(GET).unwrap().status(), 200);
    let _ = mesh.egret.record_of("/x");
    assert_eq!(mesh.egret.listener("admin"), admin);
    assert_eq!(mesh.egret.admin("/healthz/ready").status(), 200);
}

/// A successor that comes to nothing; the process that runs has not noticed.
#[track_caller]
fn fails(mesh: &mut Mesh, open: &mut Raw, word: &str, change: impl Fn(String) -> String) {
    let mut next = successor(mesh, change);
    let status = next.exit_within(SOON);
    assert!(status.is_some_and(|s| !s.success()), "{status:?}");
    until("why is told", || next.said().contains(word).then_some(()));
    let answer = open.exchange(GET).unwrap();
    assert_eq!(answer.status(), 200);
    assert_ne!(answer.value("connection").as_deref(), Some("close"));
    assert_eq!(connect(mesh).exchange(GET).unwrap().status(), 200);
    assert_eq!(mesh.egret.admin("/healthz/ready").status(), 200);
}

#[test]
fn an_upgrade_that_fails_changes_nothing() {
    let mut mesh = start();
    let mut open = connect(&mesh);
    assert_eq!(open.exchange(GET).unwrap().status(), 200);
    fails(&mut mesh, &mut open, "egret.yaml:", |text| {
        text + "policies: 7\n"
    });
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let another = format!(
        "listeners: [{{ name: more, bind: \"{}\" }}, ",
        taken.local_addr().unwrap()
    );
    fails(&mut mesh, &mut open, "cannot bind", |text| {
        text.replace("listeners: [", &another)
    });
    // One that is killed once it has the sockets, or says something else.
    let socket = mesh.pki.dir().join("upgrade.sock");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for word in [&b""[..], b"not yet\n"] {
        let mut stranger = UnixStream::connect(&socket).unwrap();
        std::io::Write::write_all(&mut stranger, word).unwrap();
    }
    until("it is told", || {
        let said = mesh.egret.diagnostics();
        let told = said
            .iter()
            .filter(|line| line.contains("the successor failed"));
        (told.count() == 3).then_some(())
    });
    assert_eq!(open.exchange(GET).unwrap().status(), 200);
    // And then one that does not fail.
    drop(taken);
    let _ = upgrade(&mut mesh);
    assert_eq!(connect(&mesh).exchange(GET).unwrap().status(), 200);
}

#[test]
fn where_nobody_serves_there_is_nothing_to_take_over() {
    let mut mesh = start();
    let running = std::fs::read_to_string(mesh.egret.configuration()).unwrap();
    mesh.egret.signal(Signal::Terminate);
    assert!(mesh.egret.exit_within(SOON).is_some());
    let mut next = Egret::launch_beside(&running, &beside(&mesh.pki, &["--upgrade"]));
    assert!(next.exit_within(SOON).is_some_and(|s| !s.success()));
    until("why is told", || {
        next.said().contains("cannot take over").then_some(())
    });
    // What the process before has left behind is in nobody's way.
    let again = Egret::start_beside(&running, &beside(&mesh.pki, &[]));
    assert_eq!(again.admin("/healthz/ready").status(), 200);
}
