//! How many retries an upstream may cost: one for every five requests, and a
//! few for quiet times. Without a bound, retries keep a failing origin down.

use std::sync::atomic::{AtomicU32, Ordering};

/// What a retry costs, in deposits of a request.
const RETRY: u32 = 5;
/// Savings at the start and at most, in the same coin.
const RESERVE: u32 = 10 * RETRY;
const MOST: u32 = 100 * RETRY;

/// See the module.
#[derive(Debug)]
pub(super) struct RetryBudget(AtomicU32);

impl Default for RetryBudget {
    fn default() -> Self {
        Self(AtomicU32::new(RESERVE))
    }
}

impl RetryBudget {
    /// A request is made.
    pub(super) fn deposit(&self) {
        // Full most of the time: then no thread writes what others read.
        if self.0.load(Ordering::Relaxed) < MOST {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A retry is asked for.
    pub(super) fn withdraw(&self) -> bool {
        let pay = |saved: u32| saved.checked_sub(RETRY);
        let paid = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay);
        paid.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_retry_for_every_five_requests_once_the_reserve_is_spent() {
        let budget = RetryBudget::default();
        assert_eq!((0..20).filter(|_| budget.withdraw()).count(), 10);
        for _ in 0..50 {
            budget.deposit();
        }
        assert_eq!((0..20).filter(|_| budget.withdraw()).count(), 10);
    }
}
