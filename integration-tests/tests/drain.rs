//! The end in good order: not ready at once, serving for a while, requests in
//! flight finished, gone as soon as idle.

use std::time::{Duration, Instant};

use serde_json::json;

use integration_tests::client::{Curl, Reply};
use integration_tests::load::Load;
use integration_tests::mesh::Mesh;
use integration_tests::process::Signal;
use integration_tests::raw::Hello;
use integration_tests::record::assert_has;
use integration_tests::sidecar::{Protocol, Sidecar, ask};
use integration_tests::wait::until;

const HOST: &str = "httpbin.org";
const GET: &str = "GET /x HTTP/1.1\r\nhost: httpbin.org\r\n\r\n";

fn draining(serve: &str, finish: &str) -> String {
    format!(
        "drain: {{ serve: {serve}, finish: {finish} }}
defaults: {{ policy: allow }}
destinations:
  - host: httpbin.org
    upstream: {{ addresses: [\"$RECORDER\"], tls: {{ ca: $ORIGIN_CA }} }}
    allowAddresses: [127.0.0.0/8]
"
    )
}

/// Ends the gateway; how long that took.
fn end(mesh: &mut Mesh, limit: Duration) -> Duration {
    let begun = Instant::now();
    let status = mesh.egret.exit_within(limit);
    let said = mesh.egret.said();
    assert!(
        status.is_some_and(|status| status.success()),
        "{status:?} after {limit:?}:\n{said}"
    );
    begun.elapsed()
}

#[test]
fn it_is_ready_until_told_to_end_and_not_a_moment_longer() {
    let mut mesh = Mesh::start(&draining("2s", "5s"));
    assert_eq!(mesh.egret.admin("/healthz/ready").status(), 200);
    mesh.egret.signal(Signal::Terminate);
    until("readiness is withdrawn", || {
        (mesh.egret.admin("/healthz/ready").status() == 503).then_some(())
    });
    // Endpoints learn of it late: new connections are still served.
    let reply = mesh.fetch("sleep", HOST, "/x");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("connection"), Some("close"));
    end(&mut mesh, Duration::from_secs(4));
}

#[test]
fn it_ends_as_soon_as_it_is_idle() {
    let mut mesh = Mesh::start(&draining("500ms", "20s"));
    let mut idle = Hello::of(&mesh.pki, "sleep", HOST)
        .connect(mesh.gateway())
        .unwrap();
    assert_eq!(idle.exchange(GET).unwrap().status(), 200);
    mesh.egret.signal(Signal::Terminate);
    // The idle connection is open all the while; it must not hold the process.
    let took = end(&mut mesh, Duration::from_secs(10));
    assert!(
        took >= Duration::from_millis(400),
        "new connections were not served for long: {took:?}"
    );
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn an_open_connection_is_told_to_close_with_its_next_answer() {
    let mut mesh = Mesh::start(&draining("3s", "5s"));
    let mut raw = Hello::of(&mesh.pki, "sleep", HOST)
        .connect(mesh.gateway())
        .unwrap();
    let first = raw.exchange(GET).unwrap();
    assert_ne!(first.value("connection").as_deref(), Some("close"));
    mesh.egret.signal(Signal::Terminate);
    until("readiness is withdrawn", || {
        (mesh.egret.admin("/healthz/ready").status() == 503).then_some(())
    });
    let last = raw.exchange(GET).unwrap();
    assert_eq!(
        (last.status(), last.value("connection").as_deref()),
        (200, Some("close"))
    );
}

#[test]
fn requests_in_flight_are_finished() {
    let mut mesh = Mesh::start(&draining("200ms", "20s"));
    let requests = [
        mesh.curl("sleep", HOST, "/delay/2?h1"),
        mesh.curl("sleep", HOST, "/delay/2?h2").http2(),
    ];
    let begun = requests.map(|curl| std::thread::spawn(move || curl.send()));
    let targets = ["/delay/2?h1", "/delay/2?h2"];
    targets
        .iter()
        .for_each(|target| drop(mesh.recorder.wait_for(target)));
    mesh.egret.signal(Signal::Terminate);
    let took = end(&mut mesh, Duration::from_secs(10));
    assert!(
        took < Duration::from_secs(4),
        "idle after two seconds, gone after {took:?}"
    );
    for request in begun {
        let reply = request.join().unwrap();
        assert_eq!((reply.status, reply.error.as_str()), (200, ""));
    }
    // Records are written before the process goes.
    for target in targets {
        assert_has(
            &mesh.egret.record_of(target),
            &json!({ "response_code": 200 }),
        );
    }
}

#[test]
fn what_does_not_end_is_cut_when_time_is_up() {
    let mut mesh = Mesh::start(&draining("200ms", "1s"));
    let curl = mesh.curl("sleep", HOST, "/silence");
    let begun = std::thread::spawn(move || curl.send());
    let _ = mesh.recorder.wait_for("/silence");
    mesh.egret.signal(Signal::Terminate);
    let begun_to_end = Instant::now();
    assert!(
        mesh.egret.exit_within(Duration::from_secs(5)).is_some(),
        "{}",
        mesh.egret.said()
    );
    let took = begun_to_end.elapsed();
    assert!(
        took >= Duration::from_secs(1) && took < Duration::from_secs(3),
        "{took:?}"
    );
    assert_ne!(begun.join().unwrap().status, 200);
    // Cut, but not unrecorded.
    let _ = mesh.egret.record_of("/silence");
}

fn load(sidecars: &[Sidecar]) -> Load {
    let request = |sidecar: &Sidecar| {
        let address = sidecar.address();
        Box::new(move || Curl::through(address, HOST, "/load").send())
            as Box<dyn Fn() -> Reply + Send>
    };
    Load::start(sidecars.iter().map(request).collect())
}

#[test]
fn no_request_fails_while_it_still_serves() {
    let mut mesh = Mesh::start(&draining("5s", "5s"));
    let sidecars = Protocol::ALL.map(|protocol| mesh.sidecar("sleep", protocol));
    let load = load(&sidecars);
    load.go_on_for(10);
    let admin = mesh.egret.listener("admin");
    mesh.egret.signal(Signal::Terminate);
    until("readiness is withdrawn", || {
        ask(admin, "/healthz/ready").filter(|answer| answer.status() == 503)
    });
    load.go_on_for(20);
    let answered = load.answered();
    let failed = load.finish();
    assert!(failed.is_empty(), "{failed:#?}\n{}", mesh.egret.said());
    end(&mut mesh, Duration::from_secs(8));
    let records = mesh.egret.records_where(|r| r["path"] == "/load");
    assert!(
        records.len() >= answered,
        "{} records of {answered}",
        records.len()
    );
}

#[test]
fn a_second_signal_changes_nothing() {
    let mut mesh = Mesh::start(&draining("1s", "5s"));
    let curl = mesh.curl("sleep", HOST, "/delay/2");
    let begun = std::thread::spawn(move || curl.send());
    let _ = mesh.recorder.wait_for("/delay/2");
    mesh.egret.signal(Signal::Terminate);
    mesh.egret.signal(Signal::Terminate);
    end(&mut mesh, Duration::from_secs(8));
    assert_eq!(begun.join().unwrap().status, 200);
}
