//! What is spoken on a connection, once it is known who calls.

use std::sync::Arc;

use pingora_core::protocols::Stream;
use tokio::net::TcpStream;

use super::Connection;
use crate::clock::Moment;
use crate::tunnel::{self, ClientHello};
use crate::{http1, http2};

/// A connection of which it is known who calls, and what is spoken.
pub(super) enum Spoken {
    Http1(Arc<Connection>, Stream),
    Http2(Arc<Connection>, Stream),
    /// What is not ours to read.
    Carried(Box<Connection>, Stream, Moment),
    /// TLS whose hello has been read.
    Passed(Box<Connection>, TcpStream, ClientHello, Moment),
}

impl Spoken {
    /// Each is boxed, so that a connection keeps room for the one it speaks.
    pub(super) async fn serve(self) {
        match self {
            Self::Http1(connection, stream) => Box::pin(http1::serve(connection, stream)).await,
            Self::Http2(connection, stream) => Box::pin(http2::serve(connection, stream)).await,
            Self::Carried(connection, stream, begun) => {
                Box::pin(tunnel::serve(&connection, stream, None, begun)).await;
            }
            Self::Passed(connection, tcp, hello, begun) => {
                Box::pin(tunnel::serve(&connection, tcp, Some(hello), begun)).await;
            }
        }
    }
}
