//! `egret demo`: the binary alone, as a newcomer runs it. Its table is as
//! written here, its lines are the gateway's, and nothing of it stays.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use integration_tests::jsonl;
use integration_tests::peers;
use integration_tests::process::{Process, Signal};
use serde_json::Value;
use tempfile::TempDir;

/// Far longer than a demo takes, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);
const CHECKER: &str = "path-checker.listchecker.istio-system";

/// A demo under way, with a place for temporary files of its own.
struct Demo {
    process: Process,
    lines: Receiver<String>,
    temporary: TempDir,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let temporary = TempDir::with_prefix("egret-test-demo-").unwrap();
        let mut command = Command::new(peers::egret());
        command.arg("demo").args(arguments);
        command.env("TMPDIR", temporary.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = Process::start(command);
        let stdout = process.stdout().unwrap();
        let (tell, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Nobody listens any more once the test is over.
                let _ = tell.send(line);
            }
        });
        Self {
            process,
            lines,
            temporary,
        }
    }

    /// The lines up to one that fits, which is the last.
    fn until(&self, fits: impl Fn(&str) -> bool) -> Vec<String> {
        let deadline = Instant::now() + LIMIT;
        let mut lines: Vec<String> = Vec::new();
        while !lines.last().is_some_and(|line| fits(line)) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => lines.push(line),
                Err(error) => panic!("{error} after:\n{}", lines.join("\n")),
            }
        }
        lines
    }

    /// All lines to come, and how it ended.
    fn end(&mut self) -> (Vec<String>, ExitStatus) {
        let deadline = Instant::now() + LIMIT;
        let mut lines = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("no end after:\n{}", lines.join("\n")),
            }
        }
        let status = self.process.exit_within(LIMIT).expect("its end");
        (lines, status)
    }

    fn left_behind(&self) -> Vec<String> {
        let entries = fs::read_dir(self.temporary.path()).unwrap();
        entries
            .map(|entry| entry.unwrap().path().display().to_string())
            .collect()
    }
}

/// The cells of the table's rows: columns stand two spaces apart.
fn rows(lines: &[String]) -> Vec<Vec<&str>> {
    let head = lines
        .iter()
        .position(|line| line.starts_with("WHO "))
        .expect("a table");
    let rows = lines[head..]
        .iter()
        .filter(|line| line.contains("  GET http://"));
    rows.map(|row| {
        row.split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty())
            .collect()
    })
    .collect()
}

/// What stands between a title and the next blank line, as JSON.
fn records(lines: &[String], title: &str) -> Vec<Value> {
    let start = lines
        .iter()
        .position(|line| line.contains(title))
        .expect("a log")
        + 2;
    let log = lines[start..].iter().take_while(|line| !line.is_empty());
    log.map(|line| jsonl::object(line)).collect()
}

fn line_of(lines: &[String], text: &str) -> String {
    let line = lines
        .iter()
        .find(|line| line.contains(text))
        .expect("the rule");
    line.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn the_table_is_that_of_document_004_and_what_it_says_is_logged() {
    let mut demo = Demo::start(&[]);
    let (lines, status) = demo.end();
    assert!(status.success(), "{}", lines.join("\n"));
    let origin = |rule: &str| {
        format!(
            "{rule} (demo.yaml:{})",
            line_of(&lines, &format!("name: {rule}"))
        )
    };
    let (checker, books) = (origin(CHECKER), origin("books-readers"));
    let default = "by default";
    let expected = [
        ["sleep", "edition.cnn.com/politics", "deny", "403", &checker],
        ["sleep", "edition.cnn.com/sport", "allow", "200", default],
        ["sleep", "edition.cnn.com/health", "allow", "200", default],
        [
            "politics",
            "edition.cnn.com/politics",
            "allow",
            "200",
            default,
        ],
        ["politics", "edition.cnn.com/sport", "allow", "200", default],
        [
            "politics",
            "edition.cnn.com/health",
            "allow",
            "200",
            default,
        ],
        [
            "sleep",
            "edition.cnn.com/%70olitics",
            "deny",
            "403",
            &checker,
        ],
        [
            "sleep",
            "edition.cnn.com/health/../politics",
            "refuse",
            "400",
            "path_dot_segment",
        ],
        ["sleep", "www.example.com/", "refuse", "404", "unknown_host"],
        [
            "sleep",
            "www.googleapis.com/books/v1/volumes/7",
            "allow",
            "200",
            default,
        ],
        [
            "sleep",
            "www.googleapis.com/drive/v3/files",
            "refuse",
            "404",
            "no_route",
        ],
        [
            "politics",
            "www.googleapis.com/books/v1/volumes/7",
            "deny",
            "403",
            &books,
        ],
        ["sleep", "httpbin.org/headers", "allow", "200", default],
        [
            "sleep",
            "httpbin.org/delay/5",
            "allow",
            "504",
            "route_timeout",
        ],
        [
            "sleep",
            "bank.example/",
            "allow",
            "503",
            "upstream_tls_verification",
        ],
        [
            "no certificate",
            "edition.cnn.com/health",
            "refuse",
            "-",
            "no_client_certificate",
        ],
        [
            "forged sleep",
            "edition.cnn.com/health",
            "refuse",
            "-",
            "certificate_untrusted",
        ],
    ];
    let rows = rows(&lines);
    for (row, expected) in rows.iter().zip(&expected) {
        let [who, what, verdict, status, why] = *expected;
        assert_eq!(
            row[..],
            [who, &format!("GET http://{what}"), verdict, status, why]
        );
    }
    assert_eq!(rows.len(), expected.len());
    assert_eq!(lines.last().unwrap(), "17 of 17 as expected.");

    let attempts = records(&lines, "logs (every attempt)");
    assert_eq!(attempts.len(), expected.len());
    for (attempt, expected) in attempts.iter().zip(&expected) {
        assert_eq!(attempt["decision"], expected[2], "{attempt}");
        assert_eq!(
            attempt["response_code"].to_string(),
            expected[3].replace('-', "0"),
            "{attempt}"
        );
    }
    let logged = records(&lines, "logs (as document 004 has it)");
    assert!(
        logged
            .iter()
            .any(|line| line["level"] == "error" && line["path"] == "/politics")
    );
    let sleep = "cluster.local/ns/default/sa/sleep";
    assert!(
        logged.iter().all(|line| line["sourcePrincipal"] == sleep),
        "{logged:?}"
    );
    assert_eq!(demo.left_behind(), Vec::<String>::new());
}

#[test]
fn left_up_it_answers_the_commands_it_prints_and_tells_every_attempt() {
    let mut demo = Demo::start(&["--stay"]);
    let lines = demo.until(|line| line.ends_with("every attempt:"));
    let folder = lines
        .iter()
        .find_map(|line| line.strip_prefix("  cd "))
        .expect("a folder");
    let command = |text: &str| {
        let command = lines
            .iter()
            .find(|line| line.starts_with("  ") && line.contains(text));
        let command = command.expect("the command").trim();
        let output = Command::new("sh")
            .args(["-c", command])
            .current_dir(folder)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let denied = command("--cert sleep.pem --key sleep.key --cacert mesh-ca.pem");
    assert!(denied.starts_with("HTTP/2 403"), "{denied}");
    assert!(denied.ends_with("/politics is not whitelisted"), "{denied}");
    let allowed = command("--cert politics.pem");
    assert!(allowed.starts_with("HTTP/2 200"), "{allowed}");
    let echoed = command("x-forwarded-client-cert");
    assert!(
        echoed.contains("user-agent") && !echoed.contains("mine"),
        "{echoed}"
    );
    let explained = command(" explain ");
    assert!(
        explained.contains(&format!("403 denied by {CHECKER}")),
        "{explained}"
    );
    assert!(command("/metrics").contains("istio_requests_total"));

    let told = demo.until(|line| line.contains("\"path\":\"/headers\""));
    let attempts: Vec<_> = told
        .iter()
        .filter(|line| !line.is_empty())
        .map(|line| jsonl::object(line))
        .collect();
    let statuses: Vec<_> = attempts
        .iter()
        .map(|attempt| attempt["response_code"].clone())
        .collect();
    assert_eq!(statuses, [403, 200, 200]);

    demo.process.signal(Signal::Terminate);
    let (_, status) = demo.end();
    assert!(status.success());
    assert_eq!(demo.left_behind(), Vec::<String>::new());
}

#[test]
fn broken_off_half_way_it_leaves_nothing_and_does_not_claim_success() {
    let mut demo = Demo::start(&[]);
    demo.until(|line| line.contains("demo.yaml"));
    assert_eq!(demo.left_behind().len(), 1);
    demo.process.signal(Signal::Terminate);
    let (_, status) = demo.end();
    assert_eq!(status.code(), Some(1));
    assert_eq!(demo.left_behind(), Vec::<String>::new());
}
