//! `upstream` and its `tls`.

use std::time::Duration;

use policy::destination::{
    Pem, Reach, TlsPolicy, TlsVersion, Upstream, UpstreamHost, UpstreamProtocol, UpstreamTls,
};

use super::super::upstream::{HTTP, HTTPS};
use super::pool::put_pool;
use super::settings::{duration, path};
use super::shared::{beyond, put_reach};
use crate::yaml::emit::{Map, Out};

/// What an upstream has from its destination unless it says otherwise.
#[derive(Clone, Debug)]
pub(super) struct Inherited {
    pub(super) host: UpstreamHost,
    pub(super) reach: Reach,
    pub(super) connect_timeout: Duration,
}

/// What differs from what is inherited.
pub(super) fn upstream(upstream: &Upstream, inherited: &Inherited) -> Map {
    let mut map = Map::default();
    match &upstream.host {
        // The one name a destination takes is the one that is requested.
        UpstreamHost::Requested => {}
        own if *own == inherited.host => {}
        UpstreamHost::Named(name) => map.put("host", Out::text(&**name)),
    }
    let standard = match upstream.tls {
        UpstreamTls::Off => HTTP,
        UpstreamTls::On(_) => HTTPS,
    };
    if upstream.port != standard {
        map.put("port", Out::word(upstream.port));
    }
    let addresses = upstream.addresses.iter();
    let address = |address: &std::net::SocketAddr| match address.port() == upstream.port {
        true => Out::word(address.ip()),
        false => Out::word(address),
    };
    map.put_list("addresses", addresses.map(address).collect());
    match &upstream.tls {
        UpstreamTls::Off => map.put("tls", Out::word("off")),
        UpstreamTls::On(policy) => map.put_map("tls", tls(policy)),
    }
    match upstream.protocol {
        UpstreamProtocol::Http1 => {}
        UpstreamProtocol::Http2 => map.put("protocol", Out::word("h2")),
        UpstreamProtocol::Auto => map.put("protocol", Out::word("auto")),
        UpstreamProtocol::Caller => map.put("protocol", Out::word("caller")),
    }
    put_reach(&mut map, &beyond(&upstream.reach, &inherited.reach));
    if upstream.connect_timeout != inherited.connect_timeout {
        map.put("connectTimeout", duration(upstream.connect_timeout));
    }
    put_pool(&mut map, upstream);
    map
}

pub(super) fn tls(policy: &TlsPolicy) -> Map {
    let mut map = Map::default();
    let name = |name: &str| Out::text(name);
    map.put_some("sni", policy.server_name.as_deref().map(name));
    map.put_list("san", policy.names.iter().map(|n| name(n)).collect());
    match policy.min_version {
        TlsVersion::Tls12 => {}
        TlsVersion::Tls13 => map.put("min", Out::text("1.3")),
    }
    map.put_some("ca", policy.ca.as_ref().map(pem));
    if let Some(client) = &policy.client {
        map.put("cert", pem(&client.chain));
        map.put("key", pem(&client.key));
    }
    map
}

fn pem(pem: &Pem) -> Out {
    match pem {
        Pem::File(file) => path(file),
        Pem::Text(text) => {
            let mut map = Map::default();
            map.put("pem", Out::text(&**text));
            Out::Map(map)
        }
    }
}
