//! Gateway: which hosts this gateway serves at which port.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use policy::door::View;
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
use crate::snapshot::{Listener, ListenerMode};

/// One server of a Gateway that selects us.
#[derive(Debug)]
pub(super) struct Server<'a> {
    /// The Gateway's; `None`: in every namespace (there is no Gateway object).
    pub(super) namespace: Option<&'a str>,
    pub(super) gateway: Cow<'a, str>,
    pub(super) port: u16,
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
    pass_over(fields, &["bind", "name", "defaultEndpoint"]);
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
        mode,
        hosts,
        origin: Some(fields.origin()),
    })
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
            "minProtocolVersion",
            "maxProtocolVersion",
            "cipherSuites",
            "httpsRedirect",
        ],
    );
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

/// Tells which servers carry bytes to a listener that would read them as HTTP.
pub(super) fn remark_listeners(servers: &[Server<'_>], written: &[Listener], report: &Report) {
    let ours = |port| move |l: &&Listener| l.view == View::Gateway && l.port == port;
    for server in servers {
        let Some(listener) = written.iter().find(ours(server.port)) else {
            continue;
        };
        let instead = match (server.mode, listener.mode) {
            (ServerMode::Tcp, ListenerMode::Tcp | ListenerMode::InnerTls)
            | (ServerMode::PlainTcp, ListenerMode::Tcp | ListenerMode::PlainTcp) => continue,
            (ServerMode::Tcp, _) => "`mode: tcp`",
            (ServerMode::PlainTcp, _) => "`mode: tcp` and, as here, `tls: off`",
            _ => continue,
        };
        if let Some(origin) = server.origin {
            let message = format!(
                "this server passes bytes on, and the listener `{}` at {} does not: write {instead} there",
                listener.name, listener.origin
            );
            report.warning(origin, message);
        }
    }
}

/// What the servers ask to listen on, where no native document says.
pub(super) fn listeners(servers: &[Server<'_>], report: &Report) -> Vec<Listener> {
    let mut listeners: Vec<Listener> = Vec::new();
    for server in servers {
        let Some(origin) = server.origin else {
            continue;
        };
        let mode = match server.mode {
            ServerMode::Mutual => ListenerMode::MutualTls,
            ServerMode::Plaintext => ListenerMode::Plaintext,
            ServerMode::Passthrough => ListenerMode::Passthrough,
            ServerMode::Tcp => ListenerMode::Tcp,
            ServerMode::PlainTcp => ListenerMode::PlainTcp,
        };
        let every = |hosts: &[ServerHost<'_>]| hosts.iter().any(|h| h.host == HostPattern::Any);
        let names = || server.hosts.iter().map(|host| host.host.clone());
        match listeners
            .iter_mut()
            .find(|listener| listener.port == server.port)
        {
            // Merged, one of the two would be served as the other.
            Some(known) if known.mode != mode => {
                let message = format!(
                    "not supported yet: another way to take connections at port {} than the server at {}: give one of them another port",
                    server.port, known.origin
                );
                report.error(origin, message);
            }
            // Servers of one port are one socket; no hosts are all hosts.
            Some(known) if known.hosts.is_empty() => {}
            Some(known) if every(&server.hosts) => known.hosts.clear(),
            Some(known) => known.hosts.extend(names()),
            None => listeners.push(Listener {
                name: format!("gateway-{}", server.port).into(),
                bind: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), server.port),
                port: server.port,
                view: View::Gateway,
                peers: Vec::new(),
                mode,
                hosts: match every(&server.hosts) || !mode.has_server_name() {
                    true => Vec::new(),
                    false => names().collect(),
                },
                origin: Arc::new(origin.clone()),
            }),
        }
    }
    listeners
}
