//! Recipes for leaf certificates: the good ones, as istiod and public
//! authorities issue them, and each way one can be bad.

use boring::pkey::PKey;
use boring::rsa::Rsa;
use rcgen::{
    CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber,
};
use time::{Duration, OffsetDateTime};

use crate::pki::Credential;

const SLEEP: &str = "cluster.local/ns/default/sa/sleep";
const POLITICS: &str = "cluster.local/ns/default/sa/politics";

/// Who signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The mesh's root.
    Mesh,
    /// The mesh's next root: same subject, another key, trusted as well.
    NextMesh,
    /// An authority below the mesh's root.
    Intermediate,
    /// A root of the mesh's subject that nobody trusts.
    ForeignMesh,
    /// The root trusted for external hosts.
    Origin,
    /// A root of that subject that nobody trusts.
    ForeignOrigin,
}

/// What a chain file holds beside the leaf.
#[derive(Clone, Copy, Debug)]
pub enum Presented {
    /// The authority too, as istiod's agent writes its root.
    WithAuthority,
    /// Nothing.
    Alone,
}

impl Signer {
    /// How chains of this signer are presented.
    #[must_use]
    pub fn presents(self) -> Presented {
        match self {
            Self::Mesh | Self::NextMesh | Self::Intermediate | Self::ForeignMesh => {
                Presented::WithAuthority
            }
            Self::Origin | Self::ForeignOrigin => Presented::Alone,
        }
    }
}

/// Kinds of private key.
#[derive(Clone, Copy, Debug)]
pub enum Key {
    /// ECDSA over P-256.
    P256,
    /// RSA of 2048 bits, istiod's default.
    Rsa,
}

/// What a leaf certificate says.
#[derive(Clone, Debug)]
pub struct Leaf {
    common_name: Option<String>,
    names: Vec<SanType>,
    purposes: Vec<ExtendedKeyUsagePurpose>,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    key: Key,
}

/// A signed leaf, as PEM.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) serial: Vec<u8>,
}

impl Leaf {
    /// As istiod issues it: empty subject, so the one URI name is critical.
    #[must_use]
    pub fn workload(principal: &str) -> Self {
        Self::new(vec![uri(principal)], None).purposes(&[
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ])
    }

    /// As a public authority issues it for `hosts`.
    #[must_use]
    pub fn origin(hosts: &[&str]) -> Self {
        let first = hosts.first().map(|host| (*host).to_owned());
        Self::new(hosts.iter().copied().map(dns).collect(), first)
            .purposes(&[ExtendedKeyUsagePurpose::ServerAuth])
    }

    /// As nobody issues it any more: the host only as common name, which must not count (RFC 9525, 2).
    #[must_use]
    pub fn common_name_only(host: &str) -> Self {
        Self::origin(&[]).common_name(host)
    }

    fn new(names: Vec<SanType>, common_name: Option<String>) -> Self {
        let now = OffsetDateTime::now_utc();
        Self {
            common_name,
            names,
            purposes: Vec::new(),
            not_before: now - Duration::minutes(2),
            not_after: now + Duration::days(1),
            key: Key::P256,
        }
    }

    /// The same, over a day ago.
    #[must_use]
    pub fn expired(self) -> Self {
        self.shifted(Duration::days(-2))
    }

    /// The same, for so many seconds from now.
    #[must_use]
    pub fn for_seconds(mut self, seconds: i64) -> Self {
        self.not_after = OffsetDateTime::now_utc() + Duration::seconds(seconds);
        self
    }

    /// The same, from tomorrow on.
    #[must_use]
    pub fn not_yet_valid(self) -> Self {
        self.shifted(Duration::days(2))
    }

    fn shifted(mut self, by: Duration) -> Self {
        self.not_before += by;
        self.not_after += by;
        self
    }

    /// The same, with another kind of key.
    #[must_use]
    pub fn key(mut self, key: Key) -> Self {
        self.key = key;
        self
    }

    fn purposes(mut self, purposes: &[ExtendedKeyUsagePurpose]) -> Self {
        self.purposes = purposes.to_vec();
        self
    }

    fn names(mut self, names: Vec<SanType>) -> Self {
        self.names = names;
        self
    }

    fn common_name(mut self, name: &str) -> Self {
        self.common_name = Some(name.to_owned());
        self
    }

    pub(crate) fn sign(&self, authority: &CertifiedIssuer<'static, KeyPair>) -> Signed {
        let key = self.key.generate();
        let params = self.params(&key);
        let serial = params.serial_number.as_ref().map(SerialNumber::to_bytes);
        let certificate = params.signed_by(&key, authority).expect("a signed leaf");
        Signed {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            serial: serial.unwrap_or_default(),
        }
    }

    fn params(&self, key: &KeyPair) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if let Some(name) = &self.common_name {
            params
                .distinguished_name
                .push(DnType::CommonName, name.as_str());
        }
        params.subject_alt_names.clone_from(&self.names);
        params.not_before = self.not_before;
        params.not_after = self.not_after;
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        params.extended_key_usages.clone_from(&self.purposes);
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial(key));
        params
    }
}

impl Key {
    fn generate(self) -> KeyPair {
        match self {
            Self::P256 => KeyPair::generate().expect("an ECDSA key"),
            Self::Rsa => rsa(),
        }
    }
}

/// `ring` signs with RSA but makes no RSA keys; BoringSSL does.
fn rsa() -> KeyPair {
    let key = Rsa::generate(2048)
        .and_then(PKey::from_rsa)
        .expect("an RSA key");
    let pem = key.private_key_to_pem_pkcs8().expect("a PEM key");
    KeyPair::from_pem(&String::from_utf8_lossy(&pem)).expect("a key rcgen can use")
}

/// 128 bits taken from the key, positive and without leading zero (RFC 5280, 4.1.2.2).
fn serial(key: &KeyPair) -> SerialNumber {
    let mut bytes: Vec<u8> = key
        .public_key_raw()
        .iter()
        .rev()
        .take(16)
        .copied()
        .collect();
    bytes[0] = bytes[0] & 0x3f | 0x40;
    SerialNumber::from(bytes)
}

fn uri(principal: &str) -> SanType {
    let uri = format!("spiffe://{principal}");
    SanType::URI(uri.as_str().try_into().expect("an ASCII URI"))
}

fn dns(host: &str) -> SanType {
    SanType::DnsName(host.try_into().expect("an ASCII name"))
}

/// One way a client certificate is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Over since yesterday.
    Expired,
    /// From tomorrow on.
    NotYetValid,
    /// Signed by a stranger with the mesh root's subject.
    OtherAuthority,
    /// No alternative name at all, only a common name.
    NoName,
    /// A DNS name only.
    DnsNameOnly,
    /// Two SPIFFE ids: `sleep` borrows the rights of `politics`.
    TwoUris,
    /// A trust domain that is not ours, under our root.
    ForeignTrustDomain,
    /// May serve, may not call.
    ServerAuthOnly,
    /// A SPIFFE id that only begins like that of `politics`.
    ExtraSegment,
}

impl Flaw {
    /// Every flaw.
    pub const ALL: [Self; 9] = [
        Self::Expired,
        Self::NotYetValid,
        Self::OtherAuthority,
        Self::NoName,
        Self::DnsNameOnly,
        Self::TwoUris,
        Self::ForeignTrustDomain,
        Self::ServerAuthOnly,
        Self::ExtraSegment,
    ];

    pub(crate) fn recipe(self) -> (Leaf, Signer) {
        let sleep = Leaf::workload(SLEEP);
        let leaf = match self {
            Self::OtherAuthority => return (sleep, Signer::ForeignMesh),
            Self::Expired => sleep.expired(),
            Self::NotYetValid => sleep.not_yet_valid(),
            Self::NoName => sleep.names(Vec::new()).common_name("sleep"),
            Self::DnsNameOnly => sleep.names(vec![dns("sleep.default.svc.cluster.local")]),
            Self::TwoUris => sleep.names(vec![uri(SLEEP), uri(POLITICS)]),
            Self::ForeignTrustDomain => Leaf::workload("other.domain/ns/default/sa/sleep"),
            Self::ServerAuthOnly => sleep.purposes(&[ExtendedKeyUsagePurpose::ServerAuth]),
            Self::ExtraSegment => Leaf::workload(&format!("{POLITICS}/extra")),
        };
        (leaf, Signer::Mesh)
    }
}

/// A list, valid today, of the revoked credentials.
pub(crate) fn revocation_list(
    authority: &CertifiedIssuer<'static, KeyPair>,
    revoked: &[&Credential],
) -> String {
    let now = OffsetDateTime::now_utc();
    let params = CertificateRevocationListParams {
        this_update: now - Duration::minutes(2),
        next_update: now + Duration::days(1),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: revoked
            .iter()
            .map(|credential| revocation(credential, now))
            .collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let list = params.signed_by(authority).expect("a signed list");
    list.pem().expect("a PEM list")
}

fn revocation(credential: &Credential, at: OffsetDateTime) -> RevokedCertParams {
    RevokedCertParams {
        serial_number: SerialNumber::from_slice(&credential.serial),
        revocation_time: at - Duration::minutes(1),
        reason_code: None,
        invalidity_date: None,
    }
}
