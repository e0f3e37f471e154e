//! How often a source may begin a TLS handshake: it costs the gateway a
//! signature, and whoever does not finish it next to nothing.
//!
//! A bucket a source, of which nothing is kept but when it will be full again
//! (the generic cell rate algorithm). The table has one size for ever: whoever
//! finds no place takes that of a bucket that is full, or else of the fullest,
//! which is forgotten in his favour. Where a source's place is nobody can tell
//! from outside, so nobody can have another one forgotten on purpose.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use conf::snapshot::Limits;

/// Places in all: sources that can be told apart at a time.
const SETS: usize = 2048;
/// Among which places a source may have its own.
const WAYS: usize = 4;
const SECOND: u64 = 1_000_000_000;

/// The buckets of the process.
#[derive(Debug)]
pub(super) struct Handshakes {
    begun: Instant,
    keys: RandomState,
    sets: Mutex<Box<[[Bucket; WAYS]]>>,
}

/// What is known of one source.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// Its address, as `keys` hash it.
    source: u64,
    /// When it is full, in nanoseconds after `begun`.
    full: u64,
}

impl Default for Handshakes {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            keys: RandomState::new(),
            sets: Mutex::new(vec![[Bucket::default(); WAYS]; SETS].into()),
        }
    }
}

impl Handshakes {
    /// Takes one handshake out of a source's bucket, if there is one in it.
    pub(super) fn take(&self, source: IpAddr, limits: &Limits, now: Instant) -> bool {
        let now = now.saturating_duration_since(self.begun).as_nanos();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        let each = SECOND / u64::from(limits.handshakes_per_source.max(1));
        let whole = each.saturating_mul(limits.handshake_burst.into());
        let source = self.keys.hash_one(network(source));
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let number = usize::try_from(source % SETS as u64).unwrap_or(0);
        let Some(set) = sets.get_mut(number) else {
            return true;
        };
        let is_own = |bucket: &&mut Bucket| bucket.source == source;
        let full = set.iter_mut().find(is_own).map_or(0, |own| own.full);
        let full = full.max(now).saturating_add(each);
        if full > now.saturating_add(whole) {
            return false;
        }
        let own_first = |bucket: &&mut Bucket| (bucket.source != source, bucket.full);
        if let Some(bucket) = set.iter_mut().min_by_key(own_first) {
            *bucket = Bucket { source, full };
        }
        true
    }
}

/// What counts as one source: whoever has an address of IPv6 has the 64 bits
/// behind its network's at will (RFC 6177).
pub(super) fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn limits() -> Limits {
        Limits {
            handshakes_per_source: 10,
            handshake_burst: 3,
            ..Limits::default()
        }
    }

    /// How many of so many a source may begin at a moment.
    fn taken(handshakes: &Handshakes, source: &str, many: usize, after: Duration) -> usize {
        let now = handshakes.begun + after;
        let source: IpAddr = source.parse().unwrap();
        let take = |_: &usize| handshakes.take(source, &limits(), now);
        (0..many).filter(take).count()
    }

    #[test]
    fn a_source_has_its_burst_at_once_and_then_its_rate() {
        let handshakes = Handshakes::default();
        let taken =
            |many, millis| taken(&handshakes, "10.0.0.1", many, Duration::from_millis(millis));
        assert_eq!(taken(100, 0), 3);
        assert_eq!(taken(100, 99), 0);
        assert_eq!(taken(100, 100), 1);
        assert_eq!(taken(100, 301), 2);
        // However long it has been away, no more than the burst.
        assert_eq!(taken(100, 3_600_000), 3);
    }

    #[test]
    fn sources_are_addresses_and_networks_of_ipv6() {
        let handshakes = Handshakes::default();
        let taken = |source| taken(&handshakes, source, 100, Duration::ZERO);
        assert_eq!(taken("10.0.0.1"), 3);
        assert_eq!(taken("10.0.0.2"), 3);
        assert_eq!(taken("::ffff:10.0.0.2"), 0, "the same as before");
        assert_eq!(taken("2001:db8::1"), 3);
        assert_eq!(taken("2001:db8::ffff:1"), 0, "of the same network");
        assert_eq!(taken("2001:db8:0:1::1"), 3);
    }

    #[test]
    fn many_sources_take_no_more_room_and_nothing_from_one_that_keeps_within_it() {
        let handshakes = Handshakes::default();
        let steady = |second| taken(&handshakes, "10.0.0.1", 1, Duration::from_secs(second));
        for second in 0..3 {
            for other in 0..20_000_u32 {
                let source = Ipv6Addr::from_bits(u128::from(other + 1) << 64).to_string();
                assert_eq!(
                    taken(&handshakes, &source, 1, Duration::from_secs(second)),
                    1
                );
            }
            assert_eq!(steady(second), 1);
        }
        let sets = handshakes.sets.lock().unwrap();
        assert_eq!(size_of_val(&**sets), 128 * 1024);
    }
}
