//! What of a head goes out and what comes back: what belongs to the mesh stays
//! in it, what belongs to one connection stays on it, the rest passes.

use integration_tests::mesh::Mesh;
use integration_tests::message::Message;
use integration_tests::sidecar::Protocol;

const HOST: &str = "httpbin.org";

const OPEN: &str = "
defaults: { policy: allow }
destinations:
  - host: httpbin.org
    upstream: { addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
  - host: edition.cnn.com
    upstream: { addresses: [\"$NGINX\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
";

/// Names no external host may see, with values as if each said something.
const MESH_HEADERS: [(&str, &str); 24] = [
    ("x-forwarded-for", "10.1.2.3"),
    ("x-forwarded-proto", "http"),
    ("x-forwarded-host", "inner.svc"),
    ("x-forwarded-port", "80"),
    (
        "x-forwarded-client-cert",
        "URI=spiffe://cluster.local/ns/default/sa/politics",
    ),
    ("x-forwarded-network", "network1"),
    ("forwarded", "for=10.1.2.3"),
    ("via", "1.1 inner"),
    ("x-envoy-external-address", "10.1.2.3"),
    ("x-envoy-internal", "true"),
    ("x-envoy-original-path", "/health"),
    ("x-envoy-original-dst-host", "10.0.0.1:80"),
    ("x-envoy-attempt-count", "1"),
    ("x-envoy-decorator-operation", "op"),
    ("x-envoy-peer-metadata", "Cg=="),
    (
        "x-envoy-peer-metadata-id",
        "sidecar~10.1.2.3~sleep.default~default.svc.cluster.local",
    ),
    ("x-envoy-upstream-rq-timeout-ms", "1"),
    ("x-envoy-retry-on", "5xx"),
    ("x-envoy-max-retries", "10"),
    ("x-istio-attributes", "Cg=="),
    ("x-istio-source", "sidecar"),
    ("baggage", "k8s.namespace.name=default"),
    ("proxy-authorization", "Basic c2VjcmV0"),
    ("x-envoy-anything", "1"),
];

/// A request with more head, and what the origin saw of it.
fn pass(mesh: &Mesh, target: &str, fields: &str) -> Message {
    let request = format!("GET {target} HTTP/1.1\r\nhost: {HOST}\r\n{fields}\r\n");
    let answer = mesh.raw(HOST, &request);
    assert_eq!(answer.status(), 200, "{}", mesh.egret.said());
    mesh.recorder.wait_for(target).message
}

fn names(message: &Message) -> Vec<String> {
    message
        .fields()
        .into_iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect()
}

#[test]
fn mesh_headers_stay_in_the_mesh() {
    let mesh = Mesh::start(OPEN);
    let fields: String = MESH_HEADERS
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .concat();
    let names = names(&pass(&mesh, "/x", &fields));
    for (name, _) in MESH_HEADERS {
        assert!(
            !names.contains(&name.to_owned()),
            "{name} left the mesh: {names:?}"
        );
    }
}

#[test]
fn what_a_sidecar_adds_stays_in_the_mesh() {
    let mesh = Mesh::start(OPEN);
    for protocol in Protocol::ALL {
        let sidecar = mesh.sidecar("sleep", protocol);
        let target = format!("/x?{protocol:?}");
        assert_eq!(
            sidecar
                .curl(HOST, &target)
                .header("x-custom: kept")
                .send()
                .status,
            200
        );
        let seen = mesh.recorder.wait_for(&target).message;
        let inner = names(&seen).into_iter().filter(|name| {
            ["x-envoy", "x-forwarded", "x-istio"]
                .iter()
                .any(|mesh| name.starts_with(mesh))
        });
        assert_eq!(inner.collect::<Vec<_>>(), Vec::<String>::new());
        assert_eq!(seen.values("x-custom"), ["kept"]);
        assert_eq!(seen.values("host"), [HOST]);
    }
}

#[test]
fn the_request_id_is_kept_and_logged() {
    let mesh = Mesh::start(OPEN);
    let id = "d6ca4391-9749-4ef8-a2ee-147f77fddf97";
    let seen = pass(&mesh, "/x", &format!("x-request-id: {id}\r\n"));
    assert_eq!(seen.values("x-request-id"), [id]);
    assert_eq!(mesh.egret.record_of("/x")["request_id"], id);
}

#[test]
fn headers_of_one_connection_stay_on_it() {
    let mesh = Mesh::start(OPEN);
    let fields = "connection: keep-alive, x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\n\
                  proxy-connection: keep-alive\r\nte: gzip\r\nhttp2-settings: AAMAAABkAAQ\r\n";
    let seen = pass(&mesh, "/x", fields);
    for name in [
        "x-hop",
        "keep-alive",
        "proxy-connection",
        "http2-settings",
        "upgrade",
    ] {
        assert!(seen.value(name).is_none(), "{name}: {:?}", seen.fields());
    }
    assert!(
        seen.value("te").is_none_or(|te| te == "trailers"),
        "{:?}",
        seen.fields()
    );
}

#[test]
fn all_else_passes_in_order_and_as_often_as_it_came() {
    let mesh = Mesh::start(OPEN);
    let fields = "accept: */*\r\nx-a: 1\r\nx-b: 2\r\nx-a: 3\r\nx_under: 4\r\nx-empty:\r\n\
                  cookie: a=b; c=d\r\nauthorization: Bearer t\r\n";
    let seen = pass(&mesh, "/x?q=%20#".trim_end_matches('#'), fields);
    assert_eq!(seen.values("x-a"), ["1", "3"]);
    assert_eq!(seen.values("x_under"), ["4"]);
    assert_eq!(seen.values("x-empty"), [""]);
    assert_eq!(seen.values("cookie"), ["a=b; c=d"]);
    assert_eq!(seen.values("authorization"), ["Bearer t"]);
    let mut order = names(&seen);
    order.retain(|name| ["x-a", "x-b", "x-empty"].contains(&name.as_str()));
    order.dedup();
    // Values of one name may come together: their order is what counts (RFC 9110, 5.3).
    let apart = ["x-a", "x-b", "x-a", "x-empty"];
    assert!(
        order == apart || order == ["x-a", "x-b", "x-empty"],
        "{order:?}"
    );
    assert_eq!(seen.start_line(), "GET /x?q=%20 HTTP/1.1");
}

#[test]
fn what_stays_on_a_connection_permits_nothing() {
    let mesh = Mesh::start(
        "
destinations:
  - host: httpbin.org
    upstream: { addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
policies:
  - allow: { host: httpbin.org, path: /key, header: { x-readonly: \"true\" } }
  - allow: { host: httpbin.org, path: /expr, expr: \"request.headers['x-readonly'] == 'true'\" }
  - allow: { host: httpbin.org, path: /denied }
  - deny: { host: httpbin.org, path: /denied, header: { x-readonly: absent } }
",
    );
    for (target, sent) in [("/key", 1), ("/expr", 2), ("/denied", 3)] {
        let status = |more: &str| {
            let fields = format!("host: {HOST}\r\nx-readonly: true\r\n{more}");
            let answer = mesh.raw(HOST, &format!("GET {target} HTTP/1.1\r\n{fields}\r\n"));
            answer.status()
        };
        assert_eq!(status(""), 200, "{target}: {}", mesh.egret.said());
        for nominating in [
            "connection: x-readonly\r\n",
            "connection: close\r\nconnection: a, X-Readonly\r\n",
        ] {
            assert_eq!(status(nominating), 403, "{target} {nominating}");
        }
        assert_eq!(mesh.recorder.seen().len(), sent);
    }
    let denied = |record: &serde_json::Value| record["decision"] == "deny";
    let denied = mesh.egret.wait_for_records("six refusals", 6, denied);
    assert!(denied.iter().all(|record| record["response_code"] == 403));
}

#[test]
fn a_name_is_taken_off_in_every_spelling_that_servers_take_for_it() {
    let mesh = Mesh::start(OPEN);
    let fields = "x_http_method_override: DELETE\r\nX_Original-Url: /admin\r\n\
                  x_forwarded_client_cert: URI=spiffe://cluster.local/ns/a/sa/b\r\n\
                  x-envoy_peer_metadata: Cg==\r\nx_ordinary: 1\r\n";
    let names = names(&pass(&mesh, "/x", fields));
    let underscored = names.iter().filter(|name| name.contains('_'));
    assert_eq!(underscored.collect::<Vec<_>>(), ["x_ordinary"]);
}

#[test]
fn what_is_matched_is_what_is_sent() {
    let mesh = Mesh::start(OPEN);
    for (sent, arrives) in [
        ("/a/b/c;v=1", "/a/b/c;v=1"),
        ("//a///b", "/a/b"),
        ("/%61%2d%7e", "/a-~"),
        ("/%e2%82%ac?x=%61/../", "/%E2%82%AC?x=%61/../"),
    ] {
        let request = format!("GET {sent} HTTP/1.1\r\nhost: HTTPBIN.org.:443\r\n\r\n");
        assert_eq!(
            mesh.raw(HOST, &request).status(),
            200,
            "{sent}: {}",
            mesh.egret.said()
        );
        let seen = mesh.recorder.wait_for(arrives).message;
        assert!(
            seen.value("host")
                .is_some_and(|host| host.starts_with(HOST)),
            "{:?}",
            seen.fields()
        );
        assert_eq!(mesh.egret.record_of(arrives)["response_code"], 200);
    }
}

#[test]
fn an_expectation_is_answered_by_the_gateway_and_goes_no_further() {
    let mesh = Mesh::start(OPEN);
    let body = vec![b'x'; 100_000];
    let reply = mesh
        .curl("sleep", HOST, "/echo")
        .header("Expect: 100-continue")
        .body(&body)
        .send();
    assert_eq!((reply.status, reply.body.len()), (200, body.len()));
    assert!(
        reply.elapsed.as_millis() < 900,
        "curl waits a second when nobody says 100"
    );
    let seen = mesh.recorder.wait_for("/echo").message;
    assert!(seen.value("expect").is_none());
    assert_eq!(seen.body, body);
}

#[test]
fn bodies_pass_whole_in_both_directions_and_protocols() {
    let mesh = Mesh::start(OPEN);
    let body: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    for protocol in Protocol::ALL {
        let sidecar = mesh.sidecar("sleep", protocol);
        let target = format!("/echo?{protocol:?}");
        let reply = sidecar.curl(HOST, &target).body(&body).send();
        assert_eq!(reply.status, 200);
        assert!(
            reply.body == body,
            "{} of {} bytes",
            reply.body.len(),
            body.len()
        );
        let record = mesh.egret.record_of(&target);
        assert_eq!(record["bytes_received"], body.len());
        assert_eq!(record["bytes_sent"], body.len());
        let chunked = sidecar.curl(HOST, "/chunked/1000000").send();
        assert_eq!((chunked.status, chunked.body.len()), (200, 1_000_000));
        let large = sidecar.curl("edition.cnn.com", "/large").send();
        assert_eq!(
            (large.status, large.body.len()),
            (200, integration_tests::origin::LARGE)
        );
    }
}

#[test]
fn the_response_names_the_gateway_and_keeps_the_origins_headers() {
    let mesh = Mesh::start(OPEN);
    let reply = mesh.fetch("sleep", HOST, "/x");
    assert_eq!(reply.header("x-from-origin"), Some("yes"));
    assert_eq!(reply.header("content-type"), Some("text/plain"));
    assert_eq!(reply.header("server"), Some("istio-envoy"));
    assert_eq!(reply.header("via"), None);
    assert!(reply.header("date").is_some());
    let time = reply.header("x-envoy-upstream-service-time");
    assert!(
        time.is_some_and(|time| time.parse::<u64>().is_ok()),
        "{time:?}"
    );
}

#[test]
fn edits_of_a_route_are_applied_both_ways() {
    let edited = "
defaults: { policy: allow }
destinations:
  - host: httpbin.org
    upstream: { addresses: [\"$RECORDER\"], tls: { ca: $ORIGIN_CA } }
    allowAddresses: [127.0.0.0/8]
    routes:
      - prefix: /old/
        rewrite: { prefix: /new/ }
        headers:
          request: { set: { x-tenant: acme }, add: { x-more: two }, remove: [cookie] }
          response: { set: { x-from-origin: edited }, remove: [server] }
";
    let mesh = Mesh::start(edited);
    let request = "GET /old/a?b=/old/ HTTP/1.1\r\nhost: httpbin.org\r\nx-tenant: evil\r\n\
                   x-tenant: worse\r\nx_tenant: worst\r\nx-more: one\r\ncookie: secret\r\n\r\n";
    let answer = mesh.raw(HOST, request);
    assert_eq!(answer.value("x-from-origin").as_deref(), Some("edited"));
    let seen = mesh.recorder.wait_for("/new/a?b=/old/").message;
    assert_eq!(seen.values("x-tenant"), ["acme"]);
    assert!(seen.value("x_tenant").is_none());
    assert_eq!(seen.values("x-more"), ["one", "two"]);
    assert!(seen.value("cookie").is_none());
    // The record tells what the caller asked for.
    assert_eq!(mesh.egret.record_of("/old/a?b=/old/")["response_code"], 200);
}

#[test]
fn cookie_crumbs_of_http2_are_joined() {
    let mesh = Mesh::start(OPEN);
    let curl = mesh
        .curl("sleep", HOST, "/x")
        .http2()
        .header("cookie: a=1")
        .header("cookie: b=2");
    assert_eq!(curl.send().status, 200);
    assert_eq!(
        mesh.recorder.wait_for("/x").message.values("cookie"),
        ["a=1; b=2"]
    );
}
