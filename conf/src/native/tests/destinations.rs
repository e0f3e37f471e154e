//! Destinations, upstreams and routes.

use std::time::Duration;

use policy::destination::*;
use policy::pattern::PathPattern;

use super::*;

fn upstreams(text: &str) -> Vec<Upstream> {
    admission(text).upstreams().to_vec()
}

fn destination(text: &str) -> Destination {
    admission(text).destinations().next().unwrap().clone()
}

fn routes(text: &str) -> Vec<Route> {
    destination(&format!("destinations:\n  - host: a.example\n    routes:\n{text}")).routes
}

fn tls(upstream: &Upstream) -> TlsPolicy {
    match &upstream.tls {
        UpstreamTls::On(policy) => policy.clone(),
        UpstreamTls::Off => panic!("plain text"),
    }
}

#[test]
fn a_host_alone_is_https_verified_with_one_route() {
    let text = "destinations: [{ host: API.example.com }]\n";
    let upstream = upstreams(text).remove(0);
    assert_eq!(upstream.host, UpstreamHost::Named("api.example.com".into()));
    assert_eq!((upstream.port, upstream.connect_timeout, upstream.idle_timeout), (443, Duration::from_secs(5), Duration::from_secs(60)));
    assert_eq!(tls(&upstream), TlsPolicy::default());
    assert_eq!(upstream.protocol, UpstreamProtocol::Http1);
    let destination = destination(text);
    assert_eq!((destination.ports.as_slice(), &*destination.name), (&[80, 443][..], "API.example.com"));
    let [route] = destination.routes.as_slice() else { panic!("{:?}", destination.routes) };
    assert_eq!((&*route.name, route.timeout, route.retries), ("default", None, Retries::default()));
    assert_eq!((route.origin.line, route.origin.column), (3, 16));
    assert!(matches!(route.action, Action::Forward(ref to) if to.len() == 1 && to[0].upstream == destination.upstream));
}

#[test]
fn a_wildcard_leads_to_the_requested_name() {
    let text = "destinations:\n  - { host: '*.a.example', upstream: { resolve: dynamic } }\n  - { host: '*b.example', upstream: { host: c.example } }\n";
    let upstreams = upstreams(text);
    assert_eq!(upstreams[0].host, UpstreamHost::Requested);
    assert_eq!(upstreams[1].host, UpstreamHost::Named("c.example".into()));
}

#[test]
fn an_upstream_says_how_it_is_reached_and_proves_itself() {
    let upstream = upstreams("destinations:
  - host: a.example
    allowAddresses: [192.0.2.0/24, 10.0.0.1]
    upstream:
      host: b.example
      port: 8443
      addresses: [192.0.2.1, '10.0.0.1:9443']
      tls: { ca: ca.pem, sni: C.example, san: [d.example], min: '1.3', cert: c.pem, key: /k.pem }
      protocol: h2
      connectTimeout: 1s
      pool: { idle: 90s }
").remove(0);
    assert_eq!(upstream.host, UpstreamHost::Named("b.example".into()));
    let addresses: Vec<_> = upstream.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["192.0.2.1:8443", "10.0.0.1:9443"]);
    assert_eq!((upstream.connect_timeout, upstream.idle_timeout), (Duration::from_secs(1), Duration::from_secs(90)));
    assert_eq!(upstream.protocol, UpstreamProtocol::Http2);
    assert!(upstream.reach.admits("192.0.2.9".parse().unwrap()) && !upstream.reach.admits("10.0.0.2".parse().unwrap()));
    assert_eq!(tls(&upstream), TlsPolicy {
        ca: Some("etc/ca.pem".into()),
        server_name: Some("c.example".into()),
        names: vec!["d.example".into()],
        min_version: TlsVersion::Tls13,
        client: Some(ClientCertificate { chain: "etc/c.pem".into(), key: "/k.pem".into() }),
    });
    let plain = upstreams("destinations: [{ host: a.example, upstream: { tls: off } }]\n").remove(0);
    assert_eq!((plain.tls, plain.port), (UpstreamTls::Off, 80));
}

#[test]
fn an_upstream_that_cannot_be_reached_or_verified_is_refused() {
    let wrong = |text: &str| problem(&format!("destinations:\n- host: a.example\n  upstream: {text}\n"));
    assert_eq!(wrong("{ tls: none }"), "5:20 error: unknown word `none`: write `off` or `on`");
    assert_eq!(wrong("{ tls: { min: '1.0' } }"), "5:27 error: unknown word `1.0`: write `1.2` or `1.3`");
    assert_eq!(wrong("{ tls: { cert: c } }"), "5:20 error: `key` is missing: write such as `key: /etc/certs/client.key`");
    assert_eq!(wrong("{ tls: { sni: 192.0.2.1 } }"), "5:27 error: `192.0.2.1` is an address: write the name in the certificate");
    assert_eq!(wrong("{ tls: { san: ['*.x'] } }"), "5:28 error: `*.x` is a pattern where one name belongs: write such as `api.example.com`");
    assert_eq!(wrong("{ tls: { verify: false } }"), "5:22 error: unknown field `verify`: write `san`, `ca`, `sni`, `min`, `cert` or `key`");
    assert_eq!(wrong("{ host: 'b.example:8443' }"), "5:21 error: `b.example:8443` holds a port: write `b.example`, and the port under `port`");
    assert_eq!(wrong("{ host: 192.0.2.1 }"), "5:13 error: `192.0.2.1` is no name a certificate can show: write `tls: { sni: NAME }`");
    assert_eq!(wrong("{ port: 0 }"), "5:21 error: `0` is no number from 1 to 65535: write one");
    assert_eq!(wrong("{ addresses: [169.254.169.254] }"), "5:27 error: `169.254.169.254` is metadata and never dialled: write `allowAddresses: [169.254.169.254]` in the destination");
    assert_eq!(wrong("{ host: b.example, resolve: dynamic }"), "5:41 error: `dynamic` asks for the requested name, `host` for another: delete one of them");
    assert_eq!(wrong("{ outlier: { eject: 30s } }"), "5:15 error: not supported yet: `outlier`: delete it");
    assert_eq!(wrong("{ pool: { maxConnections: 2 } }"), "5:23 error: not supported yet: `maxConnections`: delete it");
}

#[test]
fn a_destination_that_contradicts_itself_or_another_is_refused() {
    assert_eq!(problem("destinations: [{ ports: 80 }]\n"), "3:16 error: `host` is missing: write such as `host: api.example.com`");
    assert_eq!(problem("destinations:\n- host: A.example\n- host: a.example\n"), "5:9 error: this host has two destinations: write its routes into the one at etc/egress.yaml:4");
    assert_eq!(problem("destinations: [{ host: a.example, routes: [] }]\n"), "3:35 error: `routes` is an empty list: write an entry, or delete the key");
    assert_eq!(problem("destinations: [{ host: a.example, allowAddresses: 10.0.0.1/8 }]\n"), "3:51 error: `10.0.0.1/8` begins before what it says: write `10.0.0.0/8`");
    assert_eq!(
        problem("destinations: [{ host: a.example, allowAddresses: '::/0' }]\n"),
        "3:51 warning: this admits every address, those of the metadata service and of the gateway itself: name the ranges",
    );
}

#[test]
fn defaults_hold_where_nothing_nearer_is_said() {
    let text = "defaults: { timeout: 30s, connectTimeout: 2s, retries: { attempts: 1, on: connect-failure }, paths: { encodedSlashes: keep }, headers: { remove: cookie }, addresses: { deny: [private, 203.0.114.0/24] } }
destinations:
  - host: a.example
    timeout: off
    paths: { duplicateSlashes: keep }
    routes:
      - { path: /x, timeout: 3s, retries: { attempts: 0 } }
      - { path: /y }
  - host: b.example
";
    let admission = admission(text);
    let all: Vec<&Destination> = admission.destinations().collect();
    let retries = Retries { attempts: 1, connect_failure: true, refused_stream: false };
    assert_eq!((all[0].routes[0].timeout, all[0].routes[0].retries.attempts), (Some(Duration::from_secs(3)), 0));
    assert_eq!((all[0].routes[1].timeout, all[0].routes[1].retries), (None, retries));
    assert_eq!((all[1].routes[0].timeout, all[1].retries), (Some(Duration::from_secs(30)), retries));
    assert_eq!(&*all[1].routes[0].headers.request.remove[0], "cookie");
    let keep = policy::canonical::Encoded::Keep;
    assert_eq!((all[0].profile.encoded_slashes, all[1].profile.encoded_slashes), (keep, keep));
    assert_ne!(all[0].profile.duplicate_slashes, all[1].profile.duplicate_slashes);
    let reach = &admission.upstreams()[0].reach;
    assert!(!reach.admits("203.0.114.9".parse().unwrap()) && reach.admits("203.0.115.9".parse().unwrap()));
    assert_eq!(admission.upstreams()[0].connect_timeout, Duration::from_secs(2));
}

#[test]
fn defaults_are_checked_like_the_rest() {
    let wrong = |text: &str| problem(&format!("defaults: {{ {text} }}\n"));
    assert_eq!(wrong("policy: permit"), "3:21 error: unknown word `permit`: write `deny` or `allow`");
    assert_eq!(wrong("timeout: 30"), "3:22 error: `30` has no unit: write `30s` or `30ms`");
    assert_eq!(wrong("timeout: 0s"), "3:22 error: `0s` is no time at all: write such as `5s`");
    assert_eq!(wrong("conect_timeout: 5s"), "3:13 error: unknown field `conect_timeout`: did you mean `connectTimeout`?");
    assert_eq!(wrong("retries: { on: [5xx] }"), "3:29 error: unknown word `5xx`: write `connect-failure` or `refused-stream`");
    assert_eq!(wrong("addresses: { deny: public }"), "3:32 error: `public` is every origin there is: write ranges such as `198.51.100.0/24`");
    assert!(wrong("addresses: { deny: lan }").starts_with("3:32 error: `lan` is no class and no range: write a range such as `198.51.100.0/24`, or `private`, "));
}

#[test]
fn routes_match_paths_in_every_spelling_and_keep_their_order_and_place() {
    let routes = routes("      - { name: one, exact: '/a*' }
      - { prefix: [/b/, /c], method: [GET, POST] }
      - { regex: '/d|/e' }
      - { template: '/f/{*}' }
      - { path: [/g, '/h*', '*i', { regex: '/j' }, { template: '/k/{**}' }] }
      - { header: { x-a: present, x-b: '1*' }, query: { q: absent } }
");
    let paths = |index: usize| routes[index].matchers[0].paths.clone();
    assert_eq!(paths(0), [PathPattern::Exact("/a*".into())]);
    assert_eq!(paths(1), [PathPattern::segment_prefix("/b").unwrap(), PathPattern::segment_prefix("/c").unwrap()]);
    assert_eq!(paths(2), [PathPattern::regex("/d|/e").unwrap()]);
    assert_eq!(paths(3), [PathPattern::template("/f/{*}").unwrap()]);
    assert_eq!(paths(4).len(), 5);
    assert_eq!((routes[5].matchers[0].headers.len(), routes[5].matchers[0].query.len()), (2, 1));
    let places: Vec<_> = routes.iter().map(|r| (r.origin.line, r.origin.column, r.name.to_string())).collect();
    assert_eq!(places[0], (6, 9, "one".to_owned()));
    assert_eq!(places[5], (11, 9, "default".to_owned()));
}

#[test]
fn a_route_leads_to_upstreams_by_weight_redirects_or_responds() {
    let text = "destinations:
  - host: a.example
    routes:
      - { path: /w, to: [{ upstream: { host: b.example }, weight: 9 }, { weight: 1 }], websocket: true, maxBody: 1MiB }
      - { path: /r, redirect: { status: 308, scheme: https, host: c.example, port: 8443, path: /x?y } }
      - { path: /s, respond: { status: 429, body: slow down } }
";
    let destination = destination(text);
    let [weighted, redirect, respond] = destination.routes.as_slice() else { panic!() };
    let Action::Forward(to) = &weighted.action else { panic!() };
    let shares: Vec<_> = to.iter().map(|share| (share.upstream, share.weight)).collect();
    assert_eq!(shares, [(UpstreamRef(1), 9), (destination.upstream, 1)]);
    assert_eq!((weighted.upgrades, weighted.max_body), (Upgrades::WebSocket, Some(1_048_576)));
    let Action::Redirect(to) = &redirect.action else { panic!() };
    assert_eq!((to.status, to.scheme.as_deref(), to.host.as_deref(), to.port, to.path.as_deref()), (308, Some("https"), Some("c.example"), Some(8443), Some("/x?y")));
    let Action::Respond(answer) = &respond.action else { panic!() };
    assert_eq!((answer.status, &*answer.body), (429, "slow down"));
}

#[test]
fn headers_and_paths_are_changed_as_written() {
    let text = "destinations:
  - host: a.example
    headers: { set: { X-A: outer, x-b: outer }, response: { remove: server } }
    routes:
      - { prefix: /v1, rewrite: { prefix: /v2, host: Inner.example }, headers: { request: { add: { x-a: inner } } } }
      - { path: /x, rewrite: { path: /y } }
";
    let destination = destination(text);
    let route = &destination.routes[0];
    assert_eq!(route.headers.request.set, [("x-b".into(), "outer".into())]);
    assert_eq!(route.headers.request.add, [("x-a".into(), "inner".into())]);
    assert_eq!(route.headers.response.remove, ["server".into()]);
    assert_eq!(route.rewrite.host.as_deref(), Some("inner.example"));
    assert_eq!(route.rewrite.path.as_ref().unwrap().apply("/v1/a"), "/v2/a");
    assert_eq!(destination.routes[1].rewrite.path.as_ref().unwrap().apply("/x"), "/y");
}

#[test]
fn a_route_that_cannot_be_meant_is_refused() {
    let wrong = |text: &str| problem(&format!("destinations:\n- host: a.example\n  routes:\n  - {text}\n"));
    assert_eq!(wrong("{ paht: /x }"), "6:7 error: unknown field `paht`: did you mean `path`?");
    assert_eq!(wrong("{ exact: /x, metod: GET }"), "6:18 error: unknown field `metod`: did you mean `method`?");
    assert_eq!(wrong("{ host: a.example, path: /x }"), "6:7 error: a route stands under its destination's host: delete `host`, or write `rewrite: { host: … }`");
    assert_eq!(wrong("{ exact: /x, prefix: /y }"), "6:5 error: `exact` and `prefix` exclude each other: write two routes");
    assert_eq!(wrong("{ path: '/a/../b' }"), "6:13 error: `/a/../b`: the path holds a `.` or `..` segment: send the resolved path");
    assert_eq!(wrong("{ path: '/a?b' }"), "6:13 error: a path has no query: write `target:` to match path and query");
    assert_eq!(wrong("{ method: [GET, post] }"), "6:21 error: `post` is no method: write `POST`");
    assert_eq!(wrong("{ path: /x, to: [{ weight: 0 }] }"), "6:21 error: all weights are 0, so nothing is served: write a weight above 0");
    assert_eq!(wrong("{ path: /x, redirect: { status: 301 } }"), "6:27 error: this redirects to where the request came from: write `scheme`, `host`, `port` or `path`");
    assert_eq!(wrong("{ path: /x, redirect: { status: 200, port: 1 } }"), "6:37 error: unknown word `200`: write `301`, `302`, `303`, `307` or `308`");
    assert_eq!(wrong("{ path: /x, respond: { body: x } }"), "6:26 error: `status` is missing: write such as `status: 403`");
    assert_eq!(wrong("{ path: /x, respond: { status: 99 } }"), "6:36 error: `99` is no number from 200 to 599: write one");
    assert_eq!(wrong("{ path: /x, respond: { status: 403 }, to: [{ weight: 1 }] }"), "6:5 error: `to` and `respond` exclude each other: delete one of them");
    assert_eq!(wrong("{ path: /x, rewrite: { prefix: /y } }"), "6:36 error: `prefix` takes the place of the route's one `prefix`: write it beside `rewrite`");
    assert_eq!(wrong("{ path: /x, rewrite: { path: '/y?z' } }"), "6:34 error: `/y?z` holds a query, and the caller's stays: write the path alone");
    assert_eq!(wrong("{ path: /x, rewrite: { path: /%61 } }"), "6:34 error: `/%61` is not in canonical form: write `/a`");
    assert_eq!(wrong("{ path: /x, respond: { status: 403 }, rewrite: { path: /y } }"), "6:43 error: `rewrite` changes what is asked of an upstream, and this route asks none: delete it");
    assert_eq!(wrong("{ path: /x, headers: { set: { Host: x } } }"), "6:35 error: `host` is no field to change: write `rewrite: { host: NAME }`");
    assert_eq!(wrong("{ path: /x, headers: { remove: content-length } }"), "6:36 error: `content-length` belongs to the connection and cannot be changed: delete it");
    assert_eq!(wrong(r#"{ path: /x, headers: { set: { x: "a\r\nb: c" } } }"#), "6:38 error: a control character cannot stand in a header: delete it");
    assert_eq!(wrong("{ path: /x, headers: { set: { x: ' a' } } }"), "6:38 error: a header value neither begins nor ends with a space: delete it");
    assert_eq!(wrong("{ path: /x, headers: { set: { 'a b': c } } }"), "6:35 error: `a b` is no name of a header: write letters, digits and `-`");
    assert_eq!(
        wrong("{ path: /x, headers: { set: { x: y }, request: { remove: z } } }"),
        "6:52 error: `request` stands beside `set`, `add` or `remove`, which are for requests too: write them within it",
    );
}

#[test]
fn routes_behind_one_that_takes_everything_are_pointed_out() {
    let text = "destinations:\n- host: a.example\n  routes:\n  - { path: /a }\n  - { prefix: /, timeout: 1s }\n  - { path: /b }\n";
    assert_eq!(problem(text), "8:5 warning: this route is never reached: the one at etc/egress.yaml:7 takes every request");
    let text = "destinations:\n- host: a.example\n  routes:\n  - { prefix: /, method: GET }\n  - { from: ns:a }\n  - { port: 80 }\n";
    assert_eq!(problems(text), [""; 0]);
}
