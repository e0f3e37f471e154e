//! Tests of the neighbouring file, one rule a test.

use super::*;

fn host(raw: &str) -> Result<String, Malformed> {
    Authority::parse(raw.as_bytes()).map(|authority| authority.to_string())
}

fn canonical(raw: &str, expected: &str) {
    assert_eq!(host(raw), Ok(expected.to_owned()), "{raw}");
    assert_eq!(host(expected), Ok(expected.to_owned()), "{expected}");
}

fn refused(raw: &str, reason: Malformed) {
    assert_eq!(host(raw), Err(reason), "{raw}");
}

#[test]
fn an_ordinary_host_is_borrowed() {
    for raw in [
        "www.googleapis.com",
        "edition.cnn.com.",
        "a.b:443",
        "10.1.2.3:80",
        "[::1]:80",
    ] {
        let authority = Authority::parse(raw.as_bytes()).unwrap();
        assert!(matches!(authority.into_host(), Cow::Borrowed(_)), "{raw}");
    }
}

#[test]
fn exactly_one_host_field_is_needed() {
    let fields = |fields: &[&'static str]| {
        Authority::from_fields(fields.iter().map(|field| field.as_bytes())).map(|_| ())
    };
    assert_eq!(fields(&["a.test"]), Ok(()));
    assert_eq!(fields(&[]), Err(Malformed::HostMissing));
    assert_eq!(fields(&["a.test", "a.test"]), Err(Malformed::HostRepeated));
    assert_eq!(fields(&["a b", "a.test"]), Err(Malformed::HostRepeated));
    assert_eq!(fields(&[""]), Err(Malformed::HostEmpty));
}

#[test]
fn folds_case_and_strips_one_trailing_dot() {
    canonical("EDITION.Cnn.com", "edition.cnn.com");
    canonical("edition.cnn.com.", "edition.cnn.com");
    canonical("edition.cnn.com.:80", "edition.cnn.com:80");
    refused("edition.cnn.com..", Malformed::HostLabel);
}

#[test]
fn refuses_bytes_outside_visible_ascii() {
    for raw in [
        "a b",
        " a",
        "a\t",
        "a\0",
        "a\u{7f}",
        "caf\u{e9}.test",
        "a\u{3002}test",
    ] {
        refused(raw, Malformed::HostByte);
    }
    assert_eq!(Authority::parse(b"a\xff.test"), Err(Malformed::HostByte));
}

#[test]
fn refuses_delimiters_that_make_two_hosts_of_one() {
    for raw in [
        "user@a.test",
        "a.test,b.test",
        "a%2e.test",
        "evil/.cnn.test",
        "a\\b",
        "a?b",
        "a#b",
    ] {
        refused(raw, Malformed::HostDelimiter);
    }
}

#[test]
fn labels_are_letters_digits_underscores_and_inner_hyphens() {
    canonical("_dmarc.a-b--c.x_.test", "_dmarc.a-b--c.x_.test");
    canonical("xn--bcher-kva.test", "xn--bcher-kva.test");
    for raw in [
        "-a.test", "a-.test", ".test", "a..test", "a.!.test", "a*b", "*.test", "a.test.-",
    ] {
        refused(raw, Malformed::HostLabel);
    }
}

#[test]
fn labels_and_names_have_a_greatest_length() {
    let label = "a".repeat(63);
    canonical(&label, &label);
    refused(&"a".repeat(64), Malformed::HostLabel);
    let name = [label.as_str(), &label, &label, &"a".repeat(61)].join(".");
    assert_eq!(name.len(), 253);
    canonical(&name, &name);
    canonical(&format!("{name}."), &name);
    refused(&format!("{name}a"), Malformed::HostLength);
    refused(".", Malformed::HostLength);
    refused(":80", Malformed::HostLength);
}

#[test]
fn ports_are_plain_decimal_numbers_up_to_65535() {
    canonical("a.test:1", "a.test:1");
    canonical("a.test:65535", "a.test:65535");
    for port in [
        "",
        "0",
        "00",
        "0443",
        "+443",
        "-1",
        "65536",
        "66000",
        "99999999999",
        "4a",
        "\u{663}",
    ] {
        let reason = if port.is_ascii() {
            Malformed::HostPort
        } else {
            Malformed::HostByte
        };
        refused(&format!("a.test:{port}"), reason);
    }
    refused("a.test:443:80", Malformed::HostColon);
    refused("::1", Malformed::HostColon);
}

#[test]
fn the_port_is_apart_from_the_host() {
    let authority = Authority::parse(b"a.test:8443").unwrap();
    assert_eq!((authority.host(), authority.port()), ("a.test", Some(8443)));
    assert_eq!(
        Authority::parse(b"a.test").map(|authority| authority.port()),
        Ok(None)
    );
    assert_ne!(Authority::parse(b"a.test"), Authority::parse(b"a.test:80"));
}

#[test]
fn a_name_that_ends_in_a_number_is_a_plain_ipv4_address_or_refused() {
    canonical("127.0.0.1", "127.0.0.1");
    canonical("255.255.255.255.", "255.255.255.255");
    for raw in [
        "127.1",
        "2130706433",
        "0x7f000001",
        "0X7F000001",
        "0x",
        "127.0.0.01",
        "0177.0.0.1",
        "256.0.0.1",
        "1.2.3.4.5",
        "a.test.1",
        "1.2.3.0x4",
        "a.0x",
    ] {
        refused(raw, Malformed::HostIpv4);
    }
}

#[test]
fn a_number_that_is_not_the_last_label_is_only_a_name() {
    for raw in [
        "1.test",
        "0x7f.test",
        "127.0.0.1.nip.io",
        "a.0xg",
        "a.1a",
        "1_2",
    ] {
        canonical(raw, raw);
    }
}

#[test]
fn an_ipv6_address_has_one_spelling() {
    canonical("[2001:DB8:0:0::1]", "[2001:db8::1]");
    canonical("[0:0:0:0:0:0:0:1]:8080", "[::1]:8080");
    canonical("[1:2:3:4:5:6:7::]", "[1:2:3:4:5:6:7:0]");
    canonical("[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]");
    canonical("[::127.0.0.1]", "[::7f00:1]");
}

#[test]
fn refuses_what_is_no_ipv6_address() {
    for raw in [
        "[",
        "[]",
        "[::1",
        "[::1]a",
        "[::1]]",
        "[[::1]]",
        "[1.2.3.4]",
        "[name]",
        "[1::2::3]",
        "[::01.2.3.4]",
    ] {
        refused(raw, Malformed::HostIpv6);
    }
    refused("[fe80::1%25eth0]", Malformed::HostDelimiter);
    refused("[::1]:", Malformed::HostPort);
    refused("[::1]:080", Malformed::HostPort);
    refused("a[::1]", Malformed::HostColon);
    refused("[::1].", Malformed::HostIpv6);
}
