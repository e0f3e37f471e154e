//! What external hosts must prove. A host that cannot is never sent a request;
//! the caller gets 503 and the record says what was wrong.

use serde_json::{Value, json};

use integration_tests::leaf::Flaw;
use integration_tests::mesh::{COMMON_NAME_ONLY, EXPIRED, Mesh, OTHER_AUTHORITY, WRONG_NAME};
use integration_tests::origin::{Nginx, Site};
use integration_tests::pki::Pki;
use integration_tests::record::{assert_has, reason};
use integration_tests::recorder::{Clients, Recorder};
use integration_tests::sidecar::Protocol;

const CNN: &str = "edition.cnn.com";

/// A destination served by nginx, proving itself to `ca`.
fn by_nginx(host: &str, ca: &str) -> String {
    format!(
        "  - host: {host}
    upstream: {{ addresses: [\"$NGINX\"], tls: {{ ca: {ca} }} }}
    allowAddresses: [127.0.0.0/8]
"
    )
}

fn open(destinations: &[String]) -> String {
    format!(
        "defaults: {{ policy: allow }}\ndestinations:\n{}",
        destinations.concat()
    )
}

/// 503, nothing sent, and a record an operator can act on.
#[track_caller]
fn assert_unverified(mesh: &Mesh, host: &str, target: &str) -> Value {
    let reply = mesh.fetch("sleep", host, target);
    assert_eq!(reply.status, 503, "{host}: {}", mesh.egret.said());
    let record = mesh.egret.record_of(target);
    assert_eq!(reason(&record), "upstream_tls_verification", "{record:#}");
    assert_has(
        &record,
        &json!({ "response_code": 503, "decision": "allow", "authority": host }),
    );
    assert!(flags(&record).contains(&"UF"), "{record:#}");
    assert!(
        record["upstream_transport_failure_reason"].is_string(),
        "{record:#}"
    );
    record
}

fn flags(record: &Value) -> Vec<&str> {
    record["response_flags"]
        .as_str()
        .unwrap_or_default()
        .split(',')
        .collect()
}

#[test]
fn certificates_that_prove_nothing_are_503_with_a_reason() {
    let hosts = [EXPIRED, WRONG_NAME, COMMON_NAME_ONLY, OTHER_AUTHORITY];
    let mesh = Mesh::start(&open(&hosts.map(|host| by_nginx(host, "$ORIGIN_CA"))));
    let mut words = Vec::new();
    for host in hosts {
        let record = assert_unverified(&mesh, host, &format!("/{host}"));
        words.push(record["upstream_transport_failure_reason"].clone());
    }
    words.dedup();
    assert!(
        words.len() >= 3,
        "expired, misnamed and untrusted read alike: {words:?}"
    );
    assert!(mesh.nginx.settled_requests().is_empty());
}

#[test]
fn the_application_gets_503_through_its_sidecar() {
    let mesh = Mesh::start(&open(&[by_nginx(CNN, "$PKI/mesh-roots.pem")]));
    for protocol in Protocol::ALL {
        let sidecar = mesh.sidecar("sleep", protocol);
        assert_eq!(sidecar.curl(CNN, "/sport").send().status, 503);
    }
    assert!(mesh.nginx.settled_requests().is_empty());
}

#[test]
fn a_good_certificate_is_asked_for_by_name_and_without_protocols() {
    let destination = "
  - host: httpbin.org
    upstream: { addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
";
    let mesh = Mesh::start(&open(&[destination.to_owned()]));
    assert_eq!(mesh.fetch("sleep", "httpbin.org", "/x").status, 200);
    let seen = mesh.recorder.wait_for("/x");
    assert_eq!(seen.server_name.as_deref(), Some("httpbin.org"));
    assert!(seen.alpn.is_empty(), "{:?}", seen.alpn);
    assert!(
        seen.client_uris.is_empty(),
        "our identity stays in the mesh"
    );
    assert_eq!(seen.tls_version, "TLSv1.3");
}

#[test]
fn connections_are_not_shared_between_hosts_that_trust_differently() {
    let destinations = "
  - host: httpbin.org
    upstream: { addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA, sni: httpbin.org } }
    allowAddresses: [127.0.0.0/8]
  - host: private.test
    upstream: { host: httpbin.org, addresses: [\"$RECORDER\"], tls: { ca: $PKI/mesh-roots.pem, sni: httpbin.org } }
    allowAddresses: [127.0.0.0/8]
";
    let mesh = Mesh::start(&open(&[destinations.to_owned()]));
    assert_eq!(mesh.fetch("sleep", "httpbin.org", "/trusted").status, 200);
    // Its connection is idle now; another root must not ride on it.
    assert_unverified(&mesh, "private.test", "/untrusted");
    assert_eq!(mesh.fetch("sleep", "httpbin.org", "/trusted").status, 200);
    let seen = mesh.recorder.seen();
    let connections: Vec<usize> = seen.iter().map(|request| request.connection).collect();
    assert_eq!(
        connections,
        [1, 1],
        "the idle connection serves its own host again"
    );
    assert!(mesh.recorder.seen_for("/untrusted").is_empty());
}

#[test]
fn the_name_verified_is_the_one_configured() {
    let destinations = format!(
        "  - host: alias.test
    upstream: {{ addresses: [\"$NGINX\"], tls: {{ ca: $ORIGIN_CA, sni: {CNN} }} }}
    allowAddresses: [127.0.0.0/8]
  - host: mistaken.test
    upstream: {{ addresses: [\"$NGINX\"], tls: {{ ca: $ORIGIN_CA, sni: {CNN}, san: [other.test] }} }}
    allowAddresses: [127.0.0.0/8]
"
    );
    let mesh = Mesh::start(&open(&[destinations]));
    assert_eq!(mesh.fetch("sleep", "alias.test", "/alias").status, 200);
    assert_has(&mesh.nginx.wait_for("/alias"), &json!({ "sni": CNN }));
    assert_unverified(&mesh, "mistaken.test", "/mistaken");
}

#[test]
fn an_older_version_than_the_route_wants_is_refused() {
    let pki = Pki::create();
    let credential = pki.origin(&["old.test"]);
    let old = Nginx::start_old(&[Site {
        host: "old.test".to_owned(),
        credential,
        clients: None,
    }]);
    let destination = |min: &str| {
        let address = old.address();
        let destination = format!(
            "  - host: old.test
    upstream: {{ addresses: [\"{address}\"], tls: {{ ca: $ORIGIN_CA, min: \"{min}\" }} }}
    allowAddresses: [127.0.0.0/8]
"
        );
        open(&[destination])
    };
    let mesh = Mesh::start_with(pki, &destination("1.3"));
    assert_eq!(mesh.fetch("sleep", "old.test", "/new").status, 503);
    let record = mesh.egret.record_of("/new");
    assert_eq!(reason(&record), "upstream_tls_version", "{record:#}");
    mesh.configure(&destination("1.2"));
    mesh.until_served("sleep", "old.test", "/old");
    assert_has(&old.wait_for("/old"), &json!({ "tls": "TLSv1.2" }));
}

#[test]
fn a_host_that_wants_our_certificate_gets_the_one_configured() {
    let pki = Pki::create();
    let roots = pki.mesh_roots();
    let wanting = Recorder::start(&pki.origin(&["partner.test"]), Clients::VouchedBy(&roots));
    let client = pki.workload("partner-client");
    let destination = format!(
        "  - host: partner.test
    upstream:
      addresses: [\"{}\"]
      tls: {{ ca: $ORIGIN_CA, cert: {}, key: {} }}
    allowAddresses: [127.0.0.0/8]
",
        wanting.address(),
        client.chain.display(),
        client.key.display()
    );
    let mesh = Mesh::start_with(pki, &open(&[destination]));
    assert_eq!(mesh.fetch("sleep", "partner.test", "/mutual").status, 200);
    let seen = wanting.wait_for("/mutual");
    assert_eq!(
        seen.client_uris,
        ["spiffe://cluster.local/ns/default/sa/partner-client"]
    );
}

#[test]
fn http2_is_spoken_where_the_operator_says_so() {
    let destination = "
  - host: edition.cnn.com
    upstream: { addresses: [\"$NGINX\"], protocol: h2, tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
";
    let mesh = Mesh::start(&open(&[destination.to_owned()]));
    let reply = mesh.fetch("sleep", CNN, "/two");
    assert_eq!(reply.status, 200, "{}", mesh.nginx.log());
    let seen = mesh.nginx.wait_for("/two");
    assert_has(
        &seen,
        &json!({ "protocol": "HTTP/2.0", "alpn": "h2", "sni": CNN }),
    );
    assert_eq!(seen["headers"]["host"], CNN);
}

#[test]
fn a_bad_client_certificate_never_opens_an_upstream_connection() {
    let destination = "
  - host: httpbin.org
    upstream: { addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
";
    let mesh = Mesh::start(&open(&[destination.to_owned()]));
    for flaw in [Flaw::Expired, Flaw::TwoUris] {
        let who = mesh.pki.flawed(flaw);
        let curl =
            integration_tests::client::Curl::to_gateway(mesh.gateway(), &who, "httpbin.org", "/x");
        assert_eq!(curl.send().status, 0);
    }
    assert_eq!(mesh.recorder.connections(), 0);
}
