//! What a hostile client of the proxy tries.

use std::time::Duration;

use serde_json::{Value, json};

use integration_tests::hello::{client_hello, hiding_hello};
use integration_tests::raw::Ending;
use integration_tests::record::{assert_has, reason};

use super::*;

/// Every host may be asked for; most are not served.
const ALL: &str =
    "policies: [{ name: all, allow: { host: \"*\" }, unless: { host: denied.googleapis.com } }]\n";

#[test]
fn what_names_no_host_and_port_is_400_and_never_looked_up() {
    let dns = "dns: { servers: [\"$DNS\"], timeout: 2s }\n";
    let anywhere = "passthrough: [{ host: \"*\", at: [mesh:443, mesh:80] }]\n";
    let allow = LOOPBACK.replace("defaults: {", "defaults: { policy: allow,");
    let mesh = start(&[&allow, dns, anywhere]);
    let host = "\r\nHost: evil.example:443\r\n";
    let at = |target: &str| format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    let with = |fields: &str| format!("CONNECT evil.example:443 HTTP/1.1{host}{fields}\r\n");
    for (request, status, code) in [
        (at("evil.example"), 400, "host_port"),
        (at("evil.example:"), 400, "host_port"),
        (at("evil.example:0"), 400, "host_port"),
        (at("evil.example:66000"), 400, "host_port"),
        (
            at("evil.example:443@edition.cnn.com:443"),
            400,
            "host_delimiter",
        ),
        (
            at("www.googleapis.com:443@evil.example:443"),
            400,
            "host_delimiter",
        ),
        (at("user@evil.example:443"), 400, "host_delimiter"),
        (at("0x7f.1:443"), 400, "host_ipv4"),
        (at("2130706433:443"), 400, "host_ipv4"),
        (at("/"), 400, "host_delimiter"),
        (at("*"), 400, "host_label"),
        // Addresses are well formed, and nobody's to choose.
        (at("127.0.0.1:443"), 404, "no_tunnel"),
        (at("169.254.169.254:80"), 404, "no_tunnel"),
        (at("[::1]:443"), 404, "no_tunnel"),
        (at("[::ffff:127.0.0.1]:443"), 404, "no_tunnel"),
        (at("evil.example:22"), 404, "no_tunnel"),
        (
            "CONNECT evil.example:443 HTTP/1.1\r\nHost: edition.cnn.com\r\n\r\n".into(),
            400,
            "target_authority",
        ),
        (
            "CONNECT evil.example:443 HTTP/1.1\r\n\r\n".into(),
            400,
            "host_missing",
        ),
        (with("Host: evil.example:443\r\n"), 400, "host_repeated"),
        (with("Content-Length: 5\r\n"), 400, "connect_body"),
        (with("Transfer-Encoding: chunked\r\n"), 400, "connect_body"),
        (with("Expect: 100-continue\r\n"), 417, "expectation"),
        (
            "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n".into(),
            400,
            "proxy_target",
        ),
        (
            "OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n\r\n".into(),
            400,
            "proxy_target",
        ),
        (
            "GET https://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n".into(),
            400,
            "proxy_target",
        ),
        (
            "GET http://evil.example/ HTTP/1.1\r\nHost: edition.cnn.com\r\n\r\n".into(),
            400,
            "target_authority",
        ),
        (
            "GET http://u@evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n".into(),
            400,
            "host_delimiter",
        ),
        (
            "GET http://evil.example/ HTTP/1.0\r\nHost: evil.example\r\n\r\n".into(),
            426,
            "http_version",
        ),
        (
            "TRACE http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n".into(),
            405,
            "method_refused",
        ),
    ] {
        let mut raw = connect(&mesh, "sleep");
        let client = raw.local_address();
        let answer = raw.exchange(&request).unwrap();
        assert_eq!(answer.status(), status, "{request:?}");
        let told = record_of(&mesh, client);
        assert_has(
            &told,
            &json!({ "response_code": status, "upstream_host": null }),
        );
        assert_eq!(reason(&told), code, "{request:?}: {told:#}");
        let method = request.split(' ').next();
        assert_eq!(told["method"].as_str(), method, "{told:#}");
    }
    let asked = mesh.names.questions();
    assert!(asked.is_empty(), "{asked:?}");
    assert_eq!(mesh.egret.metric("egret_upstream_connections_total"), 0);
    // The harness would see it: a name that is lawful is looked up.
    let mut raw = connect(&mesh, "sleep");
    assert_eq!(
        raw.exchange(&ask("evil.example:443")).unwrap().status(),
        503
    );
    assert!(!mesh.names.questions().is_empty());
}

#[test]
fn a_host_that_no_policy_allows_is_403_and_never_looked_up() {
    let dns = "dns: { servers: [\"$DNS\"], timeout: 2s }\n";
    let anywhere = "passthrough: [{ host: \"*\", at: mesh:443 }]\n";
    let rules = "policies:
  - { name: google, allow: { from: sa:default/sleep, host: \"*.googleapis.com\" } }
  - { name: no-maps, deny: { host: maps.googleapis.com }, status: 418, body: \"no ${request.host}\" }
  - { name: reads, allow: { host: httpbin.org, path: /public } }
";
    let mesh = start(&[LOOPBACK, dns, anywhere, rules]);
    for (authority, status, code, body) in [
        (
            "evil.example:443",
            403,
            "not_allowed",
            "RBAC: access denied",
        ),
        // Who may ask for one path may not have a tunnel.
        ("httpbin.org:443", 403, "not_allowed", "RBAC: access denied"),
        (
            "maps.googleapis.com:443",
            418,
            "denied",
            "no maps.googleapis.com",
        ),
        (
            "secret.evil.example:443",
            403,
            "not_allowed",
            "RBAC: access denied",
        ),
    ] {
        let mut raw = connect(&mesh, "sleep");
        let client = raw.local_address();
        let answer = raw.exchange(&ask(authority)).unwrap();
        assert_eq!(
            (answer.status(), &*answer.text()),
            (status, body),
            "{authority}"
        );
        let (rest, ending) = raw.rest(Duration::from_secs(10));
        assert_eq!((rest.len(), ending), (0, Ending::Closed), "{authority}");
        let told = record_of(&mesh, client);
        assert_eq!(reason(&told), code, "{told:#}");
        assert_has(
            &told,
            &json!({ "decision": "deny", "authority": authority, "response_code": status }),
        );
    }
    assert_eq!(mesh.names.questions(), [""; 0]);
}

/// What is within must be TLS for the host that CONNECT named, or the upstream
/// hears nothing.
#[test]
fn tls_within_is_for_the_host_that_was_asked_for() {
    let whole = client_hello("www.googleapis.com");
    for (within, code, inner) in [
        (
            client_hello("edition.cnn.com"),
            "other_server_name",
            json!("edition.cnn.com"),
        ),
        (
            client_hello("denied.googleapis.com"),
            "other_server_name",
            json!("denied.googleapis.com"),
        ),
        (client_hello("127.0.0.1"), "no_server_name", Value::Null),
        (
            hiding_hello("www.googleapis.com"),
            "encrypted_server_name",
            Value::Null,
        ),
        (
            b"GET / HTTP/1.1\r\nHost: www.googleapis.com\r\n\r\n".to_vec(),
            "plaintext",
            Value::Null,
        ),
        (
            ask("www.googleapis.com:443").into_bytes(),
            "plaintext",
            Value::Null,
        ),
        (
            b"\x16\x03\x01garbage".to_vec(),
            "malformed_client_hello",
            Value::Null,
        ),
        (whole[..100].to_vec(), "handshake_timeout", Value::Null),
        (Vec::new(), "handshake_timeout", Value::Null),
    ] {
        for eager in [false, true] {
            let (address, origin) = answering(b"what the origin says");
            let way = format!(
                "passthrough: [{{ host: \"*.googleapis.com\", at: mesh:443, upstream: {{ addresses: \"{address}\" }} }}]\n"
            );
            let mesh = start(&[LOOPBACK, &way, ALL]);
            let mut raw = connect(&mesh, "sleep");
            let client = raw.local_address();
            let head = ask("www.googleapis.com:443").into_bytes();
            if eager {
                raw.send(&[&head[..], &within].concat()).unwrap();
                assert_eq!(raw.head().unwrap().status(), 200);
            } else {
                raw.send(&head).unwrap();
                assert_eq!(raw.head().unwrap().status(), 200);
                raw.send(&within).unwrap();
            }
            let (heard, ending) = raw.rest(Duration::from_secs(10));
            assert_eq!((heard.len(), ending), (0, Ending::Closed), "{code}");
            assert_eq!(
                origin.join().unwrap(),
                b"",
                "{code}: the upstream heard of it"
            );
            let told = record_of(&mesh, client);
            assert_eq!(reason(&told), code, "{told:#}");
            assert_has(
                &told,
                &json!({
                    "method": "CONNECT", "response_code": 200, "decision": "refuse",
                    "bytes_received": 0, "upstream_host": address,
                }),
            );
            assert_eq!(
                told.get("inner_server_name").cloned().unwrap_or_default(),
                inner
            );
        }
    }
}

#[test]
fn an_eager_hello_reaches_the_upstream_once_and_whole() {
    let (address, origin) = answering(b"what the origin says");
    let way = format!(
        "passthrough: [{{ host: \"*.googleapis.com\", at: mesh:443, upstream: {{ addresses: \"{address}\" }} }}]\n"
    );
    let mesh = start(&[LOOPBACK, &way, ALL]);
    let sent = [
        client_hello("WWW.googleapis.com"),
        b"and early data".repeat(3000),
    ]
    .concat();
    let mut raw = connect(&mesh, "sleep");
    let client = raw.local_address();
    raw.send(&[ask("www.googleapis.com:443").as_bytes(), &sent].concat())
        .unwrap();
    assert_eq!(raw.head().unwrap().status(), 200);
    raw.finish();
    let (heard, ending) = raw.rest(Duration::from_secs(10));
    assert_eq!(
        (&heard[..], ending),
        (&b"what the origin says"[..], Ending::Closed)
    );
    assert!(
        origin.join().unwrap() == sent,
        "the origin heard other bytes"
    );
    let told = record_of(&mesh, client);
    assert_has(
        &told,
        &json!({ "bytes_received": sent.len(), "bytes_sent": 20, "failure": null, "refusal": null }),
    );
}

#[test]
fn a_second_request_behind_a_refused_connect_is_nobodys() {
    let mesh = start(&[LOOPBACK, PINNED, WAYS, SLEEP]);
    let mut raw = connect(&mesh, "sleep");
    let client = raw.local_address().to_string();
    let smuggled = "GET http://edition.cnn.com/smuggled HTTP/1.1\r\nHost: edition.cnn.com\r\n\r\n";
    raw.send([&ask("nowhere.test:443"), smuggled].concat().as_bytes())
        .unwrap();
    let answer = raw.response().unwrap();
    assert_eq!(answer.status(), 404);
    assert!(
        answer.text().contains("no tunnel leads there"),
        "{}",
        answer.text()
    );
    let (rest, ending) = raw.rest(Duration::from_secs(10));
    assert_eq!((rest.len(), ending), (0, Ending::Closed));
    assert!(mesh.nginx.settled_requests().is_empty());
    let of_client = |record: &Value| record["downstream_remote_address"] == client;
    let told = mesh.egret.wait_for_record("the client", of_client);
    assert_has(
        &told,
        &json!({ "refusal": "no_tunnel", "response_flags": "NR", "decision": "refuse" }),
    );
    assert_eq!(mesh.egret.records_where(of_client).len(), 1);
}

#[test]
fn elsewhere_connect_is_no_request() {
    let mesh = start(&[LOOPBACK, PINNED, WAYS, SLEEP]);
    let requests = [
        ask("edition.cnn.com:443"),
        ask("/"),
        "CONNECT / HTTP/1.1\r\nHost: edition.cnn.com\r\n\r\n".into(),
    ];
    for (number, request) in (1..).zip(&requests) {
        let status = mesh.raw("edition.cnn.com", request).status();
        assert_eq!(status, 405, "{request}");
        let told = mesh
            .egret
            .wait_for_records("refusals", number, |r| reason(r) == "method_refused");
        assert!(told.iter().all(|told| told["method"] == "CONNECT"));
    }
}
