//! Everything together: authorities, external hosts, a name server and the
//! gateway between them, with sidecars and direct peers on demand.
//!
//! A configuration is written in the test that uses it, with these words for
//! what is known only when the parts run: `$NGINX` and `$RECORDER` (addresses
//! of the external hosts), `$RECORDER_PORT`, `$ORIGIN_CA` (their root), `$DNS`
//! (the name server), `$PKI` (the directory of all certificates).

use std::net::SocketAddr;

use crate::client::{Curl, Reply};
use crate::dns::NameServer;
use crate::egret::Egret;
use crate::leaf::{Leaf, Signer};
use crate::message::Message;
use crate::origin::{Nginx, Site};
use crate::pki::Pki;
use crate::raw::Hello;
use crate::recorder::{Clients, Recorder};
use crate::sidecar::{External, Protocol, Setup, Sidecar};
use crate::wait::{PATIENCE, within};

/// Hosts nginx serves with good certificates.
pub const NGINX_HOSTS: [&str; 2] = ["edition.cnn.com", "www.googleapis.com"];
/// Hosts the recorder serves; its paths are told in [`crate::reply`].
pub const RECORDER_HOSTS: [&str; 3] = ["httpbin.org", "private.test", "second.test"];
/// Host whose certificate is over.
pub const EXPIRED: &str = "expired.test";
/// Host whose certificate is for another name.
pub const WRONG_NAME: &str = "wrong-name.test";
/// Host whose certificate names it only as common name.
pub const COMMON_NAME_ONLY: &str = "common-name.test";
/// Host whose certificate is by an authority nobody trusts.
pub const OTHER_AUTHORITY: &str = "other-authority.test";

/// The running bench.
#[derive(Debug)]
pub struct Mesh {
    /// All certificates.
    pub pki: Pki,
    /// [`NGINX_HOSTS`], and the hosts with bad certificates.
    pub nginx: Nginx,
    /// [`RECORDER_HOSTS`].
    pub recorder: Recorder,
    /// Asked only if the configuration names it.
    pub names: NameServer,
    /// The gateway.
    pub egret: Egret,
}

impl Mesh {
    /// Starts all parts and waits until the gateway is ready. Of `version`,
    /// `gateway`, `identity`, `listeners` and `admin`, those that
    /// `configuration` does not hold are put before it.
    ///
    /// # Panics
    /// When a part does not start.
    #[must_use]
    pub fn start(configuration: &str) -> Self {
        Self::start_with(Pki::create(), configuration)
    }

    /// The same, with authorities that have already issued what the test needs.
    ///
    /// # Panics
    /// When a part does not start.
    #[must_use]
    pub fn start_with(pki: Pki, configuration: &str) -> Self {
        Self::start_by(Egret::start, pki, configuration)
    }

    /// The same, with a gateway that is given the folder of its configuration.
    ///
    /// # Panics
    /// When a part does not start.
    #[must_use]
    pub fn start_on_folder(configuration: &str) -> Self {
        Self::start_by(Egret::start_on_folder, Pki::create(), configuration)
    }

    /// The same, with a gateway that `start` starts.
    ///
    /// # Panics
    /// When a part does not start.
    #[must_use]
    pub fn start_by(start: fn(&str) -> Egret, pki: Pki, configuration: &str) -> Self {
        let _ = pki.gateway();
        let nginx = Nginx::start(&sites(&pki));
        let recorder = Recorder::start(&pki.origin(&RECORDER_HOSTS), Clients::Anyone);
        let names = NameServer::start();
        let parts = Parts {
            pki: &pki,
            nginx: &nginx,
            recorder: &recorder,
            names: &names,
        };
        let egret = start(&parts.complete(configuration));
        Self {
            pki,
            nginx,
            recorder,
            names,
            egret,
        }
    }

    /// Replaces the gateway's configuration; tells it nothing.
    pub fn configure(&self, configuration: &str) {
        let Self {
            pki,
            nginx,
            recorder,
            names,
            ..
        } = self;
        self.egret.configure(
            &Parts {
                pki,
                nginx,
                recorder,
                names,
            }
            .complete(configuration),
        );
    }

    /// Where the configuration holds `text`, as records tell it: `egret.yaml:7`.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn line_of(&self, text: &str) -> String {
        let path = self.egret.configuration();
        let configuration = std::fs::read_to_string(path).expect("the configuration");
        let line = configuration.lines().position(|line| line.contains(text));
        format!("egret.yaml:{}", line.expect("a line with the text") + 1)
    }

    /// Where the gateway listens for the mesh.
    #[must_use]
    pub fn gateway(&self) -> SocketAddr {
        self.egret.listener("mesh")
    }

    /// The sidecar of a workload of namespace `default`, knowing every external host.
    #[must_use]
    pub fn sidecar(&self, account: &str, protocol: Protocol) -> Sidecar {
        let hosts = NGINX_HOSTS.iter().chain(&RECORDER_HOSTS);
        let externals: Vec<External> = hosts.map(|host| External::new(host)).collect();
        Sidecar::start(&Setup {
            account,
            credential: &self.pki.workload(account),
            roots: &self.pki.mesh_roots(),
            gateway: self.gateway(),
            protocol,
            externals: &externals,
        })
    }

    /// A request straight to the gateway as a workload of namespace `default`.
    #[must_use]
    pub fn curl(&self, account: &str, host: &str, target: &str) -> Curl {
        let who = self.pki.workload(account);
        Curl::to_gateway(self.gateway(), &who, host, target)
    }

    /// A GET of that kind.
    #[must_use]
    pub fn fetch(&self, account: &str, host: &str, target: &str) -> Reply {
        self.curl(account, host, target).send()
    }

    /// Repeats a GET until it is answered 200, as after a change of configuration.
    ///
    /// # Panics
    /// When it never is.
    #[track_caller]
    pub fn until_served(&self, account: &str, host: &str, target: &str) {
        self.until_answered(200, account, host, target);
    }

    /// Repeats a GET until it is answered with `status`.
    ///
    /// # Panics
    /// When it never is.
    #[track_caller]
    pub fn until_answered(&self, status: u16, account: &str, host: &str, target: &str) {
        let asked = || (self.fetch(account, host, target).status == status).then_some(());
        let came = within(PATIENCE, asked).is_some();
        assert!(
            came,
            "{target} never answered {status}:\n{}",
            self.egret.said()
        );
    }

    /// The bytes of one HTTP/1.1 request straight to the gateway, as `sleep`.
    ///
    /// # Panics
    /// When there is no answer.
    #[must_use]
    pub fn raw(&self, host: &str, request: &str) -> Message {
        let hello = Hello::of(&self.pki, "sleep", host);
        let mut raw = hello.connect(self.gateway()).expect("a handshake");
        raw.exchange(request)
            .unwrap_or_else(|e| panic!("no answer ({e}):\n{}", self.egret.said()))
    }
}

struct Parts<'a> {
    pki: &'a Pki,
    nginx: &'a Nginx,
    recorder: &'a Recorder,
    names: &'a NameServer,
}

impl Parts<'_> {
    fn complete(&self, configuration: &str) -> String {
        let has = |key: &str| configuration.lines().any(|line| line.starts_with(key));
        let missing = PREAMBLE
            .iter()
            .filter(|line| !line.split(' ').next().is_some_and(has));
        let preamble: String = missing.map(|line| format!("{line}\n")).collect();
        self.fill(&(preamble + configuration))
    }

    fn fill(&self, text: &str) -> String {
        text.replace("$NGINX", &self.nginx.address().to_string())
            .replace(
                "$RECORDER_PORT",
                &self.recorder.address().port().to_string(),
            )
            .replace("$RECORDER", &self.recorder.address().to_string())
            .replace("$ORIGIN_CA", &self.pki.origin_roots().to_string_lossy())
            .replace("$DNS", &self.names.address().to_string())
            .replace("$PKI", &self.pki.dir().to_string_lossy())
    }
}

const PREAMBLE: [&str; 5] = [
    "version: 1",
    "gateway: { name: istio-egressgateway, namespace: istio-system }",
    "identity: { files: { chain: $PKI/gateway/chain.pem, key: $PKI/gateway/key.pem, \
     roots: $PKI/mesh-roots.pem } }",
    "listeners: [{ name: mesh, bind: \"127.0.0.1:0\" }]",
    "admin: { bind: \"127.0.0.1:0\" }",
];

fn sites(pki: &Pki) -> Vec<Site> {
    let good = NGINX_HOSTS.map(|host| (host, Leaf::origin(&[host]), Signer::Origin));
    let bad = [
        (EXPIRED, Leaf::origin(&[EXPIRED]).expired(), Signer::Origin),
        (
            WRONG_NAME,
            Leaf::origin(&["elsewhere.test"]),
            Signer::Origin,
        ),
        (
            COMMON_NAME_ONLY,
            Leaf::common_name_only(COMMON_NAME_ONLY),
            Signer::Origin,
        ),
        (
            OTHER_AUTHORITY,
            Leaf::origin(&[OTHER_AUTHORITY]),
            Signer::ForeignOrigin,
        ),
    ];
    let site = |(host, leaf, signer): (&str, Leaf, Signer)| Site {
        host: host.to_owned(),
        credential: pki.issue(host, &leaf, signer),
        clients: None,
    };
    good.into_iter().chain(bad).map(site).collect()
}
