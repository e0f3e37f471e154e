//! slowhttptest: connections held by going slowly, with a good caller beside.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use integration_tests::egret::Egret;
use integration_tests::peers;
use integration_tests::record::reason;

use crate::door::{Door, HOST, NAMED};
use crate::findings::Outcome;
use crate::program::{plain, run, version};

struct Attack {
    name: &'static str,
    target: &'static str,
    how: &'static [&'static str],
    /// What the gateway's records say of those it cut off.
    cut: &'static str,
}

const ATTACKS: [Attack; 3] = [
    Attack {
        name: "slow-heads",
        target: "/sport",
        how: &["-H", "-i", "2", "-x", "24"],
        cut: "head_timeout",
    },
    Attack {
        name: "slow-bodies",
        target: "/echo",
        how: &["-B", "-i", "12", "-s", "100000", "-x", "10"],
        cut: "body_timeout",
    },
    // A window of some bytes, read a few at a time.
    Attack {
        name: "slow-reading",
        target: "/large",
        how: &["-X", "-w", "10", "-y", "20", "-n", "2", "-z", "8"],
        cut: "reader_timeout",
    },
];

const CONNECTIONS: usize = 400;
/// How long an attack holds on.
const TIME: Duration = Duration::from_secs(30);
/// Shorter than the attack, so that its end is the gateway's doing.
const LIMITS: &str = "headTimeout: 5s, bodyIdleTimeout: 5s, idleTimeout: 5s";
/// In MiB: so many connections, of TLS and with buffers, in a debug build.
const MOST: usize = 128;

/// Each in turn, against a gateway of its own.
pub(crate) fn attack() -> Outcome {
    let complaints = ATTACKS.map(|attack| (attack.name.to_owned(), attack.hold().join("; ")));
    let bad = complaints
        .into_iter()
        .filter(|(_, words)| !words.is_empty());
    let findings: BTreeMap<_, _> = bad.collect();
    Outcome {
        suite: "slowhttptest",
        version: version(&peers::slowhttptest(), "-h", "version"),
        passed: ATTACKS.len() - findings.len(),
        findings,
    }
}

impl Attack {
    /// Does it; what went wrong.
    fn hold(&self) -> Vec<String> {
        let door = Door::open(LIMITS);
        let over = AtomicBool::new(false);
        let before = door.mesh.egret.memory();
        let (said, (failed, asked)) = thread::scope(|scope| {
            let good = scope.spawn(|| ask_until(&door, &over));
            let said = run(self.name, self.command(&door), TIME * 4);
            over.store(true, Ordering::Relaxed);
            (plain(&said), good.join().unwrap())
        });
        let grown = door.mesh.egret.memory().saturating_sub(before) / 1024 / 1024;
        let cut = self.cut(&door.mesh.egret);
        let name = self.name;
        eprintln!("suites: {name}: {cut} cut, {asked} good requests, {grown} MiB more");
        let status = said
            .lines()
            .rev()
            .find(|line| line.contains("service available:"));
        let available = status.is_some_and(|line| line.contains("YES"));
        let complaints = [
            (!available, "the gateway did not answer in time".to_owned()),
            (
                failed > 0 || asked == 0,
                format!("{failed} of {asked} good requests failed"),
            ),
            (
                cut * 10 < CONNECTIONS * 9,
                format!("only {cut} of {CONNECTIONS} were cut off"),
            ),
            (grown > MOST, format!("{grown} MiB more than before")),
        ];
        let complaints = complaints.into_iter().filter(|(is_so, _)| *is_so);
        complaints.map(|(_, words)| words).collect()
    }

    fn command(&self, door: &Door) -> Command {
        let mut command = Command::new(peers::slowhttptest());
        let (connections, time) = (CONNECTIONS.to_string(), TIME.as_secs().to_string());
        command.args(self.how);
        command.args(["-c", &connections, "-r", "500", "-l", &time, "-p", "5"]);
        command.args(["-u", &format!("http://{HOST}:{}{}", door.h1(), self.target)]);
        command
    }

    /// How many the gateway itself cut off, well before the attack was over. On a
    /// busy machine the origin takes some too late: those are refused, not held.
    fn cut(&self, egret: &Egret) -> usize {
        let soon = (TIME - Duration::from_secs(2)).as_millis() as u64;
        let cut = egret.records_where(|record| {
            let early = record["duration"].as_u64().is_some_and(|time| time < soon);
            early && [self.cut, "connect_timeout"].contains(&reason(record))
        });
        cut.len()
    }
}

/// A caller that does as it should, again and again: failed, and in all.
fn ask_until(door: &Door, over: &AtomicBool) -> (usize, usize) {
    let (mut failed, mut asked) = (0, 0);
    while !over.load(Ordering::Relaxed) {
        let reply = door.mesh.fetch("politics", NAMED, "/sport");
        failed += usize::from(reply.status != 200);
        asked += 1;
        thread::sleep(Duration::from_millis(50));
    }
    (failed, asked)
}
