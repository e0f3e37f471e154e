//! A real PostgreSQL as an external host that speaks neither HTTP nor, unless
//! asked to, TLS: and psql as the application that needs it.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::peers;
use crate::process::Process;
use crate::wait::{PATIENCE, within};

/// A running PostgreSQL with one superuser, `app`; killed when dropped.
#[derive(Debug)]
pub struct Postgres {
    address: SocketAddr,
    dir: TempDir,
    _process: Process,
}

impl Postgres {
    /// Starts it and waits until it takes connections.
    ///
    /// # Panics
    /// When it does not start; with its log.
    #[must_use]
    pub fn start() -> Self {
        let dir = TempDir::with_prefix("egret-postgres-").expect("a temporary directory");
        let owner = Owner::of_servers();
        owner.give(dir.path());
        let mut initdb = owner.command("initdb");
        initdb.arg("--pgdata").arg(dir.path().join("data"));
        initdb.args(["--username=app", "--auth=trust", "--no-sync", "--no-locale"]);
        initdb.args(["--encoding=UTF8", "--no-instructions"]);
        let made = initdb
            .current_dir(dir.path())
            .output()
            .expect("initdb runs");
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        // Another process may take the port between our look and its bind.
        let started = (0..3).find_map(|_| Self::serve(&dir, &owner));
        let (address, process) = started.unwrap_or_else(|| panic!("{}", log(dir.path())));
        Self {
            address,
            dir,
            _process: process,
        }
    }

    fn serve(dir: &TempDir, owner: &Owner) -> Option<(SocketAddr, Process)> {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("its address");
        drop(free);
        let mut command = owner.command("postgres");
        command.arg("-D").arg(dir.path().join("data"));
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
        command.args(["-c", "unix_socket_directories=", "-c", "log_connections=on"]);
        command.args(["-c", "log_statement=all", "-p", &address.port().to_string()]);
        let log = fs::File::create(dir.path().join("log")).expect("its log");
        command.current_dir(dir.path());
        command.stdout(Stdio::null()).stderr(log);
        let mut process = Process::start(command);
        within(PATIENCE, || {
            let up = TcpStream::connect(address).is_ok()
                && self::log(dir.path()).contains("ready to accept");
            (up || process.exited().is_some()).then_some(())
        });
        process.exited().is_none().then_some((address, process))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has been asked, and by whom.
    #[must_use]
    pub fn log(&self) -> String {
        log(self.dir.path())
    }
}

fn log(dir: &Path) -> String {
    fs::read_to_string(dir.join("log")).unwrap_or_default()
}

/// PostgreSQL will not run as root: there, as the user its package made.
struct Owner(Option<u32>);

impl Owner {
    fn of_servers() -> Self {
        let id = |args: &[&str]| {
            let said = Command::new("id").args(args).output().ok()?;
            String::from_utf8_lossy(&said.stdout).trim().parse().ok()
        };
        match id(&["-u"]) {
            Some(0) => Self(Some(id(&["-u", "postgres"]).expect("a user `postgres`"))),
            _ => Self(None),
        }
    }

    fn give(&self, dir: &Path) {
        if let Some(owner) = self.0 {
            chown(dir, Some(owner), None).expect("a directory of its own");
        }
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).expect("its mode");
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(peers::postgres(program));
        if let Some(owner) = self.0 {
            command.uid(owner);
        }
        command
    }
}

/// What psql said.
#[derive(Debug)]
pub struct Answer {
    /// The rows, without decoration.
    pub rows: String,
    /// Its complaint; empty when all went well.
    pub error: String,
}

/// Asks the database that `address` leads to one question, as `app`.
///
/// # Panics
/// When psql itself cannot run.
#[must_use]
pub fn ask(address: SocketAddr, statement: &str) -> Answer {
    let mut psql = Command::new(peers::psql());
    psql.args([
        "--no-psqlrc",
        "--tuples-only",
        "--no-align",
        "--username=app",
    ]);
    psql.args(["--dbname=postgres", "--host", &address.ip().to_string()]);
    psql.args([
        "--port",
        &address.port().to_string(),
        "--command",
        statement,
    ]);
    psql.env("PGSSLMODE", "disable")
        .env("PGCONNECT_TIMEOUT", "20");
    psql.env("PGGSSENCMODE", "disable");
    let said = psql.output().expect("psql runs");
    Answer {
        rows: String::from_utf8_lossy(&said.stdout).trim().to_owned(),
        error: String::from_utf8_lossy(&said.stderr).trim().to_owned(),
    }
}
