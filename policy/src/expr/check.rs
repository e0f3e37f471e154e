//! The type check: an untyped tree becomes a typed one, or is refused.
//!
//! Types come from the vocabulary and are never converted. A text literal
//! alone has no fixed type in CEXL: beside a duration it is a duration.

use super::error::{Located, Problem};
use super::hosts::respelt;
use super::syntax::{Infix, Kind, Syntax};
use super::tree::{Arithmetic, Logic, Node, Relation};
use super::{Attribute, Dialect, Type, Value, calendar, fold};

pub(super) type Checked = Result<Node, Located>;

/// The typed, folded tree of what was written.
pub(super) fn check(syntax: &Syntax, dialect: Dialect) -> Checked {
    Checker { dialect }.node(syntax)
}

/// The check, for one dialect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checker {
    pub(super) dialect: Dialect,
}

impl Checker {
    /// A node of whatever type it has.
    pub(super) fn node(self, syntax: &Syntax) -> Checked {
        self.beside(syntax, None)
    }

    /// A node of this type.
    pub(super) fn of_type(self, syntax: &Syntax, expected: Type) -> Checked {
        let node = self.beside(syntax, Some(expected))?;
        if node.ty() == expected {
            return Ok(node);
        }
        let text = node.ty() == Type::String;
        let instead = expected.constructor().filter(|_| text);
        Err(Problem::WrongType {
            found: node.ty(),
            expected,
            instead,
        }
        .at(syntax.at))
    }

    /// A node of this type, boxed.
    pub(super) fn boxed(self, syntax: &Syntax, expected: Type) -> Result<Box<Node>, Located> {
        self.of_type(syntax, expected).map(Box::new)
    }

    /// A node that stands where a value of the type is wanted.
    fn beside(self, syntax: &Syntax, wanted: Option<Type>) -> Checked {
        let at = syntax.at;
        let node = match &syntax.kind {
            Kind::Text(text) => return self.text(at, text, wanted),
            Kind::Int(number) => Node::Literal(Value::Int(*number)),
            Kind::Double(number) => Node::Literal(Value::Double(*number)),
            Kind::Bool(truth) => Node::Literal(Value::Bool(*truth)),
            Kind::Name(name) => return self.named(at, name),
            Kind::List(_) => return Err(list_alone().at(at)),
            Kind::Index(map, key) => self.entry(map, key)?,
            Kind::Call(call) => self.call(at, call, wanted)?,
            Kind::Not(operand) => Node::Not(self.boxed(operand, Type::Bool)?),
            Kind::Negate(operand) => self.negated(at, operand)?,
            Kind::And(terms) => Node::And(self.logic(), self.terms(terms)?),
            Kind::Or(terms) => Node::Or(self.logic(), self.terms(terms)?),
            Kind::Infix(infix, left, right) => self.infix(at, *infix, left, right, wanted)?,
            Kind::Choose(parts) => {
                let [condition, one, other] = parts.as_ref();
                self.choice(condition, one, other, wanted)?
            }
        };
        simplified(at, node)
    }

    fn text(self, at: usize, text: &str, wanted: Option<Type>) -> Checked {
        if self.dialect == Dialect::Cel || wanted != Some(Type::Duration) {
            return Ok(literal_text(text));
        }
        let nanos = calendar::duration(text).ok_or_else(|| {
            Problem::NotA {
                text: text.to_owned(),
                ty: Type::Duration,
            }
            .at(at)
        })?;
        Ok(Node::Literal(Value::Duration(nanos)))
    }

    fn named(self, at: usize, name: &str) -> Checked {
        if let Some(attribute) = Attribute::named(name) {
            return Ok(Node::Attribute(attribute));
        }
        let member = name.rsplit_once('.').and_then(|(map, key)| {
            let map = Attribute::named(map).filter(|map| map.ty() == Type::StringMap)?;
            Some((map, key))
        });
        match (member, self.dialect) {
            (Some((map, key)), Dialect::Cel) => Ok(entry(Node::Attribute(map), literal_text(key))),
            (member, _) => {
                let instead = member.map(|(map, key)| format!("{}[\"{key}\"]", map.name()));
                let instead = instead.or(Attribute::nearest(name).map(str::to_owned));
                Err(Problem::UnknownAttribute {
                    name: name.to_owned(),
                    instead,
                }
                .at(at))
            }
        }
    }

    fn entry(self, map: &Syntax, key: &Syntax) -> Checked {
        let map = self.of_type(map, Type::StringMap)?;
        Ok(entry(map, self.of_type(key, Type::String)?))
    }

    fn logic(self) -> Logic {
        match self.dialect {
            Dialect::Cexl => Logic::Strict,
            Dialect::Cel => Logic::Absorbing,
        }
    }

    fn terms(self, terms: &[Syntax]) -> Result<Vec<Node>, Located> {
        terms
            .iter()
            .map(|term| self.of_type(term, Type::Bool))
            .collect()
    }

    fn infix(
        self,
        at: usize,
        infix: Infix,
        left: &Syntax,
        right: &Syntax,
        wanted: Option<Type>,
    ) -> Checked {
        if infix == Infix::In {
            return self.membership(at, left, right);
        }
        let (left, right) = self.pair(left, right, wanted.filter(|_| infix == Infix::Default))?;
        let types = (left.ty(), right.ty());
        joined(self.dialect, infix, left, right).ok_or_else(|| {
            let (left, right) = types;
            Problem::Operands {
                operator: infix.sign(),
                left,
                right,
            }
            .at(at)
        })
    }

    /// Two operands; a text literal takes its type from the other one.
    fn pair(
        self,
        left: &Syntax,
        right: &Syntax,
        wanted: Option<Type>,
    ) -> Result<(Node, Node), Located> {
        if matches!(left.kind, Kind::Text(_)) {
            let right = self.beside(right, wanted)?;
            return Ok((self.beside(left, Some(right.ty()))?, right));
        }
        let left = self.beside(left, wanted)?;
        let right = self.beside(right, Some(left.ty()))?;
        Ok((left, right))
    }

    /// One value or the other.
    pub(super) fn choice(
        self,
        condition: &Syntax,
        one: &Syntax,
        other: &Syntax,
        wanted: Option<Type>,
    ) -> Checked {
        let condition = self.boxed(condition, Type::Bool)?;
        let at = other.at;
        let (one, other) = self.pair(one, other, wanted)?;
        if one.ty() != other.ty() {
            let (expected, found) = (one.ty(), other.ty());
            return Err(Problem::WrongType {
                found,
                expected,
                instead: None,
            }
            .at(at));
        }
        Ok(Node::Choose(condition, Box::new(one), Box::new(other)))
    }

    fn negated(self, at: usize, operand: &Syntax) -> Checked {
        let operand = self.node(operand)?;
        let ty = operand.ty();
        let zero = match ty {
            Type::Int64 => Value::Int(0),
            Type::Double => Value::Double(0.0),
            Type::Duration => Value::Duration(0),
            found => {
                return Err(Problem::WrongType {
                    found,
                    expected: Type::Int64,
                    instead: None,
                }
                .at(at));
            }
        };
        let (zero, operand) = (Box::new(Node::Literal(zero)), Box::new(operand));
        Ok(Node::Arithmetic(Arithmetic::Subtract, ty, zero, operand))
    }
}

/// The operator over two typed operands, where it has a meaning for them.
fn joined(dialect: Dialect, infix: Infix, left: Node, right: Node) -> Option<Node> {
    let (one, other) = (left.ty(), right.ty());
    let (left, right) = (Box::new(left), Box::new(right));
    if let Some(relation) = relation(infix) {
        let symmetric = matches!(relation, Relation::Equal | Relation::NotEqual);
        let fits = if symmetric {
            one != Type::StringMap
        } else {
            one.is_ordered()
        };
        return (one == other && fits).then_some(Node::Compare(relation, left, right));
    }
    let sign = match infix {
        Infix::Default => return (one == other).then_some(Node::Default(left, right)),
        Infix::Add => Arithmetic::Add,
        Infix::Subtract => Arithmetic::Subtract,
        _ => return None,
    };
    let ty = sign.result(one, other)?;
    // Mixer added texts and numbers only.
    let fits = dialect == Dialect::Cel || !matches!(ty, Type::Duration | Type::Timestamp);
    fits.then_some(Node::Arithmetic(sign, ty, left, right))
}

fn relation(infix: Infix) -> Option<Relation> {
    Some(match infix {
        Infix::Equal => Relation::Equal,
        Infix::NotEqual => Relation::NotEqual,
        Infix::Less => Relation::Less,
        Infix::LessOrEqual => Relation::LessOrEqual,
        Infix::Greater => Relation::Greater,
        Infix::GreaterOrEqual => Relation::GreaterOrEqual,
        _ => return None,
    })
}

/// A map's entry; constant header names are brought into lower case, and pseudo-
/// headers are the attributes they stand for.
fn entry(map: Node, key: Node) -> Node {
    let headers = match &map {
        Node::Attribute(name) if name.has_header_names() => Some(*name),
        _ => None,
    };
    let key = match (key.literal_text(), headers) {
        (Some(name), Some(headers)) => {
            let name = name.to_ascii_lowercase();
            let pseudo = Attribute::of_pseudo_header(&name);
            if let (Attribute::RequestHeaders, Some(attribute)) = (headers, pseudo) {
                return Node::Attribute(attribute);
            }
            literal_text(&name)
        }
        _ => key,
    };
    Node::Entry(Box::new(map), Box::new(key))
}

/// Folds, and refuses a constant that cannot be computed. An absence is left
/// to the `|` above it.
fn simplified(at: usize, node: Node) -> Checked {
    let node = respelt(fold::fold(node)).map_err(|problem| problem.at(at))?;
    if !node.is_computable() {
        return Ok(node);
    }
    match fold::computed(&node) {
        Err(fault) if !fault.is_absence() => Err(Problem::AlwaysFails(fault).at(at)),
        _ => Ok(node),
    }
}

pub(super) fn literal_text(text: &str) -> Node {
    Node::Literal(Value::String(text.to_owned().into()))
}

fn list_alone() -> Problem {
    Problem::Unsupported {
        what: "a list on its own",
        instead: "`value in [one, other]`",
    }
}
