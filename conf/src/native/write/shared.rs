//! `defaults`: what all destinations have in common, said once.

use std::time::Duration;

use ipnet::IpNet;
use policy::AdmissionSpec;
use policy::destination::{Action, Destination, Reach, Retries, Upstream, UpstreamRef};
use policy::rule::DefaultPolicy;

use super::super::destination::CONNECT_TIMEOUT;
use super::settings::duration;
use crate::yaml::emit::{Map, Out};

/// What destinations have unless they say otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shared {
    pub(super) timeout: Option<Duration>,
    pub(super) retries: Retries,
    pub(super) connect_timeout: Duration,
    pub(super) reach: Reach,
}

impl Shared {
    /// What several destinations have in common, for times the most of their
    /// routes; of a single one nothing.
    pub(super) fn of(spec: &AdmissionSpec) -> Self {
        let nothing = Self {
            timeout: None,
            retries: Retries::default(),
            connect_timeout: CONNECT_TIMEOUT,
            reach: Reach::default(),
        };
        let destinations = &spec.destinations;
        if destinations.len() < 2 {
            return nothing;
        }
        let all_timeouts: Vec<_> = destinations.iter().flat_map(timeouts).collect();
        let all_retries: Vec<_> = destinations.iter().flat_map(retries).collect();
        let used = used(spec);
        let connect_timeouts: Vec<_> = used.iter().map(|u| u.connect_timeout).collect();
        Self {
            timeout: usual(&all_timeouts).flatten(),
            retries: usual(&all_retries).unwrap_or(nothing.retries),
            connect_timeout: usual(&connect_timeouts).unwrap_or(nothing.connect_timeout),
            // What is refused may be refused everywhere; a special range that is
            // admitted by default would be by every destination to come.
            reach: Reach {
                allowed: Vec::new(),
                ..common_reach(used.iter().copied())
            },
        }
    }

    /// `defaults`.
    pub(super) fn defaults(&self, policy: DefaultPolicy) -> Map {
        let mut map = Map::default();
        if policy == DefaultPolicy::Allow {
            map.put("policy", Out::word("allow"));
        }
        map.put_some("timeout", self.timeout.map(duration));
        if self.retries != Retries::default() {
            map.put("retries", retries_out(self.retries));
        }
        if self.connect_timeout != CONNECT_TIMEOUT {
            map.put("connectTimeout", duration(self.connect_timeout));
        }
        let mut addresses = Map::default();
        addresses.put_list("deny", denied(&self.reach));
        map.put_map("addresses", addresses);
        map
    }
}

/// The value that all have, if there are any.
pub(super) fn common<T: PartialEq>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

/// The value that more than half have (the vote of Boyer and Moore).
pub(super) fn usual<T: PartialEq + Copy>(all: &[T]) -> Option<T> {
    let (mut likely, mut lead) = (all.first().copied()?, 0_usize);
    for one in all {
        match (lead, *one == likely) {
            (0, _) => (likely, lead) = (*one, 1),
            (_, true) => lead = lead.saturating_add(1),
            (_, false) => lead = lead.saturating_sub(1),
        }
    }
    let count = all.iter().filter(|one| **one == likely).count();
    (count.saturating_mul(2) > all.len()).then_some(likely)
}

/// Every upstream a route names, in order, each time it does.
pub(super) fn leads(destination: &Destination) -> Vec<UpstreamRef> {
    let actions = destination.routes.iter().map(|route| &route.action);
    let named = actions.flat_map(|action| match action {
        Action::Forward(to) => to.iter().map(|weighted| weighted.upstream).collect(),
        Action::Redirect(_) | Action::Respond(_) | Action::Hop(_) => Vec::new(),
    });
    named.collect()
}

/// The upstreams of a configuration that something leads to.
fn used(spec: &AdmissionSpec) -> Vec<&Upstream> {
    let numbers = spec.destinations.iter().flat_map(leads);
    let upstream = |number: UpstreamRef| spec.upstreams.get(usize::try_from(number.0).ok()?);
    numbers.filter_map(upstream).collect()
}

/// The time of each route.
pub(super) fn timeouts(destination: &Destination) -> Vec<Option<Duration>> {
    let routes = destination.routes.iter();
    routes.map(|route| route.timeout).collect()
}

pub(super) fn retries(destination: &Destination) -> Vec<Retries> {
    let routes = destination.routes.iter();
    routes.map(|route| written(route.retries)).collect()
}

/// Retries on nothing are none.
pub(super) fn written(retries: Retries) -> Retries {
    let never = retries.attempts == 0 || !(retries.connect_failure || retries.refused_stream);
    match never {
        false => retries,
        true => Retries {
            attempts: 0,
            ..Retries::default()
        },
    }
}

/// `{ attempts, on }`.
pub(super) fn retries_out(retries: Retries) -> Out {
    let mut map = Map::inline();
    map.put("attempts", Out::word(retries.attempts));
    match (retries.connect_failure, retries.refused_stream) {
        (true, false) => map.put("on", Out::word("connect-failure")),
        (false, true) => map.put("on", Out::word("refused-stream")),
        (true, true) | (false, false) => {}
    }
    Out::Map(map)
}

/// The ranges that all have.
pub(super) fn common_reach<'u>(upstreams: impl Iterator<Item = &'u Upstream> + Clone) -> Reach {
    let reaches = upstreams.map(|upstream| &upstream.reach);
    Reach {
        allowed: in_all(reaches.clone().map(|reach| &*reach.allowed)),
        denied: in_all(reaches.clone().map(|reach| &*reach.denied)),
        denied_classes: in_all(reaches.map(|reach| &*reach.denied_classes)),
    }
}

/// What one reach has beyond another.
pub(super) fn beyond(reach: &Reach, above: &Reach) -> Reach {
    Reach {
        allowed: less(&reach.allowed, &above.allowed),
        denied: less(&reach.denied, &above.denied),
        denied_classes: less(&reach.denied_classes, &above.denied_classes),
    }
}

fn less<T: Copy + PartialEq>(all: &[T], above: &[T]) -> Vec<T> {
    distinct(all.iter().filter(|one| !above.contains(one)))
}

fn in_all<'r, T: Copy + PartialEq + 'r>(mut all: impl Iterator<Item = &'r [T]>) -> Vec<T> {
    let first = all.next().unwrap_or_default();
    let others: Vec<_> = all.collect();
    let shared = |one: &&T| others.iter().all(|other| other.contains(one));
    distinct(first.iter().filter(shared))
}

fn distinct<'r, T: Copy + PartialEq + 'r>(some: impl Iterator<Item = &'r T>) -> Vec<T> {
    let mut all: Vec<T> = Vec::new();
    for one in some {
        if !all.contains(one) {
            all.push(*one);
        }
    }
    all
}

/// `allowAddresses` and `denyAddresses`.
pub(super) fn put_reach(map: &mut Map, reach: &Reach) {
    map.put_list("allowAddresses", ranges(&reach.allowed));
    map.put_list("denyAddresses", denied(reach));
}

/// Ranges and classes.
fn denied(reach: &Reach) -> Vec<Out> {
    let classes = reach.denied_classes.iter();
    let classes = classes.map(|class| Out::word(class.as_str()));
    ranges(&reach.denied).into_iter().chain(classes).collect()
}

/// A range of one address is written as that address.
fn ranges(ranges: &[IpNet]) -> Vec<Out> {
    let range = |range: &IpNet| match range.prefix_len() == range.max_prefix_len() {
        true => Out::word(range.addr()),
        false => Out::word(range),
    };
    ranges.iter().map(range).collect()
}
