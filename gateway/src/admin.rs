//! The admin port: readiness, liveness, metrics, and what is configured.
//!
//! A few lines of HTTP/1.1 of its own, so that nothing of the request path is
//! shared with it. It only ever reads, holds no secret, and one slow or hostile
//! client costs at most a connection for a few seconds. Whoever is silent makes
//! room for whoever asks: probes are answered however many connections are open.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

/// Largest request head.
const HEAD_BYTES: usize = 8 * 1024;
/// Time for a request head to arrive.
const HEAD_TIME: Duration = Duration::from_secs(1);
/// Time for an answer to be taken, and for each piece of a scrape.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// Time for a whole scrape: it can be large.
const SCRAPE_TIME: Duration = Duration::from_secs(30);
/// Scrapes at once: each takes a thread, and the text of a moment.
const SCRAPES: usize = 2;
/// Others wait so long for their turn.
const TURN_TIME: Duration = Duration::from_secs(1);
/// Time for the client to close after its answer.
const CLOSE_TIME: Duration = Duration::from_secs(1);
/// Connections at once. Beyond them the oldest is closed that is not being
/// answered.
const CONNECTIONS: usize = 64;
/// Pause after a failed accept (out of descriptors, say), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Asked for at every request.
type Source<T> = Box<dyn Fn() -> T + Send + Sync>;

/// Written as it is taken.
type Text = Box<dyn Fn(&mut dyn Write) -> io::Result<()> + Send + Sync>;

/// What the admin port can tell.
pub struct AdminState {
    /// Whether the gateway takes traffic; if not, why.
    pub ready: Source<Result<(), String>>,
    /// Metrics in Prometheus' text format.
    pub metrics: Text,
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
    let turns = Arc::new(Semaphore::new(SCRAPES));
    let mut open = Open::default();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        if !open.makes_room() {
            continue;
        }
        let connection = Connection {
            stream,
            state: Arc::clone(&state),
            turns: Arc::clone(&turns),
            is_answered: Arc::default(),
        };
        let is_answered = Arc::clone(&connection.is_answered);
        // A client that breaks off concerns nobody else.
        let task = tokio::spawn(async { drop(connection.serve().await) });
        open.0.push_back((task.abort_handle(), is_answered));
    }
}

/// The connections there are, by age, and which of them are being answered.
#[derive(Debug, Default)]
struct Open(VecDeque<(AbortHandle, Arc<AtomicBool>)>);

impl Open {
    /// Whether there is room for one more.
    fn makes_room(&mut self) -> bool {
        self.0.retain(|(task, _)| !task.is_finished());
        if self.0.len() < CONNECTIONS {
            return true;
        }
        let idle = |(_, answered): &(_, Arc<AtomicBool>)| !answered.load(Ordering::Acquire);
        let oldest = self.0.iter().position(idle);
        let closed = oldest.and_then(|at| self.0.remove(at));
        closed.inspect(|(task, _)| task.abort()).is_some()
    }
}

struct Connection {
    stream: TcpStream,
    state: Arc<AdminState>,
    turns: Arc<Semaphore>,
    is_answered: Arc<AtomicBool>,
}

impl Connection {
    async fn serve(mut self) -> io::Result<()> {
        let asked = match timeout(HEAD_TIME, read_head(&mut self.stream)).await {
            Ok(Ok(Head::Complete(head))) => asked(&head),
            Ok(Ok(Head::TooLarge)) => Err(Answer::text(431, "the request head is too large\n")),
            Ok(Ok(Head::Broken)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Err(_) => Err(Answer::text(408, "the request head took too long\n")),
        };
        match asked {
            Ok(asked) if matches!(&*asked.path, "/metrics" | "/stats/prometheus") => {
                timeout(SCRAPE_TIME, self.scrape(asked.chunked)).await??;
            }
            Ok(asked) => {
                let answer = answer(asked.path, Arc::clone(&self.state)).await;
                self.answer(&answer).await?;
            }
            Err(answer) => self.answer(&answer).await?,
        }
        self.is_answered.store(false, Ordering::Release);
        self.stream.shutdown().await?;
        // Closing while the client still sends would reset the connection and take
        // the answer with it (RFC 9112, section 9.6).
        let mut rest = tokio::io::sink();
        let _ = timeout(CLOSE_TIME, tokio::io::copy(&mut self.stream, &mut rest)).await;
        Ok(())
    }

    async fn answer(&mut self, answer: &Answer) -> io::Result<()> {
        self.is_answered.store(true, Ordering::Release);
        self.write(&answer.bytes()).await
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(ANSWER_TIME, self.stream.write_all(bytes)).await?
    }

    /// Metrics as they are rendered, piece by piece as the client takes them: the
    /// text may be larger than the memory there is. One that breaks off has no end
    /// (RFC 9112, section 8).
    async fn scrape(&mut self, chunked: bool) -> io::Result<()> {
        let turn = timeout(TURN_TIME, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            let busy = Answer::text(503, "others are being told the metrics: ask again\n");
            return self.answer(&busy).await;
        };
        self.is_answered.store(true, Ordering::Release);
        let (to, mut pieces) = mpsc::channel(1);
        let state = Arc::clone(&self.state);
        let rendering = tokio::task::spawn_blocking(move || {
            let rendered = (state.metrics)(&mut Pieces(to));
            drop(turn);
            rendered
        });
        let mut has_begun = false;
        while let Some(piece) = pieces.recv().await {
            if !std::mem::replace(&mut has_begun, true) {
                self.write(&scrape_head(chunked)).await?;
            }
            self.write(&framed(piece, chunked)).await?;
        }
        match rendering.await {
            Ok(Ok(())) if !has_begun => self.answer(&Answer::text(200, "")).await,
            Ok(Ok(())) if chunked => self.write(b"0\r\n\r\n").await,
            Ok(Err(_)) | Err(_) if !has_begun => self.answer(&Answer::defect()).await,
            Ok(rendered) => rendered,
            Err(_) => Err(io::ErrorKind::Other.into()),
        }
    }
}

/// Waits for its reader, in a thread that may wait.
struct Pieces(mpsc::Sender<Vec<u8>>);

impl Write for Pieces {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(piece.to_vec());
        sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn scrape_head(chunked: bool) -> Vec<u8> {
    let coding = if chunked {
        "transfer-encoding: chunked\r\n"
    } else {
        ""
    };
    head(200, crate::metrics::CONTENT_TYPE, coding)
}

/// A piece as a chunk; none of those that are written is empty.
fn framed(piece: Vec<u8>, chunked: bool) -> Vec<u8> {
    if !chunked {
        return piece;
    }
    let size = format!("{:x}\r\n", piece.len());
    [size.as_bytes(), &piece, b"\r\n"].concat()
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

/// What is asked for.
#[derive(Debug)]
struct Asked {
    /// Without its query.
    path: String,
    /// Whether the client knows chunks.
    chunked: bool,
}

fn asked(head: &[u8]) -> Result<Asked, Answer> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = str::from_utf8(line).unwrap_or_default();
    let mut words = line.split(' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some("GET"), Some(target), Some(version @ ("HTTP/1.1" | "HTTP/1.0")), None) => Ok(Asked {
            path: target.split('?').next().unwrap_or_default().to_owned(),
            chunked: version == "HTTP/1.1",
        }),
        (Some(_), Some(_), Some("HTTP/1.1" | "HTTP/1.0"), None) => {
            Err(Answer::text(405, "only GET is understood\n"))
        }
        _ => Err(Answer::text(400, "this is no HTTP/1.1 request\n")),
    }
}

/// Sources are not trusted not to panic: they run beside the runtime.
async fn answer(path: String, state: Arc<AdminState>) -> Answer {
    let told = tokio::task::spawn_blocking(move || tell(&path, &state)).await;
    told.unwrap_or_else(|_| Answer::defect())
}

fn tell(path: &str, state: &AdminState) -> Answer {
    match path {
        "/healthz/ready" => match (state.ready)() {
            Ok(()) => Answer::text(200, "ready\n"),
            Err(reason) => Answer::text(503, format!("not ready: {reason}\n")),
        },
        "/healthz/live" => Answer::text(200, "live\n"),
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

    fn defect() -> Self {
        Self::text(500, "internal error\n")
    }

    fn bytes(&self) -> Vec<u8> {
        let allow = if self.status == 405 {
            "allow: GET\r\n"
        } else {
            ""
        };
        let length = format!("content-length: {}\r\n{allow}", self.body.len());
        let mut bytes = head(self.status, self.kind, &length);
        bytes.extend_from_slice(self.body.as_bytes());
        bytes
    }
}

/// The head of an answer; `fields` are its own.
fn head(status: u16, kind: &str, fields: &str) -> Vec<u8> {
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    };
    format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: {kind}\r\n{fields}\
         cache-control: no-store\r\nx-content-type-options: nosniff\r\n\
         connection: close\r\n\r\n"
    )
    .into_bytes()
}

#[cfg(test)]
#[path = "admin_tests.rs"]
mod tests;
