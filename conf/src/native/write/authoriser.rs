//! `authorisers`.

use policy::authoriser::{Authoriser, FieldNames, OnError, Service};
use policy::destination::{Upstream, UpstreamHost, UpstreamTls};

use super::super::authoriser::{DENIAL, TIMEOUT};
use super::super::policy_rule::FORBIDDEN;
use super::Writer;
use super::settings::duration;
use super::shared::{beyond, put_reach};
use super::upstream::tls;
use crate::yaml::emit::{Map, Out};

impl Writer<'_> {
    pub(super) fn authorisers(&self, authorisers: &[Authoriser]) -> Map {
        let mut map = Map::default();
        for authoriser in authorisers {
            map.put(&authoriser.name, Out::Map(self.authoriser(authoriser)));
        }
        map
    }

    fn authoriser(&self, authoriser: &Authoriser) -> Map {
        let mut map = Map::remarked(self.remark(&authoriser.origin));
        if let Some(upstream) = self.upstream(authoriser.upstream) {
            let (word, prefix) = match &authoriser.service {
                Service::Http { prefix } => ("http", &**prefix),
                Service::Grpc => ("grpc", ""),
            };
            map.put(word, Out::Map(self.place(upstream, prefix)));
            put_reach(&mut map, &beyond(&upstream.reach, &self.shared.reach));
        }
        if authoriser.timeout != TIMEOUT {
            map.put("timeout", duration(authoriser.timeout));
        }
        match authoriser.on_error {
            OnError::Allow => map.put("onError", Out::word("allow")),
            OnError::Deny(FORBIDDEN) => {}
            OnError::Deny(status) => map.put("status", Out::word(status)),
        }
        let names = |all: &[FieldNames]| all.iter().map(|n| Out::text(n.to_string())).collect();
        map.put_list("headers", names(&authoriser.told));
        map.put_list("responseHeaders", names(&authoriser.upstream_fields));
        let usual = DENIAL.map(|name| FieldNames::Exact(name.into()));
        if *authoriser.denial_fields != usual {
            map.put_list("denialHeaders", names(&authoriser.denial_fields));
        }
        map
    }

    fn place(&self, upstream: &Upstream, prefix: &str) -> Map {
        let mut map = Map::default();
        let scheme = match upstream.tls {
            UpstreamTls::Off => "http",
            UpstreamTls::On(_) => "https",
        };
        let host = match &upstream.host {
            UpstreamHost::Named(name) => name,
            UpstreamHost::Requested => "",
        };
        map.put(
            "url",
            Out::text(format!("{scheme}://{host}:{}{prefix}", upstream.port)),
        );
        if let UpstreamTls::On(policy) = &upstream.tls {
            map.put_map("tls", tls(policy));
        }
        map.put_list(
            "addresses",
            upstream.addresses.iter().map(Out::word).collect(),
        );
        if upstream.connect_timeout != self.shared.connect_timeout {
            map.put("connectTimeout", duration(upstream.connect_timeout));
        }
        map
    }
}
