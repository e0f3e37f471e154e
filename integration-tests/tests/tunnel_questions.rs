//! `egret check`, `explain` and `test`, asked about what passes through.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use integration_tests::peers;

const CONFIGURATION: &str = "version: 1
listeners:
  - { name: db, port: 5432, mode: tcp }
  - { name: tls, port: 443, mode: passthrough, tls: mutual }
  - { name: proxy, port: 3128, mode: forward-proxy }
passthrough: [{ host: '*.googleapis.com', at: [gateway:443, mesh:443] }]
tcp: [{ host: db.example.com, at: gateway:5432, upstream: { tls: on } }]
policies: [{ name: sleepers, allow: { from: sa:default/sleep } }]
";

const CASES: &str = "
- { as: sa:default/sleep, request: 'tcp://:5432', expect: allow, rule: sleepers }
- { as: sa:default/other, request: 'tcp://:5432', expect: deny 403 not_allowed }
- { as: sa:default/sleep, request: 'tls://www.googleapis.com:443', expect: allow }
- { as: sa:default/sleep, request: 'tls://edition.cnn.com:443', expect: deny, rule: sleepers }
- { as: sa:default/sleep, request: 'CONNECT www.googleapis.com:443', expect: allow, rule: sleepers }
- { as: sa:default/sleep, request: 'CONNECT www.googleapis.com:8443', expect: deny 404 no_tunnel }
- { as: sa:default/other, request: 'CONNECT www.googleapis.com:443', expect: deny 403 not_allowed }
- { as: sa:default/other, request: 'CONNECT u@www.googleapis.com:443', expect: deny 400 host_delimiter }
";

/// Whether it went well, and what was said on either stream.
fn egret(command: &str, arguments: &[&str]) -> (bool, String) {
    let dir = TempDir::with_prefix("egret-questions-").unwrap();
    fs::write(dir.path().join("egret.yaml"), CONFIGURATION).unwrap();
    fs::write(dir.path().join("cases.yaml"), CASES).unwrap();
    fs::write(
        dir.path().join("wrong.yaml"),
        CASES.replace("allow, rule", "deny, rule"),
    )
    .unwrap();
    let mut egret = Command::new(peers::egret());
    egret.arg(command).args(["--config", "egret.yaml"]);
    let output = egret
        .args(arguments)
        .current_dir(dir.path())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn check_counts_passages_and_routes() {
    let (well, said) = egret("check", &[]);
    assert!(well, "{said}");
    assert!(said.contains("2 passages, 1 TCP routes"), "{said}");
}

#[test]
fn explain_tells_where_a_tunnel_leads_or_why_nowhere() {
    for (arguments, expected) in [
        (
            &["--as", "sa:default/sleep", "tcp://:5432"][..],
            "allowed by sleepers (egret.yaml:8); leads to db.example.com at db.example.com:5432, encrypted here",
        ),
        (
            &["--as", "sa:default/other", "tcp://:5432"],
            "refused: not_allowed",
        ),
        (
            &["--as", "sa:default/sleep", "tls://fcm.googleapis.com"],
            "leads to fcm.googleapis.com at fcm.googleapis.com:443",
        ),
        (
            &["--as", "sa:default/sleep", "tls://edition.cnn.com"],
            "refused: unknown_passage by sleepers",
        ),
        (
            &[
                "--as",
                "sa:default/sleep",
                "CONNECT",
                "fcm.googleapis.com:443",
            ],
            "leads to fcm.googleapis.com at fcm.googleapis.com:443",
        ),
        (
            &["--as", "sa:default/sleep", "CONNECT", "edition.cnn.com:443"],
            "tunnel    CONNECT edition.cnn.com:443 by the listener `proxy`",
        ),
        (
            &["--as", "sa:default/sleep", "CONNECT", "edition.cnn.com:443"],
            "verdict   404 no_tunnel by sleepers",
        ),
        (
            &["CONNECT", "www.googleapis.com:443"],
            "verdict   403 not_allowed",
        ),
    ] {
        let (well, said) = egret("explain", arguments);
        assert!(well && said.contains(expected), "{arguments:?}: {said}");
    }
    let (well, said) = egret("explain", &["tcp://:9"]);
    assert!(
        !well && said.contains("no listener passes bytes on at port 9"),
        "{said}"
    );
}

#[test]
fn cases_may_be_tunnels() {
    let (well, said) = egret("test", &["cases.yaml"]);
    assert!(well && said.contains("8 passed, 0 failed"), "{said}");
    let (well, said) = egret("test", &["wrong.yaml"]);
    assert!(!well, "{said}");
    assert!(
        said.contains("tcp://:5432 as cluster.local/ns/default/sa/sleep\n  expected deny by sleepers\n  found    allow by sleepers"),
        "{said}"
    );
}
