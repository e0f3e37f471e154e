//! Connections that are nothing but TCP, whose bytes the kernel may move by
//! itself.

use pingora_core::protocols::Stream;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

use super::{Gathered, Http2Stream, Socket};

/// Something that may be plain TCP underneath.
pub(crate) trait Plain {
    /// The connection itself, if every byte of it is still there: none decrypted,
    /// none read ahead, none waiting to be written.
    fn plain(&self) -> Option<&TcpStream> {
        None
    }
}

impl<S: Plain> Plain for &mut S {
    fn plain(&self) -> Option<&TcpStream> {
        (**self).plain()
    }
}

impl Plain for Http2Stream {}

impl Plain for TcpStream {
    fn plain(&self) -> Option<&TcpStream> {
        Some(self)
    }
}

impl Plain for Socket {
    fn plain(&self) -> Option<&TcpStream> {
        self.read.is_none().then_some(&self.tcp)
    }
}

impl<S: AsyncWrite + Plain + Unpin> Plain for Gathered<S> {
    fn plain(&self) -> Option<&TcpStream> {
        self.has_nothing_to_write().then(|| self.inner.plain())?
    }
}

impl Plain for Stream {
    fn plain(&self) -> Option<&TcpStream> {
        let any = (**self).as_any();
        let socket = any.downcast_ref::<Socket>().and_then(Plain::plain);
        socket.or_else(|| any.downcast_ref::<Gathered<Socket>>()?.plain())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        (near.unwrap(), far.unwrap().0)
    }

    #[tokio::test]
    async fn only_what_holds_no_byte_of_its_own_is_plain() {
        let (near, mut far) = pair().await;
        let mut stream: Stream = Box::new(Gathered::new(Socket::new(near).unwrap()));
        assert!(stream.plain().is_some());
        stream.write_all(b"gathered").await.unwrap();
        assert!(stream.plain().is_none(), "bytes wait to be written");
        stream.flush().await.unwrap();
        assert!(stream.plain().is_some());
        far.write_all(b"read ahead").await.unwrap();
        stream.read_exact(&mut [0; 4]).await.unwrap();
        assert!(stream.plain().is_none(), "bytes were read ahead");
        stream.read_exact(&mut [0; 6]).await.unwrap();
        assert!(stream.plain().is_some());
    }
}
