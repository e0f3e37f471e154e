//! `passthrough`.

use policy::destination::{Passage, Upstream, UpstreamHost, Weighted};

use super::super::destination::own_name;
use super::super::upstream::HTTPS;
use super::Writer;
use super::pool::put_pool;
use super::settings::duration;
use super::shared::{beyond, common_reach, put_reach};
use crate::yaml::emit::{Map, Out};

impl Writer<'_> {
    pub(super) fn passage(&self, passage: &Passage) -> Out {
        let mut map = Map::remarked(self.remark(&passage.origin));
        map.put("host", Out::text(passage.host.to_string()));
        map.put("at", Out::word(passage.door));
        let led = || {
            passage
                .upstreams
                .iter()
                .filter_map(|w| self.upstream(w.upstream))
        };
        let reach = common_reach(led());
        if led().any(|upstream| upstream.reach != reach) {
            self.unsayable(
                &passage.origin,
                "upstreams of one passage that may have different addresses",
            );
        }
        put_reach(&mut map, &beyond(&reach, &self.shared.reach));
        match passage.upstreams.as_slice() {
            [only] => {
                let own = self.upstream(only.upstream);
                map.put_map(
                    "upstream",
                    own.map(|own| self.passed(own, passage)).unwrap_or_default(),
                );
            }
            several => map.put_all("to", several.iter().map(|one| self.portion(one, passage))),
        }
        Out::Map(map)
    }

    fn portion(&self, weighted: &Weighted, passage: &Passage) -> Out {
        let mut map = Map::default();
        if let Some(own) = self.upstream(weighted.upstream) {
            map.put("upstream", Out::Map(self.passed(own, passage)));
        }
        map.put("weight", Out::word(weighted.weight));
        Out::Map(map)
    }

    /// An upstream without the words a passage has none of.
    fn passed(&self, upstream: &Upstream, passage: &Passage) -> Map {
        let mut map = Map::default();
        if let UpstreamHost::Named(name) = &upstream.host
            && upstream.host != own_name(Some(&passage.host))
        {
            map.put("host", Out::text(&**name));
        }
        if upstream.port != HTTPS {
            map.put("port", Out::word(upstream.port));
        }
        map.put_list(
            "addresses",
            upstream.addresses.iter().map(Out::word).collect(),
        );
        if upstream.connect_timeout != self.shared.connect_timeout {
            map.put("connectTimeout", duration(upstream.connect_timeout));
        }
        put_pool(&mut map, upstream);
        map
    }
}
