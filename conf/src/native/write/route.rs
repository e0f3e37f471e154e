//! `routes` of a destination.

use std::time::Duration;

use policy::destination::{
    Action, Edits, Fault, HeaderEdits, PathRewrite, Redirect, Respond, Retries, Rewrite, Route,
    Share, Upgrades, UpstreamRef, Weighted,
};
use policy::rule::Matcher;

use super::super::route::{UNNAMED, takes_everything};
use super::Writer;
use super::settings::{duration, size};
use super::shared::{retries_out, written};
use super::upstream::{Inherited, upstream};
use crate::yaml::emit::{Map, Out};

/// What the destination says for all its routes.
#[derive(Debug)]
pub(super) struct Above<'d> {
    pub(super) own: Option<UpstreamRef>,
    pub(super) inherited: &'d Inherited,
    pub(super) timeout: Option<Duration>,
    pub(super) retries: Retries,
    pub(super) max_body: Option<u64>,
    pub(super) upgrades: Upgrades,
}

impl Writer<'_> {
    pub(super) fn route(&self, route: &Route, above: &Above<'_>) -> Out {
        let mut map = Map::remarked(self.remark(&route.origin));
        if *route.name != *UNNAMED {
            map.put("name", Out::text(&*route.name));
        }
        self.put_condition(&mut map, route);
        self.put_action(&mut map, route, above);
        if route.timeout != above.timeout {
            map.put("timeout", route.timeout.map_or(Out::word("off"), duration));
        }
        if written(route.retries) != above.retries {
            map.put("retries", retries_out(written(route.retries)));
        }
        map.put_map("headers", headers(&route.changes().headers));
        map.put_map("fault", fault(&route.changes().fault));
        if route.upgrades != above.upgrades {
            map.put("websocket", websocket(route.upgrades));
        }
        if route.max_body != above.max_body {
            map.put_some("maxBody", route.max_body.map(size));
        }
        // A route with nothing to say takes everything to the destination's own.
        Out::Map(map)
    }

    fn put_condition(&self, map: &mut Map, route: &Route) {
        let lawful = |matcher: &&Matcher| super::matcher::can_hold(matcher);
        let matchers: Vec<&Matcher> = route.matchers.iter().filter(lawful).collect();
        if matchers.iter().any(|matcher| !matcher.hosts.is_empty()) {
            self.unsayable(&route.origin, "a route that asks for the host");
        }
        match matchers.as_slice() {
            [] if !route.matchers.is_empty() => {
                self.unsayable(&route.origin, "a route that never matches");
            }
            [] => {}
            _ if takes_everything(route) => {}
            [only] => {
                let mut condition = self.matcher(only, &route.origin);
                condition.shorten("path", &["prefix", "regex", "template", "exact"]);
                map.extend(condition);
            }
            all => {
                let all = all.iter().map(|m| Out::Map(self.matcher(m, &route.origin)));
                map.put_all("when", all);
            }
        }
    }

    fn put_action(&self, map: &mut Map, route: &Route, above: &Above<'_>) {
        match &route.action {
            Action::Forward(to) => {
                self.put_forward(map, to, route, above);
                map.put_map("rewrite", rewrite(&route.changes().rewrite));
            }
            Action::Redirect(to) => map.put("redirect", Out::Map(redirect(to))),
            Action::Respond(answer) => map.put("respond", Out::Map(respond(answer))),
            Action::Hop(port) => map.put("hop", Out::word(port)),
        }
    }

    fn put_forward(&self, map: &mut Map, to: &[Weighted], route: &Route, above: &Above<'_>) {
        let all = match to {
            // Weights that are all 0 lead to the first.
            [first, ..] if to.iter().all(|w| w.weight == 0) => std::slice::from_ref(first),
            all => all,
        };
        let share = |weighted: &Weighted| {
            let mut map = Map::default();
            if Some(weighted.upstream) != above.own
                && let Some(named) = self.upstream(weighted.upstream)
            {
                map.put("upstream", Out::Map(upstream(named, above.inherited)));
            }
            if all.len() > 1 {
                map.put("weight", Out::word(weighted.weight));
            }
            map
        };
        match all {
            [] => self.unsayable(&route.origin, "a route that leads nowhere"),
            [only] if Some(only.upstream) == above.own => {}
            all => map.put_all("to", all.iter().map(|weighted| Out::Map(share(weighted)))),
        }
    }
}

fn rewrite(rewrite: &Rewrite) -> Map {
    let mut map = Map::default();
    match &rewrite.path {
        None => {}
        Some(PathRewrite::Whole(path)) => map.put("path", Out::word(path)),
        Some(PathRewrite::Prefix { from, to }) => map.put("prefix", from_to(from, to)),
        Some(PathRewrite::Beginning { from, to }) => map.put("begins", from_to(from, to)),
    }
    map.put_some("host", rewrite.host.as_deref().map(Out::text));
    map
}

fn from_to(from: &str, to: &str) -> Out {
    let mut map = Map::inline();
    map.put("from", Out::word(from));
    map.put("to", Out::word(to));
    Out::Map(map)
}

fn redirect(redirect: &Redirect) -> Map {
    let mut map = Map::default();
    map.put("status", Out::word(redirect.status));
    map.put_some("scheme", redirect.scheme.as_ref().map(Out::word));
    map.put_some("host", redirect.host.as_deref().map(Out::text));
    map.put_some("port", redirect.port.map(Out::word));
    map.put_some("path", redirect.path.as_ref().map(Out::word));
    map
}

fn respond(respond: &Respond) -> Map {
    let mut map = Map::default();
    map.put("status", Out::word(respond.status));
    if !respond.body.is_empty() {
        map.put("body", Out::text(&*respond.body));
    }
    map
}

fn fault(fault: &Fault) -> Map {
    let mut map = Map::default();
    let with = |share: Share, key, value| {
        let mut map = Map::inline();
        if share != Share::ALL {
            map.put("percent", Out::word(share.as_percent()));
        }
        map.put(key, value);
        Out::Map(map)
    };
    map.put_some(
        "delay",
        fault
            .delay
            .map(|(share, time)| with(share, "time", duration(time))),
    );
    map.put_some(
        "abort",
        fault
            .abort
            .map(|(share, status)| with(share, "status", Out::word(status))),
    );
    map
}

/// `websocket`: whether the upgrade is let through.
pub(super) fn websocket(upgrades: Upgrades) -> Out {
    Out::word(upgrades == Upgrades::WebSocket)
}

/// `headers`: those of requests alone without a word, else both by name.
pub(super) fn headers(edits: &HeaderEdits) -> Map {
    if edits.response.is_empty() {
        return of_head(&edits.request);
    }
    let mut map = Map::default();
    map.put_map("request", of_head(&edits.request));
    map.put_map("response", of_head(&edits.response));
    map
}

fn of_head(edits: &Edits) -> Map {
    let mut map = Map::default();
    // A field that is set twice has the last value.
    map.put_map("set", by_name(&edits.set, |mut values| values.pop()));
    map.put_map("add", by_name(&edits.add, Out::some_of));
    map.put_list(
        "remove",
        edits.remove.iter().map(|n| Out::text(&**n)).collect(),
    );
    map
}

fn by_name(pairs: &[(Box<str>, Box<str>)], one: fn(Vec<Out>) -> Option<Out>) -> Map {
    let mut map = Map::default();
    for (name, _) in pairs {
        let own = pairs.iter().filter(|(other, _)| other == name);
        if !map.has(name) {
            let values = own.map(|(_, value)| Out::text(&**value)).collect();
            map.put_some(name, one(values));
        }
    }
    map
}
