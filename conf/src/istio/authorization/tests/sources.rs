//! Every field of a source, in every form of text, toward permission and toward
//! refusal.

use super::*;

/// Callers that are verified: for them both directions agree.
#[test]
fn fields_of_a_source() {
    let sleep = "sa:default/sleep GET http://a.example/";
    let other = "sa:default/other GET http://a.example/";
    let far = "far.example/ns/default/sa/sleep GET http://a.example/";
    let old = "old.example/ns/default/sa/sleep GET http://a.example/";
    let shop = "sa:shop/sleep GET http://a.example/";
    let from = |source: &str| format!("[{{ from: [{{ source: {{ {source} }} }}] }}]");
    for (source, matching, others) in [
        (
            "principals: [cluster.local/ns/default/sa/sleep]",
            &[sleep, old][..],
            &[other, far, shop][..],
        ),
        (
            "principals: [old.example/ns/default/sa/sleep]",
            &[sleep, old],
            &[other, far, shop],
        ),
        (
            "principals: [far.example/ns/default/sa/sleep]",
            &[far],
            &[sleep, old, other, shop],
        ),
        (
            "principals: [far.example/*, cluster.local/ns/shop/*]",
            &[far, shop],
            &[sleep, other],
        ),
        (
            "principals: ['*/ns/default/sa/sleep']",
            &[sleep, far, old],
            &[other, shop],
        ),
        ("principals: ['*']", &[sleep, far, old, other, shop], &[]),
        (
            "notPrincipals: [cluster.local/ns/default/sa/sleep]",
            &[other, far, shop],
            &[sleep, old],
        ),
        ("namespaces: [default]", &[sleep, other, far, old], &[shop]),
        ("namespaces: [def*]", &[sleep, far], &[shop]),
        ("namespaces: ['*op']", &[shop], &[sleep, far]),
        ("namespaces: ['d*lt', 's*p']", &[sleep, far, shop], &[]),
        ("namespaces: ['d*x', 's*p']", &[shop], &[sleep, far]),
        ("namespaces: ['*']", &[sleep, shop], &[]),
        ("notNamespaces: [default]", &[shop], &[sleep, far]),
        ("notNamespaces: ['d*t']", &[shop], &[sleep, far]),
        ("not_namespaces: [default]", &[shop], &[sleep]),
        (
            "serviceAccounts: [default/sleep]",
            &[sleep, far, old],
            &[other, shop],
        ),
        (
            "serviceAccounts: [sleep]",
            &["sa:istio-system/sleep GET http://a.example/"],
            &[sleep, shop],
        ),
        (
            "notServiceAccounts: [default/sleep, shop/sleep]",
            &[other],
            &[sleep, shop],
        ),
        ("trustDomains: [far.example]", &[far], &[sleep, shop, old]),
        ("trustDomains: [cluster.local]", &[sleep, old], &[far]),
        ("trustDomains: [old.example]", &[sleep, old], &[far]),
        ("notTrustDomains: [old.example]", &[far], &[sleep, old]),
        ("notTrustDomains: [far.example]", &[sleep], &[far]),
    ] {
        matches_both_ways(&from(source), matching, others);
    }
}

/// A refusal of a name of the mesh's own domain is one of the domain.
#[test]
fn a_pattern_of_trust_domains_permits_what_it_fits_and_refuses_the_domain() {
    let sleep = "sa:default/sleep GET http://a.example/";
    let far = "far.example/ns/default/sa/sleep GET http://a.example/";
    let old = "old.example/ns/default/sa/sleep GET http://a.example/";
    for (domains, permitted, refused, others) in [
        ("'clu*'", &[sleep][..], &[sleep, old][..], &[far][..]),
        ("'*.example'", &[far, old], &[far, old, sleep], &[]),
        ("'far*'", &[far], &[far], &[sleep, old]),
    ] {
        let rules =
            format!("rules: [{{ when: [{{ key: source.trustDomain, values: [{domains}] }}] }}]");
        decides(
            &policy(&format!("action: ALLOW\n{rules}")),
            permitted,
            others,
        );
        decides(&policy(&format!("action: DENY\n{rules}")), others, refused);
    }
}

/// Istio's pointer to the mesh's own domain never means a partner's.
#[test]
fn cluster_local_is_the_meshs_own_domain_alone() {
    const TRUST: &str = "version: 1
listeners: [{ bind: '[::]:8443', port: 443 }]
trust: [{ domain: corp.example }, { domain: cluster.local, roots: r.pem }]
defaults: { policy: allow }
";
    let own = "corp.example/ns/default/sa/sleep GET http://a.example/";
    let partner = "cluster.local/ns/default/sa/sleep GET http://a.example/";
    for source in [
        "principals: [cluster.local/ns/default/sa/sleep]",
        "trustDomains: [cluster.local]",
    ] {
        let rules = format!("rules: [{{ from: [{{ source: {{ {source} }} }}] }}]");
        let files = [
            SourceFile::new("gateway.yaml", TRUST),
            SourceFile::new("policies.yaml", policy(&rules)),
        ];
        let snapshot = compile(&files, &Environment::default()).unwrap();
        assert!(goes(&snapshot, own), "{source}");
        assert!(!goes(&snapshot, partner), "{source}");
    }
}

#[test]
fn addresses_are_the_peers() {
    let at = |address: &str| format!("sa:default/sleep GET http://a.example/ @{address}");
    let (inside, other, six) = (at("10.1.2.3"), at("10.2.0.1"), at("2001:db8::1"));
    let forged = "sa:default/sleep GET http://a.example/ @10.2.0.1 | x-forwarded-for: 10.1.2.3";
    let from = |source: &str| format!("[{{ from: [{{ source: {{ {source} }} }}] }}]");
    for (source, matching, others) in [
        (
            "ipBlocks: [10.1.0.0/16]",
            &[&*inside][..],
            &[&*other, &six, forged][..],
        ),
        ("ipBlocks: [10.1.9.9/16]", &[&*inside], &[&*other, &six]),
        (
            "ipBlocks: [10.2.0.1, '2001:db8::/32']",
            &[&*other, &six],
            &[&*inside],
        ),
        ("notIpBlocks: [10.1.0.0/16]", &[&*other, &six], &[&*inside]),
        (
            "remoteIpBlocks: [10.1.0.0/16]",
            &[&*inside],
            &[&*other, forged],
        ),
        (
            "notRemoteIpBlocks: [10.1.0.0/16]",
            &[&*other, forged],
            &[&*inside],
        ),
    ] {
        matches_both_ways(&from(source), matching, others);
    }
}

/// All fields of a source must hold, though the index knows one list of callers.
#[test]
fn fields_of_one_source_hold_together() {
    let at = |who: &str, address: &str| format!("{who} GET http://a.example/ @{address}");
    let both = at("sa:default/sleep", "10.1.0.1");
    let elsewhere = at("sa:default/sleep", "10.2.0.1");
    let another = at("sa:shop/sleep", "10.1.0.1");
    let from = |source: &str| format!("[{{ from: [{{ source: {{ {source} }} }}] }}]");
    for source in [
        "principals: [cluster.local/ns/default/sa/sleep], ipBlocks: [10.1.0.0/16]",
        "namespaces: [default], ipBlocks: [10.1.0.0/16, 10.3.0.0/16]",
        "namespaces: [default, other], ipBlocks: [10.1.0.0/16]",
        "namespaces: ['d*t'], ipBlocks: [10.1.0.0/16]",
        "principals: ['*'], namespaces: [default], trustDomains: [cluster.local], ipBlocks: [10.1.0.0/16]",
        "serviceAccounts: [default/sleep], trustDomains: ['*.local'], ipBlocks: [10.1.0.0/16]",
        "namespaces: [default], notIpBlocks: [10.2.0.0/16]",
    ] {
        matches_both_ways(&from(source), &[&both], &[&elsewhere, &another]);
    }
}

/// Nobody can say of an anonymous caller that he is not the one meant.
#[test]
fn anonymous_callers_fall_to_the_closed_side() {
    let anonymous = "anonymous GET http://a.example/ @10.1.0.1";
    for source in [
        "principals: [cluster.local/ns/default/sa/sleep]",
        "principals: ['*']",
        "namespaces: [default]",
        "namespaces: ['d*t']",
        "serviceAccounts: [default/sleep]",
        "trustDomains: [far.example]",
        "notPrincipals: [cluster.local/ns/default/sa/sleep]",
        "notPrincipals: ['*']",
        "notNamespaces: [default]",
        "notNamespaces: ['d*t']",
        "notServiceAccounts: [default/sleep]",
        "notTrustDomains: [far.example]",
        "principals: [cluster.local/ns/default/sa/sleep], ipBlocks: [10.1.0.0/16]",
        "principals: ['*'], ipBlocks: [10.1.0.0/16, 10.2.0.0/16]",
        "namespaces: [default], trustDomains: [cluster.local]",
    ] {
        let rules = format!("rules: [{{ from: [{{ source: {{ {source} }} }}] }}]");
        decides(
            &policy(&format!("action: ALLOW\n{rules}")),
            &[],
            &[anonymous],
        );
        decides(
            &policy(&format!("action: DENY\n{rules}")),
            &[],
            &[anonymous],
        );
    }
    // An address is known of everybody.
    let rules =
        "rules: [{ from: [{ source: { namespaces: [default], ipBlocks: [10.2.0.0/16] } }] }]";
    decides(
        &policy(&format!("action: DENY\n{rules}")),
        &[anonymous],
        &[],
    );
}

#[test]
fn two_long_lists_of_one_source_hold_together() {
    let namespaces: Vec<String> = (0..300).map(|n| format!("namespace-{n}")).collect();
    let ranges: Vec<String> = (0..300)
        .map(|n| format!("10.{}.{}.0/24", n / 250, n % 250))
        .collect();
    let rules = format!(
        "[{{ from: [{{ source: {{ namespaces: [{}], ipBlocks: [{}] }} }}] }}]",
        namespaces.join(", "),
        ranges.join(", ")
    );
    matches_both_ways(
        &rules,
        &[
            "sa:namespace-299/a GET http://a.example/ @10.1.49.7",
            "sa:namespace-0/a GET http://a.example/ @10.0.0.7",
        ],
        &[
            "sa:namespace-300/a GET http://a.example/ @10.1.49.7",
            "sa:namespace-0/a GET http://a.example/ @10.2.0.1",
        ],
    );
}
