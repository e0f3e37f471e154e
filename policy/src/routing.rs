//! From a granted request to where it goes: destination, route, upstream.

mod compiled;
mod depth;
mod passages;
mod tcp;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::canonical::PathProfile;
use crate::destination::{
    Action, Carries, Destination, Passage, Route, TcpLead, TcpRoute, Upstream, UpstreamRef,
    Weighted,
};
use crate::door::{Door, View};
use crate::origin::Origin;
use crate::pattern::{HostMap, PatternError, RegexPool};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::ruleset::Grant;
use crate::source::Caller;
use crate::tunnel::{PassageId, Tunnel, Way};

use compiled::{Candidate, CompiledDestination};
pub use depth::ChosenLabels;
use depth::Depth;
use passages::Passages;
use tcp::TcpRoutes;

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
    /// What is found through a door that has destinations of its own, those of
    /// every door among them.
    doors: HashMap<Door, HostMap<DestinationId>>,
    /// What is found through every other.
    everywhere: HostMap<DestinationId>,
    passages: Passages,
    tcp: TcpRoutes,
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
    route: u32,
    upstream: Option<UpstreamRef>,
    /// The sidecar's route that led to the gateway's.
    through: Option<(DestinationId, u32)>,
    /// The gateway's port it led to.
    hop: Option<u16>,
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

    /// The gateway's port that a sidecar's route led to.
    pub(crate) fn hop(&self) -> Option<u16> {
        self.hop
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
        (passages, tcp): (Vec<Passage>, Vec<TcpRoute>),
        upstreams: Vec<Upstream>,
        most: ChosenLabels,
        pool: &mut RegexPool,
    ) -> Result<Self, Vec<CompileError>> {
        let mut errors = dangling(&destinations, &upstreams);
        errors.extend(stray_hops(&destinations));
        let passages = Passages::compile(passages, &upstreams, most, &mut errors);
        let tcp = TcpRoutes::compile(tcp, &upstreams, &mut errors);
        let (doors, everywhere) = by_door(&destinations);
        let mut compiled = Vec::with_capacity(destinations.len());
        for destination in destinations {
            let origin = Arc::clone(&destination.origin);
            let depth = depth(&destination, &upstreams, most);
            match CompiledDestination::compile(destination, depth, pool) {
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
            doors,
            everywhere,
            passages,
            tcp,
            upstreams: upstreams.into(),
        })
    }

    pub(crate) fn find(&self, host: &str, door: Door) -> Option<DestinationId> {
        let hosts = self.doors.get(&door).unwrap_or(&self.everywhere);
        hosts.find(host).copied()
    }

    pub(crate) fn passages(&self) -> &[Passage] {
        self.passages.all()
    }

    pub(crate) fn find_passage(&self, host: &str, door: Door) -> Option<PassageId> {
        self.passages.find(host, door)
    }

    /// The passage for a tunnel, and one of its upstreams by `lot`.
    pub(crate) fn lead_by_name(
        &self,
        tunnel: &Tunnel<'_>,
        lot: u32,
    ) -> Result<(Way, UpstreamRef), Refusal> {
        let (passage, upstream) = self.passages.lead(tunnel.host(), tunnel.door(), lot)?;
        Ok((Way::Passage(passage), upstream))
    }

    /// Where CONNECT leads: by a passage to TLS for the very host, else by a TCP
    /// route that leads to it.
    pub(crate) fn lead_by_authority(
        &self,
        tunnel: &Tunnel<'_>,
        lot: u32,
    ) -> Result<(Way, Carries, UpstreamRef), Refusal> {
        match self.lead_by_name(tunnel, lot) {
            Ok((way, upstream)) => Ok((way, Carries::Tls, upstream)),
            Err(Refusal::UnknownPassage) => {
                let (way, lead) = self.tcp.lead_to(tunnel, lot).ok_or(Refusal::NoTunnel)?;
                Ok((way, lead.carries, lead.upstream))
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// Whether a TCP route leads to a tunnel's own host.
    pub(crate) fn is_led_by_tcp(&self, tunnel: &Tunnel<'_>) -> bool {
        self.tcp.lead_to(tunnel, 0).is_some()
    }

    /// Whether server names lead anywhere through a door.
    pub(crate) fn has_passages(&self, door: Door) -> bool {
        self.passages.serves(door)
    }

    /// Every TCP route.
    pub(crate) fn tcp(&self) -> &[TcpRoute] {
        self.tcp.all()
    }

    /// Where a port leads that is addressed with this server name.
    pub(crate) fn lead_by_port(
        &self,
        door: Door,
        server_name: Option<&str>,
        caller: &Caller,
        lot: u32,
    ) -> Option<(Way, &TcpLead)> {
        self.tcp.lead(door, server_name, caller, lot)
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

    /// The time the whole exchange has: a hop's bounds it as well.
    pub(crate) fn timeout(&self, plan: &Plan) -> Option<Duration> {
        let own = self.route_of(plan).and_then(|route| route.timeout);
        let through = plan
            .through
            .and_then(|(destination, route)| self.compiled(destination)?.route(route)?.timeout);
        match (own, through) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
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
        let (id, compiled, found) = self.served(request, found, request.door())?;
        let Some(port) = found.hop() else {
            return Ok(Plan {
                grant,
                destination: id,
                route: found.route(),
                upstream: compiled.upstream(found, lot),
                through: None,
                hop: None,
            });
        };
        let through = Some((id, found.route()));
        let door = Door::gateway(port);
        let next = self.find(request.host(), door);
        let (id, compiled, found) = self.served(request, next, door)?;
        Ok(Plan {
            grant,
            destination: id,
            route: found.route(),
            upstream: compiled.upstream(found, lot),
            through,
            hop: Some(port),
        })
    }

    /// The first route that matches at a destination found through a door.
    fn served(
        &self,
        request: &Request<'_>,
        found: Option<DestinationId>,
        door: Door,
    ) -> Result<(DestinationId, &CompiledDestination, &Candidate), Refusal> {
        let unknown = match door.view {
            View::Gateway => Refusal::UnknownHost,
            View::Mesh => Refusal::UnknownMeshHost,
        };
        let id = found.ok_or(unknown)?;
        let compiled = self.compiled(id).ok_or(unknown)?;
        if request
            .explicit_port()
            .is_some_and(|port| !compiled.serves_port(port))
        {
            return Err(Refusal::UnknownPort);
        }
        let found = compiled.first_match(request).ok_or(Refusal::NoRoute)?;
        compiled.check_depth(request.host())?;
        Ok((id, compiled, found))
    }
}

fn depth(destination: &Destination, upstreams: &[Upstream], most: ChosenLabels) -> Depth {
    let leads = destination.routes.iter().flat_map(|route| {
        let forwarded: &[Weighted] = match &route.action {
            Action::Forward(all) => all,
            Action::Redirect(_) | Action::Respond(_) | Action::Hop(_) => &[],
        };
        forwarded.iter().map(|weighted| weighted.upstream)
    });
    Depth::of(&destination.host, leads, upstreams, most)
}

type Doors = HashMap<Door, HostMap<DestinationId>>;

/// What is found through each door that has something of its own, and what is
/// found through all others.
fn by_door(destinations: &[Destination]) -> (Doors, HostMap<DestinationId>) {
    let numbered = || (0..).map(DestinationId).zip(destinations);
    let mut own: HashMap<Door, Vec<(DestinationId, &Destination)>> = HashMap::new();
    for (id, destination) in numbered() {
        if let Some(door) = destination.door {
            own.entry(door).or_default().push((id, destination));
        }
    }
    let shared: Vec<_> = numbered().filter(|(_, d)| d.door.is_none()).collect();
    let map = |all: &mut dyn Iterator<Item = &(DestinationId, &Destination)>| {
        HostMap::build(all.map(|(id, d)| (d.host.clone(), *id)))
    };
    let doors = own
        .iter()
        .map(|(door, own)| (*door, map(&mut own.iter().chain(&shared))))
        .collect();
    (doors, map(&mut shared.iter()))
}

/// Only a sidecar's route may lead to the gateway: a gateway's would lead round.
fn stray_hops(destinations: &[Destination]) -> Vec<CompileError> {
    let in_mesh = |d: &&Destination| d.door.is_some_and(|door| door.view == View::Mesh);
    let elsewhere = destinations.iter().filter(|d| !in_mesh(d));
    let routes = elsewhere.flat_map(|d| &d.routes);
    routes
        .filter(|route| matches!(route.action, Action::Hop(_)))
        .map(|route| CompileError {
            origin: Arc::clone(&route.origin),
            message: "this leads from the gateway to the gateway itself: name the external host"
                .to_owned(),
        })
        .collect()
}

fn dangling(destinations: &[Destination], upstreams: &[Upstream]) -> Vec<CompileError> {
    let exists = |upstream: UpstreamRef| {
        usize::try_from(upstream.0).is_ok_and(|index| index < upstreams.len())
    };
    let routes = destinations.iter().flat_map(|d| &d.routes);
    let named = routes.flat_map(|r| match &r.action {
        Action::Forward(all) => all.iter().map(|w| (w.upstream, &r.origin)).collect(),
        Action::Redirect(_) | Action::Respond(_) | Action::Hop(_) => Vec::new(),
    });
    named
        .filter(|(upstream, _)| !exists(*upstream))
        .map(|(_, origin)| CompileError {
            origin: Arc::clone(origin),
            message: "the upstream named here does not exist".to_owned(),
        })
        .collect()
}
