//! The access log as its readers find it: one whole JSON object a line with
//! the same keys whatever came, in files that may be taken away at any time.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use integration_tests::http2;
use integration_tests::jsonl;
use integration_tests::leaf::Flaw;
use integration_tests::mesh::Mesh;
use integration_tests::process::Signal;
use integration_tests::raw::{Ending, Hello, Raw};
use integration_tests::record::{KEYS, assert_has, reason};
use integration_tests::wait::until;

const HOST: &str = "httpbin.org";

const SOME: &str = "
destinations:
  - host: httpbin.org
    upstream: { addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
policies:
  - name: open
    allow: { from: sa:default/sleep, host: httpbin.org }
  - name: closed
    deny: { path: /closed }
";

/// Those that are numbers; all others are strings or null.
const NUMBERS: [&str; 4] = ["bytes_received", "bytes_sent", "duration", "response_code"];

/// Those that are never null.
const ALWAYS: [&str; 10] = [
    "bytes_received",
    "bytes_sent",
    "decision",
    "downstream_local_address",
    "downstream_remote_address",
    "duration",
    "response_code",
    "response_flags",
    "snapshot",
    "start_time",
];

#[track_caller]
fn assert_shape(record: &Value) {
    let keys: Vec<&str> = record
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(keys, KEYS, "{record:#}");
    for key in KEYS {
        let value = &record[key];
        let typed = if NUMBERS.contains(&key) {
            value.is_u64()
        } else {
            value.is_string()
        };
        let absent = value.is_null() && !ALWAYS.contains(&key);
        assert!(typed || absent, "`{key}` in {record:#}");
    }
    let time = record["start_time"].as_str().unwrap();
    let shape: String = time
        .chars()
        .map(|c| if c.is_ascii_digit() { '9' } else { c })
        .collect();
    assert_eq!(shape, "9999-99-99T99:99:99.999Z", "{record:#}");
}

/// Asserts which keys are null.
#[track_caller]
fn assert_nulls(record: &Value, nulls: &[&str]) {
    let fields = record.as_object().unwrap().iter();
    let found: Vec<&str> = fields
        .filter(|(_, v)| v.is_null())
        .map(|(k, _)| k.as_str())
        .collect();
    assert_eq!(found, nulls, "{record:#}");
}

/// One request of these bytes, as `sleep`; the status of its answer.
fn send(mesh: &Mesh, request: &[u8]) -> u16 {
    let hello = Hello::of(&mesh.pki, "sleep", HOST);
    let mut raw = hello.connect(mesh.gateway()).unwrap();
    raw.send(request).unwrap();
    raw.response().expect("an answer").status()
}

#[test]
fn an_allowed_attempt_says_all_there_is() {
    let mesh = Mesh::start(SOME);
    let reply = mesh
        .curl("sleep", HOST, "/echo?page=2")
        .header("x-request-id: d6ca4391-9749-4ef8-a2ee-147f77fddf97")
        .header("x-forwarded-for: 10.1.2.3")
        .body(b"seven b")
        .send();
    assert_eq!(reply.status, 200);
    let seen = mesh.recorder.wait_for("/echo?page=2");
    assert_eq!(seen.message.body, b"seven b");
    let record = mesh.egret.record_of("/echo?page=2");
    assert_shape(&record);
    assert_nulls(
        &record,
        &[
            "audit_rule",
            "connection_termination_details",
            "failure",
            "refusal",
            "shadow_rule",
            "upstream_transport_failure_reason",
        ],
    );
    assert_has(
        &record,
        &json!({
            "authority": HOST, "bytes_received": 7, "bytes_sent": 7, "decision": "allow",
            "downstream_local_address": mesh.gateway().to_string(), "method": "POST",
            "protocol": "HTTP/1.1", "request_id": "d6ca4391-9749-4ef8-a2ee-147f77fddf97",
            "requested_server_name": HOST, "response_code": 200,
            "response_code_details": "via_upstream", "response_flags": "-", "rule": "open",
            "source_principal": "cluster.local/ns/default/sa/sleep",
            "upstream_cluster": format!("outbound|443||{HOST}"),
            "upstream_host": mesh.recorder.address().to_string(), "x_forwarded_for": "10.1.2.3",
        }),
    );
    let origin = record["rule_origin"].as_str().unwrap();
    assert!(origin.ends_with(&mesh.line_of("name: open")), "{origin}");
    let time = record["upstream_service_time"].as_str().unwrap();
    assert!(
        time.parse::<u64>().is_ok(),
        "milliseconds in a string: {time}"
    );
}

#[test]
fn a_denied_attempt_names_its_rule_and_no_upstream() {
    let mesh = Mesh::start(SOME);
    assert_eq!(mesh.fetch("sleep", HOST, "/closed").status, 403);
    let record = mesh.egret.record_of("/closed");
    assert_shape(&record);
    assert_nulls(
        &record,
        &[
            "audit_rule",
            "connection_termination_details",
            "failure",
            "request_id",
            "route_name",
            "shadow_rule",
            "upstream_cluster",
            "upstream_host",
            "upstream_local_address",
            "upstream_service_time",
            "upstream_transport_failure_reason",
            "x_forwarded_for",
        ],
    );
    assert_has(
        &record,
        &json!({
            "decision": "deny", "refusal": "denied", "rule": "closed", "response_code": 403,
            "response_flags": "-", "bytes_sent": 19,
        }),
    );
    assert_eq!(mesh.fetch("politics", HOST, "/other").status, 403);
    let record = mesh.egret.record_of("/other");
    assert_shape(&record);
    assert_has(
        &record,
        &json!({
            "decision": "deny", "refusal": "not_allowed", "rule": null, "rule_origin": null,
            "response_code_details": "rbac_access_denied_matched_policy[none]",
        }),
    );
    assert_eq!(mesh.recorder.connections(), 0);
}

#[test]
fn a_malformed_attempt_says_what_could_be_read() {
    let mesh = Mesh::start(SOME);
    for (line, host, more, code) in [
        ("/odd", HOST, "x : y\r\n", "malformed_header"),
        ("/odd?a=\"b\"", HOST, "", "target_byte"),
        ("/odd?a=<b", HOST, "", "target_byte"),
        ("/odd>", HOST, "", "path_byte"),
        ("/odd", "user@httpbin.org", "", "host_delimiter"),
    ] {
        let request = format!("GET {line} HTTP/1.1\r\nhost: {host}\r\n{more}\r\n");
        assert_eq!(send(&mesh, request.as_bytes()), 400);
        let is_it = |r: &serde_json::Value| reason(r) == code && r["path"] == line;
        let record = mesh.egret.wait_for_record(line, is_it);
        assert_shape(&record);
        assert_has(
            &record,
            &json!({
                "decision": "refuse", "response_code": 400, "response_flags": "DPE", "method": "GET",
                "path": line, "authority": host, "protocol": "HTTP/1.1", "rule": null,
                "source_principal": "cluster.local/ns/default/sa/sleep", "upstream_host": null,
            }),
        );
    }
    assert_eq!(mesh.recorder.connections(), 0);
}

#[test]
fn a_refused_handshake_has_the_same_keys() {
    let mesh = Mesh::start(SOME);
    let hello = Hello {
        credential: Some(mesh.pki.flawed(Flaw::ForeignTrustDomain)),
        ..Hello::of(&mesh.pki, "sleep", HOST)
    };
    let request = "GET / HTTP/1.1\r\nhost: httpbin.org\r\n\r\n";
    let answer = hello
        .connect(mesh.gateway())
        .map(|mut raw| raw.exchange(request));
    assert!(!matches!(answer, Ok(Ok(_))), "{answer:?}");
    let record = mesh
        .egret
        .wait_for_record("it", |r| reason(r) == "trust_domain");
    assert_shape(&record);
    for key in [
        "method",
        "path",
        "authority",
        "protocol",
        "user_agent",
        "rule",
    ] {
        assert!(record[key].is_null(), "`{key}` in {record:#}");
    }
    assert_has(
        &record,
        &json!({
            "decision": "refuse", "response_code": 0, "response_flags": "DPE",
            "bytes_sent": 0, "requested_server_name": HOST, "source_principal": null,
        }),
    );
    assert!(
        record["connection_termination_details"].is_string(),
        "{record:#}"
    );
}

#[test]
fn every_line_is_whole_whatever_bytes_a_caller_sends() {
    let mesh = Mesh::start(SOME);
    let mut agents: Vec<Vec<u8>> = vec![
        b"caf\xe9 \xff\xfe\x80".to_vec(),
        b"\"quoted\" \\back\\ {\"decision\":\"allow\"}".to_vec(),
        "\u{2028}\u{2029}\u{85}\u{1f98a}".into(),
        b"cut \xf0\x9f\xa6".to_vec(),
        b"a\tb".to_vec(),
        vec![b'"'; 8192],
        vec![b'x'; 8192],
        vec![0xff; 8192],
    ];
    agents.push((0x80..=0xff).collect());
    for (number, agent) in agents.iter().enumerate() {
        let head = format!("GET /agent/{number} HTTP/1.1\r\nhost: httpbin.org\r\nuser-agent: ");
        let status = send(&mesh, &[head.as_bytes(), agent, b"\r\n\r\n"].concat());
        assert_eq!(status, 200, "{}", mesh.egret.said());
        let record = mesh.egret.record_of(&format!("/agent/{number}"));
        assert_shape(&record);
        let logged = record["user_agent"].as_str().unwrap();
        assert!(logged.len() <= 256 * 3, "{} bytes", logged.len());
        let sent = String::from_utf8_lossy(agent);
        assert!(
            sent.starts_with(logged),
            "{logged:?} is no beginning of {sent:?}"
        );
        assert!(!logged.is_empty());
    }
    // Bytes in other places make no request, but a whole line too.
    for (number, request) in [
        &b"GET /x\"\xff HTTP/1.1\r\nhost: httpbin.org\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nhost: \"\\\xff\r\n\r\n",
        b"G\"T / HTTP/1.1\r\nhost: httpbin.org\r\n\r\n",
        b"\x16\x03\x01\xff\r\n\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        let status = send(&mesh, request);
        assert!((400..500).contains(&status), "{number}: {status}");
    }
    let number = agents.len() + 4;
    for record in mesh.egret.wait_for_records("each", number, |_| true) {
        assert_shape(&record);
    }
    let lines = mesh.egret.lines();
    assert_eq!(lines.len(), number);
    let printable = |line: &String| line.chars().all(|c| !c.is_control());
    assert!(lines.iter().all(printable));
}

const TO_FILE: &str = "
defaults: { policy: allow }
destinations:
  - host: httpbin.org
    upstream: { addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
logs:
  - { to: stdout }
  - { to: { file: access.log } }
";

fn paths(log: &Path) -> Vec<String> {
    let records = jsonl::parse(&fs::read_to_string(log).unwrap_or_default());
    let path = |record: &Value| record["path"].as_str().unwrap_or_default().to_owned();
    records.iter().map(path).collect()
}

#[test]
fn a_file_taken_away_is_opened_again_on_sighup_and_no_line_is_lost() {
    let mut mesh = Mesh::start(TO_FILE);
    let log = mesh.egret.dir().join("access.log");
    let old = mesh.egret.dir().join("access.log.1");
    assert_eq!(mesh.fetch("sleep", HOST, "/before").status, 200);
    until("the file has the line", || {
        (paths(&log) == ["/before"]).then_some(())
    });
    fs::rename(&log, &old).unwrap();
    assert_eq!(mesh.fetch("sleep", HOST, "/between").status, 200);
    until("the renamed file has the line", || {
        (paths(&old) == ["/before", "/between"]).then_some(())
    });
    mesh.egret.signal(Signal::Hangup);
    let mut sent = 0;
    until("a line in the new file", || {
        assert_eq!(
            mesh.fetch("sleep", HOST, &format!("/after/{sent}")).status,
            200
        );
        sent += 1;
        (!paths(&log).is_empty()).then_some(())
    });
    until("all lines, in order, in two files", || {
        let all = [paths(&old), paths(&log)].concat();
        let mut expected = vec!["/before".to_owned(), "/between".to_owned()];
        expected.extend((0..sent).map(|number| format!("/after/{number}")));
        (all == expected).then_some(())
    });
    assert!(mesh.egret.is_running());
}

#[test]
fn records_name_the_snapshot_that_decided() {
    let mut mesh = Mesh::start(SOME);
    let snapshot = |mesh: &Mesh, path: &str| {
        let record = mesh.egret.record_of(path);
        record["snapshot"].as_str().unwrap().to_owned()
    };
    assert_eq!(mesh.fetch("sleep", HOST, "/one").status, 200);
    let first = snapshot(&mesh, "/one");
    assert_eq!(mesh.fetch("sleep", HOST, "/two").status, 200);
    assert_eq!(snapshot(&mesh, "/two"), first, "nothing has changed");
    assert!(mesh.egret.admin("/config").text().contains(&first));
    mesh.configure(&SOME.replace("/closed", "/three"));
    mesh.egret.signal(Signal::Hangup);
    mesh.until_answered(403, "sleep", HOST, "/three");
    let record = mesh
        .egret
        .wait_for_record("the denial", |r| r["response_code"] == 403);
    assert_ne!(record["snapshot"], json!(first), "{record:#}");
    let now = record["snapshot"].as_str().unwrap();
    let info = format!("egret_snapshot_info{{digest=\"{now}\"}} 1");
    assert!(
        mesh.egret.admin("/metrics").text().contains(&info),
        "{info}"
    );
    // What is refused changes nothing, the digest neither.
    mesh.configure("policies: [{ alow: {} }]\n");
    mesh.egret.signal(Signal::Hangup);
    until("the refused reload is counted", || {
        let metrics = mesh.egret.admin("/metrics").text();
        let zero = "egret_reloads_total{result=\"refused\"} 0\n";
        (!metrics.contains(zero)).then_some(())
    });
    assert_eq!(mesh.fetch("sleep", HOST, "/four").status, 200);
    assert_eq!(snapshot(&mesh, "/four"), now);
}

/// Fields of a GET over HTTP/2, the path as often as it is given.
fn fields(paths: &[&str]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let head = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", HOST),
    ];
    let paths = paths.iter().map(|path| (":path", *path));
    let fields = head.into_iter().chain(paths);
    fields
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

fn connect_http2(mesh: &Mesh) -> Raw {
    let mut hello = Hello::of(&mesh.pki, "sleep", HOST);
    hello.alpn = vec!["h2"];
    hello.connect(mesh.gateway()).unwrap()
}

#[test]
fn streams_that_never_become_requests_have_a_line_each() {
    let mesh = Mesh::start(SOME);
    let mut raw = connect_http2(&mesh);
    let two_paths = fields(&["/open", "/closed"]);
    let mut too_large = fields(&["/large"]);
    too_large.extend((0..2000).map(|n| (b"x".to_vec(), n.to_string().into_bytes())));
    let sent = [
        http2::preface(),
        http2::request(1, &two_paths, b""),
        http2::request(3, &two_paths, b"with a body"),
        http2::request(5, &too_large, b""),
        http2::request(7, &fields(&["/good"]), b""),
    ];
    raw.send(&sent.concat()).unwrap();
    let good = http2::answer(&mut raw, 7).unwrap();
    assert_eq!(good.status, Some(200));
    let _ = mesh.egret.record_of("/good");
    drop(raw);
    let mut lines = mesh.egret.end();
    lines.sort_by_key(|line| reason(&jsonl::object(line)).to_owned());
    let told: Vec<Value> = lines.iter().map(|line| jsonl::object(line)).collect();
    told.iter().for_each(assert_shape);
    let reasons: Vec<&str> = told.iter().map(reason).collect();
    assert_eq!(
        reasons,
        ["", "head_too_large", "malformed_stream", "malformed_stream"]
    );
}

#[test]
fn a_caller_that_leaves_before_his_stream_is_looked_at_has_a_line() {
    let mesh = Mesh::start(SOME);
    for number in 1..=10 {
        let mut raw = connect_http2(&mesh);
        let path = format!("/gone?{number}");
        let sent = [http2::preface(), http2::request(1, &fields(&[&path]), b"")];
        raw.send(&sent.concat()).unwrap();
        drop(raw);
        let _ = mesh
            .egret
            .wait_for_records("one who left", number, |_| true);
    }
    assert_eq!(mesh.egret.end().len(), 10);
}

#[test]
fn too_many_malformed_streams_end_the_connection() {
    let mesh = Mesh::start(SOME);
    let mut raw = connect_http2(&mesh);
    let bad = fields(&["/open", "/closed"]);
    let streams = (0..40).map(|n| http2::request(2 * n + 1, &bad, b""));
    raw.send(&[http2::preface(), streams.flatten().collect()].concat())
        .unwrap();
    let (_, ending) = raw.rest(Duration::from_secs(10));
    assert_eq!(ending, Ending::Closed);
    let lines = mesh.egret.end().len();
    assert!((32..=40).contains(&lines), "{lines}");
}
