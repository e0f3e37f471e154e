//! A matcher while it is read: what its keys ask, lists among them.
//!
//! An empty key asks nothing, so a list without entries must not become one.
//! What is not known of a list falls by what follows when the matcher holds:
//! that is why nobody can read a key without saying what follows.

use std::cell::Cell;

use policy::canonical::MethodSet;
use policy::rule::Matcher;

use super::context::Context;
use super::list::Entries;
use crate::node::{Node, Value};
use crate::remote::{Content, OnError, is_boundless};

/// What follows when a matcher holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    /// The request may go on.
    Permission,
    /// The request is refused.
    Refusal,
    /// The request is told, or marked.
    Telling,
    /// The request is not told.
    Silence,
    /// The request takes its way, or a connection is accepted: there is no safe
    /// side for what is not known.
    Way,
}

impl Follows {
    /// What follows where an exception of it holds.
    pub(super) fn excepted(self) -> Self {
        match self {
            Self::Permission => Self::Refusal,
            Self::Refusal => Self::Permission,
            Self::Telling => Self::Silence,
            Self::Silence => Self::Telling,
            Self::Way => Self::Way,
        }
    }

    /// Whether a list nobody knows holds everything, or else nothing.
    fn everything(self, on_error: OnError) -> bool {
        match (self, on_error) {
            (Self::Refusal, OnError::Deny) | (Self::Permission, OnError::Allow) => true,
            (Self::Permission, OnError::Deny) | (Self::Refusal, OnError::Allow) => false,
            // `onError` is about decisions: what is told is told in doubt.
            (Self::Telling, _) => true,
            (Self::Silence | Self::Way, _) => false,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Asking<'c, 'a> {
    pub(super) context: &'c Context<'a>,
    follows: Follows,
    /// Some key has no alternative at all.
    impossible: Cell<bool>,
}

impl<'c, 'a> Asking<'c, 'a> {
    pub(super) fn new(context: &'c Context<'a>, follows: Follows) -> Self {
        Self {
            context,
            follows,
            impossible: Cell::new(false),
        }
    }

    /// Whether the matcher takes away.
    pub(super) fn refuses(&self) -> bool {
        self.follows == Follows::Refusal
    }

    /// The alternatives of a key, with `{ list: name }` in the place of entries.
    /// None: it asks nothing, or [`Asking::matcher`] matches nothing.
    pub(super) fn alternatives<T>(
        &self,
        nodes: &[Node],
        parse: impl Fn(&Node) -> Option<T>,
    ) -> Vec<T> {
        let mut alternatives = Vec::with_capacity(nodes.len());
        let mut everything = false;
        for node in nodes {
            let entries: &[Node] = match node.entry("list") {
                None => std::slice::from_ref(node),
                Some(list) => match self.context.list(node) {
                    None => &[],
                    Some(Entries::Written(entries)) => entries,
                    Some(Entries::Remote(content)) => {
                        self.refuse_as_way(list);
                        match content {
                            Content::Entries(entries) => {
                                self.refuse_boundless(entries);
                                entries
                            }
                            Content::Unknown(on_error) => {
                                everything |= self.follows.everything(*on_error);
                                &[]
                            }
                        }
                    }
                },
            };
            alternatives.extend(entries.iter().filter_map(&parse));
        }
        if everything {
            return Vec::new();
        }
        if alternatives.is_empty() && !nodes.is_empty() {
            self.impossible.set(true);
        }
        alternatives
    }

    /// To mean everything or everybody is the operator's to say: such content is
    /// refused as a whole, as what cannot be read is.
    fn refuse_boundless(&self, entries: &[Node]) {
        for node in entries {
            if let Value::Scalar(entry) = &node.value
                && is_boundless(&entry.text)
            {
                let message = format!(
                    "`{}` means everything, which a list kept elsewhere cannot say: name what is meant, or write it in the policy",
                    entry.text
                );
                self.context.report.error(&node.origin, message);
            }
        }
    }

    fn refuse_as_way(&self, list: &Node) {
        if self.follows == Follows::Way {
            let message =
                "a list with a URL stands in `policies` and `logs` only: write its entries here";
            self.context.report.error(&list.origin, message);
        }
    }

    /// The matcher, of which every key has been read.
    pub(super) fn matcher(&self, read: Matcher) -> Matcher {
        match self.impossible.get() {
            false => read,
            // No request has a method of the empty set.
            true => Matcher {
                methods: Some(MethodSet::default()),
                ..read
            },
        }
    }
}
