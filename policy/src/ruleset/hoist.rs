//! What an expression says of host, caller and path, for the index.
//!
//! Ten thousand of Mixer's rules that each begin `request.host == …` would be
//! asked one by one if only their keys stood in the index. So a conjunct that
//! pins one of the three down is *also* a key; the whole expression is asked
//! still, of those the index leaves. What is hoisted must therefore follow from
//! the conjunct, and where rules refuse also from its being absent:
//!
//! - host and path of a request are never absent;
//! - a caller is absent without an identity, and every refusing key that speaks
//!   of workloads stands under `UNVERIFIED`, too;
//! - an index that refuses is asked for paths without regard to case, which
//!   finds no less.
//!
//! Of what stands below `||`, each term must pin the same thing down. Below an
//! inner `&&` nothing is looked for: there an absent term hides the others.

use std::borrow::Cow;

use crate::canonical::deny_text;
use crate::expr::{Affix, Attribute, Expr, Node, Relation, Value};
use crate::pattern::{HostPattern, PathPattern};
use crate::rule::Matcher;
use crate::source::{NamePattern, SourcePattern};

/// More entries than this of one matcher cost more in the index than they save.
const MAX_ENTRIES: usize = 4096;

/// The keys of a matcher that stand in the index, written or hoisted.
#[derive(Debug)]
pub(super) struct Keys<'m> {
    pub(super) from: Cow<'m, [SourcePattern]>,
    pub(super) hosts: Cow<'m, [HostPattern]>,
    pub(super) paths: Cow<'m, [PathPattern]>,
}

impl<'m> Keys<'m> {
    pub(super) fn of(matcher: &'m Matcher) -> Self {
        let expr = matcher.expr.as_deref();
        let mut keys = Self {
            from: Cow::Borrowed(&matcher.from),
            hosts: Cow::Borrowed(&matcher.hosts),
            paths: Cow::Borrowed(&matcher.paths),
        };
        let room = |keys: &Self, more: usize| keys.entries().saturating_mul(more) <= MAX_ENTRIES;
        if let Some(hosts) = hoisted(expr, &keys.hosts, host).filter(|all| room(&keys, all.len())) {
            keys.hosts = Cow::Owned(hosts);
        }
        if let Some(from) = hoisted(expr, &keys.from, source).filter(|all| room(&keys, all.len())) {
            keys.from = Cow::Owned(from);
        }
        if let Some(paths) = hoisted(expr, &keys.paths, path).filter(|all| room(&keys, all.len())) {
            keys.paths = Cow::Owned(paths);
        }
        keys
    }

    /// How many entries of the index the keys come to.
    fn entries(&self) -> usize {
        let sizes = [self.from.len(), self.hosts.len(), self.paths.len()];
        sizes
            .iter()
            .fold(1, |all: usize, n| all.saturating_mul((*n).max(1)))
    }
}

/// The hosts outside of which an expression does not hold; empty: any.
pub(crate) fn hosts(expr: &Expr) -> Vec<HostPattern> {
    hoisted(Some(expr), &[], host).unwrap_or_default()
}

/// The hosts outside of which a matcher does not hold; empty: any.
pub(crate) fn hosts_of(matcher: &Matcher) -> Vec<HostPattern> {
    Keys::of(matcher).hosts.into_owned()
}

/// What a comparison with a constant pins an attribute down to.
#[derive(Clone, Copy)]
enum Pin<'e> {
    Exact(&'e str),
    Prefix(&'e str),
    Suffix(&'e str),
}

/// What the first conjunct that pins it down says of a key that is not written.
fn hoisted<T: Clone>(
    expr: Option<&Expr>,
    written: &[T],
    pattern: fn(Attribute, Pin<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let expr = expr.filter(|_| written.is_empty())?;
    let mut conjuncts = expr.conjuncts().iter();
    conjuncts.find_map(|term| alternatives(term, pattern))
}

/// The patterns one of which matches whenever the term holds.
fn alternatives<T>(term: &Node, pattern: fn(Attribute, Pin<'_>) -> Option<T>) -> Option<Vec<T>> {
    if let Node::Or(_, terms) = term {
        let terms = terms.iter().map(|term| alternatives(term, pattern));
        let all: Option<Vec<Vec<T>>> = terms.collect();
        return all.map(|all| all.into_iter().flatten().collect());
    }
    let (of, pins) = comparison(term)?;
    let attribute = pinned(of, &pins)?;
    let patterns = pins.into_iter().map(|pin| pattern(attribute, pin));
    patterns.collect()
}

/// What is compared, and the constants it must meet one of.
fn comparison(term: &Node) -> Option<(&Node, Vec<Pin<'_>>)> {
    Some(match term {
        Node::Compare(Relation::Equal, of, constant) => {
            (of, vec![Pin::Exact(constant.literal_text()?)])
        }
        Node::Affix(Affix::Prefix, of, constant) => {
            (of, vec![Pin::Prefix(constant.literal_text()?)])
        }
        Node::Affix(Affix::Suffix, of, constant) => {
            (of, vec![Pin::Suffix(constant.literal_text()?)])
        }
        Node::OneOf(of, values) => {
            let pins: Option<Vec<_>> = values.iter().map(exact).collect();
            (of, pins?)
        }
        _ => return None,
    })
}

fn exact<'e>(value: &'e Value<'static>) -> Option<Pin<'e>> {
    match value {
        Value::String(text) => Some(Pin::Exact(text)),
        _ => None,
    }
}

/// The attribute that is compared, seen through a default that meets none of
/// the pins: whoever falls back on it does not match.
fn pinned(of: &Node, pins: &[Pin<'_>]) -> Option<Attribute> {
    match of {
        Node::Attribute(attribute) => Some(*attribute),
        Node::Default(first, other) => {
            let default = other.literal_text()?;
            let meets = pins.iter().any(|pin| pin.holds(default));
            pinned(first, pins).filter(|_| !meets)
        }
        _ => None,
    }
}

impl Pin<'_> {
    fn holds(self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => text == exact,
            Self::Prefix(begin) => text.starts_with(begin),
            Self::Suffix(end) => text.ends_with(end),
        }
    }
}

fn host(attribute: Attribute, pin: Pin<'_>) -> Option<HostPattern> {
    let is_host = matches!(
        attribute,
        Attribute::RequestHost | Attribute::DestinationService | Attribute::DestinationServiceHost
    );
    match pin {
        _ if !is_host => None,
        Pin::Exact(host) => Some(HostPattern::Exact(host.into())),
        // No canonical host begins with a dot.
        Pin::Suffix(end) => match end.strip_prefix('.') {
            Some("") => None,
            Some(parent) => Some(HostPattern::Subdomains(parent.into())),
            None if end.is_empty() => None,
            None => Some(HostPattern::Suffix(end.into())),
        },
        Pin::Prefix(_) => None,
    }
}

fn source(attribute: Attribute, pin: Pin<'_>) -> Option<SourcePattern> {
    let name = match pin {
        Pin::Exact(name) => NamePattern::Exact(name.into()),
        Pin::Prefix(begin) => NamePattern::Prefix(begin.into()),
        Pin::Suffix(end) => NamePattern::Suffix(end.into()),
    };
    let workload = |namespace, service_account| SourcePattern::Workload {
        trust_domain: NamePattern::Any,
        namespace,
        service_account,
    };
    match attribute {
        Attribute::SourcePrincipal | Attribute::SourceUser => Some(SourcePattern::Name(name)),
        Attribute::SourceNamespace => Some(workload(name, NamePattern::Any)),
        Attribute::SourceServiceAccount => Some(workload(NamePattern::Any, name)),
        _ => None,
    }
}

/// A canonical path holds no `?`, so what a target without one begins with, its
/// path begins with. Where rules refuse, the target may be a view with the query
/// behind it: a text that is `/a?b` for views must not be looked for in paths.
fn path(attribute: Attribute, pin: Pin<'_>) -> Option<PathPattern> {
    match (attribute, pin) {
        (
            Attribute::RequestPath | Attribute::RequestUrlPath,
            Pin::Exact(text) | Pin::Prefix(text),
        ) if text.is_empty() || deny_text(text).contains('?') => None,
        (Attribute::RequestPath | Attribute::RequestUrlPath, Pin::Exact(text)) => {
            Some(PathPattern::Exact(text.into()))
        }
        (Attribute::RequestPath | Attribute::RequestUrlPath, Pin::Prefix(text)) => {
            Some(PathPattern::Prefix(text.into()))
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "hoist_tests.rs"]
mod tests;
