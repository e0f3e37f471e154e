//! Who asks for what, and what should become of it.
//!
//! First document 004's own requests, then what else a gateway must stand. The
//! configuration that decides them is `demo.yaml`; neither is made from the
//! other, so each is a check of the other.

use super::mesh;

const CNN: &str = "edition.cnn.com";
const GOOGLE: &str = "www.googleapis.com";
const HTTPBIN: &str = "httpbin.org";
const PATH_CHECKER: &str = "path-checker.listchecker.istio-system";

/// A caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// Service account `sleep` of namespace `default`.
    Sleep,
    /// Service account `politics` of namespace `default`.
    Politics,
    /// Whoever has no certificate.
    Stranger,
    /// Whoever has a certificate of `sleep`, by another mesh's authority.
    Forger,
}

impl Who {
    /// As the table names him.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Sleep => "sleep",
            Self::Politics => "politics",
            Self::Stranger => "no certificate",
            Self::Forger => "forged sleep",
        }
    }

    /// The certificate he presents, by its name in the demo's folder.
    pub(super) fn certificate(self) -> Option<&'static str> {
        match self {
            Self::Sleep => Some(mesh::SLEEP),
            Self::Politics => Some(mesh::POLITICS),
            Self::Stranger => None,
            Self::Forger => Some(mesh::FORGED),
        }
    }
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// `allow`, `deny` or `refuse`.
    pub(super) verdict: String,
    /// What the caller is told; nothing before there is TLS.
    pub(super) status: Option<u16>,
    /// The rule that decided.
    pub(super) rule: Option<String>,
    /// The refusal no rule asked for, or what went wrong beyond the gateway.
    pub(super) reason: Option<String>,
}

/// One request: a GET.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) who: Who,
    pub(super) host: &'static str,
    pub(super) target: &'static str,
    pub(super) expected: Outcome,
}

/// Requests that show one thing.
#[derive(Clone, Debug)]
pub(super) struct Scene<T> {
    pub(super) title: &'static str,
    pub(super) parts: Vec<T>,
}

/// All requests, in the order in which they are sent.
pub(super) fn scenes() -> Vec<Scene<Step>> {
    use Who::{Forger, Politics, Sleep, Stranger};
    let ask = |who, host, target| Request { who, host, target };
    vec![
        Scene {
            title: "politics are banished",
            parts: vec![
                ask(Sleep, CNN, "/politics").denied_by(PATH_CHECKER),
                ask(Sleep, CNN, "/sport").answered(),
                ask(Sleep, CNN, "/health").answered(),
            ],
        },
        Scene {
            title: "except for the service account politics, which document 004 does not log",
            parts: vec![
                ask(Politics, CNN, "/politics").answered(),
                ask(Politics, CNN, "/sport").answered(),
                ask(Politics, CNN, "/health").answered(),
            ],
        },
        Scene {
            title: "another spelling, a way around, another host",
            parts: vec![
                ask(Sleep, CNN, "/%70olitics").denied_by(PATH_CHECKER),
                ask(Sleep, CNN, "/health/../politics").refused("path_dot_segment", 400),
                ask(Sleep, "www.example.com", "/").refused("unknown_host", 404),
            ],
        },
        Scene {
            title: "one API of a host, and not for everybody",
            parts: vec![
                ask(Sleep, GOOGLE, "/books/v1/volumes/7").answered(),
                ask(Sleep, GOOGLE, "/drive/v3/files").refused("no_route", 404),
                ask(Politics, GOOGLE, "/books/v1/volumes/7").denied_by("books-readers"),
            ],
        },
        Scene {
            title: "an origin that is well, one that is slow, one that is not who it should be",
            parts: vec![
                ask(Sleep, HTTPBIN, "/headers").answered(),
                ask(Sleep, HTTPBIN, "/delay/5").failed("route_timeout", 504),
                ask(Sleep, "bank.example", "/").failed("upstream_tls_verification", 503),
            ],
        },
        Scene {
            title: "callers who are not who they should be",
            parts: vec![
                ask(Stranger, CNN, "/health").turned_away("no_client_certificate"),
                ask(Forger, CNN, "/health").turned_away("certificate_untrusted"),
            ],
        },
    ]
}

/// A step without its outcome.
struct Request {
    who: Who,
    host: &'static str,
    target: &'static str,
}

impl Request {
    fn answered(self) -> Step {
        self.ends("allow", Some(200), None, None)
    }

    fn denied_by(self, rule: &str) -> Step {
        self.ends("deny", Some(403), Some(rule), None)
    }

    fn refused(self, reason: &str, status: u16) -> Step {
        self.ends("refuse", Some(status), None, Some(reason))
    }

    fn failed(self, reason: &str, status: u16) -> Step {
        self.ends("allow", Some(status), None, Some(reason))
    }

    fn turned_away(self, reason: &str) -> Step {
        self.ends("refuse", None, None, Some(reason))
    }

    fn ends(
        self,
        verdict: &str,
        status: Option<u16>,
        rule: Option<&str>,
        reason: Option<&str>,
    ) -> Step {
        let Self { who, host, target } = self;
        let expected = Outcome {
            verdict: verdict.to_owned(),
            status,
            rule: rule.map(str::to_owned),
            reason: reason.map(str::to_owned),
        };
        Step {
            who,
            host,
            target,
            expected,
        }
    }
}
