//! One destination, compiled: its first route that matches, and the upstream
//! that route leads to.
//!
//! What every look-up reads is small and kept apart from the rest: among ten
//! thousand hosts, time goes into reading memory far apart.

use std::sync::Arc;

use crate::canonical::PathProfile;
use crate::destination::{Action, Destination, Route, Upgrades, UpstreamRef, Weighted};
use crate::matching::Toward;
use crate::pattern::{Case, PathIndex, PathPattern, PatternError, RegexPool};
use crate::request::Request;
use crate::rule::Matcher;
use crate::ruleset::residue;

#[derive(Debug)]
pub(super) struct CompiledDestination {
    profile: PathProfile,
    paths: PathIndex,
    /// In the order of routes; the numbers of the path index.
    candidates: Box<[Candidate]>,
    whole: Box<Whole>,
}

/// The destination as the operator means it.
#[derive(Debug)]
struct Whole {
    destination: Destination,
    /// What serves when the operator wrote no route.
    catch_all: Route,
}

/// A route under the paths of one of its matchers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// `None`: the destination's catch-all.
    route: Option<u32>,
    /// The matcher, if it asks more than the path.
    matcher: Option<u32>,
    lead: Lead,
}

/// Where a route leads, as far as no lot decides.
#[derive(Clone, Copy, Debug)]
enum Lead {
    Nowhere,
    To(UpstreamRef),
    Drawn,
}

impl CompiledDestination {
    pub(super) fn compile(
        destination: Destination,
        pool: &mut RegexPool,
    ) -> Result<Self, PatternError> {
        let catch_all = catch_all(&destination);
        let mut draft = Draft::default();
        if destination.routes.is_empty() {
            draft.add(&[], Candidate::always(None, &catch_all));
        }
        for (number, route) in (0..).zip(&destination.routes) {
            draft.add_route(number, route);
        }
        Ok(Self {
            profile: destination.profile,
            paths: PathIndex::build(draft.paths, Case::Sensitive, pool)?,
            candidates: draft.candidates.into(),
            whole: Box::new(Whole {
                destination,
                catch_all,
            }),
        })
    }

    pub(super) fn profile(&self) -> PathProfile {
        self.profile
    }

    pub(super) fn destination(&self) -> &Destination {
        &self.whole.destination
    }

    pub(super) fn serves_port(&self, port: u16) -> bool {
        self.destination().ports.contains(&port)
    }

    /// A route by its number; without one the catch-all.
    pub(super) fn route(&self, number: Option<u32>) -> Option<&Route> {
        match number {
            None => Some(&self.whole.catch_all),
            Some(number) => self.destination().routes.get(usize::try_from(number).ok()?),
        }
    }

    /// Same outcome as asking the routes in order.
    pub(super) fn first_match(&self, request: &Request<'_>) -> Option<&Candidate> {
        let candidate = |number| self.candidates.get(usize::try_from(number).ok()?);
        let holds = |number| candidate(number).is_some_and(|c| self.holds(c, request));
        candidate(self.paths.first(request.path(), holds)?)
    }

    fn holds(&self, candidate: &Candidate, request: &Request<'_>) -> bool {
        let Some(number) = candidate.matcher else {
            return true;
        };
        let matcher = usize::try_from(number)
            .ok()
            .and_then(|number| self.route(candidate.route)?.matchers.get(number));
        matcher.is_some_and(|matcher| matcher.holds(request, Toward::Permit))
    }

    pub(super) fn upstream(&self, candidate: &Candidate, lot: u32) -> Option<UpstreamRef> {
        match candidate.lead {
            Lead::Nowhere => None,
            Lead::To(upstream) => Some(upstream),
            Lead::Drawn => draw(&self.route(candidate.route)?.action, lot),
        }
    }
}

impl Candidate {
    fn always(number: Option<u32>, route: &Route) -> Self {
        Self {
            route: number,
            matcher: None,
            lead: Lead::of(&route.action),
        }
    }

    pub(super) fn route(&self) -> Option<u32> {
        self.route
    }
}

impl Lead {
    fn of(action: &Action) -> Self {
        match action {
            Action::Forward(all) => match all.as_slice() {
                [] => Self::Nowhere,
                [only] => Self::To(only.upstream),
                _ => Self::Drawn,
            },
            Action::Redirect(_) | Action::Respond(_) => Self::Nowhere,
        }
    }
}

/// Candidates under construction, with the paths they are found under.
#[derive(Default)]
struct Draft<'a> {
    paths: Vec<(&'a PathPattern, u32)>,
    candidates: Vec<Candidate>,
}

impl<'a> Draft<'a> {
    fn add_route(&mut self, number: u32, route: &'a Route) {
        let always = Candidate::always(Some(number), route);
        if route.matchers.is_empty() {
            self.add(&[], always);
        }
        for (place, matcher) in (0..).zip(&route.matchers) {
            let matcher_asked = (!asks_only_paths(matcher)).then_some(place);
            self.add(
                &matcher.paths,
                Candidate {
                    matcher: matcher_asked,
                    ..always
                },
            );
        }
    }

    /// No paths are all paths.
    fn add(&mut self, paths: &'a [PathPattern], candidate: Candidate) {
        let number = u32::try_from(self.candidates.len()).unwrap_or(u32::MAX);
        let paths = if paths.is_empty() {
            &[PathPattern::Any]
        } else {
            paths
        };
        self.paths.extend(paths.iter().map(|path| (path, number)));
        self.candidates.push(candidate);
    }
}

fn asks_only_paths(matcher: &Matcher) -> bool {
    matcher.from.is_empty() && matcher.hosts.is_empty() && residue(matcher).is_none()
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
    let total: u128 = upstreams.iter().map(|w| u128::from(w.weight)).sum();
    let mut rest = (u128::from(lot) * total) >> 32;
    for weighted in upstreams {
        let weight = u128::from(weighted.weight);
        if rest < weight {
            return Some(weighted.upstream);
        }
        rest -= weight;
    }
    upstreams.first().map(|w| w.upstream)
}
