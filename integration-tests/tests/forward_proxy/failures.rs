//! What befalls a tunnel that policy lets go, and what carries bytes.

use std::time::Duration;

use serde_json::json;

use integration_tests::raw::Ending;
use integration_tests::record::{assert_has, reason};

use super::*;

#[test]
fn a_tunnel_that_cannot_be_is_told_by_a_status() {
    // Nobody listens there.
    let closed = "127.255.0.1:1";
    let ways = format!(
        "dns: {{ servers: [\"$DNS\"], timeout: 2s }}
passthrough:
  - {{ host: closed.test, at: mesh:443, upstream: {{ addresses: \"{closed}\" }}, allowAddresses: [127.0.0.0/8] }}
  - {{ host: private.test, at: mesh:443 }}
  - {{ host: nameless.test, at: mesh:443 }}
destinations: [{{ host: httpbin.org }}]
"
    );
    let mesh = start(&[&ways, SLEEP]);
    mesh.names.answer("private.test", &[[10, 1, 2, 3].into()]);
    let body = "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure";
    for (host, status, code, decision, flags, text) in [
        ("closed.test", 503, "connect_failure", "allow", "UF", body),
        (
            "private.test",
            403,
            "address_denied",
            "refuse",
            "-",
            "RBAC: access denied",
        ),
        (
            "nameless.test",
            503,
            "no_address",
            "allow",
            "UH",
            "no healthy upstream",
        ),
        (
            "httpbin.org",
            404,
            "no_tunnel",
            "refuse",
            "NR",
            "no tunnel leads there: what the gateway encrypts itself is asked for as http://",
        ),
    ] {
        let mut raw = connect(&mesh, "sleep");
        let client = raw.local_address();
        let answer = raw.exchange(&ask(&format!("{host}:443"))).unwrap();
        assert_eq!((answer.status(), &*answer.text()), (status, text), "{host}");
        let told = record_of(&mesh, client);
        assert_eq!(reason(&told), code, "{told:#}");
        assert_has(
            &told,
            &json!({
                "decision": decision, "response_flags": flags, "response_code": status,
                "rule": "sleepers", "method": "CONNECT",
            }),
        );
    }
}

#[test]
fn bytes_pass_to_the_host_that_a_route_of_tcp_leads_to() {
    let (address, origin) = answering(b"what the database says");
    let (other, untouched) = answering(b"");
    let routes = format!(
        "tcp:
  - {{ host: other.test, at: mesh:5432, upstream: {{ addresses: \"{other}\" }} }}
  - {{ host: db.test, at: mesh:5432, upstream: {{ addresses: \"{address}\" }} }}
"
    );
    let mesh = start(&[LOOPBACK, &routes, SLEEP]);
    let mut raw = connect(&mesh, "sleep");
    let client = raw.local_address();
    let eager = format!("{}what is ", ask("db.test:5432"));
    raw.send(eager.as_bytes()).unwrap();
    assert_eq!(raw.head().unwrap().status(), 200);
    raw.send(b"asked").unwrap();
    raw.finish();
    let (heard, ending) = raw.rest(Duration::from_secs(10));
    assert_eq!(
        (&heard[..], ending),
        (&b"what the database says"[..], Ending::Closed)
    );
    assert_eq!(origin.join().unwrap(), b"what is asked");
    assert!(!untouched.is_finished());
    assert_has(
        &record_of(&mesh, client),
        &json!({
            "authority": "db.test:5432", "bytes_received": 13, "bytes_sent": 22,
            "rule": "sleepers", "upstream_cluster": "outbound|5432||db.test", "response_code": 200,
        }),
    );
}

#[test]
fn a_tunnel_ends_when_it_is_idle() {
    let (address, _origin) = answering(b"");
    let routes = format!(
        "tcp: [{{ host: db.test, at: mesh:5432, upstream: {{ addresses: \"{address}\" }} }}]\n"
    );
    let listeners = LISTENERS.replace("2s }", "2s, tunnelIdleTimeout: 200ms }");
    let mesh = Mesh::start(&[&*listeners, LOOPBACK, &routes, SLEEP].concat());
    let mut raw = connect(&mesh, "sleep");
    let client = raw.local_address();
    raw.send(ask("db.test:5432").as_bytes()).unwrap();
    assert_eq!(raw.head().unwrap().status(), 200);
    let (heard, ending) = raw.rest(Duration::from_secs(10));
    assert_eq!((heard.len(), ending), (0, Ending::Closed));
    assert_has(
        &record_of(&mesh, client),
        &json!({ "connection_termination_details": "tcp_session_idle_timeout", "response_code": 200 }),
    );
}
