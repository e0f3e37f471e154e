//! Requests without pause from several callers, while something else happens.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::client::Reply;
use crate::reply::Stop;
use crate::wait::until;

/// Running callers; told to stop when dropped.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    callers: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: Stop,
    answered: AtomicUsize,
    bad: Mutex<Vec<Reply>>,
}

impl Load {
    /// Starts one caller for each of `requests`; each repeats its own.
    #[must_use]
    pub fn start(requests: Vec<Box<dyn Fn() -> Reply + Send>>) -> Self {
        let shared = Arc::new(Shared::default());
        let callers = requests.into_iter().map(|request| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.repeat(&request))
        });
        Self {
            callers: callers.collect(),
            shared,
        }
    }

    /// Waits until `number` more requests have been answered.
    ///
    /// # Panics
    /// When they are not in time.
    #[track_caller]
    pub fn go_on_for(&self, number: usize) {
        let goal = self.answered() + number;
        until("the load goes on", || {
            (self.answered() >= goal).then_some(())
        });
    }

    /// How many requests were answered 200 without error.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.shared.answered.load(Ordering::SeqCst)
    }

    /// Lets every caller finish its request; what was not a whole 200.
    #[must_use]
    pub fn finish(mut self) -> Vec<Reply> {
        self.shared.stop.now();
        for caller in self.callers.drain(..) {
            let _ = caller.join();
        }
        self.shared.bad().clone()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.now();
    }
}

impl Shared {
    fn repeat(&self, request: &dyn Fn() -> Reply) {
        while !self.stop.is_set() {
            let reply = request();
            if reply.status == 200 && reply.error.is_empty() {
                self.answered.fetch_add(1, Ordering::SeqCst);
            } else {
                self.bad().push(reply);
            }
        }
    }

    fn bad(&self) -> std::sync::MutexGuard<'_, Vec<Reply>> {
        self.bad.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
