//! `authorisers`: external servers whose word `refer` policies require, by
//! Envoy's ext_authz protocol.
//!
//! ```yaml
//! authorisers:
//!   opa:
//!     http: { url: "https://opa.policy.svc:8443/check" }   # or grpc: { url: … }
//!     allowAddresses: [10.0.0.0/8]
//!     timeout: 500ms
//!     onError: deny
//!     status: 403
//!     headers: [authorization, x-team-*]
//!     responseHeaders: [x-user]
//!     denialHeaders: [location, www-authenticate]
//! ```

use std::sync::Arc;
use std::time::Duration;

use policy::authoriser::{Authoriser, AuthoriserRef, FieldNames, OnError, Service};
use policy::canonical::Authority;
use policy::destination::{Upstream, UpstreamHost, UpstreamProtocol, UpstreamRef, UpstreamTls};

use super::action::add;
use super::addresses::reach;
use super::canonical_path::verbatim;
use super::destination::Defaults;
use super::tls::tls;
use super::upstream::{Inherited, addresses, refuse_nameless};
use crate::fields::{Fields, parsed};
use crate::node::Entry;
use crate::report::Report;

/// Longer than a near server needs, shorter than a caller's patience.
pub(super) const TIMEOUT: Duration = Duration::from_millis(500);
const FORBIDDEN: u16 = 403;
/// What makes a no of use to a browser or a client library.
pub(super) const DENIAL: [&str; 2] = ["location", "www-authenticate"];
const EXAMPLE: &str = "{ url: \"https://opa.example:8443\" }";

/// The authoriser of a name; how policies, Istio's among them, refer to one.
pub(crate) fn named(authorisers: &[Authoriser], name: &str) -> Option<AuthoriserRef> {
    let found = authorisers.iter().position(|a| *a.name == *name)?;
    u32::try_from(found).ok().map(AuthoriserRef)
}

/// Reads all authorisers, and adds where they are to the upstreams.
pub(super) fn authorisers(
    entries: &[&Entry],
    defaults: &Defaults,
    upstreams: &mut Vec<Upstream>,
    report: &Report,
) -> Vec<Authoriser> {
    let read = |entry: &&Entry| {
        Fields::read(&entry.node, report, |fields| {
            authoriser(fields, entry, defaults, upstreams)
        })
    };
    entries.iter().filter_map(read).collect()
}

fn authoriser(
    fields: &Fields<'_>,
    entry: &Entry,
    defaults: &Defaults,
    upstreams: &mut Vec<Upstream>,
) -> Authoriser {
    let inherited = Inherited {
        // The URL names it.
        host: UpstreamHost::Requested,
        reach: reach(fields, &defaults.reach),
        connect_timeout: defaults.connect_timeout,
    };
    let place = place(fields, &inherited);
    let timeout = fields.duration("timeout");
    let on_error = on_error(fields);
    fields.not_yet("body", "authorisers are told of heads alone: delete it");
    let told = names(fields, "headers");
    let upstream_fields = names(fields, "responseHeaders");
    let denial = names(fields, "denialHeaders");
    let denial_fields = match fields.has("denialHeaders") {
        true => denial,
        false => DENIAL.map(|name| FieldNames::Exact(name.into())).into(),
    };
    // Without a place it is still one policies may name: one mistake is told once.
    let (service, upstream) = match place {
        Some((service, upstream)) => (service, add(upstreams, upstream)),
        None => (Service::Grpc, UpstreamRef(u32::MAX)),
    };
    Authoriser {
        name: entry.key.as_ref().into(),
        upstream,
        service,
        timeout: timeout.unwrap_or(TIMEOUT),
        on_error,
        told,
        upstream_fields,
        denial_fields,
        origin: Arc::new(entry.origin.clone()),
    }
}

/// `onError: deny` with its `status`, or `onError: allow`.
fn on_error(fields: &Fields<'_>) -> OnError {
    let status = fields.number("status", 400..=599);
    match fields.choice("onError", &[("deny", false), ("allow", true)]) {
        Some(true) => {
            if let Some(entry) = fields.entry("status") {
                let message = "`status` is the answer without a word of the authoriser's, and `onError: allow` gives none: delete one of them";
                fields.report.error(&entry.origin, message);
            }
            OnError::Allow
        }
        Some(false) | None => OnError::Deny(status.unwrap_or(FORBIDDEN)),
    }
}

fn names(fields: &Fields<'_>, key: &'static str) -> Vec<FieldNames> {
    let nodes = fields.many(key).iter();
    nodes
        .filter_map(|node| parsed(node, fields.report, FieldNames::parse))
        .collect()
}

/// `http: { url, tls, addresses, connectTimeout }`, or the same under `grpc`.
fn place(fields: &Fields<'_>, inherited: &Inherited) -> Option<(Service, Upstream)> {
    let (http, grpc) = (fields.entry("http"), fields.entry("grpc"));
    let (entry, is_grpc) = match (http, grpc) {
        (Some(entry), None) => (entry, false),
        (None, Some(entry)) => (entry, true),
        (Some(_), Some(second)) => {
            let message = "`http` and `grpc` exclude each other: delete one of them";
            fields.report.error(&second.origin, message);
            return None;
        }
        (None, None) => {
            let message = format!("`http` or `grpc` is missing: write such as `http: {EXAMPLE}`");
            fields.report.error(fields.origin(), message);
            return None;
        }
    };
    let read = |fields: &Fields<'_>| connection(fields, is_grpc, inherited);
    Fields::read(&entry.node, fields.report, read).flatten()
}

fn connection(
    fields: &Fields<'_>,
    is_grpc: bool,
    inherited: &Inherited,
) -> Option<(Service, Upstream)> {
    fields.need("url", "https://opa.example:8443");
    let url = fields.parsed("url", |text| Url::parse(text, is_grpc));
    let tls = transport(fields, url.as_ref());
    let port = url.as_ref().map_or(443, |url| url.port);
    let addresses = addresses(fields, port, &inherited.reach);
    let connect_timeout = fields.duration("connectTimeout");
    let url = url?;
    let upstream = Upstream {
        host: UpstreamHost::Named(url.host.into()),
        addresses,
        protocol: match is_grpc {
            true => UpstreamProtocol::Http2,
            false => UpstreamProtocol::Http1,
        },
        connect_timeout: connect_timeout.unwrap_or(inherited.connect_timeout),
        ..inherited.server(port, tls, fields.origin())
    };
    refuse_nameless(&upstream, fields.report);
    let service = match is_grpc {
        true => Service::Grpc,
        false => Service::Http { prefix: url.prefix },
    };
    Some((service, upstream))
}

/// The scheme says whether there is TLS, `tls` how.
fn transport(fields: &Fields<'_>, url: Option<&Url>) -> UpstreamTls {
    let written = tls(fields);
    let secure = url.is_none_or(|url| url.secure);
    if let Some(entry) = fields.entry("tls") {
        let message = match (secure, &written) {
            (true, UpstreamTls::Off) => {
                Some("`https` is spoken by TLS alone: write `http://`, or delete `tls`")
            }
            (false, UpstreamTls::On(_)) => {
                Some("`http` is plain text: write `https://`, or delete `tls`")
            }
            _ => None,
        };
        if let Some(message) = message {
            fields.report.error(&entry.origin, message);
        }
    }
    if secure { written } else { UpstreamTls::Off }
}

/// `http://HOST:PORT/PREFIX`.
struct Url {
    secure: bool,
    host: Box<str>,
    port: u16,
    /// Without a final slash.
    prefix: Box<str>,
}

impl Url {
    fn parse(text: &str, is_grpc: bool) -> Result<Self, String> {
        let schemes = [("https://", true, 443), ("http://", false, 80)];
        let found = schemes
            .into_iter()
            .find_map(|(scheme, secure, port)| Some((text.strip_prefix(scheme)?, secure, port)));
        let Some((rest, secure, default_port)) = found else {
            return Err(format!(
                "`{text}` is no URL: write such as `https://opa.example:8443`"
            ));
        };
        let (authority, path) = match rest.find(['/', '?', '#']) {
            None => (rest, ""),
            Some(at) => rest.split_at_checked(at).unwrap_or((rest, "")),
        };
        let authority =
            Authority::parse(authority.as_bytes()).map_err(|why| format!("`{text}`: {why}"))?;
        let prefix = path.strip_suffix('/').unwrap_or(path);
        if is_grpc && !prefix.is_empty() {
            return Err(format!(
                "`{prefix}` has no meaning for gRPC, whose paths are its own: delete it"
            ));
        }
        if prefix.contains('?') {
            return Err(format!(
                "`{prefix}` holds a query, and the caller's follows: write the path alone"
            ));
        }
        Ok(Self {
            secure,
            host: authority.host().into(),
            port: authority.port().unwrap_or(default_port),
            prefix: match prefix {
                "" => "".into(),
                prefix => verbatim(prefix)?,
            },
        })
    }
}
