//! Points in time and lengths of time: reading them and naming their parts.
//!
//! Timestamps are RFC 3339, durations Go's (`1m30s`, `0`), which CEL shares.
//! The calendar is the proleptic Gregorian one, in UTC, without leap seconds.

use super::tree::Clock;

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400;

/// The field of the point in time, unless its year has more than four digits.
pub(super) fn field(nanos: i128, field: Clock) -> Option<i64> {
    let seconds = i64::try_from(nanos.div_euclid(SECOND.into())).ok()?;
    let millis = nanos.rem_euclid(SECOND.into()) / 1_000_000;
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let date = Date::of_day(days).filter(|date| (0..=9999).contains(&date.year))?;
    Some(match field {
        Clock::Year => date.year,
        Clock::Month => date.month - 1,
        Clock::Date => date.day,
        Clock::DayOfMonth => date.day - 1,
        // 1970-01-01 was a Thursday.
        Clock::DayOfWeek => (days + 4).rem_euclid(7),
        Clock::DayOfYear => {
            days - Date {
                month: 1,
                day: 1,
                ..date
            }
            .days()
        }
        Clock::Hours => second / 3600,
        Clock::Minutes => second / 60 % 60,
        Clock::Seconds => second % 60,
        Clock::Milliseconds => i64::try_from(millis).ok()?,
    })
}

/// A day of the calendar; months and days start at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Date {
    year: i64,
    month: i64,
    day: i64,
}

impl Date {
    /// Days since 1970-01-01. Years are counted from March, so that the leap
    /// day is the last of its year; 400 years have 146 097 days.
    fn days(self) -> i64 {
        let year = if self.month > 2 {
            self.year
        } else {
            self.year - 1
        };
        let month = (self.month + 9) % 12;
        let day_of_year = (153 * month + 2) / 5 + self.day - 1;
        let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        year * 365 + leap_days + day_of_year - 719_468
    }

    /// The date of a day since 1970-01-01, within a million years.
    fn of_day(days: i64) -> Option<Self> {
        if days.abs() > 365_000_000 {
            return None;
        }
        let shifted = days + 719_468;
        let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day_of_year = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day_of_year + 2) / 153;
        let january_or_february = i64::from(month >= 10);
        Some(Self {
            year: year + era * 400 + january_or_february,
            month: if month < 10 { month + 3 } else { month - 9 },
            day: day_of_year - (153 * month + 2) / 5 + 1,
        })
    }
}

/// An RFC 3339 timestamp, as nanoseconds since 1970.
pub(super) fn timestamp(text: &str) -> Option<i128> {
    let mut rest = Reader(text);
    let date = Date {
        year: rest.number(4)?,
        month: rest.part('-')?,
        day: rest.part('-')?,
    };
    let hour = rest.part('T').filter(|hour| *hour < 24)?;
    let minute = rest.part(':').filter(|minute| *minute < 60)?;
    let second = rest.part(':').filter(|second| *second < 60)?;
    let nanos = rest.fraction()?;
    let offset = rest.offset()?;
    if Date::of_day(date.days()) != Some(date) {
        return None;
    }
    let seconds = date.days() * DAY + hour * 3600 + minute * 60 + second - offset;
    Some(i128::from(seconds) * i128::from(SECOND) + i128::from(nanos))
}

/// What is left of a timestamp.
struct Reader<'t>(&'t str);

impl Reader<'_> {
    /// A number of exactly so many digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number
            .bytes()
            .all(|c| c.is_ascii_digit())
            .then(|| number.parse().ok())?
    }

    /// A separator and two digits.
    fn part(&mut self, separator: char) -> Option<i64> {
        self.0 = self.0.strip_prefix(separator)?;
        self.number(2)
    }

    /// A fraction of a second, in nanoseconds; further digits are dropped.
    fn fraction(&mut self) -> Option<i64> {
        let Some(rest) = self.0.strip_prefix('.') else {
            return Some(0);
        };
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (digits, rest) = rest.split_at_checked(end)?;
        self.0 = rest;
        let nanos = digits
            .chars()
            .chain("000000000".chars())
            .take(9)
            .collect::<String>();
        (!digits.is_empty()).then(|| nanos.parse().ok())?
    }

    /// `Z`, or the distance to UTC in seconds, up to the end of the text.
    fn offset(&mut self) -> Option<i64> {
        if self.0 == "Z" {
            return Some(0);
        }
        let sign = if self.0.starts_with('-') { -1 } else { 1 };
        let hours = self
            .part(if sign < 0 { '-' } else { '+' })
            .filter(|hours| *hours < 24)?;
        let minutes = self.part(':').filter(|minutes| *minutes < 60)?;
        self.0
            .is_empty()
            .then_some(sign * (hours * 3600 + minutes * 60))
    }
}

/// A duration such as `1h2m3.5s`, `-10ms` or `0`, in nanoseconds.
pub(super) fn duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total: i128 = 0;
    loop {
        let (nanos, tail) = term(rest)?;
        total = total.checked_add(nanos)?;
        rest = tail;
        if rest.is_empty() {
            return i64::try_from(sign * total).ok();
        }
    }
}

const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// One number with its unit, in nanoseconds.
fn term(text: &str) -> Option<(i128, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at_checked(end)?;
    let unit_end = rest
        .find(|c: char| c.is_ascii_digit() || c == '.')
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at_checked(unit_end)?;
    let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
    Some((scaled(number, *scale)?, rest))
}

/// A decimal number times the scale, rounded towards zero.
fn scaled(number: &str, scale: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut nanos = digits(whole)?.checked_mul(scale)?;
    let mut place = scale;
    for digit in fraction.chars() {
        place /= 10;
        nanos = nanos.checked_add(place.checked_mul(i128::from(digit.to_digit(10)?))?)?;
    }
    Some(nanos)
}

fn digits(text: &str) -> Option<i128> {
    if text.is_empty() {
        Some(0)
    } else {
        text.parse().ok()
    }
}
