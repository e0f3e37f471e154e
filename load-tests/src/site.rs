//! Where one gateway stands: its folder, its ports, its certificates, and what
//! it is set up to do. Enough to write its configuration.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use boring::hash::MessageDigest;
use boring::x509::X509;
use integration_tests::pki::Pki;
use integration_tests::sidecar::Protocol;

use crate::part::free_address;
use crate::setup::{CALLER, Log, Setup, Work};
use crate::trouble::{Trouble, trying};

/// The origin's addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) http1: SocketAddr,
    pub(crate) http2: SocketAddr,
}

impl Origin {
    pub(crate) fn speaking(self, protocol: Protocol) -> SocketAddr {
        match protocol {
            Protocol::Http1 => self.http1,
            Protocol::Http2 => self.http2,
        }
    }
}

/// Everything a configuration names.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) dir: PathBuf,
    pub(crate) setup: Setup,
    pub(crate) listener: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) origin: SocketAddr,
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) mesh_roots: PathBuf,
    pub(crate) origin_roots: PathBuf,
    /// The allowed caller's certificate, by the SHA-1 of its bytes.
    pub(crate) caller: String,
}

impl Site {
    pub(crate) fn new(
        dir: &Path,
        setup: Setup,
        pki: &Pki,
        origin: Origin,
    ) -> Result<Self, Trouble> {
        // Lines of an earlier log, or files of an earlier configuration, would count.
        if dir.exists() {
            trying(dir.display().to_string(), fs::remove_dir_all(dir))?;
        }
        trying(dir.display().to_string(), fs::create_dir_all(dir))?;
        let own = pki.gateway();
        Ok(Self {
            dir: dir.to_owned(),
            setup,
            listener: free_address()?,
            admin: free_address()?,
            origin: match setup.work {
                Work::Http | Work::Passthrough => origin.http1,
                Work::Grpc => origin.http2,
            },
            chain: own.chain,
            key: own.key,
            mesh_roots: pki.mesh_roots(),
            origin_roots: pki.origin_roots(),
            caller: fingerprint(&pki.workload(CALLER).chain)?,
        })
    }

    /// The access log, if it is a file.
    pub(crate) fn log(&self) -> PathBuf {
        match self.setup.log {
            Log::Pipe => "/dev/stdout".into(),
            Log::File | Log::Off => self.dir.join("access.log"),
        }
    }

    /// Fingerprints of all callers, in lower case; of those that only fill the
    /// list they are invented.
    pub(crate) fn fingerprints(&self) -> impl Iterator<Item = String> {
        let others = 1..self.setup.callers;
        let others = others.map(|n| format!("{n:040x}"));
        others.chain([self.caller.clone()])
    }

    /// Writes `template` with each `@WORD@` replaced: the places and papers
    /// known here, and `more`. Beside, and renamed, so that nobody sees half of it.
    pub(crate) fn write(
        &self,
        name: &str,
        template: &str,
        more: &[(&str, String)],
    ) -> Result<PathBuf, Trouble> {
        let mut text = template.to_owned();
        for (word, value) in self.words().iter().chain(more) {
            text = text.replace(&format!("@{word}@"), value);
        }
        let (file, beside) = (self.dir.join(name), self.dir.join("beside.new"));
        let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, &file));
        trying(file.display().to_string(), written)?;
        Ok(file)
    }

    fn words(&self) -> Vec<(&'static str, String)> {
        let path = |path: &Path| path.display().to_string();
        vec![
            ("DIR", path(&self.dir)),
            ("LISTENER", self.listener.to_string()),
            ("LISTENER_PORT", self.listener.port().to_string()),
            ("ADMIN", self.admin.to_string()),
            ("ADMIN_PORT", self.admin.port().to_string()),
            ("ORIGIN", self.origin.to_string()),
            ("ORIGIN_PORT", self.origin.port().to_string()),
            ("GATEWAY_CHAIN", path(&self.chain)),
            ("GATEWAY_KEY", path(&self.key)),
            ("MESH_ROOTS", path(&self.mesh_roots)),
            ("ORIGIN_ROOTS", path(&self.origin_roots)),
            ("LOG", path(&self.log())),
        ]
    }
}

fn fingerprint(chain: &Path) -> Result<String, Trouble> {
    let pem = trying(chain.display().to_string(), fs::read(chain))?;
    let digest = X509::from_pem(&pem).and_then(|leaf| leaf.digest(MessageDigest::sha1()));
    let digest = digest.map_err(|e| Trouble::WrongAnswer(format!("the caller's chain: {e}")))?;
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_begins_empty_and_fills_every_word() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("gateway");
        fs::create_dir(&place).unwrap();
        fs::write(place.join("access.log"), "an old line\n").unwrap();
        let free = free_address().unwrap();
        let origin = Origin {
            http1: free,
            http2: free,
        };
        let site = Site::new(&place, Setup::PLAIN, &Pki::create(), origin).unwrap();
        assert!(!site.log().exists());
        let more = [("A", "one".to_owned()), ("A_B", "two".to_owned())];
        let file = site.write("file", "\"@type\": @A@ @A_B@ @ORIGIN@", &more);
        let text = fs::read_to_string(file.unwrap()).unwrap();
        assert_eq!(text, format!("\"@type\": one two {free}"));
        assert_eq!(site.caller.len(), 40);
    }
}
