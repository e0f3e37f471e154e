//! One row a range: its first and last address, and the neighbours outside.

use super::*;

fn class(text: &str) -> &'static str {
    classify(text.parse().unwrap()).as_str()
}

/// Range, its class, the class of the address before it, and of the one after.
#[rustfmt::skip]
const RANGES: &[(&str, &str, &str, &str, &str)] = &[
    // IPv4, in order of address.
    ("0.0.0.0", "0.255.255.255", "unspecified", "", "public"),
    ("10.0.0.0", "10.255.255.255", "private", "public", "public"),
    ("100.64.0.0", "100.127.255.255", "carrier-grade-nat", "public", "public"),
    ("100.100.100.200", "100.100.100.200", "metadata", "carrier-grade-nat", "carrier-grade-nat"),
    ("127.0.0.0", "127.255.255.255", "loopback", "public", "public"),
    ("168.63.129.16", "168.63.129.16", "metadata", "public", "public"),
    ("169.254.0.0", "169.254.255.255", "link-local", "public", "public"),
    ("169.254.0.23", "169.254.0.23", "metadata", "link-local", "link-local"),
    ("169.254.42.42", "169.254.42.42", "metadata", "link-local", "link-local"),
    ("169.254.169.253", "169.254.169.254", "metadata", "link-local", "link-local"),
    ("169.254.170.2", "169.254.170.2", "metadata", "link-local", "link-local"),
    ("169.254.170.23", "169.254.170.23", "metadata", "link-local", "link-local"),
    ("172.16.0.0", "172.31.255.255", "private", "public", "public"),
    ("192.0.0.0", "192.0.0.255", "reserved", "public", "public"),
    ("192.0.0.192", "192.0.0.192", "metadata", "reserved", "reserved"),
    ("192.0.2.0", "192.0.2.255", "documentation", "public", "public"),
    ("192.31.196.0", "192.31.196.255", "reserved", "public", "public"),
    ("192.52.193.0", "192.52.193.255", "reserved", "public", "public"),
    ("192.88.99.0", "192.88.99.255", "reserved", "public", "public"),
    ("192.168.0.0", "192.168.255.255", "private", "public", "public"),
    ("192.175.48.0", "192.175.48.255", "reserved", "public", "public"),
    ("198.18.0.0", "198.19.255.255", "benchmarking", "public", "public"),
    ("198.51.100.0", "198.51.100.255", "documentation", "public", "public"),
    ("203.0.113.0", "203.0.113.255", "documentation", "public", "public"),
    ("224.0.0.0", "239.255.255.255", "multicast", "public", "reserved"),
    ("240.0.0.0", "255.255.255.254", "reserved", "multicast", "broadcast"),
    ("255.255.255.255", "255.255.255.255", "broadcast", "reserved", ""),
    // IPv6, in order of address.
    ("::", "::", "unspecified", "", "loopback"),
    ("::1", "::1", "loopback", "unspecified", "embedded-ipv4"),
    ("::2", "::ffff:ffff", "embedded-ipv4", "loopback", "reserved"),
    ("::ffff:0.0.0.0", "::ffff:255.255.255.255", "embedded-ipv4", "reserved", "reserved"),
    ("::ffff:0:0:0", "::ffff:0:ffff:ffff", "embedded-ipv4", "reserved", "reserved"),
    ("64:ff9b::", "64:ff9b::ffff:ffff", "embedded-ipv4", "reserved", "reserved"),
    ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "embedded-ipv4", "reserved", "reserved"),
    ("100::", "100::1:ffff:ffff:ffff:ffff", "reserved", "reserved", "reserved"),
    ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "embedded-ipv4", "public", "reserved"),
    ("2001:1::", "2001:1:ffff:ffff:ffff:ffff:ffff:ffff", "reserved", "embedded-ipv4", "benchmarking"),
    ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", "benchmarking", "reserved", "reserved"),
    ("2001:3::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved", "reserved", "public"),
    ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "documentation", "public", "public"),
    ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "embedded-ipv4", "public", "public"),
    ("2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff", "reserved", "public", "public"),
    ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "documentation", "public", "public"),
    ("4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved", "public", "unique-local"),
    ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved", "reserved", "reserved"),
    ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "unique-local", "reserved", "reserved"),
    ("fd00:42::42", "fd00:42::42", "metadata", "unique-local", "unique-local"),
    ("fd00:c1::a9fe:a9fe", "fd00:c1::a9fe:a9fe", "metadata", "unique-local", "unique-local"),
    ("fd00:ec2::", "fd00:ec2:ffff:ffff:ffff:ffff:ffff:ffff", "metadata", "unique-local", "unique-local"),
    ("fd00:a9fe:a9fe::1", "fd00:a9fe:a9fe::1", "metadata", "unique-local", "unique-local"),
    ("fd20:ce::254", "fd20:ce::254", "metadata", "unique-local", "unique-local"),
    ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local", "reserved", "reserved"),
    ("fe80::a9fe:a9fe", "fe80::a9fe:a9fe", "metadata", "link-local", "link-local"),
    ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved", "link-local", "multicast"),
    ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast", "reserved", ""),
];

fn neighbour(text: &str, step: i8) -> Option<&'static str> {
    let address = match text.parse().unwrap() {
        IpAddr::V4(v4) => {
            let number = u32::from(v4).checked_add_signed(step.into())?;
            IpAddr::V4(number.into())
        }
        IpAddr::V6(v6) => {
            let number = u128::from(v6).checked_add_signed(step.into())?;
            IpAddr::V6(number.into())
        }
    };
    Some(classify(address).as_str())
}

#[test]
fn a_range_begins_and_ends_where_its_registry_says() {
    for (first, last, inside, before, after) in RANGES {
        assert_eq!(class(first), *inside, "first of {first} to {last}");
        assert_eq!(class(last), *inside, "last of {first} to {last}");
        assert_eq!(
            neighbour(first, -1).unwrap_or(""),
            *before,
            "before {first}"
        );
        assert_eq!(neighbour(last, 1).unwrap_or(""), *after, "after {last}");
    }
}

#[test]
fn the_addresses_of_real_origins_are_public() {
    for text in [
        "1.1.1.1",
        "151.101.3.5",
        "172.217.20.74",
        "223.255.255.255",
        "2606:4700::6810:84e5",
        "2a04:4e42::773",
    ] {
        assert!(classify(text.parse().unwrap()).is_public(), "{text}");
    }
}

#[test]
fn no_spelling_of_an_ipv4_address_inside_ipv6_is_public() {
    for text in [
        "::ffff:8.8.8.8",
        "::8.8.8.8",
        "::ffff:0:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::8.8.8.8",
        "2002:808:808::1",
        "2001:0:808:808::1",
        "2a00::5efe:8.8.8.8",
        "2a00::200:5efe:8.8.8.8",
    ] {
        assert_eq!(class(text), "embedded-ipv4", "{text}");
    }
    assert_eq!(class("2a00::300:5efe:8.8.8.8"), "public");
}

#[test]
fn every_word_names_its_class_and_no_other() {
    for class in AddressClass::ALL {
        assert_eq!(AddressClass::named(class.as_str()), Some(*class));
        assert_eq!(class.is_public(), *class == AddressClass::Public);
    }
    assert_eq!(AddressClass::named("lan"), None);
}

#[test]
fn the_address_within_an_address() {
    for (address, expected) in [
        ("::ffff:192.0.2.1", Some("192.0.2.1")),
        ("64:ff9b::192.0.2.1", Some("192.0.2.1")),
        ("64:ff9b:1::192.0.2.1", Some("192.0.2.1")),
        ("2002:c000:0201::9", Some("192.0.2.1")),
        ("2001:0:5ef5:79fb:0:0:3fff:fdfe", Some("192.0.2.1")),
        ("2a00:1450::200:5efe:192.0.2.1", Some("192.0.2.1")),
        ("2a00:1450::1", None),
        ("::1", None),
        ("192.0.2.1", None),
    ] {
        let found = embedded_v4(address.parse().unwrap());
        let found = found.map(|(inner, _)| inner.to_string());
        assert_eq!(found.as_deref(), expected, "{address}");
    }
}
