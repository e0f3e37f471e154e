//! A changed file → read → compile → swap; or the last good configuration
//! stays, and every problem is said.
//!
//! A change takes effect within a second, and a compilation: folders are watched,
//! not files, since Kubernetes swaps a link and editors rename; and what the
//! system does not tell (network mounts, folders replaced whole) is looked for.
//! Key and certificate change one after the other; a pair that does not match
//! yet is tried again.

use std::collections::HashSet;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arc_swap::ArcSwap;
use conf::SourceFile;
use conf::remote::KnownLists;
use conf::snapshot::{Dns, Listener};
use notify::event::ModifyKind;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, sleep, timeout};

use crate::gateway::Gateway;
use crate::lists::Lists;
use crate::live::Live;
use crate::load::{LoadError, Loaded, Source, certificates, load, load_again, renew};
use crate::metrics::Reload;
use crate::watched::{Look, Watched};

/// Quiet time after which a burst of changes is over.
const SETTLE: Duration = Duration::from_millis(100);
/// A burst that goes on is not waited for longer than this.
const LONGEST: Duration = Duration::from_millis(500);
/// Files are looked at this often even if nobody says they changed: some
/// mounts tell nobody.
const GLANCE: Duration = Duration::from_millis(500);
/// Of so many glances one reads the files.
const READ: u32 = 6;
/// After a refused configuration whose files changed in between.
const AGAIN: Duration = Duration::from_millis(250);

/// Keeps the gateway's configuration up to its files.
#[derive(Debug)]
pub struct Reloader {
    gateway: Arc<Gateway>,
    /// What the process was started with, for good.
    started: (Option<SocketAddr>, Dns),
    source: Source,
    watched: Watched,
    /// Those of the running configuration, as it was made from them.
    certificates: Watched,
    /// Where the files are refused, and not what runs: what was said of them.
    refused: Option<String>,
    /// What the running snapshot was made from.
    files: Arc<[SourceFile]>,
    lists: Lists,
    watcher: Option<RecommendedWatcher>,
    names: Arc<ArcSwap<Names>>,
    changes: mpsc::Receiver<()>,
}

/// What watched files are called, without their folders: a file may be known by
/// several paths.
type Names = HashSet<OsString>;

impl Reloader {
    /// Watches the files the running configuration was made from.
    #[must_use]
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        source: Source,
        watched: Watched,
        files: Arc<[SourceFile]>,
    ) -> Self {
        let (tell, changes) = mpsc::channel(1);
        let names = Arc::new(ArcSwap::from_pointee(Names::new()));
        let known = Arc::clone(&names);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.map_or(true, |event| may_concern(&event, &known.load())) {
                // Full means a change is already waiting to be seen to.
                let _ = tell.try_send(());
            }
        });
        let watcher = watcher
            .inspect_err(|error| {
                let message = "cannot watch files: changes are found by looking now and then";
                tracing::warn!(%error, "{message}");
            })
            .ok();
        let live = gateway.live();
        let settings = live.snapshot().settings();
        let mut reloader = Self {
            lists: Lists::new(live.snapshot().lists()),
            started: (settings.admin, settings.dns.clone()),
            certificates: watched.of(&certificates(live.snapshot())),
            refused: None,
            gateway,
            source,
            watched,
            files,
            watcher,
            names,
            changes,
        };
        reloader.watch();
        reloader
    }

    /// True once the remote lists there are at the start have been asked for.
    pub(crate) fn lists_settled(&self) -> Arc<AtomicBool> {
        self.lists.settled()
    }

    /// Reloads when a file or list changes or `asked` says so, for ever.
    pub async fn run(mut self, mut asked: mpsc::Receiver<()>) {
        let mut glance = tokio::time::interval(GLANCE);
        glance.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut glances = (0..READ).cycle();
        loop {
            let changed = tokio::select! {
                // Never where there is no watcher: glances find what changes.
                Some(()) = self.changes.recv() => {
                    self.settle().await;
                    self.differs(Look::Read).await
                }
                _ = asked.recv() => {
                    self.gateway.sinks.reopen();
                    true
                }
                () = self.lists.changed(&self.gateway) => {
                    self.recompile().await;
                    false
                }
                _ = glance.tick() => match glances.next() {
                    Some(0) => self.differs(Look::Read).await,
                    Some(_) | None => self.differs(Look::Glance).await,
                },
            };
            if changed {
                self.until_settled().await;
            } else if self.refused.is_some() {
                self.renew().await;
            }
        }
    }

    async fn settle(&mut self) {
        let patience = Instant::now() + LONGEST;
        while Instant::now() < patience
            && timeout(SETTLE, self.changes.recv()).await == Ok(Some(()))
        {}
    }

    /// Reloads, and again while what is refused is still changing.
    async fn until_settled(&mut self) {
        while !self.reload().await {
            sleep(AGAIN).await;
            if !self.differs(Look::Read).await {
                return;
            }
        }
    }

    async fn differs(&mut self, look: Look) -> bool {
        let mut watched = std::mem::take(&mut self.watched);
        // A disk may take its time.
        let looking = tokio::task::spawn_blocking(move || (watched.differs(look), watched));
        match looking.await {
            Ok((differs, watched)) => {
                self.watched = watched;
                differs
            }
            Err(_) => true,
        }
    }

    /// Whether a new configuration took effect.
    async fn reload(&mut self) -> bool {
        let (source, sinks) = (self.source.clone(), Arc::clone(&self.gateway.sinks));
        let loading = move |lists| load(&source, &sinks, lists);
        let Loaded {
            value,
            watched,
            files,
        } = match self.compiled(loading).await {
            Ok(loaded) => loaded,
            Err(refused) => {
                self.refused = Some(
                    refused
                        .as_ref()
                        .map(LoadError::to_string)
                        .unwrap_or_default(),
                );
                self.watched = match refused {
                    Some(refused) => refused.into_watched(),
                    None => self.watched.as_it_is(),
                };
                self.watch();
                return false;
            }
        };
        for warning in value.snapshot().grave() {
            tracing::warn!("{warning}");
        }
        self.files = files;
        self.certificates = watched.of(&certificates(value.snapshot()));
        self.refused = None;
        self.watched = watched;
        self.watch();
        self.lists.forgive();
        self.apply(value);
        self.warn_of_sockets();
        true
    }

    /// The running configuration with what is known of its lists now.
    async fn recompile(&mut self) {
        let (source, files) = (self.source.clone(), Arc::clone(&self.files));
        let (sinks, running) = (Arc::clone(&self.gateway.sinks), self.gateway.live());
        let before = Arc::clone(&running);
        let loading = move |lists| load_again(&before, &source, &files, &sinks, lists);
        let Ok(value) = self.compiled(loading).await else {
            return;
        };
        let said = running.snapshot().warnings();
        let warnings = value.snapshot().grave();
        for warning in warnings.filter(|warning| !said.contains(warning)) {
            tracing::warn!("{warning}");
        }
        self.apply(value);
    }

    /// While the files are refused: what runs with what its certificates have
    /// become. Roots and revocation lists wait for nobody's spelling.
    async fn renew(&mut self) {
        let (running, sinks) = (self.gateway.live(), Arc::clone(&self.gateway.sinks));
        let mut certificates = self.certificates.clone();
        let renewing = tokio::task::spawn_blocking(move || {
            let renewed = renew(&running, &mut certificates, &sinks);
            (renewed, certificates)
        });
        let Ok((Some(renewed), certificates)) = renewing.await else {
            return;
        };
        self.certificates = certificates;
        match renewed {
            Ok(live) => {
                tracing::info!("certificates renewed; the configuration stays refused");
                self.gateway.swap(live);
            }
            Err(error) => {
                let (error, told) = (error.to_string(), self.refused.as_deref());
                let is_told = |line: &str| told.is_some_and(|told| told.contains(line));
                if !error.lines().all(is_told) {
                    tracing::error!("certificates refused; the last good ones stay\n{error}");
                }
            }
        }
    }

    /// What `load` makes of the lists that are known, without content that is
    /// no good; or the other problem there is, which was told.
    async fn compiled<T: Send + 'static>(
        &mut self,
        load: impl Fn(KnownLists) -> Result<T, LoadError> + Clone + Send + 'static,
    ) -> Result<T, Option<LoadError>> {
        loop {
            let (load, known) = (load.clone(), self.lists.known());
            // Compiling a large configuration takes long enough to be in the way.
            match tokio::task::spawn_blocking(move || load(known)).await {
                Ok(Ok(loaded)) => return Ok(loaded),
                // Each round refuses content, of which there is an end.
                Ok(Err(error)) if self.lists.refuse(error.problems(), &self.gateway) => {}
                Ok(Err(error)) => {
                    tracing::error!(
                        problems = error.count(),
                        "configuration refused; the last good one stays\n{error}"
                    );
                    self.gateway.metrics.reloaded(Reload::Refused);
                    return Err(Some(error));
                }
                Err(error) => {
                    let message = "reloading broke off; the last good configuration stays";
                    tracing::error!(%error, "{message}");
                    return Err(None);
                }
            }
        }
    }

    fn apply(&mut self, value: Live) {
        tracing::info!(snapshot = value.digest(), "configuration applied");
        self.lists.accepted();
        self.lists.follow(value.snapshot().lists());
        let names = value.snapshot().lists().iter().map(|list| &*list.name);
        self.gateway.metrics.using_lists(names);
        self.gateway.swap(value);
        self.gateway.metrics.reloaded(Reload::Applied);
    }

    /// Sockets and the resolver are made once.
    fn warn_of_sockets(&self) {
        let live = self.gateway.live();
        let settings = live.snapshot().settings();
        let names = |listeners: Vec<&Listener>| {
            let names = listeners
                .iter()
                .map(|l| format!("`{}` at {}", l.name, l.bind));
            names.collect::<Vec<_>>().join(", ")
        };
        let (unbound, forgotten) = live.misplaced();
        if !unbound.is_empty() {
            let new = names(unbound);
            tracing::warn!("new listeners: {new}: that takes effect at the next start");
        }
        if !forgotten.is_empty() {
            let gone = names(forgotten);
            tracing::warn!(
                "listeners no longer there: {gone}: that takes effect at the next start; \
                 until then they serve as they did"
            );
        }
        let (admin, dns) = &self.started;
        if settings.admin != *admin || settings.dns != *dns {
            tracing::warn!("`admin` or `dns` changed: that takes effect at the next start");
        }
    }

    fn watch(&mut self) {
        let paths = || self.watched.paths().chain(self.certificates.paths());
        let names = paths().filter_map(Path::file_name);
        self.names
            .store(Arc::new(names.map(OsString::from).collect()));
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let folders: HashSet<&Path> = paths().map(folder).collect();
        for folder in folders {
            // Again and again: another folder may have come in its place.
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                tracing::warn!(folder = %folder.display(), %error, "cannot watch folder");
            }
        }
    }
}

/// Whether a change may be one of ours. Reading is none, since we read ourselves;
/// nor is what is written into another file of the folder, which may well be an
/// access log with a thousand lines a second. What comes, goes or is renamed
/// always may.
fn may_concern(event: &Event, names: &Names) -> bool {
    match event.kind {
        EventKind::Access(_) => false,
        EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)) => {
            let mut files = event.paths.iter().map(|path| path.file_name());
            files.any(|name| name.is_none_or(|name| names.contains(name)))
        }
        _ => true,
    }
}

/// Where changes of a path are told: a folder's own, or those of the one a file
/// stands in.
fn folder(path: &Path) -> &Path {
    let folder = if path.is_dir() {
        Some(path)
    } else {
        path.parent()
    };
    folder
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

#[cfg(test)]
#[path = "reload_tests.rs"]
mod tests;
