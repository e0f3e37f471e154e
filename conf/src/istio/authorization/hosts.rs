//! `hosts`: names with and without ports, compared with the canonical host.
//!
//! Istio compares the `Host` header as it was sent, so operators write both
//! `example.com` and `example.com:*`. Here either fits either. A port that is
//! written narrows a permission; a refusal holds whatever port is written, since
//! callers choose what they write.

use policy::Toward;
use policy::pattern::HostPattern;

use super::clause::Way;
use super::expression::quoted;
use super::written::{Context, Written};

/// Every way in which a request is for one of these hosts.
pub(super) fn hosts(values: &[Written<'_>], context: &Context<'_>) -> Vec<Way> {
    let mut named = Vec::new();
    let mut ways = Vec::new();
    for written in values {
        match read(written.text) {
            Ok((Host::Pattern(pattern), Port::Any)) => named.push(pattern),
            Ok((host, port)) => ways.extend(others(host, port, context.toward)),
            Err(message) => context.report().error(&written.node.origin, message),
        }
    }
    if named.contains(&HostPattern::Any) {
        return vec![Way::default()];
    }
    if !named.is_empty() {
        ways.push(of_hosts(named));
    }
    ways
}

/// That the host is one of these.
pub(super) fn of_hosts(hosts: Vec<HostPattern>) -> Way {
    Way {
        hosts,
        ..Way::default()
    }
}

/// What two patterns have in common: one of them is part of the other, or they
/// share no host.
pub(super) fn common(one: &HostPattern, two: &HostPattern) -> Option<HostPattern> {
    if !one.overlaps(two) {
        return None;
    }
    let narrow = |pattern: &HostPattern| match pattern {
        HostPattern::Exact(host) => (3, host.len()),
        HostPattern::Subdomains(parent) => (2, parent.len() + 1),
        HostPattern::Suffix(end) => (2, end.len()),
        HostPattern::Any => (0, 0),
    };
    let (narrower, _) = match narrow(one) >= narrow(two) {
        true => (one, two),
        false => (two, one),
    };
    Some(narrower.clone())
}

enum Host {
    Pattern(HostPattern),
    /// Begins so, in lower case.
    Prefix(String),
}

#[derive(Clone, Copy)]
enum Port {
    Any,
    Number(u16),
}

fn others(host: Host, port: Port, toward: Toward) -> Vec<Way> {
    let way = match host {
        Host::Pattern(HostPattern::Any) => return vec![of_port(port)],
        Host::Pattern(pattern) => of_hosts(vec![pattern]),
        Host::Prefix(begin) => {
            Way::condition(format!("request.host.startsWith({})", quoted(&begin)))
        }
    };
    match (port, toward) {
        (Port::Number(port), Toward::Permit) => vec![Way {
            host_ports: vec![port],
            ..way
        }],
        _ => vec![way],
    }
}

/// `*:443`. A refusal takes the port that is written and the listener's.
fn of_port(port: Port) -> Way {
    match port {
        Port::Any => Way::default(),
        Port::Number(port) => Way {
            host_ports: vec![port],
            ..Way::default()
        },
    }
}

fn read(text: &str) -> Result<(Host, Port), String> {
    if let Some((_, rest)) = text.split_once("://") {
        let name = rest.split(['/', '?', '#']).next().unwrap_or_default();
        return Err(format!(
            "`{text}` is a URL, and a host has neither scheme nor path: write `{name}`"
        ));
    }
    let (host, port) = split(text)?;
    let prefix = host.strip_suffix('*').filter(|begin| !begin.is_empty());
    let host = match (prefix, port) {
        (Some(begin), Port::Any) => Host::Prefix(beginning(begin)?),
        _ => Host::Pattern(HostPattern::parse(host).map_err(|error| error.to_string())?),
    };
    Ok((host, port))
}

fn split(text: &str) -> Result<(&str, Port), String> {
    let Some((host, port)) = text.rsplit_once(':') else {
        return Ok((text, Port::Any));
    };
    // A part of an IPv6 address, which `HostPattern` judges.
    if host.contains(':') && !host.ends_with(']') {
        return Ok((text, Port::Any));
    }
    match port {
        "*" => Ok((host, Port::Any)),
        _ => match port.parse() {
            Ok(number) if number > 0 && !port.starts_with(['+', '0']) => {
                Ok((host, Port::Number(number)))
            }
            _ => Err(format!(
                "`{port}` is no port: write `{host}` for the host at any port, or such as `{host}:443`"
            )),
        },
    }
}

fn beginning(text: &str) -> Result<String, String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    match text.bytes().all(allowed) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(format!(
            "no host begins with `{text}`: write letters, digits, `-` and `.`, and `*` behind them"
        )),
    }
}
