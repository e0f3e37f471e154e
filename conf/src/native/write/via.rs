//! `via`.

use policy::destination::{Reach, UpstreamTls, Via};

use super::settings::path;
use super::shared::{beyond, put_reach};
use super::upstream::tls;
use crate::yaml::emit::{Map, Out};

pub(super) fn via(via: &Via) -> Map {
    let mut map = Map::default();
    let proxy = format!("{}:{}", via.host, via.port);
    map.put("proxy", Out::text(proxy));
    match &via.tls {
        UpstreamTls::Off => {}
        UpstreamTls::On(policy) => {
            let policy = tls(policy);
            match policy.is_empty() {
                true => map.put("tls", Out::word("on")),
                false => map.put("tls", Out::Map(policy)),
            }
        }
    }
    map.put_some("credentials", via.credentials.as_deref().map(path));
    let addresses = via.addresses.iter().map(Out::word);
    map.put_list("addresses", addresses.collect());
    put_reach(&mut map, &beyond(&via.reach, &Reach::default()));
    map
}
