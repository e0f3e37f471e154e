//! Certificate authorities of the mesh and of the outside world, made anew
//! for every test, and the files their certificates are read from.
//!
//! The mesh's authority signs as istiod does: the chain a workload presents
//! ends with the self-signed root, and during a rotation two roots of one
//! subject are trusted at once.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    KeyUsagePurpose, SerialNumber,
};
use tempfile::TempDir;

use crate::leaf::{Flaw, Leaf, Presented, Signer};

/// Istio's name for the account the gateway runs under.
pub const GATEWAY_PRINCIPAL: &str =
    "cluster.local/ns/istio-system/sa/istio-egressgateway-service-account";

/// The serial number of the authority below the mesh's root.
const INTERMEDIATE: &[u8] = &[0x77];

/// All authorities of one test, and the directory their files lie in.
#[derive(Debug)]
pub struct Pki {
    dir: TempDir,
    mesh: Authority,
    next_mesh: Authority,
    intermediate: Authority,
    foreign_mesh: Authority,
    origin: Authority,
    foreign_origin: Authority,
    workloads: Mutex<HashMap<String, Credential>>,
}

type Authority = CertifiedIssuer<'static, KeyPair>;

/// A certificate chain and its key, as PEM files.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Leaf first.
    pub chain: PathBuf,
    /// PKCS #8.
    pub key: PathBuf,
    /// Serial number, for revocation lists.
    pub serial: Vec<u8>,
}

impl Pki {
    /// Makes the authorities and writes the bundles of trusted roots.
    ///
    /// # Panics
    /// When keys cannot be made or files not written.
    #[must_use]
    pub fn create() -> Self {
        let mesh = authority("cluster.local");
        let pki = Self {
            dir: TempDir::with_prefix("egret-pki-").expect("a temporary directory"),
            intermediate: intermediate(&mesh),
            mesh,
            next_mesh: authority("cluster.local"),
            foreign_mesh: authority("cluster.local"),
            origin: authority("Public Trust"),
            foreign_origin: authority("Public Trust"),
            workloads: Mutex::default(),
        };
        pki.trust(&[Signer::Mesh, Signer::NextMesh]);
        write(&pki.origin_roots(), &pki.origin.pem());
        pki
    }

    /// Where every file of this PKI lies.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Roots of the mesh: two of one subject, as in the middle of a rotation.
    #[must_use]
    pub fn mesh_roots(&self) -> PathBuf {
        self.dir.path().join("mesh-roots.pem")
    }

    /// Trusts these from now on, and no others, as mesh roots.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn trust(&self, signers: &[Signer]) {
        let roots = signers.iter().map(|signer| self.authority(*signer).pem());
        write(&self.mesh_roots(), &roots.collect::<String>());
    }

    /// The root that vouches for external hosts.
    #[must_use]
    pub fn origin_roots(&self) -> PathBuf {
        self.dir.path().join("origin-roots.pem")
    }

    /// The gateway's own identity, issued anew each time.
    #[must_use]
    pub fn gateway(&self) -> Credential {
        self.issue("gateway", &Leaf::workload(GATEWAY_PRINCIPAL), Signer::Mesh)
    }

    /// A workload of namespace `default`, by its service account: the same each time.
    #[must_use]
    pub fn workload(&self, account: &str) -> Credential {
        let mut workloads = self
            .workloads
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = workloads.entry(account.to_owned());
        known
            .or_insert_with(|| self.issue_workload(account))
            .clone()
    }

    fn issue_workload(&self, account: &str) -> Credential {
        let principal = format!("cluster.local/ns/default/sa/{account}");
        self.issue(account, &Leaf::workload(&principal), Signer::Mesh)
    }

    /// A client certificate the gateway must refuse for `flaw`.
    #[must_use]
    pub fn flawed(&self, flaw: Flaw) -> Credential {
        let (leaf, signer) = flaw.recipe();
        self.issue(&format!("flawed-{flaw:?}"), &leaf, signer)
    }

    /// A good server certificate for external hosts.
    #[must_use]
    pub fn origin(&self, hosts: &[&str]) -> Credential {
        self.issue(&hosts.join("+"), &Leaf::origin(hosts), Signer::Origin)
    }

    /// Signs `leaf` and writes `NAME/chain.pem` and `NAME/key.pem`; an earlier
    /// credential of that name is replaced, as a rotation replaces it.
    ///
    /// # Panics
    /// When it cannot be signed or written.
    #[must_use]
    pub fn issue(&self, name: &str, leaf: &Leaf, signer: Signer) -> Credential {
        let dir = self.dir.path().join(name);
        fs::create_dir_all(&dir).expect("a directory for the credential");
        let authority = self.authority(signer);
        let signed = leaf.sign(authority);
        let chain = match signer.presents() {
            Presented::WithAuthority => signed.certificate + &authority.pem(),
            Presented::Alone => signed.certificate,
        };
        let credential = Credential {
            chain: dir.join("chain.pem"),
            key: dir.join("key.pem"),
            serial: signed.serial,
        };
        // The key first: a watcher that sees the new chain finds its key.
        write(&credential.key, &signed.key);
        write(&credential.chain, &chain);
        credential
    }

    /// The authority below the mesh's root, to be revoked.
    #[must_use]
    pub fn intermediate(&self) -> Credential {
        Credential {
            chain: PathBuf::new(),
            key: PathBuf::new(),
            serial: INTERMEDIATE.to_vec(),
        }
    }

    /// Writes a list by each of the mesh's authorities that revokes `revoked`, at
    /// `NAME.crl.pem`.
    #[must_use]
    pub fn revocation_list(&self, name: &str, revoked: &[&Credential]) -> PathBuf {
        let path = self.dir.path().join(format!("{name}.crl.pem"));
        let lists = [&self.mesh, &self.next_mesh, &self.intermediate]
            .map(|authority| crate::leaf::revocation_list(authority, revoked));
        write(&path, &lists.concat());
        path
    }

    fn authority(&self, signer: Signer) -> &Authority {
        match signer {
            Signer::Mesh => &self.mesh,
            Signer::NextMesh => &self.next_mesh,
            Signer::Intermediate => &self.intermediate,
            Signer::ForeignMesh => &self.foreign_mesh,
            Signer::Origin => &self.origin,
            Signer::ForeignOrigin => &self.foreign_origin,
        }
    }
}

fn authority(organization: &str) -> Authority {
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(authority_params(organization), key).expect("a root certificate")
}

fn intermediate(root: &Authority) -> Authority {
    let mut params = authority_params("Intermediate");
    params.serial_number = Some(SerialNumber::from_slice(INTERMEDIATE));
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::signed_by(params, key, root).expect("an authority's certificate")
}

fn authority_params(organization: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, organization);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Writes beside and renames, so that no reader sees half a file.
fn write(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).expect("a file beside");
    fs::rename(&beside, path).expect("the file in its place");
}
