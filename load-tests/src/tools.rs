//! Where the programs lie that a run needs. Installs nothing: what is missing
//! is said all at once, each with the command that brings it.

use std::env;
use std::path::{Path, PathBuf};

use crate::trouble::Trouble;

/// Every program, found.
#[derive(Debug)]
pub(crate) struct Tools {
    /// This program, which is the origin and the bare proxy, too.
    pub(crate) own: PathBuf,
    pub(crate) egret: PathBuf,
    pub(crate) envoy: PathBuf,
    pub(crate) nginx: PathBuf,
    pub(crate) haproxy: PathBuf,
    /// nginx's module for TLS that passes through.
    pub(crate) nginx_stream: PathBuf,
}

const PEERS: &str = "run integration-tests/install-peers.sh";
const TOOLS: &str = "run load-tests/install-tools.sh";
const BUILD: &str = "run `make build`, or set EGRET_BIN";

impl Tools {
    /// Finds them all.
    pub(crate) fn find() -> Result<Self, Trouble> {
        let mut missing = Vec::new();
        let mut one = |name: &str, variable: &str, places: Vec<PathBuf>, remedy: &str| {
            let places = named(variable).map_or(places, |path| vec![path]);
            let found = places.into_iter().find(|place| place.is_file());
            if found.is_none() {
                missing.push(format!("{name}: {remedy}"));
            }
            found.unwrap_or_default()
        };
        one("taskset", "", installed("taskset"), TOOLS);
        let tools = Self {
            own: env::current_exe().unwrap_or_default(),
            egret: one("egret", "EGRET_BIN", built("egret"), BUILD),
            envoy: one("Envoy 1.40", "EGRET_ENVOY", vec![pinned_envoy()], PEERS),
            nginx: one("nginx", "EGRET_NGINX", installed("nginx"), PEERS),
            haproxy: one("HAProxy", "EGRET_HAPROXY", installed("haproxy"), TOOLS),
            nginx_stream: one(
                "nginx's stream module",
                "EGRET_NGINX_STREAM",
                vec!["/usr/lib/nginx/modules/ngx_stream_module.so".into()],
                TOOLS,
            ),
        };
        if missing.is_empty() {
            Ok(tools)
        } else {
            Err(Trouble::Missing(missing))
        }
    }

    /// Where builds lie, and what runs leave.
    pub(crate) fn target(&self) -> PathBuf {
        let profile = self.own.parent().and_then(Path::parent);
        profile.unwrap_or(Path::new("target")).to_owned()
    }

    /// Whether the gateway is a build without optimisation, whose figures mean nothing.
    pub(crate) fn egret_is_unoptimised(&self) -> bool {
        self.egret
            .parent()
            .is_some_and(|dir| dir.ends_with("debug"))
    }
}

fn named(variable: &str) -> Option<PathBuf> {
    env::var_os(variable)
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
}

/// On the path, or where daemons are put that users' paths leave out.
fn installed(program: &str) -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    dirs.map(|dir| dir.join(program)).collect()
}

/// The release build beside this program's own, else the debug build.
fn built(program: &str) -> Vec<PathBuf> {
    let own = env::current_exe().unwrap_or_default();
    let target = own
        .parent()
        .and_then(Path::parent)
        .unwrap_or(Path::new("target"));
    ["release", "debug"]
        .map(|profile| target.join(profile).join(program))
        .to_vec()
}

fn pinned_envoy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers/envoy")
}
