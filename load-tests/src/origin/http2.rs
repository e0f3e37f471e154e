//! gRPC as the origin speaks it: a message for a message, and trailers.

use std::io;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{self, SendResponse};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::TcpStream;
use tokio_boring::SslStream;

use super::size;
use crate::load::grpc_message;

/// Answers streams until the connection ends.
pub(super) async fn serve(stream: SslStream<TcpStream>) -> io::Result<()> {
    let mut connection = server::handshake(stream).await.map_err(io::Error::other)?;
    while let Some(accepted) = connection.accept().await {
        let (request, respond) = accepted.map_err(io::Error::other)?;
        tokio::spawn(answer(request, respond));
    }
    Ok(())
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Option<()> {
    let wants = size(request.uri().path());
    let mut body = request.into_body();
    while let Some(data) = body.data().await {
        let size = data.ok()?.len();
        body.flow_control().release_capacity(size).ok()?;
    }
    let head = Response::builder()
        .header("content-type", "application/grpc")
        .body(())
        .ok()?;
    let mut stream = respond.send_response(head, false).ok()?;
    stream.send_data(grpc_message(wants), false).ok()?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    stream.send_trailers(trailers).ok()
}
