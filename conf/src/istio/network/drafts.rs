//! Destinations under construction: the routes that several objects give to one
//! host behind one door, brought into the order in which Envoy asks them.

use std::collections::HashMap;
use std::sync::Arc;

use policy::destination::{Destination, Passage, Route, TcpRoute, Weighted};
use policy::door::Door;
use policy::origin::Origin;
use policy::pattern::HostPattern;

use super::super::scope::Scope;
use super::service::covers;
use crate::native::takes_everything;

/// All drafts, in the order in which they were begun.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    destinations: Vec<Draft>,
    known: HashMap<(Door, HostPattern), usize>,
    passages: Vec<Passage>,
    passed: HashMap<(Door, HostPattern), usize>,
    /// Names that a route leads nowhere: nothing else opens them.
    closed: HashMap<(Door, HostPattern), Origin>,
    tcp: Vec<TcpRoute>,
    /// Asked when no other applies.
    last: Vec<TcpRoute>,
}

#[derive(Debug)]
struct Draft {
    door: Door,
    host: HostPattern,
    origin: Origin,
    /// The routes of each object, in load order.
    parts: Vec<(Origin, Vec<Route>)>,
}

impl Drafts {
    /// Adds the routes that the object at `origin` gives to a host.
    pub(super) fn add(
        &mut self,
        door: Door,
        host: &HostPattern,
        origin: &Origin,
        routes: Vec<Route>,
    ) {
        if routes.is_empty() {
            return;
        }
        let key = (door, host.clone());
        let index = *self.known.entry(key).or_insert_with(|| {
            self.destinations.push(Draft {
                door,
                host: host.clone(),
                origin: origin.clone(),
                parts: Vec::new(),
            });
            self.destinations.len().saturating_sub(1)
        });
        if let Some(draft) = self.destinations.get_mut(index) {
            draft.parts.push((origin.clone(), routes));
        }
    }

    /// Adds a passage; the first for a name stays.
    pub(super) fn pass(
        &mut self,
        door: Door,
        host: &HostPattern,
        upstreams: Vec<Weighted>,
        origin: &Origin,
    ) {
        let next = self.passages.len();
        let index = *self.passed.entry((door, host.clone())).or_insert(next);
        if index == next {
            self.passages.push(Passage {
                name: host.to_string().into(),
                host: host.clone(),
                door,
                upstreams,
                origin: Arc::new(origin.clone()),
            });
        }
    }

    /// Adds a TCP route; one behind another that takes everything is never asked.
    pub(super) fn lead(&mut self, route: TcpRoute, scope: &Scope<'_>) {
        add_route(&mut self.tcp, route, Some(scope));
    }

    /// Adds a TCP route behind all others.
    pub(super) fn lead_last(&mut self, route: TcpRoute) {
        add_route(&mut self.last, route, None);
    }

    /// Keeps a name without a passage of its own.
    pub(super) fn close(&mut self, door: Door, host: &HostPattern, origin: &Origin) {
        let key = (door, host.clone());
        self.closed.entry(key).or_insert_with(|| origin.clone());
    }

    /// Whether a passage is there already, or is not to be.
    pub(super) fn is_settled(&self, door: Door, host: &HostPattern) -> bool {
        let key = (door, host.clone());
        self.passed.contains_key(&key) || self.closed.contains_key(&key)
    }

    /// A name without a passage would go by a wider one, where its route does not
    /// lead.
    fn refuse_detours(&self, scope: &Scope<'_>) {
        for ((door, host), origin) in &self.closed {
            let wider = |passage: &&Passage| passage.door == *door && covers(&passage.host, host);
            if let Some(wider) = self.passages.iter().find(wider) {
                let message = format!(
                    "this leads nowhere, and `{host}` would go by the way of `{}` at {}: write where it leads, or delete the route",
                    wider.host, wider.origin
                );
                scope.report.error(origin, message);
            }
        }
    }

    /// Where the most specific passage over a name leads.
    pub(super) fn passage(&self, door: Door, host: &HostPattern) -> Option<&[Weighted]> {
        let over = self.passages.iter();
        let over = over.filter(|passage| passage.door == door && covers(&passage.host, host));
        let nearest = over.reduce(|best, next| match covers(&best.host, &next.host) {
            true => next,
            false => best,
        });
        nearest.map(|passage| &*passage.upstreams)
    }

    /// Both; hosts and doors of the two never meet.
    pub(super) fn extend(&mut self, other: Self) {
        for draft in other.destinations {
            for (origin, routes) in draft.parts {
                self.add(draft.door, &draft.host, &origin, routes);
            }
        }
        for passage in other.passages {
            self.pass(
                passage.door,
                &passage.host,
                passage.upstreams,
                &passage.origin,
            );
        }
        self.closed.extend(other.closed);
        self.tcp.extend(other.tcp);
        self.last.extend(other.last);
    }

    /// The destinations and passages.
    pub(super) fn finish(
        self,
        scope: &Scope<'_>,
    ) -> (Vec<Destination>, Vec<Passage>, Vec<TcpRoute>) {
        self.refuse_detours(scope);
        let destinations = self.destinations.into_iter().map(|draft| {
            let (door, host, origin) = (draft.door, draft.host.clone(), draft.origin.clone());
            let routes = draft.in_order(scope);
            Destination {
                name: host.to_string().into(),
                door: Some(door),
                ports: Vec::new(),
                profile: scope.profile,
                routes,
                origin: Arc::new(origin),
                host,
            }
        });
        let mut tcp = self.tcp;
        tcp.extend(self.last);
        (destinations.collect(), self.passages, tcp)
    }
}

/// `None`: what is never asked is not worth a word.
fn add_route(routes: &mut Vec<TcpRoute>, route: TcpRoute, scope: Option<&Scope<'_>>) {
    let takes_all = |first: &&TcpRoute| {
        let all = first.server_names.is_empty() && first.from.is_empty();
        first.door == route.door && all
    };
    match (routes.iter().find(takes_all), scope) {
        (None, _) => routes.push(route),
        (Some(_), None) => {}
        (Some(first), Some(scope)) => {
            let message = format!(
                "this route is never reached: the one at {} takes every connection",
                first.origin
            );
            scope.report.warning(&route.origin, message);
        }
    }
}

impl Draft {
    /// Routes of several objects follow each other; those that take everything
    /// come last (A.6, 4; F.13).
    fn in_order(self, scope: &Scope<'_>) -> Vec<Route> {
        let mut parts = self.parts.into_iter();
        let (first, mut routes) = parts.next().unwrap_or((self.origin, Vec::new()));
        let mut others = 0_usize;
        for (origin, more) in parts {
            others = others.saturating_add(1);
            let (door, host) = (self.door, &self.host);
            let message = format!(
                "the object at {first} also routes `{host}` at {door}: its routes are asked first"
            );
            scope.report.warning(&origin, message);
            routes.extend(more);
        }
        if others > 0 {
            routes.sort_by_key(takes_everything);
        }
        routes
    }
}
