//! The load generator: speaks mutual TLS itself, in a closed loop or at a fixed
//! rate, on one thread.
//!
//! At a fixed rate a request's time runs from when it was meant to be sent, so
//! that a gateway that stalls is charged for those who had to wait, too.

mod http1;
mod http2;
mod latency;
mod pace;
mod runner;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use integration_tests::pki::Credential;
use integration_tests::sidecar::Protocol;

pub(crate) use http2::grpc_message;
pub(crate) use latency::Latencies;
pub(crate) use runner::Runner;
pub(crate) use tls::Dialer;

use crate::trouble::Trouble;

/// Where requests go and as whom.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// Server name and authority.
    pub(crate) host: &'static str,
    /// The caller's certificate; none is shown where TLS ends at the origin.
    pub(crate) caller: Option<Credential>,
    pub(crate) protocol: Protocol,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    /// Bytes of the body sent.
    pub(crate) upload: usize,
    /// Sent and checked as gRPC is: a message in each direction, and trailers.
    pub(crate) grpc: bool,
    /// The one status that counts as good.
    pub(crate) status: u16,
}

impl Request {
    /// A GET that is to succeed.
    pub(crate) const fn get(path: &'static str) -> Self {
        Self {
            method: "GET",
            path,
            upload: 0,
            grpc: false,
            status: 200,
        }
    }

    /// The same, expecting another status.
    pub(crate) const fn expecting(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// A POST of `upload` bytes, which the origin answers when it has read them all.
    pub(crate) const fn post(path: &'static str, upload: usize) -> Self {
        Self {
            method: "POST",
            upload,
            ..Self::get(path)
        }
    }

    /// A unary gRPC call.
    pub(crate) const fn grpc(path: &'static str, upload: usize) -> Self {
        Self {
            grpc: true,
            ..Self::post(path, upload)
        }
    }
}

/// When requests are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Each worker asks again when it is answered.
    Closed,
    /// So many a second, whatever is answered.
    Fixed(f64),
}

/// How requests are spread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    /// At once on a connection; 1 for HTTP/1.1.
    pub(crate) streams: usize,
    /// Whether each request has a connection of its own.
    pub(crate) fresh: bool,
}

impl Shape {
    /// Connections that are kept, as sidecars keep them.
    pub(crate) const fn kept(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Http1 => Self {
                connections: 16,
                streams: 1,
                fresh: false,
            },
            Protocol::Http2 => Self {
                connections: 4,
                streams: 4,
                fresh: false,
            },
        }
    }

    /// So many at a time, each request on a new connection.
    pub(crate) const fn fresh(connections: usize) -> Self {
        Self {
            connections,
            streams: 1,
            fresh: true,
        }
    }
}

/// What a run came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    /// Bytes of bodies, in both directions.
    pub(crate) bytes: u64,
    pub(crate) elapsed: Duration,
    pub(crate) latencies: Latencies,
    /// How much later than meant requests were sent although a connection was
    /// free: the generator's own fault.
    pub(crate) lateness: Latencies,
    /// Exchanges that went wrong, and how the first of them did.
    pub(crate) bad: u64,
    pub(crate) first_error: Option<String>,
}

impl Outcome {
    /// Takes in what another worker counted.
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.latencies.add(other.latencies);
        self.lateness.add(other.lateness);
        self.bad += other.bad;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    /// Requests answered in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    /// Refuses a run in which an exchange went wrong.
    pub(crate) fn good(self, who: &str) -> Result<Self, Trouble> {
        match &self.first_error {
            None if self.requests > 0 => Ok(self),
            None => Err(Trouble::WrongAnswer(format!("{who} answered nothing"))),
            Some(error) => Err(Trouble::WrongAnswer(format!(
                "under load {who} failed {} of {} requests; the first: {error}",
                self.bad,
                self.requests + self.bad
            ))),
        }
    }
}

/// An answer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Of the body.
    pub(crate) bytes: usize,
    /// Whether the connection ends with it.
    closes: bool,
}
