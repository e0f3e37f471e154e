//! Every key of `when`, in both directions.

use super::*;

#[test]
fn conditions() {
    let get = |rest: &str| format!("sa:default/sleep GET http://a.example/{rest}");
    let when = |condition: &str| format!("[{{ when: [{{ {condition} }}] }}]");
    for (condition, matching, others) in [
        (
            "key: 'request.headers[X-Team]', values: [red]",
            vec![get(" | X-Team: red")],
            vec![get(""), get(" | x-team: Red"), get(" | x-team: red2")],
        ),
        (
            "key: 'request.headers[x-team]', values: ['r*', '*n', 'a+b']",
            vec![
                get(" | x-team: red"),
                get(" | x-team: green"),
                get(" | x-team: a+b"),
            ],
            vec![get(""), get(" | x-team: blue"), get(" | x-team: aab")],
        ),
        (
            "key: 'request.headers[x-team]', values: ['*']",
            vec![get(" | x-team: red"), get(" | x-team:")],
            vec![get("")],
        ),
        (
            "key: 'request.headers[x-team]', notValues: ['red']",
            vec![get(""), get(" | x-team: blue")],
            vec![get(" | x-team: red")],
        ),
        (
            "key: 'request.headers[x-team]', values: ['r*'], notValues: ['red']",
            vec![get(" | x-team: rust")],
            vec![get(""), get(" | x-team: red")],
        ),
        (
            "key: 'request.headers[:authority]', values: ['a.example:*']",
            vec![get("")],
            vec!["sa:default/sleep GET http://b.example/".to_owned()],
        ),
        (
            "key: 'request.headers[:method]', values: [GET]",
            vec![get("")],
            vec!["sa:default/sleep PUT http://a.example/".to_owned()],
        ),
        (
            "key: source.ip, values: [10.0.0.0/8]",
            vec![get(" @10.0.0.1")],
            vec![get(" @11.0.0.1")],
        ),
        (
            "key: remote.ip, notValues: [10.0.0.0/8]",
            vec![get(" @11.0.0.1")],
            vec![get(" @10.0.0.1")],
        ),
        (
            "key: source.namespace, values: [shop]",
            vec!["sa:shop/x GET http://a.example/".to_owned()],
            vec![get("")],
        ),
        (
            "key: source.principal, values: ['*/sleep']",
            vec![get("")],
            vec!["sa:shop/x GET http://a.example/".to_owned()],
        ),
        (
            "key: source.serviceAccount, values: [default/sleep]",
            vec![get("")],
            vec!["sa:shop/x GET http://a.example/".to_owned()],
        ),
        (
            "key: source.trustDomain, values: [far.example]",
            vec!["far.example/ns/a/sa/b GET http://a.example/".to_owned()],
            vec![get("")],
        ),
        (
            "key: destination.port, values: ['443']",
            vec![get("")],
            vec![],
        ),
        (
            "key: destination.port, values: ['80']",
            vec![],
            vec![get("")],
        ),
        (
            "key: connection.sni, values: [a.example]",
            vec![get(" !a.example")],
            vec![get("")],
        ),
        (
            "key: connection.sni, values: ['*.example']",
            vec![get(" !a.example")],
            vec![get("")],
        ),
        (
            "key: connection.sni, values: ['a.*']",
            vec![get(" !a.example")],
            vec![get("")],
        ),
        (
            "key: connection.sni, values: ['*']",
            vec![get(" !a.example")],
            vec![get("")],
        ),
        (
            "key: connection.sni, notValues: ['*']",
            vec![get("")],
            vec![get(" !a.example")],
        ),
    ] {
        let (matching, others): (Vec<&str>, Vec<&str>) = (
            matching.iter().map(String::as_str).collect(),
            others.iter().map(String::as_str).collect(),
        );
        matches_both_ways(&when(condition), &matching, &others);
    }
}

/// Fields of several names are joined, and doubt falls on the closed side: a
/// permission needs all of them to be good, a refusal one that is bad.
#[test]
fn repeated_headers() {
    let twice = "sa:default/sleep GET http://a.example/ | x-team: red | x-team: blue";
    let rules = "rules: [{ when: [{ key: 'request.headers[x-team]', values: [red] }] }]";
    decides(&policy(&format!("action: ALLOW\n{rules}")), &[], &[twice]);
    decides(&policy(&format!("action: DENY\n{rules}")), &[], &[twice]);
}

/// Istio's `*` is presence, and an empty value is there.
#[test]
fn a_star_is_met_by_an_empty_header() {
    let empty = "sa:default/sleep GET http://a.example/ | x-admin: ";
    let none = "sa:default/sleep GET http://a.example/";
    for values in ["['*']", "[a, '*']"] {
        let when = |key: &str| {
            format!("[{{ when: [{{ key: 'request.headers[x-admin]', {key}: {values} }}] }}]")
        };
        matches_both_ways(&when("values"), &[empty], &[none]);
        matches_both_ways(&when("notValues"), &[none], &[empty]);
    }
}
