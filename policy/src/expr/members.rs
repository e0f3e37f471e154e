//! Membership in a list that stands outside an expression's text, such as the
//! entries of one of Mixer's list checkers: they may be many more than a text
//! may be long.

use std::sync::Arc;

use ipnet::IpNet;

use super::networks;
use super::tree::{Case, Logic, Node};
use super::{Expr, Pattern, Type, Value, fold};

/// A list, by how its entries are compared with a value.
#[derive(Clone, Debug)]
pub enum Members {
    /// Texts, byte by byte.
    Texts(Vec<Box<str>>),
    /// Texts, without regard to case.
    AnyCase(Vec<Box<str>>),
    /// Networks. A value that is text is read as an address; one that is none
    /// is a fault.
    Networks(Vec<IpNet>),
    /// Regular expressions, searched anywhere in the value.
    Patterns(Vec<Pattern>),
}

impl Expr {
    /// The expression that this one's value is on the list. Lists of texts and
    /// of patterns ask for a value of type STRING, networks for an address too.
    #[must_use]
    pub fn among(&self, members: Members) -> Self {
        let text = written(&self.text, &members);
        let value = || Box::new(self.node.clone());
        let node = match members {
            Members::Texts(texts) => Node::OneOf(value(), constants(texts.into_iter())),
            Members::AnyCase(texts) => {
                let lower = texts.iter().map(|text| text.to_lowercase().into());
                let value = Node::Lower(Case::Unicode, value());
                Node::OneOf(Box::new(value), constants(lower))
            }
            Members::Networks(networks) => {
                let value = match self.ty() {
                    Type::String => Box::new(Node::Convert(Type::IpAddress, value())),
                    _ => value(),
                };
                let networks = networks.into_iter().map(networks::canonical);
                Node::Within(value, networks.collect())
            }
            Members::Patterns(patterns) => {
                let found = |pattern| Node::Matches(value(), pattern);
                Node::Or(Logic::Strict, patterns.into_iter().map(found).collect())
            }
        };
        Self::of(text.into(), self.dialect, fold::fold(node))
    }

    /// The expression that this one and the other hold.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let terms = vec![self.node.clone(), other.node.clone()];
        let node = fold::fold(Node::And(Logic::Strict, terms));
        let text = format!("({}) && ({})", self.text, other.text);
        Self::of(text.into(), self.dialect, fold::settled(node))
    }
}

/// As CEXL would say it, were there no limit to a text. It has no word for
/// networks: what is written then does not compile.
fn written(value: &str, members: &Members) -> String {
    let one_of = |terms: &mut dyn Iterator<Item = String>| {
        let terms: Vec<String> = terms.collect();
        match terms.is_empty() {
            true => "false".to_owned(),
            false => terms.join(" || "),
        }
    };
    match members {
        Members::Texts(texts) => {
            one_of(&mut texts.iter().map(|text| format!("({value}) == {text:?}")))
        }
        Members::AnyCase(texts) => one_of(&mut texts.iter().map(|text| {
            let text = text.to_lowercase();
            format!("toLower({value}) == {text:?}")
        })),
        Members::Networks(networks) => format!("({value}) in {networks:?}"),
        Members::Patterns(patterns) => one_of(&mut patterns.iter().map(|pattern| {
            let pattern = pattern.as_str();
            format!("{pattern:?}.matches({value})")
        })),
    }
}

fn constants(texts: impl Iterator<Item = Box<str>>) -> Arc<[Value<'static>]> {
    texts
        .map(|text| Value::String(String::from(text).into()))
        .collect()
}
