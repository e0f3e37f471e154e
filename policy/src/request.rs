//! The request that is decided upon: canonical, and nothing else.
//!
//! INVARIANT(matched-is-sent): what is matched is what is sent. A [`Request`]
//! comes only from [`Request::canonicalise`], and the gateway sends its target
//! and host byte for byte.

use std::net::IpAddr;

use crate::canonical::{Authority, Method, PathProfile, Target};
use crate::door::{Door, View};
use crate::refusal::Refusal;
use crate::source::Caller;

/// Header fields of a request, as received but for those that `connection`
/// nominates: what goes no further permits nothing. Names are asked in lower case.
pub trait Headers {
    /// The `index`th value of a field, in order of appearance.
    fn value(&self, name: &str, index: usize) -> Option<&[u8]>;
}

/// Whether a `connection` field nominates `name`, which then goes no further (RFC
/// 9110, section 7.6.1).
#[must_use]
pub fn nominates(connection: &[u8], name: &str) -> bool {
    let mut names = connection.split(|byte| *byte == b',');
    names.any(|nominated| nominated.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
}

/// No headers at all, for `explain` and cases that name none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHeaders;

impl Headers for NoHeaders {
    fn value(&self, _: &str, _: usize) -> Option<&[u8]> {
        None
    }
}

/// What a caller sent, framed but not yet judged.
#[derive(Clone, Copy)]
pub struct RawRequest<'a> {
    /// As on the wire.
    pub method: &'a [u8],
    /// `Host` of HTTP/1.1, `:authority` of HTTP/2.
    pub authority: &'a [u8],
    /// The request target as on the wire.
    pub target: &'a [u8],
    /// All fields.
    pub headers: &'a dyn Headers,
    /// Who sent it.
    pub caller: &'a Caller,
    /// The server name of the TLS connection when it names an external host;
    /// names of the gateway itself count as none.
    pub server_name: Option<&'a str>,
    /// Whose part the listener takes.
    pub view: View,
    /// The port of the listener, as callers mean it.
    pub port: u16,
    /// When it began, in nanoseconds since 1970.
    pub time: i128,
}

impl std::fmt::Debug for RawRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawRequest")
            .field("method", &String::from_utf8_lossy(self.method))
            .field("authority", &String::from_utf8_lossy(self.authority))
            .field("target", &String::from_utf8_lossy(self.target))
            .finish_non_exhaustive()
    }
}

/// A canonical request.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    raw: RawRequest<'a>,
    method: Method<'a>,
    authority: Authority<'a>,
    target: Target<'a>,
}

impl<'a> Request<'a> {
    /// Brings `raw` into its one canonical form (`canonical` says the rules),
    /// with the opt-outs `profile` gives for its host.
    ///
    /// # Errors
    /// What cannot be made canonical is refused, before any rule is asked.
    pub(crate) fn canonicalise(
        raw: RawRequest<'a>,
        profile: impl FnOnce(&str, Door) -> PathProfile,
    ) -> Result<Self, Refusal> {
        let authority = Authority::parse(raw.authority).map_err(Refusal::Malformed)?;
        let door = Door::of(raw.view, authority.port(), raw.port);
        let profile = profile(authority.host(), door);
        // What CONNECT has in the place of a target would be refused for its form.
        let method = Method::parse(raw.method).map_err(Refusal::Malformed)?;
        let target = Target::parse(raw.target, &authority, profile).map_err(Refusal::Malformed)?;
        if raw.server_name.is_some_and(|name| name != authority.host()) {
            return Err(Refusal::Misdirected);
        }
        Ok(Self {
            raw,
            method,
            authority,
            target,
        })
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> Method<'a> {
        self.method
    }

    /// The canonical host, without port.
    #[must_use]
    pub fn host(&self) -> &str {
        self.authority.host()
    }

    /// By which way it came in.
    #[must_use]
    pub fn door(&self) -> Door {
        Door::of(self.raw.view, self.authority.port(), self.raw.port)
    }

    /// The port served: the listener's, which no caller of a gateway chooses; in
    /// the sidecars' view the one that routing goes by.
    #[must_use]
    pub fn listener_port(&self) -> u16 {
        self.door().port
    }

    /// The request as it comes to the gateway's port after a hop.
    pub(crate) fn hopped(&self, port: u16) -> Self {
        let raw = RawRequest {
            view: View::Gateway,
            port,
            ..self.raw
        };
        Self {
            raw,
            ..self.clone()
        }
    }

    /// The port the host names, if it names one.
    #[must_use]
    pub fn explicit_port(&self) -> Option<u16> {
        self.authority.port()
    }

    /// The port addressed: the host's, else the listener's.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.authority.port().unwrap_or(self.raw.port)
    }

    /// The canonical path.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.path()
    }

    /// The query as sent, without `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.query()
    }

    /// The canonical host and port.
    #[must_use]
    pub fn authority(&self) -> &Authority<'a> {
        &self.authority
    }

    /// The canonical path and query.
    #[must_use]
    pub fn target(&self) -> &Target<'a> {
        &self.target
    }

    /// All fields.
    #[must_use]
    pub fn headers(&self) -> &'a dyn Headers {
        self.raw.headers
    }

    /// Who sent it.
    #[must_use]
    pub fn caller(&self) -> &'a Caller {
        self.raw.caller
    }

    /// The connection's server name, if it names an external host.
    #[must_use]
    pub fn server_name(&self) -> Option<&'a str> {
        self.raw.server_name
    }

    /// When the request began, in nanoseconds since 1970.
    #[must_use]
    pub fn time(&self) -> i128 {
        self.raw.time
    }

    /// Where the connection comes from.
    #[must_use]
    pub fn source(&self) -> IpAddr {
        self.raw.caller.address()
    }
}
