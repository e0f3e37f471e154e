//! One direction of a relay between two connections of plain TCP: the kernel
//! moves the bytes by itself (splice(2)), through a pipe that the thread lends
//! while they move. Nobody looks at them here, so nobody need copy them.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;

use policy::refusal::Failure;
use rustix::net::Shutdown;
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, splice as move_bytes};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::coop::consume_budget;

/// What moves at once: what a pipe holds unless it is told otherwise.
const ROOM: usize = 64 * 1024;
/// Empty pipes a thread keeps.
const KEPT: usize = 16;

thread_local! {
    static PIPES: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

/// As [`super::copy::copy`], without copying more than what has been `read` already.
pub(super) async fn splice(
    read: Vec<u8>,
    from: &TcpStream,
    to: &TcpStream,
    [reading, writing]: [Failure; 2],
    moved: impl Fn(usize),
) -> Result<(), Failure> {
    write(to, &read, &moved).await.map_err(|_| writing)?;
    loop {
        consume_budget().await;
        from.readable().await.map_err(|_| reading)?;
        let Ok(pipe) = Pipe::lent() else {
            // No descriptor is left for one: what is there is copied.
            let mut room = vec![0; ROOM];
            match from.try_read(&mut room) {
                Ok(0) => break,
                Ok(held) => {
                    let held = room.get(..held).unwrap_or_default();
                    write(to, held, &moved).await.map_err(|_| writing)?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(reading),
            }
            continue;
        };
        match from.try_io(Interest::READABLE, || pipe.fill(from)) {
            Ok(0) => break,
            Ok(held) => pipe
                .empty_into(to, held, &moved)
                .await
                .map_err(|_| writing)?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(reading),
        }
        pipe.give_back();
    }
    // The other side may be gone already, and has then been told.
    let _ = rustix::net::shutdown(to, Shutdown::Write);
    Ok(())
}

async fn write(to: &TcpStream, mut bytes: &[u8], moved: &impl Fn(usize)) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.try_write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                moved(written);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => to.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Room in the kernel. Dropped while something is in it, it is closed; only empty
/// ones are given back.
struct Pipe {
    out: OwnedFd,
    into: OwnedFd,
}

impl Pipe {
    fn lent() -> io::Result<Self> {
        #[cfg(test)]
        if tests::NONE_LEFT.get() {
            return Err(io::ErrorKind::Other.into());
        }
        let kept = PIPES.try_with(|pipes| pipes.borrow_mut().pop());
        if let Some(pipe) = kept.ok().flatten() {
            return Ok(pipe);
        }
        let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self { out, into })
    }

    fn give_back(self) {
        // Fails only in a thread that is ending.
        let _ = PIPES.try_with(|pipes| {
            let mut pipes = pipes.borrow_mut();
            if pipes.len() < KEPT {
                pipes.push(self);
            }
        });
    }

    /// Takes what there is; nothing at the end.
    fn fill(&self, from: &TcpStream) -> io::Result<usize> {
        Ok(move_bytes(from, None, &self.into, None, ROOM, flags())?)
    }

    /// Gives away all it holds, as fast as it is taken.
    async fn empty_into(
        &self,
        to: &TcpStream,
        mut held: usize,
        moved: &impl Fn(usize),
    ) -> io::Result<()> {
        let give = |held| Ok(move_bytes(&self.out, None, to, None, held, flags())?);
        while held > 0 {
            match to.try_io(Interest::WRITABLE, || give(held)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(given) => {
                    held = held.saturating_sub(given);
                    moved(given);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => to.writable().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn flags() -> SpliceFlags {
    SpliceFlags::MOVE | SpliceFlags::NONBLOCK
}

#[cfg(test)]
#[path = "splice_tests.rs"]
mod tests;
