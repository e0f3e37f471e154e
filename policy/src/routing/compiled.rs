//! One destination, compiled: its first route that matches, and the upstream
//! that route leads to.
//!
//! What every look-up reads is small and kept apart from the rest: among ten
//! thousand hosts, time goes into reading memory far apart.

use crate::canonical::PathProfile;
use crate::destination::{Action, Destination, Route, UpstreamRef, Weighted};
use crate::matching::Toward;
use crate::pattern::{Case, PathIndex, PathPattern, PatternError, RegexPool};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::rule::Matcher;
use crate::ruleset::residue;

use super::depth::Depth;

#[derive(Debug)]
pub(super) struct CompiledDestination {
    profile: PathProfile,
    depth: Depth,
    paths: PathIndex,
    /// In the order of routes; the numbers of the path index.
    candidates: Box<[Candidate]>,
    /// What candidates ask beside the path.
    conditions: Box<[Matcher]>,
    /// As the operator means it.
    whole: Box<Destination>,
}

/// A route under the paths of one of its matchers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    route: u32,
    /// What is asked beside the path, if anything.
    condition: Option<u32>,
    lead: Lead,
}

/// Where a route leads, as far as no lot decides.
#[derive(Clone, Copy, Debug)]
enum Lead {
    Nowhere,
    To(UpstreamRef),
    Drawn,
    Hop(u16),
}

impl CompiledDestination {
    pub(super) fn compile(
        destination: Destination,
        depth: Depth,
        pool: &mut RegexPool,
    ) -> Result<Self, PatternError> {
        let mut draft = Draft::default();
        for (number, route) in (0..).zip(&destination.routes) {
            draft.add_route(number, route)?;
        }
        Ok(Self {
            profile: destination.profile,
            depth,
            paths: PathIndex::build(draft.paths, Case::Sensitive, pool)?,
            candidates: draft.candidates.into(),
            conditions: draft.conditions.into(),
            whole: Box::new(destination),
        })
    }

    pub(super) fn profile(&self) -> PathProfile {
        self.profile
    }

    pub(super) fn destination(&self) -> &Destination {
        &self.whole
    }

    pub(super) fn serves_port(&self, port: u16) -> bool {
        let ports = &self.destination().ports;
        ports.is_empty() || ports.contains(&port)
    }

    /// Whether a canonical host lies not too deep below this one's wildcard.
    pub(super) fn check_depth(&self, host: &str) -> Result<(), Refusal> {
        self.depth.check(host, || &self.destination().host)
    }

    /// A route by its number.
    pub(super) fn route(&self, number: u32) -> Option<&Route> {
        self.destination().routes.get(usize::try_from(number).ok()?)
    }

    /// Same outcome as asking the routes in order.
    pub(super) fn first_match(&self, request: &Request<'_>) -> Option<&Candidate> {
        let candidate = |number| self.candidates.get(usize::try_from(number).ok()?);
        let holds = |number| candidate(number).is_some_and(|c| self.holds(c, request));
        candidate(self.paths.first(request.path(), holds)?)
    }

    fn holds(&self, candidate: &Candidate, request: &Request<'_>) -> bool {
        let Some(number) = candidate.condition else {
            return true;
        };
        usize::try_from(number)
            .ok()
            .and_then(|number| self.conditions.get(number))
            .is_some_and(|condition| condition.holds(request, Toward::Permit))
    }

    pub(super) fn upstream(&self, candidate: &Candidate, lot: u32) -> Option<UpstreamRef> {
        match candidate.lead {
            Lead::Nowhere | Lead::Hop(_) => None,
            Lead::To(upstream) => Some(upstream),
            Lead::Drawn => match &self.route(candidate.route)?.action {
                Action::Forward(upstreams) => draw(upstreams, lot),
                Action::Redirect(_) | Action::Respond(_) | Action::Hop(_) => None,
            },
        }
    }
}

impl Candidate {
    fn always(number: u32, route: &Route) -> Self {
        Self {
            route: number,
            condition: None,
            lead: Lead::of(&route.action),
        }
    }

    pub(super) fn route(&self) -> u32 {
        self.route
    }

    /// The gateway's port at which the way goes on.
    pub(super) fn hop(&self) -> Option<u16> {
        match self.lead {
            Lead::Hop(port) => Some(port),
            Lead::Nowhere | Lead::To(_) | Lead::Drawn => None,
        }
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
            Action::Hop(port) => Self::Hop(*port),
        }
    }
}

/// Candidates under construction, with the paths they are found under.
#[derive(Default)]
struct Draft<'a> {
    paths: Vec<(&'a PathPattern, u32)>,
    candidates: Vec<Candidate>,
    conditions: Vec<Matcher>,
}

impl<'a> Draft<'a> {
    fn add_route(&mut self, number: u32, route: &'a Route) -> Result<(), PatternError> {
        let always = Candidate::always(number, route);
        if route.matchers.is_empty() {
            self.add(&[], always);
        }
        for matcher in &route.matchers {
            let condition = self.condition(matcher)?;
            self.add(
                &matcher.paths,
                Candidate {
                    condition,
                    ..always
                },
            );
        }
        Ok(())
    }

    fn condition(&mut self, matcher: &Matcher) -> Result<Option<u32>, PatternError> {
        let residue = residue(matcher, Toward::Permit)?;
        if matcher.from.is_empty() && matcher.hosts.is_empty() && residue.is_none() {
            return Ok(None);
        }
        let number = u32::try_from(self.conditions.len()).unwrap_or(u32::MAX);
        self.conditions.push(Matcher {
            paths: Vec::new(),
            ..matcher.clone()
        });
        Ok(Some(number))
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

/// Chooses by weight; `lot` is uniform over all of `u32`.
pub(super) fn draw(upstreams: &[Weighted], lot: u32) -> Option<UpstreamRef> {
    let index = drawn(upstreams.iter().map(|w| w.weight), lot)?;
    upstreams.get(index).map(|w| w.upstream)
}

/// The place among these weights that a lot, uniform over all of `u32`, falls on.
pub(super) fn drawn(weights: impl Iterator<Item = u32> + Clone, lot: u32) -> Option<usize> {
    let total: u128 = weights.clone().map(u128::from).sum();
    let mut rest = (u128::from(lot) * total) >> 32;
    let mut any = None;
    for (index, weight) in weights.map(u128::from).enumerate() {
        if rest < weight {
            return Some(index);
        }
        rest -= weight;
        any = Some(0);
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(weights: &[u32], lot: u32) -> Option<u32> {
        let weighted = (0..).map(UpstreamRef).zip(weights);
        let all = weighted.map(|(upstream, &weight)| Weighted { upstream, weight });
        draw(&all.collect::<Vec<_>>(), lot).map(|upstream| upstream.0)
    }

    #[test]
    fn a_lot_chooses_by_weight() {
        for (weights, lot, expected) in [
            (&[1, 1][..], 0, Some(0)),
            (&[1, 1], u32::MAX / 2, Some(0)),
            (&[1, 1], u32::MAX / 2 + 1, Some(1)),
            (&[90, 10], u32::MAX / 10 * 9 - 9, Some(0)),
            (&[90, 10], u32::MAX, Some(1)),
            (&[0, 5], 0, Some(1)),
            (&[0, 0], 7, Some(0)),
            (&[], 7, None),
        ] {
            assert_eq!(drawn(weights, lot), expected, "{weights:?} {lot}");
        }
    }

    #[test]
    fn weights_whose_product_with_a_lot_is_beyond_64_bits_are_no_overflow() {
        assert_eq!(drawn(&[u32::MAX, u32::MAX, u32::MAX], u32::MAX), Some(2));
    }
}
