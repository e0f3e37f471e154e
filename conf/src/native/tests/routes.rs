//! Routes: what they ask, where they lead, what they change.

use std::time::Duration;

use policy::destination::*;
use policy::pattern::PathPattern;

use super::*;

fn destination(text: &str) -> Destination {
    admission(text).destinations().next().unwrap().clone()
}

fn routes(text: &str) -> Vec<Route> {
    destination(&format!(
        "destinations:\n  - host: a.example\n    routes:\n{text}"
    ))
    .routes
}

#[test]
fn routes_match_paths_in_every_spelling_and_keep_their_order_and_place() {
    let routes = routes(
        "      - { name: one, exact: '/a*' }
      - { prefix: [/b/, /c], method: [GET, POST] }
      - { regex: '/d|/e' }
      - { template: '/f/{*}' }
      - { path: [/g, '/h*', '*i', { regex: '/j' }, { template: '/k/{**}' }] }
      - { header: { x-a: present, x-b: '1*' }, query: { q: absent } }
",
    );
    let paths = |index: usize| routes[index].matchers[0].paths.clone();
    assert_eq!(paths(0), [PathPattern::Exact("/a*".into())]);
    assert_eq!(
        paths(1),
        [
            PathPattern::segment_prefix("/b").unwrap(),
            PathPattern::segment_prefix("/c").unwrap()
        ]
    );
    assert_eq!(paths(2), [PathPattern::regex("/d|/e").unwrap()]);
    assert_eq!(paths(3), [PathPattern::template("/f/{*}").unwrap()]);
    assert_eq!(paths(4).len(), 5);
    assert_eq!(
        (
            routes[5].matchers[0].headers.len(),
            routes[5].matchers[0].query.len()
        ),
        (2, 1)
    );
    let places: Vec<_> = routes
        .iter()
        .map(|r| (r.origin.line, r.origin.column, r.name.to_string()))
        .collect();
    assert_eq!(places[0], (6, 9, "one".to_owned()));
    assert_eq!(places[5], (11, 9, "default".to_owned()));
}

#[test]
fn a_route_leads_to_upstreams_by_weight_redirects_or_responds() {
    let text = "destinations:
  - host: a.example
    routes:
      - { path: /w, to: [{ upstream: { host: b.example }, weight: 9 }, { weight: 1 }], maxBody: 1MiB }
      - { path: /r, redirect: { status: 308, scheme: https, host: c.example, port: 8443, path: /x?y } }
      - { path: /s, respond: { status: 429, body: slow down } }
";
    let destination = destination(text);
    let [weighted, redirect, respond] = destination.routes.as_slice() else {
        panic!()
    };
    let Action::Forward(to) = &weighted.action else {
        panic!()
    };
    let shares: Vec<_> = to
        .iter()
        .map(|share| (share.upstream, share.weight))
        .collect();
    assert_eq!(shares, [(UpstreamRef(1), 9), (UpstreamRef(0), 1)]);
    assert_eq!(weighted.max_body, Some(1_048_576));
    let Action::Redirect(to) = &redirect.action else {
        panic!()
    };
    assert_eq!(
        (
            to.status,
            to.scheme.as_deref(),
            to.host.as_deref(),
            to.port,
            to.path.as_deref()
        ),
        (
            308,
            Some("https"),
            Some("c.example"),
            Some(8443),
            Some("/x?y")
        )
    );
    let Action::Respond(answer) = &respond.action else {
        panic!()
    };
    assert_eq!((answer.status, &*answer.body), (429, "slow down"));
}

#[test]
fn websockets_are_a_destinations_word_unless_a_route_has_its_own() {
    let text = "destinations:
  - host: a.example
    websocket: true
    routes:
      - { prefix: /chat }
      - { prefix: /plain, websocket: false }
";
    let upgrades: Vec<_> = destination(text)
        .routes
        .iter()
        .map(|r| r.upgrades)
        .collect();
    assert_eq!(upgrades, [Upgrades::WebSocket, Upgrades::Refused]);
    let unsaid = destination("destinations: [{ host: a.example }]\n");
    assert_eq!(unsaid.routes[0].upgrades, Upgrades::Refused);
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
    assert_eq!(
        route.changes().headers.request.set,
        [("x-b".into(), "outer".into())]
    );
    assert_eq!(
        route.changes().headers.request.add,
        [("x-a".into(), "inner".into())]
    );
    assert_eq!(route.changes().headers.response.remove, ["server".into()]);
    assert_eq!(
        route.changes().rewrite.host.as_deref(),
        Some("inner.example")
    );
    assert_eq!(
        route
            .changes()
            .rewrite
            .path
            .as_ref()
            .unwrap()
            .apply("/v1/a"),
        "/v2/a"
    );
    assert_eq!(
        destination.routes[1]
            .changes()
            .rewrite
            .path
            .as_ref()
            .unwrap()
            .apply("/x"),
        "/y"
    );
}

#[test]
fn a_route_that_cannot_be_meant_is_refused() {
    let wrong = |text: &str| {
        problem(&format!(
            "destinations:\n- host: a.example\n  routes:\n  - {text}\n"
        ))
    };
    assert_eq!(
        wrong("{ paht: /x }"),
        "6:7 error: unknown field `paht`: did you mean `path`?"
    );
    assert_eq!(
        wrong("{ exact: /x, metod: GET }"),
        "6:18 error: unknown field `metod`: did you mean `method`?"
    );
    assert_eq!(
        wrong("{ host: a.example, path: /x }"),
        "6:7 error: a route stands under its destination's host: delete `host`, or write `rewrite: { host: … }`"
    );
    assert_eq!(
        wrong("{ exact: /x, prefix: /y }"),
        "6:5 error: `exact` and `prefix` exclude each other: write two routes"
    );
    assert_eq!(
        wrong("{ path: '/a/../b' }"),
        "6:13 error: `/a/../b`: the path holds a `.` or `..` segment: send the resolved path"
    );
    assert_eq!(
        wrong("{ path: '/a?b' }"),
        "6:13 error: a path has no query: write `target:` to match path and query"
    );
    assert_eq!(
        wrong("{ method: [GET, post] }"),
        "6:21 error: `post` is no method: write `POST`"
    );
    assert_eq!(
        wrong("{ path: /x, to: [{ weight: 0 }] }"),
        "6:21 error: all weights are 0, so nothing is served: write a weight above 0"
    );
    assert_eq!(
        wrong("{ path: /x, redirect: { status: 301 } }"),
        "6:27 error: this redirects to where the request came from: write `scheme`, `host`, `port` or `path`"
    );
    assert_eq!(
        wrong("{ path: /x, redirect: { status: 200, port: 1 } }"),
        "6:37 error: unknown word `200`: write `301`, `302`, `303`, `307` or `308`"
    );
    assert_eq!(
        wrong("{ path: /x, respond: { body: x } }"),
        "6:26 error: `status` is missing: write such as `status: 403`"
    );
    assert_eq!(
        wrong("{ path: /x, respond: { status: 99 } }"),
        "6:36 error: `99` is no number from 200 to 599: write one"
    );
    assert_eq!(
        wrong("{ path: /x, respond: { status: 403 }, to: [{ weight: 1 }] }"),
        "6:5 error: `to` and `respond` exclude each other: delete one of them"
    );
    assert_eq!(
        wrong("{ path: /x, rewrite: { prefix: /y } }"),
        "6:36 error: `prefix` takes the place of the route's one `prefix`: write it beside `rewrite`"
    );
    assert_eq!(
        wrong("{ path: /x, rewrite: { path: '/y?z' } }"),
        "6:34 error: `/y?z` holds a query, and the caller's stays: write the path alone"
    );
    assert_eq!(
        wrong("{ path: /x, rewrite: { path: /%61 } }"),
        "6:34 error: `/%61` is not in canonical form: write `/a`"
    );
    assert_eq!(
        wrong("{ path: /x, respond: { status: 403 }, rewrite: { path: /y } }"),
        "6:43 error: `rewrite` changes what is asked of an upstream, and this route asks none: delete it"
    );
    assert_eq!(
        wrong("{ path: /x, headers: { set: { Host: x } } }"),
        "6:35 error: `host` is no field to change: write `rewrite: { host: NAME }`"
    );
    assert_eq!(
        wrong("{ path: /x, headers: { remove: content-length } }"),
        "6:36 error: `content-length` belongs to the connection and cannot be changed: delete it"
    );
    assert_eq!(
        wrong(r#"{ path: /x, headers: { set: { x: "a\r\nb: c" } } }"#),
        "6:38 error: a control character cannot stand in a header: delete it"
    );
    assert_eq!(
        wrong("{ path: /x, headers: { set: { x: ' a' } } }"),
        "6:38 error: a header value neither begins nor ends with a space: delete it"
    );
    assert_eq!(
        wrong("{ path: /x, headers: { set: { 'a b': c } } }"),
        "6:35 error: `a b` is no name of a header: write letters, digits and `-`"
    );
    assert_eq!(
        wrong("{ path: /x, headers: { set: { x: y }, request: { remove: z } } }"),
        "6:52 error: `request` stands beside `set`, `add` or `remove`, which are for requests too: write them within it",
    );
}

#[test]
fn routes_behind_one_that_takes_everything_are_pointed_out() {
    let text = "destinations:\n- host: a.example\n  routes:\n  - { path: /a }\n  - { prefix: /, timeout: 1s }\n  - { path: /b }\n";
    assert_eq!(
        problem(text),
        "8:5 warning: this route is never reached: the one at etc/egress.yaml:7 takes every request"
    );
    let text = "destinations:\n- host: a.example\n  routes:\n  - { prefix: /, method: GET }\n  - { from: ns:a }\n  - { port: 80 }\n";
    assert_eq!(problems(text), [""; 0]);
}

#[test]
fn a_route_names_alternatives_faults_and_what_a_rewrite_replaces() {
    let text = "destinations:
  - host: a.example
    routes:
      - when: [{ path: /a }, { method: POST }]
        rewrite: { prefix: { from: /a, to: /b } }
        fault: { delay: { percent: 0.5, time: 2s }, abort: { status: 503 } }
";
    let admission = admission(text);
    let route = &admission.destinations().next().unwrap().routes[0];
    assert_eq!(route.matchers.len(), 2);
    let share = |percent| Share::percent(percent).unwrap();
    assert_eq!(
        route.changes().fault,
        Fault {
            delay: Some((share(0.5), Duration::from_secs(2))),
            abort: Some((share(100.0), 503)),
        }
    );
    assert_eq!(
        route.changes().rewrite.path.as_ref().unwrap().apply("/a/x"),
        "/b/x"
    );
}

#[test]
fn a_fault_or_an_alternative_that_cannot_be_meant_is_refused() {
    let wrong = |text: &str| {
        problem(&format!(
            "destinations:\n- host: a.example\n  routes:\n  - {text}\n"
        ))
    };
    for (text, told) in [
        (
            "fault: {}",
            "6:12 error: nothing goes wrong here: write `delay`, `abort`, or both",
        ),
        (
            "fault: { delay: { percent: 101, time: 2s } }",
            "6:32 error: `101` is no share of a hundred: write such as `10` or `0.5`",
        ),
        (
            "fault: { delay: { percent: -1, time: 2s } }",
            "6:32 error: `-1` is no share of a hundred: write such as `10` or `0.5`",
        ),
        (
            "fault: { delay: { percent: 1 } }",
            "6:21 error: `time` is missing: write such as `time: 2s`",
        ),
        (
            "fault: { abort: { status: 99 } }",
            "6:31 error: `99` is no number from 200 to 599: write one",
        ),
        (
            "{ path: /a, when: [{ path: /b }] }",
            "6:17 error: `path` stands beside `when`, which holds all that the route asks: write it within",
        ),
        (
            "when: [{ host: a.example }]",
            "6:14 error: a route stands under its destination's host: delete `host`, or write `rewrite: { host: … }`",
        ),
        (
            "when: []",
            "6:11 error: an empty list matches nothing: write a matcher, or `host: \"*\"` for every request",
        ),
        (
            "rewrite: { prefix: { to: /a } }",
            "6:24 error: `from` is missing: write such as `from: /v1`",
        ),
    ] {
        assert_eq!(wrong(text), told);
    }
}
