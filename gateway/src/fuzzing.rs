//! A door for the fuzz targets to what reads the bytes of callers: the very
//! functions, and nothing made for the occasion. No part of the crate's face.

use std::net::SocketAddr;

use boring::x509::X509;
use conf::snapshot::Limits;
use policy::principal::Principal;
use policy::refusal::Refusal;
use tokio::io::AsyncRead;

use crate::identity::certificate;
use crate::intake::head;
use crate::intake::proxy::{self, Asked};
use crate::intake::proxy_protocol::Introduction;
use crate::record::{Record, json_line as line};
use crate::tunnel::ClientHello;

/// The server name of the hello that begins `from`, and the bytes read for it.
///
/// # Errors
/// When there is no hello with exactly one name to be seen.
pub async fn client_hello(
    from: &mut (impl AsyncRead + Unpin),
) -> Result<(Box<str>, Vec<u8>), Refusal> {
    let hello = ClientHello::read(from).await?;
    Ok((hello.server_name, hello.wire))
}

/// The workload that a leaf certificate names; nothing when `der` is none.
pub fn principal(der: &[u8]) -> Option<Result<Principal, Refusal>> {
    let leaf = X509::from_der(der).ok()?;
    Some(certificate::principal(&leaf))
}

/// Where the head at the beginning of `bytes` ends, looked for as it comes in
/// pieces of `piece` bytes.
pub fn head_end(bytes: &[u8], piece: usize) -> Option<usize> {
    let mut seen = 0;
    for piece in bytes.chunks(piece.max(1)) {
        let here = seen + piece.len();
        if let Some(end) = head::end(bytes.get(..here)?, seen) {
            return Some(end);
        }
        seen = here;
    }
    None
}

/// Judges a whole head, within the limits that hold unless configured.
///
/// # Errors
/// The first rule it breaks.
pub fn check_head(bytes: &[u8]) -> Result<(), Refusal> {
    head::check(bytes, &Limits::default()).map(drop)
}

/// Judges a whole head to a forward proxy; gives what CONNECT names, if it is one.
///
/// # Errors
/// The first rule it breaks.
pub fn check_proxy_head(bytes: &[u8]) -> Result<Option<Box<str>>, Refusal> {
    Ok(match proxy::check(bytes, &Limits::default())? {
        Asked::Request(_) => None,
        Asked::Tunnel(connect) => Some(connect.authority),
    })
}

/// Source, destination and caller of the PROXY protocol's header that begins
/// `from`.
///
/// # Errors
/// When none does.
pub async fn proxy_header(
    from: &mut (impl AsyncRead + Unpin),
) -> Result<(SocketAddr, SocketAddr, Option<Principal>), Refusal> {
    let said = Introduction::read(from).await?;
    Ok((said.source, said.destination, said.principal))
}

/// The record's line in JSON.
pub fn json_line(record: &Record<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    line(&mut out, record);
    out
}
