use super::*;

fn sent(fields: &[(&'static str, &'static str)], version: UpstreamVersion) -> RequestHeader {
    changed(fields, version, &Changes::default())
}

fn changed(
    fields: &[(&'static str, &'static str)],
    version: UpstreamVersion,
    changes: &Changes,
) -> RequestHeader {
    let mut received = RequestHeader::build("GET", b"/x", None).unwrap();
    for (name, value) in fields {
        received.append_header(*name, *value).unwrap();
    }
    let edits = Edits {
        set: vec![("x-tenant".into(), "acme".into())],
        remove: vec!["x-debug".into()],
        ..Edits::default()
    };
    let out = Outgoing {
        target: "/x?y",
        host: "edition.cnn.com",
        edits: &edits,
        changes,
        body: RequestBody::None,
        version,
        websocket: false,
    };
    *request(&received, &out).unwrap()
}

#[test]
fn the_mesh_stays_in_the_mesh() {
    let fields = [
        (
            "x-forwarded-client-cert",
            "URI=spiffe://cluster.local/ns/a/sa/b",
        ),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-envoy-peer-metadata", "abc"),
        ("x-envoy-attempt-count", "1"),
        ("x-istio-attributes", "abc"),
        ("forwarded", "for=10.0.0.1"),
        ("via", "1.1 a"),
        ("baggage", "k8s.namespace.name=default"),
        ("proxy-authorization", "Basic x"),
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/politics"),
        ("keep-alive", "timeout=9"),
        ("connection", "close, X-Secret"),
        ("x-secret", "1"),
        ("upgrade", "h2c"),
        ("te", "trailers"),
        ("x-debug", "1"),
        // To many servers these are the same.
        ("x_forwarded_client_cert", "URI=spiffe://a/ns/b/sa/c"),
        ("x_envoy-peer_metadata", "abc"),
        ("x_original_url", "/politics"),
        ("x_debug", "1"),
        ("x_tenant", "other"),
    ];
    let head = sent(&fields, UpstreamVersion::Http1);
    let mut left: Vec<_> = head.headers.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["host", "x-tenant"]);
}

#[test]
fn what_is_the_callers_own_goes_through() {
    let fields = [
        ("authorization", "Bearer x"),
        ("x-request-id", "d6ca4391"),
        ("accept", "*/*"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
        ("te", "trailers"),
    ];
    let head = sent(&fields, UpstreamVersion::Http2 { scheme: "https" });
    let value = |name: &str| {
        head.headers
            .get(name)
            .map(|v| v.to_str().unwrap().to_owned())
    };
    assert_eq!(value("authorization").as_deref(), Some("Bearer x"));
    assert_eq!(value("x-request-id").as_deref(), Some("d6ca4391"));
    assert_eq!(value("cookie").as_deref(), Some("a=1; b=2"));
    assert_eq!(value("te").as_deref(), Some("trailers"));
    assert_eq!(value("host"), None);
    assert_eq!(head.uri.to_string(), "https://edition.cnn.com/x?y");
}

#[test]
fn an_authorisers_value_stands_alone_and_the_operators_comes_last() {
    let mut changes = Changes::default();
    for (name, value) in [
        ("x-user", "kate"),
        ("x-user", "admin"),
        ("x-tenant", "other"),
    ] {
        let value = HeaderValue::from_static(value);
        changes.set.append(HeaderName::from_static(name), value);
    }
    changes.remove.push(header::AUTHORIZATION);
    let fields = [
        ("x-user", "root"),
        ("x_user", "root"),
        ("authorization", "Bearer x"),
        ("accept", "*/*"),
    ];
    let head = changed(&fields, UpstreamVersion::Http1, &changes);
    let values = |name: &str| -> Vec<_> {
        let all = head.headers.get_all(name).iter();
        all.map(|v| v.to_str().unwrap()).collect()
    };
    assert_eq!(values("x-user"), ["kate", "admin"]);
    assert!(values("x_user").is_empty());
    assert_eq!(values("x-tenant"), ["acme"]);
    assert_eq!(values("accept"), ["*/*"]);
    assert!(values("authorization").is_empty());
}

#[test]
fn what_a_caller_may_not_speak_by_is_taken_as_he_wrote_it() {
    let mut changes = Changes::default();
    changes.remove.push(HeaderName::from_static("x_user"));
    // The authoriser was shown this one, and said yes to it.
    let fields = [("x-user", "kate"), ("x_user", "root")];
    let head = changed(&fields, UpstreamVersion::Http1, &changes);
    let left = |name: &str| head.headers.contains_key(name);
    assert!(left("x-user") && !left("x_user"));
}

#[test]
fn nothing_of_the_mesh_comes_back_but_what_proxies_say_of_themselves() {
    let mut head = ResponseHeader::build(200, None).unwrap();
    for name in [
        "x-istio-attributes",
        "x-forwarded-client-cert",
        "x_envoy_overloaded",
        "baggage",
        "connection",
        "x-hop",
        "via",
        "set-cookie",
    ] {
        head.append_header(name, "x-hop").unwrap();
    }
    response(&mut head, &Edits::default(), 7, false).unwrap();
    let mut left: Vec<_> = head.headers.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    let ours = "x-envoy-upstream-service-time";
    assert_eq!(left, ["server", "set-cookie", "via", ours]);
    let mut last = HeaderMap::new();
    for name in ["grpc-status", "x-envoy-peer-metadata", "connection"] {
        last.insert(name, HeaderValue::from_static("0"));
    }
    trailers(&mut last);
    assert_eq!(last.keys().collect::<Vec<_>>(), ["grpc-status"]);
}

#[test]
fn policy_sees_what_goes_on() {
    use policy::Headers;
    let received = HeaderMap::from_iter(
        [
            ("connection", "Upgrade, X-Hop"),
            ("upgrade", "websocket"),
            ("x-hop", "1"),
            ("x-own", "1"),
        ]
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        }),
    );
    let onward = Onward::of(&received);
    assert_eq!(onward.value("x-hop", 0), None);
    assert_eq!(onward.value("x-own", 0), Some(&b"1"[..]));
    assert_eq!(onward.value("upgrade", 0), Some(&b"websocket"[..]));
    assert_eq!(Received(&received).value("x-hop", 0), Some(&b"1"[..]));
}

#[test]
fn grpc_is_known_by_its_media_type() {
    let with = |value: &'static str| {
        let value = HeaderValue::from_static(value);
        HeaderMap::from_iter([(header::CONTENT_TYPE, value)])
    };
    assert!(is_grpc(&with("application/grpc")) && is_grpc(&with("application/grpc+proto")));
    assert!(!is_grpc(&with("application/grpc-web")) && !is_grpc(&HeaderMap::new()));
}
