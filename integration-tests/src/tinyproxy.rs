//! tinyproxy playing a corporate proxy: it opens tunnels for those who show the
//! right credentials, and tells in its log to where.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::peers;
use crate::process::Process;
use crate::wait::{PATIENCE, until, within};

/// A running proxy; killed when dropped.
#[derive(Debug)]
pub struct Tinyproxy {
    address: SocketAddr,
    dir: TempDir,
    _process: Process,
}

impl Tinyproxy {
    /// Starts one that asks for these credentials, `user password`.
    ///
    /// # Panics
    /// When it does not start; with its log.
    #[must_use]
    pub fn start(credentials: &str) -> Self {
        // Another process may take the free port first; then another one is tried.
        let started = (0..3).find_map(|_| Self::try_start(credentials).ok());
        started
            .unwrap_or_else(|| panic!("tinyproxy: {}", Self::try_start(credentials).unwrap_err()))
    }

    fn try_start(credentials: &str) -> Result<Self, String> {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("its address");
        drop(free);
        let dir = TempDir::with_prefix("egret-tinyproxy-").expect("a temporary directory");
        let file = dir.path().join("tinyproxy.conf");
        fs::write(&file, configuration(address, dir.path(), credentials))
            .expect("its configuration");
        let mut command = Command::new(peers::tinyproxy());
        command.arg("-d").arg("-c").arg(&file);
        let mut process = Process::start(command);
        let heard = within(PATIENCE, || {
            let ended = process.exited().map(|_| false);
            let log = read(dir.path());
            log.contains("Accepting connections")
                .then_some(true)
                .or(ended)
        });
        match heard {
            Some(true) => Ok(Self {
                address,
                dir,
                _process: process,
            }),
            _ => Err(read(dir.path())),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many tunnels to `authority` it was asked for.
    #[must_use]
    pub fn asked_for(&self, authority: &str) -> usize {
        let line = format!("CONNECT {authority} HTTP/1.1");
        read(self.dir.path()).matches(&line).count()
    }

    /// The same, once it was asked.
    ///
    /// # Panics
    /// When it is not in time.
    #[track_caller]
    pub fn wait_for(&self, authority: &str) {
        until("the proxy is asked", || {
            (self.asked_for(authority) > 0).then_some(())
        });
    }

    /// Its log, for messages of failing tests.
    #[must_use]
    pub fn log(&self) -> String {
        read(self.dir.path())
    }
}

fn configuration(address: SocketAddr, dir: &Path, credentials: &str) -> String {
    let (ip, port, log) = (address.ip(), address.port(), dir.join("log"));
    format!(
        "Port {port}\nListen {ip}\nAllow 127.0.0.1\nBasicAuth {credentials}\nTimeout 60\n\
         MaxClients 100\nLogFile \"{}\"\nLogLevel Info\n",
        log.display()
    )
}

fn read(dir: &Path) -> String {
    fs::read_to_string(dir.join("log")).unwrap_or_default()
}
