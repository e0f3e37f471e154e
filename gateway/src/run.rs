//! The process: start, serve, drain, end.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use conf::remote::KnownLists;
use conf::snapshot::Settings;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use crate::admin::{self, AdminState};
use crate::drain::Phase;
use crate::gateway::Gateway;
use crate::handover::{Inherited, MeetingPlace, Offered, Predecessor};
use crate::limits::descriptors;
use crate::listen::Bound;
use crate::load::{LoadError, Loaded, Source, load, reach};
use crate::memory;
use crate::record::Sinks;
use crate::reload::Reloader;
use crate::sandbox::{self, Sandbox};
use crate::workers::Workers;

/// Idle upstream connections are looked over this often.
const SWEEP: Duration = Duration::from_secs(1);
/// Time for connections that are cut to be put on record.
const CUT: Duration = Duration::from_secs(1);
/// At the end, time for the last log lines.
const FLUSH: Duration = Duration::from_secs(5);

/// The gateway is not ready before its remote lists have been asked for, but
/// takes no longer over it: without them it refuses what depends on them.
const FIRST_LISTS: Duration = Duration::from_secs(5);

/// Why the process cannot start.
#[derive(Debug)]
pub enum StartError {
    /// The configuration.
    Load(LoadError),
    /// The process to be replaced.
    Handover(PathBuf, io::Error),
    /// A socket.
    Bind(String, SocketAddr, io::Error),
    /// The process's surroundings.
    Process(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => write!(f, "{error}"),
            Self::Handover(path, error) => {
                let path = path.display();
                write!(f, "error: cannot take over at `{path}`: {error}")
            }
            Self::Bind(what, address, error) => {
                write!(f, "error: cannot bind {what} to {address}: {error}")
            }
            Self::Process(error) => write!(f, "error: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration.
    pub config: Source,
    /// Worker threads, the calling one included.
    pub threads: usize,
    /// Where this process and the one before or after it meet.
    pub handover: Option<Handover>,
    /// Whether the process shuts itself in before it opens a socket.
    pub sandbox: Sandbox,
}

/// How a process takes another one's place.
#[derive(Clone, Debug)]
pub struct Handover {
    /// The Unix socket.
    pub socket: PathBuf,
    /// Whether to take the sockets of the process that serves there now.
    pub upgrade: bool,
}

/// Sockets and gateway, bound but not serving yet.
#[derive(Debug)]
pub struct Process {
    gateway: Arc<Gateway>,
    workers: Arc<Workers>,
    listeners: Vec<Bound>,
    admin: Option<TcpListener>,
    reloader: Reloader,
    predecessor: Option<Predecessor>,
    succession: Option<(MeetingPlace, Offered)>,
}

impl Process {
    /// Loads the configuration and binds all sockets. The calling runtime is the
    /// first worker; a runtime of one thread serves best.
    ///
    /// # Errors
    /// The first thing without which the gateway cannot serve.
    pub async fn start(options: &Options) -> Result<Self, StartError> {
        if let Err(error) = descriptors::raise() {
            tracing::warn!("cannot raise the bound on open files: {error}");
        }
        shut_in(options)?;
        let sinks = Arc::new(Sinks::new());
        // Lists are fetched once there is a gateway to fetch them with.
        let Loaded {
            value,
            watched,
            files,
        } = load(&options.config, &sinks, KnownLists::new()).map_err(StartError::Load)?;
        for warning in value.snapshot().grave() {
            tracing::warn!("{warning}");
        }
        let settings = value.snapshot().settings().clone();
        if let Some(warning) = descriptors::too_few(&settings.limits) {
            tracing::warn!("{warning}");
        }
        let gateway = Arc::new(Gateway::new(value, sinks, options.threads));
        // Not before the configuration is good: nobody is asked for nothing.
        let (predecessor, mut inherited) = inherit(options)?;
        let listeners = settings.listeners.iter().enumerate();
        let listeners = listeners.map(|(number, listener)| {
            Bound::bind(number, listener, &mut inherited).map_err(|error| {
                StartError::Bind(
                    format!("listener `{}`", listener.name),
                    listener.bind,
                    error,
                )
            })
        });
        let listeners = listeners.collect::<Result<Vec<_>, _>>()?;
        let admin = match settings.admin {
            None => None,
            Some(address) => {
                let bound = match inherited.take(None, address) {
                    Ok(Some(socket)) => TcpListener::from_std(socket),
                    Ok(None) => TcpListener::bind(address).await,
                    Err(error) => Err(error),
                };
                Some(bound.map_err(|e| StartError::Bind("the admin port".into(), address, e))?)
            }
        };
        let own = listeners.iter().map(Bound::address);
        let own = own.chain(admin.as_ref().and_then(|socket| socket.local_addr().ok()));
        gateway.resolver.own_sockets(own.collect());
        let workers = Workers::start(options.threads);
        let workers = workers.map_err(|error| StartError::Process(error.to_string()))?;
        let succession = succession(options, &settings, &listeners, admin.as_ref())?;
        Ok(Self {
            predecessor,
            succession,
            workers: Arc::new(workers),
            reloader: Reloader::new(Arc::clone(&gateway), options.config.clone(), watched, files),
            gateway,
            listeners,
            admin,
        })
    }

    /// The gateway that will serve.
    #[must_use]
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// Name and address of every listener.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, SocketAddr)> {
        self.listeners
            .iter()
            .map(|bound| (&*bound.listener().name, bound.address()))
    }

    /// Where admin is bound.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref()?.local_addr().ok()
    }

    /// Serves until SIGTERM or SIGINT, or until another process has taken the
    /// sockets over; then drains.
    ///
    /// # Errors
    /// When signals cannot be received.
    pub async fn serve(self) -> Result<(), StartError> {
        let process = |error: io::Error| StartError::Process(error.to_string());
        let mut terminate = signal(SignalKind::terminate()).map_err(process)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(process)?;
        let mut hang_up = signal(SignalKind::hangup()).map_err(process)?;
        let ready = Arc::new(AtomicBool::new(true));
        let drain = self.gateway.teller.drain();
        // Admin answers to the last: that it is not ready is an answer too.
        let (admin, admin_ends) = watch::channel(false);
        let (reload, asked) = mpsc::channel(1);
        let lists = self.reloader.lists_settled();
        tokio::spawn(self.reloader.run(asked));
        tokio::spawn(sweep(Arc::clone(&self.gateway)));
        if self.predecessor.is_some() {
            // It serves meanwhile, and knows its lists.
            settled(&lists).await;
        }
        for bound in self.listeners {
            let (gateway, workers) = (Arc::clone(&self.gateway), Arc::clone(&self.workers));
            tokio::spawn(bound.serve(gateway, workers, drain.clone()));
        }
        if let Some(socket) = self.admin {
            let state = admin_state(&self.gateway, &ready, lists);
            tokio::spawn(admin::serve(socket, state, admin_ends));
        }
        memory::watch(&self.gateway).map_err(process)?;
        if let Some(predecessor) = self.predecessor {
            predecessor.relieve();
        }
        let mut relieved = pin!(relieved(self.succession));
        tracing::info!(snapshot = self.gateway.live().digest(), "ready");
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hang_up.recv() => {
                    // Full means one is waiting already.
                    let _ = reload.try_send(());
                }
                () = &mut relieved => {
                    tracing::info!("another process has taken over");
                    self.gateway.teller.relieved();
                    admin.send_replace(true);
                    break;
                }
            }
        }
        ready.store(false, Ordering::Release);
        end(&self.gateway).await;
        Ok(())
    }
}

/// The process to be replaced, if that is asked for, and its sockets.
fn inherit(options: &Options) -> Result<(Option<Predecessor>, Inherited), StartError> {
    let upgrade = options.handover.as_ref().filter(|h| h.upgrade);
    let Some(Handover { socket, .. }) = upgrade else {
        return Ok((None, Inherited::default()));
    };
    let asked = Predecessor::ask(socket);
    let (predecessor, inherited) =
        asked.map_err(|error| StartError::Handover(socket.clone(), error))?;
    Ok((Some(predecessor), inherited))
}

/// Where a successor will find this process, and what it may take.
fn succession(
    options: &Options,
    settings: &Settings,
    listeners: &[Bound],
    admin: Option<&TcpListener>,
) -> Result<Option<(MeetingPlace, Offered)>, StartError> {
    let Some(Handover { socket, .. }) = &options.handover else {
        return Ok(None);
    };
    let prepared = || {
        let mut offered = Offered::default();
        for bound in listeners {
            bound.offer(&mut offered)?;
        }
        if let (Some(socket), Some(bind)) = (admin, settings.admin) {
            offered.add(None, bind, socket)?;
        }
        Ok((MeetingPlace::prepare(socket)?, offered))
    };
    let prepared = prepared().map_err(|error| StartError::Handover(socket.clone(), error))?;
    Ok(Some(prepared))
}

/// Waits until a successor serves.
async fn relieved(succession: Option<(MeetingPlace, Offered)>) {
    let Some((place, offered)) = succession else {
        return std::future::pending().await;
    };
    if let Err(error) = place.open() {
        tracing::warn!(%error, "no other process will be able to take over");
    }
    place.relieved(offered).await;
}

/// Waits until the lists have been asked for, but not for long.
async fn settled(lists: &AtomicBool) {
    let deadline = Instant::now() + FIRST_LISTS;
    while !lists.load(Ordering::Acquire) && Instant::now() < deadline {
        sleep(Duration::from_millis(20)).await;
    }
}

/// While this thread is the only one.
fn shut_in(options: &Options) -> Result<(), StartError> {
    if options.sandbox == Sandbox::Off {
        return Ok(());
    }
    let mut reach = reach(&options.config).map_err(StartError::Load)?;
    if let Some(handover) = &options.handover {
        reach.write(&handover.socket);
    }
    let Err(missing) = sandbox::shut_in(&reach) else {
        return Ok(());
    };
    for missing in &missing {
        tracing::warn!("the process is not shut in: {missing}");
    }
    match options.sandbox {
        Sandbox::Require => Err(StartError::Process(
            "the kernel has no sandbox: write `--sandbox try` to go without".to_owned(),
        )),
        Sandbox::Off | Sandbox::Try => Ok(()),
    }
}

/// Not ready at once, serving for a while, then only what has begun.
async fn end(gateway: &Gateway) {
    let times = gateway.live().snapshot().settings().drain.clone();
    tracing::info!(serve = ?times.serve, finish = ?times.finish, "draining");
    // From here on every answer ends its HTTP/1.1 connection, every HTTP/2
    // connection is told to go away, and new connections are still served.
    gateway.teller.phase(Phase::Draining);
    sleep(times.serve).await;
    gateway.teller.phase(Phase::Closing);
    let deadline = Instant::now() + times.finish;
    none_open_until(gateway, deadline).await;
    let cut = gateway.connections.open();
    gateway.teller.phase(Phase::Over);
    none_open_until(gateway, Instant::now() + CUT).await;
    let unwritten = gateway.sinks.flush(FLUSH);
    tracing::info!(cut, unwritten, "ended");
}

async fn none_open_until(gateway: &Gateway, deadline: Instant) {
    while gateway.connections.open() > 0 && Instant::now() < deadline {
        sleep(Duration::from_millis(20)).await;
    }
}

async fn sweep(gateway: Arc<Gateway>) {
    loop {
        sleep(SWEEP).await;
        gateway.dialler.sweep();
        gateway.wildcards.sweep(Instant::now().into());
    }
}

fn admin_state(
    gateway: &Arc<Gateway>,
    ready: &Arc<AtomicBool>,
    lists: Arc<AtomicBool>,
) -> Arc<AdminState> {
    let begun = Instant::now();
    let (metrics, config) = (Arc::clone(gateway), Arc::clone(gateway));
    let ready = Arc::clone(ready);
    Arc::new(AdminState {
        ready: Box::new(move || {
            if !ready.load(Ordering::Acquire) {
                return Err("draining".to_owned());
            }
            if !lists.load(Ordering::Acquire) && begun.elapsed() < FIRST_LISTS {
                return Err("fetching lists".to_owned());
            }
            Ok(())
        }),
        metrics: Box::new(move |to| {
            let (live, sinks) = (metrics.live(), metrics.sinks.stats());
            metrics.metrics.render(&sinks, live.watched(), to)
        }),
        config: Box::new(move || {
            let live = config.live();
            let warnings = live.snapshot().grave().map(ToString::to_string);
            serde_json::json!({
                "snapshot": live.digest(),
                "warnings": warnings.collect::<Vec<_>>(),
            })
            .to_string()
        }),
    })
}
