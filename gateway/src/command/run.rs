//! `egret run`: serve until told to end.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tokio::runtime::Builder;

use super::ConfigArgs;
use crate::run::{Handover, Options, Process, StartError};
use crate::sandbox::Sandbox;
use crate::sealed;

/// What `run` takes.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Worker threads; as many as processors if not given.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// A Unix socket at which another process of the same user may take the
    /// listening sockets over.
    #[arg(long, value_name = "PATH")]
    upgrade_socket: Option<PathBuf>,
    /// Take the listening sockets over from the process that serves at
    /// `--upgrade-socket`; it drains and ends once this one serves.
    #[arg(long, requires = "upgrade_socket")]
    upgrade: bool,
    /// Open nothing but what the configuration names, and start no program:
    /// as far as the kernel can, or not at all.
    #[arg(long, value_enum, default_value_t = Sandbox::Off)]
    sandbox: Sandbox,
}

pub(super) fn run(args: RunArgs) -> ExitCode {
    super::narrate("warn,gateway=info");
    let threads = args
        .threads
        .or_else(|| std::thread::available_parallelism().ok())
        .map_or(1, NonZeroUsize::get);
    if let Err(error) = sealed::seal() {
        return not_started(&StartError::Process(format!(
            "cannot keep the process's memory to itself: {error}"
        )));
    }
    let runtime = Builder::new_current_thread().enable_all().build();
    let options = Options {
        config: args.config.source(),
        threads,
        handover: args.upgrade_socket.map(|socket| Handover {
            socket,
            upgrade: args.upgrade,
        }),
        sandbox: args.sandbox,
    };
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(serve(&options)),
        Err(error) => Err(StartError::Process(error.to_string())),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => not_started(&error),
    }
}

fn not_started(error: &StartError) -> ExitCode {
    eprintln!("{}\negret: not started", error.to_string().trim_end());
    ExitCode::FAILURE
}

async fn serve(options: &Options) -> Result<(), StartError> {
    let process = Process::start(options).await?;
    for (name, address) in process.addresses() {
        announce(name, address);
    }
    if let Some(address) = process.admin_address() {
        announce("admin", address);
    }
    process.serve().await
}

/// One line a socket, for people and for scripts that ask for port 0.
fn announce(listener: &str, address: SocketAddr) {
    let line = serde_json::json!({
        "event": "listening",
        "listener": listener,
        "address": address,
    });
    eprintln!("{line}");
}
