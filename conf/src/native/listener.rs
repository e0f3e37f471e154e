//! `listeners`: sockets for the mesh.
//!
//! `port` is the port callers mean: that of the Service, of Istio's Gateway
//! server. `bind` says where the socket is, as far as it differs: an address,
//! a port, or both.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use policy::door::View;
use policy::pattern::HostPattern;

use super::asking::{Asking, Follows};
use super::context::Context;
use super::pattern;
use crate::fields::Fields;
use crate::node::Node;
use crate::report::Report;
use crate::snapshot::{Listener, ListenerMode};

const ANY_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// What callers mean who reach a socket on whatever port was free.
pub(super) const UNNAMED_PORT: u16 = 443;

/// Reads all listeners.
pub(super) fn listeners(nodes: &[&Node], context: &Context<'_>) -> Vec<Listener> {
    let report = context.report;
    let mut listeners: Vec<Listener> = Vec::new();
    for node in nodes {
        let listener = Fields::read(node, report, |fields| listener(fields, context)).flatten();
        let Some(listener) = listener else { continue };
        refuse_double(&listener, &listeners, report);
        listeners.push(listener);
    }
    listeners
}

fn refuse_double(listener: &Listener, others: &[Listener], report: &Report) {
    let (bind, name) = (listener.bind, &listener.name);
    for other in others {
        let there = &other.origin;
        if bind.port() != 0 && bind == other.bind {
            let message = format!("`{bind}` is bound twice: it is also bound at {there}");
            report.error(&listener.origin, message);
        } else if *name == other.name {
            let message = format!(
                "two listeners are named `{name}`: write another `name`, or mend the one at {there}"
            );
            report.error(&listener.origin, message);
        }
    }
}

fn listener(fields: &Fields<'_>, context: &Context<'_>) -> Option<Listener> {
    let name = fields.text("name");
    let port = fields.number("port", 0..=u16::MAX);
    let bind = fields.parsed("bind", Bind::parse);
    let mode = mode(fields);
    let view = view(fields, mode);
    let hosts = hosts(fields, context);
    let bind = match fields.has("bind") {
        true => bind?,
        false => Bind::default(),
    };
    if bind.port.is_none() {
        fields.need("port", "8443");
    }
    let place = bind.port.or(port)?;
    let mode = mode.unwrap_or(ListenerMode::MutualTls);
    if let (false, Some(entry)) = (mode.has_server_name(), fields.entry("hosts")) {
        let message = "`hosts` has no effect here, where no server name is shown: delete it";
        fields.report.error(&entry.origin, message);
    }
    let port = match port.unwrap_or(place) {
        0 => UNNAMED_PORT,
        port => port,
    };
    Some(Listener {
        name: name.map_or_else(|| default_name(mode, port), Arc::from),
        bind: SocketAddr::new(bind.address.unwrap_or(ANY_ADDRESS), place),
        port,
        view,
        mode,
        hosts,
        origin: Arc::new(fields.origin().clone()),
    })
}

pub(super) fn default_name(mode: ListenerMode, port: u16) -> Arc<str> {
    let word = match mode {
        ListenerMode::MutualTls => "mtls",
        ListenerMode::Plaintext => "plaintext",
        ListenerMode::Passthrough | ListenerMode::InnerTls => "passthrough",
        ListenerMode::Tcp | ListenerMode::PlainTcp => "tcp",
        ListenerMode::Proxy | ListenerMode::PlainProxy => "forward-proxy",
        ListenerMode::Hbone => "hbone",
    };
    format!("{word}-{port}").into()
}

fn mode(fields: &Fields<'_>) -> Option<ListenerMode> {
    let words = [
        ("mtls", ListenerMode::MutualTls),
        ("plaintext", ListenerMode::Plaintext),
        ("passthrough", ListenerMode::Passthrough),
        ("tcp", ListenerMode::Tcp),
        ("forward-proxy", ListenerMode::Proxy),
        ("hbone", ListenerMode::Hbone),
    ];
    Some(around(fields, fields.choice("mode", &words)?))
}

/// `as`. Who names ports of the world himself meets the sidecars' part, and no
/// other.
fn view(fields: &Fields<'_>, mode: Option<ListenerMode>) -> View {
    let view = fields.choice("as", &[("gateway", View::Gateway), ("mesh", View::Mesh)]);
    if !mode.is_some_and(ListenerMode::names_ports) {
        return view.unwrap_or_default();
    }
    if let (Some(View::Gateway), Some(entry)) = (view, fields.entry("as")) {
        let message = "this mode takes the sidecars' part, whatever is written: delete `as`";
        fields.report.error(&entry.origin, message);
    }
    View::Mesh
}

/// `tls: mutual` or `off`: what is around that which passes through, or is asked
/// of a forward proxy.
fn around(fields: &Fields<'_>, mode: ListenerMode) -> ListenerMode {
    let fixed = [
        ListenerMode::MutualTls,
        ListenerMode::Plaintext,
        ListenerMode::Hbone,
    ];
    if fixed.contains(&mode) {
        return mode;
    }
    match (
        mode,
        fields.choice("tls", &[("mutual", true), ("off", false)]),
    ) {
        (ListenerMode::Passthrough, Some(true)) => ListenerMode::InnerTls,
        (ListenerMode::Tcp, Some(false)) => ListenerMode::PlainTcp,
        (ListenerMode::Proxy, Some(false)) => ListenerMode::PlainProxy,
        (mode, _) => mode,
    }
}

fn hosts(fields: &Fields<'_>, context: &Context<'_>) -> Vec<HostPattern> {
    Asking::new(context, Follows::Way).alternatives(fields.many("hosts"), |node| {
        pattern::host(node, fields.report)
    })
}

/// `8443`, `127.0.0.1`, `127.0.0.1:8443`, `[::]:8443`.
#[derive(Clone, Copy, Debug, Default)]
struct Bind {
    address: Option<IpAddr>,
    port: Option<u16>,
}

impl Bind {
    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(port) = text.parse() {
            return Ok(Self {
                address: None,
                port: Some(port),
            });
        }
        if let Ok(socket) = text.parse::<SocketAddr>() {
            return Ok(Self {
                address: Some(socket.ip()),
                port: Some(socket.port()),
            });
        }
        if let Ok(address) = text.parse() {
            return Ok(Self {
                address: Some(address),
                port: None,
            });
        }
        Err(format!(
            "`{text}` is no place to bind: write such as `0.0.0.0:8443`, `[::]:8443`, `127.0.0.1` or `8443`"
        ))
    }
}
