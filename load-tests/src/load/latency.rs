//! How long exchanges took, every one of them kept.

use std::time::Duration;

/// Microseconds, unsorted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies(Vec<u32>);

impl Latencies {
    pub(crate) fn push(&mut self, took: Duration) {
        self.0
            .push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The value below which `share` of all lie, in µs: the nearest rank.
    pub(crate) fn percentiles<const N: usize>(&self, shares: [f64; N]) -> Option<[f64; N]> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        let at = |share: f64| {
            let rank = (share * sorted.len() as f64).ceil() as usize;
            let value = sorted.get(rank.saturating_sub(1).min(last));
            f64::from(value.copied().unwrap_or_default())
        };
        Some(shares.map(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        for value in values {
            latencies.push(Duration::from_micros(value));
        }
        latencies
    }

    #[test]
    fn percentiles_are_the_nearest_rank_in_any_order() {
        let all = of((1..=1000).rev());
        assert_eq!(
            all.percentiles([0.5, 0.99, 0.999, 1.0]),
            Some([500.0, 990.0, 999.0, 1000.0])
        );
        assert_eq!(of([7]).percentiles([0.5, 0.999]), Some([7.0, 7.0]));
        assert_eq!(of([]).percentiles([0.5]), None);
    }

    #[test]
    fn one_slow_exchange_in_a_hundred_shows_beyond_p99_only() {
        let mut all = of([10; 99]);
        all.add(of([5000]));
        assert_eq!(all.percentiles([0.99, 1.0]), Some([10.0, 5000.0]));
    }
}
