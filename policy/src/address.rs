//! What kind of place an IP address is.
//!
//! Names an operator allows may resolve to addresses nobody meant: the loopback
//! interface, the cluster's own network, a cloud's metadata service. Every
//! address is classified before it is dialled, and only [`AddressClass::Public`]
//! is dialled without the operator naming its range.
//!
//! After IANA's special-purpose registries (RFC 6890 and its successors) and the
//! clouds' published metadata addresses. In doubt an address is special.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

macro_rules! classes {
    ($($(#[$doc:meta])* $variant:ident $word:literal)*) => {
        /// The kind of an address.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum AddressClass {
            $($(#[$doc])* $variant,)*
        }

        impl AddressClass {
            /// Every class.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word for records and configuration.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

classes! {
    /// The internet at large.
    Public "public"
    /// RFC 1918.
    Private "private"
    /// 127.0.0.0/8 and ::1.
    Loopback "loopback"
    /// 169.254.0.0/16 and `fe80::/10`.
    LinkLocal "link-local"
    /// A cloud's metadata or credential service, wherever its address lies.
    Metadata "metadata"
    /// 100.64.0.0/10 (RFC 6598): many clusters number pods from it.
    CarrierGradeNat "carrier-grade-nat"
    /// 224.0.0.0/4 and ff00::/8.
    Multicast "multicast"
    /// 255.255.255.255.
    Broadcast "broadcast"
    /// The examples of documents (RFC 5737, 3849, 9637).
    Documentation "documentation"
    /// Device benchmarking (RFC 2544, 5180).
    Benchmarking "benchmarking"
    /// Set aside for protocols or the future; no origin lives there.
    Reserved "reserved"
    /// 0.0.0.0/8 and ::, which many systems connect to themselves.
    Unspecified "unspecified"
    /// fc00::/7 (RFC 4193).
    UniqueLocal "unique-local"
    /// IPv6 that a translator turns into some IPv4: mapped, compatible, NAT64,
    /// 6to4, Teredo, ISATAP. A way around every rule above.
    EmbeddedIpv4 "embedded-ipv4"
}

impl AddressClass {
    /// Whether the address may be dialled without the operator's naming it.
    #[must_use]
    pub fn is_public(self) -> bool {
        self == Self::Public
    }

    /// The class of that word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|class| class.as_str() == word)
    }
}

/// The kind of `address`.
#[must_use]
pub fn classify(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(address) => classify_v4(address),
        IpAddr::V6(address) => classify_v6(address),
    }
}

fn classify_v4(address: Ipv4Addr) -> AddressClass {
    let known = V4.iter().find(|(range, _)| range.contains(&address));
    known.map_or(AddressClass::Public, |(_, class)| *class)
}

fn classify_v6(address: Ipv6Addr) -> AddressClass {
    let known = V6.iter().find(|(range, _)| range.contains(&address));
    match known {
        Some((_, class)) => *class,
        None if is_isatap(address) => AddressClass::EmbeddedIpv4,
        None if GLOBAL_UNICAST.contains(&address) => AddressClass::Public,
        None => AddressClass::Reserved,
    }
}

/// The IPv4 address that a translator, or the system itself, makes of an address
/// of [`AddressClass::EmbeddedIpv4`], and the length of the prefix before it.
#[must_use]
pub fn embedded_v4(address: IpAddr) -> Option<(Ipv4Addr, u8)> {
    let IpAddr::V6(six) = address else {
        return None;
    };
    if classify(address) != AddressClass::EmbeddedIpv4 {
        return None;
    }
    let [first, second, third, .., seventh, last] = six.segments();
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    Some(match (first, second) {
        (0x2002, _) => (of(second, third), 16),
        // Teredo writes it inverted.
        (0x2001, 0) => (of(!seventh, !last), 96),
        _ => (of(seventh, last), 96),
    })
}

/// RFC 5214, section 6.1: the interface identifier is `[02]00:5efe` and an IPv4
/// address, below any prefix.
fn is_isatap(address: Ipv6Addr) -> bool {
    let [_, _, _, _, high, mark, _, _] = address.segments();
    matches!(high, 0 | 0x200) && mark == 0x5efe
}

/// All that IANA has given out for global unicast (RFC 4291, section 2.4).
const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

const fn v4(octets: [u8; 4], length: u8) -> Ipv4Net {
    let [a, b, c, d] = octets;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(segments: [u16; 8], length: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), length)
}

/// The first range that contains an address decides: inner ranges stand first.
#[rustfmt::skip]
const V4: &[(Ipv4Net, AddressClass)] = &[
    (v4([169, 254, 169, 254], 32), AddressClass::Metadata), // AWS, Google, Azure, Oracle and others
    (v4([169, 254, 169, 253], 32), AddressClass::Metadata), // AWS resolver
    (v4([169, 254, 170, 2], 32), AddressClass::Metadata),   // AWS container credentials
    (v4([169, 254, 170, 23], 32), AddressClass::Metadata),  // AWS pod identity
    (v4([169, 254, 0, 23], 32), AddressClass::Metadata),    // Tencent
    (v4([169, 254, 42, 42], 32), AddressClass::Metadata),   // Scaleway
    (v4([100, 100, 100, 200], 32), AddressClass::Metadata), // Alibaba
    (v4([192, 0, 0, 192], 32), AddressClass::Metadata),     // Oracle classic
    (v4([168, 63, 129, 16], 32), AddressClass::Metadata),   // Azure wire server, else public
    (v4([0, 0, 0, 0], 8), AddressClass::Unspecified),
    (v4([10, 0, 0, 0], 8), AddressClass::Private),
    (v4([100, 64, 0, 0], 10), AddressClass::CarrierGradeNat),
    (v4([127, 0, 0, 0], 8), AddressClass::Loopback),
    (v4([169, 254, 0, 0], 16), AddressClass::LinkLocal),
    (v4([172, 16, 0, 0], 12), AddressClass::Private),
    (v4([192, 0, 0, 0], 24), AddressClass::Reserved), // protocol assignments, RFC 6890
    (v4([192, 0, 2, 0], 24), AddressClass::Documentation),
    (v4([192, 31, 196, 0], 24), AddressClass::Reserved), // AS112, RFC 7535
    (v4([192, 52, 193, 0], 24), AddressClass::Reserved), // AMT, RFC 7450
    (v4([192, 88, 99, 0], 24), AddressClass::Reserved),  // 6to4 relays, RFC 7526
    (v4([192, 168, 0, 0], 16), AddressClass::Private),
    (v4([192, 175, 48, 0], 24), AddressClass::Reserved), // AS112, RFC 7534
    (v4([198, 18, 0, 0], 15), AddressClass::Benchmarking),
    (v4([198, 51, 100, 0], 24), AddressClass::Documentation),
    (v4([203, 0, 113, 0], 24), AddressClass::Documentation),
    (v4([224, 0, 0, 0], 4), AddressClass::Multicast),
    (v4([255, 255, 255, 255], 32), AddressClass::Broadcast),
    (v4([240, 0, 0, 0], 4), AddressClass::Reserved),
];

/// As [`V4`].
#[rustfmt::skip]
const V6: &[(Ipv6Net, AddressClass)] = &[
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32), AddressClass::Metadata), // AWS
    (v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128), AddressClass::Metadata), // Google
    (v6([0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe], 128), AddressClass::Metadata), // Oracle
    (v6([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42], 128), AddressClass::Metadata), // Scaleway
    (v6([0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1], 128), AddressClass::Metadata), // Linode
    (v6([0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe], 128), AddressClass::Metadata), // OpenStack
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), AddressClass::Unspecified),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), AddressClass::Loopback),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), AddressClass::EmbeddedIpv4), // compatible, RFC 4291
    (v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96), AddressClass::EmbeddedIpv4), // mapped, RFC 4291
    (v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), AddressClass::EmbeddedIpv4), // translated, RFC 2765
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), AddressClass::EmbeddedIpv4), // NAT64, RFC 6052
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), AddressClass::EmbeddedIpv4), // NAT64, RFC 8215
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), AddressClass::EmbeddedIpv4), // Teredo, RFC 4380
    (v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48), AddressClass::Benchmarking),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), AddressClass::Reserved), // protocol assignments, RFC 2928
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), AddressClass::Documentation),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), AddressClass::EmbeddedIpv4), // 6to4, RFC 3056
    (v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48), AddressClass::Reserved), // AS112, RFC 7534
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), AddressClass::Documentation),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), AddressClass::UniqueLocal),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), AddressClass::LinkLocal),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), AddressClass::Multicast),
];

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
