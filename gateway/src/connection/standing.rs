//! Whether a caller would still be let in: roots, trust domains and revocation
//! lists may change while the connection lives.
//!
//! Every request is held against it, which costs a comparison while nothing
//! changes. Who asks for nothing is looked at in turn: to verify ten thousand
//! certificates at once would hold up everybody.

use std::time::Duration;

use policy::refusal::Refusal;
use tokio::time::sleep;

use super::Connection;
use crate::clock::Moment;
use crate::drain::Phase;
use crate::live::{Live, Seen};

/// Time for one connection to be looked at, when all are.
const EACH: Duration = Duration::from_millis(2);
/// Within which all have been looked at, however many there are.
const ALL: Duration = Duration::from_secs(20);

impl Connection {
    /// The caller through the eyes of what the gateway runs on now.
    pub(super) fn look(&self, before: &Seen) -> Seen {
        let live = self.gateway.live();
        let lost = match live.trust() != before.live.trust() {
            true => self.judge(&live).err(),
            false => before.lost,
        };
        let seen = Seen::new(live, self.principal.clone(), self.remote.ip());
        Seen { lost, ..seen }
    }

    /// By what he was let in for: his certificate, or a peer's word.
    fn judge(&self, live: &Live) -> Result<(), Refusal> {
        match (&self.shown, &self.principal, self.introducer) {
            (Some(shown), Some(principal), _) => live.judge(shown, principal),
            (_, caller, Some(peer)) => live.believe(peer, &self.listener, caller.as_ref()),
            (_, _, None) => Ok(()),
        }
    }

    /// Whether the caller would still be let in.
    ///
    /// # Errors
    /// Why he would not.
    pub(crate) fn standing(&self) -> Result<(), Refusal> {
        self.seen().lost.map_or(Ok(()), Err)
    }

    /// Waits until the process comes to `phase`, if it matters.
    ///
    /// # Errors
    /// When the caller would no more be let in before that.
    pub(crate) async fn over(&self, phase: Option<Phase>) -> Result<(), Refusal> {
        let mut drain = self.drain.clone();
        if self.shown.is_none() && self.introducer.is_none() {
            drain.reached(phase).await;
            return Ok(());
        }
        loop {
            self.standing()?;
            let trust = self.seen.load().live.trust();
            drain.reached_or_distrusted(phase, trust).await;
            tokio::select! {
                biased;
                () = drain.reached(phase) => return Ok(()),
                () = sleep(self.turn()) => {}
            }
        }
    }

    /// When it is this connection's turn, once trust has changed.
    fn turn(&self) -> Duration {
        let all = EACH * self.gateway.connections.open();
        all.min(ALL).mul_f64(fastrand::f64())
    }

    /// Records that the connection ends for what its caller has lost.
    pub(crate) fn record_lost(&self, refusal: Refusal) {
        self.record_refused(refusal, Moment::now());
    }
}
