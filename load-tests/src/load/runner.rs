//! Workers on their connections, and runs of them.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::Request as Message;
use integration_tests::sidecar::Protocol;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{LocalSet, spawn_local};

use super::http1::{self, Http1};
use super::http2::{self, Http2, Sender};
use super::pace::Turns;
use super::{Dialer, Outcome, Pace, Reply, Request, Shape};
use crate::trouble::{Trouble, trying};

/// No exchange of the rig takes longer, unless something is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// Open connections with their workers, ready to run.
pub(crate) struct Runner {
    local: LocalSet,
    runtime: Runtime,
    plan: Rc<Plan>,
    workers: Vec<Client>,
}

/// What every worker needs.
struct Plan {
    dialer: Dialer,
    request: Request,
    head: Vec<u8>,
    message: Message<()>,
}

/// A worker's way to ask.
enum Client {
    /// On a connection of its own for each request.
    Fresh,
    Http1(Http1),
    /// Of a connection it shares.
    Http2(Sender, Rc<Http2>),
}

impl Runner {
    /// Opens the connections and asks once on each, so that what is made once is made.
    pub(crate) fn open(dialer: Dialer, request: Request, shape: Shape) -> Result<Self, Trouble> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = trying("the generator", runtime)?;
        let host = dialer.target.host;
        let plan = Rc::new(Plan {
            head: http1::head(host, &request),
            message: trying("the request", http2::message(host, &request))?,
            dialer,
            request,
        });
        let local = LocalSet::new();
        let opening = plan.open(shape);
        let workers = local.block_on(&runtime, opening)?;
        Ok(Self {
            local,
            runtime,
            plan,
            workers,
        })
    }

    /// Asks for `duration`.
    pub(crate) fn run(&mut self, pace: Pace, duration: Duration) -> Result<Outcome, Trouble> {
        let begin = Instant::now();
        let end = begin + duration;
        let turns = Turns::new(pace, end);
        let workers = std::mem::take(&mut self.workers);
        let plan = &self.plan;
        let (outcome, workers) = self.local.block_on(&self.runtime, async {
            let tasks: Vec<_> = workers
                .into_iter()
                .map(|client| spawn_local(Rc::clone(plan).work(client, turns.clone())))
                .collect();
            let kept = turns.keep(pace, begin, end).await;
            trying("the generator's timer", kept)?;
            let mut all = Outcome::default();
            let mut clients = Vec::new();
            for task in tasks {
                let (outcome, client) = trying("a worker", task.await.map_err(io::Error::other))?;
                all.add(outcome);
                clients.push(client);
            }
            Ok((all, clients))
        })?;
        self.workers = workers;
        Ok(Outcome {
            elapsed: begin.elapsed(),
            ..outcome
        })
    }

    /// Asks once; the answer's status.
    pub(crate) fn ask(dialer: Dialer, request: Request) -> Result<u16, Trouble> {
        let mut runner = Self::open(dialer, request, Shape::fresh(1))?;
        let plan = Rc::clone(&runner.plan);
        let client = runner.workers.pop();
        let asking = async move {
            let mut client = client.unwrap_or(Client::Fresh);
            plan.exchange(&mut client).await
        };
        let reply = runner.local.block_on(&runner.runtime, asking)?;
        Ok(reply.status)
    }
}

impl Plan {
    async fn open(&self, shape: Shape) -> Result<Vec<Client>, Trouble> {
        let mut clients = Vec::new();
        for _ in 0..shape.connections {
            if shape.fresh {
                clients.push(Client::Fresh);
                continue;
            }
            let first = clients.len();
            let mut client = self.connect().await?;
            self.good(&mut client).await?;
            clients.push(client);
            for _ in 1..shape.streams {
                if let Some(Client::Http2(sender, shared)) = clients.get(first) {
                    clients.push(Client::Http2(sender.clone(), Rc::clone(shared)));
                }
            }
        }
        Ok(clients)
    }

    async fn connect(&self) -> Result<Client, Trouble> {
        let stream = self.dialer.connect().await?;
        Ok(match self.dialer.target.protocol {
            Protocol::Http1 => Client::Http1(Http1::new(stream)),
            Protocol::Http2 => {
                let connection = trying("HTTP/2", Http2::new(stream).await)?;
                Client::Http2(connection.sender(), Rc::new(connection))
            }
        })
    }

    /// Takes turns until there are no more.
    async fn work(self: Rc<Self>, mut client: Client, turns: Turns) -> (Outcome, Client) {
        let mut outcome = Outcome::default();
        while let Some(turn) = turns.next().await {
            if turn.waited {
                outcome.lateness.push(turn.meant.elapsed());
            }
            match self.good(&mut client).await {
                Ok(reply) => {
                    outcome.requests += 1;
                    outcome.bytes += (reply.bytes + self.request.upload) as u64;
                    outcome.latencies.push(turn.meant.elapsed());
                }
                Err(trouble) => {
                    outcome.bad += 1;
                    outcome.first_error.get_or_insert(trouble.to_string());
                    break;
                }
            }
        }
        (outcome, client)
    }

    async fn good(&self, client: &mut Client) -> Result<Reply, Trouble> {
        let reply = self.exchange(client).await?;
        if reply.status == self.request.status {
            return Ok(reply);
        }
        let (got, path) = (reply.status, &self.request.path);
        Err(Trouble::WrongAnswer(format!("{got} for {path}")))
    }

    async fn exchange(&self, client: &mut Client) -> Result<Reply, Trouble> {
        let exchange = tokio::time::timeout(PATIENCE, self.ask(client)).await;
        let reply = exchange.map_err(|_| Trouble::WrongAnswer("no answer at all".into()))??;
        let answered = &self.dialer.answered;
        answered.set(answered.get() + 1);
        Ok(reply)
    }

    async fn ask(&self, client: &mut Client) -> Result<Reply, Trouble> {
        match client {
            Client::Fresh => {
                let mut once = self.connect().await?;
                Box::pin(self.ask(&mut once)).await
            }
            Client::Http1(connection) => {
                let mut reply = connection.exchange(&self.head, self.request.upload).await;
                if reply.is_err() {
                    // A kept connection may be closed at any time: one tries again.
                    *connection = Http1::new(self.dialer.connect().await?);
                    reply = connection.exchange(&self.head, self.request.upload).await;
                }
                let reply = trying("HTTP/1.1", reply)?;
                if reply.closes {
                    *connection = Http1::new(self.dialer.connect().await?);
                }
                Ok(reply)
            }
            Client::Http2(sender, _) => trying(
                "HTTP/2",
                http2::exchange(sender, &self.message, &self.request).await,
            ),
        }
    }
}
