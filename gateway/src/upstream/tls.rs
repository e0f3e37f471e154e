//! TLS towards upstreams: one context for each TLS policy, made when the
//! configuration is loaded.
//!
//! INVARIANT(verified-upstream): chain and name are always verified, the name
//! by subject alternative names only; no connection has an empty server name;
//! no version is older than TLS 1.2. Pingora's own connector guarantees none
//! of these, so it is not used.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use boring::pkey::PKey;
use boring::ssl::{
    Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslVerifyMode, SslVersion,
};
use boring::x509::X509;
use boring::x509::store::X509StoreBuilder;
use boring::x509::verify::{X509CheckFlags, X509VerifyParamRef};
use pingora_core::tls::ext::add_host;
use policy::destination::{Pem, TlsPolicy, TlsVersion};
use zeroize::Zeroizing;

use super::{Offer, farewell};
use crate::foreign;

/// TLS 1.2 with forward secrecy and AEAD; TLS 1.3's own are not listed here.
const CIPHERS: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
    ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
    ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

/// A compiled TLS policy.
pub struct UpstreamTls {
    context: SslContext,
    server_name: Option<Box<str>>,
    names: Vec<Box<str>>,
    /// Differs whenever anything differs that a connection was made with.
    pub(super) fingerprint: u64,
}

impl fmt::Debug for UpstreamTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamTls")
            .field("server_name", &self.server_name)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// Why a TLS policy cannot be used.
#[derive(Debug)]
pub enum TlsError {
    /// A file cannot be read.
    Read(PathBuf, std::io::Error),
    /// A file or text is not what it should be.
    Content(Box<str>, &'static str),
    /// BoringSSL refuses.
    Tls(boring::error::ErrorStack),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "cannot read `{}`: {error}", path.display()),
            Self::Content(name, what) => write!(f, "{name} holds no {what} in PEM"),
            Self::Tls(error) => write!(f, "TLS set-up failed: {error}"),
        }
    }
}

impl std::error::Error for TlsError {}

impl From<boring::error::ErrorStack> for TlsError {
    fn from(error: boring::error::ErrorStack) -> Self {
        Self::Tls(error)
    }
}

impl UpstreamTls {
    /// Reads the policy's files and makes its context.
    ///
    /// # Errors
    /// When a file is missing or no PEM, or key and certificate do not fit.
    pub fn load(policy: &TlsPolicy) -> Result<Self, TlsError> {
        let mut hasher = fingerprint_hasher();
        format!("{policy:?}").hash(&mut hasher);
        let mut builder = SslContext::builder(SslMethod::tls())?;
        builder.set_verify(SslVerifyMode::PEER);
        builder.set_options(SslOptions::NO_COMPRESSION | SslOptions::NO_TICKET);
        builder.set_mode(
            SslMode::AUTO_RETRY
                | SslMode::ACCEPT_MOVING_WRITE_BUFFER
                | SslMode::ENABLE_PARTIAL_WRITE
                | SslMode::RELEASE_BUFFERS,
        );
        builder.set_cipher_list(CIPHERS)?;
        builder.set_min_proto_version(Some(match policy.min_version {
            TlsVersion::Tls12 => SslVersion::TLS1_2,
            TlsVersion::Tls13 => SslVersion::TLS1_3,
        }))?;
        builder.set_curves_list("X25519MLKEM768:X25519:P-256:P-384")?;
        farewell::listen(&mut builder)?;
        foreign::bound_certificates(&mut builder);
        trust(&mut builder, policy.ca.as_ref(), &mut hasher)?;
        if let Some(client) = &policy.client {
            let chain = read(&client.chain)?;
            let key = read(&client.key)?;
            (chain.as_slice(), key.as_slice()).hash(&mut hasher);
            present(&mut builder, &client.chain, &chain, &client.key, &key)?;
        }
        Ok(Self {
            context: builder.build(),
            server_name: policy.server_name.clone(),
            names: policy.names.clone(),
            fingerprint: hasher.finish(),
        })
    }

    /// The server name sent for an upstream of name `host`.
    pub(super) fn server_name<'a>(&'a self, host: &'a str) -> &'a str {
        self.server_name.as_deref().unwrap_or(host)
    }

    /// A connection to be made to an upstream of name `host`.
    pub(super) fn session(
        &self,
        host: &str,
        offer: Offer,
    ) -> Result<Ssl, boring::error::ErrorStack> {
        let server_name = self.server_name(host);
        let mut ssl = Ssl::new(&self.context)?;
        farewell::expect(&mut ssl)?;
        // RFC 6066 knows no server name that is an address.
        if server_name.parse::<IpAddr>().is_err() {
            ssl.set_hostname(server_name)?;
        }
        if let Some(protocols) = offer.protocols() {
            ssl.set_alpn_protos(protocols)?;
        }
        let param = ssl.verify_param_mut();
        // Neither the subject's common name nor `w*.example` counts.
        param.set_hostflags(
            X509CheckFlags::NEVER_CHECK_SUBJECT | X509CheckFlags::NO_PARTIAL_WILDCARDS,
        );
        if self.names.is_empty() {
            expect_name(param, server_name)?;
        }
        for name in &self.names {
            expect_name(param, name)?;
        }
        Ok(ssl)
    }
}

/// Any one of the expected names suffices.
fn expect_name(
    param: &mut X509VerifyParamRef,
    name: &str,
) -> Result<(), boring::error::ErrorStack> {
    match name.parse() {
        Ok(address) => param.set_ip(address),
        Err(_) => add_host(param, name),
    }
}

/// Keyed, so that nobody outside can find two policies of one fingerprint.
fn fingerprint_hasher() -> impl Hasher {
    static KEYS: OnceLock<RandomState> = OnceLock::new();
    KEYS.get_or_init(RandomState::new).build_hasher()
}

/// Zeroed when it is done with: it may be a key.
fn read(pem: &Pem) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let bytes = match pem {
        Pem::File(path) => {
            std::fs::read(path).map_err(|error| TlsError::Read(path.to_owned(), error))?
        }
        Pem::Text(text) => text.as_bytes().to_vec(),
    };
    Ok(Zeroizing::new(bytes))
}

/// What a message calls it.
fn name(pem: &Pem) -> Box<str> {
    match pem {
        Pem::File(path) => format!("`{}`", path.display()).into(),
        Pem::Text(_) => "the Secret or ConfigMap".into(),
    }
}

fn certificates(source: &Pem, pem: &[u8]) -> Result<Vec<X509>, TlsError> {
    let content = || TlsError::Content(name(source), "certificate");
    let all = X509::stack_from_pem(pem).map_err(|_| content())?;
    if all.is_empty() {
        Err(content())
    } else {
        Ok(all)
    }
}

fn trust(
    builder: &mut SslContextBuilder,
    ca: Option<&Pem>,
    hasher: &mut impl Hasher,
) -> Result<(), TlsError> {
    let Some(source) = ca else {
        // Before they are read: what changes in between makes a difference once more.
        for authorities in foreign::authorities() {
            hash_files(&authorities, hasher);
        }
        builder.set_default_verify_paths()?;
        return Ok(());
    };
    let pem = read(source)?;
    pem.hash(hasher);
    let mut store = X509StoreBuilder::new()?;
    for certificate in certificates(source, &pem)? {
        store.add_cert(certificate)?;
    }
    builder.set_verify_cert_store(store.build())?;
    Ok(())
}

/// A file, or all there are in a folder. What is not there is no authority.
fn hash_files(path: &Path, hasher: &mut impl Hasher) {
    let mut files: Vec<PathBuf> = match std::fs::read_dir(path) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(_) => vec![path.to_owned()],
    };
    files.sort();
    for file in files {
        (&file, std::fs::read(&file).ok()).hash(hasher);
    }
}

fn present(
    builder: &mut SslContextBuilder,
    chain_source: &Pem,
    chain: &[u8],
    key_source: &Pem,
    key: &[u8],
) -> Result<(), TlsError> {
    let mut chain = certificates(chain_source, chain)?.into_iter();
    if let Some(leaf) = chain.next() {
        builder.set_certificate(&leaf)?;
    }
    for intermediate in chain {
        builder.add_extra_chain_cert(intermediate)?;
    }
    let key = PKey::private_key_from_pem(key)
        .map_err(|_| TlsError::Content(name(key_source), "private key"))?;
    builder.set_private_key(&key)?;
    builder.check_private_key()?;
    Ok(())
}
