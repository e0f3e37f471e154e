//! Policies, matchers, lists and bodies.

use policy::rule::{Effect, Enforcement, Rule, TemplatePart};
use policy::source::{NamePattern, SourcePattern};

use super::*;

fn rules(text: &str) -> Vec<Rule> {
    admission(text).rules().to_vec()
}

/// The one problem of a policy, written from column 5 of line 4 on.
#[track_caller]
fn wrong(text: &str) -> String {
    problem(&format!("policies:\n  - {text}\n"))
}

#[test]
fn a_policy_allows_denies_or_remarks() {
    let rules = rules(
        "policies:
  - { name: readers, allow: { from: any, host: '*' } }
  - deny: [{ method: POST, host: '*' }, { path: /x }]
    unless: { from: ns:ops }
    status: 451
    shadow: true
  - { audit: { port: [80, 443] } }
",
    );
    assert!(matches!(rules[0].effect, Effect::Allow));
    assert_eq!(
        (
            &*rules[0].name,
            rules[0].origin.line,
            rules[0].origin.column
        ),
        ("readers", 4, 5)
    );
    assert!(matches!(&rules[1].effect, Effect::Deny(answer) if answer.status == 451));
    assert_eq!(
        (
            rules[1].matchers.len(),
            rules[1].unless.len(),
            rules[1].enforcement
        ),
        (2, 1, Enforcement::Shadow)
    );
    assert_eq!(
        (&*rules[1].name, &*rules[2].name),
        ("policies[1]", "policies[2]")
    );
    assert!(matches!(rules[2].effect, Effect::Audit));
    assert_eq!(rules[2].matchers[0].ports, [80, 443]);
}

#[test]
fn absence_means_deny_and_only_the_operators_word_means_allow() {
    use policy::rule::DefaultPolicy;
    assert_eq!(admission("").default_policy(), DefaultPolicy::Deny);
    assert_eq!(
        admission("defaults: { timeout: 1s }\n").default_policy(),
        DefaultPolicy::Deny
    );
    assert_eq!(
        admission("defaults: { policy: allow }\n").default_policy(),
        DefaultPolicy::Allow
    );
}

#[test]
fn local_names_speak_of_the_meshs_own_trust_domain_and_its_aliases() {
    let rules = rules(
        "trust: [{ domain: own, aliases: [old] }, { domain: far.example, roots: r.pem }]\npolicies: [{ allow: { from: 'sa:a/b' } }]\n",
    );
    let domains: Vec<_> = rules[0].matchers[0]
        .from
        .iter()
        .map(|source| match source {
            SourcePattern::Workload {
                trust_domain: NamePattern::Exact(domain),
                ..
            } => domain.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(domains, ["own", "old"]);
}

#[test]
fn a_matcher_never_asks_less_than_it_seems_to() {
    assert_eq!(
        wrong("allow: {}"),
        "4:12 error: a matcher that asks nothing: write `host: \"*\"` if every request is meant"
    );
    assert_eq!(
        wrong("allow: []"),
        "4:12 error: an empty list matches nothing: write a matcher, or `host: \"*\"` for every request"
    );
    assert_eq!(
        wrong("allow:"),
        "4:5 error: `allow` has no value: write one, or delete the key"
    );
    assert_eq!(
        wrong("allow: { from: [] }"),
        "4:14 error: `from` is an empty list: write an entry, or delete the key"
    );
    assert_eq!(
        wrong("allow: { from: , path: /x }"),
        "4:14 error: `from` has no value: write one, or delete the key"
    );
    assert_eq!(
        wrong("allow: { path: [~] }"),
        "4:21 error: found nothing where a single value belongs"
    );
    assert_eq!(
        wrong("allow: { form: any, path: /x }"),
        "4:14 error: unknown field `form`: did you mean `from`?"
    );
    assert_eq!(
        wrong("allow: any"),
        "4:12 error: found a single value where a map `key: value` belongs"
    );
    assert_eq!(
        wrong("allow: { query: {} }"),
        "4:21 error: `query` names nothing: write such as `{ name: value }`"
    );
}

#[test]
fn a_policy_that_cannot_be_meant_is_refused() {
    assert_eq!(
        wrong("name: x"),
        "4:5 error: the policy does nothing: write `allow`, `deny`, `audit` or `refer` and what it speaks of"
    );
    assert_eq!(
        wrong("{ allow: { path: /x }, deny: { path: /y } }"),
        "4:5 error: `allow` and `deny` exclude each other: write two policies"
    );
    assert_eq!(
        wrong("{ allow: { path: /x }, status: 403 }"),
        "4:28 error: `status` has no effect here, only a `deny` answers: delete it"
    );
    assert_eq!(
        wrong("{ allow: { path: /x }, body: no }"),
        "4:28 error: `body` has no effect here, only a `deny` answers: delete it"
    );
    assert_eq!(
        wrong("{ audit: { path: /x }, shadow: true }"),
        "4:28 error: `shadow` has no effect here, an `audit` never decides: delete it"
    );
    assert_eq!(
        wrong("{ allow: { path: /x }, shadow: true }"),
        "4:5 warning: a shadow `allow` neither allows nor remarks: delete `shadow` when it should"
    );
    assert_eq!(
        wrong("{ deny: { path: /x }, status: 200 }"),
        "4:35 error: `200` is no number from 400 to 599: write one"
    );
    assert_eq!(
        wrong("{ deny: { path: /x }, shadow: yes }"),
        "4:35 error: unknown word `yes`: write `true` or `false`"
    );
    assert_eq!(
        problem(
            "policies:\n  - { name: a, deny: { path: /x } }\n  - { name: a, deny: { path: /y } }\n"
        ),
        "5:5 error: two policies are named `a`: write another name, or mend the one at etc/egress.yaml:4",
    );
}

#[test]
fn every_pattern_is_refused_at_its_very_character() {
    assert!(
        wrong("allow: { from: [any, sleep] }")
            .starts_with("4:26 error: `sleep` names no source: write `sa:NAMESPACE/NAME`, ")
    );
    assert_eq!(
        wrong("allow: { host: 'a.example:443' }"),
        "4:30 error: a host has no port; write `a.example`, and `443` as the port"
    );
    assert_eq!(
        wrong("allow: { path: '/a/*/b' }"),
        "4:24 error: `*` stands at one end of a path; write `{template: …}` with `{*}` for a segment, or `{regex: …}`"
    );
    assert_eq!(
        wrong("allow: { path: { regex: '/a(b' } }"),
        "4:32 error: `(` is never closed; write `\\(` for the character"
    );
    assert_eq!(
        wrong("allow: { path: { regex: /a, template: /b } }"),
        "4:20 error: write either `regex`, `template`, `prefix`, `exact`, `begins` or `ends`"
    );
    assert_eq!(
        wrong("allow: { path: { regx: /a } }"),
        "4:22 error: unknown field `regx`: did you mean `regex`?"
    );
    assert_eq!(
        wrong("allow: { path: {} }"),
        "4:20 error: write either `regex`, `template`, `prefix`, `exact`, `begins` or `ends`"
    );
    assert_eq!(
        wrong("allow: { path: x }"),
        "4:20 error: a path begins with `/`; write `/x`, or `*x` for every path that ends so"
    );
    assert_eq!(
        wrong("allow: { method: GETT! }")
            .split_once(" error")
            .unwrap()
            .0,
        "4:22"
    );
    assert_eq!(
        wrong("allow: { port: 65536 }"),
        "4:20 error: `65536` is no number from 1 to 65535: write one"
    );
    assert_eq!(
        wrong("allow: { header: { 'x y': z } }"),
        "4:24 error: `x y` is no name of a header: write letters, digits and `-`"
    );
    assert_eq!(
        wrong("allow: { header: { x: 'a*b' } }"),
        "4:29 error: `*` stands at one end of a value; write `{exact: …}` for the character, or `{regex: …}`"
    );
    assert_eq!(
        wrong("allow: { header: { x: { exact: a, regex: b } } }"),
        "4:27 error: write either `regex`, `not`, `exact`, `begins` or `ends`"
    );
    assert_eq!(
        wrong("allow: { path: /x, status: 200 }"),
        "4:24 error: `status` stands only in a log, in a `when` that is one map: write another log"
    );
}

#[test]
fn one_bad_rule_does_not_hide_another() {
    let problems = problems(
        "policies:\n  - allow: { host: 'a b' }\n  - deny: { path: x }\n    unless: { methd: GET }\ndestinations: [{ host: '' }]\n",
    );
    let places: Vec<_> = problems
        .iter()
        .map(|p| p.split(' ').next().unwrap())
        .collect();
    assert_eq!(places, ["4:21", "5:19", "6:15", "7:25"]);
}

#[test]
fn a_condition_is_of_type_bool_and_asks_for_what_is_known() {
    let rules = rules("policies: [{ deny: { expr: 'request.method == \"POST\"' } }]\n");
    assert!(rules[0].matchers[0].expr.is_some());
    assert_eq!(
        wrong("deny: { expr: 'request.method' }"),
        "4:19 error: the condition is STRING where BOOL belongs: write a comparison"
    );
    assert_eq!(
        wrong("deny: { expr: 'request.metod == \"GET\"' }"),
        "4:20 error: unknown attribute `request.metod`; write such as `request.method`"
    );
    assert_eq!(
        wrong("deny: { expr: 'response.code == 200' }"),
        "4:20 error: `response.code` is not known before the request was decided upon: ask for another attribute"
    );
    assert_eq!(
        wrong("deny: { expr: 'source.name == \"x\"' }"),
        "4:20 error: `source.name` is never known at this gateway: ask for another attribute"
    );
    assert_eq!(
        wrong("deny: { expr: 'request.method == 1' }")
            .split_once(" error")
            .unwrap()
            .0,
        "4:35"
    );
}

#[test]
fn a_body_holds_attributes_of_the_request() {
    let body = |text: &str| match &rules(&format!(
        "policies: [{{ deny: {{ path: /x }}, body: '{text}' }}]\n"
    ))[0]
        .effect
    {
        Effect::Deny(answer) => answer
            .body
            .0
            .iter()
            .map(|part| match part {
                TemplatePart::Text(text) => format!("[{text}]"),
                TemplatePart::Value(expr) => format!("<{}>", expr.text()),
            })
            .collect::<String>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        body("no ${request.path} here"),
        "[no ]<request.path>[ here]"
    );
    assert_eq!(
        body("${request.host}${request.path | \"-\"}"),
        "<request.host><request.path | \"-\">"
    );
    assert_eq!(body("$5 is $${x} cheap $"), "[$5 is ${][x} cheap $]");
    assert_eq!(
        wrong("{ deny: { path: /x }, body: 'é ${request.pth} b' }"),
        "4:38 error: unknown attribute `request.pth`; write such as `request.path`"
    );
    assert_eq!(
        wrong("{ deny: { path: /x }, body: 'a ${request.path' }"),
        "4:36 error: `${` is not closed: write `}`, or `$${` for the signs themselves"
    );
    assert_eq!(
        wrong("{ deny: { path: /x }, body: '${response.code}' }"),
        "4:36 error: `response.code` is not known before the request was decided upon: ask for another attribute"
    );
}

#[test]
fn a_list_stands_wherever_alternatives_may() {
    let rules = rules(
        "lists: { topics: [/a, { regex: '/b.*' }], teams: ['ns:a', 'sa:b/c'], verbs: [GET] }
policies:
  - deny: { path: [/x, { list: topics }], from: { list: teams }, method: { list: verbs } }
",
    );
    let matcher = &rules[0].matchers[0];
    assert_eq!(
        (
            matcher.paths.len(),
            matcher.from.len(),
            matcher.methods.is_some()
        ),
        (3, 2, true)
    );
    let one = |text: &str| {
        problem(&format!(
            "lists:\n  topics: [/a]\npolicies:\n  - deny: {{ path: {text} }}\n"
        ))
    };
    assert_eq!(
        one("{ list: topcs }"),
        "6:27 error: unknown list `topcs`: did you mean `topics`?"
    );
    assert_eq!(
        one("{ list: other }"),
        "6:27 error: unknown list `other`: write `topics`"
    );
    assert_eq!(
        wrong("deny: { path: { list: other } }"),
        "4:27 error: unknown list `other`: there is no list at all: write one"
    );
}

#[test]
fn a_list_is_written_out_and_its_entries_are_checked_where_they_stand() {
    assert_eq!(
        problem("lists: { a: [] }\n"),
        "3:10 error: `a` has no entries: write such as `a: [/health, /sport]`"
    );
    assert_eq!(
        problem("lists: { a: [/ok, bad] }\npolicies: [{ deny: { path: { list: a } } }]\n"),
        "3:19 error: a path begins with `/`; write `/bad`, or `*bad` for every path that ends so",
    );
}

#[test]
fn a_host_that_no_destination_serves_is_pointed_out() {
    let text = |host: &str| {
        format!(
            "destinations: [{{ host: a.example }}, {{ host: '*.b.example' }}]\npolicies:\n  - allow: {{ host: '{host}' }}\n"
        )
    };
    for served in [
        "a.example",
        "x.b.example",
        "*.b.example",
        "*.y.b.example",
        "*.example",
        "*ple",
        "*",
    ] {
        assert_eq!(problems(&text(served)), [""; 0], "{served}");
    }
    for unserved in ["b.example", "a.example.org", "*.c.example", "*.a.example"] {
        assert_eq!(
            problem(&text(unserved)),
            "5:20 warning: no destination serves this host: write one, or mend the name",
            "{unserved}"
        );
    }
}
