//! "Monitoring and access policies for HTTP egress traffic": the story of the
//! document, in the native format, told by real sidecars. Each test is one of
//! its tables: who asks, what is answered, what is logged.

use serde_json::{Value, json};

use integration_tests::mesh::Mesh;
use integration_tests::record::assert_has;
use integration_tests::sidecar::Protocol;

const CNN: &str = "edition.cnn.com";
const PATHS: [&str; 3] = ["/politics", "/sport", "/health"];

/// What is routed is allowed, unless a policy denies it.
const ALL_ROUTED: &str = "
defaults: { policy: allow }
destinations:
  - host: edition.cnn.com
    upstream: { addresses: [\"$NGINX\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
";

const TWO_PATHS_ROUTED: &str = "
defaults: { policy: allow }
destinations:
  - host: edition.cnn.com
    upstream: { addresses: [\"$NGINX\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
    routes:
      - regex: \"/health|/sport\"
";

const FOR_EVERYONE: &str = "
policies:
  - name: path-checker.listchecker.istio-system
    deny: { host: \"*.cnn.com\" }
    unless:
      - path: [/health, /sport]
    body: \"PERMISSION_DENIED:path-checker.listchecker.istio-system:${request.path} is not whitelisted\"
";

const EXCEPT_POLITICS: &str = "
policies:
  - name: path-checker.listchecker.istio-system
    deny: { host: \"*.cnn.com\" }
    unless:
      - path: [/health, /sport]
      - from: sa:default/politics
    body: \"PERMISSION_DENIED:path-checker.listchecker.istio-system:${request.path} is not whitelisted\"
";

const FORMAT: &str = "
formats:
  egress-access:
    layout: mixer
    instance: egress-access.logentry.istio-system
    fields:
      destination: request.host | \"unknown\"
      path: request.path | \"unknown\"
      responseCode: response.code | 0
      responseSize: response.size | 0
      reporterUID: context.reporter.uid | \"unknown\"
      sourcePrincipal: source.principal | \"unknown\"
";

const LOGS_FOR_EVERYONE: &str = "
logs:
  - { format: egress-access, level: info, when: { host: \"*.cnn.com\" } }
  - { format: egress-access, level: error, when: { host: \"*cnn.com\", path: \"/politics*\" } }
";

const LOGS_EXCEPT_POLITICS: &str = "
logs:
  - { format: egress-access, level: info, when: { host: \"*.cnn.com\" }, unless: { from: sa:default/politics } }
  - { format: egress-access, level: error, when: { host: \"*cnn.com\", path: \"/politics*\" }, unless: { from: sa:default/politics } }
";

/// The document's three requests, through a workload's sidecar: status and body length of each.
fn ask(mesh: &Mesh, account: &str, protocol: Protocol) -> [(u16, usize); 3] {
    let sidecar = mesh.sidecar(account, protocol);
    PATHS.map(|path| {
        let reply = sidecar.curl(CNN, path).send();
        (reply.status, reply.body.len())
    })
}

fn statuses(answers: [(u16, usize); 3]) -> [u16; 3] {
    answers.map(|(status, _)| status)
}

/// Level, path and code of each line, sorted: the order of lines is nobody's promise.
fn table(records: &[Value]) -> Vec<(String, String, u64)> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |r: &Value| {
        let code = r["responseCode"].as_u64().unwrap_or_default();
        (word(&r["level"]), word(&r["path"]), code)
    };
    let mut rows: Vec<_> = records.iter().map(row).collect();
    rows.sort();
    rows
}

/// Three lines of information, and one of error for the forbidden topic.
fn expected_table(politics: u64) -> Vec<(String, String, u64)> {
    [
        ("error", "/politics", politics),
        ("info", "/health", 200),
        ("info", "/politics", politics),
        ("info", "/sport", 200),
    ]
    .map(|(level, path, code)| (level.to_owned(), path.to_owned(), code))
    .to_vec()
}

fn lines_of(mesh: &Mesh, account: &str) -> Vec<Value> {
    let principal = format!("cluster.local/ns/default/sa/{account}");
    mesh.egret
        .wait_for_records(account, 4, |r| r["sourcePrincipal"] == principal.as_str())
}

/// Paths the origin was asked for, in order.
fn seen(mesh: &Mesh) -> Vec<String> {
    let target = |line: Value| line["target"].as_str().unwrap_or_default().to_owned();
    mesh.nginx
        .settled_requests()
        .into_iter()
        .map(target)
        .collect()
}

#[test]
fn everything_is_served_and_logged_before_there_is_a_policy() {
    for protocol in Protocol::ALL {
        let mesh = Mesh::start(&[ALL_ROUTED, FORMAT, LOGS_FOR_EVERYONE].concat());
        assert_eq!(statuses(ask(&mesh, "sleep", protocol)), [200, 200, 200]);
        assert_eq!(table(&lines_of(&mesh, "sleep")), expected_table(200));
        assert_eq!(seen(&mesh), PATHS);
    }
}

#[test]
fn routing_hides_the_forbidden_topic() {
    for protocol in Protocol::ALL {
        let mesh = Mesh::start(&[TWO_PATHS_ROUTED, FORMAT, LOGS_FOR_EVERYONE].concat());
        let answers = ask(&mesh, "sleep", protocol);
        assert_eq!(statuses(answers), [404, 200, 200]);
        assert_eq!(answers[0].1, 0, "a 404 without a route has no body");
        let lines = lines_of(&mesh, "sleep");
        assert_eq!(table(&lines), expected_table(404));
        for line in lines.iter().filter(|line| line["path"] == "/politics") {
            assert_has(line, &json!({ "responseSize": 0 }));
        }
        assert_eq!(seen(&mesh), ["/sport", "/health"]);
    }
}

#[test]
fn policy_forbids_the_topic_to_everyone() {
    for protocol in Protocol::ALL {
        let mesh = Mesh::start(&[ALL_ROUTED, FOR_EVERYONE, FORMAT, LOGS_FOR_EVERYONE].concat());
        for account in ["sleep", "politics"] {
            let answers = ask(&mesh, account, protocol);
            assert_eq!(statuses(answers), [403, 200, 200], "{account}");
            assert_eq!(answers[0].1, 84, "the length the document shows");
            let lines = lines_of(&mesh, account);
            assert_eq!(table(&lines), expected_table(403), "{account}");
            for line in lines.iter().filter(|line| line["path"] == "/politics") {
                assert_has(line, &json!({ "responseSize": 84 }));
            }
        }
        assert_eq!(seen(&mesh), ["/sport", "/health", "/sport", "/health"]);
    }
}

#[test]
fn the_politics_account_is_exempt_and_unlogged() {
    for protocol in Protocol::ALL {
        let parts = [ALL_ROUTED, EXCEPT_POLITICS, FORMAT, LOGS_EXCEPT_POLITICS];
        let mesh = Mesh::start(&parts.concat());
        assert_eq!(statuses(ask(&mesh, "politics", protocol)), [200, 200, 200]);
        assert_eq!(statuses(ask(&mesh, "sleep", protocol)), [403, 200, 200]);
        // Lines come in order: once these are there, any of `politics` would be.
        assert_eq!(table(&lines_of(&mesh, "sleep")), expected_table(403));
        let said = mesh.egret.lines().concat();
        assert!(!said.contains("sa/politics"), "{said}");
        assert_eq!(
            seen(&mesh),
            ["/politics", "/sport", "/health", "/sport", "/health"]
        );
    }
}

#[test]
fn the_line_is_the_documents_line() {
    let mesh = Mesh::start(&[ALL_ROUTED, FORMAT, LOGS_FOR_EVERYONE].concat());
    assert_eq!(mesh.fetch("sleep", CNN, "/politics").status, 200);
    let _ = mesh.egret.wait_for_records("both lines", 2, |_| true);
    let lines = mesh.egret.lines();
    for line in &lines {
        let keys: Vec<&str> = line
            .split("\":")
            .filter_map(|part| part.rsplit('"').next())
            .collect();
        let wanted = "level time instance destination path reporterUID responseCode responseSize \
                      sourcePrincipal";
        let wanted: Vec<&str> = wanted.split_whitespace().collect();
        assert_eq!(keys[..wanted.len()], wanted, "{line}");
    }
    let [first, second] = [0, 1].map(|n| mesh.egret.records()[n].clone());
    assert_eq!(
        first["time"], second["time"],
        "both lines tell the request's start"
    );
    let time = first["time"].as_str().unwrap_or_default();
    assert_eq!(time.len(), "2019-01-29T07:43:24.611462Z".len(), "{time}");
    assert_has(
        &first,
        &json!({
            "instance": "egress-access.logentry.istio-system",
            "destination": CNN,
            "responseSize": "edition.cnn.com serves /politics\n".len(),
            "sourcePrincipal": "cluster.local/ns/default/sa/sleep",
        }),
    );
    let reporter = first["reporterUID"].as_str().unwrap_or_default();
    assert!(
        reporter.starts_with("kubernetes://istio-egressgateway"),
        "{reporter}"
    );
    assert!(reporter.ends_with(".istio-system"), "{reporter}");
}

#[test]
fn the_default_record_names_caller_rule_and_origin() {
    let mesh = Mesh::start(&[ALL_ROUTED, EXCEPT_POLITICS].concat());
    let sidecar = mesh.sidecar("sleep", Protocol::Http1);
    let refused = sidecar.curl(CNN, "/politics").send();
    let body =
        "PERMISSION_DENIED:path-checker.listchecker.istio-system:/politics is not whitelisted";
    assert_eq!((refused.status, refused.text().as_str()), (403, body));
    let denied = mesh.egret.record_of("/politics");
    assert_has(
        &denied,
        &json!({
            "method": "GET",
            "authority": CNN,
            "protocol": "HTTP/1.1",
            "response_code": 403,
            "response_flags": "-",
            "bytes_sent": 84,
            "upstream_host": null,
            "requested_server_name": CNN,
            "source_principal": "cluster.local/ns/default/sa/sleep",
            "decision": "deny",
            "rule": "path-checker.listchecker.istio-system",
            "refusal": "denied",
        }),
    );
    let origin = denied["rule_origin"].as_str().unwrap_or_default();
    assert!(
        origin.ends_with(&mesh.line_of("name: path-checker")),
        "{origin}"
    );
    assert_eq!(sidecar.curl(CNN, "/sport").send().status, 200);
    assert_has(
        &mesh.egret.record_of("/sport"),
        &json!({
            "response_code": 200,
            "response_code_details": "via_upstream",
            "upstream_host": mesh.nginx.address().to_string(),
            "upstream_cluster": "outbound|443||edition.cnn.com",
            "decision": "allow",
            "refusal": null,
            "snapshot": denied["snapshot"],
        }),
    );
}

#[test]
fn an_allow_rule_is_named_on_the_lines_it_allows() {
    let policies = "
policies:
  - name: readers
    allow: { from: sa:default/sleep, host: edition.cnn.com, path: [/health, /sport] }
  - name: topic
    allow: { from: sa:default/politics, host: edition.cnn.com }
";
    let deny_by_default = ALL_ROUTED.replace("policy: allow", "policy: deny");
    let mesh = Mesh::start(&[&deny_by_default, policies].concat());
    assert_eq!(
        statuses(ask(&mesh, "sleep", Protocol::Http2)),
        [403, 200, 200]
    );
    assert_eq!(
        statuses(ask(&mesh, "politics", Protocol::Http2)),
        [200, 200, 200]
    );
    let of = |account: &str, path: &str| {
        let principal = format!("cluster.local/ns/default/sa/{account}");
        mesh.egret.wait_for_record(path, |r| {
            r["path"] == path && r["source_principal"] == principal.as_str()
        })
    };
    assert_has(
        &of("sleep", "/politics"),
        &json!({
            "decision": "deny", "rule": null, "refusal": "not_allowed", "response_code": 403,
            "response_code_details": "rbac_access_denied_matched_policy[none]", "bytes_sent": 19,
        }),
    );
    assert_has(
        &of("sleep", "/sport"),
        &json!({ "decision": "allow", "rule": "readers" }),
    );
    let allowed = of("politics", "/politics");
    assert_has(&allowed, &json!({ "decision": "allow", "rule": "topic" }));
    let origin = allowed["rule_origin"].as_str().unwrap_or_default();
    assert!(origin.ends_with(&mesh.line_of("name: topic")), "{origin}");
}
