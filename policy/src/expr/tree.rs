//! The typed tree: what a compiled expression is.
//!
//! It is public to be read, so that a compiler of policies can lift conjuncts
//! out of it into its indexes. Only this module builds one, and only from text
//! that has passed the type check.

use std::sync::Arc;

use ipnet::IpNet;

use super::regex::Pattern;
use super::{Attribute, Type, Value};

/// A typed part of an expression.
#[derive(Debug, Clone)]
pub enum Node {
    /// A constant.
    Literal(Value<'static>),
    /// The value of an attribute.
    Attribute(Attribute),
    /// The entry of a map with that key.
    Entry(Box<Node>, Box<Node>),
    /// Whether the attribute has a value.
    Present(Attribute),
    /// Whether the map has an entry with that key.
    HasEntry(Box<Node>, Box<Node>),
    /// Negation.
    Not(Box<Node>),
    /// All of the terms.
    And(Logic, Vec<Node>),
    /// Any of the terms.
    Or(Logic, Vec<Node>),
    /// A comparison; a constant stands at the right where only one side is one.
    Compare(Relation, Box<Node>, Box<Node>),
    /// A text, and what it starts with, ends with or contains.
    Affix(Affix, Box<Node>, Box<Node>),
    /// Mixer's `match` with a pattern that is no constant.
    Glob(Box<Node>, Box<Node>),
    /// A search for a regular expression.
    Matches(Box<Node>, Pattern),
    /// Equality with one of the constants.
    OneOf(Box<Node>, Arc<[Value<'static>]>),
    /// An address in one of the networks.
    Within(Box<Node>, Arc<[IpNet]>),
    /// `condition ? one : other`.
    Choose(Box<Node>, Box<Node>, Box<Node>),
    /// The first operand, or the second where the first is absent.
    Default(Box<Node>, Box<Node>),
    /// A sum or a difference, and its type.
    Arithmetic(Arithmetic, Type, Box<Node>, Box<Node>),
    /// The text in lower case.
    Lower(Case, Box<Node>),
    /// The length of the text.
    Size(Unit, Box<Node>),
    /// A field of the calendar, in UTC.
    Clock(Clock, Box<Node>),
    /// The text read as a value of the type.
    Convert(Type, Box<Node>),
}

/// What a failing term does to `&&` and `||`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logic {
    /// Terms are evaluated in order and the first failure is the result (CEXL).
    Strict,
    /// A term that decides the result outweighs failures on either side (CEL).
    Absorbing,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Relation {
    /// The relation of the operands exchanged.
    pub(super) fn exchanged(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            symmetric => symmetric,
        }
    }
}

/// Where one text is looked for in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affix {
    /// At the start.
    Prefix,
    /// At the end.
    Suffix,
    /// Anywhere.
    Infix,
}

impl Affix {
    /// Whether the text has the other one in this place.
    pub(super) fn holds(self, text: &str, other: &str) -> bool {
        match self {
            Self::Prefix => text.starts_with(other),
            Self::Suffix => text.ends_with(other),
            Self::Infix => text.contains(other),
        }
    }
}

/// `+` or `-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// A sum; of texts, one behind the other.
    Add,
    /// A difference.
    Subtract,
}

impl Arithmetic {
    /// The type of the result, where the operands have one together.
    pub(super) fn result(self, left: Type, right: Type) -> Option<Type> {
        use Type::{Double, Duration, Int64, String, Timestamp};
        Some(match (self, left, right) {
            (Self::Add, String, String) => String,
            (_, Int64, Int64) => Int64,
            (_, Double, Double) => Double,
            (_, Duration, Duration) => Duration,
            (_, Timestamp, Duration) | (Self::Add, Duration, Timestamp) => Timestamp,
            (Self::Subtract, Timestamp, Timestamp) => Duration,
            _ => return None,
        })
    }
}

/// Which letters `Lower` changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// A to Z (CEL `lowerAscii`).
    Ascii,
    /// All letters (CEXL `toLower`).
    Unicode,
}

/// What `Size` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of UTF-8 (CEXL).
    Bytes,
    /// Code points (CEL).
    CodePoints,
}

/// A field of the calendar, as CEL numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The year.
    Year,
    /// The month, January is 0.
    Month,
    /// The day of the month, the first is 1.
    Date,
    /// The day of the month, the first is 0.
    DayOfMonth,
    /// The day of the week, Sunday is 0.
    DayOfWeek,
    /// The day of the year, the first is 0.
    DayOfYear,
    /// The hour, 0 to 23.
    Hours,
    /// The minute, 0 to 59.
    Minutes,
    /// The second, 0 to 59.
    Seconds,
    /// The millisecond, 0 to 999.
    Milliseconds,
}

impl Node {
    /// The static type.
    pub fn ty(&self) -> Type {
        match self {
            Self::Literal(value) => value.ty(),
            Self::Attribute(attribute) => attribute.ty(),
            Self::Choose(_, node, _) | Self::Default(node, _) => node.ty(),
            Self::Arithmetic(_, ty, _, _) | Self::Convert(ty, _) => *ty,
            Self::Entry(..) | Self::Lower(..) => Type::String,
            Self::Size(..) | Self::Clock(..) => Type::Int64,
            Self::Present(_)
            | Self::HasEntry(..)
            | Self::Not(_)
            | Self::And(..)
            | Self::Or(..)
            | Self::Compare(..)
            | Self::Affix(..)
            | Self::Glob(..)
            | Self::Matches(..)
            | Self::OneOf(..)
            | Self::Within(..) => Type::Bool,
        }
    }

    /// The parts directly below.
    pub fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Literal(_) | Self::Attribute(_) | Self::Present(_) => Vec::new(),
            Self::And(_, terms) | Self::Or(_, terms) => terms.iter().collect(),
            Self::Choose(one, two, three) => vec![one, two, three],
            Self::Entry(one, two)
            | Self::HasEntry(one, two)
            | Self::Compare(_, one, two)
            | Self::Affix(_, one, two)
            | Self::Glob(one, two)
            | Self::Default(one, two)
            | Self::Arithmetic(_, _, one, two) => vec![one, two],
            Self::Not(one)
            | Self::Matches(one, _)
            | Self::OneOf(one, _)
            | Self::Within(one, _)
            | Self::Lower(_, one)
            | Self::Size(_, one)
            | Self::Clock(_, one)
            | Self::Convert(_, one) => vec![one],
        }
    }

    /// The same node over other parts.
    pub(super) fn with_parts(&self, part: &mut dyn FnMut(&Self) -> Self) -> Self {
        let mut under = |node: &Self| Box::new(part(node));
        match self {
            Self::Literal(_) | Self::Attribute(_) | Self::Present(_) => self.clone(),
            Self::Entry(a, b) => Self::Entry(under(a), under(b)),
            Self::HasEntry(a, b) => Self::HasEntry(under(a), under(b)),
            Self::Not(a) => Self::Not(under(a)),
            Self::And(logic, terms) => Self::And(*logic, terms.iter().map(part).collect()),
            Self::Or(logic, terms) => Self::Or(*logic, terms.iter().map(part).collect()),
            Self::Compare(relation, a, b) => Self::Compare(*relation, under(a), under(b)),
            Self::Affix(affix, a, b) => Self::Affix(*affix, under(a), under(b)),
            Self::Glob(a, b) => Self::Glob(under(a), under(b)),
            Self::Matches(a, pattern) => Self::Matches(under(a), pattern.clone()),
            Self::OneOf(a, values) => Self::OneOf(under(a), Arc::clone(values)),
            Self::Within(a, networks) => Self::Within(under(a), Arc::clone(networks)),
            Self::Choose(a, b, c) => Self::Choose(under(a), under(b), under(c)),
            Self::Default(a, b) => Self::Default(under(a), under(b)),
            Self::Arithmetic(sign, ty, a, b) => Self::Arithmetic(*sign, *ty, under(a), under(b)),
            Self::Lower(case, a) => Self::Lower(*case, under(a)),
            Self::Size(unit, a) => Self::Size(*unit, under(a)),
            Self::Clock(field, a) => Self::Clock(*field, under(a)),
            Self::Convert(ty, a) => Self::Convert(*ty, under(a)),
        }
    }

    /// The constant this node is, if it is one.
    pub fn literal(&self) -> Option<&Value<'static>> {
        match self {
            Self::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// The text this node is, if it is a constant text.
    pub fn literal_text(&self) -> Option<&str> {
        match self.literal()? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether the node consists of constants and is none itself.
    pub(super) fn is_computable(&self) -> bool {
        let parts = self.parts();
        !parts.is_empty() && parts.iter().all(|part| part.literal().is_some())
    }
}
