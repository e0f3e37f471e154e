//! The certificates a caller showed, kept while the connection lives: roots and
//! revocation lists may change in its time.

use std::fmt;

use boring::error::ErrorStack;
use boring::stack::{Stack, StackRef};
use boring::x509::store::X509StoreRef;
use boring::x509::{X509, X509StoreContext, X509VerifyError};
use policy::refusal::Refusal;

use super::MAX_DEPTH;

/// What may stand above a leaf: others, and the root, which istiod appends.
const MOST: usize = MAX_DEPTH as usize + 1;

/// See the module. What BoringSSL holds already is shared, not copied.
pub(crate) struct Shown {
    leaf: X509,
    above: Box<[X509]>,
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a certificate and {} above it", self.above.len())
    }
}

impl Shown {
    /// # Errors
    /// When there are more than a chain has: they are kept as long as the caller.
    pub(super) fn new(leaf: X509, above: Option<&StackRef<X509>>) -> Result<Self, Refusal> {
        let above: Box<[X509]> = above.into_iter().flatten().map(ToOwned::to_owned).collect();
        match above.len() > MOST {
            true => Err(Refusal::CertificateUntrusted),
            false => Ok(Self { leaf, above }),
        }
    }

    /// Whether `store` vouches for the leaf now, as a client's.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn verify(&self, store: &X509StoreRef) -> Result<(), X509VerifyError> {
        let verified = || {
            let mut above = Stack::new()?;
            for certificate in &self.above {
                above.push(certificate.clone())?;
            }
            let mut context = X509StoreContext::new()?;
            context.init(store, &self.leaf, &above, |context| {
                let good = context.verify_cert()?;
                Ok::<_, ErrorStack>(match (good, context.verify_result()) {
                    (true, _) => Ok(()),
                    (false, Err(why)) => Err(why),
                    (false, Ok(())) => Err(X509VerifyError::UNSPECIFIED),
                })
            })
        };
        verified().unwrap_or(Err(X509VerifyError::UNSPECIFIED))
    }
}

#[cfg(test)]
#[path = "shown_tests.rs"]
mod tests;
