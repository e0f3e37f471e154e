//! Why an expression has no value for one attempt.
//!
//! A fault is no error of the expression: that was refused when it was
//! compiled. Which way a fault closes is for the caller to say.

use std::fmt;

use super::{Attribute, Type};

/// Why an expression has no value for this attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The attribute has no value, or no entry with the key asked for.
    Absent(Attribute),
    /// What the attribute says cannot be told: it is no text, or there are too many
    /// values of one name. Only what refuses looks so closely.
    Doubtful(Attribute),
    /// The map without entries was asked for one.
    NoEntry,
    /// A number, time or duration out of range.
    Overflow,
    /// A text that denotes no value of the type.
    NotA(Type),
    /// An attribute's value is not of its type: a defect of its source.
    WrongType(Type),
}

impl Fault {
    /// Whether CEXL's `|` goes on to its second operand.
    pub(super) fn is_absence(self) -> bool {
        matches!(self, Self::Absent(_) | Self::NoEntry)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(attribute) => write!(f, "`{}` is absent", attribute.name()),
            Self::Doubtful(attribute) => write!(f, "`{}` cannot be told", attribute.name()),
            Self::NoEntry => f.write_str("the map has no entries"),
            Self::Overflow => f.write_str("out of range"),
            Self::NotA(ty) => write!(f, "the text is no {ty}"),
            Self::WrongType(ty) => write!(f, "the value is no {ty}"),
        }
    }
}
