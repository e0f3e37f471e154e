//! What libraries of C do and nobody has made a safe interface for: BoringSSL's lists
//! of revoked certificates, what a caller's certificate must be for, how much of a
//! chain is taken; the allocator's giving back.
//!
//! The only module with unsafe code. It knows how to ask; what follows is for
//! others to decide.
#![allow(unsafe_code, reason = "these functions have no safe wrapper")]

use std::ffi::{CStr, OsStr, c_int};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::ptr::{self, NonNull};

use boring::error::ErrorStack;
use boring::ssl::SslContextBuilder;
use boring::x509::X509NameRef;
use boring::x509::store::X509StoreBuilder;
use foreign_types::{ForeignType, ForeignTypeRef};
// Has it linked.
use mimalloc as _;
use pingora_core::tls::ssl_sys as ffi;

unsafe extern "C" {
    fn mi_collect(force: bool);
}

/// Gives memory back that is free and that the allocator keeps in case it is asked for
/// again. It would by itself, but in an idle process it may be long before it does.
pub(crate) fn give_back_memory() {
    // SAFETY: takes no pointer, and may be called at any time by any thread.
    unsafe { mi_collect(true) }
}

/// Of a peer's certificates, in all: several times what a good chain takes. BoringSSL
/// would take 100 KiB, and what it makes of them is many times as large.
const CERTIFICATES: usize = 16 << 10;

/// Takes no longer list of certificates of a peer, before it is known who that is.
pub(crate) fn bound_certificates(context: &mut SslContextBuilder) {
    // SAFETY: the context is live, and nobody else's yet.
    unsafe { ffi::SSL_CTX_set_max_cert_list(context.as_ptr(), CERTIFICATES) }
}

/// The file and the folder of the authorities that the system trusts, be they there or
/// not.
pub(crate) fn authorities() -> [PathBuf; 2] {
    // SAFETY: these return texts that end with a zero and live for ever.
    let [file, folder] = unsafe {
        [
            (
                ffi::X509_get_default_cert_file_env(),
                ffi::X509_get_default_cert_file(),
            ),
            (
                ffi::X509_get_default_cert_dir_env(),
                ffi::X509_get_default_cert_dir(),
            ),
        ]
        .map(|(variable, path)| (CStr::from_ptr(variable), CStr::from_ptr(path)))
    };
    [file, folder].map(|(variable, path)| {
        let os = |text: &CStr| OsStr::from_bytes(text.to_bytes()).to_owned();
        std::env::var_os(os(variable))
            .unwrap_or_else(|| os(path))
            .into()
    })
}

/// What is verified by the store is a client's certificate, or not good.
///
/// # Errors
/// When BoringSSL refuses.
pub(crate) fn verify_clients(store: &mut X509StoreBuilder) -> Result<(), ErrorStack> {
    let store = store.as_ptr();
    // SAFETY: the store is live, and nobody else's yet.
    ok(unsafe { ffi::X509_STORE_set_purpose(store, ffi::X509_PURPOSE_SSL_CLIENT) })?;
    // SAFETY: likewise.
    ok(unsafe { ffi::X509_STORE_set_trust(store, ffi::X509_TRUST_SSL_CLIENT) })
}

/// A list of revoked certificates (RFC 5280, section 5).
#[derive(Debug)]
pub(crate) struct RevocationList(NonNull<ffi::X509_CRL>);

impl Drop for RevocationList {
    fn drop(&mut self) {
        // SAFETY: gives up the reference that is this one's, once.
        unsafe { ffi::X509_CRL_free(self.0.as_ptr()) }
    }
}

impl RevocationList {
    /// Every list of a PEM file.
    ///
    /// # Errors
    /// The number of the first that cannot be read.
    pub(crate) fn read_all(pem: &[u8]) -> Result<Vec<Self>, usize> {
        let mut lists = Vec::new();
        let mut text = Text::new(pem).ok_or(1_usize)?;
        loop {
            match text.next_list() {
                Ok(Some(list)) => lists.push(list),
                Ok(None) => return Ok(lists),
                Err(Damaged) => return Err(lists.len() + 1),
            }
        }
    }

    /// Whether `authority` has made it.
    pub(crate) fn is_of(&self, authority: &X509NameRef) -> bool {
        // SAFETY: both are live; the issuer belongs to the list.
        unsafe {
            let issuer = ffi::X509_CRL_get_issuer(self.0.as_ptr());
            ffi::X509_NAME_cmp(issuer, authority.as_ptr()) == 0
        }
    }

    /// Has the store verify by it. The store takes a reference of its own.
    ///
    /// # Errors
    /// When BoringSSL refuses.
    pub(crate) fn add_to(&self, store: &mut X509StoreBuilder) -> Result<(), ErrorStack> {
        // SAFETY: both are live.
        ok(unsafe { ffi::X509_STORE_add_crl(store.as_ptr(), self.0.as_ptr()) })
    }

    /// Whether it tells only what has changed since another (section 5.2.4).
    pub(crate) fn is_delta(&self) -> bool {
        // SAFETY: the list is live.
        unsafe { ffi::X509_CRL_get_ext_by_NID(self.0.as_ptr(), ffi::NID_delta_crl, -1) >= 0 }
    }

    /// Whether it tells of other authorities' certificates, or only of some reasons
    /// or of attribute certificates (section 5.2.5).
    pub(crate) fn is_partial(&self) -> bool {
        let (list, scope) = (self.0.as_ptr(), ffi::NID_issuing_distribution_point);
        // SAFETY: the list is live; what comes is ours to free, and of this type.
        unsafe {
            let found = ffi::X509_CRL_get_ext_d2i(list, scope, ptr::null_mut(), ptr::null_mut());
            let Some(scope) = NonNull::new(found.cast::<ffi::ISSUING_DIST_POINT>()) else {
                return false;
            };
            let ffi::ISSUING_DIST_POINT {
                onlysomereasons,
                indirectCRL,
                onlyattr,
                ..
            } = *scope.as_ptr();
            ffi::ISSUING_DIST_POINT_free(scope.as_ptr());
            !onlysomereasons.is_null() || indirectCRL != 0 || onlyattr != 0
        }
    }

    /// Whether it, or an entry, says that who does not understand an extension must
    /// not go by it, and BoringSSL does not.
    pub(crate) fn is_beyond_us(&self) -> bool {
        self.has_critical_extension() || self.has_critical_entry()
    }

    fn has_critical_extension(&self) -> bool {
        let known = [
            ffi::NID_issuing_distribution_point,
            ffi::NID_authority_key_identifier,
        ];
        let list = self.0.as_ptr();
        let mut at = -1;
        loop {
            // SAFETY: the list is live.
            at = unsafe { ffi::X509_CRL_get_ext_by_critical(list, 1, at) };
            if at < 0 {
                return false;
            }
            // SAFETY: `at` is the place of an extension, which belongs to the list.
            let name = unsafe {
                ffi::OBJ_obj2nid(ffi::X509_EXTENSION_get_object(ffi::X509_CRL_get_ext(
                    list, at,
                )))
            };
            if !known.contains(&name) {
                return true;
            }
        }
    }

    fn has_critical_entry(&self) -> bool {
        // SAFETY: the list is live, and its entries belong to it; there may be none,
        // which is a stack of length zero.
        let (entries, number) = unsafe {
            let entries: *const ffi::OPENSSL_STACK =
                ffi::X509_CRL_get_REVOKED(self.0.as_ptr()).cast();
            (entries, ffi::OPENSSL_sk_num(entries))
        };
        (0..number).any(|at| {
            // SAFETY: `at` is less than the number of entries, which are of this type.
            unsafe {
                let entry: *const ffi::X509_REVOKED = ffi::OPENSSL_sk_value(entries, at).cast();
                ffi::X509_REVOKED_get_ext_by_critical(entry, 1, -1) >= 0
            }
        })
    }
}

/// A list that cannot be read.
struct Damaged;

/// A PEM text, read from list to list.
struct Text<'a> {
    bio: NonNull<ffi::BIO>,
    _read: &'a [u8],
}

impl<'a> Text<'a> {
    fn new(pem: &'a [u8]) -> Option<Self> {
        let length = isize::try_from(pem.len()).ok()?;
        // SAFETY: `pem` outlives what is made, which only reads these bytes.
        let bio = unsafe { ffi::BIO_new_mem_buf(pem.as_ptr().cast(), length as _) };
        let bio = NonNull::new(bio)?;
        Some(Self { bio, _read: pem })
    }

    /// `None`: there are no more.
    fn next_list(&mut self) -> Result<Option<RevocationList>, Damaged> {
        // What others have left there is not about this.
        drop(ErrorStack::get());
        // SAFETY: null asks for a new list, without callback and password.
        let list = unsafe {
            ffi::PEM_read_bio_X509_CRL(self.bio.as_ptr(), ptr::null_mut(), None, ptr::null_mut())
        };
        let why = ErrorStack::get();
        match (NonNull::new(list), why.errors().last()) {
            (Some(list), _) => Ok(Some(RevocationList(list))),
            (None, Some(why))
                if why.library_reason(ffi::ERR_LIB_PEM) == Some(ffi::PEM_R_NO_START_LINE) =>
            {
                Ok(None)
            }
            (None, _) => Err(Damaged),
        }
    }
}

impl Drop for Text<'_> {
    fn drop(&mut self) {
        // SAFETY: it is ours, and not used after this.
        unsafe { ffi::BIO_free(self.bio.as_ptr()) };
    }
}

fn ok(done: c_int) -> Result<(), ErrorStack> {
    match done {
        1 => Ok(()),
        _ => Err(ErrorStack::get()),
    }
}
