//! Remote lists: what their server says is in force, what it does not say is
//! refused, and nothing it does breaks the gateway.

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};

use integration_tests::client::{Curl, Reply};
use integration_tests::leaf::{Leaf, Signer};
use integration_tests::load::Load;
use integration_tests::mesh::Mesh;
use integration_tests::origin::{Nginx, Site};
use integration_tests::peers;
use integration_tests::pki::Pki;
use integration_tests::record::reason;
use integration_tests::wait::{until, within};

const HOST: &str = "httpbin.org";
const LISTS: &str = "lists.test";

/// A list server of its own, and the bench.
struct Bench {
    server: Nginx,
    mesh: Mesh,
}

/// What follows `lists:`, with `$LISTS` for where and how a list is fetched.
fn start(published: &[(&str, &str)], configuration: &str) -> Bench {
    let pki = Pki::create();
    let server = Nginx::start(&[Site {
        host: LISTS.to_owned(),
        credential: pki.issue(LISTS, &Leaf::origin(&[LISTS]), Signer::Origin),
        clients: None,
    }]);
    for (name, content) in published {
        server.publish(name, content);
    }
    let configuration = with_server(&server, configuration);
    let mesh = Mesh::start_with(pki, &configuration);
    Bench { server, mesh }
}

fn with_server(server: &Nginx, configuration: &str) -> String {
    let from = format!(
        "tls: {{ ca: $ORIGIN_CA }}, addresses: [\"{}\"], allowAddresses: [127.0.0.0/8]",
        server.address()
    );
    [DESTINATION, &configuration.replace("$LISTS", &from)].concat()
}

const DESTINATION: &str = "
destinations:
  - host: httpbin.org
    upstream: { addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
";

const DENYLIST: &str = "
lists:
  topics: { url: 'https://lists.test/lists/topics', refresh: 200ms, ttl: 60s, $LISTS }
policies:
  - allow: { host: httpbin.org }
  - name: topics
    deny: { path: { list: topics } }
";

fn told(mesh: &Mesh, parts: &[&str]) -> bool {
    let lines = mesh.egret.diagnostics();
    lines
        .iter()
        .any(|line| parts.iter().all(|part| line.contains(part)))
}

#[track_caller]
fn until_told(mesh: &Mesh, parts: &[&str]) {
    let found = within(Duration::from_secs(15), || told(mesh, parts).then_some(()));
    assert!(
        found.is_some(),
        "never told: {parts:?}\n{}",
        mesh.egret.said()
    );
}

/// Refused by `rule`, and the origin saw nothing.
#[track_caller]
fn assert_refused(mesh: &Mesh, target: &str) {
    let reply = mesh.fetch("sleep", HOST, target);
    assert_eq!(reply.status, 403, "{target}: {}", mesh.egret.said());
    let record = mesh
        .egret
        .wait_for_record(target, |r| r["path"] == target && r["decision"] == "deny");
    assert!(
        ["denied", "not_allowed"].contains(&reason(&record)),
        "{record:#}"
    );
    assert_eq!(mesh.recorder.seen_for(target).len(), 0, "{target} went out");
}

#[test]
fn a_list_is_in_force_once_the_gateway_is_ready_and_follows_its_server() {
    let Bench { server, mesh } = start(&[("topics", "# topics\n\n/politics\n")], DENYLIST);
    assert_refused(&mesh, "/politics");
    assert_eq!(mesh.fetch("sleep", HOST, "/sport").status, 200);
    let asked = server.wait_for("/lists/topics");
    assert_eq!(asked["sni"], LISTS);
    assert_eq!(asked["headers"]["host"], LISTS);
    assert_eq!(asked["method"], "GET");
    until("what did not change is not sent again", || {
        let requests = server.requests();
        requests.iter().any(|r| r["status"] == "304").then_some(())
    });
    let applied = |mesh: &Mesh| {
        let lines = mesh.egret.diagnostics();
        lines
            .iter()
            .filter(|l| l.contains("configuration applied"))
            .count()
    };
    assert_eq!(applied(&mesh), 1, "what did not change causes nothing");
    let digest = |path: &str| mesh.egret.record_of(path)["snapshot"].clone();
    server.publish("topics", "/politics\n/weather\n");
    let changed = Instant::now();
    mesh.until_answered(403, "sleep", HOST, "/weather");
    println!("a changed list took effect after {:?}", changed.elapsed());
    let _ = mesh.fetch("sleep", HOST, "/sport?later");
    assert_ne!(
        digest("/sport"),
        mesh.egret
            .wait_for_record("later", |r| r["query"] == "later"
                || r["path"] == "/sport?later")["snapshot"]
    );
    server.publish("topics", "/politics\r\n/more\r\n");
    mesh.until_served("sleep", HOST, "/weather");
    let metrics = mesh.egret.admin("/metrics").text();
    assert!(
        metrics.contains("egret_list_last_success_seconds{list=\"topics\"} 1"),
        "{metrics}"
    );
    assert!(
        metrics.contains("egret_list_failures_total{list=\"topics\"} 0"),
        "{metrics}"
    );
    assert!(!told(&mesh, &["cannot fetch"]), "{}", mesh.egret.said());
}

#[test]
fn a_list_that_was_never_there_refuses_whatever_depends_on_it() {
    let configuration = "
lists:
  topics: { url: 'https://lists.test/lists/topics', refresh: 200ms, $LISTS }
  open: { url: 'https://lists.test/lists/open', refresh: 200ms, onError: allow, $LISTS }
policies:
  - allow: { host: httpbin.org, path: '/deny*' }
  - deny: { path: { list: topics }, method: GET, header: { x-custom: present } }
  - allow: { path: { list: topics } }
  - allow: { host: httpbin.org, path: '/open*' }
  - deny: { path: { list: open } }
";
    let Bench { server, mesh } = start(&[], configuration);
    until_told(
        &mesh,
        &[
            "cannot fetch list, and none is known",
            "topics",
            "it answers 404",
        ],
    );
    until_told(
        &mesh,
        &["the content of list `topics` is not known: what depends on it is refused"],
    );
    let marked = |target: &str| {
        mesh.curl("sleep", HOST, target)
            .header("x-custom: 1")
            .send()
            .status
    };
    assert_eq!(marked("/deny"), 403, "as if it were listed");
    assert_eq!(mesh.recorder.seen_for("/deny").len(), 0);
    assert_eq!(
        mesh.fetch("sleep", HOST, "/deny").status,
        200,
        "the rule asks more than the list"
    );
    assert_refused(&mesh, "/allowed");
    assert_eq!(
        mesh.fetch("sleep", HOST, "/open").status,
        200,
        "the operator's own word"
    );
    server.publish("topics", "/allowed\n");
    server.publish("open", "/open\n");
    mesh.until_served("sleep", HOST, "/allowed");
    mesh.until_answered(403, "sleep", HOST, "/open");
    assert_eq!(marked("/deny"), 200, "now it is known not to be listed");
    until_told(&mesh, &["list fetched again", "topics"]);
}

#[test]
fn the_last_good_content_stays_for_its_time_and_then_it_is_as_if_unknown() {
    let short = DENYLIST.replace("ttl: 60s", "ttl: 4s");
    let Bench { server, mesh } = start(&[("topics", "/politics\n")], &short);
    assert_eq!(mesh.fetch("sleep", HOST, "/sport").status, 200);
    let gone = Instant::now();
    drop(server);
    until_told(
        &mesh,
        &["cannot fetch list, the last good content stays", "topics"],
    );
    assert_eq!(mesh.fetch("sleep", HOST, "/sport").status, 200);
    assert_refused(&mesh, "/politics");
    mesh.until_answered(403, "sleep", HOST, "/sport");
    let held = gone.elapsed();
    assert!(held > Duration::from_secs(3), "given up after {held:?}");
    assert!(held < Duration::from_secs(7), "given up after {held:?}");
    println!("given up {held:?} after its server was gone (ttl 4 s, refresh 200 ms)");
    until_told(&mesh, &["list given up", "topics"]);
    assert_refused(&mesh, "/never/seen");
    let failures = mesh.egret.diagnostics();
    let failures = failures
        .iter()
        .filter(|l| l.contains("cannot fetch list"))
        .count();
    assert!(failures < 6, "{failures} lines of one trouble");
}

#[test]
fn content_that_is_no_list_is_refused_whole_and_said_once() {
    let Bench { server, mesh } = start(&[("topics", "/politics\n")], DENYLIST);
    server.publish("topics", "/sport\n# maintenance\n<html>sorry</html>\n");
    until_told(
        &mesh,
        &[
            "content of list refused, the last good content stays",
            "line=3",
            "topics",
        ],
    );
    let before = server.requests().len();
    until("it is asked for again", || {
        (server.requests().len() > before + 3).then_some(())
    });
    assert_refused(&mesh, "/politics");
    assert_eq!(
        mesh.fetch("sleep", HOST, "/sport").status,
        200,
        "no part of it is in force"
    );
    let lines = mesh.egret.diagnostics();
    let said = lines
        .iter()
        .filter(|line| line.contains("content of list refused"));
    assert_eq!(said.count(), 1, "{}", mesh.egret.said());
    // A configuration that changes meanwhile takes effect all the same.
    let other = DENYLIST.replace(
        "allow: { host: httpbin.org }",
        "allow: { path: ['/new', '/politics'] }",
    );
    mesh.configure(&with_server(&server, &other));
    mesh.until_answered(403, "sleep", HOST, "/sport");
    assert_eq!(mesh.fetch("sleep", HOST, "/new").status, 200);
    assert_refused(&mesh, "/politics");
    server.publish("topics", "/new\n");
    mesh.until_answered(403, "sleep", HOST, "/new");
}

#[test]
fn a_list_takes_effect_and_is_given_up_while_the_files_are_broken() {
    let short = DENYLIST.replace("ttl: 60s", "ttl: 3s");
    let Bench { server, mesh } = start(&[("topics", "/politics\n")], &short);
    mesh.configure("policies: [");
    until_told(&mesh, &["configuration refused"]);
    server.publish("topics", "/politics\n/weather\n");
    mesh.until_answered(403, "sleep", HOST, "/weather");
    assert_eq!(mesh.fetch("sleep", HOST, "/sport").status, 200);
    drop(server);
    mesh.until_answered(403, "sleep", HOST, "/sport");
    until_told(&mesh, &["list given up"]);
}

#[test]
fn a_list_takes_effect_and_is_given_up_while_a_certificate_is_broken() {
    let short = DENYLIST.replace("ttl: 60s", "ttl: 3s");
    let Bench { server, mesh } = start(&[("topics", "/politics\n")], &short);
    std::fs::write(mesh.pki.mesh_roots(), "no certificate at all\n").unwrap();
    until_told(&mesh, &["configuration refused"]);
    server.publish("topics", "/politics\n/weather\n");
    mesh.until_answered(403, "sleep", HOST, "/weather");
    assert_eq!(mesh.fetch("sleep", HOST, "/sport").status, 200);
    drop(server);
    mesh.until_answered(403, "sleep", HOST, "/sport");
    until_told(&mesh, &["list given up"]);
}

#[test]
fn a_list_server_is_vetted_and_verified_as_any_upstream() {
    // Each list by itself; nobody is asked to depend on it.
    let list = |name: &str, url: &str, more: &str| {
        format!("  {name}: {{ url: 'https://{url}', refresh: 200ms, {more} }}\n")
    };
    let loopback = "allowAddresses: [127.0.0.0/8], tls: { ca: $ORIGIN_CA }";
    let recorder = format!("{loopback}, addresses: [\"$RECORDER\"]");
    let nginx = format!("{loopback}, addresses: [\"$NGINX\"]");
    let answers = [
        (
            "redirect",
            "/status/302",
            "it answers 302: redirects are not followed",
        ),
        ("error", "/status/500", "it answers 500"),
        ("nothing", "/status/204", "it answers 204"),
        (
            "unmodified",
            "/status/304",
            "its answer is not what HTTP promises",
        ),
        (
            "sized",
            "/bytes/4194305",
            "its content is larger than 4 MiB",
        ),
        (
            "unsized",
            "/chunked/4194305",
            "its content is larger than 4 MiB",
        ),
        ("halved", "/truncate", "the exchange broke off"),
        ("babble", "/garbage", "the exchange broke off"),
        ("closed", "/close", "the exchange broke off"),
        ("silent", "/silence", "no whole answer within 10s"),
        ("trickled", "/trickle-body", "no whole answer within 10s"),
    ];
    let mut lists = String::from("dns: { servers: [\"$DNS\"], timeout: 1s }\nlists:\n");
    for (name, target, _) in answers {
        lists += &list(name, &format!("httpbin.org{target}"), &recorder);
    }
    let dialled = [
        (
            "private",
            "private.test:$RECORDER_PORT/x",
            "tls: { ca: $ORIGIN_CA }",
            "address_denied",
        ),
        (
            "nowhere",
            "nowhere.test/x",
            "tls: { ca: $ORIGIN_CA }",
            "no_address",
        ),
        (
            "misnamed",
            "wrong-name.test/x",
            &nginx,
            "certificate of `wrong-name.test` not accepted",
        ),
        (
            "expired",
            "expired.test/x",
            &nginx,
            "certificate of `expired.test` not accepted",
        ),
        (
            "untrusted",
            "other-authority.test/x",
            &nginx,
            "certificate of `other-authority.test` not accepted",
        ),
        (
            "plain",
            "httpbin.org/x",
            "addresses: [\"$RECORDER\"], allowAddresses: [127.0.0.0/8]",
            "certificate of `httpbin.org` not accepted",
        ),
    ];
    for (name, url, more, _) in dialled {
        lists += &list(name, url, more);
    }
    // The recorder answers with the path, and knows no entity tags.
    lists += &list("steady", "httpbin.org/steady", &recorder);
    lists += "policies: [{ allow: { host: httpbin.org } }]\n";
    let begun = Instant::now();
    let mesh = Mesh::start(&[DESTINATION, &lists].concat());
    println!(
        "ready after {:?}, with a silent list server",
        begun.elapsed()
    );
    mesh.names.answer("private.test", &[Ipv4Addr::LOCALHOST]);
    let answers = answers.map(|(name, _, reason)| (name, reason));
    let dialled = dialled.map(|(name, _, _, reason)| (name, reason));
    for (name, reason) in answers.into_iter().chain(dialled) {
        until_told(
            &mesh,
            &[
                "cannot fetch list, and none is known",
                &format!("list=\"{name}\""),
                reason,
            ],
        );
    }
    assert!(mesh.recorder.seen_for("/steady").len() > 5);
    let lines = mesh.egret.diagnostics();
    let changed = lines.iter().filter(|line| line.contains("list changed"));
    assert_eq!(changed.count(), 1, "the same again is no change");
    let seen = mesh.recorder.seen();
    assert!(
        seen.iter().all(|s| s.server_name.as_deref() == Some(HOST)),
        "private.test was dialled"
    );
    assert_eq!(mesh.recorder.seen_for("/x").len(), 0);
    assert_eq!(
        mesh.fetch("sleep", HOST, "/anything").status,
        200,
        "nothing depends on them"
    );
}

#[test]
fn no_request_fails_while_lists_change() {
    let Bench { server, mesh } = start(&[("topics", "/politics\n")], DENYLIST);
    let (gateway, who) = (mesh.gateway(), mesh.pki.workload("sleep"));
    let request = move || -> Reply {
        Curl::to_gateway(gateway, &who, HOST, "/load")
            .http2()
            .send()
    };
    let load = Load::start(vec![Box::new(request.clone()), Box::new(request)]);
    for round in 0..10 {
        let content = format!("/politics\n/round{round}\n{}", "/more\n".repeat(round));
        server.publish("topics", &content);
        mesh.until_answered(403, "sleep", HOST, &format!("/round{round}"));
    }
    let answered = load.answered();
    let failed = load.finish();
    assert!(failed.is_empty(), "{failed:#?}\n{}", mesh.egret.said());
    assert!(answered > 10, "{answered} requests say little");
}

#[test]
fn check_fetches_nothing_and_says_what_it_does_not_know() {
    let Bench { server, mesh } = start(&[("topics", "/politics\n")], DENYLIST);
    let asked = server.settled_requests().len();
    let slower = std::fs::read_to_string(mesh.egret.configuration()).unwrap();
    let file = mesh.pki.dir().join("checked.yaml");
    std::fs::write(&file, slower.replace("lists.test", "other.test")).unwrap();
    let mut check = Command::new(peers::egret());
    let output = check
        .args(["check", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("the content of list `topics` is not known: what depends on it is refused"),
        "{said}"
    );
    let asked_for = |r: &serde_json::Value| r["headers"]["host"] == "other.test";
    assert!(
        !server.settled_requests().iter().any(asked_for),
        "{asked} before"
    );
}
