//! `dns.hosts`: names whose addresses the operator gives, to whatever upstream
//! they belong. What is dialled is vetted all the same.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

/// Addresses by canonical host, and by host and port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    hosts: HashMap<Box<str>, Vec<Pin>>,
    ports: HashMap<Box<str>, HashMap<u16, Vec<Pin>>>,
}

/// An address, and the port there when it is another one than was meant.
pub(crate) type Pin = (IpAddr, Option<u16>);

impl Pins {
    /// Adds the addresses of a host: at one port, or at all that have none of
    /// their own. Tells whether they are the first.
    pub(crate) fn add(&mut self, host: &str, port: Option<u16>, pins: Vec<Pin>) -> bool {
        let before = match port {
            None => self.hosts.insert(host.into(), pins),
            Some(port) => self
                .ports
                .entry(host.into())
                .or_default()
                .insert(port, pins),
        };
        before.is_none()
    }

    /// All of them, as `HOST` or `HOST:PORT`, in order.
    pub(crate) fn all(&self) -> Vec<(String, &[Pin])> {
        let hosts = self
            .hosts
            .iter()
            .map(|(host, pins)| (host.to_string(), &**pins));
        let ports = self.ports.iter().flat_map(|(host, ports)| {
            let own = ports.iter();
            own.map(move |(port, pins)| (format!("{host}:{port}"), &**pins))
        });
        let mut all: Vec<_> = hosts.chain(ports).collect();
        all.sort_unstable();
        all
    }

    /// What to dial for `host` at `port`; `None`: ask for its addresses.
    #[must_use]
    pub fn find(&self, host: &str, port: u16) -> Option<Vec<SocketAddr>> {
        let own = self.ports.get(host).and_then(|ports| ports.get(&port));
        let pins = own.or_else(|| self.hosts.get(host))?.iter();
        let dialled = pins.map(|(address, other)| SocketAddr::new(*address, other.unwrap_or(port)));
        Some(dialled.collect())
    }
}
