//! Where tunnels lead: by door and server name.

use std::collections::HashMap;
use std::sync::Arc;

use crate::destination::{Passage, Upstream, UpstreamRef, UpstreamTls};
use crate::door::Door;
use crate::pattern::HostMap;
use crate::refusal::Refusal;
use crate::tunnel::PassageId;

use super::CompileError;
use super::compiled::draw;
use super::depth::{ChosenLabels, Depth};

/// Every passage, indexed.
#[derive(Debug)]
pub(super) struct Passages {
    all: Box<[Passage]>,
    /// One for each.
    depths: Box<[Depth]>,
    doors: HashMap<Door, HostMap<PassageId>>,
}

impl Passages {
    pub(super) fn compile(
        all: Vec<Passage>,
        upstreams: &[Upstream],
        most: ChosenLabels,
        errors: &mut Vec<CompileError>,
    ) -> Self {
        let wrong = all.iter().filter_map(|passage| {
            Some(CompileError {
                origin: Arc::clone(&passage.origin),
                message: fault(passage, upstreams)?.to_owned(),
            })
        });
        errors.extend(wrong);
        let mut by_door: HashMap<Door, Vec<_>> = HashMap::new();
        for (id, passage) in (0..).map(PassageId).zip(&all) {
            let own = by_door.entry(passage.door).or_default();
            own.push((passage.host.clone(), id));
        }
        let doors = by_door
            .into_iter()
            .map(|(door, own)| (door, HostMap::build(own)))
            .collect();
        let depth = |passage: &Passage| {
            let leads = passage.upstreams.iter().map(|w| w.upstream);
            Depth::of(&passage.host, leads, upstreams, most)
        };
        Self {
            depths: all.iter().map(depth).collect(),
            all: all.into(),
            doors,
        }
    }

    pub(super) fn all(&self) -> &[Passage] {
        &self.all
    }

    pub(super) fn serves(&self, door: Door) -> bool {
        self.doors.contains_key(&door)
    }

    pub(super) fn find(&self, host: &str, door: Door) -> Option<PassageId> {
        self.doors.get(&door)?.find(host).copied()
    }

    /// The passage of a canonical host behind a door, and the upstream that
    /// `lot` draws.
    pub(super) fn lead(
        &self,
        host: &str,
        door: Door,
        lot: u32,
    ) -> Result<(PassageId, UpstreamRef), Refusal> {
        let found = self.find(host, door).and_then(|id| {
            let number = usize::try_from(id.0).ok()?;
            let (passage, depth) = (self.all.get(number)?, self.depths.get(number)?);
            let upstream = draw(&passage.upstreams, lot)?;
            Some((id, upstream, depth.check(host, || &passage.host)))
        });
        let (id, upstream, checked) = found.ok_or(Refusal::UnknownPassage)?;
        checked.map(|()| (id, upstream))
    }
}

fn fault(passage: &Passage, upstreams: &[Upstream]) -> Option<&'static str> {
    if passage.upstreams.is_empty() {
        return Some("this leads nowhere: name an upstream");
    }
    let upstream = |r: UpstreamRef| upstreams.get(usize::try_from(r.0).ok()?);
    let mut leads = passage.upstreams.iter().map(|w| upstream(w.upstream));
    leads.find_map(|lead| match lead {
        None => Some("the upstream named here does not exist"),
        // TLS within TLS is not what either side expects.
        Some(upstream) if upstream.tls != UpstreamTls::Off => {
            Some("the application brings its own TLS here: write `tls: off` for the upstream")
        }
        Some(_) => None,
    })
}
