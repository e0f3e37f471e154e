//! The sources of a snapshot, numbered, and which of them a caller is.

use std::collections::HashMap;
use std::net::IpAddr;

use super::SourcePattern;
use crate::principal::Principal;

/// The number of a source within one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SourceId(u32);

impl SourceId {
    /// Everybody.
    pub(crate) const ANY: Self = Self(0);
    /// Only in refusing rules: a caller without identity, of whom no rule can
    /// say that it does *not* speak of him (fail closed).
    pub(crate) const UNVERIFIED: Self = Self(1);
}

/// Every source of a snapshot, numbered.
///
/// Many sources of one rule are a crowd, which has a number of its own: the
/// index holds that one in their place. A caller knows the crowds it is in.
#[derive(Debug, Default)]
pub(crate) struct SourceTable {
    next: u32,
    numbers: HashMap<SourcePattern, SourceId>,
    /// Members, ascending.
    crowds: HashMap<Box<[SourceId]>, SourceId>,
    crowds_of: HashMap<SourceId, Vec<SourceId>>,
    exact: HashMap<Box<str>, SourceId>,
    /// Scanned once per connection, not per request.
    patterns: Vec<(SourcePattern, SourceId)>,
}

impl SourceTable {
    /// The number of `source`; [`SourceId::ANY`] when it means everybody.
    pub(crate) fn number(&mut self, source: &SourcePattern) -> SourceId {
        if *source == SourcePattern::Any {
            return SourceId::ANY;
        }
        if let Some(id) = self.numbers.get(source) {
            return *id;
        }
        // One workload may be written in several ways.
        let name = source.exact_name();
        let known = name.as_ref().and_then(|name| self.exact.get(&**name));
        let id = match (known.copied(), name) {
            (Some(known), _) => known,
            (None, name) => {
                let id = self.new_number();
                match name {
                    Some(name) => drop(self.exact.insert(name.into(), id)),
                    None => self.patterns.push((source.clone(), id)),
                }
                id
            }
        };
        self.numbers.insert(source.clone(), id);
        id
    }

    /// The number of a crowd: whoever is one of `members`, which ascend.
    pub(crate) fn crowd(&mut self, members: Box<[SourceId]>) -> SourceId {
        if let Some(known) = self.crowds.get(&members) {
            return *known;
        }
        let id = self.new_number();
        for member in &members {
            self.crowds_of.entry(*member).or_default().push(id);
        }
        self.crowds.insert(members, id);
        id
    }

    fn new_number(&mut self) -> SourceId {
        let id = SourceId(self.next.saturating_add(2));
        self.next = self.next.saturating_add(1);
        id
    }

    /// Finds which sources a caller is. Done once per connection and snapshot.
    pub(crate) fn caller(&self, principal: Option<Principal>, address: IpAddr) -> Caller {
        // A socket for both families tells an IPv4 peer as `::ffff:10.1.2.3`.
        let address = address.to_canonical();
        let mut sources = vec![SourceId::ANY];
        match &principal {
            None => sources.push(SourceId::UNVERIFIED),
            Some(name) => sources.extend(self.exact.get(name.as_str())),
        }
        sources.extend(
            self.patterns
                .iter()
                .filter(|(pattern, _)| pattern.matches(principal.as_ref(), address))
                .map(|(_, id)| *id),
        );
        let crowds = sources.iter().filter_map(|id| self.crowds_of.get(id));
        let crowds: Vec<_> = crowds.flatten().copied().collect();
        sources.extend(crowds);
        sources.sort_unstable();
        sources.dedup();
        Caller {
            principal,
            address,
            sources: sources.into(),
        }
    }
}

/// A caller as one snapshot sees him: who he is, whence he comes, and the
/// numbers of the sources he belongs to. Valid for the snapshot that made it.
#[derive(Clone, Debug)]
pub struct Caller {
    principal: Option<Principal>,
    address: IpAddr,
    sources: Box<[SourceId]>,
}

impl Caller {
    /// The verified identity, if there is one.
    #[must_use]
    pub fn principal(&self) -> Option<&Principal> {
        self.principal.as_ref()
    }

    /// The address the connection comes from.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Ascending.
    pub(crate) fn sources(&self) -> &[SourceId] {
        &self.sources
    }
}
