//! HTTP/2 as a client speaks it, over the h2 crate.

use std::future::poll_fn;
use std::io;

use bytes::Bytes;
use h2::client::{self, SendRequest};
use h2::{RecvStream, SendStream};
use http::{Method, Request as Message};
use tokio::task::{JoinHandle, spawn_local};

use super::http1::CHUNK;
use super::tls::Stream;
use super::{Reply, Request};

/// Windows large enough that they never hold up an answer.
const WINDOW: u32 = 16 * 1024 * 1024;

/// A connection; all who hold it end with it.
#[derive(Debug)]
pub(super) struct Http2 {
    sender: SendRequest<Bytes>,
    driver: JoinHandle<()>,
}

/// What is sent, built once for all.
pub(super) fn message(host: &str, request: &Request) -> io::Result<Message<()>> {
    let method = Method::from_bytes(request.method.as_bytes()).map_err(io::Error::other)?;
    let mut message = Message::builder()
        .method(method)
        .uri(format!("https://{host}{}", request.path))
        .header("user-agent", "load-tests");
    if request.grpc {
        message = message
            .header("content-type", "application/grpc")
            .header("te", "trailers");
    } else if request.method == "POST" {
        message = message.header("content-length", request.upload);
    }
    message.body(()).map_err(io::Error::other)
}

/// A handle for one worker of a connection.
pub(super) type Sender = SendRequest<Bytes>;

impl Http2 {
    pub(super) async fn new(stream: Stream) -> io::Result<Self> {
        let mut builder = client::Builder::new();
        builder
            .initial_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .enable_push(false);
        let (sender, connection) = builder.handshake(stream).await.map_err(io::Error::other)?;
        let driver = spawn_local(async move {
            // An end is seen by every stream; it is told there.
            let _ = connection.await;
        });
        Ok(Self { sender, driver })
    }

    pub(super) fn sender(&self) -> Sender {
        self.sender.clone()
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Sends and reads the whole answer, with its trailers.
pub(super) async fn exchange(
    sender: &mut Sender,
    message: &Message<()>,
    request: &Request,
) -> io::Result<Reply> {
    poll_fn(|cx| sender.poll_ready(cx))
        .await
        .map_err(io::Error::other)?;
    let (answer, body) = sender
        .send_request(message.clone(), request.upload == 0)
        .map_err(io::Error::other)?;
    if request.upload > 0 {
        upload(body, request).await?;
    }
    let answer = answer.await.map_err(io::Error::other)?;
    let status = answer.status().as_u16();
    let bytes = read(answer.into_body(), request.grpc).await?;
    Ok(Reply {
        status,
        bytes,
        closes: false,
    })
}

async fn upload(mut stream: SendStream<Bytes>, request: &Request) -> io::Result<()> {
    let mut left = request.upload;
    if request.grpc {
        let message = grpc_message(left);
        return stream.send_data(message, true).map_err(io::Error::other);
    }
    while left > 0 {
        stream.reserve_capacity(left.min(CHUNK.len()));
        let capacity = poll_fn(|cx| stream.poll_capacity(cx)).await;
        let capacity = capacity
            .unwrap_or(Err(h2::Reason::CANCEL.into()))
            .map_err(io::Error::other)?;
        let size = capacity.min(left).min(CHUNK.len());
        let chunk = Bytes::from_static(CHUNK.get(..size).unwrap_or_default());
        left -= size;
        stream
            .send_data(chunk, left == 0)
            .map_err(io::Error::other)?;
    }
    Ok(())
}

/// A message of `size` bytes with gRPC's prefix.
pub(crate) fn grpc_message(size: usize) -> Bytes {
    let mut message = vec![0];
    message.extend_from_slice(&u32::try_from(size).unwrap_or_default().to_be_bytes());
    message.resize(size + 5, b'.');
    message.into()
}

async fn read(mut body: RecvStream, grpc: bool) -> io::Result<usize> {
    let mut bytes = 0;
    while let Some(data) = body.data().await {
        let size = data.map_err(io::Error::other)?.len();
        bytes += size;
        let freed = body.flow_control().release_capacity(size);
        freed.map_err(io::Error::other)?;
    }
    let trailers = body.trailers().await.map_err(io::Error::other)?;
    let status = trailers.as_ref().and_then(|t| t.get("grpc-status"));
    if grpc && status.is_none_or(|status| status != "0") {
        return Err(io::Error::other("a gRPC answer without its good status"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_message_says_its_length() {
        assert_eq!(&*grpc_message(3), b"\0\0\0\0\x03...");
    }
}
