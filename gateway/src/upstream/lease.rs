//! What an exchange has of its upstream, and gives back at its end.

use std::sync::Arc;
use std::time::Duration;

use super::breaker::Place;
use super::tenure::Tenure;
use super::{PoolKey, Target};

/// See the module.
pub(crate) struct Lease {
    pub(super) key: PoolKey,
    /// How long the connection is kept afterwards.
    pub(super) idle: Duration,
    pub(super) tenure: Option<Arc<Tenure>>,
    /// Its place among the requests of a bounded upstream.
    pub(super) place: Option<Place>,
}

impl Lease {
    pub(super) fn new(key: PoolKey, target: &Target, tenure: Option<Arc<Tenure>>) -> Self {
        Self {
            key,
            idle: target.upstream.idle_timeout,
            tenure,
            place: None,
        }
    }

    /// A connection that has served is used once more.
    pub(super) fn used(&self) {
        if let Some(tenure) = &self.tenure {
            tenure.give();
        }
    }
}
