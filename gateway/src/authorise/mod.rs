//! Asks an external authoriser whether a request may go on, by Envoy's
//! ext_authz: over HTTP (`http`) or gRPC (`grpc`).
//!
//! What the word leads to, `policy::authoriser` decides; here it is only
//! brought. Everything is bounded: the time, the head, the body. An authoriser
//! hears of the request's head alone, in its canonical form, and of the
//! caller's verified identity; never of the body.

mod call;
mod fields;
mod grpc;
mod http;
mod inquiry;
mod proto;

use ::http::HeaderMap;
use bytes::Bytes;
use policy::authoriser::{Authoriser, Service, Word};
use tokio::time::Instant;

use crate::gateway::Gateway;
use crate::headers::Changes;
use crate::live::Live;
use call::Call;

pub(crate) use inquiry::{Downstream, Inquiry};

/// What came of asking.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The request may go on, so changed.
    Yes(Changes),
    /// It may not.
    No(Denial),
    /// There is no word; in words, why.
    Nothing(String),
}

/// What an authoriser would have the caller told.
#[derive(Debug)]
pub(crate) struct Denial {
    pub(crate) status: u16,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn word(&self) -> Word {
        match self {
            Self::Yes(_) => Word::Yes,
            Self::No(_) => Word::No,
            Self::Nothing(_) => Word::Nothing,
        }
    }
}

impl Denial {
    fn new(status: u16, fields: HeaderMap, body: Bytes) -> Self {
        Self {
            // A no that looks like a yes, or like no answer at all, would be
            // taken for one.
            status: match status {
                300..=303 | 305..=599 => status,
                _ => 403,
            },
            fields,
            body,
        }
    }
}

/// Asks, and waits for the answer within the authoriser's time.
pub(crate) async fn ask(
    gateway: &Gateway,
    live: &Live,
    authoriser: &Authoriser,
    inquiry: &Inquiry,
) -> Answer {
    let Some(target) = live.target(authoriser.upstream) else {
        return Answer::Nothing("the authoriser has no upstream".to_owned());
    };
    let call = Call {
        gateway,
        target,
        time: authoriser.timeout,
        deadline: Instant::now() + authoriser.timeout,
    };
    let asked = match &authoriser.service {
        Service::Http { prefix } => http::ask(&call, authoriser, prefix, inquiry).await,
        Service::Grpc => grpc::ask(&call, authoriser, inquiry).await,
    };
    asked.unwrap_or_else(Answer::Nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_no_never_looks_like_a_yes() {
        for (status, sent) in [
            (403, 403),
            (302, 302),
            (401, 401),
            (503, 503),
            (200, 403),
            (204, 403),
            (304, 403),
            (101, 403),
            (0, 403),
            (999, 403),
        ] {
            let denial = Denial::new(status, HeaderMap::new(), Bytes::new());
            assert_eq!(denial.status, sent, "{status}");
        }
    }
}
