//! The admin port: readiness, liveness, metrics, and what is configured.
//!
//! A few lines of HTTP/1.1 of its own, so that nothing of the request path is
//! shared with it. It only ever reads, holds no secret, and one slow or hostile
//! client costs at most a connection for a few seconds.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

/// Largest request head.
const HEAD_BYTES: usize = 8 * 1024;
/// Time for a request head to arrive.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// Time for an answer to be taken: a scrape can be large.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// Time for the client to close after its answer.
const CLOSE_TIME: Duration = Duration::from_secs(1);
/// Connections served at once; more wait in the listener's backlog.
const CONNECTIONS: usize = 64;
/// Pause after a failed accept (out of descriptors, say), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Asked for at every request.
type Source<T> = Box<dyn Fn() -> T + Send + Sync>;

/// What the admin port can tell.
pub struct AdminState {
    /// Whether the gateway takes traffic; if not, why.
    pub ready: Source<Result<(), String>>,
    /// Metrics in Prometheus' text format.
    pub metrics: Source<String>,
    /// The configuration's digest and warnings, as JSON. No secrets.
    pub config: Source<String>,
}

impl fmt::Debug for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminState")
    }
}

/// Serves until `stop` says true or its sender is gone.
pub async fn serve(listener: TcpListener, state: Arc<AdminState>, mut stop: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Ok((stream, slot)) = accepted else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            // A client that breaks off concerns nobody else.
            let _ = serve_one(stream, state).await;
            drop(slot);
        });
    }
}

/// A connection, once one of the slots is free.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, slot))
}

async fn serve_one(mut stream: TcpStream, state: Arc<AdminState>) -> io::Result<()> {
    let answer = match timeout(HEAD_TIME, read_head(&mut stream)).await {
        Ok(Ok(Head::Complete(head))) => answer(&head, state).await,
        Ok(Ok(Head::TooLarge)) => Answer::text(431, "the request head is too large\n"),
        Ok(Ok(Head::Broken)) => return Ok(()),
        Ok(Err(error)) => return Err(error),
        Err(_) => Answer::text(408, "the request head took too long\n"),
    };
    timeout(ANSWER_TIME, stream.write_all(&answer.bytes())).await??;
    stream.shutdown().await?;
    // Closing while the client still sends would reset the connection and take
    // the answer with it (RFC 9112, section 9.6).
    let _ = timeout(
        CLOSE_TIME,
        tokio::io::copy(&mut stream, &mut tokio::io::sink()),
    )
    .await;
    Ok(())
}

/// How reading a request head ended.
enum Head {
    Complete(Vec<u8>),
    TooLarge,
    /// The client closed before the end of the head.
    Broken,
}

async fn read_head(stream: &mut TcpStream) -> io::Result<Head> {
    let mut head = Vec::with_capacity(1024);
    loop {
        if head.windows(4).any(|four| four == b"\r\n\r\n") {
            return Ok(Head::Complete(head));
        }
        if head.len() >= HEAD_BYTES {
            return Ok(Head::TooLarge);
        }
        let room = u64::try_from(HEAD_BYTES - head.len()).unwrap_or(0);
        if (&mut *stream).take(room).read_buf(&mut head).await? == 0 {
            return Ok(Head::Broken);
        }
    }
}

/// The path asked for, without its query.
fn path_of(head: &[u8]) -> Result<&str, Answer> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = str::from_utf8(line).unwrap_or_default();
    let mut words = line.split(' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some("GET"), Some(target), Some("HTTP/1.1" | "HTTP/1.0"), None) => {
            Ok(target.split('?').next().unwrap_or_default())
        }
        (Some(_), Some(_), Some("HTTP/1.1" | "HTTP/1.0"), None) => {
            Err(Answer::text(405, "only GET is understood\n"))
        }
        _ => Err(Answer::text(400, "this is no HTTP/1.1 request\n")),
    }
}

/// Sources may take a while (a scrape) and are not trusted not to panic: they
/// run beside the runtime.
async fn answer(head: &[u8], state: Arc<AdminState>) -> Answer {
    let path = match path_of(head) {
        Ok(path) => path.to_owned(),
        Err(answer) => return answer,
    };
    let told = tokio::task::spawn_blocking(move || tell(&path, &state)).await;
    told.unwrap_or_else(|_| Answer::text(500, "internal error\n"))
}

fn tell(path: &str, state: &AdminState) -> Answer {
    match path {
        "/healthz/ready" => match (state.ready)() {
            Ok(()) => Answer::text(200, "ready\n"),
            Err(reason) => Answer::text(503, format!("not ready: {reason}\n")),
        },
        "/healthz/live" => Answer::text(200, "live\n"),
        "/metrics" | "/stats/prometheus" => Answer {
            kind: crate::metrics::CONTENT_TYPE,
            ..Answer::text(200, (state.metrics)())
        },
        "/config" => Answer {
            kind: "application/json",
            ..Answer::text(200, (state.config)())
        },
        _ => Answer::text(
            404,
            "try /healthz/ready, /healthz/live, /metrics or /config\n",
        ),
    }
}

/// An answer; the connection ends with it.
#[derive(Debug)]
struct Answer {
    status: u16,
    kind: &'static str,
    body: String,
}

impl Answer {
    fn text(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            kind: "text/plain; charset=utf-8",
            body: body.into(),
        }
    }

    fn reason(&self) -> &'static str {
        match self.status {
            200 => "OK",
            400 => "Bad Request",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            431 => "Request Header Fields Too Large",
            503 => "Service Unavailable",
            _ => "Internal Server Error",
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let allow = if self.status == 405 {
            "allow: GET\r\n"
        } else {
            ""
        };
        format!(
            "HTTP/1.1 {} {}\r\ncontent-type: {}\r\ncontent-length: {}\r\n{allow}\
             cache-control: no-store\r\nx-content-type-options: nosniff\r\n\
             connection: close\r\n\r\n{}",
            self.status,
            self.reason(),
            self.kind,
            self.body.len(),
            self.body
        )
        .into_bytes()
    }
}

#[cfg(test)]
#[path = "admin_tests.rs"]
mod tests;
