//! How the process ends: what connections are told, and when.

use tokio::sync::watch;

/// Where the process is on its way out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It serves.
    #[default]
    Serving,
    /// It still serves, new connections too, but ends each with its next
    /// answer: callers have time to hear that it is not ready.
    Draining,
    /// Only what has begun is brought to its end.
    Closing,
}

/// The phase as connections see it.
#[derive(Clone, Debug)]
pub(crate) struct Drain(watch::Receiver<Phase>);

impl Drain {
    /// A phase and the hand that changes it.
    pub(crate) fn new() -> (watch::Sender<Phase>, Self) {
        let (sender, receiver) = watch::channel(Phase::Serving);
        (sender, Self(receiver))
    }

    /// Whether the process is on its way out.
    pub(crate) fn has_begun(&self) -> bool {
        *self.0.borrow() > Phase::Serving
    }

    /// Waits until `phase` is reached.
    pub(crate) async fn reached(&mut self, phase: Phase) {
        // An error means the process is gone: nobody is left to be told.
        let _ = self.0.wait_for(|now| *now >= phase).await;
    }
}
