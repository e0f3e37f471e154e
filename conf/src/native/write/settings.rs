//! Who the gateway is, where it listens and within which bounds.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use policy::door::View;

use super::super::identity;
use super::super::limits::ADMIN;
use super::super::listener::{UNNAMED_PORT, default_name};
use crate::snapshot::{
    Dns, Drain, Families, GatewayName, IdentityFiles, Limits, Listener, ListenerMode, Pin,
    Settings, TrustDomain,
};
use crate::yaml::emit::{Map, Out};

/// The sections before `defaults`.
pub(super) fn sections(settings: &Settings) -> Map {
    let mut root = Map::default();
    root.put_map("gateway", gateway(&settings.gateway));
    if let Some(files) = &settings.identity
        && *files != identity::mounted_identity()
    {
        root.put("identity", identity_files(files));
    }
    if !matches!(settings.trust.as_slice(), [only] if *only == identity::only_domain()) {
        root.put_all("trust", settings.trust.iter().map(trust_domain));
    }
    root.put_all("listeners", settings.listeners.iter().map(listener));
    root.put_map("limits", limits(&settings.limits));
    root.put_map("dns", dns(settings));
    match settings.admin {
        Some(ADMIN) => {}
        Some(bind) => root.put("admin", Out::one("bind", Out::word(bind))),
        None => root.put("admin", Out::word("off")),
    }
    root.put_map("drain", drain(&settings.drain));
    root
}

/// A time, never shorter than it is: the native format knows milliseconds.
pub(super) fn duration(duration: Duration) -> Out {
    let up = u128::from(!duration.subsec_nanos().is_multiple_of(1_000_000));
    let milliseconds = duration.as_millis().saturating_add(up);
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let unit = units.iter().find(|(unit, _)| milliseconds % unit == 0);
    Out::Word(match unit {
        _ if milliseconds == 0 => "0s".to_owned(),
        Some((unit, name)) => format!("{}{name}", milliseconds / unit),
        None => format!("{milliseconds}ms"),
    })
}

/// A number of bytes.
pub(super) fn size(bytes: u64) -> Out {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units
        .iter()
        .find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
    Out::Word(match unit {
        Some((unit, name)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    })
}

/// A file by its path. One that is relative begins where the process did.
pub(super) fn path(path: &Path) -> Out {
    Out::text(path.to_string_lossy())
}

fn gateway(gateway: &GatewayName) -> Map {
    let mut map = Map::default();
    if *gateway.name != *identity::NAME {
        map.put("name", Out::text(&*gateway.name));
    }
    if *gateway.namespace != *identity::NAMESPACE {
        map.put("namespace", Out::text(&*gateway.namespace));
    }
    if *gateway.root_namespace != *identity::NAMESPACE {
        map.put("rootNamespace", Out::text(&*gateway.root_namespace));
    }
    if gateway.labels != identity::own_labels() {
        let mut labels = Map::default();
        for (key, value) in &gateway.labels {
            labels.put(key, Out::text(&**value));
        }
        map.put("labels", Out::Map(labels));
    }
    map
}

fn identity_files(files: &IdentityFiles) -> Out {
    let mut map = Map::default();
    map.put("chain", path(&files.chain));
    map.put("key", path(&files.key));
    map.put("roots", path(&files.roots));
    map.put_some("crl", files.crl.as_deref().map(path));
    let mut identity = Map::default();
    identity.put("files", Out::Map(map));
    Out::Map(identity)
}

fn trust_domain(trust: &TrustDomain) -> Out {
    let mut map = Map::default();
    map.put("domain", Out::text(&*trust.domain));
    map.put_list(
        "aliases",
        trust.aliases.iter().map(|a| Out::text(&**a)).collect(),
    );
    map.put_some("roots", trust.roots.as_deref().map(path));
    Out::Map(map)
}

fn listener(listener: &Listener) -> Out {
    let mut map = Map::default();
    if listener.name != default_name(listener.mode, listener.port) {
        map.put("name", Out::text(&*listener.name));
    }
    let any = listener.bind.ip().is_unspecified() && listener.bind.is_ipv4();
    let free = listener.bind.port() == 0 && listener.port == UNNAMED_PORT;
    map.put("port", Out::word(if free { 0 } else { listener.port }));
    let same = free || listener.bind.port() == listener.port;
    match (any, same) {
        (true, true) => {}
        (true, false) => map.put("bind", Out::word(listener.bind.port())),
        (false, true) => map.put("bind", Out::word(listener.bind.ip())),
        (false, false) => map.put("bind", Out::word(listener.bind)),
    }
    if listener.view == View::Mesh && !listener.mode.names_ports() {
        map.put("as", Out::word("mesh"));
    }
    match listener.mode {
        ListenerMode::MutualTls => {}
        ListenerMode::Plaintext => map.put("mode", Out::word("plaintext")),
        ListenerMode::Passthrough | ListenerMode::InnerTls => {
            map.put("mode", Out::word("passthrough"));
        }
        ListenerMode::Tcp | ListenerMode::PlainTcp => map.put("mode", Out::word("tcp")),
        ListenerMode::Proxy | ListenerMode::PlainProxy => {
            map.put("mode", Out::word("forward-proxy"));
        }
        ListenerMode::Hbone => map.put("mode", Out::word("hbone")),
    }
    match listener.mode {
        ListenerMode::InnerTls => map.put("tls", Out::word("mutual")),
        ListenerMode::PlainTcp | ListenerMode::PlainProxy => map.put("tls", Out::word("off")),
        _ => {}
    }
    if listener.mode.has_server_name() {
        map.put_list("hosts", listener.hosts.iter().map(Out::word).collect());
    }
    Out::Map(map)
}

fn limits(limits: &Limits) -> Map {
    let default = Limits::default();
    let mut map = Map::default();
    let counts = [
        ("connections", limits.connections, default.connections),
        (
            "connectionsPerPrincipal",
            limits.connections_per_principal,
            default.connections_per_principal,
        ),
        (
            "connectionsPerSource",
            limits.connections_per_source,
            default.connections_per_source,
        ),
        (
            "handshakesPerSource",
            limits.handshakes_per_source,
            default.handshakes_per_source,
        ),
        (
            "handshakeBurst",
            limits.handshake_burst,
            Limits::usual_burst(limits.handshakes_per_source),
        ),
        ("headFields", limits.fields, default.fields),
        ("streams", limits.streams, default.streams),
        (
            "controlFrames",
            limits.control_frames,
            default.control_frames,
        ),
        ("earlyResets", limits.early_resets, default.early_resets),
        (
            "wildcardLabels",
            limits.wildcard_labels,
            default.wildcard_labels,
        ),
        (
            "wildcardNames",
            limits.wildcard_names,
            default.wildcard_names,
        ),
    ];
    let times = [
        (
            "handshakeTimeout",
            limits.handshake_timeout,
            default.handshake_timeout,
        ),
        ("headTimeout", limits.head_timeout, default.head_timeout),
        ("idleTimeout", limits.idle_timeout, default.idle_timeout),
        (
            "tunnelIdleTimeout",
            limits.tunnel_idle_timeout,
            limits.idle_timeout,
        ),
        (
            "bodyIdleTimeout",
            limits.body_idle_timeout,
            default.body_idle_timeout,
        ),
    ];
    let sizes = [
        (
            "headSize",
            limits.head_bytes.into(),
            default.head_bytes.into(),
        ),
        (
            "targetSize",
            limits.target_bytes.into(),
            default.target_bytes.into(),
        ),
        ("bodySize", limits.body_bytes, default.body_bytes),
        ("bodyRate", limits.body_rate, default.body_rate),
    ];
    for (key, count, default) in counts {
        map.put_some(key, (count != default).then(|| Out::word(count)));
    }
    for (key, time, default) in times {
        map.put_some(key, (time != default).then(|| duration(time)));
    }
    map.put_some("tunnelTimeout", limits.tunnel_timeout.map(duration));
    for (key, bytes, default) in sizes {
        map.put_some(key, (bytes != default).then(|| size(bytes)));
    }
    map.put_some("memory", limits.memory.map(size));
    map
}

fn dns(settings: &Settings) -> Map {
    let dns = &settings.dns;
    let default = Dns::default();
    let mut map = Map::default();
    map.put_list("servers", dns.servers.iter().map(Out::word).collect());
    if dns.timeout != default.timeout {
        map.put("timeout", duration(dns.timeout));
    }
    if dns.stale != default.stale {
        map.put("stale", duration(dns.stale));
    }
    match dns.families {
        Families::Both => {}
        Families::V4 => map.put("families", Out::word("v4")),
        Families::V6 => map.put("families", Out::word("v6")),
    }
    let mut hosts = Map::default();
    for (host, pins) in settings.pins.all() {
        hosts.put_list(&host, pins.iter().map(pin).collect());
    }
    map.put_map("hosts", hosts);
    let mut vips = Map::default();
    for (address, host) in settings.vips.all() {
        vips.put(&address.to_string(), Out::text(host));
    }
    map.put_map("vips", vips);
    map
}

fn pin((address, port): &Pin) -> Out {
    match port {
        Some(port) => Out::word(SocketAddr::new(*address, *port)),
        None => Out::word(address),
    }
}

fn drain(drain: &Drain) -> Map {
    let default = Drain::default();
    let mut map = Map::default();
    if drain.serve != default.serve {
        map.put("serve", duration(drain.serve));
    }
    if drain.finish != default.finish {
        map.put("finish", duration(drain.finish));
    }
    map
}
