//! Counters and distributions of one thread's share of a series.
//!
//! Only that thread adds, so a plain load and store lose nothing; any thread
//! reads. Relaxed order is enough: no count leads to another memory access.

use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds of Envoy's buckets, in thousandths and as exposed.
pub(super) const BOUNDS: [(u64, &str); 19] = [
    (500, "0.5"),
    (1_000, "1"),
    (5_000, "5"),
    (10_000, "10"),
    (25_000, "25"),
    (50_000, "50"),
    (100_000, "100"),
    (250_000, "250"),
    (500_000, "500"),
    (1_000_000, "1000"),
    (2_500_000, "2500"),
    (5_000_000, "5000"),
    (10_000_000, "10000"),
    (30_000_000, "30000"),
    (60_000_000, "60000"),
    (300_000_000, "300000"),
    (600_000_000, "600000"),
    (1_800_000_000, "1800000"),
    (3_600_000_000, "3600000"),
];

/// Buckets, the one beyond all bounds included.
const BUCKETS: usize = BOUNDS.len() + 1;

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, number: u64) {
        self.0
            .store(self.read().wrapping_add(number), Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A distribution. Its number of observations is the sum of its buckets, so
/// that the two agree whenever they are read.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [Count; BUCKETS],
    sum: Count,
}

impl Histogram {
    /// Counts a value, given in thousandths.
    pub(super) fn observe(&self, thousandths: u64) {
        let at = BOUNDS.partition_point(|(bound, _)| *bound < thousandths);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.add(1);
        }
        self.sum.add(thousandths);
    }
}

/// A distribution added up over threads.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Total {
    pub(super) buckets: [u64; BUCKETS],
    /// In thousandths.
    pub(super) sum: u64,
}

impl Total {
    pub(super) fn add(&mut self, share: &Histogram) {
        for (total, bucket) in self.buckets.iter_mut().zip(&share.buckets) {
            *total = total.wrapping_add(bucket.read());
        }
        self.sum = self.sum.wrapping_add(share.sum.read());
    }

    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_at_a_bound_belongs_to_its_bucket() {
        let histogram = Histogram::default();
        for value in [0, 500, 501, 1_000, 3_600_000_000, 3_600_000_001] {
            histogram.observe(value);
        }
        let mut total = Total::default();
        total.add(&histogram);
        assert_eq!(total.buckets[..3], [2, 2, 0]);
        assert_eq!(total.buckets[18..], [1, 1]);
        assert_eq!((total.count(), total.sum), (6, 7_200_002_002));
    }

    #[test]
    fn exposes_the_bounds_it_counts_by() {
        for (thousandths, exposed) in BOUNDS {
            let bound: f64 = exposed.parse().unwrap();
            assert_eq!(format!("{}", bound * 1000.0), thousandths.to_string());
        }
    }
}
