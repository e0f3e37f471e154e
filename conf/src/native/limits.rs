//! `limits`, `dns`, `admin` and `drain`: what the process may use and how it
//! ends. Defaults are those of the types.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::fields::{Fields, parsed};
use crate::node::{Entry, Value};
use crate::quantity;
use crate::report::Report;
use crate::snapshot::{Dns, Drain, Families, Limits, Pins, Vips};

use super::pins::pins;
use super::vips::vips;

const DNS_PORT: u16 = 53;
/// Istio's readiness port; the address is that of every interface, since the
/// kubelet and Prometheus call from outside the pod.
pub(super) const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 15021);
/// Less holds no request.
const LEAST_HEAD: u64 = 64;
/// Pingora holds no larger head …
const MOST_HEAD: &str = "1MiB";
/// … of no more fields.
const MOST_FIELDS: u32 = 256;
/// The canonicaliser reads no longer target.
const MOST_TARGET: &str = "8KiB";
/// A name has no more (RFC 1035).
const MOST_LABELS: u32 = 127;
const MAX_COUNT: u32 = 10_000_000;
/// No gateway does with less.
const LEAST_MEMORY: &str = "16MiB";

/// `limits`.
pub(super) fn limits(entry: Option<&Entry>, report: &Report) -> Limits {
    entry
        .and_then(|entry| Fields::read(&entry.node, report, read_limits))
        .unwrap_or_default()
}

fn read_limits(fields: &Fields<'_>) -> Limits {
    let count = |key, default: u32| fields.number(key, 1..=MAX_COUNT).unwrap_or(default);
    let bytes = |key, most, default: u32| bytes(fields, key, most).unwrap_or(default);
    let time = |key, default| fields.duration(key).unwrap_or(default);
    let default = Limits::default();
    let limits = Limits {
        connections: count("connections", default.connections),
        connections_per_principal: count(
            "connectionsPerPrincipal",
            default.connections_per_principal,
        ),
        connections_per_source: count("connectionsPerSource", default.connections_per_source),
        handshakes_per_source: count("handshakesPerSource", default.handshakes_per_source),
        handshake_burst: default.handshake_burst,
        handshake_timeout: time("handshakeTimeout", default.handshake_timeout),
        head_timeout: time("headTimeout", default.head_timeout),
        idle_timeout: time("idleTimeout", default.idle_timeout),
        tunnel_idle_timeout: default.tunnel_idle_timeout,
        tunnel_timeout: fields.duration("tunnelTimeout"),
        body_idle_timeout: time("bodyIdleTimeout", default.body_idle_timeout),
        head_bytes: bytes("headSize", MOST_HEAD, default.head_bytes),
        fields: fields
            .number("headFields", 1..=MOST_FIELDS)
            .unwrap_or(default.fields),
        target_bytes: bytes("targetSize", MOST_TARGET, default.target_bytes),
        streams: count("streams", default.streams),
        body_bytes: fields.size("bodySize").unwrap_or(default.body_bytes),
        body_rate: fields.size("bodyRate").unwrap_or(default.body_rate),
        control_frames: count("controlFrames", default.control_frames),
        early_resets: count("earlyResets", default.early_resets),
        wildcard_labels: fields
            .number("wildcardLabels", 1..=MOST_LABELS)
            .unwrap_or(default.wildcard_labels),
        wildcard_names: count("wildcardNames", default.wildcard_names),
        memory: fields.parsed("memory", memory),
    };
    let limits = Limits {
        // Whoever bounds how long connections stand idle means tunnels too.
        tunnel_idle_timeout: time("tunnelIdleTimeout", limits.idle_timeout),
        // A lower rate alone would leave all but floods as they were.
        handshake_burst: count(
            "handshakeBurst",
            Limits::usual_burst(limits.handshakes_per_source),
        ),
        ..limits
    };
    if limits.target_bytes > limits.head_bytes {
        let message = "`targetSize` is larger than `headSize`, of which the target is a part: write a smaller one";
        fields.report.error(fields.origin(), message);
    }
    limits
}

/// A size a head or a part of it may have, up to the one written `most`.
fn bytes(fields: &Fields<'_>, key: &'static str, most: &str) -> Option<u32> {
    fields.parsed(key, |text| {
        let (size, limit) = (quantity::size(text)?, quantity::size(most)?);
        let fits = u32::try_from(size).ok();
        fits.filter(|_| (LEAST_HEAD..=limit).contains(&size))
            .ok_or_else(|| format!("`{text}` is out of range: write a size from `64B` to `{most}`"))
    })
}

fn memory(text: &str) -> Result<u64, String> {
    let size = quantity::size(text)?;
    match size >= quantity::size(LEAST_MEMORY)? {
        true => Ok(size),
        false => Err(format!(
            "`{text}` is too little: write at least `{LEAST_MEMORY}`"
        )),
    }
}

/// `dns`: how names are resolved, which are not, and which addresses are names.
pub(super) fn dns(entry: Option<&Entry>, report: &Report) -> (Dns, Pins, Vips) {
    entry
        .and_then(|entry| {
            Fields::read(&entry.node, report, |fields| {
                (read_dns(fields), pins(fields), vips(fields))
            })
        })
        .unwrap_or_default()
}

fn read_dns(fields: &Fields<'_>) -> Dns {
    let default = Dns::default();
    let servers = fields.many("servers").iter();
    let families = [
        ("both", Families::Both),
        ("v4", Families::V4),
        ("v6", Families::V6),
    ];
    Dns {
        servers: servers
            .filter_map(|node| parsed(node, fields.report, |text| socket(text, DNS_PORT)))
            .collect(),
        timeout: fields.duration("timeout").unwrap_or(default.timeout),
        stale: fields
            .parsed("stale", quantity::duration)
            .unwrap_or(default.stale),
        families: fields
            .choice("families", &families)
            .unwrap_or(default.families),
    }
}

/// `192.0.2.1`, `192.0.2.1:53`, `2001:db8::1`, `[2001:db8::1]:53`.
pub(super) fn socket(text: &str, default_port: u16) -> Result<SocketAddr, String> {
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Ok(socket);
    }
    let address = text.parse::<IpAddr>().map_err(|_| {
        format!("`{text}` is no address: write such as `192.0.2.1`, `192.0.2.1:{default_port}` or `[2001:db8::1]:{default_port}`")
    })?;
    Ok(SocketAddr::new(address, default_port))
}

/// `admin: { bind: ADDRESS:PORT }` or `admin: off`.
pub(super) fn admin(entry: Option<&Entry>, report: &Report) -> Option<SocketAddr> {
    let Some(entry) = entry else {
        return Some(ADMIN);
    };
    if matches!(&entry.node.value, Value::Scalar(word) if &*word.text == "off") {
        return None;
    }
    let bind = Fields::read(&entry.node, report, |fields| {
        fields.need("bind", "0.0.0.0:15021");
        fields.parsed("bind", |text| socket(text, ADMIN.port()))
    });
    Some(bind.flatten().unwrap_or(ADMIN))
}

/// `drain: { serve, finish }`.
pub(super) fn drain(entry: Option<&Entry>, report: &Report) -> Drain {
    let default = Drain::default();
    let drain = entry.and_then(|entry| {
        Fields::read(&entry.node, report, |fields| Drain {
            serve: fields
                .parsed("serve", quantity::duration)
                .unwrap_or(default.serve),
            finish: fields
                .parsed("finish", quantity::duration)
                .unwrap_or(default.finish),
        })
    });
    drain.unwrap_or(default)
}
