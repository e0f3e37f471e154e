//! Where requests may go: destinations, their routes and their upstreams, as
//! an operator means them. Plain data; the gateway turns an [`Upstream`] into
//! connections.

mod resilience;
mod tcp;
mod upstream;
mod via;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::canonical::PathProfile;
use crate::door::Door;
use crate::origin::Origin;
use crate::pattern::HostPattern;
use crate::rule::Matcher;

pub use resilience::{Bounds, Outlier};
pub use tcp::{Carries, TcpLead, TcpRoute};
pub use upstream::{
    ClientCertificate, Pem, Reach, TlsPolicy, TlsVersion, Upstream, UpstreamHost, UpstreamProtocol,
    UpstreamTls,
};
pub use via::Via;

/// An external host, with everything there is to say about it.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The name callers use.
    pub host: HostPattern,
    /// The same as the operator wrote it, for records.
    pub name: Arc<str>,
    /// The only way to it; `None`: every listener leads here.
    pub door: Option<Door>,
    /// Ports a `Host` may name; empty: any. One without port is served
    /// whatever they are.
    pub ports: Vec<u16>,
    /// Opt-outs of the strict canonical form, for origins that need them.
    pub profile: PathProfile,
    /// In order; the first that matches serves.
    pub routes: Vec<Route>,
    /// Where it was written.
    pub origin: Arc<Origin>,
}

/// An index into the upstreams of the same configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamRef(pub u32);

/// One route of a destination.
#[derive(Clone, Debug)]
pub struct Route {
    /// The name in records; `default` when the operator gave none.
    pub name: Arc<str>,
    /// It applies when one of these holds; empty: always. Hosts are not asked.
    pub matchers: Vec<Matcher>,
    /// What it does.
    pub action: Action,
    /// Time for the whole exchange, retries included; `None`: no bound.
    pub timeout: Option<Duration>,
    /// When to try again.
    pub retries: Retries,
    /// What it changes; most change nothing.
    pub changes: Option<Box<Changes>>,
    /// Upgrades the route lets through.
    pub upgrades: Upgrades,
    /// Largest request body in bytes; `None`: no bound.
    pub max_body: Option<u64>,
    /// Where it was written.
    pub origin: Arc<Origin>,
}

impl Route {
    /// What it changes.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        const NONE: &Changes = &Changes::NONE;
        self.changes.as_deref().unwrap_or(NONE)
    }
}

/// What a route changes of requests and answers.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Changes to request and response headers.
    pub headers: HeaderEdits,
    /// Changes to path and host.
    pub rewrite: Rewrite,
    /// What is made to go wrong on purpose.
    pub fault: Fault,
}

impl Changes {
    const NONE: Self = Self {
        headers: HeaderEdits {
            request: Edits::NONE,
            response: Edits::NONE,
        },
        rewrite: Rewrite {
            path: None,
            host: None,
        },
        fault: Fault {
            delay: None,
            abort: None,
        },
    };

    /// As a route keeps them: nothing, where nothing is changed.
    #[must_use]
    pub fn kept(self) -> Option<Box<Self>> {
        let Self {
            headers,
            rewrite,
            fault,
        } = &self;
        let nothing = headers.request.is_empty()
            && headers.response.is_empty()
            && rewrite.path.is_none()
            && rewrite.host.is_none()
            && *fault == Fault::default();
        (!nothing).then(|| Box::new(self))
    }
}

/// What a route does with a request.
#[derive(Clone, Debug)]
pub enum Action {
    /// Sends it to one of these, by weight.
    Forward(Vec<Weighted>),
    /// Answers with a redirection.
    Redirect(Redirect),
    /// Answers itself.
    Respond(Respond),
    /// Continues in the gateway's view at this port, as if the request had
    /// crossed the mesh: a sidecar's route to this very gateway.
    Hop(u16),
}

/// Faults a route injects, to try how callers bear them (Istio: `fault`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fault {
    /// Waits before anything else happens.
    pub delay: Option<(Share, Duration)>,
    /// Answers with this status instead of the upstream.
    pub abort: Option<(Share, u16)>,
}

/// A share of requests, in parts of a million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u32);

impl Share {
    /// All of them.
    pub const ALL: Self = Self(1_000_000);

    /// `percent` of a hundred; `None` when that is no share.
    #[must_use]
    pub fn percent(percent: f64) -> Option<Self> {
        let parts = (percent * 10_000.0).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to lie between 0 and a million"
        )]
        (0.0..=1_000_000.0)
            .contains(&parts)
            .then_some(Self(parts as u32))
    }

    /// In parts of a hundred.
    #[must_use]
    pub fn as_percent(self) -> f64 {
        f64::from(self.0) / 10_000.0
    }

    /// Whether a lot, uniform over all of `u32`, falls into the share.
    #[must_use]
    pub fn includes(self, lot: u32) -> bool {
        (u64::from(lot) * 1_000_000) >> 32 < u64::from(self.0)
    }
}

/// Where a TLS connection that we do not end may pass through to, untouched.
#[derive(Clone, Debug)]
pub struct Passage {
    /// Server names that lead here.
    pub host: HostPattern,
    /// The same as the operator wrote it, for records.
    pub name: Arc<str>,
    /// The way to it.
    pub door: Door,
    /// Where to, by weight. Their TLS is off: the application brings its own.
    pub upstreams: Vec<Weighted>,
    /// Where it was written.
    pub origin: Arc<Origin>,
}

/// An upstream and its share.
#[derive(Clone, Copy, Debug)]
pub struct Weighted {
    /// The upstream.
    pub upstream: UpstreamRef,
    /// Its share of the sum of weights.
    pub weight: u32,
}

/// A redirection; parts not named stay as the request had them.
#[derive(Clone, Debug)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// `http` or `https`.
    pub scheme: Option<Box<str>>,
    /// Another host.
    pub host: Option<Box<str>>,
    /// Another port.
    pub port: Option<u16>,
    /// Another path.
    pub path: Option<Box<str>>,
}

/// An answer of the gateway's own.
#[derive(Clone, Debug)]
pub struct Respond {
    /// HTTP status.
    pub status: u16,
    /// The body, at most 1 MiB.
    pub body: Arc<str>,
}

/// Upgrades a route lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Upgrades {
    /// None.
    #[default]
    Refused,
    /// `Upgrade: websocket`.
    WebSocket,
}

/// When and how often to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Tries after the first.
    pub attempts: u8,
    /// Try again when no connection could be made: nothing was sent.
    pub connect_failure: bool,
    /// Try again when the upstream refused the stream unprocessed, or a pooled
    /// connection turned out closed, and the method is safe to repeat.
    pub refused_stream: bool,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 2,
            connect_failure: true,
            refused_stream: true,
        }
    }
}

/// Changes to headers, applied remove, set, add.
#[derive(Clone, Debug, Default)]
pub struct HeaderEdits {
    /// To the request on its way out.
    pub request: Edits,
    /// To the response on its way back.
    pub response: Edits,
}

/// Changes to one head. Names are lower case.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    /// Replaces all values.
    pub set: Vec<(Box<str>, Box<str>)>,
    /// Adds a value.
    pub add: Vec<(Box<str>, Box<str>)>,
    /// Removes all values.
    pub remove: Vec<Box<str>>,
}

impl Edits {
    const NONE: Self = Self {
        set: Vec::new(),
        add: Vec::new(),
        remove: Vec::new(),
    };

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }
}

/// Changes to what is asked of the upstream. The result is what is sent; the
/// decision was made on what the caller sent.
#[derive(Clone, Debug, Default)]
pub struct Rewrite {
    /// Another path.
    pub path: Option<PathRewrite>,
    /// Another `Host`.
    pub host: Option<Box<str>>,
}

/// How a path is rewritten. The query stays.
#[derive(Clone, Debug)]
pub enum PathRewrite {
    /// The whole path.
    Whole(Box<str>),
    /// The beginning `from`, letter for letter (Istio: `/pol` of `/politics`),
    /// but for a slash too many between the two.
    Beginning {
        /// What the route's prefix is.
        from: Box<str>,
        /// What takes its place.
        to: Box<str>,
    },
    /// The segments `from`, where the path begins with them.
    Prefix {
        /// What the route's prefix is.
        from: Box<str>,
        /// What takes its place.
        to: Box<str>,
    },
}

impl PathRewrite {
    /// The path that is sent instead of `path`.
    #[must_use]
    pub fn apply<'a>(&'a self, path: &'a str) -> Cow<'a, str> {
        match self {
            Self::Whole(whole) => Cow::Borrowed(whole),
            Self::Beginning { from, to } => match path.strip_prefix(&**from) {
                None => Cow::Borrowed(path),
                Some(rest) => {
                    let rest = match to.ends_with('/') {
                        true => rest.strip_prefix('/').unwrap_or(rest),
                        false => rest,
                    };
                    Cow::Owned(format!("{to}{rest}"))
                }
            },
            Self::Prefix { from, to } => match path.strip_prefix(&**from) {
                None => Cow::Borrowed(path),
                Some(rest) if to.ends_with('/') => {
                    Cow::Owned(format!("{to}{}", rest.strip_prefix('/').unwrap_or(rest)))
                }
                Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                    Cow::Owned(format!("{to}{rest}"))
                }
                Some(rest) => Cow::Owned(format!("{to}/{rest}")),
            },
        }
    }
}
