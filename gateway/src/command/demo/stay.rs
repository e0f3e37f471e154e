//! `egret demo --stay`: commands to try, and every attempt as it is written.

use std::io::SeekFrom;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::time::sleep;

use super::configuration::FILE;
use super::error::DemoError;
use super::folder::Folder;
use super::mesh::{FORGED, MESH_CA, POLITICS, SLEEP};
use super::records::EVERY_ATTEMPT;

const PAUSE: Duration = Duration::from_millis(100);

/// What to try, as whom, and what becomes of it.
const TRIALS: [(&str, &str, &str); 6] = [
    (
        "403, and the rule's own words",
        SLEEP,
        "https://edition.cnn.com/politics",
    ),
    ("200", POLITICS, "https://edition.cnn.com/politics"),
    (
        "400",
        SLEEP,
        "--path-as-is https://edition.cnn.com/health/../politics",
    ),
    (
        "200; the origin tells what reached it: nothing about the mesh",
        SLEEP,
        "-H 'x-forwarded-client-cert: mine' https://httpbin.org/headers",
    ),
    ("504 after a second", SLEEP, "https://httpbin.org/delay/5"),
    (
        "no answer: the handshake fails",
        FORGED,
        "https://edition.cnn.com/health",
    ),
];

/// Commands for another terminal.
pub(super) fn commands(folder: &Folder, gateway: SocketAddr, admin: Option<SocketAddr>) -> String {
    let mut text = format!(
        "The gateway stays up at {gateway} until Ctrl-C. In another terminal:\n\n  cd {}\n",
        folder.path().display()
    );
    let mut add = |what: &str, command: &str| {
        text.push_str(&format!("\n  # {what}\n  {command}\n"));
    };
    for (what, who, rest) in TRIALS {
        let identity = format!("--cert {who}.pem --key {who}.key --cacert {MESH_CA}");
        add(
            what,
            &format!("curl -i {identity} --connect-to ::{gateway} {rest}"),
        );
    }
    let egret = std::env::current_exe().unwrap_or_else(|_| "egret".into());
    let question = "--as sa:default/sleep GET http://edition.cnn.com/politics";
    add(
        "why a request is decided as it is",
        &format!("{} explain --config {FILE} {question}", egret.display()),
    );
    if let Some(admin) = admin {
        add("the same, counted", &format!("curl http://{admin}/metrics"));
    }
    text.push_str(&format!(
        "\nEdit {FILE} there: the gateway takes the change at once, or says what is wrong with it\n\
         and goes on as before. From here on, every attempt:\n\n"
    ));
    text
}

/// The log of every attempt, from where it was opened on.
#[derive(Debug)]
pub(super) struct Following(File);

impl Following {
    /// Begins at the log's present end. To be made before anybody is told
    /// where the gateway is, so that no attempt is missed.
    pub(super) async fn begin(folder: &Folder) -> Result<Self, DemoError> {
        let mut log = File::open(folder.file(EVERY_ATTEMPT)).await?;
        log.seek(SeekFrom::End(0)).await?;
        Ok(Self(log))
    }

    /// Writes what is added, for ever.
    pub(super) async fn write(mut self) -> Result<(), DemoError> {
        loop {
            let mut lines = Vec::new();
            self.0.read_to_end(&mut lines).await?;
            super::print(&lines)?;
            sleep(PAUSE).await;
        }
    }
}
