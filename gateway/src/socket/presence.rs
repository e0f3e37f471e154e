//! Whether a caller is still there, told without reading what he has said.
//!
//! Who reads from him learns of his end. But there are times when nothing may be
//! read: what is behind a request is none of HTTP yet, or the other side takes no
//! more. Without another way to tell, what he began would outlive him.

use std::future::poll_fn;
use std::os::fd::{AsRawFd, RawFd};
use std::task::{Context, Poll};
use std::time::Duration;

use pingora_core::protocols::l4::ext::get_tcp_info;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::Writing;

/// How often the kernel is asked.
const LOOK: Duration = Duration::from_secs(1);

/// Where to ask. Only while the connection itself is held: a descriptor's number
/// is another's afterwards.
#[derive(Clone, Debug)]
pub(crate) enum Presence {
    /// A connection of TCP, whatever is spoken on it.
    Tcp(RawFd),
    /// A stream of HTTP/2. Asked by the task that writes to it and by no other: the
    /// library wakes one for both.
    Stream(Writing),
}

/// What is known of him.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// He may say more.
    There,
    /// He has said all. He may yet listen, or be gone: TCP ends each direction by
    /// itself.
    SaidAll,
    /// He has broken off, or reset his stream.
    Gone,
}

impl From<&TcpStream> for Presence {
    fn from(tcp: &TcpStream) -> Self {
        Self::Tcp(tcp.as_raw_fd())
    }
}

impl Presence {
    /// How it stands.
    pub(crate) fn look(&self, cx: &mut Context<'_>) -> Caller {
        match self {
            Self::Tcp(descriptor) => state(*descriptor),
            Self::Stream(writing) if writing.poll_reset(cx).is_ready() => Caller::Gone,
            Self::Stream(_) => Caller::There,
        }
    }

    /// Waits until he has left: whoever waits for an answer is there to read it.
    pub(crate) async fn left(&self) {
        while self.now().await == Caller::There {
            sleep(LOOK).await;
        }
    }

    /// How it stands, asked by a task.
    pub(crate) async fn now(&self) -> Caller {
        poll_fn(|cx| Poll::Ready(self.look(cx))).await
    }
}

/// The states of RFC 9293, section 3.3.2, by Linux's numbers for them.
fn state(descriptor: RawFd) -> Caller {
    match get_tcp_info(descriptor).map(|info| info.tcpi_state) {
        Ok(CLOSE) => Caller::Gone,
        Ok(TIME_WAIT | CLOSE_WAIT | LAST_ACK | CLOSING) => Caller::SaidAll,
        Ok(_) | Err(_) => Caller::There,
    }
}

const TIME_WAIT: u8 = 6;
const CLOSE: u8 = 7;
const CLOSE_WAIT: u8 = 8;
const LAST_ACK: u8 = 9;
const CLOSING: u8 = 11;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    #[tokio::test]
    async fn an_end_is_seen_behind_what_was_never_read() {
        for (breaks, known) in [(false, Caller::SaidAll), (true, Caller::Gone)] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let mut caller = TcpStream::connect(address).await.unwrap();
            let (ours, _) = listener.accept().await.unwrap();
            let presence = Presence::from(&ours);
            caller.write_all(b"unread").await.unwrap();
            ours.readable().await.unwrap();
            assert_eq!(presence.now().await, Caller::There);
            if breaks {
                caller.set_zero_linger().unwrap();
            }
            drop(caller);
            timeout(Duration::from_secs(5), presence.left())
                .await
                .unwrap();
            assert_eq!(presence.now().await, known);
        }
    }
}
