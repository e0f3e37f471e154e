//! Roots of trust, each bound to the trust domain it is configured for: a
//! partner's authority must not be able to mint identities of the mesh's own.

use std::fmt;
use std::path::Path;

use boring::stack::{Stack, StackRef};
use boring::x509::store::{X509Store, X509StoreBuilder};
use boring::x509::{X509, X509Ref, X509StoreContext};
use conf::snapshot::{IdentityFiles, Settings};

use super::{IdentityError, crl, read_certificates};

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
) -> Result<Vec<DomainRoots>, IdentityError> {
    settings
        .trust
        .iter()
        .map(|trust| {
            let path = trust.roots.as_deref().unwrap_or(&files.roots);
            let certificates = read_certificates(path)?;
            let names = [&trust.domain].into_iter().chain(&trust.aliases);
            Ok(DomainRoots {
                names: names.cloned().collect(),
                store: store(&certificates, files.crl.as_deref())?,
                certificates,
            })
        })
        .collect()
}

/// A store of `roots`, with revocation lists if there are any.
pub(super) fn store<'a>(
    roots: impl IntoIterator<Item = &'a X509>,
    crl_file: Option<&Path>,
) -> Result<X509Store, IdentityError> {
    let mut builder = X509StoreBuilder::new()?;
    for root in roots {
        builder.add_cert(root)?;
    }
    if let Some(path) = crl_file {
        crl::add(&mut builder, path)?;
    }
    Ok(builder.build())
}

impl DomainRoots {
    pub(super) fn covers(&self, trust_domain: &str) -> bool {
        self.names.iter().any(|name| **name == *trust_domain)
    }

    /// Whether a chain that is good by somebody's roots is good by these.
    pub(super) fn vouches_for(&self, leaf: &X509Ref, chain: Option<&StackRef<X509>>) -> bool {
        let verify = |chain: &StackRef<X509>| {
            X509StoreContext::new()
                .and_then(|mut context| context.init(&self.store, leaf, chain, |c| c.verify_cert()))
                .unwrap_or(false)
        };
        match chain {
            Some(chain) => verify(chain),
            None => Stack::new().is_ok_and(|empty| verify(&empty)),
        }
    }
}
