//! Gateway: which hosts this gateway serves at which port.

use std::borrow::Cow;
use std::net::IpAddr;

use policy::origin::Origin;
use policy::pattern::HostPattern;

use super::super::kind::Kind;
use super::super::object::{Object, Objects};
use super::super::proto::{choice, pass_over, protocol, refuse};
use super::super::scope::Scope;
use super::gateway_names::label_meant;
use super::service_entry::labels;
use crate::fields::{Fields, text};
use crate::node::Node;
use crate::report::Report;

/// One server of a Gateway that selects us.
#[derive(Debug)]
pub(super) struct Server<'a> {
    /// The Gateway's; `None`: in every namespace (there is no Gateway object).
    pub(super) namespace: Option<&'a str>,
    pub(super) gateway: Cow<'a, str>,
    pub(super) port: u16,
    /// The address of its socket; `None`: any.
    pub(super) bind: Option<IpAddr>,
    pub(super) mode: ServerMode,
    pub(super) hosts: Vec<ServerHost<'a>>,
    pub(super) origin: Option<&'a Origin>,
}

/// What a server does with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerMode {
    /// Ends it, and knows the caller by his certificate.
    Mutual,
    /// There is none.
    Plaintext,
    /// Leaves it to the application.
    Passthrough,
    /// Ends it, knows the caller, and passes on what is within.
    Tcp,
    /// There is none, and bytes are passed on.
    PlainTcp,
}

/// A host of a server.
#[derive(Debug)]
pub(super) struct ServerHost<'a> {
    /// Of which namespaces VirtualServices may serve it; `None`: of all.
    pub(super) namespaces: Option<Vec<&'a str>>,
    pub(super) host: HostPattern,
    pub(super) origin: Option<&'a Origin>,
}

/// The servers of every Gateway that selects us. Without any Gateway object, of
/// Gateway API neither, there is one of our name, which serves every host at `ports`.
pub(super) fn servers<'a>(
    objects: &Objects<'a>,
    scope: &Scope<'a>,
    ports: &[u16],
) -> Vec<Server<'a>> {
    let mut servers = Vec::new();
    for object in objects.of_kind(Kind::Gateway) {
        let read = object.spec(scope.report, |fields| gateway(object, fields, scope));
        servers.extend(read.unwrap_or_default());
    }
    if objects.have_gateway() {
        return servers;
    }
    let server = |port: &u16| Server {
        namespace: None,
        gateway: Cow::Borrowed(&scope.gateway.name),
        port: *port,
        bind: None,
        mode: ServerMode::Mutual,
        hosts: vec![ServerHost {
            namespaces: None,
            host: HostPattern::Any,
            origin: None,
        }],
        origin: None,
    };
    ports.iter().map(server).collect()
}

fn gateway<'a>(object: &Object<'a>, fields: &Fields<'a>, scope: &Scope<'a>) -> Vec<Server<'a>> {
    let report = scope.report;
    fields.refuse_null(&["selector"]);
    let selector = labels(fields, "selector");
    let selects = scope.selects(selector.iter().copied());
    fields.need("servers", "[{ port: { number: 443, name: https, protocol: HTTPS }, hosts: [\"*\"], tls: { mode: ISTIO_MUTUAL } }]");
    let servers = fields.many("servers").iter().filter_map(|node| {
        Fields::read_proto(node, report, |fields| server(object, fields, selects)).flatten()
    });
    let servers = servers.collect();
    if selects {
        return servers;
    }
    let missing = selector.iter().find(|(key, value)| {
        scope
            .gateway
            .labels
            .get(*key)
            .is_none_or(|ours| **ours != **value)
    });
    let (key, value) = missing.copied().unwrap_or_default();
    match label_meant(key, value, scope) {
        Some((meant, ours)) => {
            let message = format!(
                "this Gateway selects `{key}: {value}`, which is no label of ours: did you mean `{meant}: {ours}`?"
            );
            report.warning(object.origin, message);
        }
        None => {
            let message = format!(
                "this Gateway is another one's: it selects `{key}: {value}`, which is no label of ours"
            );
            report.note(object.origin, message);
        }
    }
    Vec::new()
}

/// What a port of a server speaks.
#[derive(Clone, Copy, PartialEq)]
enum Speaks {
    Http,
    /// HTTP within TLS, if TLS is ended.
    Https,
    /// Bytes within TLS.
    Tls,
    Bytes,
}

fn server<'a>(object: &Object<'a>, fields: &Fields<'a>, selects: bool) -> Option<Server<'a>> {
    let report = fields.report;
    fields.need("port", "{ number: 443, name: https, protocol: HTTPS }");
    let port = fields.take("port").and_then(|node| {
        Fields::read_proto(node, report, |fields| {
            let protocols = [
                ("HTTP", 0, Speaks::Http),
                ("HTTPS", 1, Speaks::Https),
                ("GRPC", 2, Speaks::Http),
                ("HTTP2", 3, Speaks::Http),
                ("MONGO", 4, Speaks::Bytes),
                ("TCP", 5, Speaks::Bytes),
                ("TLS", 6, Speaks::Tls),
                ("GRPC-WEB", 7, Speaks::Http),
            ];
            fields.need("number", "443");
            fields.need("protocol", "HTTPS");
            let number = fields.number("number", 1..=u16::MAX);
            let speaks = protocol(fields, &protocols);
            pass_over(fields, &["name", "targetPort"]);
            Some((number?, speaks?))
        })
        .flatten()
    });
    pass_over(fields, &["name", "defaultEndpoint"]);
    fields.refuse_null(&["bind"]);
    let bind = fields.parsed("bind", bind);
    fields.need("hosts", "[edition.cnn.com]");
    let hosts = fields.many("hosts").iter();
    let hosts = hosts
        .filter_map(|node| host(node, object, report))
        .collect();
    let tls = fields
        .take("tls")
        .map(|node| Fields::read_proto(node, report, |fields| tls(fields, selects)));
    let (number, speaks) = port?;
    let mode = match (speaks, tls) {
        (Speaks::Http | Speaks::Https, Some(tls)) => tls.flatten()?,
        (Speaks::Tls | Speaks::Bytes, Some(tls)) => match tls.flatten()? {
            ServerMode::Mutual => ServerMode::Tcp,
            mode => mode,
        },
        (Speaks::Http, None) => ServerMode::Plaintext,
        (Speaks::Bytes, None) => ServerMode::PlainTcp,
        (Speaks::Https | Speaks::Tls, None) => {
            report.error(
                fields.origin(),
                "a server of TLS has no `tls`: write `tls: { mode: ISTIO_MUTUAL }`",
            );
            return None;
        }
    };
    Some(Server {
        namespace: Some(object.namespace),
        gateway: Cow::Borrowed(object.name),
        port: number,
        bind: bind.filter(|address| !address.is_unspecified()),
        mode,
        hosts,
        origin: Some(fields.origin()),
    })
}

fn bind(text: &str) -> Result<IpAddr, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no address of a socket here: write such as `127.0.0.1`"))
}

/// `edition.cnn.com`, `NAMESPACE/edition.cnn.com`, `*/…`, `./…`.
fn host<'a>(node: &'a Node, object: &Object<'a>, report: &Report) -> Option<ServerHost<'a>> {
    let written = text(node, report)?;
    let (namespace, name) = match written.split_once('/') {
        None => (None, written),
        Some(("*", name)) => (None, name),
        Some((".", name)) => (Some(object.namespace), name),
        Some((namespace, name)) => (Some(namespace), name),
    };
    let host = HostPattern::parse(name);
    let host = host
        .map_err(|error| report.error(&node.origin, error.message()))
        .ok()?;
    Some(ServerHost {
        namespaces: namespace.map(|namespace| vec![namespace]),
        host,
        origin: Some(&node.origin),
    })
}

fn tls(fields: &Fields<'_>, selects: bool) -> Option<ServerMode> {
    /// The modes of Istio.
    #[derive(Clone, Copy)]
    enum Mode {
        Known(ServerMode),
        Simple,
        Auto,
        Optional,
    }
    let modes = [
        ("PASSTHROUGH", 0, Mode::Known(ServerMode::Passthrough)),
        ("SIMPLE", 1, Mode::Simple),
        ("MUTUAL", 2, Mode::Known(ServerMode::Mutual)),
        ("AUTO_PASSTHROUGH", 3, Mode::Auto),
        ("ISTIO_MUTUAL", 4, Mode::Known(ServerMode::Mutual)),
        ("OPTIONAL_MUTUAL", 5, Mode::Optional),
    ];
    let mode = choice(fields, "mode", &modes).unwrap_or(Mode::Known(ServerMode::Passthrough));
    // What the gateway shows and whom it trusts is its own identity (`identity`),
    // which is what Istio mounted at these paths.
    pass_over(
        fields,
        &[
            "serverCertificate",
            "privateKey",
            "caCertificates",
            "credentialName",
            "credentialNames",
            "caCertCredentialName",
            "tlsCertificates",
            "httpsRedirect",
        ],
    );
    tls_terms(fields, selects);
    if selects {
        refuse(
            fields,
            &[
                (
                    "subjectAltNames",
                    "write a policy on principals, which names the line that decided",
                ),
                ("verifyCertificateSpki", "write a policy on principals"),
                ("verifyCertificateHash", "write a policy on principals"),
                ("insecureSkipVerify", "callers are always verified"),
                ("caCrl", "write `identity: { files: { crl: … } }`"),
            ],
        );
    } else {
        pass_over(
            fields,
            &[
                "subjectAltNames",
                "verifyCertificateSpki",
                "verifyCertificateHash",
                "insecureSkipVerify",
                "caCrl",
            ],
        );
    }
    let refused = match mode {
        Mode::Known(mode) => return Some(mode),
        Mode::Simple => {
            "SIMPLE asks callers for no certificate, so nobody would be known: write ISTIO_MUTUAL"
        }
        Mode::Auto => "AUTO_PASSTHROUGH leads wherever a caller says: write PASSTHROUGH and routes",
        Mode::Optional => "OPTIONAL_MUTUAL lets callers stay unknown: write ISTIO_MUTUAL",
    };
    if selects {
        let place = fields
            .entry("mode")
            .map_or(fields.origin(), |entry| &entry.node.origin);
        fields.report.error(place, refused);
    }
    None
}

/// Versions and ciphers, of which there is one choice here: TLS 1.2 with forward
/// secrecy and AEAD, and 1.3.
fn tls_terms(fields: &Fields<'_>, selects: bool) {
    let versions = [
        ("TLS_AUTO", 0, false),
        ("TLSV1_0", 1, false),
        ("TLSV1_1", 2, false),
        ("TLSV1_2", 3, false),
        ("TLSV1_3", 4, true),
    ];
    let is_narrower = choice(fields, "minProtocolVersion", &versions) == Some(true);
    choice(fields, "maxProtocolVersion", &versions);
    let report = fields.report;
    if let (true, true, Some(entry)) = (selects, is_narrower, fields.entry("minProtocolVersion")) {
        let message = "not supported yet: callers may speak TLS 1.2, with forward secrecy and AEAD: write `TLSV1_2`";
        report.error(&entry.node.origin, message);
    }
    if let (true, Some(entry)) = (selects, fields.entry("cipherSuites")) {
        let message = "`cipherSuites` has no effect here: ciphers are those of TLS 1.3, and of 1.2 with forward secrecy and AEAD";
        report.warning(&entry.origin, message);
    }
}
