//! `when`: conditions on named attributes.

use policy::pattern::ValuePattern;
use policy::rule::NamedPattern;
use policy::source::NamePattern;

use super::clause::{Clause, Way};
use super::expression::escaped;
use super::hosts::hosts;
use super::operation::{methods, ports, server_names};
use super::source::{
    addresses, namespaces, note_peer, principals, service_accounts, trust_domains,
};
use super::written::{Context, Written, field, pattern, tokens};
use crate::fields::{Fields, parsed, text};
use crate::node::Node;
use crate::report::Report;

const KEYS: &str = "`request.headers[NAME]`, `source.ip`, `source.namespace`, `source.principal`, \
     `source.serviceAccount`, `source.trustDomain`, `remote.ip`, `destination.port` or \
     `connection.sni`";
const VALUES: [&str; 2] = ["values", "notValues"];

/// What a key speaks of.
#[derive(Debug)]
pub(super) enum Attribute {
    /// A header, by its name in lower case.
    Header(Box<str>),
    /// What some reader knows.
    Known(for<'a> fn(&[Written<'a>], &Context<'a>) -> Vec<Way>),
    /// The peer, where others would believe a header.
    Peer,
    /// Something of a token.
    Token,
}

impl Attribute {
    /// Every way in which it has one of these values.
    pub(super) fn ways<'a>(&self, values: &[Written<'a>], context: &Context<'a>) -> Vec<Way> {
        match self {
            Self::Header(name) => header(name, values, context.report()),
            Self::Known(ways) => ways(values, context),
            Self::Peer => addresses(values, context),
            Self::Token => Vec::new(),
        }
    }
}

/// Reads one condition.
pub(super) fn condition<'a>(fields: &Fields<'a>, context: &Context<'a>) -> Clause {
    let mut clause = Clause::default();
    let key = fields.need("key", "source.ip");
    if !VALUES.into_iter().any(|values| fields.has(values)) {
        let message = "a condition without values: write `values` or `notValues`";
        fields.report.error(fields.origin(), message);
    }
    match key.and_then(|key| Some((key, attribute(key, fields.report)?))) {
        None => VALUES.into_iter().for_each(|values| {
            fields.take(values);
        }),
        Some((key, Attribute::Token)) => {
            let what = text(key, fields.report).unwrap_or_default();
            tokens(fields, VALUES, &format!("`{what}`"), context, &mut clause);
        }
        Some((key, attribute)) => {
            if matches!(attribute, Attribute::Peer) {
                note_peer("remote.ip", &key.origin, context);
            }
            let ways =
                |values: &[Written<'a>], context: &Context<'a>| attribute.ways(values, context);
            field(fields, VALUES, context, &mut clause, ways);
        }
    }
    clause
}

/// What the key speaks of; nothing when it cannot be asked here, which is told.
fn attribute(key: &Node, report: &Report) -> Option<Attribute> {
    parsed(key, report, named)
}

/// What a key speaks of.
///
/// # Errors
/// What cannot be asked here, and what to write instead.
pub(super) fn named(key: &str) -> Result<Attribute, String> {
    if let Some(name) = indexed(key, "request.headers") {
        return header_name(name);
    }
    Ok(match key {
        "source.ip" => Attribute::Known(addresses),
        "remote.ip" => Attribute::Peer,
        "source.namespace" => Attribute::Known(namespaces),
        "source.principal" => Attribute::Known(principals),
        "source.serviceAccount" => Attribute::Known(service_accounts),
        "source.trustDomain" => Attribute::Known(trust_domains),
        "destination.port" => Attribute::Known(ports),
        "connection.sni" => Attribute::Known(server_names),
        "request.auth.principal" | "request.auth.audiences" | "request.auth.presenter" => {
            Attribute::Token
        }
        _ if key.starts_with("request.auth.claims[") => Attribute::Token,
        "destination.ip" => {
            return Err(
                "`destination.ip` is not known before the request is decided upon: write `hosts`"
                    .to_owned(),
            );
        }
        _ if key.starts_with("experimental.envoy.filters.") => {
            return Err(format!(
                "`{key}` is of Envoy's filters, and this is no Envoy: write {KEYS}"
            ));
        }
        _ => return Err(format!("unknown key `{key}`: write {KEYS}")),
    })
}

/// The name within the brackets of `map[NAME]`.
fn indexed<'a>(key: &'a str, map: &str) -> Option<&'a str> {
    key.strip_prefix(map)?.strip_prefix('[')?.strip_suffix(']')
}

/// Envoy's pseudo headers are what operations speak of: matched there in the
/// canonical form, since the raw one is the caller's to vary.
fn header_name(name: &str) -> Result<Attribute, String> {
    match &*name.to_ascii_lowercase() {
        ":authority" | "host" => Ok(Attribute::Known(hosts)),
        ":method" => Ok(Attribute::Known(methods)),
        ":path" => Err("`:path` is no header: write `paths` of an `operation`".to_owned()),
        lower if is_token(lower) => Ok(Attribute::Header(lower.into())),
        _ => Err(format!(
            "`{name}` is no name of a header: write such as `request.headers[User-Agent]`"
        )),
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.bytes().all(allowed)
}

/// One header must have one of the values.
fn header(name: &str, values: &[Written<'_>], report: &Report) -> Vec<Way> {
    let patterns = values
        .iter()
        .filter_map(|written| pattern(*written, report));
    let patterns: Vec<NamePattern> = patterns.collect();
    let one_of = match &*patterns {
        [] => return Vec::new(),
        all if all.contains(&NamePattern::Any) => ValuePattern::Present,
        [only] => value(only),
        // A permission needs every field of that name to have one of the
        // values: one pattern of all, not one after the other.
        several => {
            let regexes: Vec<String> = several.iter().map(regex).collect();
            match ValuePattern::regex(&regexes.join("|")) {
                Ok(pattern) => pattern,
                Err(error) => {
                    if let Some(first) = values.first() {
                        report.error(&first.node.origin, error.to_string());
                    }
                    return Vec::new();
                }
            }
        }
    };
    vec![Way {
        headers: vec![NamedPattern {
            name: name.into(),
            pattern: one_of,
        }],
        ..Way::default()
    }]
}

fn value(pattern: &NamePattern) -> ValuePattern {
    match pattern {
        NamePattern::Any => ValuePattern::Present,
        NamePattern::Exact(text) => ValuePattern::Exact(text.clone()),
        NamePattern::Prefix(begin) => ValuePattern::Prefix(begin.clone()),
        NamePattern::Suffix(end) => ValuePattern::Suffix(end.clone()),
    }
}

fn regex(pattern: &NamePattern) -> String {
    match pattern {
        NamePattern::Any => ".*".to_owned(),
        NamePattern::Exact(text) => escaped(text),
        NamePattern::Prefix(begin) => format!("{}.*", escaped(begin)),
        NamePattern::Suffix(end) => format!(".*{}", escaped(end)),
    }
}
