//! One line that tells how far a run is; where nobody watches, a line for each
//! scenario.

use std::io::{IsTerminal, Write, stderr};

/// Counts scenarios.
#[derive(Debug)]
pub(crate) struct Progress {
    done: usize,
    all: usize,
    last: Option<&'static str>,
    watched: bool,
}

impl Progress {
    pub(crate) fn new(all: usize) -> Self {
        Self {
            done: 0,
            all,
            last: None,
            watched: stderr().is_terminal(),
        }
    }

    /// What is done now, in which scenario.
    pub(crate) fn say(&mut self, scenario: &'static str, what: &str) {
        let new = self.last != Some(scenario);
        if new {
            self.done += 1;
            self.last = Some(scenario);
        }
        let (done, all) = (self.done, self.all);
        let mut out = stderr();
        // Nothing depends on whether it can be read.
        let _ = if self.watched {
            write!(out, "\r\x1b[K[{done}/{all}] {scenario}: {what}")
        } else if new {
            writeln!(out, "[{done}/{all}] {scenario}")
        } else {
            Ok(())
        };
        let _ = out.flush();
    }

    /// Makes room for what is printed next.
    pub(crate) fn end(&self) {
        if self.watched {
            eprint!("\r\x1b[K");
        }
    }
}
