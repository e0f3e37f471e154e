//! What an authoriser is told of a request: canonical, owned, so that nothing
//! of the caller's connection is held while it thinks.

use std::net::SocketAddr;

use ::http::{HeaderMap, HeaderName};
use policy::Request;
use policy::authoriser::Authoriser;

use super::fields;

/// See the module.
#[derive(Debug)]
pub(crate) struct Inquiry {
    pub(crate) method: Box<str>,
    /// The canonical host, without port.
    pub(crate) host: Box<str>,
    pub(crate) explicit_port: Option<u16>,
    /// The canonical path.
    pub(crate) path: Box<str>,
    pub(crate) query: Option<Box<str>>,
    /// The caller's fields, as many as the operator has it told.
    pub(crate) fields: HeaderMap,
    /// The caller's fields that do not go on, whatever the word is.
    pub(crate) unvouched: Vec<HeaderName>,
    /// `spiffe://…`: of the verified certificate, never of a field.
    pub(crate) principal: Option<Box<str>>,
    pub(crate) request_id: Box<str>,
    pub(crate) is_http2: bool,
    pub(crate) is_secure: bool,
    pub(crate) content_length: Option<i64>,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    /// Nanoseconds since 1970.
    pub(crate) time: i128,
}

/// The connection a request came on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Downstream {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) is_http2: bool,
    pub(crate) is_secure: bool,
}

impl Inquiry {
    pub(crate) fn new(
        request: &Request<'_>,
        received: &HeaderMap,
        downstream: Downstream,
        authoriser: Option<&Authoriser>,
    ) -> Self {
        let text = |name: &str| received.get(name).and_then(|value| value.to_str().ok());
        let told = |name: &str| authoriser.is_some_and(|a| fields::contain(&a.told, name));
        let principal = request.caller().principal();
        let fields = fields::told(received, told);
        let settable = authoriser.map_or(&[][..], |a| &a.upstream_fields);
        Self {
            method: request.method().as_str().into(),
            host: request.host().into(),
            explicit_port: request.explicit_port(),
            path: request.path().into(),
            query: request.query().map(Box::from),
            unvouched: fields::unvouched(received, settable, &fields),
            fields,
            principal: principal.map(|p| format!("spiffe://{}", p.as_str()).into()),
            request_id: text("x-request-id").unwrap_or_default().into(),
            is_http2: downstream.is_http2,
            is_secure: downstream.is_secure,
            content_length: text("content-length").and_then(|length| length.parse().ok()),
            source: downstream.source,
            destination: downstream.destination,
            time: request.time(),
        }
    }

    /// Host, with its port if the caller named one.
    pub(super) fn authority(&self) -> String {
        match self.explicit_port {
            None => self.host.to_string(),
            Some(port) => format!("{}:{port}", self.host),
        }
    }

    /// Path and query.
    pub(super) fn target(&self) -> String {
        match &self.query {
            None => self.path.to_string(),
            Some(query) => format!("{}?{query}", self.path),
        }
    }

    pub(super) fn scheme(&self) -> &'static str {
        if self.is_secure { "https" } else { "http" }
    }
}
