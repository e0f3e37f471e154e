//! Constants compared with a host.
//!
//! A canonical host is in lower case, as A-labels, without port and final dot.
//! A constant spelt otherwise could never match, and a denial on it would be
//! open without a word; so it is respelt, or refused where that would widen it.

use super::Value;
use super::error::Problem;
use super::tree::{Affix, Node};

/// The comparison with its constant in the spelling of canonical hosts.
pub(super) fn respelt(node: Node) -> Result<Node, Problem> {
    Ok(match node {
        Node::Compare(relation, host, text) if is_host(&host) => {
            Node::Compare(relation, host, constant(text, whole)?)
        }
        Node::Affix(Affix::Suffix, host, text) if is_host(&host) => {
            Node::Affix(Affix::Suffix, host, constant(text, whole)?)
        }
        Node::Affix(affix, host, text) if is_host(&host) => Node::Affix(
            affix,
            host,
            constant(text, |part| Ok(part.to_ascii_lowercase()))?,
        ),
        Node::OneOf(host, values) if is_host(&host) => {
            let values: Result<Vec<_>, _> =
                values.iter().map(|value| respelt_value(value)).collect();
            Node::OneOf(host, values?.into())
        }
        other => other,
    })
}

fn is_host(node: &Node) -> bool {
    matches!(node, Node::Attribute(attribute) if attribute.is_host())
}

type Spelling = fn(&str) -> Result<String, Problem>;

fn constant(node: Box<Node>, spelling: Spelling) -> Result<Box<Node>, Problem> {
    match node.literal_text() {
        Some(text) => Ok(Box::new(Node::Literal(Value::String(
            spelling(text)?.into(),
        )))),
        None => Ok(node),
    }
}

fn respelt_value(value: &Value<'static>) -> Result<Value<'static>, Problem> {
    match value {
        Value::String(text) => Ok(Value::String(whole(text)?.into())),
        other => Ok(other.clone()),
    }
}

/// A host, or its end.
fn whole(text: &str) -> Result<String, Problem> {
    if has_port(text) {
        return Err(Problem::HostWithPort(text.to_owned()));
    }
    // A lone dot is kept: without it every host would end as the text does.
    let text = text
        .strip_suffix('.')
        .filter(|rest| !rest.is_empty())
        .unwrap_or(text);
    match idna::domain_to_ascii(text) {
        Ok(name) if !text.is_ascii() => Ok(name),
        _ => Ok(text.to_ascii_lowercase()),
    }
}

/// Whether the text ends in a port and is no IPv6 address.
fn has_port(text: &str) -> bool {
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit());
    text.rsplit_once(':')
        .is_some_and(|(host, port)| digits(port) && (!host.contains(':') || host.ends_with(']')))
}
