//! Where bytes lead: by door, the server name around them, and caller; or, where
//! CONNECT names it, by host.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::destination::{Carries, TcpLead, TcpRoute, Upstream, UpstreamRef, UpstreamTls};
use crate::door::Door;
use crate::matching::{Toward, from_holds};
use crate::source::Caller;
use crate::tunnel::{Tunnel, Way};

use super::CompileError;
use super::compiled::drawn;

/// Every TCP route, by door and in order.
#[derive(Debug)]
pub(super) struct TcpRoutes {
    all: Box<[TcpRoute]>,
    doors: HashMap<Door, At>,
}

/// The routes of one door.
#[derive(Debug, Default)]
struct At {
    all: Vec<u32>,
    /// Those that lead to a host.
    by_host: HashMap<Arc<str>, Vec<u32>>,
}

impl TcpRoutes {
    pub(super) fn compile(
        all: Vec<TcpRoute>,
        upstreams: &[Upstream],
        errors: &mut Vec<CompileError>,
    ) -> Self {
        let wrong = all.iter().filter_map(|route| {
            Some(CompileError {
                origin: Arc::clone(&route.origin),
                message: fault(route, upstreams)?.to_owned(),
            })
        });
        errors.extend(wrong);
        let mut doors: HashMap<Door, At> = HashMap::new();
        for (id, route) in (0..).zip(&all) {
            let at = doors.entry(route.door).or_default();
            at.all.push(id);
            let hosts: BTreeSet<_> = route.leads.iter().map(|lead| &lead.host).collect();
            for host in hosts {
                at.by_host.entry(Arc::clone(host)).or_default().push(id);
            }
        }
        Self {
            all: all.into(),
            doors,
        }
    }

    pub(super) fn all(&self) -> &[TcpRoute] {
        &self.all
    }

    /// The first route that applies.
    pub(super) fn find(
        &self,
        door: Door,
        server_name: Option<&str>,
        caller: &Caller,
    ) -> Option<(u32, &TcpRoute)> {
        self.first(&self.doors.get(&door)?.all, server_name, caller)
    }

    fn first(
        &self,
        numbers: &[u32],
        server_name: Option<&str>,
        caller: &Caller,
    ) -> Option<(u32, &TcpRoute)> {
        numbers.iter().find_map(|&id| {
            let route = self.all.get(usize::try_from(id).ok()?)?;
            let names = &route.server_names;
            let named =
                || server_name.is_some_and(|name| names.iter().any(|known| known.matches(name)));
            let from = &route.from;
            let applies = (names.is_empty() || named())
                && (from.is_empty() || from_holds(from, caller, Toward::Permit));
            applies.then_some((id, route))
        })
    }

    /// That route, and the one of its hosts that `lot` draws.
    pub(super) fn lead(
        &self,
        door: Door,
        server_name: Option<&str>,
        caller: &Caller,
        lot: u32,
    ) -> Option<(Way, &TcpLead)> {
        draw(self.find(door, server_name, caller)?, lot, |_| true)
    }

    /// The first route that applies of those that lead to a tunnel's own host, and
    /// the one of its leads there that `lot` draws.
    pub(super) fn lead_to(&self, tunnel: &Tunnel<'_>, lot: u32) -> Option<(Way, &TcpLead)> {
        let numbers = self.doors.get(&tunnel.door())?.by_host.get(tunnel.host())?;
        let found = self.first(numbers, tunnel.server_name(), tunnel.caller())?;
        draw(found, lot, |host| host == tunnel.host())
    }
}

/// One of the leads to hosts that fit.
fn draw(
    (id, route): (u32, &TcpRoute),
    lot: u32,
    fits: impl Fn(&str) -> bool,
) -> Option<(Way, &TcpLead)> {
    let fitting = || (0..).zip(&route.leads).filter(|(_, lead)| fits(&lead.host));
    let drawn = drawn(fitting().map(|(_, lead)| lead.weight), lot)?;
    let (lead, found) = fitting().nth(drawn)?;
    Some((Way::Tcp { route: id, lead }, found))
}

fn fault(route: &TcpRoute, upstreams: &[Upstream]) -> Option<&'static str> {
    if route.leads.is_empty() {
        return Some("this leads nowhere: name an upstream");
    }
    let upstream = |r: UpstreamRef| upstreams.get(usize::try_from(r.0).ok()?);
    let mut leads = route
        .leads
        .iter()
        .map(|l| (l.carries, upstream(l.upstream)));
    leads.find_map(|lead| match lead {
        (_, None) => Some("the upstream named here does not exist"),
        // TLS within TLS is not what either side expects.
        (Carries::Tls, Some(upstream)) if upstream.tls != UpstreamTls::Off => {
            Some("the application brings its own TLS here: write `tls: off` for the upstream")
        }
        (_, Some(_)) => None,
    })
}
