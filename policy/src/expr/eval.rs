//! Evaluation: a typed tree over the attributes of one attempt.
//!
//! Borrows wherever it can and never panics. What cannot be evaluated is a
//! [`Fault`](super::Fault); which way a fault closes is for the caller to say.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::IpAddr;

use super::tree::{Affix, Arithmetic, Case, Logic, Node, Relation, Unit};
use super::{Attribute, Attributes, Fault, Map, Type, Value, calendar, names};

type Valued<'a> = Result<Value<'a>, Fault>;

/// The value of the node.
pub(super) fn value<'a>(node: &'a Node, attributes: &'a dyn Attributes) -> Valued<'a> {
    match node {
        Node::Literal(value) => Ok(value.borrowed()),
        Node::Attribute(name) => attribute(*name, attributes),
        Node::Entry(map, key) => entry(map, key, attributes).map(Value::String),
        Node::Choose(condition, one, other) => {
            let chosen = if truth(condition, attributes)? {
                one
            } else {
                other
            };
            value(chosen, attributes)
        }
        Node::Default(first, second) => match value(first, attributes) {
            Err(fault) if fault.is_absence() => value(second, attributes),
            settled => settled,
        },
        Node::Arithmetic(sign, ty, left, right) => {
            let (left, right) = (value(left, attributes)?, value(right, attributes)?);
            arithmetic(*sign, *ty, left, right)
        }
        Node::Lower(case, of) => Ok(Value::String(lower(*case, text(of, attributes)?))),
        Node::Size(unit, of) => size(*unit, &text(of, attributes)?),
        Node::Clock(field, of) => match value(of, attributes)? {
            Value::Timestamp(nanos) => calendar::field(nanos, *field)
                .map(Value::Int)
                .ok_or(Fault::Overflow),
            _ => Err(Fault::WrongType(Type::Timestamp)),
        },
        Node::Convert(ty, of) => convert(*ty, text(of, attributes)?),
        Node::Present(_)
        | Node::HasEntry(..)
        | Node::Not(_)
        | Node::And(..)
        | Node::Or(..)
        | Node::Compare(..)
        | Node::Affix(..)
        | Node::Glob(..)
        | Node::Matches(..)
        | Node::OneOf(..)
        | Node::Within(..) => truth(node, attributes).map(Value::Bool),
    }
}

/// Whether the node, of type BOOL, is true.
pub(super) fn truth(node: &Node, attributes: &dyn Attributes) -> Result<bool, Fault> {
    match node {
        Node::Present(attribute) => Ok(attributes.value(*attribute).is_some()),
        Node::HasEntry(map, key) => has_entry(map, key, attributes),
        Node::Not(of) => truth(of, attributes).map(|truth| !truth),
        Node::And(logic, terms) => joined(*logic, truths(terms, attributes), false),
        Node::Or(logic, terms) => joined(*logic, truths(terms, attributes), true),
        Node::Compare(relation, left, right) => compare(
            *relation,
            &value(left, attributes)?,
            &value(right, attributes)?,
        ),
        Node::Affix(affix, whole, part) => {
            Ok(affix.holds(&text(whole, attributes)?, &text(part, attributes)?))
        }
        Node::Glob(of, pattern) => Ok(glob(&text(of, attributes)?, &text(pattern, attributes)?)),
        Node::Matches(of, pattern) => Ok(pattern.is_found_in(&text(of, attributes)?)),
        Node::OneOf(of, values) => one_of(&value(of, attributes)?, values),
        Node::Within(of, networks) => {
            let address = address(&value(of, attributes)?)?;
            Ok(networks.iter().any(|network| network.contains(&address)))
        }
        Node::Literal(_)
        | Node::Attribute(_)
        | Node::Entry(..)
        | Node::Choose(..)
        | Node::Default(..)
        | Node::Arithmetic(..)
        | Node::Lower(..)
        | Node::Size(..)
        | Node::Clock(..)
        | Node::Convert(..) => match value(node, attributes)? {
            Value::Bool(truth) => Ok(truth),
            _ => Err(Fault::WrongType(Type::Bool)),
        },
    }
}

fn truths(
    terms: &[Node],
    attributes: &dyn Attributes,
) -> impl Iterator<Item = Result<bool, Fault>> {
    terms.iter().map(|term| truth(term, attributes))
}

/// `&&` and `||`: the decisive truth of one term is the truth of the whole.
pub(super) fn joined(
    logic: Logic,
    terms: impl Iterator<Item = Result<bool, Fault>>,
    decisive: bool,
) -> Result<bool, Fault> {
    let mut failed = None;
    for term in terms {
        match term {
            Ok(truth) if truth == decisive => return Ok(decisive),
            Ok(_) => {}
            Err(fault) if logic == Logic::Strict => return Err(fault),
            Err(fault) => failed = failed.or(Some(fault)),
        }
    }
    failed.map_or(Ok(!decisive), Err)
}

fn attribute(name: Attribute, attributes: &dyn Attributes) -> Valued<'_> {
    match attributes.value(name).ok_or(Fault::Absent(name))? {
        value if value.ty() != name.ty() => Err(Fault::WrongType(name.ty())),
        Value::Ip(address) => Ok(Value::Ip(address.to_canonical())),
        value => Ok(value),
    }
}

fn text<'a>(node: &'a Node, attributes: &'a dyn Attributes) -> Result<Cow<'a, str>, Fault> {
    if let Some(text) = node.literal_text() {
        return Ok(Cow::Borrowed(text));
    }
    match value(node, attributes)? {
        Value::String(text) => Ok(text),
        _ => Err(Fault::WrongType(Type::String)),
    }
}

fn address(value: &Value<'_>) -> Result<IpAddr, Fault> {
    match value {
        Value::Ip(address) => Ok(*address),
        _ => Err(Fault::WrongType(Type::IpAddress)),
    }
}

fn map(node: &Node, attributes: &dyn Attributes) -> Result<Map, Fault> {
    match value(node, attributes)? {
        Value::Map(map) => Ok(map),
        _ => Err(Fault::WrongType(Type::StringMap)),
    }
}

fn entry<'a>(
    of: &'a Node,
    key: &'a Node,
    attributes: &'a dyn Attributes,
) -> Result<Cow<'a, str>, Fault> {
    let Map::Of(name) = map(of, attributes)? else {
        return Err(Fault::NoEntry);
    };
    let key = text(key, attributes)?;
    // Header names have no case, and the map holds them in lower case.
    let key = if name.has_header_names() {
        lower(Case::Ascii, key)
    } else {
        key
    };
    attributes.map_entry(name, &key).ok_or(Fault::Absent(name))
}

fn has_entry(of: &Node, key: &Node, attributes: &dyn Attributes) -> Result<bool, Fault> {
    let map = map(of, attributes)?;
    match entry(of, key, attributes) {
        Ok(_) => Ok(true),
        Err(Fault::NoEntry) => Ok(false),
        Err(Fault::Absent(name)) if map == Map::Of(name) => Ok(false),
        Err(fault) => Err(fault),
    }
}

fn compare(relation: Relation, left: &Value<'_>, right: &Value<'_>) -> Result<bool, Fault> {
    let order = order(left, right)?;
    Ok(match relation {
        Relation::Equal => order == Some(Ordering::Equal),
        Relation::NotEqual => order != Some(Ordering::Equal),
        Relation::Less => order == Some(Ordering::Less),
        Relation::LessOrEqual => order.is_some_and(Ordering::is_le),
        Relation::Greater => order == Some(Ordering::Greater),
        Relation::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
    })
}

/// The order of two values of one type; a number that is none has no order.
fn order(left: &Value<'_>, right: &Value<'_>) -> Result<Option<Ordering>, Fault> {
    Ok(match (left, right) {
        (Value::Double(left), Value::Double(right)) => left.partial_cmp(right),
        (Value::Int(left), Value::Int(right)) | (Value::Duration(left), Value::Duration(right)) => {
            Some(left.cmp(right))
        }
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Timestamp(left), Value::Timestamp(right)) => Some(left.cmp(right)),
        (Value::Ip(left), Value::Ip(right)) => Some(left.cmp(right)),
        (Value::String(left), Value::String(right))
        | (Value::DnsName(left), Value::DnsName(right))
        | (Value::Email(left), Value::Email(right))
        | (Value::Uri(left), Value::Uri(right)) => Some(left.cmp(right)),
        _ => return Err(Fault::WrongType(left.ty())),
    })
}

fn one_of(value: &Value<'_>, values: &[Value<'_>]) -> Result<bool, Fault> {
    for candidate in values {
        if compare(Relation::Equal, value, candidate)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Mixer's `match`: a final `*` before a leading one, and only one of them.
fn glob(text: &str, pattern: &str) -> bool {
    match (pattern.strip_suffix('*'), pattern.strip_prefix('*')) {
        (Some(prefix), _) => Affix::Prefix.holds(text, prefix),
        (None, Some(suffix)) => Affix::Suffix.holds(text, suffix),
        (None, None) => text == pattern,
    }
}

fn arithmetic<'a>(sign: Arithmetic, ty: Type, left: Value<'a>, right: Value<'a>) -> Valued<'a> {
    let int = |a: i64, b: i64| match sign {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
    };
    let wide = |a: i128, b: i128| match sign {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
    };
    let sum = match (left, right) {
        (Value::Int(a), Value::Int(b)) => int(a, b).map(Value::Int),
        (Value::Duration(a), Value::Duration(b)) => int(a, b).map(Value::Duration),
        (Value::Timestamp(a), Value::Duration(b)) => wide(a, b.into()).map(Value::Timestamp),
        (Value::Duration(a), Value::Timestamp(b)) => wide(a.into(), b).map(Value::Timestamp),
        (Value::Timestamp(a), Value::Timestamp(b)) => wide(a, b)
            .and_then(|nanos| nanos.try_into().ok())
            .map(Value::Duration),
        (Value::Double(a), Value::Double(b)) => Some(Value::Double(match sign {
            Arithmetic::Add => a + b,
            Arithmetic::Subtract => a - b,
        })),
        (Value::String(a), Value::String(b)) => Some(Value::String(a + b)),
        _ => return Err(Fault::WrongType(ty)),
    };
    sum.ok_or(Fault::Overflow)
}

fn lower(case: Case, text: Cow<'_, str>) -> Cow<'_, str> {
    let changes = |c: char| match case {
        Case::Ascii => c.is_ascii_uppercase(),
        Case::Unicode => c.is_ascii_uppercase() || !c.is_ascii(),
    };
    match case {
        _ if !text.contains(changes) => text,
        Case::Ascii => Cow::Owned(text.to_ascii_lowercase()),
        Case::Unicode => Cow::Owned(text.to_lowercase()),
    }
}

fn size<'a>(unit: Unit, text: &str) -> Valued<'a> {
    let size = match unit {
        Unit::Bytes => text.len(),
        Unit::CodePoints => text.chars().count(),
    };
    i64::try_from(size)
        .map(Value::Int)
        .map_err(|_| Fault::Overflow)
}

/// The text read as a value of the type.
pub(super) fn convert(ty: Type, text: Cow<'_, str>) -> Valued<'_> {
    let value = match ty {
        Type::IpAddress => text
            .parse()
            .ok()
            .map(|ip: IpAddr| Value::Ip(ip.to_canonical())),
        Type::Timestamp => calendar::timestamp(&text).map(Value::Timestamp),
        Type::Duration => calendar::duration(&text).map(Value::Duration),
        Type::DnsName => names::dns_name(text).map(Value::DnsName),
        Type::Email => names::email(text).map(Value::Email),
        Type::Uri => names::uri(text).map(Value::Uri),
        _ => None,
    };
    value.ok_or(Fault::NotA(ty))
}
