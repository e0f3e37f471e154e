//! When an exchange must be over: as its route says, and no later than a gRPC
//! caller will wait.

use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

/// With no bound of the operator's, an exchange still ends some day.
const FOREVER: Duration = Duration::from_secs(24 * 3600);

/// The deadline of an exchange that began at `begun`.
pub(super) fn deadline(begun: Instant, route: Option<Duration>, call: Option<Duration>) -> Instant {
    let route = route.unwrap_or(FOREVER);
    begun + call.map_or(route, |call| call.min(route))
}

/// How long a gRPC caller waits: `grpc-timeout`, one to eight digits and a unit
/// (gRPC over HTTP/2, "Requests"). What is no such time bounds nothing.
pub(super) fn of_call(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count.saturating_mul(3600)),
        "M" => Duration::from_secs(count.saturating_mul(60)),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", http::HeaderValue::from_static(text));
        of_call(&headers)
    }

    #[test]
    fn a_time_is_digits_and_a_unit() {
        for (text, time) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("5S", Duration::from_secs(5)),
            ("300m", Duration::from_millis(300)),
            ("99999999u", Duration::from_micros(99_999_999)),
            ("0n", Duration::ZERO),
            ("99999999H", Duration::from_secs(99_999_999 * 3600)),
        ] {
            assert_eq!(read(text), Some(time), "{text}");
        }
        for text in [
            "",
            "S",
            "5",
            "5s",
            "-5S",
            "+5S",
            "1.5S",
            "100000000S",
            "5 S",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn the_shorter_time_holds() {
        let begun = Instant::now();
        let (short, long) = (Duration::from_secs(1), Duration::from_secs(9));
        for (route, call, time) in [
            (None, None, FOREVER),
            (Some(long), None, long),
            (None, Some(short), short),
            (Some(long), Some(short), short),
            (Some(short), Some(long), short),
        ] {
            assert_eq!(deadline(begun, route, call), begun + time);
        }
    }
}
