//! The binary is replaced while it serves: a new process takes the listening
//! sockets over from the one that runs, and that one drains.
//!
//! They meet at a Unix socket whose path both are given. The new process comes
//! once its configuration is good, gets the sockets, begins to serve, and says
//! so; only then does the other one stop to accept. Whatever goes wrong before
//! costs the running process nothing: it has given out copies.

mod sockets;

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::geteuid;
use tokio::net::UnixListener;

pub(crate) use sockets::{Inherited, Offered};

/// Time for each step of the other process: it may have lists to fetch.
const PATIENCE: Duration = Duration::from_secs(30);
/// After a failed accept.
const PAUSE: Duration = Duration::from_millis(50);
/// What the new process says once it serves.
const SERVING: &[u8] = b"serving\n";

/// The process that runs, as its successor sees it.
#[derive(Debug)]
pub(crate) struct Predecessor(UnixStream);

impl Predecessor {
    /// Asks the process at `path` for its sockets.
    ///
    /// # Errors
    /// When there is none, or it does not give them.
    pub(crate) fn ask(path: &Path) -> io::Result<(Self, Inherited)> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let inherited = Inherited::receive(&stream)?;
        Ok((Self(stream), inherited))
    }

    /// Tells it that we serve. It stops to accept then; if it is gone, nobody
    /// accepts but us anyway.
    pub(crate) fn relieve(mut self) {
        if let Err(error) = self.0.write_all(SERVING) {
            tracing::warn!(%error, "the process before is gone");
        }
    }
}

/// The place where a successor finds this process.
#[derive(Debug)]
pub(crate) struct MeetingPlace {
    listener: UnixListener,
    path: PathBuf,
    beside: PathBuf,
}

impl MeetingPlace {
    /// Prepares the place; nobody finds it before [`MeetingPlace::open`], so
    /// that a predecessor keeps it if we fail.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn prepare(path: &Path) -> io::Result<Self> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}", std::process::id()));
        let beside = PathBuf::from(beside);
        // Left by a process of the same number, long ago.
        let _ = fs::remove_file(&beside);
        let listener = UnixListener::bind(&beside)?;
        fs::set_permissions(&beside, Permissions::from_mode(0o600))?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            beside,
        })
    }

    /// Takes the place, from a predecessor or from nobody.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn open(&self) -> io::Result<()> {
        fs::rename(&self.beside, &self.path)
    }

    /// Waits until a successor serves on the sockets. One that fails is waited
    /// for no longer, and the next one welcome.
    pub(crate) async fn relieved(&self, offered: Offered) {
        let offered = Arc::new(offered);
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a successor");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let peer = stream.peer_cred().map(|peer| peer.uid());
            if !is_ours(peer.as_ref().ok().copied()) {
                tracing::warn!(?peer, "another user asked for the sockets");
                continue;
            }
            let (stream, offered) = (stream.into_std(), Arc::clone(&offered));
            let handing = tokio::task::spawn_blocking(move || hand_over(stream?, &offered));
            match handing.await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => tracing::warn!(%error, "the successor failed; serving on"),
                Err(error) => tracing::warn!(%error, "handing over broke off; serving on"),
            }
        }
    }
}

/// A place that was never taken leaves nothing behind.
impl Drop for MeetingPlace {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.beside);
    }
}

/// Sockets are for processes of the user we run as.
fn is_ours(peer: Option<u32>) -> bool {
    peer == Some(geteuid().as_raw())
}

/// Gives out the sockets and waits for the word that they are served.
fn hand_over(mut stream: UnixStream, offered: &Offered) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    offered.send(&stream)?;
    let mut word = [0; SERVING.len()];
    stream.read_exact(&mut word)?;
    match word == SERVING {
        true => Ok(()),
        false => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_user_is_given_sockets() {
        let own = geteuid().as_raw();
        assert!(is_ours(Some(own)));
        assert!(!is_ours(Some(own + 1)));
        assert!(!is_ours(None));
    }

    #[tokio::test]
    async fn the_place_is_for_our_user_alone_and_taken_only_when_opened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("upgrade.sock");
        fs::write(&path, "the predecessor's").unwrap();
        let files = || fs::read_dir(dir.path()).unwrap().count();
        drop(MeetingPlace::prepare(&path).unwrap());
        assert_eq!(files(), 1, "one that fails leaves nothing");
        let place = MeetingPlace::prepare(&path).unwrap();
        assert!(fs::metadata(&path).unwrap().is_file());
        place.open().unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!((mode & 0o777, files()), (0o600, 1));
    }
}
