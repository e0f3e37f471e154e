//! Lists of revoked certificates, and which of them we go by.
//!
//! With a file of lists BoringSSL checks every certificate of a chain, as Envoy
//! does, and fails closed: without a list of its issuer that is in force no
//! certificate is good. A list that could not be heeded is refused when it is read,
//! since BoringSSL would pass over it, and what it revokes would be good.

use std::path::{Path, PathBuf};

use boring::error::ErrorStack;
use boring::x509::X509;
use boring::x509::store::X509StoreBuilder;
use boring::x509::verify::X509VerifyFlags;
use zeroize::Zeroizing;

use super::{IdentityError, read};
use crate::foreign::RevocationList;

/// What the first and the last line of a list hold, and no other line.
const FRAME: &[u8] = b"X509 CRL";

/// A file of revocation lists, as it was read.
pub(super) struct RevocationLists {
    path: PathBuf,
    pub(super) pem: Zeroizing<Vec<u8>>,
    lists: Vec<RevocationList>,
}

impl RevocationLists {
    /// # Errors
    /// When there is no list, or one that cannot be gone by.
    pub(super) fn read(path: &Path) -> Result<Self, IdentityError> {
        let pem = read(path)?;
        let lists = lists(&pem).map_err(|what| IdentityError::Lists(path.to_owned(), what))?;
        Ok(Self {
            path: path.to_owned(),
            pem,
            lists,
        })
    }

    /// Has the store verify by them.
    pub(super) fn add_to(&self, store: &mut X509StoreBuilder) -> Result<(), ErrorStack> {
        for list in &self.lists {
            list.add_to(store)?;
        }
        store.try_set_flags(X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL)
    }

    /// Says whose lists are missing among those of `roots`.
    ///
    /// # Errors
    /// When all are, so that nobody could be let in whom the roots vouch for.
    pub(super) fn look_for(&self, roots: &[X509]) -> Result<(), IdentityError> {
        let is_listed = |root: &&X509| {
            let mut lists = self.lists.iter();
            lists.any(|list| list.is_of(root.subject_name()))
        };
        let missing: Vec<&X509> = roots.iter().filter(|root| !is_listed(root)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = missing.iter().copied().map(name).collect();
        let error = IdentityError::Lists(self.path.clone(), {
            let names = names.join(", ");
            format!(
                "holds no list of {names}, and without one no certificate of its is good; \
                 add it, of no certificates if none is revoked"
            )
        });
        if missing.len() == roots.len() {
            return Err(error);
        }
        tracing::warn!("{error}");
        Ok(())
    }
}

/// The lists of a file, if all can be gone by.
fn lists(pem: &[u8]) -> Result<Vec<RevocationList>, String> {
    let lists = RevocationList::read_all(pem)
        .map_err(|number| format!("list {number} is damaged; write the whole file anew"))?;
    // A list whose first or last line is damaged is none to BoringSSL.
    let frames = pem.windows(FRAME.len()).filter(|bytes| bytes == &FRAME);
    if frames.count() != 2 * lists.len() {
        return Err(
            "holds a list without its first or last line; write the whole file anew".into(),
        );
    }
    if lists.is_empty() {
        return Err("holds no certificate revocation list in PEM".into());
    }
    for (number, list) in (1..).zip(&lists) {
        let what = if list.is_delta() {
            "tells only changes of another"
        } else if list.is_partial() {
            "tells only some reasons, attribute certificates, or other authorities' certificates"
        } else if list.is_beyond_us() {
            "has a critical extension that is not known here"
        } else {
            continue;
        };
        return Err(format!(
            "list {number} {what}; give the complete list of its authority in its place"
        ));
    }
    Ok(lists)
}

/// Of an authority, as messages tell it.
fn name(certificate: &X509) -> String {
    let entries = certificate.subject_name().entries();
    let entries = entries.filter_map(|entry| {
        let kind = entry.object().nid().short_name().ok()?;
        Some(format!("{kind}={}", entry.data().as_utf8().ok()?))
    });
    format!("`{}`", entries.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
#[path = "revocation_tests.rs"]
mod tests;
