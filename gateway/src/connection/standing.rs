//! Whether a caller would still be let in: roots, trust domains and revocation
//! lists may change while the connection lives, and its certificate expires.
//!
//! Who is trusted no more loses what is under way, too. A certificate that
//! expires was good when that began: only nothing new begins, and as every caller
//! meets it once a day, connections take their leave before.
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
/// How long before its caller's certificate expires a connection takes its leave:
/// longer than callers keep one without asking for anything.
const PARTING: Duration = Duration::from_secs(120);

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

    /// Whether the caller is still trusted with what is under way.
    ///
    /// # Errors
    /// Why he is not.
    pub(crate) fn standing(&self) -> Result<(), Refusal> {
        self.seen().lost.map_or(Ok(()), Err)
    }

    /// Whether the caller would still be let in, and so may begin something.
    ///
    /// # Errors
    /// Why he may not.
    pub(crate) fn may_begin(&self) -> Result<(), Refusal> {
        match self.remaining() {
            Some(Duration::ZERO) => Err(Refusal::CertificateExpired),
            _ => self.standing(),
        }
    }

    /// Whether what is answered now is to be the last: the process is on its way
    /// out, or the caller soon has to show another certificate.
    pub(crate) fn is_parting(&self) -> bool {
        self.drain.has_begun() || self.remaining().is_some_and(|left| left <= PARTING)
    }

    /// For how long the certificate is still valid, if there is one.
    fn remaining(&self) -> Option<Duration> {
        self.shown.as_ref().map(|shown| shown.remaining())
    }

    /// Waits until the connection is to take its leave.
    ///
    /// # Errors
    /// When the caller would no more be let in before that.
    pub(crate) async fn parting(&self) -> Result<(), Refusal> {
        let left = self.remaining().map(|left| left.saturating_sub(PARTING));
        tokio::select! {
            over = self.over(Some(Phase::Draining)) => over,
            () = after(left) => Ok(()),
        }
    }

    /// Waits until the process comes to `phase`, or the certificate expires.
    ///
    /// # Errors
    /// When the caller would no more be let in before that.
    pub(crate) async fn idle_until(&self, phase: Phase) -> Result<(), Refusal> {
        tokio::select! {
            over = self.over(Some(phase)) => over,
            () = after(self.remaining()) => Err(Refusal::CertificateExpired),
        }
    }

    /// Waits until the process comes to `phase`, if it matters.
    ///
    /// # Errors
    /// When the caller is trusted no more before that.
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

/// Waits for so long; without a time, for ever.
async fn after(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => std::future::pending().await,
    }
}
