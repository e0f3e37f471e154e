//! `listentry`: the value that is looked up in a list.

use policy::expr::{Expr, Type};

use super::expression;
use crate::fields::Fields;
use crate::node::Node;

/// The value, and where it is written.
#[derive(Clone, Debug)]
pub(super) struct ListEntry<'a> {
    pub(super) value: Expr,
    pub(super) node: &'a Node,
}

impl<'a> ListEntry<'a> {
    pub(super) fn read(fields: &Fields<'a>) -> Option<Self> {
        let node = fields.need("value", "request.path")?;
        let value = expression::read(node, fields.report)?;
        if !matches!(value.ty(), Type::String | Type::IpAddress) {
            let message = format!(
                "the value is {} where STRING or IP_ADDRESS belongs: write such as `request.path`",
                value.ty()
            );
            fields.report.error(&node.origin, message);
            return None;
        }
        Some(Self { value, node })
    }
}
