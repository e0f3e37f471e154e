//! Whom sources mean, and what cannot name one.

use super::*;

fn local() -> Vec<Box<str>> {
    vec!["cluster.local".into(), "old.local".into()]
}

fn matches(text: &str, principal: Option<&str>) -> bool {
    let principal = principal.map(|p| Principal::from_name(p).unwrap());
    SourcePattern::parse(text, &local())
        .unwrap()
        .iter()
        .any(|s| s.matches(principal.as_ref(), "10.1.2.3".parse().unwrap()))
}

#[test]
fn a_service_account_means_the_local_trust_domains_only() {
    assert!(matches(
        "sa:default/sleep",
        Some("cluster.local/ns/default/sa/sleep")
    ));
    assert!(matches(
        "sa:default/sleep",
        Some("old.local/ns/default/sa/sleep")
    ));
    assert!(!matches(
        "sa:default/sleep",
        Some("partner.example/ns/default/sa/sleep")
    ));
    assert!(!matches(
        "sa:default/sleep",
        Some("cluster.local/ns/default/sa/sleeper")
    ));
    assert!(!matches("sa:default/sleep", None));
}

#[test]
fn a_final_star_is_a_prefix_of_the_part_it_stands_in() {
    let fin = Some("cluster.local/ns/finance/sa/batch");
    for text in [
        "sa:finance/*",
        "sa:finance/ba*",
        "ns:fin*",
        "td:cluster.local",
        "spiffe://cluster.local/*",
        "cluster.local/ns/fin*",
        "cluster.local/ns/finance/*",
        "cluster.local/ns/finance/sa/b*",
        "any",
    ] {
        assert!(matches(text, fin), "{text}");
    }
    assert!(!matches("ns:fin", fin));
}

#[test]
fn a_star_may_begin_a_name_where_it_says_so() {
    let shop = Some("cluster.local/ns/shop-prod/sa/cart-bot");
    for text in [
        "ns:*-prod",
        "sa:*-prod/cart-bot",
        "sa:shop-prod/*-bot",
        "sa:shop*/*bot",
    ] {
        assert!(matches(text, shop), "{text}");
    }
    for text in ["ns:*-dev", "sa:*-prod/cart", "sa:shop/*-bot"] {
        assert!(!matches(text, shop), "{text}");
    }
    assert!(!matches(
        "ns:*-prod",
        Some("partner.example/ns/x-prod/sa/y")
    ));
}

#[test]
fn a_whole_name_is_compared_without_regard_to_its_parts() {
    let shop = Some("partner.example/ns/shop-prod/sa/cart");
    for text in [
        "name:partner.example/ns/shop-prod/sa/cart",
        "name:partner.example/ns/*",
        "name:part*",
        "name:*/sa/cart",
        "name:*cart",
        "name:*",
    ] {
        assert!(matches(text, shop), "{text}");
        assert!(!matches(text, None), "{text}");
    }
    assert!(!matches("name:cart", shop) && !matches("name:*/sa/car", shop));
}

#[test]
fn a_pattern_is_spelled_as_it_is_read() {
    for text in ["*", "a", "a*", "*a"] {
        assert_eq!(NamePattern::parse(text).to_string(), text);
    }
}

#[test]
fn refuses_what_it_cannot_compare_part_by_part() {
    for text in [
        "",
        "sleep",
        "sa:sleep",
        "sa:/x",
        "sa:a/b/c",
        "sa:d*t/sleep",
        "ns:",
        "ns:a/b",
        "cluster.local/ns/a",
        "cluster.local/ns/a*/sa/b",
        "cluster.local/sa/b",
        "ip:10.0.0.0/99",
        "spiffe://Cluster.Local/ns/a/sa/b",
        "**",
        "td:*",
        "ns:*a*",
        "ns:**",
        "sa:a*b/c",
        "name:",
        "name:*a*",
        "name:a b",
        "cluster.local/ns/*-prod/sa/x",
    ] {
        assert!(SourcePattern::parse(text, &local()).is_err(), "{text}");
    }
}

#[test]
fn an_address_range_needs_no_identity() {
    assert!(matches("ip:10.0.0.0/8", None));
    assert!(matches("ip:10.1.2.3", None));
    assert!(!matches("ip:10.9.0.0/16", None));
    assert!(matches("anonymous", None));
    assert!(!matches("anonymous", Some("cluster.local/ns/a/sa/b")));
}

#[test]
fn a_caller_carries_the_numbers_of_every_source_he_is() {
    let mut table = SourceTable::default();
    let number = |table: &mut SourceTable, text: &str| {
        let sources = SourcePattern::parse(text, &["cluster.local".into()]).unwrap();
        table.number(&sources[0])
    };
    let sleep = number(&mut table, "sa:default/sleep");
    let namespace = number(&mut table, "ns:default");
    let other = number(&mut table, "sa:default/other");
    assert_eq!(
        sleep,
        number(&mut table, "cluster.local/ns/default/sa/sleep")
    );
    let p = Principal::from_name("cluster.local/ns/default/sa/sleep").unwrap();
    let caller = table.caller(Some(p), "::1".parse().unwrap());
    assert!(caller.sources().contains(&sleep) && caller.sources().contains(&namespace));
    assert!(!caller.sources().contains(&other));
    assert!(!caller.sources().contains(&SourceId::UNVERIFIED));
}

#[test]
fn a_caller_knows_the_crowds_it_is_in() {
    let mut table = SourceTable::default();
    let number = |table: &mut SourceTable, text: &str| {
        let sources = SourcePattern::parse(text, &["cluster.local".into()]).unwrap();
        table.number(&sources[0])
    };
    let sleep = number(&mut table, "sa:default/sleep");
    let other = number(&mut table, "sa:default/other");
    let namespace = number(&mut table, "ns:default");
    let both = table.crowd([sleep, other].into());
    let spaces = table.crowd([namespace].into());
    let others = table.crowd([other].into());
    assert_eq!(table.crowd([sleep, other].into()), both);
    let all = [sleep, other, namespace, both, spaces, others];
    let distinct: std::collections::HashSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
    let p = Principal::from_name("cluster.local/ns/default/sa/sleep").unwrap();
    let caller = table.caller(Some(p), "::1".parse().unwrap());
    let is = |id| caller.sources().binary_search(&id).is_ok();
    assert!(is(sleep) && is(namespace) && is(both) && is(spaces));
    assert!(!is(other) && !is(others));
}

/// Of which no caller is: a denial of it would be nobody's.
#[test]
fn ipv4_written_as_ipv6_is_refused() {
    for (text, meant) in [
        ("ip:::ffff:10.0.0.0/104", "ip:10.0.0.0/8"),
        ("ip:::ffff:192.0.2.1", "ip:192.0.2.1/32"),
    ] {
        let error = SourcePattern::parse(text, &[]).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "`{text}` is IPv4 written as IPv6, and addresses are compared as what they are: write `{meant}`"
            )
        );
    }
}

#[test]
fn an_ipv4_peer_is_known_as_one_on_a_socket_for_both_families() {
    let mut table = SourceTable::default();
    let [range] = SourcePattern::parse("ip:10.0.0.0/8", &[])
        .unwrap()
        .try_into()
        .unwrap();
    let number = table.number(&range);
    for address in ["10.1.2.3", "::ffff:10.1.2.3"] {
        let caller = table.caller(None, address.parse().unwrap());
        assert!(caller.sources().contains(&number), "{address}");
    }
}
