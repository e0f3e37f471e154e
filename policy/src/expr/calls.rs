//! The functions of both dialects, and how each is called.
//!
//! In CEXL the receiver of `matches` is the pattern, in CEL it is the text. A
//! pattern must be a constant, so that the wrong way round cannot compile.

use std::borrow::Cow;

use super::check::{Checked, Checker};
use super::error::{Located, Problem};
use super::eval::convert;
use super::networks::network;
use super::regex::Pattern;
use super::syntax::Form::{Function, Method};
use super::syntax::{Call, Kind, Syntax};
use super::tree::{Affix, Case, Clock, Node, Unit};
use super::{Dialect, Map, Type, Value};

/// CEXL's functions, and how each is called.
const CEXL: &[(&str, &str)] = &[
    ("match", "match(text, pattern)"),
    ("matches", "\"pattern\".matches(text)"),
    ("startsWith", "text.startsWith(prefix)"),
    ("endsWith", "text.endsWith(suffix)"),
    ("conditional", "conditional(condition, one, other)"),
    (
        "conditionalString",
        "conditionalString(condition, one, other)",
    ),
    ("toLower", "toLower(text)"),
    ("size", "size(text)"),
    ("ip", "ip(text)"),
    ("timestamp", "timestamp(text)"),
    ("dnsName", "dnsName(text)"),
    ("email", "email(text)"),
    ("uri", "uri(text)"),
    ("emptyStringMap", "emptyStringMap()"),
];

/// CEL's functions, and how each is called.
const CEL: &[(&str, &str)] = &[
    ("has", "has(request.useragent)"),
    ("matches", "text.matches(\"pattern\")"),
    ("startsWith", "text.startsWith(prefix)"),
    ("endsWith", "text.endsWith(suffix)"),
    ("contains", "text.contains(part)"),
    ("lowerAscii", "text.lowerAscii()"),
    ("size", "text.size()"),
    ("duration", "duration(\"10s\")"),
    ("timestamp", "timestamp(\"2018-01-02T15:04:05Z\")"),
    ("ip", "ip(text)"),
    ("cidr", "source.ip in cidr(\"10.0.0.0/8\")"),
    ("containsIP", "cidr(\"10.0.0.0/8\").containsIP(source.ip)"),
    ("dnsName", "dnsName(text)"),
    ("email", "email(text)"),
    ("uri", "uri(text)"),
];

/// What to write in CEXL for a function of CEL.
const IN_CEXL: &[(&str, &str)] = &[
    ("has", "attribute | value"),
    ("contains", "\"part\".matches(text)"),
    ("lowerAscii", "toLower(text)"),
    ("duration", "\"10s\""),
];

/// What to write in CEL for a function of CEXL, or for a macro.
const IN_CEL: &[(&str, &str)] = &[
    ("match", "text.startsWith(prefix)"),
    ("conditional", "condition ? one : other"),
    ("conditionalString", "condition ? one : other"),
    ("toLower", "text.lowerAscii()"),
    ("emptyStringMap", "\"key\" in map ? map[\"key\"] : value"),
    ("exists", "value in [one, other]"),
];

type Found = Result<Option<Node>, Located>;

impl Checker {
    /// A call of a function the dialect has.
    pub(super) fn call(self, at: usize, call: &Call, wanted: Option<Type>) -> Checked {
        let found = match self.dialect {
            Dialect::Cexl => self.cexl_call(call, wanted)?,
            Dialect::Cel => self.cel_call(call)?,
        };
        let found = match found {
            None => self.shared_call(call)?,
            found => found,
        };
        found.ok_or_else(|| self.refusal(call).at(at))
    }

    fn cexl_call(self, call: &Call, wanted: Option<Type>) -> Found {
        let node = match (call.function.as_str(), call.form, call.operands.as_slice()) {
            ("match", Function, [of, pattern]) => Node::Glob(
                self.boxed(of, Type::String)?,
                self.boxed(pattern, Type::String)?,
            ),
            ("matches", Method, [pattern, of]) => self.matches(of, pattern)?,
            ("conditional", Function, [condition, one, other]) => {
                self.choice(condition, one, other, wanted)?
            }
            ("conditionalString", Function, [condition, one, other]) => Node::Choose(
                self.boxed(condition, Type::Bool)?,
                self.boxed(one, Type::String)?,
                self.boxed(other, Type::String)?,
            ),
            ("toLower", Function, [of]) => {
                Node::Lower(Case::Unicode, self.boxed(of, Type::String)?)
            }
            ("size", Function, [of]) => Node::Size(Unit::Bytes, self.boxed(of, Type::String)?),
            ("emptyStringMap", Function, []) => Node::Literal(Value::Map(Map::Empty)),
            _ => return Ok(None),
        };
        Ok(Some(node))
    }

    fn cel_call(self, call: &Call) -> Found {
        let node = match (call.function.as_str(), call.form, call.operands.as_slice()) {
            ("has", Function, [of]) => return self.presence(of),
            ("matches", _, [of, pattern]) => self.matches(of, pattern)?,
            ("contains", Method, [of, part]) => self.affix(Affix::Infix, of, part)?,
            ("lowerAscii", Method, [of]) => Node::Lower(Case::Ascii, self.boxed(of, Type::String)?),
            ("size", _, [of]) => Node::Size(Unit::CodePoints, self.boxed(of, Type::String)?),
            ("duration", Function, [of]) => self.converted(Type::Duration, of)?,
            ("containsIP", Method, [networks, of]) => Node::Within(
                self.boxed(of, Type::IpAddress)?,
                [network(networks)?].into(),
            ),
            (name, Method, [of]) => match clock(name) {
                Some(field) => Node::Clock(field, self.boxed(of, Type::Timestamp)?),
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        Ok(Some(node))
    }

    fn shared_call(self, call: &Call) -> Found {
        let node = match (call.function.as_str(), call.form, call.operands.as_slice()) {
            ("startsWith", Method, [of, part]) => self.affix(Affix::Prefix, of, part)?,
            ("endsWith", Method, [of, part]) => self.affix(Affix::Suffix, of, part)?,
            ("ip", Function, [of]) => self.converted(Type::IpAddress, of)?,
            ("timestamp", Function, [of]) => self.converted(Type::Timestamp, of)?,
            ("dnsName", Function, [of]) => self.converted(Type::DnsName, of)?,
            ("email", Function, [of]) => self.converted(Type::Email, of)?,
            ("uri", Function, [of]) => self.converted(Type::Uri, of)?,
            _ => return Ok(None),
        };
        Ok(Some(node))
    }

    fn affix(self, affix: Affix, of: &Syntax, part: &Syntax) -> Checked {
        let of = self.boxed(of, Type::String)?;
        Ok(Node::Affix(affix, of, self.boxed(part, Type::String)?))
    }

    fn matches(self, of: &Syntax, pattern: &Syntax) -> Checked {
        let text = self.of_type(pattern, Type::String)?;
        let instead = match self.dialect {
            Dialect::Cexl => "`\"pattern\".matches(text)`, the pattern first",
            Dialect::Cel => "`text.matches(\"pattern\")`, the pattern last",
        };
        let what = "the pattern of `matches`";
        let text = text
            .literal_text()
            .ok_or_else(|| Problem::NotConstant { what, instead }.at(pattern.at))?;
        let compiled = Pattern::new(text).map_err(|problem| problem.at(pattern.at))?;
        Ok(Node::Matches(self.boxed(of, Type::String)?, compiled))
    }

    fn converted(self, ty: Type, of: &Syntax) -> Checked {
        let node = self.of_type(of, Type::String)?;
        match node.literal_text() {
            Some(text) if convert(ty, Cow::Borrowed(text)).is_err() => Err(Problem::NotA {
                text: text.to_owned(),
                ty,
            }
            .at(of.at)),
            _ => Ok(Node::Convert(ty, Box::new(node))),
        }
    }

    fn presence(self, of: &Syntax) -> Found {
        Ok(match self.node(of)? {
            Node::Attribute(name) => Some(Node::Present(name)),
            Node::Entry(map, key) => Some(Node::HasEntry(map, key)),
            _ => None,
        })
    }

    /// `value in [constants]`, `address in network`, `key in map`.
    pub(super) fn membership(self, at: usize, left: &Syntax, right: &Syntax) -> Checked {
        match &right.kind {
            Kind::List(items) => self.one_of(at, left, items),
            Kind::Call(call) if call.function == "cidr" => Ok(Node::Within(
                self.boxed(left, Type::IpAddress)?,
                [network(right)?].into(),
            )),
            _ => Ok(Node::HasEntry(
                self.boxed(right, Type::StringMap)?,
                self.boxed(left, Type::String)?,
            )),
        }
    }

    fn one_of(self, at: usize, left: &Syntax, items: &[Syntax]) -> Checked {
        let of = Box::new(self.node(left)?);
        match of.ty() {
            Type::IpAddress => {
                let networks: Result<Vec<_>, _> = items.iter().map(network).collect();
                Ok(Node::Within(of, networks?.into()))
            }
            Type::StringMap => {
                let (left, right) = (Type::StringMap, Type::StringMap);
                Err(Problem::Operands {
                    operator: "in",
                    left,
                    right,
                }
                .at(at))
            }
            ty => {
                let values: Result<Vec<_>, _> =
                    items.iter().map(|item| self.value(item, ty)).collect();
                Ok(Node::OneOf(of, values?.into()))
            }
        }
    }

    fn value(self, item: &Syntax, ty: Type) -> Result<Value<'static>, Located> {
        match self.of_type(item, ty)? {
            Node::Literal(value) => Ok(value),
            _ => Err(Problem::NotConstant {
                what: "an item of a list",
                instead: "`value == attribute` for an attribute",
            }
            .at(item.at)),
        }
    }

    fn refusal(self, call: &Call) -> Problem {
        let (own, others) = match self.dialect {
            Dialect::Cexl => (CEXL, IN_CEXL),
            Dialect::Cel => (CEL, IN_CEL),
        };
        let spelling = |table: &[(&str, &'static str)]| {
            let found = table.iter().find(|(name, _)| *name == call.function);
            found.map(|(_, spelling)| *spelling)
        };
        let name = call.function.clone();
        match spelling(own).or(self.clock_spelling(&name)) {
            Some(spelling) => Problem::Arguments {
                function: name,
                spelling,
            },
            None => Problem::UnknownFunction {
                name,
                instead: spelling(others),
            },
        }
    }

    fn clock_spelling(self, name: &str) -> Option<&'static str> {
        let known = self.dialect == Dialect::Cel && clock(name).is_some();
        known.then_some("request.time.getHours()")
    }
}

fn clock(name: &str) -> Option<Clock> {
    Some(match name {
        "getFullYear" => Clock::Year,
        "getMonth" => Clock::Month,
        "getDate" => Clock::Date,
        "getDayOfMonth" => Clock::DayOfMonth,
        "getDayOfWeek" => Clock::DayOfWeek,
        "getDayOfYear" => Clock::DayOfYear,
        "getHours" => Clock::Hours,
        "getMinutes" => Clock::Minutes,
        "getSeconds" => Clock::Seconds,
        "getMilliseconds" => Clock::Milliseconds,
        _ => return None,
    })
}
