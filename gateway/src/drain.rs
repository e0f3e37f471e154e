//! What connections are told while they live: how the process ends, and that
//! whom it trusts has changed.

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
    /// What has not come to its end by now is cut.
    Over,
}

/// What there is to tell.
#[derive(Clone, Copy, Debug, Default)]
struct News {
    phase: Phase,
    /// Another process accepts in our stead.
    relieved: bool,
    /// Differs whenever a caller may be vouched for no more.
    trust: u64,
}

/// The hand that tells.
#[derive(Debug, Default)]
pub(crate) struct Teller(watch::Sender<News>);

/// The news as connections see them.
#[derive(Clone, Debug)]
pub(crate) struct Drain(watch::Receiver<News>);

impl Teller {
    pub(crate) fn drain(&self) -> Drain {
        Drain(self.0.subscribe())
    }

    pub(crate) fn phase(&self, phase: Phase) {
        self.0.send_modify(|news| news.phase = phase);
    }

    /// We drain, and another process accepts in our stead.
    pub(crate) fn relieved(&self) {
        self.0.send_modify(|news| {
            news.phase = Phase::Draining;
            news.relieved = true;
        });
    }

    /// Tells of another trust once `change` is made. Nobody reads the news in
    /// between, so that whoever is woken finds the change.
    pub(crate) fn trust(&self, trust: u64, change: impl FnOnce()) {
        self.0.send_if_modified(|news| {
            change();
            std::mem::replace(&mut news.trust, trust) != trust
        });
    }
}

impl Drain {
    /// Whether the process is on its way out.
    pub(crate) fn has_begun(&self) -> bool {
        self.0.borrow().phase > Phase::Serving
    }

    /// Waits until no more is to be accepted.
    pub(crate) async fn accepts_no_more(&mut self) {
        let accepts_no_more = |now: &News| now.relieved || now.phase >= Phase::Closing;
        let _ = self.0.wait_for(accepts_no_more).await;
    }

    /// Waits until `phase` is reached; without one, for ever.
    pub(crate) async fn reached(&mut self, phase: impl Into<Option<Phase>>) {
        let Some(phase) = phase.into() else {
            return std::future::pending().await;
        };
        // An error means the process is gone: nobody is left to be told.
        let _ = self.0.wait_for(|now| now.phase >= phase).await;
    }

    /// Waits until `phase` is reached, or trust is no more what it was.
    pub(crate) async fn reached_or_distrusted(&mut self, phase: Option<Phase>, trust: u64) {
        let reached = |now: &News| phase.is_some_and(|phase| now.phase >= phase);
        let _ = self
            .0
            .wait_for(|now| reached(now) || now.trust != trust)
            .await;
    }
}
