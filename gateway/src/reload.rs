//! A changed file → read → compile → swap; or the last good configuration
//! stays, and every problem is said.
//!
//! Folders are watched, not files: Kubernetes swaps a link, editors rename.
//! Key and certificate change one after the other; a pair that does not match
//! yet is tried again.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use conf::snapshot::Settings;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::gateway::Gateway;
use crate::live::Live;
use crate::load::{Loaded, Source, fingerprint, load};
use crate::metrics::Reload;

/// Quiet time after which a burst of changes is over.
const SETTLE: Duration = Duration::from_millis(100);
/// A burst that goes on is not waited for longer than this.
const LONGEST: Duration = Duration::from_millis(500);
/// Files are looked at this often even if nobody says they changed: some
/// mounts tell nobody.
const LOOK: Duration = Duration::from_secs(3);
/// After a refused configuration whose files changed in between.
const AGAIN: Duration = Duration::from_millis(250);

/// Keeps the gateway's configuration up to its files.
#[derive(Debug)]
pub struct Reloader {
    gateway: Arc<Gateway>,
    source: Source,
    watched: Vec<PathBuf>,
    seen: u64,
    folders: HashSet<PathBuf>,
    watcher: Option<RecommendedWatcher>,
    changes: mpsc::Receiver<()>,
}

impl Reloader {
    /// Watches the files a configuration was made from.
    #[must_use]
    pub fn new(gateway: Arc<Gateway>, source: Source, watched: Vec<PathBuf>) -> Self {
        let (tell, changes) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading is no change: we read them ourselves.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                // Full means a change is already waiting to be seen to.
                let _ = tell.try_send(());
            }
        });
        let watcher = watcher
            .inspect_err(|error| tracing::warn!(%error, "cannot watch files; looking every 3 s"))
            .ok();
        let mut reloader = Self {
            seen: fingerprint(&watched),
            gateway,
            source,
            watched,
            folders: HashSet::new(),
            watcher,
            changes,
        };
        reloader.watch();
        reloader
    }

    /// Reloads when a file changes or `asked` says so, for ever.
    pub async fn run(mut self, mut asked: mpsc::Receiver<()>) {
        loop {
            tokio::select! {
                _ = self.changes.recv() => self.settle().await,
                _ = asked.recv() => {
                    self.gateway.sinks.reopen();
                    self.seen = 0;
                }
                () = sleep(LOOK) => {}
            }
            self.look().await;
        }
    }

    async fn settle(&mut self) {
        let patience = Instant::now() + LONGEST;
        while Instant::now() < patience && timeout(SETTLE, self.changes.recv()).await.is_ok() {}
    }

    async fn look(&mut self) {
        let now = fingerprint(&self.watched);
        if now == self.seen {
            return;
        }
        self.seen = now;
        while !self.reload().await {
            sleep(AGAIN).await;
            let now = fingerprint(&self.watched);
            if now == self.seen {
                return;
            }
            self.seen = now;
        }
    }

    /// Whether a new configuration took effect.
    async fn reload(&mut self) -> bool {
        let (source, sinks) = (self.source.clone(), Arc::clone(&self.gateway.sinks));
        // Compiling a large configuration takes long enough to be in the way.
        let loading = tokio::task::spawn_blocking(move || load(&source, &sinks));
        match loading.await {
            Ok(Ok(Loaded { value, watched })) => {
                for warning in value.snapshot().grave() {
                    tracing::warn!("{warning}");
                }
                self.warn_of_sockets(&value);
                tracing::info!(snapshot = value.digest(), "configuration applied");
                self.gateway.swap(value);
                self.gateway.metrics.reloaded(Reload::Applied);
                self.watched = watched;
                self.seen = fingerprint(&self.watched);
                self.watch();
                true
            }
            Ok(Err(error)) => {
                tracing::error!(
                    problems = error.count(),
                    "configuration refused; the last good one stays\n{error}"
                );
                self.gateway.metrics.reloaded(Reload::Refused);
                false
            }
            Err(error) => {
                tracing::error!(%error, "reloading broke off; the last good configuration stays");
                false
            }
        }
    }

    /// Sockets and the resolver are made once.
    fn warn_of_sockets(&self, new: &Live) {
        let running = self.gateway.live();
        let (new, running) = (new.snapshot().settings(), running.snapshot().settings());
        let sockets = |settings: &Settings| {
            let listeners = settings.listeners.iter();
            let binds: Vec<_> = listeners
                .map(|l| (l.name.clone(), l.bind, l.mode))
                .collect();
            (binds, settings.admin)
        };
        if sockets(new) != sockets(running) || new.dns != running.dns {
            tracing::warn!(
                "`listeners`, `admin` or `dns` changed: that takes effect at the next start"
            );
        }
    }

    fn watch(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        for path in &self.watched {
            let folder = if path.is_dir() {
                Some(path.as_path())
            } else {
                path.parent()
            };
            let folder = folder
                .filter(|folder| !folder.as_os_str().is_empty())
                .unwrap_or(Path::new("."));
            if self.folders.contains(folder) {
                continue;
            }
            match watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.folders.insert(folder.to_owned());
                }
                Err(error) => {
                    tracing::warn!(folder = %folder.display(), %error, "cannot watch folder");
                }
            }
        }
    }
}
