//! Where bytes lead: by door, the server name around them, and caller.

use std::collections::HashMap;
use std::sync::Arc;

use crate::destination::{Carries, TcpLead, TcpRoute, Upstream, UpstreamRef, UpstreamTls};
use crate::door::Door;
use crate::matching::{Toward, from_holds};
use crate::source::Caller;
use crate::tunnel::Way;

use super::CompileError;
use super::compiled::drawn;

/// Every TCP route, by door and in order.
#[derive(Debug)]
pub(super) struct TcpRoutes {
    all: Box<[TcpRoute]>,
    doors: HashMap<Door, Vec<u32>>,
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
        let mut doors: HashMap<Door, Vec<u32>> = HashMap::new();
        for (id, route) in (0..).zip(&all) {
            doors.entry(route.door).or_default().push(id);
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
        let mut numbers = self.doors.get(&door)?.iter();
        numbers.find_map(|&id| {
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
        let (route, found) = self.find(door, server_name, caller)?;
        let weights = found.leads.iter().map(|lead| lead.weight);
        let lead = drawn(weights, lot)?;
        let way = Way::Tcp {
            route,
            lead: u32::try_from(lead).ok()?,
        };
        Some((way, found.leads.get(lead)?))
    }
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
