//! What the process stands on fails for a while: no descriptor is left, nobody
//! reads a log's FIFO. It goes on with what it has, and says so once.

use std::fs;
use std::process::Command;

use integration_tests::egret::Egret;
use integration_tests::process::Signal;
use integration_tests::wait::{PATIENCE, until};

const QUIET: &str = "version: 1
listeners: [{ port: 443, bind: '127.0.0.1:0', mode: plaintext }]
admin: { bind: '127.0.0.1:0' }
";

/// How many descriptors the process may have from now on; those it has, it keeps.
fn may_open(egret: &Egret, number: &str) {
    let mut prlimit = Command::new("prlimit");
    prlimit.args([&format!("--nofile={number}:"), "--pid"]);
    prlimit.arg(egret.id().to_string());
    assert!(prlimit.status().unwrap().success());
}

fn says(egret: &Egret, what: &str) -> usize {
    let lines = egret.diagnostics();
    lines.iter().filter(|line| line.contains(what)).count()
}

fn threads(egret: &Egret) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", egret.id())).unwrap();
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).ok();
    tasks.filter_map(|task| name(task.ok()?)).collect()
}

/// The last thing seen would stand for ever: a process that once refused for want
/// of memory would refuse to its end.
#[test]
fn without_a_descriptor_memory_is_looked_at_again_later() {
    let egret = Egret::start(QUIET);
    may_open(&egret, "3");
    until("it cannot look", || {
        (says(&egret, "cannot see how much memory is held") == 1).then_some(())
    });
    may_open(&egret, "512");
    until("it looks again", || {
        (says(&egret, "how much memory is held is seen again") == 1).then_some(())
    });
    assert_eq!(says(&egret, "cannot see how much memory is held"), 1);
    let threads = threads(&egret);
    assert!(threads.contains(&"memory\n".to_owned()), "{threads:?}");
    assert!(egret.metric("process_resident_memory_bytes") > 0);
}

/// Opening it would wait for its reader, and with it a reload, `/metrics` and the
/// end of the process.
#[test]
fn a_fifo_that_nobody_reads_is_no_log() {
    let mut egret = Egret::start(QUIET);
    let fifo = egret.dir().join("access.fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let log = format!("logs: [{{ to: {{ file: {} }} }}]\n", fifo.display());
    egret.configure(&[QUIET, &log].concat());
    until("it is told", || {
        (says(&egret, "it is a FIFO that nobody reads") > 0).then_some(())
    });
    assert!(egret.metric("process_resident_memory_bytes") > 0);
    let mut other = Egret::launch(&[QUIET, &log].concat());
    let status = other.exit_within(PATIENCE);
    assert!(status.is_some_and(|status| !status.success()), "{status:?}");
    until("why it does not start is told", || {
        other
            .said()
            .contains("it is a FIFO that nobody reads")
            .then_some(())
    });
    egret.signal(Signal::Terminate);
    let status = egret.exit_within(PATIENCE);
    assert!(
        status.is_some_and(|status| status.success()),
        "{}",
        egret.said()
    );
}
