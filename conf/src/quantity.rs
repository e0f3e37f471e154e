//! Durations and sizes as people write them, with their units.

use std::time::Duration;

/// A year: longer is a slip, and far from where clocks overflow.
const MAX_DURATION: Duration = Duration::from_secs(366 * 24 * 3600);

const TIME_UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

const SIZE_UNITS: [(&str, u64); 4] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads a duration as Go writes them: `3s`, `1.5s`, `1h30m`, `500ms`, `0s`.
///
/// # Errors
/// What is wrong and what to write.
pub(crate) fn go_duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, f64); 7] = [
        ("ns", 1e-9),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
    ];
    let wrong = || format!("`{text}` is no duration: write such as `500ms`, `3s` or `1h30m`");
    let mut seconds = 0.0;
    let mut rest = text;
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, behind) = rest
            .split_at_checked(number_end.ok_or_else(wrong)?)
            .ok_or_else(wrong)?;
        let unit_end = behind.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, behind) = behind
            .split_at_checked(unit_end.unwrap_or(behind.len()))
            .ok_or_else(wrong)?;
        let (_, factor) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(wrong)?;
        seconds += number.parse::<f64>().map_err(|_| wrong())? * factor;
        rest = behind;
    }
    let duration = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
    match text.is_empty() || duration > MAX_DURATION {
        true => Err(wrong()),
        false => Ok(duration),
    }
}

/// Reads `250ms`, `3s`, `1m`, `1h30m`.
///
/// # Errors
/// What is wrong and what to write.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration: write such as `250ms`, `3s`, `1m` or `1h30m`");
    let mut total = Some(0_u64);
    let mut rest = text;
    let mut least_unit = u64::MAX;
    while !rest.is_empty() {
        let (number, behind) = digits(rest).ok_or_else(wrong)?;
        let (name, behind) = letters(behind);
        if name.is_empty() && behind.is_empty() {
            return Err(format!(
                "`{text}` has no unit: write `{number}s` or `{number}ms`"
            ));
        }
        let (_, unit) = *TIME_UNITS
            .iter()
            .find(|(unit, _)| *unit == name)
            .ok_or_else(wrong)?;
        if unit >= least_unit {
            return Err(wrong());
        }
        least_unit = unit;
        total = total
            .zip(number.parse::<u64>().ok())
            .and_then(|(t, n)| t.checked_add(n.checked_mul(unit)?));
        rest = behind;
    }
    if text.is_empty() {
        return Err(wrong());
    }
    total
        .map(Duration::from_millis)
        .filter(|duration| *duration <= MAX_DURATION)
        .ok_or_else(|| format!("`{text}` is longer than a year: write a shorter duration"))
}

/// Reads `512B`, `64KiB`, `100MiB`, `1GiB`, in bytes.
///
/// # Errors
/// What is wrong and what to write.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("`{text}` is no size: write such as `512B`, `64KiB`, `100MiB` or `1GiB`");
    let (number, unit) = digits(text).ok_or_else(wrong)?;
    if unit.is_empty() {
        return Err(format!(
            "`{text}` has no unit: write `{number}B` or `{number}KiB`"
        ));
    }
    let (_, factor) = *SIZE_UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(wrong)?;
    let bytes = number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(factor));
    bytes.ok_or_else(|| format!("`{text}` is more than any size: write a smaller one"))
}

fn digits(text: &str) -> Option<(&str, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at_checked(end)
        .filter(|(number, _)| !number.is_empty())
}

fn letters(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_with_their_units() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("3s", 3_000),
            ("1m", 60_000),
            ("1h", 3_600_000),
            ("1h30m", 5_400_000),
            ("1d", 86_400_000),
            ("0s", 0),
        ] {
            assert_eq!(
                duration(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_duration_without_unit_or_sense_is_refused_with_advice() {
        assert_eq!(
            duration("30").unwrap_err(),
            "`30` has no unit: write `30s` or `30ms`"
        );
        for text in [
            "", "s", "1.5s", "-1s", "1 s", "1s1s", "1m1h", "3S", "3sec", "1h30",
        ] {
            let message = duration(text).unwrap_err();
            assert!(message.contains("write"), "{text}: {message}");
        }
        for text in ["400d", "99999999999999999999s", "18446744073709551615h"] {
            let message = format!("`{text}` is longer than a year: write a shorter duration");
            assert_eq!(duration(text), Err(message));
        }
    }

    #[test]
    fn reads_sizes_with_their_units() {
        for (text, bytes) in [
            ("0B", 0),
            ("512B", 512),
            ("64KiB", 65_536),
            ("100MiB", 104_857_600),
            ("1GiB", 1 << 30),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn a_size_without_unit_or_sense_is_refused_with_advice() {
        assert_eq!(
            size("100").unwrap_err(),
            "`100` has no unit: write `100B` or `100KiB`"
        );
        for text in ["", "MiB", "1MB", "1.5MiB", "-1B", "1 MiB", "1mib"] {
            let expected =
                format!("`{text}` is no size: write such as `512B`, `64KiB`, `100MiB` or `1GiB`");
            assert_eq!(size(text), Err(expected));
        }
        assert!(size("18446744073709551615KiB").is_err());
    }
}
