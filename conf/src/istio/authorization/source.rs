//! `from.source`: who calls.

use ipnet::IpNet;
use std::net::IpAddr;

use policy::Toward;
use policy::origin::Origin;
use policy::principal::{Principal, check_trust_domain};
use policy::source::{NamePattern, SourcePattern};

use super::clause::{Clause, Way};
use super::expression;
use super::written::{Context, Written, field, has_inner_star, pattern, tokens};
use crate::fields::Fields;

/// Where Istio keeps this name, it means the mesh's own trust domain, whatever
/// that is called: never another domain that has this name.
const CLUSTER_LOCAL: &str = "cluster.local";

/// Reads one `source`.
pub(super) fn source<'a>(fields: &Fields<'a>, context: &Context<'a>) -> Clause {
    let mut clause = Clause::default();
    refuse_mixture(fields);
    let mut read = |keys, ways: fn(&[Written<'a>], &Context<'a>) -> Vec<Way>| {
        field(fields, keys, context, &mut clause, ways);
    };
    read(["principals", "notPrincipals"], principals);
    read(["serviceAccounts", "notServiceAccounts"], service_accounts);
    read(["namespaces", "notNamespaces"], namespaces);
    read(["trustDomains", "notTrustDomains"], trust_domains);
    read(["ipBlocks", "notIpBlocks"], addresses);
    read(["remoteIpBlocks", "notRemoteIpBlocks"], addresses);
    for key in ["remoteIpBlocks", "notRemoteIpBlocks"] {
        if let Some(entry) = fields.entry(key) {
            note_peer(key, &entry.origin, context);
        }
    }
    let keys = ["requestPrincipals", "notRequestPrincipals"];
    tokens(fields, keys, "a request principal", context, &mut clause);
    if fields.is_empty() {
        let message = "an empty `source`: write whom you mean, or delete `from` for everybody";
        fields.report.error(fields.origin(), message);
    }
    clause
}

/// Says what address is meant where others would believe a header.
pub(super) fn note_peer(key: &str, origin: &Origin, context: &Context<'_>) {
    let message =
        format!("`{key}` is the address of the peer here: `X-Forwarded-For` is what callers claim");
    context.report().note(origin, message);
}

/// Istio refuses them together: the one would make the other meaningless.
fn refuse_mixture(fields: &Fields<'_>) {
    for (accounts, others) in [
        ("serviceAccounts", ["principals", "namespaces"]),
        ("notServiceAccounts", ["notPrincipals", "notNamespaces"]),
    ] {
        let mixed = others.into_iter().find(|other| fields.has(other));
        if let (Some(other), Some(entry)) = (mixed, fields.entry(accounts)) {
            let message =
                format!("`{accounts}` does not stand beside `{other}`: write one of them");
            fields.report.error(&entry.origin, message);
        }
    }
}

/// Principals as a whole, in all names of the mesh's own trust domain.
pub(super) fn principals(values: &[Written<'_>], context: &Context<'_>) -> Vec<Way> {
    let each = values
        .iter()
        .flat_map(|written| principal(*written, context));
    sources(each)
}

fn principal(written: Written<'_>, context: &Context<'_>) -> Vec<SourcePattern> {
    let report = context.report();
    let text = written.text;
    if let Some(name) = text.strip_prefix("spiffe://") {
        let message = format!("a principal has no scheme: write `{name}`");
        report.error(&written.node.origin, message);
        return Vec::new();
    }
    let Some(pattern) = pattern(written, report) else {
        return Vec::new();
    };
    if matches!(pattern, NamePattern::Exact(_)) && Principal::from_name(text).is_err() {
        let message =
            format!("`{text}` is nobody's name: write such as `cluster.local/ns/default/sa/sleep`");
        report.warning(&written.node.origin, message);
    }
    let names = aliases(text, context.local());
    names
        .iter()
        .map(|name| SourcePattern::Name(NamePattern::parse(name)))
        .collect()
}

/// A principal under every name of the mesh's own trust domain, if it is of
/// that one (Istio: trust domain aliases).
fn aliases(text: &str, local: &[Box<str>]) -> Vec<String> {
    match text.split_once('/') {
        Some((domain, rest)) if is_own(domain, local) => {
            local.iter().map(|own| format!("{own}/{rest}")).collect()
        }
        _ => vec![text.to_owned()],
    }
}

/// Whether a trust domain is the mesh's own, under whatever name.
fn is_own(domain: &str, local: &[Box<str>]) -> bool {
    domain == CLUSTER_LOCAL || local.iter().any(|own| **own == *domain)
}

/// Namespaces of any trust domain, as Istio matches `/ns/NAME/` anywhere. A
/// `*` may stand anywhere.
pub(super) fn namespaces(values: &[Written<'_>], context: &Context<'_>) -> Vec<Way> {
    let mut ways = Vec::new();
    let mut plain = Vec::new();
    for written in values {
        if !is_name(written, context, "namespace") {
            continue;
        }
        match has_inner_star(written.text) {
            true => ways.push(Way::condition(expression::matches_stars(
                "source.namespace",
                written.text,
            ))),
            false => plain.push(workload(
                NamePattern::Any,
                NamePattern::parse(written.text),
                NamePattern::Any,
            )),
        }
    }
    ways.extend(sources(plain));
    ways
}

/// `NAMESPACE/NAME`, or `NAME` in the policy's own namespace.
pub(super) fn service_accounts(values: &[Written<'_>], context: &Context<'_>) -> Vec<Way> {
    let account = |written: &Written<'_>| {
        let both = written.text.split_once('/');
        let (namespace, name) = both.unwrap_or((context.namespace, written.text));
        let plain = |part: &str| !part.is_empty() && !part.contains(['/', '*']);
        if !plain(namespace) || !plain(name) {
            let message = format!(
                "`{}` is no service account: write `NAMESPACE/NAME` or `NAME`, without wildcards",
                written.text
            );
            context.report().error(&written.node.origin, message);
            return None;
        }
        let exact = |part: &str| NamePattern::Exact(part.into());
        Some(workload(NamePattern::Any, exact(namespace), exact(name)))
    };
    sources(values.iter().filter_map(account))
}

/// Trust domains; the mesh's own in all its names. A pattern means that one as
/// soon as it fits one of the names, if it refuses.
pub(super) fn trust_domains(values: &[Written<'_>], context: &Context<'_>) -> Vec<Way> {
    let local = context.local();
    let domain = |written: &Written<'_>| {
        let Some(pattern) = pattern(*written, context.report()) else {
            return Vec::new();
        };
        let text = written.text.trim_matches('*');
        if !text.is_empty() && check_trust_domain(text).is_err() {
            let message = format!(
                "`{}` is no trust domain: write such as `cluster.local`, in lower case",
                written.text
            );
            context.report().error(&written.node.origin, message);
            return Vec::new();
        }
        let own = || local.iter().cloned().map(NamePattern::Exact);
        match &pattern {
            NamePattern::Any => vec![pattern],
            NamePattern::Exact(domain) if is_own(domain, local) => own().collect(),
            _ if context.toward == Toward::Refuse
                && local.iter().any(|own| pattern.matches(own)) =>
            {
                std::iter::once(pattern).chain(own()).collect()
            }
            _ => vec![pattern],
        }
    };
    let domains = values.iter().flat_map(domain);
    sources(domains.map(|domain| workload(domain, NamePattern::Any, NamePattern::Any)))
}

/// Ranges of the peer's address.
pub(super) fn addresses(values: &[Written<'_>], context: &Context<'_>) -> Vec<Way> {
    let address = |written: &Written<'_>| {
        let range = range(written.text);
        if range.is_none() {
            let message = format!(
                "`{}` is no range of addresses: write such as `10.0.0.0/8` or `192.0.2.1`",
                written.text
            );
            context.report().error(&written.node.origin, message);
        }
        range.map(SourcePattern::Address)
    };
    sources(values.iter().filter_map(address))
}

/// IPv4 written as IPv6 is refused: addresses are compared as what they are,
/// and a refusal of such a range would refuse nobody.
fn range(text: &str) -> Option<IpNet> {
    let range = match text.parse::<IpNet>() {
        Ok(range) => range.trunc(),
        Err(_) => text.parse::<IpAddr>().ok()?.into(),
    };
    let mapped = matches!(range, IpNet::V6(range) if range.addr().to_ipv4_mapped().is_some());
    (!mapped).then_some(range)
}

fn workload(
    trust_domain: NamePattern,
    namespace: NamePattern,
    service_account: NamePattern,
) -> SourcePattern {
    SourcePattern::Workload {
        trust_domain,
        namespace,
        service_account,
    }
}

/// One way: to be one of them.
fn sources(sources: impl IntoIterator<Item = SourcePattern>) -> Vec<Way> {
    let sources: Vec<SourcePattern> = sources.into_iter().collect();
    match sources.is_empty() {
        true => Vec::new(),
        false => vec![Way::from(sources)],
    }
}

/// Whether a text, stars aside, is a name as Kubernetes gives them.
fn is_name(written: &Written<'_>, context: &Context<'_>, what: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'*');
    let fine = written.text.bytes().all(allowed);
    if !fine {
        let message = format!("`{}` is no {what}: write such as `default`", written.text);
        context.report().error(&written.node.origin, message);
    }
    fine
}
