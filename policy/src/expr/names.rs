//! Texts with an equality of their own: DNS names, e-mail addresses, URIs.
//!
//! Each is brought into the one form in which equal things are equal texts
//! (Mixer's `dnsName`, `email`, `uri`). A text already in that form is borrowed.

use std::borrow::Cow;

/// The name in lower case as A-labels, without a final dot.
pub(super) fn dns_name(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let name = text.strip_suffix('.').unwrap_or(&text);
    if name.len() == text.len() && is_canonical(name) {
        return Some(text);
    }
    let ascii = idna::domain_to_ascii(name).ok()?;
    is_canonical(&ascii).then_some(Cow::Owned(ascii))
}

fn is_canonical(name: &str) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_';
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(plain);
    name.len() <= 253 && name.split('.').all(label)
}

/// The address with its domain as a DNS name; the local part has case.
pub(super) fn email(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let (local, domain) = text.rsplit_once('@')?;
    let odd = |c: char| c.is_whitespace() || c.is_control() || "<>@,;:".contains(c);
    if local.is_empty() || local.contains(odd) {
        return None;
    }
    match dns_name(Cow::Borrowed(domain))? {
        same if same == domain => Some(text),
        canonical => Some(Cow::Owned(format!("{local}@{canonical}"))),
    }
}

/// The URI with its scheme in lower case and, for HTTP, its host as a DNS name.
pub(super) fn uri(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    if text.is_empty() || text.contains(|c: char| c.is_control() || c == ' ') {
        return None;
    }
    let Some((scheme, rest)) = text.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
        return Some(text);
    };
    let scheme = scheme.to_ascii_lowercase();
    let rest = match (scheme.as_str(), rest.strip_prefix("//")) {
        ("http" | "https", Some(location)) => format!("//{}", http_location(location)?),
        _ => rest.to_owned(),
    };
    Some(Cow::Owned(format!("{scheme}:{rest}")))
}

fn is_scheme(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|c| c.is_ascii_alphabetic())
        && bytes.all(|c| c.is_ascii_alphanumeric() || b"+-.".contains(&c))
}

fn http_location(location: &str) -> Option<String> {
    let end = location.find(['/', '?', '#']).unwrap_or(location.len());
    let (authority, path) = location.split_at_checked(end)?;
    let host_start = authority.rfind('@').map_or(0, |at| at + 1);
    let (user, host) = authority.split_at_checked(host_start)?;
    if host.starts_with('[') {
        return Some(format!("{user}{}{path}", host.to_ascii_lowercase()));
    }
    let (name, port) = host.split_at_checked(host.find(':').unwrap_or(host.len()))?;
    let name = dns_name(Cow::Borrowed(name))?;
    Some(format!("{user}{name}{port}{path}"))
}
