//! Which names of fields are not a message's own: they belong to a connection,
//! to the mesh, or name another request than the one that was judged.

use http::header::{self, HeaderMap};
use policy::request::nominates;

/// RFC 9110, section 7.6.1, and what its predecessors added.
pub(crate) fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authorization"
            | "proxy-authenticate"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
            | "expect"
    )
}

const MESH: [&str; 4] = ["forwarded", "via", "baggage", "x-client-trace-id"];
const MESH_PREFIXES: [&str; 3] = ["x-forwarded-", "x-envoy-", "x-istio-"];

/// Fields by which sidecars, gateways and their callers speak of the mesh.
pub(crate) fn is_mesh(name: &str) -> bool {
    let begins = |prefix: &&str| {
        let begin = name.get(..prefix.len());
        begin.is_some_and(|begin| alike(begin, prefix))
    };
    MESH.iter().any(|known| alike(name, known)) || MESH_PREFIXES.iter().any(begins)
}

const OVERRIDES: [&str; 8] = [
    "x-host",
    "x-original-host",
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// Fields by which a caller would have another path, host or method acted
/// upon than the one that was judged.
pub(crate) fn is_override(name: &str) -> bool {
    OVERRIDES.iter().any(|known| alike(name, known))
}

/// Whether two names are one to servers that read fields as CGI does: there
/// `x_user` and `X-User` are both `HTTP_X_USER` (RFC 3875, section 4.1.18).
pub(crate) fn alike(a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> bool {
    let (a, b) = (a.as_ref(), b.as_ref());
    let dashed = |byte: &u8| {
        if *byte == b'_' {
            b'-'
        } else {
            byte.to_ascii_lowercase()
        }
    };
    a.len() == b.len() && a.iter().map(dashed).eq(b.iter().map(dashed))
}

/// Fields that `connection` makes hop-by-hop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nominated<'a>(Option<&'a HeaderMap>);

impl<'a> Nominated<'a> {
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        Self(headers.contains_key(header::CONNECTION).then_some(headers))
    }

    pub(crate) fn contains(self, name: &str) -> bool {
        self.0.is_some_and(|headers| {
            let mut values = headers.get_all(header::CONNECTION).iter();
            values.any(|value| nominates(value.as_bytes(), name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_in_every_spelling_that_a_server_takes_for_it() {
        for name in [
            "x-http-method-override",
            "x_http_method_override",
            "x-http_method-override",
            "x_original_url",
            "x_host",
        ] {
            assert!(is_override(name), "{name}");
        }
        for name in [
            "x-forwarded-client-cert",
            "x_forwarded_client_cert",
            "x-forwarded_for",
            "x_envoy_peer_metadata",
            "x_istio_attributes",
            "x_client_trace_id",
        ] {
            assert!(is_mesh(name), "{name}");
        }
        for name in [
            "x-hosts",
            "xhost",
            "x-forwarded",
            "x_user",
            "x-en",
            "vi",
            "__host",
        ] {
            assert!(!is_override(name) && !is_mesh(name), "{name}");
        }
        assert!(alike("X_User", "x-user") && !alike("x-user", "x-users"));
    }
}
