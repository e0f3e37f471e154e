//! The untyped tree both parsers build.
//!
//! It says what was written and where, nothing of what it means: names are not
//! looked up and types not known. Chains of `&&` and of `||` are lists, so that
//! a long chain is not a deep tree.

use super::NESTING;
use super::error::{Located, Problem};

/// A part of an expression, as written.
#[derive(Debug)]
pub(super) struct Syntax {
    pub(super) at: usize,
    pub(super) kind: Kind,
    depth: usize,
}

#[derive(Debug)]
pub(super) enum Kind {
    Text(String),
    Int(i64),
    Double(f64),
    Bool(bool),
    /// `a.b.c`, one name.
    Name(String),
    /// `[a, b]`.
    List(Vec<Syntax>),
    /// `map[key]`.
    Index(Box<Syntax>, Box<Syntax>),
    /// `function(operands)`, or a method whose receiver is the first operand.
    Call(Call),
    Not(Box<Syntax>),
    Negate(Box<Syntax>),
    And(Vec<Syntax>),
    Or(Vec<Syntax>),
    Infix(Infix, Box<Syntax>, Box<Syntax>),
    /// `condition ? one : other`.
    Choose(Box<[Syntax; 3]>),
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) function: String,
    pub(super) form: Form,
    pub(super) operands: Vec<Syntax>,
}

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `f(a)`.
    Function,
    /// `a.f()`.
    Method,
}

/// The operators with two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Infix {
    And,
    Or,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    /// `|`: the first operand that is present.
    Default,
    In,
}

impl Infix {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::And => "&&",
            Self::Or => "||",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Default => "|",
            Self::In => "in",
        }
    }
}

impl Syntax {
    /// A node, unless it would be deeper than [`NESTING`].
    pub(super) fn new(at: usize, kind: Kind) -> Result<Self, Located> {
        let depth = 1 + kind.deepest_part();
        if depth > NESTING {
            return Err(Problem::TooDeep.at(at));
        }
        Ok(Self { at, kind, depth })
    }

    /// Two operands joined; chains of `&&` and `||` grow in width.
    pub(super) fn joined(
        at: usize,
        infix: Infix,
        left: Self,
        right: Self,
    ) -> Result<Self, Located> {
        let kind = match infix {
            Infix::And => Kind::And(chained(left, right, |kind| match kind {
                Kind::And(terms) => Ok(terms),
                other => Err(other),
            })),
            Infix::Or => Kind::Or(chained(left, right, |kind| match kind {
                Kind::Or(terms) => Ok(terms),
                other => Err(other),
            })),
            _ => Kind::Infix(infix, Box::new(left), Box::new(right)),
        };
        Self::new(at, kind)
    }
}

fn chained(
    left: Syntax,
    right: Syntax,
    terms_of: fn(Kind) -> Result<Vec<Syntax>, Kind>,
) -> Vec<Syntax> {
    let Syntax { at, kind, depth } = left;
    let mut terms = terms_of(kind).unwrap_or_else(|kind| vec![Syntax { at, kind, depth }]);
    terms.push(right);
    terms
}

impl Kind {
    fn deepest_part(&self) -> usize {
        match self {
            Self::Text(_) | Self::Int(_) | Self::Double(_) | Self::Bool(_) | Self::Name(_) => 0,
            Self::Not(part) | Self::Negate(part) => part.depth,
            Self::Index(one, other) | Self::Infix(_, one, other) => one.depth.max(other.depth),
            Self::List(parts) | Self::And(parts) | Self::Or(parts) => deepest(parts),
            Self::Call(call) => deepest(&call.operands),
            Self::Choose(parts) => deepest(parts.as_slice()),
        }
    }
}

fn deepest(parts: &[Syntax]) -> usize {
    parts.iter().map(|part| part.depth).max().unwrap_or(0)
}
