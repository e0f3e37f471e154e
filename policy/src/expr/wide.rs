//! Constants that paths are compared with, as views show paths: without escapes
//! and without case. A view shows `/secret` for `/Secret`, and an expression that
//! says `/Secret` means it.

use std::borrow::Cow;
use std::sync::Arc;

use super::tree::Node;
use super::{Attribute, Value};
use crate::canonical::deny_text;

/// The same node, and whether any constant in it is another.
pub(super) fn widened(node: &Node, changes: &mut bool) -> Node {
    let mut constant = |node: &Node| match node.literal() {
        Some(value) => Box::new(Node::Literal(text(value, changes))),
        None => Box::new(node.clone()),
    };
    match node {
        Node::Compare(relation, one, other) if is_path(one) || is_path(other) => {
            Node::Compare(*relation, constant(one), constant(other))
        }
        Node::Affix(affix, whole, part) if is_path(whole) => {
            Node::Affix(*affix, whole.clone(), constant(part))
        }
        Node::Glob(of, pattern) if is_path(of) => Node::Glob(of.clone(), constant(pattern)),
        Node::OneOf(of, values) if is_path(of) => {
            let wide: Arc<[_]> = values.iter().map(|value| text(value, changes)).collect();
            Node::OneOf(of.clone(), wide)
        }
        Node::Matches(of, pattern) if is_path(of) => {
            let wide = pattern.widened();
            *changes |= wide.is_some();
            Node::Matches(of.clone(), wide.unwrap_or_else(|| pattern.clone()))
        }
        other => other.with_parts(&mut |part| widened(part, changes)),
    }
}

fn text(value: &Value<'static>, changes: &mut bool) -> Value<'static> {
    let Value::String(written) = value else {
        return value.clone();
    };
    match deny_text(written) {
        Cow::Borrowed(_) => value.clone(),
        Cow::Owned(wide) => {
            *changes = true;
            Value::String(Cow::Owned(wide))
        }
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
