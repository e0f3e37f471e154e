//! `egret demo`: the gateway between a mesh and a world outside, all of them on
//! loopback and in this process; document 004's requests and some attacks.
//!
//! The gateway is the one `egret run` runs; only its surroundings are played.
//! Needs no network and leaves nothing behind.

mod answers;
mod client;
mod configuration;
mod error;
mod folder;
mod mesh;
mod origins;
mod records;
mod script;
mod stay;
mod table;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::load::Source;
use crate::record::Sinks;
use crate::run::{Options, Process, StartError};
use crate::sandbox::Sandbox;
use client::Client;
use configuration::{FILE, HOSTS, numbered};
use error::DemoError;
use folder::Folder;
use records::Records;
use script::{Scene, Step};
use stay::Following;
use table::Row;

/// Host names by which curl may call the gateway: it verifies them.
const CALLED: [&str; 5] = [
    "edition.cnn.com",
    "www.googleapis.com",
    "httpbin.org",
    "bank.example",
    "www.example.com",
];
const THREADS: usize = 2;
/// Time for the last log lines.
const FLUSH: Duration = Duration::from_secs(2);
const INTRODUCTION: &str = "\
A gateway, a mesh before it and the world behind it, all on loopback and in this process:
workloads call by mutual TLS with certificates made a moment ago, and TLS origins answer for
the hosts outside.

";

/// What `demo` takes.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Leave everything up until Ctrl-C, with commands to try.
    #[arg(long)]
    stay: bool,
}

/// How a demo ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    AsExpected,
    Unexpected,
    Interrupted,
}

pub(super) fn demo(args: &DemoArgs) -> ExitCode {
    narrate(args);
    let runtime = Builder::new_current_thread().enable_all().build();
    let ending = runtime
        .map_err(DemoError::from)
        .and_then(|runtime| runtime.block_on(run(args)));
    match ending {
        Ok(Ending::AsExpected) => ExitCode::SUCCESS,
        Ok(Ending::Unexpected | Ending::Interrupted) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("egret demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the gateway has to say beside its records.
fn narrate(args: &DemoArgs) {
    let standard = if args.stay {
        "warn,gateway=info"
    } else {
        "warn"
    };
    super::narrate(standard);
}

async fn run(args: &DemoArgs) -> Result<Ending, DemoError> {
    // From before there is a folder, so that no signal leaves one behind.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let demo = tokio::select! {
        demo = Demo::start() => demo?,
        () = either(&mut interrupt, &mut terminate) => return Ok(Ending::Interrupted),
    };
    let ending = tokio::select! {
        // First, for the gateway hears the signal too, and hangs up.
        biased;
        () = either(&mut interrupt, &mut terminate) => return Ok(Ending::Interrupted),
        ending = demo.show() => ending?,
    };
    if args.stay {
        demo.stay().await?;
    }
    Ok(ending)
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Everything, up and running.
struct Demo {
    folder: Folder,
    configuration: String,
    gateway: SocketAddr,
    admin: Option<SocketAddr>,
    sinks: Arc<Sinks>,
    serving: JoinHandle<Result<(), StartError>>,
}

impl Demo {
    async fn start() -> Result<Self, DemoError> {
        let folder = Folder::create()?;
        mesh::write(&folder, &HOSTS, &CALLED)?;
        let configuration = configuration::write(&folder).await?;
        let options = Options {
            config: Source {
                paths: vec![folder.file(FILE)],
                namespace: None,
            },
            threads: THREADS,
            handover: None,
            sandbox: Sandbox::Off,
        };
        let process = Process::start(&options).await?;
        let gateway = process.addresses().next().map(|(_, address)| address);
        Ok(Self {
            gateway: gateway.ok_or(DemoError::NoListener)?,
            admin: process.admin_address(),
            sinks: Arc::clone(&process.gateway().sinks),
            serving: tokio::spawn(process.serve()),
            configuration,
            folder,
        })
    }

    /// Sends every request, and tells what became of them.
    async fn show(&self) -> Result<Ending, DemoError> {
        let configuration = numbered(&self.configuration);
        print(INTRODUCTION)?;
        print(format!(
            "What the gateway runs on, {FILE}:\n\n{configuration}\n"
        ))?;
        let scenes = self.play().await?;
        print(format!("What it decides:\n\n{}\n", table::render(&scenes)))?;
        for (log, what) in [
            (records::DOCUMENT_004, "as document 004 has it"),
            (records::EVERY_ATTEMPT, "every attempt"),
        ] {
            let lines = self.folder.read(log);
            print(format!("What the gateway logs ({what}):\n\n{lines}\n"))?;
        }
        let rows = || scenes.iter().flat_map(|scene| &scene.parts);
        let good = rows().filter(|row| row.is_as_expected()).count();
        let all = rows().count();
        print(format!("{good} of {all} as expected.\n"))?;
        Ok(if good == all {
            Ending::AsExpected
        } else {
            Ending::Unexpected
        })
    }

    /// Sends all requests, one after the other.
    async fn play(&self) -> Result<Vec<Scene<Row>>, DemoError> {
        let scenes = script::scenes();
        let mut seen = Vec::new();
        for step in scenes.iter().flat_map(|scene| &scene.parts) {
            let id = format!("demo-{}", seen.len() + 1);
            seen.push(self.send(step, &id).await?);
        }
        let callers: Vec<_> = seen.iter().map(|seen| seen.from).collect();
        let records = Records::of(&callers, &self.folder).await;
        // The logs are written each by a thread of its own.
        let sinks = Arc::clone(&self.sinks);
        let _ = spawn_blocking(move || sinks.flush(FLUSH)).await;
        let mut told = seen.iter().map(|seen| records.tell(seen));
        let mut row = |step| Row::new(step, told.next().flatten());
        let rows = scenes.into_iter().map(|scene| Scene {
            title: scene.title,
            parts: scene.parts.into_iter().map(&mut row).collect(),
        });
        Ok(rows.collect())
    }

    async fn send(&self, step: &Step, id: &str) -> Result<client::Seen, DemoError> {
        let client = Client::new(&self.folder, step.who.certificate())?;
        client.get(self.gateway, step.host, step.target, id).await
    }

    /// Until the gateway is told to end.
    async fn stay(self) -> Result<(), DemoError> {
        let following = Following::begin(&self.folder).await?;
        let commands = stay::commands(&self.folder, self.gateway, self.admin);
        print(format!("\n{commands}"))?;
        tokio::select! {
            _ = self.serving => Ok(()),
            broken = following.write() => broken,
        }
    }
}

/// To standard output, whose reader may have had enough.
fn print(text: impl AsRef<[u8]>) -> Result<(), DemoError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_ref())?;
    Ok(out.flush()?)
}
