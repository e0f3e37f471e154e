//! Worker threads. A connection lives on one of them to its end, with all its
//! requests: no task is handed from thread to thread, no queue is shared, and
//! streams that are ready together go out together.
//!
//! A new connection goes to the thread with the fewest. The first is the thread
//! that accepts; with one thread there is no other.

use std::future::Future;
use std::io;
use std::net::TcpStream as Unregistered;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// See the module. The threads end when this does, and what runs on them.
#[derive(Debug)]
pub(crate) struct Workers(Box<[Worker]>);

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    connections: Arc<AtomicUsize>,
    /// Its end is the thread's; the first thread has none of its own.
    _running: Option<oneshot::Sender<()>>,
}

impl Workers {
    /// The calling runtime, and as many threads as are missing to `threads`.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn start(threads: usize) -> io::Result<Self> {
        let mut all = vec![Worker::new(Handle::current(), None)];
        for _ in 1..threads {
            all.push(Worker::start()?);
        }
        Ok(Self(all.into()))
    }

    /// Serves a connection on the thread that has the fewest.
    ///
    /// # Errors
    /// When the connection cannot be handed over; it is closed then.
    pub(crate) fn serve<F>(
        &self,
        tcp: TcpStream,
        serve: impl FnOnce(TcpStream) -> F,
    ) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let connections = |worker: &Worker| worker.connections.load(Ordering::Relaxed);
        let all = self.0.iter().enumerate();
        let idlest = all.min_by_key(|(_, worker)| connections(worker));
        let Some((number, worker)) = idlest else {
            return Ok(());
        };
        let tcp = match number {
            0 => tcp,
            _ => worker.adopt(tcp.into_std()?)?,
        };
        let counted = Counted::new(&worker.connections);
        let serving = serve(tcp);
        worker.runtime.spawn(async move {
            let _counted = counted;
            serving.await;
        });
        Ok(())
    }
}

impl Worker {
    fn new(runtime: Handle, running: Option<oneshot::Sender<()>>) -> Self {
        Self {
            runtime,
            connections: Arc::default(),
            _running: running,
        }
    }

    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (running, ended) = oneshot::channel::<()>();
        thread::Builder::new()
            .name("worker".to_owned())
            .spawn(move || runtime.block_on(ended))?;
        Ok(Self::new(handle, Some(running)))
    }

    /// Has the thread's own poll watch the connection.
    fn adopt(&self, tcp: Unregistered) -> io::Result<TcpStream> {
        let _entered = self.runtime.enter();
        TcpStream::from_std(tcp)
    }
}

/// One connection of a worker.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(connections: &Arc<AtomicUsize>) -> Self {
        connections.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(connections))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::ThreadId;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;
    use tokio::time::timeout;

    /// Serves two connections at a time; gives the threads that served.
    async fn served(threads: usize) -> Vec<ThreadId> {
        let workers = Workers::start(threads).unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (tell, mut told) = mpsc::unbounded_channel();
        let mut clients = Vec::new();
        for _ in 0..2 {
            clients.push(TcpStream::connect(address).await.unwrap());
            let (tcp, _) = socket.accept().await.unwrap();
            let tell = tell.clone();
            let serve = |mut tcp: TcpStream| async move {
                let byte = tcp.read_u8().await.unwrap();
                tcp.write_u8(byte + 1).await.unwrap();
                tell.send(thread::current().id()).unwrap();
            };
            workers.serve(tcp, serve).unwrap();
        }
        let mut all = Vec::new();
        for client in &mut clients {
            client.write_u8(1).await.unwrap();
            assert_eq!(client.read_u8().await.unwrap(), 2);
            all.push(told.recv().await.unwrap());
        }
        let counts = || {
            workers
                .0
                .iter()
                .map(|w| w.connections.load(Ordering::Relaxed))
        };
        let settled = async {
            while counts().sum::<usize>() > 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(5), settled).await.unwrap();
        all
    }

    #[tokio::test]
    async fn connections_are_spread_over_the_threads() {
        let here = thread::current().id();
        assert_eq!(served(1).await, [here, here]);
        let two = served(2).await;
        assert_eq!(two[0], here);
        assert_ne!(two[1], here);
    }

    #[tokio::test]
    async fn threads_end_with_the_workers() {
        let workers = Workers::start(2).unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let mut clients = Vec::new();
        let mut accepted = Vec::new();
        for _ in 0..2 {
            clients.push(TcpStream::connect(address).await.unwrap());
            accepted.push(socket.accept().await.unwrap().0);
        }
        for tcp in accepted {
            workers
                .serve(tcp, |tcp| async move {
                    let _held = tcp;
                    std::future::pending::<()>().await;
                })
                .unwrap();
        }
        drop(workers);
        // The second was served by a thread that is gone, and its socket with it.
        let mut byte = [0];
        let end = timeout(Duration::from_secs(5), clients[1].read(&mut byte));
        assert_eq!(end.await.unwrap().unwrap(), 0);
    }
}
