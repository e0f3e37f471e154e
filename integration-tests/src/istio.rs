//! The gateway run by Istio's own YAML: a watched folder of objects, with a
//! native file beside it for what no object says (sockets, certificates, where
//! the external hosts of this bench are).
//!
//! Objects come from `conf/examples/istio`, as an operator would apply them:
//! what is applied later takes the place of objects of the same name. Their
//! TLS trusts the system's roots; the gateway's environment says that these are
//! the bench's own.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::client::{Curl, Reply};
use crate::egret::{Beside, Egret};
use crate::leaf::{Leaf, Signer};
use crate::origin::{Nginx, Site};
use crate::pki::Pki;
use crate::recorder::Recorder;
use crate::sidecar::{External, Protocol, Setup, Sidecar};

/// The pod whose lines document 004 shows.
pub const POD: &str = "istio-egressgateway-747b6764b8-44rrh";
/// Hosts that speak TLS at port 443 and redirect to it from port 80.
pub const HTTPS_HOSTS: [&str; 4] = [
    "edition.cnn.com",
    "www.googleapis.com",
    "fcm.googleapis.com",
    "www.google.com",
];
/// The host that speaks HTTP at port 80; its paths are told in [`crate::reply`].
pub const HTTP_HOST: &str = "httpbin.org";

/// By which way requests come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// From applications, at the ports they mean: 80 and 443.
    Mesh,
    /// From sidecars, at port 443 of the egress gateway's service.
    Gateway,
}

/// The running bench.
#[derive(Debug)]
pub struct Istio {
    /// All certificates.
    pub pki: Pki,
    /// [`HTTPS_HOSTS`].
    pub nginx: Nginx,
    /// [`HTTP_HOST`].
    pub httpbin: Recorder,
    /// The gateway.
    pub egret: Egret,
    objects: TempDir,
    applied: Cell<usize>,
}

impl Istio {
    /// Starts all parts with the examples of these names applied in order, and
    /// waits until the gateway is ready.
    ///
    /// # Panics
    /// When a part does not start.
    #[must_use]
    pub fn start(view: View, examples: &[&str]) -> Self {
        Self::start_with(view, examples, "")
    }

    /// The same, with more in the native file.
    ///
    /// # Panics
    /// When a part does not start.
    #[must_use]
    pub fn start_with(view: View, examples: &[&str], native: &str) -> Self {
        let pki = Pki::create();
        let _ = pki.gateway();
        let nginx = Nginx::start(&HTTPS_HOSTS.map(|host| site(&pki, host)));
        let httpbin = Recorder::plain();
        let objects = TempDir::with_prefix("egret-istio-").expect("a folder of objects");
        for (number, name) in examples.iter().enumerate() {
            put(objects.path(), number, name, &example(name));
        }
        let configuration = configuration(view, &pki, &nginx, &httpbin) + native;
        let beside = Beside {
            configurations: vec![objects.path().to_owned()],
            environment: vec![
                ("SSL_CERT_FILE", pki.origin_roots().into()),
                ("POD_NAME", POD.into()),
            ],
            ..Beside::default()
        };
        Self {
            egret: Egret::start_beside(&configuration, &beside),
            applied: Cell::new(examples.len()),
            pki,
            nginx,
            httpbin,
            objects,
        }
    }

    /// Applies an example to the running gateway.
    ///
    /// # Panics
    /// When there is no such example.
    pub fn apply(&self, name: &str) {
        self.apply_text(name, &example(name));
    }

    /// Applies any text under a name, in place of what was applied under it.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn apply_text(&self, name: &str, text: &str) {
        let place = self.file(name).unwrap_or_else(|| {
            let number = self.applied.replace(self.applied.get() + 1);
            file_name(number, name).into()
        });
        write(&self.objects.path().join(place), text);
    }

    /// Deletes what was applied under a name.
    ///
    /// # Panics
    /// When nothing was.
    pub fn delete(&self, name: &str) {
        let file = self.file(name);
        let file = file.unwrap_or_else(|| panic!("`{name}` is not applied"));
        fs::remove_file(self.objects.path().join(file)).expect("the file goes");
    }

    /// The folder of objects.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.objects.path()
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        let entries = fs::read_dir(self.objects.path()).expect("the folder of objects");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let ending = format!("-{name}.yaml");
        names
            .filter(|file| file.to_string_lossy().ends_with(&ending))
            .map(PathBuf::from)
            .next()
    }

    /// The application asks for `url`, and would know the origin if it met it.
    #[must_use]
    pub fn curl(&self, url: &str) -> Curl {
        let doors = [80, 443].map(|port| (port, self.egret.listener(&format!("mesh-{port}"))));
        Curl::application(&doors, url).roots(&self.pki.origin_roots())
    }

    /// A GET of that kind.
    #[must_use]
    pub fn get(&self, url: &str) -> Reply {
        self.curl(url).send()
    }

    /// The sidecar of a workload of namespace `default`, which leads
    /// edition.cnn.com to the gateway.
    #[must_use]
    pub fn sidecar(&self, account: &str, protocol: Protocol) -> Sidecar {
        Sidecar::start(&Setup {
            account,
            credential: &self.pki.workload(account),
            roots: &self.pki.mesh_roots(),
            gateway: self.egret.listener("mesh"),
            protocol,
            externals: &[External {
                subset: "cnn".to_owned(),
                ..External::new("edition.cnn.com")
            }],
        })
    }

    /// Targets that origins within TLS were asked for, and targets that were
    /// asked for in clear, each in order.
    #[must_use]
    pub fn seen(&self) -> (Vec<String>, Vec<String>) {
        let target = |line: &serde_json::Value| {
            let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            word(&line["headers"]["host"]) + &word(&line["target"])
        };
        let requests = self.nginx.settled_requests();
        let (within, clear): (Vec<_>, Vec<_>) = requests.iter().partition(|line| line["tls"] != "");
        let clear = clear.into_iter().map(target);
        let httpbin =
            self.httpbin.seen().into_iter().map(|seen| {
                seen.message.value("host").unwrap_or_default() + &seen.message.target()
            });
        (
            within.into_iter().map(target).collect(),
            clear.chain(httpbin).collect(),
        )
    }
}

/// The text of an example.
///
/// # Panics
/// When there is none of that name.
#[must_use]
pub fn example(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf/examples/istio");
    let path = folder.join(name).with_extension("yaml");
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Files are read by name: the number keeps the order in which they came.
fn file_name(number: usize, name: &str) -> String {
    format!("{number:02}-{name}.yaml")
}

fn put(folder: &Path, number: usize, name: &str, text: &str) {
    write(&folder.join(file_name(number, name)), text);
}

/// Writes beside and renames, so that no reader sees half a file.
fn write(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).expect("a file beside");
    fs::rename(&beside, path).expect("the file in its place");
}

fn site(pki: &Pki, host: &str) -> Site {
    Site {
        host: host.to_owned(),
        credential: pki.issue(host, &Leaf::origin(&[host]), Signer::Origin),
        clients: None,
    }
}

fn configuration(view: View, pki: &Pki, nginx: &Nginx, httpbin: &Recorder) -> String {
    let listeners = match view {
        View::Mesh => [80, 443]
            .map(|port| {
                format!(
                    "  - {{ name: mesh-{port}, as: mesh, mode: plaintext, port: {port}, \
                     bind: \"127.0.0.1:0\" }}\n"
                )
            })
            .concat(),
        View::Gateway => {
            let pki = pki.dir().display();
            format!(
                "  - {{ name: mesh, port: 443, bind: \"127.0.0.1:0\" }}\n\
                 identity: {{ files: {{ chain: {pki}/gateway/chain.pem, \
                 key: {pki}/gateway/key.pem, roots: {pki}/mesh-roots.pem }} }}\n"
            )
        }
    };
    let pins: String = HTTPS_HOSTS
        .iter()
        .flat_map(|host| {
            [(443, nginx.address()), (80, nginx.plain_address())]
                .map(|(port, address)| format!("    \"{host}:{port}\": [\"{address}\"]\n"))
        })
        .collect();
    let httpbin = httpbin.address();
    format!(
        "version: 1
gateway: {{ name: istio-egressgateway, namespace: istio-system }}
listeners:
{listeners}admin: {{ bind: \"127.0.0.1:0\" }}
drain: {{ serve: 0s, finish: 1s }}
defaults: {{ policy: allow, addresses: {{ allow: [127.0.0.0/8] }} }}
dns:
  hosts:
{pins}    \"{HTTP_HOST}:80\": [\"{httpbin}\"]
"
    )
}
