//! What the process stands on fails for a while: no descriptor is left, nobody
//! reads a log's FIFO. It goes on with what it has, and says so once.

use std::fs;
use std::process::Command;

use integration_tests::egret::Egret;
use integration_tests::wait::until;

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
