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

/// What a `mode` word leads to.
#[derive(Clone, Copy)]
enum Mode {
    Known(ListenerMode),
    NotYet,
}

fn listener(fields: &Fields<'_>, context: &Context<'_>) -> Option<Listener> {
    let name = fields.text("name");
    let port = fields.number("port", 0..=u16::MAX);
    let bind = fields.parsed("bind", Bind::parse);
    let mode = mode(fields);
    let view = fields.choice("as", &[("gateway", View::Gateway), ("mesh", View::Mesh)]);
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
        let message = "`hosts` has no effect here, plain text has no server name: delete it";
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
        view: view.unwrap_or_default(),
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
    };
    format!("{word}-{port}").into()
}

fn mode(fields: &Fields<'_>) -> Option<ListenerMode> {
    let words = [
        ("mtls", Mode::Known(ListenerMode::MutualTls)),
        ("plaintext", Mode::Known(ListenerMode::Plaintext)),
        ("passthrough", Mode::Known(ListenerMode::Passthrough)),
        ("tcp", Mode::Known(ListenerMode::Tcp)),
        ("forward-proxy", Mode::NotYet),
    ];
    match fields.choice("mode", &words)? {
        Mode::Known(mode) => Some(around(fields, mode)),
        Mode::NotYet => {
            fields.not_yet("mode", "write `mtls`, `plaintext`, `passthrough` or `tcp`");
            None
        }
    }
}

/// `tls: mutual` or `off`: what is around that which passes through.
fn around(fields: &Fields<'_>, mode: ListenerMode) -> ListenerMode {
    let passes = matches!(mode, ListenerMode::Passthrough | ListenerMode::Tcp);
    if !passes {
        return mode;
    }
    match (
        mode,
        fields.choice("tls", &[("mutual", true), ("off", false)]),
    ) {
        (ListenerMode::Passthrough, Some(true)) => ListenerMode::InnerTls,
        (ListenerMode::Tcp, Some(false)) => ListenerMode::PlainTcp,
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
