//! Numbers, addresses and times as lines write them.
//!
//! Written by hand into the line: the formatting machinery of `std` would take
//! most of a line's time. Must not allocate.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const SECONDS_PER_DAY: u64 = 86_400;

/// How many digits of a second a time shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fraction {
    /// Three, as Envoy.
    Millis,
    /// Six, as Mixer.
    Micros,
}

/// The decimal digits of `number`.
pub(crate) fn decimal(out: &mut Vec<u8>, number: u64) {
    padded(out, number, 1);
}

/// The decimal digits of `number`, with zeros in front up to `width`.
pub(crate) fn padded(out: &mut Vec<u8>, mut number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        used += 1;
        if number == 0 {
            break;
        }
    }
    let start = digits.len().saturating_sub(used.max(width));
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

/// `10.0.0.1:443` or `[2001:db8::1]:443`; IPv4 in IPv6 is written as IPv4, as
/// Envoy does, so that one peer has one spelling.
pub(crate) fn address(out: &mut Vec<u8>, address: SocketAddr) {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            for (octet, after) in [(a, b'.'), (b, b'.'), (c, b'.'), (d, b':')] {
                decimal(out, octet.into());
                out.push(after);
            }
            decimal(out, address.port().into());
        }
        IpAddr::V6(ip) => {
            // Writing to memory cannot fail.
            let _ = write!(out, "[{ip}]:{}", address.port());
        }
    }
}

/// `10.0.0.1` or `2001:db8::1`, by the same spelling.
pub(crate) fn ip(out: &mut Vec<u8>, ip: IpAddr) {
    // Writing to memory cannot fail.
    let _ = write!(out, "{}", ip.to_canonical());
}

/// `2026-11-20T18:02:04.533Z`, from nanoseconds since 1970 in UTC. What the
/// form cannot say is written as its nearest instant.
pub(crate) fn timestamp(out: &mut Vec<u8>, nanos: i128, fraction: Fraction) {
    let nanos = u64::try_from(nanos.max(0)).unwrap_or(u64::MAX);
    let (seconds, nanos) = (nanos / NANOS_PER_SECOND, nanos % NANOS_PER_SECOND);
    let (days, second) = (seconds / SECONDS_PER_DAY, seconds % SECONDS_PER_DAY);
    let (year, month, day) = civil(days);
    for (number, width, after) in [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (second / 3600, 2, b':'),
        (second / 60 % 60, 2, b':'),
        (second % 60, 2, b'.'),
    ] {
        padded(out, number, width);
        out.push(after);
    }
    match fraction {
        Fraction::Millis => padded(out, nanos / 1_000_000, 3),
        Fraction::Micros => padded(out, nanos / 1_000, 6),
    }
    out.push(b'Z');
}

/// Year, month and day of a day since 1970, in the Gregorian calendar. Years
/// are counted from March, so that the leap day is a year's last.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_TO_1970: u64 = 719_468;
    const DAYS_PER_ERA: u64 = 146_097;
    let days = days + DAYS_TO_1970;
    let (era, day) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + carry, month, day)
}

/// A duration as Go prints it: `13.601485ms`, `1m30s`, `0s`.
pub(crate) fn go_duration(out: &mut Vec<u8>, nanos: i64) {
    if nanos < 0 {
        out.push(b'-');
    }
    let nanos = nanos.unsigned_abs();
    match nanos {
        0 => out.extend_from_slice(b"0s"),
        1..1_000 => fractional(out, nanos, 0, "ns"),
        1_000..1_000_000 => fractional(out, nanos, 3, "µs"),
        1_000_000..NANOS_PER_SECOND => fractional(out, nanos, 6, "ms"),
        _ => from_seconds(out, nanos),
    }
}

/// Hours and minutes where there are any, then seconds.
fn from_seconds(out: &mut Vec<u8>, nanos: u64) {
    let minutes = nanos / (60 * NANOS_PER_SECOND);
    if minutes >= 60 {
        decimal(out, minutes / 60);
        out.push(b'h');
    }
    if minutes > 0 {
        decimal(out, minutes % 60);
        out.push(b'm');
    }
    fractional(out, nanos % (60 * NANOS_PER_SECOND), 9, "s");
}

/// `number` in units of 10^-`places`, without zeros at its end.
pub(crate) fn fractional(out: &mut Vec<u8>, number: u64, places: u32, unit: &str) {
    let one = 10_u64.saturating_pow(places);
    decimal(out, number / one);
    let mut fraction = number % one;
    if fraction != 0 {
        let mut width = usize::try_from(places).unwrap_or(0);
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            width -= 1;
        }
        out.push(b'.');
        padded(out, fraction, width);
    }
    out.extend_from_slice(unit.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn writes_every_digit_of_a_number() {
        for number in [0, 7, 10, 99, 100, 1_883_355, u64::MAX] {
            assert_eq!(written(|out| decimal(out, number)), number.to_string());
        }
        assert_eq!(written(|out| padded(out, 7, 3)), "007");
        assert_eq!(written(|out| padded(out, 1234, 3)), "1234");
    }

    #[test]
    fn writes_addresses_as_envoy_does() {
        for (given, text) in [
            ("10.10.0.21:34567", "10.10.0.21:34567"),
            ("[2001:db8::1]:443", "[2001:db8::1]:443"),
            ("[::ffff:10.0.0.1]:80", "10.0.0.1:80"),
        ] {
            assert_eq!(written(|out| address(out, given.parse().unwrap())), text);
        }
    }

    #[test]
    fn writes_days_of_every_kind_of_year() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400_i64, "2100-03-01T00:00:00.000Z"),
        ] {
            let nanos = i128::from(seconds) * 1_000_000_000;
            assert_eq!(written(|out| timestamp(out, nanos, Fraction::Millis)), text);
        }
    }

    #[test]
    fn keeps_to_the_form_for_times_it_cannot_say() {
        assert_eq!(
            written(|out| timestamp(out, -1, Fraction::Micros)),
            "1970-01-01T00:00:00.000000Z"
        );
        let last = written(|out| timestamp(out, i128::MAX, Fraction::Millis));
        assert!(last.starts_with("2554-07-21T"), "{last}");
    }

    #[test]
    fn writes_durations_as_go_does() {
        for (nanos, text) in [
            (0, "0s"),
            (999, "999ns"),
            (1_500, "1.5µs"),
            (13_601_485, "13.601485ms"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h0m0s"),
            (3_661_500_000_000, "1h1m1.5s"),
            (-2_000_000, "-2ms"),
        ] {
            assert_eq!(written(|out| go_duration(out, nanos)), text);
        }
    }
}
