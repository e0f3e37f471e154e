//! Folding: what is known when the snapshot is compiled is computed then.
//!
//! Folding never changes what an expression gives, failures included; the one
//! exception is [`settled`], which may turn a failure into false.

use std::borrow::Cow;

use super::tree::{Affix, Logic, Node, Relation};
use super::{Attribute, Attributes, Fault, Value, eval};

/// An attempt of which nothing is known.
#[derive(Debug)]
struct Nothing;

impl Attributes for Nothing {
    fn value(&self, _: Attribute) -> Option<Value<'_>> {
        None
    }

    fn map_entry(&self, _: Attribute, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// The value of a node made of constants only.
pub(super) fn computed(node: &Node) -> Result<Value<'static>, Fault> {
    eval::value(node, &Nothing).map(Value::into_owned)
}

/// The simplest node that means the same, given folded parts.
pub(super) fn fold(node: Node) -> Node {
    match node {
        Node::And(logic, terms) => joined(logic, terms, Join::And),
        Node::Or(logic, terms) => joined(logic, terms, Join::Or),
        Node::Choose(condition, one, other) => match condition.literal() {
            Some(Value::Bool(true)) => *one,
            Some(Value::Bool(false)) => *other,
            _ => Node::Choose(condition, one, other),
        },
        Node::Default(first, _) if first.literal().is_some() => *first,
        node if node.is_computable() => match computed(&node) {
            Ok(value) => Node::Literal(value),
            Err(_) => node,
        },
        Node::Compare(relation, one, other) if one.literal().is_some() => {
            Node::Compare(relation.exchanged(), other, one)
        }
        Node::Glob(text, pattern) => glob(text, pattern),
        node => node,
    }
}

/// Mixer's `match` with a constant pattern is a test an index understands.
fn glob(text: Box<Node>, pattern: Box<Node>) -> Node {
    let Some(written) = pattern.literal_text() else {
        return Node::Glob(text, pattern);
    };
    let constant = |part: &str| Box::new(Node::Literal(Value::String(Cow::Owned(part.to_owned()))));
    match (written.strip_suffix('*'), written.strip_prefix('*')) {
        (Some(prefix), _) => Node::Affix(Affix::Prefix, text, constant(prefix)),
        (None, Some(suffix)) => Node::Affix(Affix::Suffix, text, constant(suffix)),
        (None, None) => Node::Compare(Relation::Equal, text, pattern),
    }
}

#[derive(Debug, Clone, Copy)]
enum Join {
    And,
    Or,
}

impl Join {
    /// The truth of one term that is the truth of the whole.
    fn decisive(self) -> bool {
        matches!(self, Self::Or)
    }

    fn of(self, logic: Logic, terms: Vec<Node>) -> Node {
        match self {
            Self::And => Node::And(logic, terms),
            Self::Or => Node::Or(logic, terms),
        }
    }

    /// The terms of a chain inside the chain, or the node itself.
    fn terms(self, node: Node) -> Vec<Node> {
        match (self, node) {
            (Self::And, Node::And(_, terms)) | (Self::Or, Node::Or(_, terms)) => terms,
            (_, node) => vec![node],
        }
    }
}

fn joined(logic: Logic, terms: Vec<Node>, join: Join) -> Node {
    let mut kept = Vec::new();
    for term in terms.into_iter().flat_map(|term| join.terms(term)) {
        match term.literal() {
            Some(Value::Bool(truth)) if *truth != join.decisive() => {}
            Some(_) if logic == Logic::Absorbing => return term,
            Some(_) => {
                // Nothing behind it is evaluated; what is before it may fail.
                kept.push(term);
                break;
            }
            None => kept.push(term),
        }
    }
    match kept.pop() {
        None => Node::Literal(Value::Bool(!join.decisive())),
        Some(only) if kept.is_empty() => only,
        Some(last) => {
            kept.push(last);
            join.of(logic, kept)
        }
    }
}

/// The node with the attribute's value put in its place.
pub(super) fn specialised(node: &Node, attribute: Attribute, value: &Value<'static>) -> Node {
    match node {
        Node::Attribute(name) if *name == attribute => Node::Literal(value.clone()),
        Node::Present(name) if *name == attribute => Node::Literal(Value::Bool(true)),
        other => fold(other.with_parts(&mut |part| specialised(part, attribute, value))),
    }
}

/// A whole expression: false when a conjunct is, whatever the others may do.
///
/// A chain that cannot be true is false. Mixer let an absent attribute before
/// the false conjunct fail the evaluation and then took the rule as not
/// matching, which is the same to a rule; for a check it must not be taken as
/// matching, or a rule about another gateway would deny here.
pub(super) fn settled(node: Node) -> Node {
    let is_false = |term: &Node| term.literal() == Some(&Value::Bool(false));
    match &node {
        Node::And(_, terms) if terms.iter().any(is_false) => Node::Literal(Value::Bool(false)),
        _ => node,
    }
}
