//! HTTP/2 connections that fell silent.
//!
//! One may be dead although nobody said so: its server vanished, or a firewall
//! forgot it. What is written to it keeps it from being idle, so it would fail
//! everybody until the kernel gives up, some fifteen minutes later.

use std::time::{Duration, Instant};

use pingora_core::connectors::http::v2::ConnectionRef;

/// Who waited for less may have been impatient.
const SILENCE: Duration = Duration::from_secs(2);

/// An answer is waited for. If it is given up after long, however that comes, the
/// connection is given no other request; its other streams go on.
pub(super) struct Waiting {
    connection: ConnectionRef,
    since: Instant,
    answered: bool,
}

impl Waiting {
    pub(super) fn on(connection: ConnectionRef) -> Self {
        Self {
            connection,
            since: Instant::now(),
            answered: false,
        }
    }

    /// The answer has begun.
    pub(super) fn answered(&mut self) {
        self.answered = true;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.answered && self.since.elapsed() >= SILENCE {
            self.connection.mark_shutdown();
        }
    }
}
