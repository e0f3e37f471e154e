//! The certificates a caller showed, kept while the connection lives: roots and
//! revocation lists may change in its time.

use std::fmt;
use std::time::{Duration, SystemTime};

use boring::asn1::Asn1Time;
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
    expires: SystemTime,
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a certificate and {} above it", self.above.len())
    }
}

impl Shown {
    /// What has just been verified.
    ///
    /// # Errors
    /// When there are more than a chain has, which would be kept as long as the
    /// caller, or when the leaf's end cannot be told.
    pub(super) fn new(leaf: X509, above: Option<&StackRef<X509>>) -> Result<Self, Refusal> {
        let above: Box<[X509]> = above.into_iter().flatten().map(ToOwned::to_owned).collect();
        if above.len() > MOST {
            return Err(Refusal::CertificateUntrusted);
        }
        Ok(Self {
            expires: expiry(&leaf).map_err(|_| Refusal::CertificateExpired)?,
            above,
            leaf,
        })
    }

    /// For how long the leaf is still valid.
    pub(crate) fn remaining(&self) -> Duration {
        let remaining = self.expires.duration_since(SystemTime::now());
        remaining.unwrap_or_default()
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

/// The first moment at which no handshake would be taken with a certificate any
/// more: BoringSSL, unlike RFC 5280, section 4.1.2.5, leaves `notAfter` out.
fn expiry(certificate: &X509) -> Result<SystemTime, ErrorStack> {
    let left = Asn1Time::from_unix(0)?.diff(certificate.not_after())?;
    let seconds = i64::from(left.days) * 24 * 60 * 60 + i64::from(left.secs);
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    Ok(SystemTime::UNIX_EPOCH + since)
}
#[cfg(test)]
#[path = "shown_tests.rs"]
mod tests;
