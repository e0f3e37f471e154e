//! `egret run --sandbox require`: it serves, reloads and logs as ever, and opens
//! nothing else.

use std::ffi::OsString;
use std::fs;
use std::time::Duration;

use integration_tests::egret::{Beside, Egret};
use integration_tests::mesh::Mesh;
use integration_tests::pki::Pki;
use integration_tests::process::Signal;
use integration_tests::raw::Hello;
use integration_tests::wait::until;
use tempfile::TempDir;

const HOST: &str = "httpbin.org";

/// Some path admitted, with the upstream's roots at a place.
fn configuration(path: &str, roots: &str) -> String {
    format!(
        "destinations:
  - host: {HOST}
    upstream: {{ addresses: [\"$RECORDER\"], tls: {{ ca: {roots} }} }}
    allowAddresses: [127.0.0.0/8]
policies: [{{ allow: {{ host: {HOST}, path: {path} }} }}]
logs: [{{ to: stdout }}, {{ to: {{ file: $PKI/logs/access.log }} }}]
"
    )
}

fn sandboxed(configuration: &str) -> Egret {
    let beside = Beside {
        arguments: vec!["--sandbox".into(), "require".into()],
        ..Beside::default()
    };
    Egret::start_beside(configuration, &beside)
}

fn start() -> Mesh {
    let pki = Pki::create();
    fs::create_dir(pki.dir().join("logs")).unwrap();
    Mesh::start_by(sandboxed, pki, &configuration("/one", "$ORIGIN_CA"))
}

#[test]
fn every_thread_is_shut_in() {
    let mesh = start();
    assert_eq!(mesh.fetch("sleep", HOST, "/one").status, 200);
    let threads = fs::read_dir(format!("/proc/{}/task", mesh.egret.id())).unwrap();
    let threads: Vec<_> = threads.map(|thread| thread.unwrap().path()).collect();
    assert!(threads.len() > 2, "{threads:?}");
    for thread in threads {
        let status = fs::read_to_string(thread.join("status")).unwrap();
        // A filter, and no program started from here may have more rights.
        for line in ["Seccomp:\t2", "NoNewPrivs:\t1"] {
            assert!(status.lines().any(|l| l == line), "no `{line}`: {status}");
        }
    }
}

#[test]
fn a_process_shut_in_serves_reloads_and_logs() {
    let mut mesh = start();
    assert_eq!(mesh.fetch("sleep", HOST, "/one").status, 200);
    mesh.configure(&configuration("/two", "$ORIGIN_CA"));
    mesh.until_served("sleep", HOST, "/two");
    let serial = || {
        let hello = Hello::of(&mesh.pki, "sleep", HOST);
        hello.connect(mesh.gateway()).unwrap().server_serial()
    };
    let old = serial();
    let _ = mesh.pki.gateway();
    until("the new certificate", || (serial() != old).then_some(()));
    let log = mesh.pki.dir().join("logs/access.log");
    until("the file has lines", || {
        fs::read_to_string(&log)
            .is_ok_and(|l| !l.is_empty())
            .then_some(())
    });
    fs::rename(&log, log.with_extension("1")).unwrap();
    mesh.egret.signal(Signal::Hangup);
    until("a new file has lines", || {
        let _ = mesh.fetch("sleep", HOST, "/two");
        fs::read_to_string(&log)
            .is_ok_and(|lines| !lines.is_empty())
            .then_some(())
    });
}

#[test]
fn what_stands_elsewhere_is_not_opened_and_changes_nothing() {
    let mesh = start();
    let elsewhere = TempDir::with_prefix("egret-elsewhere-").unwrap();
    let roots = elsewhere.path().join("roots.pem");
    fs::copy(mesh.pki.origin_roots(), &roots).unwrap();
    mesh.configure(&configuration("/two", &roots.to_string_lossy()));
    until("it is told", || {
        let mut told = mesh.egret.diagnostics().into_iter();
        let denied =
            |line: String| line.contains("roots.pem") && line.contains("Permission denied");
        told.any(denied).then_some(())
    });
    assert_eq!(mesh.fetch("sleep", HOST, "/one").status, 200);
    assert_eq!(mesh.fetch("sleep", HOST, "/two").status, 403);
}

#[test]
fn one_process_after_the_other_is_shut_in_and_takes_over() {
    let pki = Pki::create();
    fs::create_dir(pki.dir().join("logs")).unwrap();
    let place = pki.dir().join("upgrade/egret.sock");
    fs::create_dir(place.parent().unwrap()).unwrap();
    let beside = |more: &[&str]| {
        let mut arguments: Vec<OsString> = ["--sandbox", "require", "--upgrade-socket"]
            .map(OsString::from)
            .into();
        arguments.push(place.clone().into());
        arguments.extend(more.iter().map(OsString::from));
        Beside {
            arguments,
            ..Beside::default()
        }
    };
    let first = |text: &str| Egret::start_beside(text, &beside(&[]));
    let mut mesh = Mesh::start_by(first, pki, &configuration("/one", "$ORIGIN_CA"));
    until("it can be replaced", || place.exists().then_some(()));
    let gateway = mesh.gateway();
    // The second takes over what it was given, and gives it on.
    for _ in 0..2 {
        let running = fs::read_to_string(mesh.egret.configuration()).unwrap();
        let next = Egret::launch_beside(&running, &beside(&["--upgrade"]));
        let mut before = std::mem::replace(&mut mesh.egret, next);
        let status = before.exit_within(Duration::from_secs(20));
        assert!(
            status.is_some_and(|status| status.success()),
            "{status:?}:\n{}\n{}",
            before.said(),
            mesh.egret.said()
        );
        assert_eq!(mesh.gateway(), gateway, "the sockets are the same");
        assert_eq!(mesh.fetch("sleep", HOST, "/one").status, 200);
        let status = fs::read_to_string(format!("/proc/{}/status", mesh.egret.id())).unwrap();
        assert!(status.lines().any(|line| line == "Seccomp:\t2"), "{status}");
    }
    // Reloads and logs as ever.
    mesh.configure(&configuration("/two", "$ORIGIN_CA"));
    mesh.until_served("sleep", HOST, "/two");
    let log = mesh.pki.dir().join("logs/access.log");
    until("the file has the line", || {
        let lines = fs::read_to_string(&log).unwrap_or_default();
        lines.contains("\"/two\"").then_some(())
    });
}
