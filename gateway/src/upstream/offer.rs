//! Which version of HTTP is asked of an upstream, by ALPN (RFC 7301).

use policy::destination::UpstreamProtocol;

/// What an exchange could do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Its caller speaks HTTP/1.1.
    Http1,
    /// Its caller speaks HTTP/2.
    Http2,
    /// The protocol may be switched, which HTTP/1.1 alone can.
    Switchable,
}

/// What a connection is made with, and kept under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Offer {
    /// No ALPN: HTTP/1.1, as Istio's origination.
    Nothing,
    Http1,
    /// In plain text by prior knowledge.
    Http2,
    Either,
}

/// What is spoken then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Http1,
    Http2,
}

impl Offer {
    pub(super) fn new(protocol: UpstreamProtocol, wanted: Wanted) -> Self {
        match (protocol, wanted) {
            (UpstreamProtocol::Http1, _) => Self::Nothing,
            (UpstreamProtocol::Http2, _) => Self::Http2,
            (UpstreamProtocol::Auto, Wanted::Switchable) => Self::Http1,
            (UpstreamProtocol::Auto, Wanted::Http1 | Wanted::Http2) => Self::Either,
            (UpstreamProtocol::Caller, Wanted::Http2) => Self::Http2,
            (UpstreamProtocol::Caller, Wanted::Http1 | Wanted::Switchable) => Self::Http1,
        }
    }

    /// In the form of the wire.
    pub(super) fn protocols(self) -> Option<&'static [u8]> {
        match self {
            Self::Nothing => None,
            Self::Http1 => Some(b"\x08http/1.1"),
            Self::Http2 => Some(b"\x02h2"),
            Self::Either => Some(b"\x02h2\x08http/1.1"),
        }
    }

    /// What follows from the server's choice; nothing when it would have to agree
    /// and does not.
    pub(super) fn agreed(self, chosen: Option<&[u8]>) -> Option<Spoken> {
        match (self, chosen) {
            (Self::Http2 | Self::Either, Some(b"h2")) => Some(Spoken::Http2),
            (Self::Http2, _) => None,
            (Self::Nothing | Self::Http1 | Self::Either, _) => Some(Spoken::Http1),
        }
    }

    /// The same without TLS.
    pub(super) fn in_plain_text(self) -> Spoken {
        match self {
            Self::Http2 => Spoken::Http2,
            Self::Nothing | Self::Http1 | Self::Either => Spoken::Http1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_choice_holds_among_what_was_offered() {
        let either = Offer::new(UpstreamProtocol::Auto, Wanted::Http1);
        assert_eq!(either.protocols(), Some(&b"\x02h2\x08http/1.1"[..]));
        assert_eq!(either.agreed(Some(b"h2")), Some(Spoken::Http2));
        assert_eq!(either.agreed(Some(b"http/1.1")), Some(Spoken::Http1));
        assert_eq!(either.agreed(None), Some(Spoken::Http1));
        let http2 = Offer::new(UpstreamProtocol::Http2, Wanted::Http1);
        assert_eq!(http2.agreed(None), None);
        assert_eq!(http2.in_plain_text(), Spoken::Http2);
    }

    #[test]
    fn a_protocol_that_may_be_switched_is_asked_for_as_http_1() {
        let offer = |protocol| Offer::new(protocol, Wanted::Switchable).protocols();
        assert_eq!(offer(UpstreamProtocol::Auto), Some(&b"\x08http/1.1"[..]));
        assert_eq!(offer(UpstreamProtocol::Caller), Some(&b"\x08http/1.1"[..]));
        assert_eq!(offer(UpstreamProtocol::Http1), None);
    }

    #[test]
    fn the_callers_version_is_asked_for_where_it_is_to_be_kept() {
        let offer = |wanted| Offer::new(UpstreamProtocol::Caller, wanted);
        assert_eq!(offer(Wanted::Http2), Offer::Http2);
        assert_eq!(offer(Wanted::Http1), Offer::Http1);
    }
}
