//! Where a list is looked up. Most lists are of something that rules are
//! indexed by, so that an entry more costs nothing; what is left is asked for
//! in the expression itself.

use std::sync::Arc;

use ipnet::IpNet;

use policy::canonical::MethodSet;
use policy::expr::{Attribute, Expr, Members, Node as Tree, Pattern};
use policy::pattern::{HostPattern, PathPattern};
use policy::rule::Matcher;
use policy::source::{NamePattern, SourcePattern};

use super::listchecker::{EntryType, ListChecker};
use crate::fields::parsed;
use crate::istio::scope::Scope;
use crate::native::canonical_path::{Part, check};

/// A matcher that holds when the value is on the list.
pub(super) fn matcher(list: &ListChecker<'_>, value: &Expr, scope: &Scope<'_>) -> Option<Matcher> {
    if list.entries.is_empty() {
        return Some(nothing());
    }
    let Some((attribute, default)) = looked_up(value.node()) else {
        return plain(list, value, scope);
    };
    match (attribute, list.entry_type) {
        (Attribute::RequestPath, _) if is_of_paths(list) => {
            let targets = paths(list, Part::Target, scope)?;
            Some(Matcher { targets, ..Matcher::default() })
        }
        (Attribute::RequestUrlPath, _) if is_of_paths(list) => {
            let paths = paths(list, Part::Path, scope)?;
            Some(Matcher { paths, ..Matcher::default() })
        }
        (Attribute::RequestHost, EntryType::Strings | EntryType::AnyCase) => {
            let hosts = hosts(list, scope)?;
            Some(Matcher { hosts, ..Matcher::default() })
        }
        (Attribute::RequestMethod, EntryType::Strings) => {
            let methods = methods(list, scope)?;
            Some(Matcher { methods: Some(methods), ..Matcher::default() })
        }
        (Attribute::ConnectionRequestedServerName, EntryType::Strings)
            // Who sends no server name is on no blacklist by this key, and
            // could not be told not to be on it.
            if default.is_none() && !list.is_blacklist =>
        {
            let server_names = hosts(list, scope)?;
            Some(Matcher { server_names, ..Matcher::default() })
        }
        _ => match sources(attribute, default, list, scope) {
            Some(from) => Some(Matcher { from: from?.into(), ..Matcher::default() }),
            None => plain(list, value, scope),
        },
    }
}

/// Nothing is on an empty list. A key without alternatives would ask nothing,
/// and hold; no request has a method of the empty set.
fn nothing() -> Matcher {
    Matcher {
        methods: Some(MethodSet::default()),
        ..Matcher::default()
    }
}

/// As [`matcher`], in an expression.
pub(super) fn plain(list: &ListChecker<'_>, value: &Expr, scope: &Scope<'_>) -> Option<Matcher> {
    if list.entries.is_empty() {
        return Some(nothing());
    }
    let texts = || entries(list, scope, |text| Ok::<_, String>(text.into()));
    let is_address = value.ty() == policy::expr::Type::IpAddress;
    let members = match list.entry_type {
        EntryType::Strings | EntryType::AnyCase if is_address => {
            Members::Networks(networks(list, scope)?)
        }
        EntryType::Strings => Members::Texts(texts()?),
        EntryType::AnyCase => Members::AnyCase(texts()?),
        EntryType::Addresses => Members::Networks(networks(list, scope)?),
        EntryType::Regex if is_address => {
            let message = "an address is no text to search: write `entryType: IP_ADDRESSES`";
            scope.report.error(&list.entries.first()?.origin, message);
            return None;
        }
        EntryType::Regex => Members::Patterns(entries(list, scope, Pattern::parse)?),
    };
    Some(Matcher {
        expr: Some(Arc::new(value.among(members))),
        ..Matcher::default()
    })
}

/// The attribute whose value is looked up, and the text that stands in for it
/// where it is absent.
fn looked_up(value: &Tree) -> Option<(Attribute, Option<&str>)> {
    match value {
        Tree::Attribute(attribute) => Some((*attribute, None)),
        Tree::Default(first, other) => match &**first {
            Tree::Attribute(attribute) => Some((*attribute, Some(other.literal_text()?))),
            _ => None,
        },
        _ => None,
    }
}

/// Whether an index of paths compares as this list does. One that refuses is
/// asked without regard to case and in the view of a lenient origin, which
/// Mixer's lists could be evaded by.
fn is_of_paths(list: &ListChecker<'_>) -> bool {
    match list.entry_type {
        EntryType::Strings | EntryType::Regex => true,
        EntryType::AnyCase => list.is_blacklist,
        EntryType::Addresses => false,
    }
}

fn paths(list: &ListChecker<'_>, part: Part, scope: &Scope<'_>) -> Option<Vec<PathPattern>> {
    let regex = |text: &str| {
        // Valid by itself, hence within the group: `a)|(b` is not.
        PathPattern::regex(text)
            .and_then(|_| PathPattern::regex(&format!("(?s).*(?:{text}).*")))
            .map_err(|error| error.message().to_owned())
    };
    let exact = |text: &str| {
        if part == Part::Path && text.contains('?') {
            return Err(format!(
                "`{text}` has a query, which `request.url_path` has not: write `request.path` as the value"
            ));
        }
        if !text.starts_with('/') {
            return Err(format!(
                "`{text}` is no path, and lists are compared letter for letter: write such as `/{text}`"
            ));
        }
        let pattern = PathPattern::exact(text).map_err(|error| error.message().to_owned())?;
        check(&pattern, part).map(|()| pattern)
    };
    match list.entry_type {
        EntryType::Regex => entries(list, scope, regex),
        EntryType::Strings | EntryType::AnyCase | EntryType::Addresses => {
            entries(list, scope, exact)
        }
    }
}

fn hosts(list: &ListChecker<'_>, scope: &Scope<'_>) -> Option<Vec<HostPattern>> {
    entries(list, scope, |text| match HostPattern::parse(text) {
        Ok(HostPattern::Exact(host)) => Ok(HostPattern::Exact(host)),
        Ok(_) => Err(format!(
            "`{text}` would be compared letter for letter: write `entryType: REGEX`"
        )),
        Err(error) => Err(error.message().to_owned()),
    })
}

fn methods(list: &ListChecker<'_>, scope: &Scope<'_>) -> Option<MethodSet> {
    let names = entries(list, scope, |text| MethodSet::parse([text]).map(|_| text))?;
    MethodSet::parse(names).ok()
}

/// Nothing where the list is of no callers, or not as callers are compared.
fn sources(
    attribute: Attribute,
    default: Option<&str>,
    list: &ListChecker<'_>,
    scope: &Scope<'_>,
) -> Option<Option<Vec<SourcePattern>>> {
    if matches!(attribute, Attribute::SourceIp | Attribute::OriginIp) {
        let of_addresses = list.entry_type != EntryType::Regex;
        let patterns = |all: Vec<IpNet>| all.into_iter().map(SourcePattern::Address).collect();
        return of_addresses.then(|| networks(list, scope).map(patterns));
    }
    let is_namespace = match attribute {
        Attribute::SourcePrincipal | Attribute::SourceUser => false,
        Attribute::SourceNamespace => true,
        _ => return None,
    };
    // On a blacklist, a caller without identity is refused unless the operator
    // says what he counts as; that is told by the expression.
    let told = default.is_some() && list.is_blacklist;
    if list.entry_type != EntryType::Strings || told {
        return None;
    }
    let sources = entries(list, scope, |text| {
        let mut sources = match is_namespace {
            true => namespace(text, list.is_blacklist, scope)?,
            false => vec![SourcePattern::Name(NamePattern::Exact(text.into()))],
        };
        if default == Some(text) {
            sources.push(SourcePattern::Anonymous);
        }
        Ok::<_, String>(sources)
    });
    Some(sources.map(|all| all.into_iter().flatten().collect()))
}

/// The mesh's own namespace is let through; of a federated domain one of the
/// same name is refused, too.
fn namespace(
    text: &str,
    is_blacklist: bool,
    scope: &Scope<'_>,
) -> Result<Vec<SourcePattern>, String> {
    if is_blacklist {
        return Ok(vec![SourcePattern::Workload {
            trust_domain: NamePattern::Any,
            namespace: NamePattern::Exact(text.into()),
            service_account: NamePattern::Any,
        }]);
    }
    let no_name = || format!("`{text}` is no namespace: write its name");
    if text.contains('*') {
        return Err(no_name());
    }
    SourcePattern::parse(&format!("ns:{text}"), scope.local).map_err(|_| no_name())
}

fn networks(list: &ListChecker<'_>, scope: &Scope<'_>) -> Option<Vec<IpNet>> {
    entries(list, scope, |text| {
        match SourcePattern::parse(&format!("ip:{text}"), &[]).as_deref() {
            Ok([SourcePattern::Address(network)]) => Ok(*network),
            _ => Err(format!(
                "`{text}` is no address and no range of them: write such as `10.0.0.0/8`"
            )),
        }
    })
}

/// All entries; nothing when one of them is wrong, which is reported.
fn entries<'l, T, E: std::fmt::Display>(
    list: &'l ListChecker<'_>,
    scope: &Scope<'_>,
    parse: impl Fn(&'l str) -> Result<T, E>,
) -> Option<Vec<T>> {
    let all: Vec<Option<T>> = list
        .entries
        .iter()
        .map(|node| parsed(node, scope.report, &parse))
        .collect();
    all.into_iter().collect()
}
