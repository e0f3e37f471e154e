//! Constants that paths are compared with, as views show paths: without escapes
//! and without case. A view shows `/secret` for `/Secret`, and an expression that
//! says `/Secret` means it.

use std::borrow::Cow;
use std::sync::Arc;

use super::tree::{Node, Relation};
use super::{Attribute, Value};
use crate::canonical::{deny_text, deny_views};

/// The same node, and whether any constant in it is another.
pub(super) fn widened(node: &Node, changes: &mut bool) -> Node {
    let mut widening = Widening {
        negated: false,
        changes,
    };
    widening.node(node)
}

struct Widening<'c> {
    /// Whether what is compared lets pass where it holds. Then a constant loses all
    /// that views lose: `!= "/a;b"` does not refuse `/a;b` for its view `/a`.
    negated: bool,
    changes: &'c mut bool,
}

impl Widening<'_> {
    fn node(&mut self, node: &Node) -> Node {
        match node {
            Node::Not(of) => self.turned(|widening| Node::Not(Box::new(widening.node(of)))),
            Node::Compare(Relation::NotEqual, one, other) if is_path(one) || is_path(other) => self
                .turned(|widening| {
                    let (one, other) = (widening.constant(one), widening.constant(other));
                    Node::Compare(Relation::NotEqual, one, other)
                }),
            Node::Compare(relation, one, other) if is_path(one) || is_path(other) => {
                Node::Compare(*relation, self.constant(one), self.constant(other))
            }
            Node::Affix(affix, whole, part) if is_path(whole) => {
                Node::Affix(*affix, whole.clone(), self.constant(part))
            }
            Node::Glob(of, pattern) if is_path(of) => {
                Node::Glob(of.clone(), self.constant(pattern))
            }
            Node::OneOf(of, values) if is_path(of) => {
                let wide: Arc<[_]> = values.iter().map(|value| self.value(value)).collect();
                Node::OneOf(of.clone(), wide)
            }
            Node::Matches(of, pattern) if is_path(of) => {
                let wide = pattern.widened();
                *self.changes |= wide.is_some();
                Node::Matches(of.clone(), wide.unwrap_or_else(|| pattern.clone()))
            }
            other => other.with_parts(&mut |part| self.node(part)),
        }
    }

    fn turned(&mut self, widen: impl FnOnce(&mut Self) -> Node) -> Node {
        self.negated = !self.negated;
        let node = widen(self);
        self.negated = !self.negated;
        node
    }

    fn constant(&mut self, node: &Node) -> Box<Node> {
        Box::new(match node.literal() {
            Some(value) => Node::Literal(self.value(value)),
            None => node.clone(),
        })
    }

    fn value(&mut self, value: &Value<'static>) -> Value<'static> {
        let Value::String(written) = value else {
            return value.clone();
        };
        let wide = match self.negated && written.starts_with('/') {
            true => view(written),
            false => deny_text(written).into_owned(),
        };
        *self.changes |= wide != **written;
        Value::String(Cow::Owned(wide))
    }
}

/// A path, and its query if there is one, as its own view shows it.
fn view(target: &str) -> String {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let views = deny_views(path);
    let path = views.iter().next().unwrap_or_default();
    match query {
        Some(query) => format!("{path}?{}", deny_text(query)),
        None => path.to_owned(),
    }
}

/// Whether a value is made of the path.
fn is_path(node: &Node) -> bool {
    match node {
        Node::Attribute(attribute) => {
            matches!(
                attribute,
                Attribute::RequestPath | Attribute::RequestUrlPath
            )
        }
        _ => node.parts().into_iter().any(is_path),
    }
}
