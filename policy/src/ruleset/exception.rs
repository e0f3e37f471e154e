//! One matcher of `unless`, with its lists indexed: an exception of a thousand
//! callers or hosts costs what one of a single caller costs.

use crate::matching::Toward;
use crate::pattern::{Hits, HostMap, PathIndex, PatternError, RegexPool};
use crate::request::Request;
use crate::rule::Matcher;
use crate::source::{Caller, SourceId, SourceTable};
use crate::tunnel::Tunnel;

use super::clause::residue;
use super::targets::Targets;
use super::{Folded, case, numbers};

#[derive(Debug)]
pub(super) struct Exception {
    /// Ascending.
    sources: Box<[SourceId]>,
    hosts: Option<HostMap<()>>,
    paths: Option<PathIndex>,
    targets: Option<Targets>,
    residue: Option<Box<Matcher>>,
}

impl Exception {
    pub(super) fn compile(
        matcher: &Matcher,
        toward: Toward,
        sources: &mut SourceTable,
        pool: &mut RegexPool,
    ) -> Result<Self, PatternError> {
        let paths = if matcher.paths.is_empty() {
            None
        } else {
            let numbered = matcher.paths.iter().map(|path| (path, 0));
            Some(PathIndex::build(numbered, case(toward), pool)?)
        };
        let hosts = matcher.hosts.iter().map(|host| (host.clone(), ()));
        Ok(Self {
            sources: numbers(&matcher.from, toward, sources),
            hosts: (!matcher.hosts.is_empty()).then(|| HostMap::build(hosts)),
            paths,
            targets: Targets::compile(&matcher.targets, toward, pool)?,
            residue: residue(matcher, toward)?.map(Box::new),
        })
    }

    pub(super) fn holds(&self, request: &Request<'_>, toward: Toward) -> bool {
        let (targets, residue) = (self.targets.as_ref(), self.residue.as_ref());
        self.names(request.caller())
            && self.hosts_hold(request.host())
            && self.paths_hold(request.path(), toward)
            && targets.is_none_or(|targets| targets.hold(request, toward))
            && residue.is_none_or(|matcher| matcher.unindexed_mismatch(request, toward).is_none())
    }

    /// As [`Exception::holds`], for a tunnel.
    pub(super) fn holds_for_tunnel(&self, tunnel: &Tunnel<'_>, toward: Toward) -> bool {
        let residue = self.residue.as_ref();
        self.names(tunnel.caller())
            && self.hosts_hold(tunnel.host())
            && (toward == Toward::Refuse || self.paths.is_none())
            && residue.is_none_or(|m| m.residual_mismatch_of_tunnel(tunnel, toward).is_none())
    }

    fn names(&self, caller: &Caller) -> bool {
        // At most as many as are no crowd.
        let mut sources = self.sources.iter();
        sources.any(|source| caller.sources().binary_search(source).is_ok())
    }

    fn hosts_hold(&self, host: &str) -> bool {
        let hosts = self.hosts.as_ref();
        hosts.is_none_or(|hosts| hosts.chain(host).next().is_some())
    }

    fn paths_hold(&self, path: &str, toward: Toward) -> bool {
        let Some(index) = &self.paths else {
            return true;
        };
        let mut hits = Hits::default();
        match toward {
            Toward::Permit => index.hits(path, &mut hits),
            Toward::Refuse => Folded::of(path).hits(index, &mut hits),
        }
        !hits.is_empty()
    }
}
