//! Certificate revocation lists, for which boring has no safe interface.
//!
//! The only module with unsafe code. With a list configured BoringSSL checks
//! the leaf against it and fails closed: a missing, stale or badly signed list
//! refuses every certificate of its issuer.
#![allow(unsafe_code, reason = "BoringSSL's CRL functions have no safe wrapper")]

use boring::x509::store::X509StoreBuilder;
use boring::x509::verify::X509VerifyFlags;
use foreign_types::ForeignType;
use pingora_core::tls::ssl_sys as ffi;

use super::IdentityError;
use super::roots::RevocationLists;

/// Adds every list of a PEM file to the store.
///
/// # Errors
/// When it holds no list.
pub(super) fn add(
    store: &mut X509StoreBuilder,
    lists: &RevocationLists,
) -> Result<(), IdentityError> {
    let RevocationLists { path, pem } = lists;
    let content = || IdentityError::Content(path.clone(), "certificate revocation list");
    let length = isize::try_from(pem.len()).map_err(|_| content())?;
    let mut added = 0_u32;
    // SAFETY: `pem` outlives `bio`, which only reads the `length` bytes of it.
    let bio = unsafe { ffi::BIO_new_mem_buf(pem.as_ptr().cast(), length as _) };
    if bio.is_null() {
        return Err(content());
    }
    loop {
        // SAFETY: `bio` is a live BIO; null asks for a new CRL, no callback, no password.
        let crl = unsafe {
            ffi::PEM_read_bio_X509_CRL(bio, std::ptr::null_mut(), None, std::ptr::null_mut())
        };
        if crl.is_null() {
            break;
        }
        // SAFETY: both are live; the store takes a reference of its own.
        let done = unsafe { ffi::X509_STORE_add_crl(store.as_ptr(), crl) };
        // SAFETY: gives up the reference PEM_read_bio_X509_CRL gave us, once.
        unsafe { ffi::X509_CRL_free(crl) };
        added += u32::from(done == 1);
    }
    // SAFETY: `bio` is live and not used after this.
    unsafe { ffi::BIO_free(bio) };
    // The end of the file is an error to BoringSSL; nobody else should see it.
    drop(boring::error::ErrorStack::get());
    if added == 0 {
        return Err(content());
    }
    store.set_flags(X509VerifyFlags::CRL_CHECK);
    Ok(())
}
