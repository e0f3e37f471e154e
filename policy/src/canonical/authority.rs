//! The host of a request and its port: rules H1 to H4.
//!
//! The canonical name is what policy matches, what DNS is asked and what the
//! upstream sees; a name that could be read as an address is either a plain
//! address or refused. Whether a host is known is decided elsewhere.

use super::malformed::Malformed;
use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str;

const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A canonical host, and the port when one was named.
///
/// The host is a lower-case name without trailing dot, a dotted IPv4 address, or
/// an IPv6 address in brackets (RFC 5952, hexadecimal groups only).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authority<'a> {
    host: Cow<'a, str>,
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Canonicalises the only value among the request's host fields (rule H1).
    ///
    /// # Errors
    /// No field, more than one field (even when all are equal), or the first
    /// rule that the value breaks.
    pub fn from_fields(
        fields: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Authority<'a>, Malformed> {
        let mut fields = fields.into_iter();
        let host = fields.next().ok_or(Malformed::HostMissing)?;
        if fields.next().is_some() {
            return Err(Malformed::HostRepeated);
        }
        Authority::parse(host)
    }

    /// Canonicalises `host[:port]`. Allocates only when the host is not
    /// canonical already or is an IPv6 address.
    ///
    /// # Errors
    /// The first rule of H2 to H4 that the value breaks.
    pub fn parse(raw: &'a [u8]) -> Result<Authority<'a>, Malformed> {
        let text = str::from_utf8(raw).map_err(|_| Malformed::HostByte)?;
        let classes = lawful_classes(text)?;
        match text.strip_prefix('[') {
            Some(literal) => Authority::from_literal(text, literal),
            None => Authority::from_name(text, classes),
        }
    }

    fn from_name(text: &'a str, classes: u8) -> Result<Authority<'a>, Malformed> {
        let (name, port) = match text.split_once(':') {
            Some((_, port)) if port.contains(':') => return Err(Malformed::HostColon),
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        let host = match classes & UPPER {
            0 => Cow::Borrowed(name),
            _ => Cow::Owned(name.to_ascii_lowercase()),
        };
        refuse_name(&host)?;
        let port = port.map(parse_port).transpose()?;
        Ok(Authority { host, port })
    }

    fn from_literal(text: &'a str, literal: &str) -> Result<Authority<'a>, Malformed> {
        let (address, rest) = literal.split_once(']').ok_or(Malformed::HostIpv6)?;
        let port = rest.strip_prefix(':');
        if port.is_none() && !rest.is_empty() {
            return Err(Malformed::HostIpv6);
        }
        let address: Ipv6Addr = address.parse().map_err(|_| Malformed::HostIpv6)?;
        let port = port.map(parse_port).transpose()?;
        let canonical = bracketed(address);
        let host = match text.strip_suffix(rest) {
            Some(written) if written == canonical => Cow::Borrowed(written),
            _ => Cow::Owned(canonical),
        };
        Ok(Authority { host, port })
    }

    /// The canonical host, without port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The canonical host; borrowed when it stood in the request as it is.
    pub fn into_host(self) -> Cow<'a, str> {
        self.host
    }

    /// The port the request named; `None` leaves it to listener and route.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

/// Writes `host[:port]`, the value to send as Host.
impl fmt::Display for Authority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

const ILLEGAL: u8 = 1;
const DELIMITER: u8 = 1 << 1;
const UPPER: u8 = 1 << 2;

/// H2. Each delimiter has been used to make two parsers see two hosts:
/// `good@evil`, `good,evil`, `evil/.good`, `evil#.good`.
const fn class(byte: u8) -> u8 {
    match byte {
        b'@' | b',' | b'%' | b'/' | b'\\' | b'?' | b'#' => DELIMITER,
        b'A'..=b'Z' => UPPER,
        0x21..=0x7e => 0,
        _ => ILLEGAL,
    }
}

fn lawful_classes(text: &str) -> Result<u8, Malformed> {
    if text.is_empty() {
        return Err(Malformed::HostEmpty);
    }
    let classes = text.bytes().fold(0, |seen, byte| seen | class(byte));
    if classes & ILLEGAL != 0 {
        return Err(Malformed::HostByte);
    }
    if classes & DELIMITER != 0 {
        return Err(Malformed::HostDelimiter);
    }
    Ok(classes)
}

/// H2 to H4 for a lower-case name without trailing dot.
fn refuse_name(name: &str) -> Result<(), Malformed> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(Malformed::HostLength);
    }
    // By bytes: a search for each dot of a short name costs more than a walk.
    if !name.as_bytes().split(|byte| *byte == b'.').all(is_label) {
        return Err(Malformed::HostLabel);
    }
    if ends_in_number(name) && name.parse::<Ipv4Addr>().is_err() {
        return Err(Malformed::HostIpv4);
    }
    Ok(())
}

/// Underscores are no host name by RFC 1123, but DNS and services have them.
fn is_label(label: &[u8]) -> bool {
    (1..=MAX_LABEL).contains(&label.len())
        && !label.starts_with(b"-")
        && !label.ends_with(b"-")
        && label
            .iter()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

/// H4. Resolvers and URL parsers read `127.1`, `0x7f000001` and `1.2.3.0x4` as
/// addresses (WHATWG URL, "ends in a number checker").
fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    match last.strip_prefix("0x") {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => last.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// H2: decimal, 1 to 65535, no sign and no leading zero.
fn parse_port(port: &str) -> Result<u16, Malformed> {
    if !port.starts_with(|c| matches!(c, '1'..='9')) {
        return Err(Malformed::HostPort);
    }
    port.parse().map_err(|_| Malformed::HostPort)
}

/// RFC 5952, but an IPv4-mapped address is written in hexadecimal groups as all
/// others are: no dotted tail that a suffix or a reader could take for IPv4.
fn bracketed(address: Ipv6Addr) -> String {
    if address.to_ipv4_mapped().is_none() {
        return format!("[{address}]");
    }
    let [.., high, low] = address.segments();
    format!("[::ffff:{high:x}:{low:x}]")
}

#[cfg(test)]
#[path = "authority_tests.rs"]
mod tests;
