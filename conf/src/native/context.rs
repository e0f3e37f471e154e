//! What every part of a configuration may refer to.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use policy::origin::Origin;
use policy::pattern::HostPattern;
use policy::source::SourcePattern;

use crate::fields::Fields;
use crate::node::Node;
use crate::report::Report;
use crate::spelling::{listed, nearest};

use super::list::{Entries, List};

/// Lists by name, the names of our own trust domain, and where problems go.
#[derive(Debug)]
pub(super) struct Context<'a> {
    /// Hosts that matchers name, to be compared with those there are.
    pub(super) named_hosts: RefCell<Vec<(HostPattern, Origin)>>,
    pub(super) report: &'a Report,
    pub(super) lists: Vec<List<'a>>,
    /// The callers on lists that were read as such.
    pub(super) listed_sources: RefCell<HashMap<Box<str>, Arc<[SourcePattern]>>>,
    /// The mesh's own trust domain and its aliases.
    pub(super) local: Vec<Box<str>>,
    /// What expressions call `context.reporter.uid`, a constant of the process.
    pub(super) reporter_uid: String,
}

impl<'a> Context<'a> {
    /// The list that a `{ list: NAME }` names.
    pub(super) fn list(&self, node: &Node) -> Option<&Entries<'a>> {
        let found = Fields::read(node, self.report, |fields| {
            let name = fields.text("list")?;
            let found = self.lists.iter().find(|list| list.name == name);
            if found.is_none() {
                let origin = fields
                    .take("list")
                    .map_or(fields.origin(), |node| &node.origin);
                self.unknown(
                    origin,
                    "list",
                    name,
                    self.lists.iter().map(|list| list.name),
                );
            }
            found.map(|list| &list.entries)
        });
        found.flatten()
    }

    /// Reports a name that nothing has.
    pub(super) fn unknown<'n>(
        &self,
        origin: &Origin,
        what: &str,
        name: &str,
        known: impl Iterator<Item = &'n str> + Clone,
    ) {
        let instead = match nearest(name, known.clone()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if known.clone().next().is_none() => {
                format!("there is no {what} at all: write one")
            }
            None => format!("write {}", listed(known)),
        };
        self.report
            .error(origin, format!("unknown {what} `{name}`: {instead}"));
    }
}
