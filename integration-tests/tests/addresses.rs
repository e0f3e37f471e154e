//! Where the gateway dials: names are looked up by itself, every answer is
//! vetted, and nothing a caller sends is ever looked up.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde_json::json;

use integration_tests::dns::NameServer;
use integration_tests::mesh::Mesh;
use integration_tests::record::{assert_has, reason};
use integration_tests::sidecar::Protocol;
use integration_tests::wait::until;

const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Two names with the recorder's port: one may lie on loopback, one may not.
const NAMES: &str = "
dns: { servers: [\"$DNS\"], timeout: 2s, stale: 60s }
defaults: { policy: allow }
destinations:
  - host: private.test
    upstream: { port: $RECORDER_PORT, tls: { ca: $ORIGIN_CA } }
  - host: httpbin.org
    upstream: { port: $RECORDER_PORT, tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
";

#[test]
fn a_private_address_behind_an_allowed_name_is_403_and_never_dialled() {
    let mesh = Mesh::start(NAMES);
    mesh.names.answer("private.test", &[LOOPBACK]);
    for protocol in Protocol::ALL {
        let sidecar = mesh.sidecar("sleep", protocol);
        let target = format!("/x?{protocol:?}");
        assert_eq!(sidecar.curl("private.test", &target).send().status, 403);
        let record = mesh.egret.record_of(&target);
        assert_eq!(reason(&record), "address_denied", "{record:#}");
        assert_has(
            &record,
            &json!({ "response_code": 403, "decision": "refuse", "response_flags": "-" }),
        );
    }
    assert_eq!(mesh.recorder.connections(), 0);
}

#[test]
fn every_kind_of_inner_address_is_refused() {
    let addresses = [
        [10, 0, 0, 7],
        [172, 16, 0, 1],
        [192, 168, 1, 1],
        [169, 254, 169, 254],
        [100, 64, 0, 1],
        [0, 0, 0, 0],
        [224, 0, 0, 1],
        [255, 255, 255, 255],
    ];
    let host = |number: usize| format!("inner{number}.test");
    let destination = |number| {
        format!(
            "  - host: {}\n    upstream: {{ tls: {{ ca: $ORIGIN_CA }} }}\n",
            host(number)
        )
    };
    let destinations: String = (0..addresses.len()).map(destination).collect();
    let mesh = Mesh::start(&[NAMES, &destinations].concat());
    for (number, address) in addresses.into_iter().enumerate() {
        let host = host(number);
        mesh.names.answer(&host, &[address.into()]);
        let target = format!("/{number}");
        let reply = mesh.fetch("sleep", &host, &target);
        assert_eq!(reply.status, 403, "{address:?}: {}", mesh.egret.said());
        assert_eq!(
            reason(&mesh.egret.record_of(&target)),
            "address_denied",
            "{address:?}"
        );
    }
}

#[test]
fn an_address_the_operator_admits_is_dialled() {
    let mesh = Mesh::start(NAMES);
    mesh.names.answer("httpbin.org", &[LOOPBACK]);
    assert_eq!(mesh.fetch("sleep", "httpbin.org", "/x").status, 200);
    let record = mesh.egret.record_of("/x");
    assert_eq!(record["upstream_host"], mesh.recorder.address().to_string());
}

#[test]
fn among_several_addresses_only_admitted_ones_are_dialled() {
    let mesh = Mesh::start(NAMES);
    mesh.names
        .answer("httpbin.org", &[Ipv4Addr::new(10, 0, 0, 7), LOOPBACK]);
    assert_eq!(
        mesh.fetch("sleep", "httpbin.org", "/x").status,
        200,
        "{}",
        mesh.egret.said()
    );
    let record = mesh.egret.record_of("/x");
    assert_eq!(record["upstream_host"], mesh.recorder.address().to_string());
}

#[test]
fn a_name_that_turns_inward_later_is_refused_then() {
    let mesh = Mesh::start(&NAMES.replace("127.0.0.0/8", "127.0.0.1"));
    mesh.names.answer("httpbin.org", &[LOOPBACK]);
    assert_eq!(mesh.fetch("sleep", "httpbin.org", "/before").status, 200);
    mesh.names
        .answer("httpbin.org", &[Ipv4Addr::new(127, 0, 0, 2)]);
    // The answer lives one second; after it the new one counts, even though a
    // connection to the old address is idle.
    until("the new answer is refused", || {
        (mesh.fetch("sleep", "httpbin.org", "/after").status == 403).then_some(())
    });
    let refused = mesh
        .egret
        .wait_for_record("the refusal", |r| r["response_code"] == 403);
    assert_eq!(reason(&refused), "address_denied", "{refused:#}");
}

#[test]
fn a_name_that_does_not_resolve_is_503() {
    let mesh = Mesh::start(NAMES);
    assert_eq!(mesh.fetch("sleep", "httpbin.org", "/x").status, 503);
    let record = mesh.egret.record_of("/x");
    assert!(
        ["dns_failure", "no_address"].contains(&reason(&record)),
        "{record:#}"
    );
    let flags = record["response_flags"].as_str().unwrap_or_default();
    assert!(["DF", "UH"].contains(&flags), "{record:#}");
    assert_eq!(mesh.recorder.connections(), 0);
}

#[test]
fn the_last_good_answer_serves_while_the_name_server_fails() {
    let mesh = Mesh::start(NAMES);
    mesh.names.answer("httpbin.org", &[LOOPBACK]);
    assert_eq!(mesh.fetch("sleep", "httpbin.org", "/first").status, 200);
    mesh.names.fail();
    let asked = mesh.names.questions().len();
    // Until it has been asked again, in vain: no request in between may fail.
    until("the gateway asks again", || {
        assert_eq!(mesh.fetch("sleep", "httpbin.org", "/again").status, 200);
        (mesh.names.questions().len() > asked).then_some(())
    });
    assert_eq!(mesh.fetch("sleep", "httpbin.org", "/after").status, 200);
}

/// The same behind two servers of which the first is no good, and how it is spoilt.
fn behind(spoil: fn(&NameServer)) -> (Mesh, NameServer) {
    let bad = NameServer::start();
    spoil(&bad);
    let both = format!("[\"{}\", \"$DNS\"]", bad.address());
    let wild = NAMES.replace("[\"$DNS\"]", &both) + WILD;
    (Mesh::start(&wild), bad)
}

const WILD: &str = "  - host: \"*.wild.test\"
    upstream: { resolve: dynamic, port: $RECORDER_PORT, tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
";

/// How long a request for a name took that was never asked for before; it gets as
/// far as the recorder, whose certificate is another's.
fn reached(mesh: &Mesh, host: &str) -> Duration {
    mesh.names.answer(host, &[LOOPBACK]);
    let begun = Instant::now();
    let path = format!("/{host}");
    let _ = mesh.fetch("sleep", host, &path);
    let took = begun.elapsed();
    let record = mesh.egret.record_of(&path);
    assert_eq!(reason(&record), "upstream_tls_verification", "{record:#}");
    took
}

#[test]
fn a_name_server_that_fails_or_keeps_silent_is_no_loss_beside_another() {
    for spoil in [NameServer::fail, NameServer::keep_silent] {
        let (mesh, bad) = behind(spoil);
        for name in ["a", "b", "c"] {
            reached(&mesh, &format!("{name}.wild.test"));
        }
        assert!(!bad.questions().is_empty());
    }
}

#[test]
fn one_that_keeps_silent_is_not_waited_for_twice() {
    let (mesh, _bad) = behind(NameServer::keep_silent);
    reached(&mesh, "a.wild.test");
    let took = reached(&mesh, "b.wild.test");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn a_server_that_ignores_questions_for_ipv6_is_not_waited_for_long() {
    let mesh = Mesh::start(&(NAMES.to_owned() + WILD));
    mesh.names.ignore_all_but_v4();
    let took = reached(&mesh, "a.wild.test");
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn nothing_a_caller_sends_is_looked_up() {
    let mesh = Mesh::start(&NAMES.replace("policy: allow", "policy: deny"));
    for host in [
        "secret.data.evil.example",
        "private.test.evil.example",
        "169.254.169.254",
    ] {
        let reply = mesh
            .curl("sleep", "httpbin.org", "/x")
            .header(&format!("host: {host}"));
        assert!([403, 421].contains(&reply.send().status), "{host}");
        assert_eq!(mesh.fetch("sleep", host, "/y").status, 403, "{host}");
    }
    let targets = ["http://evil.example/", "//evil.example/", "/@evil.example"];
    for target in targets {
        let request = format!("GET {target} HTTP/1.1\r\nhost: httpbin.org\r\n\r\n");
        let status = mesh.raw("httpbin.org", &request).status();
        assert!([400, 403].contains(&status), "{target}: {status}");
    }
    let asked = mesh.names.questions();
    assert!(!asked.iter().any(|name| name.contains("evil")), "{asked:?}");
    assert_eq!(mesh.recorder.connections(), 0);
}

#[test]
fn headers_that_name_a_destination_change_nothing() {
    let mesh = Mesh::start(NAMES);
    mesh.names.answer("httpbin.org", &[LOOPBACK]);
    let inner = "127.0.0.1:1";
    let reply = mesh
        .curl("sleep", "httpbin.org", "/x")
        .header(&format!("x-envoy-original-dst-host: {inner}"))
        .header("x-forwarded-host: evil.example")
        .header("x-host: evil.example")
        .header("forwarded: host=evil.example")
        .send();
    assert_eq!(reply.status, 200);
    let seen = mesh.recorder.wait_for("/x").message;
    assert_eq!(seen.values("host"), ["httpbin.org"]);
    assert!(seen.value("x-envoy-original-dst-host").is_none());
    let asked = mesh.names.questions();
    assert!(asked.iter().all(|name| name == "httpbin.org"), "{asked:?}");
}

#[test]
fn the_gateway_never_dials_itself() {
    let mesh = Mesh::start(NAMES);
    let here = mesh.gateway();
    let by_no_address = here.port();
    let round = format!(
        "
defaults: {{ policy: allow }}
destinations:
  - host: round.test
    upstream: {{ addresses: \"{here}\", tls: off }}
    allowAddresses: [127.0.0.0/8]
  - host: nowhere.test
    upstream: {{ addresses: \"0.0.0.0:{by_no_address}\", tls: off }}
    allowAddresses: [0.0.0.0/8]
"
    );
    mesh.configure(&round);
    mesh.until_answered(403, "sleep", "round.test", "/round");
    assert_eq!(mesh.fetch("sleep", "nowhere.test", "/nowhere").status, 403);
    let record = mesh.egret.record_of("/nowhere");
    assert_eq!(reason(&record), "address_denied", "{record:#}");
    let told = mesh
        .egret
        .wait_for_record("the refusal", |r| reason(r) == "address_denied");
    assert_has(
        &told,
        &json!({ "response_code": 403, "upstream_host": null }),
    );
}
