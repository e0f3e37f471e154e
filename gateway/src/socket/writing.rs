//! What is written to a stream of HTTP/2.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::SendStream;

/// Given to the library at once; what waits in it is bounded there.
const PIECE: usize = 16 * 1024;

/// The direction to the caller, from the head of an answer on. Shared by who writes
/// and who watches the caller, which are one task: nobody waits for the lock.
#[derive(Clone, Default)]
pub(crate) struct Writing(Arc<OnceLock<Mutex<SendStream<Bytes>>>>);

impl fmt::Debug for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writing").finish_non_exhaustive()
    }
}

impl From<SendStream<Bytes>> for Writing {
    fn from(stream: SendStream<Bytes>) -> Self {
        let writing = Self::default();
        writing.begin(stream);
        writing
    }
}

impl Writing {
    /// The head has been sent.
    pub(crate) fn begin(&self, stream: SendStream<Bytes>) {
        let _ = self.0.set(Mutex::new(stream));
    }

    fn stream(&self) -> Option<MutexGuard<'_, SendStream<Bytes>>> {
        let stream = self.0.get()?;
        Some(stream.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// As `AsyncWrite::poll_write`.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let some = bytes.get(..PIECE).unwrap_or(bytes);
        let Some(mut stream) = self.stream() else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        if some.is_empty() {
            return Poll::Ready(Ok(0));
        }
        stream.reserve_capacity(some.len());
        // The library wakes for more room, not for what there is.
        let mut room = stream.capacity();
        while room == 0 {
            room = match ready!(stream.poll_capacity(cx)) {
                Some(more) => more.map_err(broken)?,
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            };
        }
        let some = some.get(..room).unwrap_or(some);
        let sent = stream.send_data(Bytes::copy_from_slice(some), false);
        Poll::Ready(sent.map(|()| some.len()).map_err(broken))
    }

    /// Nothing more will be written.
    ///
    /// # Errors
    /// When the caller has ended the stream already, or this has been said before.
    pub(crate) fn end(&self) -> io::Result<()> {
        let Some(mut stream) = self.stream() else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        stream.send_data(Bytes::new(), true).map_err(broken)
    }

    /// Ready once the caller has reset the stream, or lost its connection.
    pub(crate) fn poll_reset(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self.stream() {
            Some(mut stream) => stream.poll_reset(cx).map(drop),
            None => Poll::Pending,
        }
    }
}

/// What an error of the library's means for who knows only bytes.
pub(crate) fn broken(error: h2::Error) -> io::Error {
    match error.is_io() {
        true => error
            .into_io()
            .unwrap_or_else(|| io::ErrorKind::BrokenPipe.into()),
        false => io::ErrorKind::ConnectionReset.into(),
    }
}
