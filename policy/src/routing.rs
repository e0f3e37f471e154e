//! From a granted request to where it goes: destination, route, upstream.

use std::sync::Arc;

use crate::destination::{Action, Destination, Route, Upgrades, Upstream, UpstreamRef, Weighted};
use crate::matching::Toward;
use crate::origin::Origin;
use crate::pattern::{Case, Hits, HostMap, PathIndex, PathPattern, PatternError, RegexPool};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::ruleset::Grant;

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

#[derive(Debug)]
struct CompiledDestination {
    destination: Destination,
    /// What serves when the operator wrote no route.
    catch_all: Route,
    paths: PathIndex,
    /// For each path number, its route; ascending.
    routes: Box<[(u32, u32)]>,
}

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
        self.compiled(id).map(|c| &c.destination)
    }

    fn compiled(&self, id: DestinationId) -> Option<&CompiledDestination> {
        self.destinations.get(usize::try_from(id.0).ok()?)
    }

    pub(crate) fn destinations(&self) -> impl Iterator<Item = &Destination> {
        self.destinations.iter().map(|c| &c.destination)
    }

    pub(crate) fn upstreams(&self) -> &[Upstream] {
        &self.upstreams
    }

    pub(crate) fn route_of(&self, plan: &Plan) -> Option<&Route> {
        let compiled = self.compiled(plan.destination)?;
        match plan.route {
            None => Some(&compiled.catch_all),
            Some(route) => compiled
                .destination
                .routes
                .get(usize::try_from(route).ok()?),
        }
    }

    /// The first route that matches, and one of its upstreams by `lot`.
    pub(crate) fn route(
        &self,
        request: &Request<'_>,
        grant: Grant,
        lot: u32,
    ) -> Result<Plan, Refusal> {
        let id = self.find(request.host()).ok_or(Refusal::UnknownHost)?;
        let compiled = self.compiled(id).ok_or(Refusal::UnknownHost)?;
        let served = &compiled.destination.ports;
        if request.explicit_port().is_some_and(|port| !served.contains(&port)) {
            return Err(Refusal::UnknownPort);
        }
        let (number, route) = compiled.first_match(request).ok_or(Refusal::NoRoute)?;
        Ok(Plan {
            grant,
            destination: id,
            route: number,
            upstream: draw(&route.action, lot),
        })
    }
}

impl CompiledDestination {
    fn compile(destination: Destination, pool: &mut RegexPool) -> Result<Self, PatternError> {
        let mut paths = Vec::new();
        let mut routes = Vec::new();
        for (number, route) in (0_u32..).zip(&destination.routes) {
            for pattern in route_paths(route) {
                let path = u32::try_from(paths.len()).unwrap_or(u32::MAX);
                routes.push((path, number));
                paths.push(pattern);
            }
        }
        let numbered = (0..).zip(&paths).map(|(id, path)| (path, id));
        Ok(Self {
            catch_all: catch_all(&destination),
            paths: PathIndex::build(numbered, Case::Sensitive, pool)?,
            routes: routes.into(),
            destination,
        })
    }

    /// Same outcome as asking the routes in order.
    fn first_match(&self, request: &Request<'_>) -> Option<(Option<u32>, &Route)> {
        if self.destination.routes.is_empty() {
            return Some((None, &self.catch_all));
        }
        let mut hits = Hits::default();
        self.paths.hits(request.path(), &mut hits);
        let mut candidates = Hits::default();
        for &hit in hits.as_slice() {
            let route = usize::try_from(hit).ok().and_then(|hit| self.routes.get(hit));
            if let Some((_, route)) = route {
                candidates.push(*route);
            }
        }
        candidates.sorted().iter().find_map(|&number| {
            let route = self.destination.routes.get(usize::try_from(number).ok()?)?;
            serves(route, request).then_some((Some(number), route))
        })
    }
}

/// Whether the route's conditions hold, hosts apart.
pub(crate) fn serves(route: &Route, request: &Request<'_>) -> bool {
    route.matchers.is_empty()
        || route
            .matchers
            .iter()
            .any(|matcher| matcher.holds(request, Toward::Permit))
}

/// The paths under which a route is found; everything when a matcher names none.
fn route_paths(route: &Route) -> Vec<PathPattern> {
    if route.matchers.is_empty() || route.matchers.iter().any(|m| m.paths.is_empty()) {
        return vec![PathPattern::Any];
    }
    let paths = route.matchers.iter().flat_map(|m| &m.paths);
    paths.cloned().collect()
}

fn catch_all(destination: &Destination) -> Route {
    Route {
        name: "default".into(),
        matchers: Vec::new(),
        action: Action::Forward(vec![Weighted {
            upstream: destination.upstream,
            weight: 1,
        }]),
        timeout: destination.timeout,
        retries: destination.retries,
        headers: Default::default(),
        rewrite: Default::default(),
        upgrades: Upgrades::Refused,
        max_body: None,
        origin: Arc::clone(&destination.origin),
    }
}

/// Chooses by weight; `lot` is uniform over all of `u32`.
fn draw(action: &Action, lot: u32) -> Option<UpstreamRef> {
    let Action::Forward(upstreams) = action else {
        return None;
    };
    let total: u64 = upstreams.iter().map(|w| u64::from(w.weight)).sum();
    let mut rest = (u64::from(lot) * total) >> 32;
    for weighted in upstreams {
        let weight = u64::from(weighted.weight);
        if rest < weight {
            return Some(weighted.upstream);
        }
        rest -= weight;
    }
    upstreams.first().map(|w| w.upstream)
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
