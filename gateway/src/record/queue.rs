//! The bounded queue between requests and the one writer of a sink.
//!
//! Producers append to a page under one lock, held for a copy of a line's
//! bytes and nothing else; the writer takes whole pages. A page per thread
//! would save that lock but lose the order of lines and the exact bound. The
//! writer is woken only from idleness: while it works or lingers, lines
//! gather, and no request pays for a system call.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lines are gathered into pages of this size, and written a page at a time.
const PAGE_BYTES: usize = 64 * 1024;

/// Emptied pages kept for reuse.
const SPARE_PAGES: usize = 4;

/// How long the writer waits for more lines before it goes to sleep.
const LINGER: Duration = Duration::from_millis(2);

/// How much a queue holds: whichever is reached first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) lines: usize,
    pub(crate) bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            lines: 65_536,
            bytes: 64 * 1024 * 1024,
        }
    }
}

/// The queue has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the access log's queue is full")
    }
}

impl std::error::Error for Full {}

/// On what ground a line asks for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// None: it takes what is neither used nor reserved.
    Open,
    /// It was reserved before, so there is room.
    Reserved,
}

/// Lines on their way to a sink.
#[derive(Debug)]
pub(crate) struct Queue {
    bounds: Bounds,
    state: Mutex<State>,
    work: Condvar,
    drained: Condvar,
}

#[derive(Debug, Default)]
struct State {
    pages: VecDeque<Vec<u8>>,
    spare: Vec<Vec<u8>>,
    /// Lines and bytes not yet written, those in the writer's hands included.
    lines: usize,
    bytes: usize,
    /// Lines promised to requests under way.
    reserved: usize,
    asleep: bool,
    closed: bool,
}

impl Queue {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            state: Mutex::default(),
            work: Condvar::new(),
            drained: Condvar::new(),
        }
    }

    /// Appends a line, which ends with its line ending.
    pub(crate) fn push(&self, line: &[u8], claim: Claim) -> Result<(), Full> {
        let mut state = self.lock();
        if claim == Claim::Open && !state.has_room(self.bounds, 1, line.len()) {
            return Err(Full);
        }
        state.append(line);
        let wake = mem::take(&mut state.asleep);
        drop(state);
        if wake {
            self.work.notify_one();
        }
        Ok(())
    }

    /// Promises room for `lines` lines, until [`Queue::release`].
    pub(crate) fn reserve(&self, lines: usize) -> Result<(), Full> {
        let mut state = self.lock();
        if !state.has_room(self.bounds, lines, 0) {
            return Err(Full);
        }
        state.reserved += lines;
        Ok(())
    }

    /// Takes a promise back, used or not.
    pub(crate) fn release(&self, lines: usize) {
        let mut state = self.lock();
        state.reserved = state.reserved.saturating_sub(lines);
    }

    /// The next page for the writer, waiting for one; none once the queue is
    /// closed and empty.
    pub(crate) fn next_page(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        if state.pages.is_empty() && !state.closed {
            state = ignore_poison(self.work.wait_timeout(state, LINGER)).0;
        }
        loop {
            if let Some(page) = state.pages.pop_front() {
                return Some(page);
            }
            if state.closed {
                return None;
            }
            state.asleep = true;
            state = ignore_poison(self.work.wait(state));
        }
    }

    /// Says that lines of the page at hand have reached the sink, or are given up.
    pub(crate) fn settle(&self, lines: usize, bytes: usize) {
        let mut state = self.lock();
        state.lines = state.lines.saturating_sub(lines);
        state.bytes = state.bytes.saturating_sub(bytes);
        if state.lines == 0 {
            self.drained.notify_all();
        }
    }

    /// Gives an emptied page back for reuse.
    pub(crate) fn recycle(&self, mut page: Vec<u8>) {
        page.clear();
        let mut state = self.lock();
        if state.spare.len() < SPARE_PAGES {
            state.spare.push(page);
        }
    }

    /// Waits until every line is written, at most for `timeout`; gives the
    /// number of lines that are not.
    pub(crate) fn drain(&self, timeout: Duration) -> usize {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        while state.lines > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = ignore_poison(self.drained.wait_timeout(state, left)).0;
        }
        state.lines
    }

    /// Says that no more lines come: the writer ends when it has written all.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// No code that holds this lock can panic half-way through a change.
    fn lock(&self) -> MutexGuard<'_, State> {
        ignore_poison(self.state.lock())
    }
}

fn ignore_poison<T>(result: Result<T, PoisonError<T>>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn has_room(&self, bounds: Bounds, lines: usize, bytes: usize) -> bool {
        self.lines + self.reserved + lines <= bounds.lines && self.bytes + bytes <= bounds.bytes
    }

    fn append(&mut self, line: &[u8]) {
        self.lines += 1;
        self.bytes += line.len();
        match self.pages.back_mut() {
            Some(page) if page.len() + line.len() <= PAGE_BYTES => page.extend_from_slice(line),
            _ => {
                let spare = self.spare.pop();
                let mut page = spare.unwrap_or_else(|| Vec::with_capacity(PAGE_BYTES));
                page.extend_from_slice(line);
                self.pages.push_back(page);
            }
        }
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
