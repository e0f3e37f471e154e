//! The sockets that servers ask for, beside those that native documents write.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use policy::door::View;
use policy::pattern::HostPattern;

use super::gateway::{Server, ServerHost, ServerMode};
use crate::report::Report;
use crate::snapshot::{Listener, ListenerMode};

const ANY_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Tells which servers carry bytes to a listener that would read them as HTTP,
/// and which one would be reached where it does not mean to be.
pub(super) fn remark(servers: &[Server<'_>], written: &[Listener], report: &Report) {
    let ours = |port| move |l: &&Listener| l.view == View::Gateway && l.port == port;
    for server in servers {
        for listener in written.iter().filter(ours(server.port)) {
            refuse_other_address(server, listener, report);
        }
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

/// A native listener says where its socket is, and may not say more than `bind`.
fn refuse_other_address(server: &Server<'_>, listener: &Listener, report: &Report) {
    let (Some(bind), Some(origin)) = (server.bind, server.origin) else {
        return;
    };
    if listener.bind.ip() != bind {
        let at = SocketAddr::new(bind, listener.bind.port());
        let message = format!(
            "this server binds `{bind}`, and the listener `{}` at {} does not: write `bind: '{at}'` there, or delete `bind` here",
            listener.name, listener.origin
        );
        report.error(origin, message);
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
        let bind = server.bind.unwrap_or(ANY_ADDRESS);
        match listeners
            .iter_mut()
            .find(|listener| listener.port == server.port)
        {
            // What is served at a port is served at all its sockets.
            Some(known) if known.bind.ip() != bind => {
                let message = format!(
                    "not supported yet: port {} on another address than the server at {}: give one of them another port",
                    server.port, known.origin
                );
                report.error(origin, message);
            }
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
                bind: SocketAddr::new(bind, server.port),
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
