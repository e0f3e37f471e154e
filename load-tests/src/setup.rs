//! What gateways are set up to do: the same for all that are compared.

use integration_tests::pki::GATEWAY_PRINCIPAL;

/// The host asked for.
pub(crate) const HOST: &str = "edition.cnn.com";
/// The account that is let through.
pub(crate) const CALLER: &str = "sleep";
/// A path that policy allows and no route serves.
pub(crate) const LOST: &str = "/lost";
/// A path that policy refuses.
pub(crate) const PRIVATE: &str = "/private";
/// A path that is served after a reload.
pub(crate) const OPENED: &str = "/opened";
/// What may be asked for.
const SERVED: &str = "/(health|sport)(/.*)?";

/// What passes through the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// HTTP in mutual TLS; HTTP/1.1 in TLS to the origin.
    Http,
    /// The same, and HTTP/2 to the origin.
    Grpc,
    /// TLS that is none of the gateway's business, by its server name.
    Passthrough,
}

/// Where the access log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Log {
    File,
    /// Standard output, which is a pipe that somebody reads.
    Pipe,
    Off,
}

/// All that a configuration depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) work: Work,
    pub(crate) log: Log,
    pub(crate) hosts: usize,
    /// Of each host, by regular expression.
    pub(crate) routes: usize,
    /// Principals that may call; [`CALLER`] is the last of them.
    pub(crate) callers: usize,
    /// Whether configurations are replaced while it runs.
    pub(crate) reloads: bool,
    /// Whether [`OPENED`] may be asked for: what a reload changes.
    pub(crate) opened: bool,
}

impl Setup {
    /// One host, one route, one caller, a log in a file.
    pub(crate) const PLAIN: Self = Self {
        work: Work::Http,
        log: Log::File,
        hosts: 1,
        routes: 1,
        callers: 1,
        reloads: false,
        opened: false,
    };

    /// Names of all hosts, the one asked for last.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = String> {
        let others = (1..self.hosts).map(|n| format!("host-{n:05}.example.com"));
        others.chain([HOST.to_owned()])
    }

    /// The paths of every host, as regular expressions over the whole path; the
    /// one asked for is the last, which costs most where they are tried in turn.
    pub(crate) fn routes(&self) -> impl Iterator<Item = String> {
        let others = (1..self.routes).map(|n| format!("/section-{n:02}/[a-z0-9-]+(/v[0-9]+/.*)?"));
        let opened = self.opened.then(|| OPENED.to_owned());
        opened.into_iter().chain(others).chain([SERVED.to_owned()])
    }

    /// Service accounts of namespace `default` that may call.
    pub(crate) fn callers(&self) -> impl Iterator<Item = String> {
        let others = (1..self.callers).map(|n| format!("client-{n:04}"));
        others.chain([CALLER.to_owned()])
    }
}

/// As SPIFFE writes an account.
pub(crate) fn spiffe(account: &str) -> String {
    let domain = GATEWAY_PRINCIPAL.split('/').next().unwrap_or_default();
    format!("spiffe://{domain}/ns/default/sa/{account}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_the_last_of_each() {
        let setup = Setup {
            hosts: 10,
            routes: 20,
            callers: 1000,
            ..Setup::PLAIN
        };
        assert_eq!(setup.hosts().count(), 10);
        assert_eq!(setup.hosts().last().as_deref(), Some(HOST));
        assert_eq!(setup.routes().count(), 20);
        assert_eq!(setup.routes().last().as_deref(), Some(SERVED));
        assert_eq!(setup.callers().count(), 1000);
        assert_eq!(
            spiffe("sleep"),
            "spiffe://cluster.local/ns/default/sa/sleep"
        );
    }
}
