//! WebSockets over HTTP/2 (RFC 8441): a CONNECT that names the protocol. It is
//! what a GET with an upgrade is over HTTP/1.1, and becomes one before anybody
//! judges it, as in Envoy: the same rules hold whichever way a sidecar speaks.

use boring::base64::encode_block;
use boring::sha::sha1;
use http::Method;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use pingora_core::protocols::http::server::Session;
use pingora_error::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;

use crate::headers::WEBSOCKET;

/// By which a server shows that it has understood (RFC 6455, section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The key a server is asked with where the caller has none: over HTTP/2 there is
/// none to be had, and over HTTP/1.1 there must be one.
#[derive(Clone, Debug)]
pub(super) struct Key(String);

/// Whether the stream was opened for another protocol than HTTP.
pub(super) fn is_one(session: &Session) -> bool {
    let head = session.req_header();
    session.is_http2() && head.extensions.get::<h2::ext::Protocol>().is_some()
}

/// Makes an upgrade of it; any other protocol stays a CONNECT, which is refused.
///
/// # Errors
/// Only when its head takes no more fields.
pub(super) fn adopt(session: &mut Session) -> Result<Option<Key>> {
    let protocol = session.req_header().extensions.get::<h2::ext::Protocol>();
    let websocket = protocol.is_some_and(|p| p.as_str().eq_ignore_ascii_case(WEBSOCKET));
    if !websocket || !session.is_http2() {
        return Ok(None);
    }
    let head = session.req_header_mut();
    head.set_method(Method::GET);
    head.insert_header(CONNECTION, "Upgrade")?;
    head.insert_header(UPGRADE, WEBSOCKET)?;
    if head.headers.contains_key(SEC_WEBSOCKET_KEY) {
        return Ok(None);
    }
    let key = Key(encode_block(&fastrand::u128(..).to_be_bytes()));
    head.insert_header(SEC_WEBSOCKET_KEY, &*key.0)?;
    Ok(Some(key))
}

impl Key {
    /// What the server says to it must be its proof; the caller asked for none.
    ///
    /// # Errors
    /// It is not.
    pub(super) fn check(&self, answer: &mut ResponseHeader) -> Result<()> {
        let proof = encode_block(&sha1(format!("{}{GUID}", self.0).as_bytes()));
        match answer.remove_header(&SEC_WEBSOCKET_ACCEPT) {
            Some(said) if said.as_bytes() == proof.as_bytes() => Ok(()),
            _ => Error::e_explain(ErrorType::InvalidHTTPHeader, "no proof of a WebSocket"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_proves_that_it_understood() {
        // RFC 6455, section 1.3.
        let key = Key("dGhlIHNhbXBsZSBub25jZQ==".to_owned());
        let answer = |proof: Option<&str>| {
            let mut head = ResponseHeader::build(101, None).unwrap();
            if let Some(proof) = proof {
                head.insert_header(SEC_WEBSOCKET_ACCEPT, proof).unwrap();
            }
            head
        };
        let mut good = answer(Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert!(key.check(&mut good).is_ok());
        assert!(!good.headers.contains_key(SEC_WEBSOCKET_ACCEPT));
        assert!(
            key.check(&mut answer(Some("c3pPLMBiTxaQ9kYGzzhZRbK+xOo=")))
                .is_err()
        );
        assert!(key.check(&mut answer(None)).is_err());
    }
}
