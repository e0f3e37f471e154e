//! The header of the PROXY protocol, version 2, as ztunnel sends it: who is
//! connected to what, and in a field of its own the workload's SPIFFE id.
//!
//! Nothing in it is proven. It is read from peers alone whose word an operator
//! takes, and what is not just such a header is refused.

use std::net::{IpAddr, SocketAddr};

use policy::principal::Principal;
use policy::refusal::Refusal;
use tokio::io::{AsyncRead, AsyncReadExt};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2; what follows is of a connection that is passed on.
const PROXY: u8 = 0x21;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
/// The field with the SPIFFE id.
const IDENTITY: u8 = 0xd0;
/// The most that may follow the fixed part: addresses, an id of 2048 bytes at
/// most, and little else.
const MOST: usize = 4096;

/// A connection as it is introduced.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Introduction {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    /// `None`: the caller has shown nothing.
    pub(crate) principal: Option<Principal>,
}

impl Introduction {
    /// Reads the header, and nothing behind it.
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> Result<Self, Refusal> {
        let broken = |_| Refusal::ProxyHeader;
        let mut fixed = [0; 16];
        from.read_exact(&mut fixed).await.map_err(broken)?;
        let (signature, rest) = fixed.split_at_checked(12).ok_or(Refusal::ProxyHeader)?;
        let &[version, family, high, low] = rest else {
            return Err(Refusal::ProxyHeader);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if signature != SIGNATURE || version != PROXY || length > MOST {
            return Err(Refusal::ProxyHeader);
        }
        let mut more = vec![0; length];
        from.read_exact(&mut more).await.map_err(broken)?;
        Self::parse(family, &more)
    }

    fn parse(family: u8, bytes: &[u8]) -> Result<Self, Refusal> {
        let (source, destination, fields) = match family {
            TCP4 => addresses::<4>(bytes),
            TCP6 => addresses::<16>(bytes),
            _ => None,
        }
        .ok_or(Refusal::ProxyHeader)?;
        Ok(Self {
            source,
            destination,
            principal: identity(fields)?,
        })
    }
}

/// Source and destination, and what follows.
fn addresses<const N: usize>(bytes: &[u8]) -> Option<(SocketAddr, SocketAddr, &[u8])>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = bytes.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (from, rest) = rest.split_first_chunk::<2>()?;
    let (to, rest) = rest.split_first_chunk::<2>()?;
    let socket = |address: &[u8; N], port: &[u8; 2]| {
        SocketAddr::new(IpAddr::from(*address), u16::from_be_bytes(*port))
    };
    Some((socket(source, from), socket(destination, to), rest))
}

/// The one workload that is named. Two names are one too many, whichever is meant.
fn identity(mut fields: &[u8]) -> Result<Option<Principal>, Refusal> {
    let mut found = None;
    while let [kind, high, low, rest @ ..] = fields {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, rest) = rest.split_at_checked(length).ok_or(Refusal::ProxyHeader)?;
        fields = rest;
        if *kind == IDENTITY && found.replace(value).is_some() {
            return Err(Refusal::SeveralSpiffeIds);
        }
    }
    if !fields.is_empty() {
        return Err(Refusal::ProxyHeader);
    }
    let Some(uri) = found else { return Ok(None) };
    let uri = str::from_utf8(uri).map_err(|_| Refusal::MalformedSpiffeId)?;
    // As ztunnel writes it, with or without its scheme.
    let principal = match uri.starts_with("spiffe://") {
        true => Principal::from_uri(uri),
        false => Principal::from_name(uri),
    };
    principal.map(Some).map_err(|_| Refusal::MalformedSpiffeId)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLEEP: &str = "spiffe://cluster.local/ns/default/sa/sleep";

    fn header(family: u8, more: &[u8]) -> Vec<u8> {
        let length = u16::try_from(more.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[PROXY, family], &length, more].concat()
    }

    fn field(kind: u8, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap().to_be_bytes();
        [&[kind][..], &length, value].concat()
    }

    const FOUR: [u8; 12] = [10, 0, 0, 7, 240, 240, 0, 10, 0xb2, 0x6d, 0, 80];

    async fn read(bytes: &[u8]) -> Result<Introduction, &'static str> {
        let mut from = bytes;
        let read = Introduction::read(&mut from).await.map_err(Refusal::code)?;
        assert_eq!(from, b"behind", "what stands behind stays there");
        Ok(read)
    }

    #[tokio::test]
    async fn who_is_connected_to_what_is_read() {
        let named = [
            &FOUR[..],
            &field(4, b"noop"),
            &field(IDENTITY, SLEEP.as_bytes()),
        ]
        .concat();
        let said = [header(TCP4, &named), b"behind".to_vec()].concat();
        let read_ = read(&said).await.unwrap();
        assert_eq!(read_.source, "10.0.0.7:45677".parse().unwrap());
        assert_eq!(read_.destination, "240.240.0.10:80".parse().unwrap());
        assert_eq!(read_.principal, Principal::from_uri(SLEEP).ok());
        let unnamed = [header(TCP4, &FOUR), b"behind".to_vec()].concat();
        assert_eq!(read(&unnamed).await.unwrap().principal, None);
        let mut six = [0; 36];
        (six[0], six[16], six[31], six[35]) = (0xfd, 0x20, 1, 80);
        let six = [header(TCP6, &six), b"behind".to_vec()].concat();
        let read_ = read(&six).await.unwrap();
        assert_eq!(read_.source, "[fd00::]:0".parse().unwrap());
        assert_eq!(read_.destination, "[2000::1]:80".parse().unwrap());
    }

    #[tokio::test]
    async fn what_is_no_such_header_is_refused() {
        let with = |fields: &[u8]| header(TCP4, &[&FOUR[..], fields].concat());
        let sleep = field(IDENTITY, SLEEP.as_bytes());
        let long = field(4, &[0; MOST]);
        for (bytes, code) in [
            (
                b"PROXY TCP4 10.0.0.7 240.240.0.10 1 80\r\n".to_vec(),
                "proxy_header",
            ),
            (
                b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
                "proxy_header",
            ),
            (
                b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\0\0\0\0\0\0".to_vec(),
                "proxy_header",
            ),
            (header(TCP4, &FOUR)[..20].to_vec(), "proxy_header"),
            (header(TCP4, &FOUR[..11]), "proxy_header"),
            // UDP, Unix sockets, nothing.
            (header(0x12, &FOUR), "proxy_header"),
            (header(0x31, &[0; 216]), "proxy_header"),
            (header(0, &[]), "proxy_header"),
            (with(&sleep[..sleep.len() - 1]), "proxy_header"),
            (with(b"\xd0\0"), "proxy_header"),
            (with(&long), "proxy_header"),
            (with(&[&sleep[..], &sleep].concat()), "several_spiffe_ids"),
            (with(&field(IDENTITY, b"")), "malformed_spiffe_id"),
            (
                with(&field(IDENTITY, b"spiffe://cluster.local/sleep")),
                "malformed_spiffe_id",
            ),
            (
                with(&field(IDENTITY, b"cluster.local/ns/default/sa/\xff")),
                "malformed_spiffe_id",
            ),
        ] {
            assert_eq!(read(&bytes).await, Err(code), "{bytes:?}");
        }
        // LOCAL, and another version.
        for version in [0x20, 0x11, 0x31] {
            let mut bytes = header(TCP4, &FOUR);
            bytes[12] = version;
            assert_eq!(read(&bytes).await, Err("proxy_header"));
        }
    }
}
