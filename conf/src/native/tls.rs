//! `tls` of an upstream. Chain and name are always verified: there is no word
//! that turns this off.

use policy::canonical::Authority;
use policy::destination::{ClientCertificate, Pem, TlsPolicy, TlsVersion, UpstreamTls};

use super::identity::path;
use crate::fields::{Fields, choice, parsed};
use crate::node::Value;

/// `tls: off`, or `tls: { ca, sni, san, min, cert, key }`.
pub(super) fn tls(fields: &Fields<'_>) -> UpstreamTls {
    let on = UpstreamTls::On(TlsPolicy::default());
    let Some(node) = fields.take("tls") else {
        return on;
    };
    if matches!(node.value, Value::Scalar(_)) {
        let words = [("off", true), ("on", false)];
        return match choice(node, fields.report, &words) {
            Some(true) => UpstreamTls::Off,
            Some(false) | None => on,
        };
    }
    Fields::read(node, fields.report, policy).map_or(on, UpstreamTls::On)
}

fn policy(fields: &Fields<'_>) -> TlsPolicy {
    let versions = [("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)];
    let names = fields.many("san").iter();
    TlsPolicy {
        ca: pem(fields, "ca"),
        server_name: fields.parsed("sni", dns_name),
        names: names
            .filter_map(|node| parsed(node, fields.report, dns_name))
            .collect(),
        min_version: fields.choice("min", &versions).unwrap_or_default(),
        client: client(fields),
    }
}

fn client(fields: &Fields<'_>) -> Option<ClientCertificate> {
    let (cert, key) = (pem(fields, "cert"), pem(fields, "key"));
    match (fields.has("cert"), fields.has("key")) {
        (true, false) => fields.need("key", "/etc/certs/client.key"),
        (false, true) => fields.need("cert", "/etc/certs/client.crt"),
        (true, true) | (false, false) => None,
    };
    Some(ClientCertificate {
        chain: cert?,
        key: key?,
    })
}

/// The name of a file, or `{ pem: TEXT }`.
fn pem(fields: &Fields<'_>, key: &'static str) -> Option<Pem> {
    match fields.take(key) {
        Some(node) if matches!(node.value, Value::Map(_)) => {
            let read = |fields: &Fields<'_>| {
                fields.need("pem", "|-");
                fields.parsed("pem", armoured)
            };
            Fields::read(node, fields.report, read).flatten()
        }
        _ => path(fields, key).map(Pem::File),
    }
}

/// RFC 7468. What is between its lines is judged where it is used; a message
/// never repeats it, since it may be a key.
fn armoured(text: &str) -> Result<Pem, &'static str> {
    match text.contains("-----BEGIN ") {
        true => Ok(Pem::Text(text.into())),
        false => Err("this is no PEM: write the text from `-----BEGIN` to `-----END` on"),
    }
}

/// The canonical form of one DNS name; a certificate is never asked for an
/// address or a pattern.
fn dns_name(text: &str) -> Result<Box<str>, String> {
    let name = host_name(text)?;
    if is_address(&name) {
        return Err(format!(
            "`{text}` is an address: write the name in the certificate"
        ));
    }
    Ok(name)
}

/// The canonical form of one host, without port.
pub(crate) fn host_name(text: &str) -> Result<Box<str>, String> {
    let example = "write such as `api.example.com`";
    if text.contains('*') {
        return Err(format!(
            "`{text}` is a pattern where one name belongs: {example}"
        ));
    }
    let authority = Authority::parse(text.as_bytes()).map_err(|why| format!("`{text}`: {why}"))?;
    match authority.port() {
        None => Ok(authority.host().into()),
        Some(_) => Err(format!(
            "`{text}` holds a port: write `{}`, and the port under `port`",
            authority.host()
        )),
    }
}

/// Whether a canonical host is an address.
pub(crate) fn is_address(host: &str) -> bool {
    host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok()
}
