//! Why an expression does not compile, where, and what to write instead.
//!
//! Everything that can be wrong with an expression is found here, when a
//! snapshot is compiled. Evaluation reports a [`Fault`](super::Fault) instead,
//! and never an error of this file.

use std::fmt;

use super::{Fault, NESTING, TEXT_BYTES, Type};

/// An expression that does not compile: the place and the problem.
#[derive(Debug, Clone, PartialEq)]
pub struct ExprError {
    /// Where the problem is: characters from the start of the text, first is 1.
    pub column: usize,
    /// What is wrong, with what to write instead.
    pub problem: Problem,
}

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.problem)
    }
}

impl std::error::Error for ExprError {}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Problem {
    /// More text than [`TEXT_BYTES`].
    TooLong(usize),
    /// Deeper than [`NESTING`].
    TooDeep,
    /// A token where another one belongs.
    Unexpected {
        /// The token found, as written.
        found: String,
        /// What fits here.
        expected: &'static str,
    },
    /// A string without its closing quote.
    Unterminated,
    /// An escape sequence the dialect does not have.
    Escape(String),
    /// A number out of range or not a number.
    Number(String),
    /// A construct outside the dialect.
    Unsupported {
        /// The construct.
        what: &'static str,
        /// The spelling that is understood.
        instead: &'static str,
    },
    /// A name that is not in the vocabulary.
    UnknownAttribute {
        /// The name as written.
        name: String,
        /// A spelling close to it.
        instead: Option<String>,
    },
    /// A function the dialect does not have.
    UnknownFunction {
        /// The name as written.
        name: String,
        /// How the dialect says it.
        instead: Option<&'static str>,
    },
    /// A function called in another form than its own.
    Arguments {
        /// The function's name.
        function: String,
        /// How it is called.
        spelling: &'static str,
    },
    /// A value of one type where another one belongs.
    WrongType {
        /// The type found.
        found: Type,
        /// The type that fits.
        expected: Type,
        /// How to write a value of that type.
        instead: Option<&'static str>,
    },
    /// An operator without meaning for these two types.
    Operands {
        /// The operator as written.
        operator: &'static str,
        /// Type of the left operand.
        left: Type,
        /// Type of the right operand.
        right: Type,
    },
    /// A value that must be known when the snapshot is compiled.
    NotConstant {
        /// What the value is for.
        what: &'static str,
        /// How to write it.
        instead: &'static str,
    },
    /// A regular expression RE2 would refuse.
    Pattern {
        /// The pattern as written.
        pattern: String,
        /// The complaint of the pattern's parser.
        reason: String,
    },
    /// A text that does not denote a value of the type.
    NotA {
        /// The text as written.
        text: String,
        /// The type it should denote.
        ty: Type,
    },
    /// A text that is no network.
    NotANetwork(String),
    /// A host literal with a port: the canonical host never has one, so a
    /// denial on it would silently never match.
    HostWithPort(String),
    /// A constant part that fails at every evaluation.
    AlwaysFails(Fault),
}

impl Problem {
    pub(super) fn at(self, offset: usize) -> Located {
        Located {
            offset,
            problem: self,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(bytes) => {
                write!(
                    f,
                    "the expression has {bytes} bytes; write at most {TEXT_BYTES}"
                )
            }
            Self::TooDeep => {
                write!(
                    f,
                    "the expression nests deeper than {NESTING}; write several rules"
                )
            }
            Self::Unexpected { found, expected } => write!(f, "found {found}; write {expected}"),
            Self::Unterminated => write!(f, "the string does not end; write the closing quote"),
            Self::Escape(text) => {
                write!(
                    f,
                    "`{text}` is no escape here; write `\\\\` for a backslash"
                )
            }
            Self::Number(text) => {
                write!(
                    f,
                    "`{text}` is no number here; write a decimal of at most 64 bits"
                )
            }
            Self::Unsupported { what, instead } => {
                write!(f, "{what} is not supported; write {instead}")
            }
            Self::UnknownAttribute { name, instead } => {
                let instead = instead.as_deref().unwrap_or("request.host");
                write!(f, "unknown attribute `{name}`; write such as `{instead}`")
            }
            Self::UnknownFunction { name, instead } => {
                let instead = instead.unwrap_or("text.startsWith(prefix)");
                write!(f, "unknown function `{name}`; write such as `{instead}`")
            }
            Self::Arguments { function, spelling } => {
                write!(f, "`{function}` is called otherwise; write `{spelling}`")
            }
            Self::WrongType {
                found,
                expected,
                instead,
            } => {
                let instead = instead.unwrap_or(expected.example());
                write!(
                    f,
                    "found {found} where {expected} belongs; write such as `{instead}`"
                )
            }
            Self::Operands {
                operator,
                left,
                right,
            } => {
                write!(
                    f,
                    "`{operator}` cannot join {left} and {right}; write {}",
                    joined(*left, *right)
                )
            }
            Self::NotConstant { what, instead } => {
                write!(f, "{what} must be a constant; write {instead}")
            }
            Self::Pattern { pattern, reason } => {
                write!(
                    f,
                    "`{pattern}` is refused ({reason}); write a pattern RE2 accepts"
                )
            }
            Self::NotA { text, ty } => {
                write!(f, "`{text}` is no {ty}; write such as `{}`", ty.example())
            }
            Self::NotANetwork(text) => {
                write!(f, "`{text}` is no network; write such as `10.0.0.0/8`")
            }
            Self::HostWithPort(host) => {
                write!(
                    f,
                    "hosts are compared without port, `{host}` never matches; write it without"
                )
            }
            Self::AlwaysFails(fault) => {
                write!(
                    f,
                    "this part always fails ({fault}); write another constant"
                )
            }
        }
    }
}

/// What makes operands of two types comparable.
fn joined(left: Type, right: Type) -> String {
    match (left, right) {
        (Type::String, typed) | (typed, Type::String) if typed.constructor().is_some() => {
            format!("`{}` for the text", typed.constructor().unwrap_or_default())
        }
        (one, other) if one == other => "another operator".to_owned(),
        _ => "operands of one type".to_owned(),
    }
}

/// A problem at a byte offset, before the offset is turned into a column.
#[derive(Debug)]
pub(super) struct Located {
    pub(super) offset: usize,
    pub(super) problem: Problem,
}

impl Located {
    pub(super) fn in_text(self, text: &str) -> ExprError {
        let before = text.char_indices().take_while(|(at, _)| *at < self.offset);
        ExprError {
            column: before.count() + 1,
            problem: self.problem,
        }
    }
}
