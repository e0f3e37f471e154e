//! `destinations`.

use policy::canonical::{DuplicateSlashes, Encoded, PathProfile};
use policy::destination::{
    Action, Changes, Destination, Fault, Rewrite, Route, Upgrades, Upstream, UpstreamHost,
    UpstreamRef,
};
use policy::pattern::HostPattern;

use super::super::destination::own_name;
use super::super::door::PORTS;
use super::super::route::{UNNAMED, takes_everything};
use super::Writer;
use super::route::{Above, headers, websocket};
use super::settings::{duration, size};
use super::shared::{
    beyond, common, common_reach, leads, put_reach, retries, retries_out, timeouts, usual,
};
use super::upstream::{Inherited, upstream};
use crate::yaml::emit::{Map, Out};

impl Writer<'_> {
    /// An upstream by its number, which the compiler has checked or will.
    pub(super) fn upstream(&self, number: UpstreamRef) -> Option<&Upstream> {
        self.upstreams.get(usize::try_from(number.0).ok()?)
    }

    pub(super) fn destination(&self, destination: &Destination) -> Out {
        let mut map = Map::remarked(self.remark(&destination.origin));
        map.put("host", self.host_of(destination));
        map.put_some("at", destination.door.map(Out::word));
        match destination.ports.as_slice() {
            [] => map.put("ports", Out::word("any")),
            ports if *ports == PORTS => {}
            ports => map.put_list("ports", ports.iter().map(Out::word).collect()),
        }
        map.put_map("paths", profile(destination.profile));
        let own = self.own(destination);
        let inherited = self.inherited(destination, own);
        put_reach(&mut map, &beyond(&inherited.reach, &self.shared.reach));
        if inherited.connect_timeout != self.shared.connect_timeout {
            map.put("connectTimeout", duration(inherited.connect_timeout));
        }
        if let Some(own) = own.and_then(|own| self.upstream(own)) {
            map.put_map("upstream", upstream(own, &inherited));
        }
        let above = self.above(destination, own, &inherited);
        self.put_settings(&mut map, &above);
        match destination.routes.as_slice() {
            [only] if own.is_some_and(|own| says_nothing(only, own)) => {
                map.put_map("headers", headers(&only.changes().headers));
            }
            routes => map.put_all("routes", routes.iter().map(|r| self.route(r, &above))),
        }
        Out::Map(map)
    }

    /// As the operator wrote it, if that reads the same.
    fn host_of(&self, destination: &Destination) -> Out {
        let is_it = |text: &str| HostPattern::parse(text).is_ok_and(|h| h == destination.host);
        if is_it(&destination.name) {
            return Out::word(&destination.name);
        }
        self.host(&destination.host, &destination.origin)
    }

    /// The upstream that is written once for the destination: the one its routes
    /// name most often, of equal ones that of its own host.
    fn own(&self, destination: &Destination) -> Option<UpstreamRef> {
        let leads = leads(destination);
        let host = own_name(Some(&destination.host));
        let standing = |one: &&UpstreamRef| {
            let count = leads.iter().filter(|other| *other == *one).count();
            // Of one host alone, whichever is requested is that one.
            let is_its_own = self
                .upstream(**one)
                .is_some_and(|one| one.host == host || one.host == UpstreamHost::Requested);
            (count, is_its_own)
        };
        // Of equal ones the first.
        leads.iter().rev().max_by_key(standing).copied()
    }

    /// What the upstreams of a destination have in common.
    fn inherited(&self, destination: &Destination, own: Option<UpstreamRef>) -> Inherited {
        let used: Vec<&Upstream> = leads(destination)
            .into_iter()
            .chain(own)
            .filter_map(|number| self.upstream(number))
            .collect();
        let own = own.and_then(|own| self.upstream(own));
        let mut reach = common_reach(used.iter().copied());
        let missing = beyond(&self.shared.reach, &reach);
        reach.allowed.extend(missing.allowed);
        reach.denied.extend(missing.denied);
        reach.denied_classes.extend(missing.denied_classes);
        Inherited {
            host: match own_name(Some(&destination.host)) {
                UpstreamHost::Named(name) => UpstreamHost::Named(name),
                UpstreamHost::Requested => UpstreamHost::Requested,
            },
            reach,
            connect_timeout: own.map_or(self.shared.connect_timeout, |own| own.connect_timeout),
        }
    }

    fn above<'d>(
        &self,
        destination: &'d Destination,
        own: Option<UpstreamRef>,
        inherited: &'d Inherited,
    ) -> Above<'d> {
        let routes = destination.routes.iter();
        Above {
            own,
            inherited,
            timeout: usual(&timeouts(destination)).unwrap_or(self.shared.timeout),
            retries: usual(&retries(destination)).unwrap_or(self.shared.retries),
            max_body: common(routes.clone().map(|route| route.max_body)).flatten(),
            upgrades: common(routes.map(|route| route.upgrades)).unwrap_or_default(),
        }
    }

    fn put_settings(&self, map: &mut Map, above: &Above<'_>) {
        if above.timeout != self.shared.timeout {
            map.put("timeout", above.timeout.map_or(Out::word("off"), duration));
        }
        if above.retries != self.shared.retries {
            map.put("retries", retries_out(above.retries));
        }
        map.put_some("maxBody", above.max_body.map(size));
        if above.upgrades != Upgrades::default() {
            map.put("websocket", websocket(above.upgrades));
        }
    }
}

/// Whether a route is what a destination without routes has.
fn says_nothing(route: &Route, own: UpstreamRef) -> bool {
    let Changes {
        headers: _,
        rewrite: Rewrite { path, host },
        fault,
    } = route.changes();
    let forwards = match &route.action {
        Action::Forward(to) => matches!(to.as_slice(), [only] if only.upstream == own),
        Action::Redirect(_) | Action::Respond(_) | Action::Hop(_) => false,
    };
    forwards
        && *route.name == *UNNAMED
        && takes_everything(route)
        && path.is_none()
        && host.is_none()
        && *fault == Fault::default()
}

fn profile(profile: PathProfile) -> Map {
    let mut map = Map::inline();
    let keep = |map: &mut Map, key, keeps: bool| {
        map.put_some(key, keeps.then(|| Out::word("keep")));
    };
    keep(
        &mut map,
        "encodedSlashes",
        profile.encoded_slashes == Encoded::Keep,
    );
    keep(
        &mut map,
        "doubleEncoding",
        profile.double_encoding == Encoded::Keep,
    );
    keep(
        &mut map,
        "duplicateSlashes",
        profile.duplicate_slashes == DuplicateSlashes::Keep,
    );
    map
}
