//! The way through an HTTP proxy: CONNECT (RFC 9110, section 9.3.6), with
//! credentials by the Basic scheme (RFC 7617).
//!
//! The proxy is told a name and a port, and resolves the name itself: what we
//! vetted is its own address. It may be hostile: its answer is bounded in size,
//! by the caller in time, and no word of it reaches a log.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::str;
use std::sync::Arc;

use boring::base64::encode_block;
use policy::destination::Via;
use policy::refusal::Failure;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use super::UpstreamTls;

/// Bytes of an answer's head.
const MOST_HEAD: usize = 16 * 1024;
/// Bytes of a file of credentials.
const MOST_CREDENTIALS: usize = 4 * 1024;

/// A proxy, ready to be spoken to.
pub struct Proxy {
    via: Via,
    pub(super) tls: Option<Arc<UpstreamTls>>,
    /// `Basic …`
    authorization: Option<Zeroizing<String>>,
}

/// Never shows credentials.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("via", &self.via)
            .finish_non_exhaustive()
    }
}

/// Why credentials cannot be used.
#[derive(Debug)]
pub enum CredentialsError {
    /// The file cannot be read.
    Read(PathBuf, std::io::Error),
    /// It is not what it should be.
    Content(PathBuf),
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "cannot read `{}`: {error}", path.display()),
            Self::Content(path) => {
                write!(f, "`{}` is not one line `user:password`", path.display())
            }
        }
    }
}

impl std::error::Error for CredentialsError {}

impl Proxy {
    /// Reads the credentials; `tls` is the context of the proxy's policy.
    ///
    /// # Errors
    /// When the file is missing, or no `user:password`.
    pub fn load(via: &Via, tls: Option<Arc<UpstreamTls>>) -> Result<Self, CredentialsError> {
        let authorization = match &via.credentials {
            None => None,
            Some(path) => {
                let read = std::fs::read(path).map(Zeroizing::new);
                let text = read.map_err(|error| CredentialsError::Read(path.clone(), error))?;
                let basic = basic(&text).ok_or_else(|| CredentialsError::Content(path.clone()))?;
                Some(basic)
            }
        };
        Ok(Self {
            via: via.clone(),
            tls,
            authorization,
        })
    }

    /// What was written of it.
    pub(super) fn via(&self) -> &Via {
        &self.via
    }

    /// All that a connection through it is made with.
    pub(super) fn hash(&self, hasher: &mut impl Hasher) {
        (&*self.via.host, self.via.port).hash(hasher);
        self.tls.as_ref().map(|tls| tls.fingerprint).hash(hasher);
        self.authorization.as_ref().map(|a| a.as_str()).hash(hasher);
    }

    /// Asks for a tunnel to `host` over a connection to the proxy. The next byte of
    /// `stream` is then the upstream's.
    pub(super) async fn open(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        host: &str,
        port: u16,
    ) -> Result<(), (Failure, String)> {
        let broken = |error: std::io::Error| {
            let reason = format!("the proxy broke off: {error}");
            (Failure::ProxyProtocol, reason)
        };
        let request = self.request(host, port);
        stream.write_all(request.as_bytes()).await.map_err(broken)?;
        stream.flush().await.map_err(broken)?;
        let head = read_head(stream).await?;
        match status(&head) {
            Some(200..=299) => Ok(()),
            // Of wrong credentials some say 401.
            Some(status @ (401 | 407)) => Err((
                Failure::ProxyRefused,
                format!("the proxy asks for other credentials ({status})"),
            )),
            Some(status) => {
                let reason = format!("the proxy opens no tunnel to `{host}:{port}`: {status}");
                Err((Failure::ProxyRefused, reason))
            }
            None => Err((
                Failure::ProxyProtocol,
                "the proxy's answer is no HTTP".to_owned(),
            )),
        }
    }

    fn request(&self, host: &str, port: u16) -> Zeroizing<String> {
        let mut request = Zeroizing::new(String::with_capacity(512));
        for part in [
            "CONNECT ",
            host,
            ":",
            &port.to_string(),
            " HTTP/1.1\r\nHost: ",
        ] {
            request.push_str(part);
        }
        for part in [host, ":", &port.to_string(), "\r\n"] {
            request.push_str(part);
        }
        if let Some(authorization) = &self.authorization {
            for part in ["Proxy-Authorization: ", authorization, "\r\n"] {
                request.push_str(part);
            }
        }
        request.push_str("\r\n");
        request
    }
}

/// A line `user:password`: printable, the user without a colon.
fn basic(text: &[u8]) -> Option<Zeroizing<String>> {
    let line = text.strip_suffix(b"\n").unwrap_or(text);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let is_printable = line.len() <= MOST_CREDENTIALS && !line.iter().any(u8::is_ascii_control);
    let (user, _) = str::from_utf8(line).ok()?.split_once(':')?;
    if user.is_empty() || !is_printable {
        return None;
    }
    let encoded = Zeroizing::new(encode_block(line));
    Some(Zeroizing::new(format!("Basic {}", &*encoded)))
}

/// The head of an answer and not a byte more: what follows is the upstream's.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, (Failure, String)> {
    let protocol = |reason: &str| (Failure::ProxyProtocol, reason.to_owned());
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MOST_HEAD {
            return Err(protocol("the head of the proxy's answer has no end"));
        }
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return Err(protocol("the proxy closed before it answered")),
        }
    }
    Ok(head)
}

/// The status of `HTTP/1.x NNN …`.
fn status(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"HTTP/1.")?;
    let [b'0' | b'1', b' ', a, b, c, b' ' | b'\r', ..] = rest else {
        return None;
    };
    let digits = [*a, *b, *c];
    let text = str::from_utf8(&digits).ok()?;
    let is_number = digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
