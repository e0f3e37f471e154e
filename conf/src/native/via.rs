//! `via`: the HTTP proxy before an upstream.

use std::sync::Arc;

use policy::canonical::Authority;
use policy::destination::{Reach, Upstream, UpstreamTls, Via};

use super::addresses::reach;
use super::identity::path;
use super::tls::tls;
use super::upstream::{addresses_within, dialled};
use crate::fields::Fields;

/// Where the proxy's addresses are allowed.
const PLACE: &str = "`via`";

/// `{ proxy, tls, credentials, addresses, allowAddresses, denyAddresses }`. Of the
/// upstream's own addresses it inherits nothing, and gives it nothing.
pub(super) fn via(fields: &Fields<'_>) -> Option<Arc<Via>> {
    Fields::read(fields.take("via")?, fields.report, |fields| {
        fields.need("proxy", "proxy.example.com:3128");
        let written = fields.take("proxy");
        let proxy = fields.parsed("proxy", proxy);
        let tls = tls(fields);
        let reach = reach(fields, &Reach::default());
        let credentials = path(fields, "credentials");
        let addresses = addresses_within(fields, proxy.as_ref().map_or(0, |p| p.1), &reach, PLACE);
        let (host, port) = proxy?;
        if let (Some(node), Ok(address)) = (written, host.parse()) {
            dialled(address, &reach, PLACE, &node.origin, fields.report);
        }
        Some(Arc::new(Via {
            addresses,
            host,
            port,
            reach,
            // Proxies are spoken to in clear unless it is said.
            tls: match fields.has("tls") {
                true => tls,
                false => UpstreamTls::Off,
            },
            credentials,
            origin: Arc::new(fields.origin().clone()),
        }))
    })
    .flatten()
}

fn proxy(text: &str) -> Result<(Arc<str>, u16), String> {
    let example = "write such as `proxy.example.com:3128`";
    let authority = Authority::parse(text.as_bytes());
    let authority = authority.map_err(|why| format!("`{text}`: {why}"))?;
    let port = authority.port();
    let port = port.ok_or_else(|| format!("`{text}` names no port: {example}"))?;
    Ok((authority.host().into(), port))
}

/// What the proxy resolves, nobody dials here.
pub(super) fn refuse_addresses(upstream: &Upstream, fields: &Fields<'_>) {
    if upstream.via.is_some()
        && let Some(entry) = fields.entry("addresses")
    {
        let message = "the proxy of `via` looks the name up: delete `addresses`, or `via`";
        fields.report.error(&entry.origin, message);
    }
}
