//! Expressions: Mixer's CEXL and a subset of CEL over one vocabulary.
//!
//! Two small parsers, one typed tree. All that can be wrong is found when the
//! expression is compiled; evaluation neither fails nor panics, it answers
//! true, false, or why it cannot know. The cost of an evaluation is linear in
//! the text of the expression: there are no macros and no loops.

mod calendar;
mod calls;
mod cel;
mod cexl;
mod check;
mod error;
mod eval;
mod fault;
mod fold;
mod hosts;
mod lexer;
mod members;
mod names;
mod networks;
mod parser;
mod pieces;
mod quoted;
mod readings;
mod regex;
mod syntax;
mod tree;
mod types;
mod vocabulary;
mod wide;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::OnceLock;

pub use error::{ExprError, Problem};
pub use fault::Fault;
pub use members::Members;
pub use readings::{Ask, Letters, Readings};
pub use regex::Pattern;
pub use tree::{Affix, Arithmetic, Case, Clock, Logic, Node, Relation, Unit};
pub use types::{Map, Type, Value};
pub use vocabulary::{Attribute, Known};

/// The longest text of an expression, in bytes.
pub const TEXT_BYTES: usize = 4096;

/// How deep an expression may nest.
pub const NESTING: usize = 64;

/// What an expression is evaluated over: the attributes of one attempt.
pub trait Attributes {
    /// The attribute's value, of the attribute's type; none where it is absent.
    /// A map that is there is [`Value::Map`] with [`Map::Of`] the attribute.
    fn value(&self, attribute: Attribute) -> Option<Value<'_>>;

    /// The entry of a map attribute. Keys of header maps come in lower case;
    /// a header of several values gives them joined.
    fn map_entry(&self, attribute: Attribute, key: &str) -> Option<Cow<'_, str>>;
}

/// The answer of an expression of type BOOL.
///
/// What `Absent` means is for the caller to decide, and it must close: a
/// check applies, a permission does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be told: something is absent, or failed.
    Absent(Fault),
}

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Expr {
    text: Box<str>,
    dialect: Dialect,
    node: Node,
    /// The node as views of paths are asked, where it differs; made when the first
    /// matcher that refuses asks for it.
    wide: OnceLock<Option<Box<Node>>>,
}

/// The two ways to write an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// The language of Mixer's kinds.
    Cexl,
    /// The subset of CEL.
    Cel,
}

impl Expr {
    /// Compiles the text as CEXL, the language of Mixer's kinds.
    ///
    /// # Errors
    /// Refuses what is not well-formed, well-typed and within the limits.
    pub fn cexl(text: &str) -> Result<Self, ExprError> {
        Self::compiled(text, Dialect::Cexl)
    }

    /// Compiles the text as the subset of CEL.
    ///
    /// # Errors
    /// Refuses what is not well-formed, well-typed and within the limits.
    pub fn cel(text: &str) -> Result<Self, ExprError> {
        Self::compiled(text, Dialect::Cel)
    }

    fn compiled(text: &str, dialect: Dialect) -> Result<Self, ExprError> {
        let node = parser::parse(text, dialect).and_then(|syntax| check::check(&syntax, dialect));
        let node = node.map_err(|located| located.in_text(text))?;
        Ok(Self::of(text.into(), dialect, fold::settled(node)))
    }

    fn of(text: Box<str>, dialect: Dialect, node: Node) -> Self {
        Self {
            text,
            dialect,
            node,
            wide: OnceLock::new(),
        }
    }

    /// The text the expression was compiled from, less the conjuncts that
    /// [`Expr::without`] took away and [`Expr::specialise`] found to hold.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How the text is to be read.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The type of the expression's values.
    pub fn ty(&self) -> Type {
        self.node.ty()
    }

    /// The typed tree.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Every attribute whose value the expression may ask for.
    pub fn attributes(&self) -> BTreeSet<Attribute> {
        let mut found = BTreeSet::new();
        collect(&self.node, &mut found);
        found
    }

    /// Whether the expression holds. One that is not of type BOOL is never true.
    pub fn test(&self, attributes: &dyn Attributes) -> Truth {
        match eval::truth(&self.node, attributes) {
            Ok(true) => Truth::True,
            Ok(false) => Truth::False,
            Err(fault) => Truth::Absent(fault),
        }
    }

    /// As [`Expr::test`], each conjunct on its own: one that is false settles
    /// it even behind one that cannot be told.
    pub fn test_apart(&self, attributes: &dyn Attributes) -> Truth {
        let mut answer = Truth::True;
        for term in self.conjuncts() {
            match eval::truth(term, attributes) {
                Ok(true) => {}
                Ok(false) => return Truth::False,
                Err(fault) => answer = Truth::Absent(fault),
            }
        }
        answer
    }

    /// As [`Expr::test_apart`], for an attempt of a kind that lacks attributes:
    /// a conjunct that asks for one of them cannot be told, whatever it puts in
    /// the place of what is absent.
    pub fn test_lacking(
        &self,
        attributes: &dyn Attributes,
        lacks: impl Fn(Attribute) -> bool + Copy,
    ) -> Truth {
        let mut answer = Truth::True;
        for term in self.conjuncts() {
            let lacking = asked(term, lacks).map(Fault::Absent);
            match lacking.map_or_else(|| eval::truth(term, attributes), Err) {
                Ok(true) => {}
                Ok(false) => return Truth::False,
                Err(fault) => answer = Truth::Absent(fault),
            }
        }
        answer
    }

    /// The expression's value, or why it has none for this attempt.
    ///
    /// # Errors
    /// A [`Fault`]: something is absent, out of range or does not convert.
    pub fn eval<'a>(&'a self, attributes: &'a dyn Attributes) -> Result<Value<'a>, Fault> {
        eval::value(&self.node, attributes)
    }

    /// The terms that must all hold: those of the `&&` at the top, or the whole
    /// expression as the only one.
    pub fn conjuncts(&self) -> &[Node] {
        readings::terms(&self.node)
    }

    /// The expression without the conjuncts that were lifted out of it; true
    /// when none is left.
    ///
    /// The answer of the lifted ones and of the rest together is that of the
    /// whole, but for one case: where a term that fails stood before one that
    /// is false, the whole is absent and the parts together are false.
    pub fn without(&self, lifted: impl FnMut(&Node) -> bool) -> Self {
        let taken: Vec<bool> = self.conjuncts().iter().map(lifted).collect();
        let terms = self.conjuncts().iter().zip(&taken);
        let rest = terms.filter(|(_, taken)| !**taken).map(|(term, _)| term);
        let logic = match &self.node {
            Node::And(logic, _) => *logic,
            _ => Logic::Strict,
        };
        let node = fold::fold(Node::And(logic, rest.cloned().collect()));
        Self::of(pieces::left(self, &taken), self.dialect, node)
    }

    /// The expression with a value that is known beforehand put in the place of
    /// an attribute, and folded. A value of another type changes nothing.
    pub fn specialise(&self, attribute: Attribute, value: &Value<'_>) -> Self {
        if value.ty() != attribute.ty() {
            return self.clone();
        }
        let value = value.clone().into_owned();
        let specialised = |node: &Node| fold::settled(fold::specialised(node, attribute, &value));
        let node = specialised(&self.node);
        let text = pieces::unsettled(self, &node, specialised);
        Self::of(text, self.dialect, node)
    }
}

fn collect(node: &Node, found: &mut BTreeSet<Attribute>) {
    if let Node::Attribute(attribute) | Node::Present(attribute) = node {
        found.insert(*attribute);
    }
    for part in node.parts() {
        collect(part, found);
    }
}

/// The first attribute of a kind that is asked for.
fn asked(node: &Node, kind: impl Fn(Attribute) -> bool + Copy) -> Option<Attribute> {
    match node {
        Node::Attribute(attribute) | Node::Present(attribute) if kind(*attribute) => {
            Some(*attribute)
        }
        _ => node.parts().into_iter().find_map(|part| asked(part, kind)),
    }
}
