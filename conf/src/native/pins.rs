//! `dns.hosts`: addresses in the place of names, `HOST` or `HOST:PORT` to
//! `ADDRESS` or `ADDRESS:PORT`.

use std::net::{IpAddr, SocketAddr};

use policy::canonical::Authority;

use super::tls::is_address;
use crate::fields::{Fields, parsed};
use crate::node::{Entry, Value};
use crate::snapshot::{Pin, Pins};

/// Reads all pins.
pub(super) fn pins(fields: &Fields<'_>) -> Pins {
    let mut pins = Pins::default();
    let Some(node) = fields.take("hosts") else {
        return pins;
    };
    let Value::Map(entries) = &node.value else {
        let message = format!(
            "found {} where a map `HOST: ADDRESSES` belongs",
            node.kind()
        );
        fields.report.error(&node.origin, message);
        return pins;
    };
    for entry in entries {
        let error = |message| fields.report.error(&entry.origin, message);
        match host(entry) {
            Ok((host, port)) => {
                // Two spellings of one name.
                if !pins.add(&host, port, addresses(entry, fields)) {
                    error(format!(
                        "`{}` is given twice: delete one of them",
                        entry.key
                    ));
                }
            }
            Err(message) => error(message),
        }
    }
    pins
}

/// `edition.cnn.com` or `edition.cnn.com:443`, in the form hosts are looked up.
fn host(entry: &Entry) -> Result<(Box<str>, Option<u16>), String> {
    let text = &*entry.key;
    let wrong = || {
        format!(
            "`{text}` is no name of a host: write such as `edition.cnn.com` or `edition.cnn.com:443`"
        )
    };
    let authority = Authority::parse(text.as_bytes()).map_err(|_| wrong())?;
    let host = authority.host();
    // Addresses are dialled as they are.
    if is_address(host) {
        return Err(wrong());
    }
    Ok((host.into(), authority.port()))
}

fn addresses(entry: &Entry, fields: &Fields<'_>) -> Vec<Pin> {
    let nodes = entry.node.one_or_many();
    if nodes.is_empty() {
        let message = format!("`{}` has no address: write such as `192.0.2.7`", entry.key);
        fields.report.error(&entry.origin, message);
    }
    let read = nodes
        .iter()
        .filter_map(|node| parsed(node, fields.report, address));
    read.collect()
}

fn address(text: &str) -> Result<Pin, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok((address, None));
    }
    match text.parse::<SocketAddr>() {
        Ok(socket) if socket.port() != 0 => Ok((socket.ip(), Some(socket.port()))),
        _ => Err(format!(
            "`{text}` is no address: write such as `192.0.2.7`, `192.0.2.7:8443` or `[2001:db8::7]:8443`"
        )),
    }
}
