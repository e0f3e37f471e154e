//! Who a rule speaks of, and which of those a caller is.
//!
//! Every distinct source of a configuration gets a number. A caller's numbers
//! are found once per connection; a request then compares numbers, whatever
//! the count of principals in the configuration (design: one set per caller,
//! never one test per rule).

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use crate::principal::{Principal, check_trust_domain};

mod table;

pub use table::Caller;
pub(crate) use table::{SourceId, SourceTable};

/// A text compared whole or by its beginning.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NamePattern {
    /// Every name.
    Any,
    /// This name.
    Exact(Box<str>),
    /// Every name that begins so.
    Prefix(Box<str>),
    /// Every name that ends so.
    Suffix(Box<str>),
}

impl NamePattern {
    /// Reads `x`, `x*`, `*x` or `*`. A `*` elsewhere is a character that no
    /// name has.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match (text.strip_suffix('*'), text.strip_prefix('*')) {
            (Some(""), _) => Self::Any,
            (Some(prefix), _) => Self::Prefix(prefix.into()),
            (None, Some(suffix)) => Self::Suffix(suffix.into()),
            (None, None) => Self::Exact(text.into()),
        }
    }

    /// Whether a name matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => **exact == *name,
            Self::Prefix(prefix) => name.starts_with(&**prefix),
            Self::Suffix(suffix) => name.ends_with(&**suffix),
        }
    }
}

/// The spelling that [`NamePattern::parse`] reads.
impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(exact) => f.write_str(exact),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
            Self::Suffix(suffix) => write!(f, "*{suffix}"),
        }
    }
}

/// One entry of a `from:` list. Workloads are compared part by part, never as
/// a regular expression (CVE-2026-39350).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SourcePattern {
    /// Everybody, with or without a verified identity.
    Any,
    /// Callers without a verified identity.
    Anonymous,
    /// Callers with a verified identity whose three parts match.
    Workload {
        /// Matched against the trust domain.
        trust_domain: NamePattern,
        /// Matched against the namespace.
        namespace: NamePattern,
        /// Matched against the service account.
        service_account: NamePattern,
    },
    /// Callers whose verified identity, written
    /// `cluster.local/ns/default/sa/sleep`, matches as a whole (Istio:
    /// `principals`, whose wildcards know no parts).
    Name(NamePattern),
    /// Callers whose connection comes from this range.
    Address(IpNet),
}

/// Why a `from:` entry cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceError {
    text: String,
    /// The range that was meant, where IPv4 is written as IPv6.
    meant: Option<Ipv4Net>,
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(meant) = self.meant {
            return write!(
                f,
                "`{}` is IPv4 written as IPv6, and addresses are compared as what they are: \
                 write `ip:{meant}`",
                self.text
            );
        }
        write!(
            f,
            "`{}` names no source: write `sa:NAMESPACE/NAME`, `ns:NAMESPACE`, `td:TRUST-DOMAIN`, \
             `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/NAME`, `TRUST-DOMAIN/ns/NAMESPACE/sa/NAME`, \
             `name:PATTERN`, `ip:CIDR`, `any` or `anonymous`; a `*` ends a name, or begins one \
             behind `ns:`, `sa:` or `name:`",
            self.text
        )
    }
}

impl std::error::Error for SourceError {}

impl SourcePattern {
    /// Reads one `from:` entry. `sa:` and `ns:` speak of the mesh's own trust
    /// domain and its aliases (`local`), so one entry can give several patterns:
    /// a federated domain cannot take a local workload's rights by using its
    /// namespace and name.
    ///
    /// # Errors
    /// When the text has none of the spellings the error lists.
    pub fn parse(text: &str, local: &[Box<str>]) -> Result<Vec<Self>, SourceError> {
        let error = || SourceError {
            text: text.to_owned(),
            meant: text.strip_prefix("ip:").and_then(range_of).and_then(mapped),
        };
        let one = |source: Option<Self>| source.map(|s| vec![s]).ok_or_else(error);
        if let Some(name) = text.strip_prefix("name:") {
            return one(whole_name(name).map(Self::Name));
        }
        if let Some(account) = text.strip_prefix("sa:") {
            let (namespace, name) = account.split_once('/').ok_or_else(error)?;
            return local_workloads(namespace, name, local).ok_or_else(error);
        }
        if let Some(namespace) = text.strip_prefix("ns:") {
            return local_workloads(namespace, "*", local).ok_or_else(error);
        }
        if text.trim_end_matches('*').contains('*') || text.ends_with("**") {
            return Err(error());
        }
        match text {
            "any" | "*" => one(Some(Self::Any)),
            "anonymous" => one(Some(Self::Anonymous)),
            _ => one(if let Some(domain) = text.strip_prefix("td:") {
                whole_domain(domain)
            } else if let Some(range) = text.strip_prefix("ip:") {
                address(range)
            } else {
                workload(text.strip_prefix("spiffe://").unwrap_or(text))
            }),
        }
    }

    /// Whether only a verified identity can be meant.
    #[must_use]
    pub fn speaks_of_workloads(&self) -> bool {
        matches!(self, Self::Workload { .. } | Self::Name(_))
    }

    /// Whether the caller is one of those meant, decided plainly.
    #[must_use]
    pub fn matches(&self, principal: Option<&Principal>, address: IpAddr) -> bool {
        match (self, principal) {
            (Self::Any, _) => true,
            (Self::Anonymous, principal) => principal.is_none(),
            (Self::Address(range), _) => range.contains(&address),
            (Self::Workload { .. } | Self::Name(_), None) => false,
            (Self::Name(name), Some(p)) => name.matches(p.as_str()),
            (
                Self::Workload {
                    trust_domain,
                    namespace,
                    service_account,
                },
                Some(p),
            ) => {
                trust_domain.matches(p.trust_domain())
                    && namespace.matches(p.namespace())
                    && service_account.matches(p.service_account())
            }
        }
    }

    /// The one principal meant, when it is only one.
    fn exact_name(&self) -> Option<String> {
        match self {
            Self::Workload {
                trust_domain: NamePattern::Exact(domain),
                namespace: NamePattern::Exact(namespace),
                service_account: NamePattern::Exact(account),
            } => Some(format!("{domain}/ns/{namespace}/sa/{account}")),
            Self::Name(NamePattern::Exact(name)) => Some(name.to_string()),
            Self::Any
            | Self::Anonymous
            | Self::Workload { .. }
            | Self::Name(_)
            | Self::Address(_) => None,
        }
    }
}

fn plain(part: &str) -> bool {
    let name = part.strip_suffix('*').unwrap_or(part);
    (!name.is_empty() || part == "*") && has_name_characters(name)
}

fn has_name_characters(name: &str) -> bool {
    name.bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// As [`plain`], or `*` and the end of a name.
fn plain_or_ending(part: &str) -> bool {
    plain(part)
        || part
            .strip_prefix('*')
            .is_some_and(|ending| !ending.contains('*') && plain(ending))
}

/// A pattern over a whole name (Istio: `principals`): its characters, and a `*`
/// at one end.
fn whole_name(text: &str) -> Option<NamePattern> {
    let pattern = NamePattern::parse(text);
    let (NamePattern::Exact(part) | NamePattern::Prefix(part) | NamePattern::Suffix(part)) =
        &pattern
    else {
        return Some(pattern);
    };
    let mut segments = part.split('/');
    (!part.is_empty() && segments.all(has_name_characters)).then_some(pattern)
}

fn local_workloads(namespace: &str, name: &str, local: &[Box<str>]) -> Option<Vec<SourcePattern>> {
    (plain_or_ending(namespace) && plain_or_ending(name)).then(|| {
        local
            .iter()
            .map(|domain| SourcePattern::Workload {
                trust_domain: NamePattern::Exact(domain.clone()),
                namespace: NamePattern::parse(namespace),
                service_account: NamePattern::parse(name),
            })
            .collect()
    })
}

fn whole_domain(domain: &str) -> Option<SourcePattern> {
    check_trust_domain(domain).ok()?;
    Some(SourcePattern::Workload {
        trust_domain: NamePattern::Exact(domain.into()),
        namespace: NamePattern::Any,
        service_account: NamePattern::Any,
    })
}

fn address(range: &str) -> Option<SourcePattern> {
    let range = range_of(range)?;
    mapped(range)
        .is_none()
        .then_some(SourcePattern::Address(range))
}

fn range_of(text: &str) -> Option<IpNet> {
    match text.parse::<IpNet>() {
        Ok(range) => Some(range.trunc()),
        Err(_) => text.parse::<IpAddr>().ok().map(IpNet::from),
    }
}

/// The range of IPv4 that is written as IPv6. Callers' addresses are IPv4 then, so
/// that a refusal of such a range would refuse nobody.
fn mapped(range: IpNet) -> Option<Ipv4Net> {
    let IpNet::V6(range) = range else { return None };
    let length = range.prefix_len().checked_sub(96)?;
    Ipv4Net::new(range.addr().to_ipv4_mapped()?, length).ok()
}

/// `cluster.local/ns/default/sa/sleep`, or the beginning of one and a `*`.
fn workload(text: &str) -> Option<SourcePattern> {
    let mut parts = text.split('/');
    let trust_domain = parts.next()?;
    check_trust_domain(trust_domain).ok()?;
    let (namespace, account) = match [parts.next(), parts.next(), parts.next(), parts.next()] {
        [Some("*"), None, None, None] => ("*", "*"),
        [Some("ns"), Some(namespace), None, None] if namespace.ends_with('*') => (namespace, "*"),
        [Some("ns"), Some(namespace), Some("*"), None] => (namespace, "*"),
        [Some("ns"), Some(namespace), Some("sa"), Some(account)] => (namespace, account),
        _ => return None,
    };
    let wildcard_inside = namespace.ends_with('*') && account != "*";
    if parts.next().is_some() || wildcard_inside || !plain(namespace) || !plain(account) {
        return None;
    }
    Some(SourcePattern::Workload {
        trust_domain: NamePattern::Exact(trust_domain.into()),
        namespace: NamePattern::parse(namespace),
        service_account: NamePattern::parse(account),
    })
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
