//! Who calls: TLS from the mesh, and the one workload a certificate names.
//!
//! An [`Acceptor`] is made whole from files and replaced whole when one of them
//! changes. There is no session resumption: it would skip every check here,
//! and let in whom a new root or revocation list shuts out.

pub(crate) mod certificate;
mod der;
mod revocation;
mod roots;
mod shown;

use std::fmt;
use std::path::{Path, PathBuf};

use boring::pkey::{PKey, Private};
use boring::ssl::{
    AlpnError, SslAcceptor, SslMethod, SslMode, SslOptions, SslRef, SslSessionCacheMode,
    SslVerifyMode, SslVersion, select_next_proto,
};
use boring::x509::X509;
use boring::x509::X509VerifyError;
use conf::snapshot::{IdentityFiles, ListenerMode, Settings};
use policy::principal::Principal;
use policy::refusal::Refusal;
use zeroize::Zeroizing;

use crate::foreign;
use revocation::RevocationLists;
use roots::{DomainRoots, store};
pub(crate) use shown::Shown;

/// HTTP/2 before HTTP/1.1; never an `istio*` protocol, which would oblige us
/// to speak it.
const PROTOCOLS: &[u8] = b"\x02h2\x08http/1.1";
/// What is agreed upon at a kind of listener.
struct Terms {
    oldest: SslVersion,
    protocols: &'static [u8],
    /// What becomes of a client with other protocols.
    otherwise: AlpnError,
}

/// Without overlap the handshake goes on without ALPN, as Envoy's does.
const MESH: Terms = Terms {
    oldest: SslVersion::TLS1_2,
    protocols: PROTOCOLS,
    otherwise: AlpnError::NOACK,
};
const PROXY: Terms = Terms {
    protocols: b"\x08http/1.1",
    ..MESH
};
/// As ztunnel and waypoints speak it, and nobody else.
const HBONE: Terms = Terms {
    oldest: SslVersion::TLS1_3,
    protocols: b"\x02h2",
    otherwise: AlpnError::ALERT_FATAL,
};
/// The sidecars' own order: post-quantum hybrid first.
const GROUPS: &str = "X25519MLKEM768:X25519:P-256";
/// Certificates between a leaf and its root.
const MAX_DEPTH: u8 = 3;

/// TLS for the mesh, as the files were when it was made.
pub struct Acceptor {
    mesh: SslAcceptor,
    proxy: SslAcceptor,
    hbone: SslAcceptor,
    domains: Vec<DomainRoots>,
    trust: u64,
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor")
            .field("domains", &self.domains)
            .finish_non_exhaustive()
    }
}

/// Why the identity's files cannot be used.
#[derive(Debug)]
pub enum IdentityError {
    /// A file cannot be read.
    Read(PathBuf, std::io::Error),
    /// A file is not what it should be.
    Content(PathBuf, &'static str),
    /// A file of revocation lists cannot be gone by.
    Lists(PathBuf, String),
    /// Certificate and key are not of one pair; perhaps only one was renewed yet.
    Mismatch(PathBuf, PathBuf),
    /// BoringSSL refuses.
    Tls(boring::error::ErrorStack),
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "cannot read `{}`: {error}", path.display()),
            Self::Content(path, what) => write!(f, "`{}` holds no {what} in PEM", path.display()),
            Self::Lists(path, what) => write!(f, "`{}`: {what}", path.display()),
            Self::Mismatch(chain, key) => write!(
                f,
                "the key in `{}` does not belong to the certificate in `{}`",
                key.display(),
                chain.display()
            ),
            Self::Tls(error) => write!(f, "TLS set-up failed: {error}"),
        }
    }
}

impl std::error::Error for IdentityError {}

impl From<boring::error::ErrorStack> for IdentityError {
    fn from(error: boring::error::ErrorStack) -> Self {
        Self::Tls(error)
    }
}

impl Acceptor {
    /// Reads the identity's files and those of the trust domains.
    ///
    /// # Errors
    /// When one is missing, is no PEM, or key and certificate do not fit.
    pub fn load(files: &IdentityFiles, settings: &Settings) -> Result<Self, IdentityError> {
        let revoked = files.crl.as_deref();
        let revoked = revoked.map(RevocationLists::read).transpose()?;
        let domains = roots::domains(files, settings, revoked.as_ref())?;
        let speaking = |terms| acceptor(files, &domains, revoked.as_ref(), terms);
        Ok(Self {
            mesh: speaking(MESH)?,
            proxy: speaking(PROXY)?,
            hbone: speaking(HBONE)?,
            trust: roots::fingerprint(&domains, revoked.as_ref())?,
            domains,
        })
    }

    /// TLS as it is spoken at a listener.
    pub(crate) fn tls(&self, mode: ListenerMode) -> &SslAcceptor {
        match mode {
            ListenerMode::Proxy => &self.proxy,
            ListenerMode::Hbone => &self.hbone,
            _ => &self.mesh,
        }
    }

    /// Differs whenever roots, trust domains or revocation lists do.
    pub(crate) fn trust(&self) -> u64 {
        self.trust
    }

    /// The workload on the other end of a finished handshake, and what it showed.
    ///
    /// # Errors
    /// When its certificate names not exactly one workload of a trust domain
    /// of ours, is not vouched for by that domain's own roots, or comes with more
    /// others than a chain has.
    pub(crate) fn identify(&self, ssl: &SslRef) -> Result<(Principal, Shown), Refusal> {
        let leaf = ssl.peer_certificate().ok_or(Refusal::NoClientCertificate)?;
        let principal = certificate::principal(&leaf)?;
        let shown = Shown::new(leaf, ssl.peer_cert_chain())?;
        let domain = self.domain(&principal)?;
        // With one set of roots BoringSSL has already done this very check.
        if self.domains.len() > 1 && domain.verify(&shown).is_err() {
            return Err(Refusal::TrustDomain);
        }
        Ok((principal, shown))
    }

    /// Whether a caller who was identified once would be so now.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn judge(&self, shown: &Shown, principal: &Principal) -> Result<(), Refusal> {
        self.domain(principal)?.verify(shown).map_err(unverified)
    }

    fn domain(&self, principal: &Principal) -> Result<&DomainRoots, Refusal> {
        let mut domains = self.domains.iter();
        domains
            .find(|domain| domain.covers(principal.trust_domain()))
            .ok_or(Refusal::TrustDomain)
    }
}

/// Why a handshake ended early.
pub(crate) fn handshake_refusal(ssl: &SslRef, error: &boring::ssl::Error) -> Refusal {
    if error
        .to_string()
        .contains("PEER_DID_NOT_RETURN_A_CERTIFICATE")
    {
        return Refusal::NoClientCertificate;
    }
    let Err(why) = ssl.verify_result() else {
        return Refusal::HandshakeFailed;
    };
    // Never verified: the handshake broke off before there was anything to verify.
    if why == X509VerifyError::INVALID_CALL {
        return Refusal::HandshakeFailed;
    }
    unverified(why)
}

/// Why a chain is not good.
fn unverified(why: X509VerifyError) -> Refusal {
    match why {
        X509VerifyError::CERT_HAS_EXPIRED | X509VerifyError::CERT_NOT_YET_VALID => {
            Refusal::CertificateExpired
        }
        X509VerifyError::CERT_REVOKED
        | X509VerifyError::UNABLE_TO_GET_CRL
        | X509VerifyError::CRL_HAS_EXPIRED
        | X509VerifyError::CRL_NOT_YET_VALID
        | X509VerifyError::CRL_SIGNATURE_FAILURE
        | X509VerifyError::DIFFERENT_CRL_SCOPE
        | X509VerifyError::KEYUSAGE_NO_CRL_SIGN => Refusal::CertificateRevoked,
        X509VerifyError::INVALID_PURPOSE => Refusal::CertificatePurpose,
        _ => Refusal::CertificateUntrusted,
    }
}

fn acceptor(
    files: &IdentityFiles,
    domains: &[DomainRoots],
    revoked: Option<&RevocationLists>,
    terms: Terms,
) -> Result<SslAcceptor, IdentityError> {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls())?;
    builder.set_min_proto_version(Some(terms.oldest))?;
    builder.set_curves_list(GROUPS)?;
    builder.set_options(SslOptions::NO_TICKET | SslOptions::NO_RENEGOTIATION);
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_mode(SslMode::RELEASE_BUFFERS);
    builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    builder.set_verify_depth(MAX_DEPTH.into());
    foreign::bound_certificates(&mut builder);
    let everyone = domains.iter().flat_map(|d| &d.certificates);
    builder.set_verify_cert_store(store(everyone, revoked)?)?;
    builder.set_alpn_select_callback(move |_, offered| {
        select_next_proto(terms.protocols, offered).ok_or(terms.otherwise)
    });
    present(&mut builder, files)?;
    Ok(builder.build())
}

fn present(
    builder: &mut boring::ssl::SslAcceptorBuilder,
    files: &IdentityFiles,
) -> Result<(), IdentityError> {
    let mut chain = read_certificates(&files.chain)?.into_iter();
    let leaf = chain
        .next()
        .ok_or_else(|| IdentityError::Content(files.chain.clone(), "certificate"))?;
    let key = read_key(&files.key)?;
    if !leaf.public_key()?.public_eq(&key) {
        return Err(IdentityError::Mismatch(
            files.chain.clone(),
            files.key.clone(),
        ));
    }
    builder.set_certificate(&leaf)?;
    for intermediate in chain {
        builder.add_extra_chain_cert(intermediate)?;
    }
    builder.set_private_key(&key)?;
    Ok(())
}

/// Zeroed when it is done with: it may be a key.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    let bytes = std::fs::read(path).map(Zeroizing::new);
    bytes.map_err(|error| IdentityError::Read(path.to_owned(), error))
}

fn read_certificates(path: &Path) -> Result<Vec<X509>, IdentityError> {
    let content = || IdentityError::Content(path.to_owned(), "certificate");
    let all = X509::stack_from_pem(&read(path)?).map_err(|_| content())?;
    if all.is_empty() {
        Err(content())
    } else {
        Ok(all)
    }
}

fn read_key(path: &Path) -> Result<PKey<Private>, IdentityError> {
    PKey::private_key_from_pem(&read(path)?)
        .map_err(|_| IdentityError::Content(path.to_owned(), "private key"))
}
