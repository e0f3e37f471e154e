//! Roots of trust, each bound to the trust domain it is configured for: a
//! partner's authority must not be able to mint identities of the mesh's own.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::OnceLock;

use boring::x509::store::{X509Store, X509StoreBuilder};
use boring::x509::{X509, X509VerifyError};
use conf::snapshot::{IdentityFiles, Settings};

use super::revocation::RevocationLists;
use super::{IdentityError, MAX_DEPTH, Shown, read_certificates};
use crate::foreign;

/// The roots of one trust domain and its aliases.
pub(super) struct DomainRoots {
    names: Vec<Box<str>>,
    pub(super) certificates: Vec<X509>,
    store: X509Store,
}

impl fmt::Debug for DomainRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {} roots", self.names, self.certificates.len())
    }
}

/// The roots of every configured trust domain.
pub(super) fn domains(
    files: &IdentityFiles,
    settings: &Settings,
    revoked: Option<&RevocationLists>,
) -> Result<Vec<DomainRoots>, IdentityError> {
    settings
        .trust
        .iter()
        .map(|trust| {
            let path = trust.roots.as_deref().unwrap_or(&files.roots);
            let certificates = read_certificates(path)?;
            if let Some(lists) = revoked {
                lists.look_for(&certificates)?;
            }
            let names = [&trust.domain].into_iter().chain(&trust.aliases);
            Ok(DomainRoots {
                names: names.cloned().collect(),
                store: store(&certificates, revoked)?,
                certificates,
            })
        })
        .collect()
}

/// A store that verifies callers by `roots`, and by revocation lists if there are
/// any.
pub(super) fn store<'a>(
    roots: impl IntoIterator<Item = &'a X509>,
    revoked: Option<&RevocationLists>,
) -> Result<X509Store, IdentityError> {
    let mut builder = X509StoreBuilder::new()?;
    for root in roots {
        builder.add_cert(root)?;
    }
    if let Some(lists) = revoked {
        lists.add_to(&mut builder)?;
    }
    foreign::verify_clients(&mut builder)?;
    builder.verify_param_mut().set_depth(MAX_DEPTH.into());
    Ok(builder.build())
}

/// Differs whenever anything differs by which callers are verified.
pub(super) fn fingerprint(
    domains: &[DomainRoots],
    revoked: Option<&RevocationLists>,
) -> Result<u64, IdentityError> {
    static KEYS: OnceLock<RandomState> = OnceLock::new();
    let mut hasher = KEYS.get_or_init(RandomState::new).build_hasher();
    for domain in domains {
        domain.names.hash(&mut hasher);
        domain.certificates.len().hash(&mut hasher);
        for root in &domain.certificates {
            root.to_der()?.hash(&mut hasher);
        }
    }
    revoked.map(|lists| lists.pem.as_slice()).hash(&mut hasher);
    Ok(hasher.finish())
}

impl DomainRoots {
    pub(super) fn covers(&self, trust_domain: &str) -> bool {
        self.names.iter().any(|name| **name == *trust_domain)
    }

    /// Whether these roots vouch for what a caller showed.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn verify(&self, shown: &Shown) -> Result<(), X509VerifyError> {
        shown.verify(&self.store)
    }
}
