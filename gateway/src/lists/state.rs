//! One list: what is known of it, and when it is asked for again.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use conf::Problem;
use conf::problem::Severity;
use conf::remote::RemoteList;
use tokio::task::Id;
use tokio::time::Instant;

use super::Ended;
use super::fetch::Fetched;
use crate::gateway::Gateway;

/// A list that failed is asked for again after this, if not sooner.
const RETRY: Duration = Duration::from_secs(10);
/// A trouble that stays is said again after this.
const REMIND: Duration = Duration::from_secs(60);
/// Troubles that change are not said oftener.
const PAUSE: Duration = Duration::from_secs(1);

/// Content, and when its server last vouched for it.
#[derive(Clone, Debug)]
struct Content {
    text: Arc<str>,
    tag: Option<Box<str>>,
    confirmed: Instant,
}

/// See the module.
#[derive(Debug)]
pub(super) struct State {
    list: RemoteList,
    source: String,
    /// In force.
    good: Option<Content>,
    /// Newer, to be tried.
    arrived: Option<Content>,
    /// No snapshot can be made with it.
    refused: Option<Arc<str>>,
    due: Instant,
    fetching: Option<Id>,
    asked: bool,
    trouble: Trouble,
}

impl State {
    pub(super) fn new(list: &RemoteList) -> Self {
        Self {
            list: list.clone(),
            source: list.source(),
            good: None,
            arrived: None,
            refused: None,
            due: Instant::now(),
            fetching: None,
            asked: false,
            trouble: Trouble::default(),
        }
    }

    pub(super) fn is_of(&self, list: &RemoteList) -> bool {
        self.source == list.source()
    }

    /// The same list under other words: `refresh`, `ttl`, where it stands.
    pub(super) fn rewritten(mut self, list: &RemoteList) -> Self {
        self.due = self.due.min(Instant::now() + list.refresh);
        self.list = list.clone();
        self
    }

    /// The list may be used otherwise now: what was refused may be good.
    pub(super) fn forgive(&mut self) {
        self.refused = None;
    }

    pub(super) fn list(&self) -> &RemoteList {
        &self.list
    }

    pub(super) fn known(&self) -> Option<(String, Arc<str>)> {
        let content = self.arrived.as_ref().or(self.good.as_ref())?;
        Some((self.source.clone(), Arc::clone(&content.text)))
    }

    pub(super) fn was_asked(&self) -> bool {
        self.asked
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.fetching.is_none() && self.due <= now
    }

    /// The entity tag of what is in force; what was refused is fetched again.
    pub(super) fn tag(&self) -> Option<Box<str>> {
        self.good.as_ref()?.tag.clone()
    }

    pub(super) fn begun(&mut self, task: Id) {
        self.fetching = Some(task);
    }

    pub(super) fn awaits(&self, task: Id) -> bool {
        self.fetching == Some(task)
    }

    /// When there is something to do without anybody's word.
    pub(super) fn wake(&self) -> Instant {
        let due = self.fetching.is_none().then_some(self.due);
        let old = [&self.good, &self.arrived].into_iter().flatten();
        let old = old.map(|content| content.confirmed + self.list.ttl);
        // A fetch under way ends by itself.
        let nothing = Instant::now() + RETRY;
        due.into_iter().chain(old).min().unwrap_or(nothing)
    }

    /// A fetch has ended; whether there is something new to compile.
    pub(super) fn ended(&mut self, (fetched, begun): Ended, gateway: &Gateway) -> bool {
        self.fetching = None;
        self.asked = true;
        match fetched {
            Ok(Fetched::Unchanged) => {
                self.due = begun + self.list.refresh;
                // What it was asked by may have grown too old meanwhile.
                let Some(good) = &mut self.good else {
                    self.due = Instant::now();
                    return false;
                };
                good.confirmed = begun;
                self.arrived = None;
                self.confirmed(gateway);
                false
            }
            Ok(Fetched::Content(text, tag)) => {
                self.due = begun + self.list.refresh;
                self.content(text, tag, begun, gateway)
            }
            Err(reason) => {
                self.due = Instant::now() + self.list.refresh.min(RETRY);
                self.failed(&reason, gateway);
                false
            }
        }
    }

    fn content(
        &mut self,
        text: String,
        tag: Option<Box<str>>,
        confirmed: Instant,
        gateway: &Gateway,
    ) -> bool {
        if self.refused.as_deref() == Some(&*text) {
            gateway.metrics.list_failed(&self.list.name);
            return false;
        }
        self.confirmed(gateway);
        let content = Content {
            text: text.into(),
            tag,
            confirmed,
        };
        if self
            .good
            .as_ref()
            .is_some_and(|good| good.text == content.text)
        {
            self.good = Some(content);
            // An arrival not in force yet is overtaken.
            return self.arrived.take().is_some();
        }
        self.arrived = Some(content);
        true
    }

    /// What is known is in force.
    pub(super) fn accepted(&mut self) {
        if let Some(arrived) = self.arrived.take() {
            let entries = arrived.text.lines().count();
            tracing::info!(list = &*self.list.name, lines = entries, "list changed");
            self.forgive();
            self.good = Some(arrived);
        }
    }

    /// Refuses what has arrived, if one of these problems is in it.
    pub(super) fn refuse(&mut self, problems: &[Problem], gateway: &Gateway) -> bool {
        let place = self.list.place();
        let is_here = |p: &&Problem| p.severity == Severity::Error && *p.origin.file == *place;
        let Some(first) = problems.iter().find(is_here) else {
            return false;
        };
        let Some(arrived) = self.arrived.take() else {
            return false;
        };
        tracing::error!(
            list = &*self.list.name,
            line = first.origin.line,
            problems = problems.iter().filter(is_here).count(),
            "content of list refused, {}: {}",
            self.remains(),
            first.message
        );
        gateway.metrics.list_failed(&self.list.name);
        self.refused = Some(arrived.text);
        true
    }

    /// Forgets what is too old to be believed; whether there was any.
    pub(super) fn give_up(&mut self, now: Instant) -> bool {
        let ttl = self.list.ttl;
        let is_old = |content: &mut Content| content.confirmed + ttl <= now;
        let arrived = self.arrived.take_if(is_old);
        let good = self.good.take_if(is_old);
        if good.is_some() {
            tracing::error!(
                list = &*self.list.name,
                ?ttl,
                "list given up: nothing was heard of it for its `ttl`"
            );
        }
        good.is_some() || arrived.is_some()
    }

    fn remains(&self) -> &'static str {
        match &self.good {
            Some(_) => "the last good content stays",
            None => "and none is known",
        }
    }

    fn confirmed(&mut self, gateway: &Gateway) {
        let name = &self.list.name;
        gateway.metrics.list_fetched(name, SystemTime::now());
        if self.trouble.over() {
            tracing::info!(list = &**name, "list fetched again");
        }
    }

    fn failed(&mut self, reason: &str, gateway: &Gateway) {
        gateway.metrics.list_failed(&self.list.name);
        if self.trouble.is_to_be_said(reason, Instant::now()) {
            tracing::warn!(
                list = &*self.list.name,
                reason,
                "cannot fetch list, {}",
                self.remains()
            );
        }
    }
}

/// What was said of failures, so that they do not fill the log.
#[derive(Debug, Default)]
struct Trouble {
    reason: Option<Box<str>>,
    said: Option<Instant>,
}

impl Trouble {
    fn is_to_be_said(&mut self, reason: &str, now: Instant) -> bool {
        let pause = match self.reason.as_deref() == Some(reason) {
            true => REMIND,
            false => PAUSE,
        };
        if self.said.is_some_and(|said| now < said + pause) {
            return false;
        }
        self.reason = Some(reason.into());
        self.said = Some(now);
        true
    }

    /// Whether there was a trouble that was said.
    fn over(&mut self) -> bool {
        self.reason.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_said_once_a_minute_and_changes_once_a_second() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut trouble = Trouble::default();
        assert!(trouble.is_to_be_said("a", after(0)));
        assert!(!trouble.is_to_be_said("a", after(59_999)));
        assert!(trouble.is_to_be_said("a", after(60_000)));
        assert!(!trouble.is_to_be_said("b", after(60_999)));
        assert!(trouble.is_to_be_said("b", after(61_000)));
        assert!(trouble.over());
        assert!(!trouble.over());
        assert!(!trouble.is_to_be_said("b", after(61_500)), "flapping");
        assert!(trouble.is_to_be_said("b", after(62_000)));
    }
}
