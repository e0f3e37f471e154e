//! From a granted request to where it goes: destination, route, upstream.

mod compiled;

use std::sync::Arc;

use crate::canonical::PathProfile;
use crate::destination::{Action, Destination, Route, Upstream, UpstreamRef};
use crate::origin::Origin;
use crate::pattern::{HostMap, PatternError, RegexPool};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::ruleset::Grant;

use compiled::CompiledDestination;

/// A configuration that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    /// Where.
    pub origin: Arc<Origin>,
    /// What, and what to write instead.
    pub message: String,
}

impl CompileError {
    pub(crate) fn new(origin: &Arc<Origin>, error: &PatternError) -> Self {
        Self {
            origin: Arc::clone(origin),
            message: error.to_string(),
        }
    }
}

/// Destinations and upstreams, indexed.
#[derive(Debug)]
pub(crate) struct Routing {
    destinations: Box<[CompiledDestination]>,
    hosts: HostMap<DestinationId>,
    upstreams: Box<[Upstream]>,
}

/// The number of a destination within its snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DestinationId(u32);

/// Where a granted request goes. Comes only from [`Routing::route`].
/// INVARIANT(plan-from-grant): there is no plan without a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    grant: Grant,
    destination: DestinationId,
    /// `None`: the destination's catch-all.
    route: Option<u32>,
    upstream: Option<UpstreamRef>,
}

impl Plan {
    /// The permission it stands on.
    #[must_use]
    pub fn grant(&self) -> Grant {
        self.grant
    }

    /// The destination.
    #[must_use]
    pub fn destination(&self) -> DestinationId {
        self.destination
    }

    /// The upstream; `None` when the route answers itself.
    #[must_use]
    pub fn upstream(&self) -> Option<UpstreamRef> {
        self.upstream
    }
}

impl Routing {
    pub(crate) fn compile(
        destinations: Vec<Destination>,
        upstreams: Vec<Upstream>,
        pool: &mut RegexPool,
    ) -> Result<Self, Vec<CompileError>> {
        let mut errors = dangling(&destinations, &upstreams);
        let hosts = HostMap::build(
            (0..)
                .zip(&destinations)
                .map(|(id, d)| (d.host.clone(), DestinationId(id))),
        );
        let mut compiled = Vec::with_capacity(destinations.len());
        for destination in destinations {
            let origin = Arc::clone(&destination.origin);
            match CompiledDestination::compile(destination, pool) {
                Ok(destination) => compiled.push(destination),
                Err(error) => errors.push(CompileError::new(&origin, &error)),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let destinations = compiled.into();
        Ok(Self {
            destinations,
            hosts,
            upstreams: upstreams.into(),
        })
    }

    pub(crate) fn find(&self, host: &str) -> Option<DestinationId> {
        self.hosts.find(host).copied()
    }

    pub(crate) fn destination(&self, id: DestinationId) -> Option<&Destination> {
        self.compiled(id).map(CompiledDestination::destination)
    }

    /// The opt-outs of the canonical form that a destination's origin needs.
    pub(crate) fn profile(&self, id: DestinationId) -> Option<PathProfile> {
        self.compiled(id).map(CompiledDestination::profile)
    }

    fn compiled(&self, id: DestinationId) -> Option<&CompiledDestination> {
        self.destinations.get(usize::try_from(id.0).ok()?)
    }

    pub(crate) fn destinations(&self) -> impl Iterator<Item = &Destination> {
        self.destinations
            .iter()
            .map(CompiledDestination::destination)
    }

    pub(crate) fn upstreams(&self) -> &[Upstream] {
        &self.upstreams
    }

    pub(crate) fn route_of(&self, plan: &Plan) -> Option<&Route> {
        self.compiled(plan.destination)?.route(plan.route)
    }

    /// The first route that matches at the destination that was found for the
    /// request's host, and one of the route's upstreams by `lot`.
    pub(crate) fn route(
        &self,
        request: &Request<'_>,
        found: Option<DestinationId>,
        grant: Grant,
        lot: u32,
    ) -> Result<Plan, Refusal> {
        let id = found.ok_or(Refusal::UnknownHost)?;
        let compiled = self.compiled(id).ok_or(Refusal::UnknownHost)?;
        if request
            .explicit_port()
            .is_some_and(|port| !compiled.serves_port(port))
        {
            return Err(Refusal::UnknownPort);
        }
        let found = compiled.first_match(request).ok_or(Refusal::NoRoute)?;
        Ok(Plan {
            grant,
            destination: id,
            route: found.route(),
            upstream: compiled.upstream(found, lot),
        })
    }
}

fn dangling(destinations: &[Destination], upstreams: &[Upstream]) -> Vec<CompileError> {
    let exists = |upstream: UpstreamRef| {
        usize::try_from(upstream.0).is_ok_and(|index| index < upstreams.len())
    };
    let named = destinations.iter().flat_map(|d| {
        let routes = d.routes.iter().flat_map(|r| match &r.action {
            Action::Forward(all) => all.iter().map(|w| (w.upstream, &r.origin)).collect(),
            Action::Redirect(_) | Action::Respond(_) => Vec::new(),
        });
        routes.chain([(d.upstream, &d.origin)])
    });
    named
        .filter(|(upstream, _)| !exists(*upstream))
        .map(|(_, origin)| CompileError {
            origin: Arc::clone(origin),
            message: "the upstream named here does not exist".to_owned(),
        })
        .collect()
}
