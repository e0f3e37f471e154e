//! What policies do that do not simply decide: dry runs, audits, tokens.

use super::policies::{SLEEP, named};
use super::*;

#[test]
fn a_dry_run_decides_nothing() {
    for (word, is_dry) in [
        ("\"true\"", true),
        ("\"T\"", true),
        ("1", true),
        ("\"false\"", false),
        ("F", false),
    ] {
        let annotation = format!("istio.io/dry-run: {word}");
        let deny = named(
            "d",
            "istio-system",
            &annotation,
            "action: DENY\nrules: [{}]",
        );
        let allow = named(
            "a",
            "istio-system",
            &annotation,
            "rules: [{ to: [{ operation: { hosts: [b.example] } }] }]",
        );
        for objects in [deny, allow] {
            assert_eq!(goes(&snapshot(&objects), SLEEP), is_dry, "{objects}");
        }
    }
}

#[test]
fn an_audit_and_a_dry_run_mark_what_they_would_do() {
    let audit = named("r", "istio-system", "", "action: AUDIT\nrules: [{}]");
    let shadow = named(
        "d",
        "istio-system",
        "istio.io/dry-run: 'true'",
        "action: DENY\nrules: [{}]",
    );
    let allow = named(
        "a",
        "istio-system",
        "",
        "rules: [{ to: [{ operation: { hosts: [b.example] } }] }]",
    );
    let snapshot = snapshot(&format!("{audit}{shadow}{allow}"));
    let question = question(SLEEP);
    let admission = snapshot.admission();
    let caller = admission.caller(question.principal.clone(), question.address);
    let refused = admission
        .admit(question.raw(&caller, snapshot.settings(), 0), 0)
        .unwrap_err();
    let name = |id| admission.rule(id).map(|rule| rule.name.to_string());
    assert_eq!(refused.refusal.status(), 403);
    assert_eq!(refused.rule, None);
    assert_eq!(
        refused.marks.audit.and_then(name).as_deref(),
        Some("ns[istio-system]-policy[r]-rule[0]")
    );
    assert_eq!(
        refused.marks.shadow.and_then(name).as_deref(),
        Some("ns[istio-system]-policy[d]-rule[0]")
    );
}

#[test]
fn a_dry_run_of_a_permission_marks_what_it_would_allow() {
    let would_allow = |host: &str| {
        let rules = format!("rules: [{{ to: [{{ operation: {{ hosts: [{host}] }} }}] }}]");
        let snapshot = snapshot(&named(
            "a",
            "istio-system",
            "istio.io/dry-run: 'true'",
            &rules,
        ));
        let question = question(SLEEP);
        let admission = snapshot.admission();
        let caller = admission.caller(question.principal.clone(), question.address);
        let raw = question.raw(&caller, snapshot.settings(), 0);
        // No host is routed here; the rules are asked before that.
        let refused = admission.admit(raw, 0).unwrap_err();
        assert_eq!(refused.refusal.code(), "unknown_host");
        assert_eq!(refused.marks.shadow, None);
        refused.marks.audit.is_some()
    };
    assert!(would_allow("a.example"));
    assert!(!would_allow("b.example"));
}

/// No caller has a token: to ask for one is to ask for what is never here.
#[test]
fn tokens_allow_nobody() {
    let when = "when: [{ key: 'request.auth.claims[iss]', values: [x] }]";
    let none = "when: [{ key: request.auth.principal, notValues: ['*'] }]";
    decides(&policy(&format!("rules: [{{ {when} }}]")), &[], &[SLEEP]);
    decides(&policy(&format!("rules: [{{ {none} }}]")), &[SLEEP], &[]);
    decides(
        &policy(&format!("action: DENY\nrules: [{{ {none} }}]")),
        &[],
        &[SLEEP],
    );
    let from = |keys: &str| format!("rules: [{{ from: [{keys}] }}]");
    let token = "{ source: { requestPrincipals: ['*'] } }";
    let sleep = "{ source: { namespaces: [default] } }";
    decides(&policy(&from(token)), &[], &[SLEEP]);
    decides(
        &policy(&from(&format!("{token}, {sleep}"))),
        &[SLEEP],
        &["sa:shop/a GET http://a.example/"],
    );
    decides(
        &policy(&from("{ source: { notRequestPrincipals: ['*'] } }")),
        &[SLEEP],
        &[],
    );
    decides(
        &policy(&format!(
            "action: DENY\n{}",
            from("{ source: { notRequestPrincipals: ['*'] } }")
        )),
        &[],
        &[SLEEP],
    );
}
