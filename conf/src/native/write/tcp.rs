//! `tcp`.

use policy::destination::{Carries, TcpLead, TcpRoute, Upstream, UpstreamHost, UpstreamTls};

use super::super::tcp::carried_to;
use super::Writer;
use super::pool::put_pool;
use super::settings::duration;
use super::shared::{beyond, common_reach, put_reach};
use super::upstream::tls;
use crate::yaml::emit::{Map, Out};

impl Writer<'_> {
    pub(super) fn tcp_route(&self, route: &TcpRoute) -> Out {
        let mut map = Map::remarked(self.remark(&route.origin));
        let host = route.leads.first().map_or("", |lead| &*lead.host);
        map.put("host", Out::text(host));
        map.put("at", Out::word(route.door));
        map.put_list("sni", route.server_names.iter().map(Out::word).collect());
        map.put_list("from", self.sources(&route.from, &route.origin));
        let led = || {
            let leads = route.leads.iter();
            leads.filter_map(|lead| self.upstream(lead.upstream))
        };
        let reach = common_reach(led());
        if led().any(|upstream| upstream.reach != reach) {
            self.unsayable(
                &route.origin,
                "upstreams of one TCP route that may have different addresses",
            );
        }
        put_reach(&mut map, &beyond(&reach, &self.shared.reach));
        match route.leads.as_slice() {
            [only] => self.put_lead(&mut map, only, route),
            several => map.put_all(
                "to",
                several.iter().map(|lead| {
                    let mut share = Map::default();
                    if *lead.host != *host {
                        share.put("host", Out::text(&*lead.host));
                    }
                    self.put_lead(&mut share, lead, route);
                    share.put("weight", Out::word(lead.weight));
                    Out::Map(share)
                }),
            ),
        }
        Out::Map(map)
    }

    fn put_lead(&self, map: &mut Map, lead: &TcpLead, route: &TcpRoute) {
        let Some(own) = self.upstream(lead.upstream) else {
            return;
        };
        if lead.carries != carried_to(own) {
            map.put("carries", Out::word(word(lead.carries)));
        }
        map.put_map("upstream", self.led(own, lead, route));
    }

    /// What differs from the host itself at the port callers come to.
    fn led(&self, upstream: &Upstream, lead: &TcpLead, route: &TcpRoute) -> Map {
        let mut map = Map::default();
        match &upstream.host {
            UpstreamHost::Named(name) if *name != lead.host => map.put("host", Out::text(&**name)),
            UpstreamHost::Named(_) | UpstreamHost::Requested => {}
        }
        if upstream.port != route.door.port {
            map.put("port", Out::word(upstream.port));
        }
        map.put_list(
            "addresses",
            upstream.addresses.iter().map(Out::word).collect(),
        );
        match &upstream.tls {
            UpstreamTls::Off => {}
            UpstreamTls::On(policy) => {
                let policy = tls(policy);
                match policy.is_empty() {
                    true => map.put("tls", Out::word("on")),
                    false => map.put("tls", Out::Map(policy)),
                }
            }
        }
        if upstream.connect_timeout != self.shared.connect_timeout {
            map.put("connectTimeout", duration(upstream.connect_timeout));
        }
        put_pool(&mut map, upstream);
        map
    }
}

fn word(carries: Carries) -> &'static str {
    match carries {
        Carries::Bytes => "bytes",
        Carries::Tls => "tls",
    }
}
