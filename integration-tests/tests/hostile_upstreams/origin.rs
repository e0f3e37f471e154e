//! An origin whose every answer is a function of the test's, given the socket.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use integration_tests::message::read_head;

/// Longest that any conduct goes on: more than any deadline of these tests.
pub(crate) const LONG: Duration = Duration::from_secs(8);

/// What is done with a connection, given the path that was asked for.
pub(crate) type Conduct = fn(&mut Wire, &str) -> io::Result<()>;

/// The running origin; ends with the test's process.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Origin {
    /// Does with every connection what `conduct` says.
    pub(crate) fn start(conduct: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let connections = Arc::new(AtomicUsize::new(0));
        let (counting, conduct) = (Arc::clone(&connections), Arc::new(conduct));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let number = counting.fetch_add(1, Ordering::SeqCst) + 1;
                let conduct = Arc::clone(&conduct);
                stream.set_nodelay(true).expect("no delay");
                stream.set_write_timeout(Some(LONG)).expect("a timeout");
                stream.set_read_timeout(Some(LONG)).expect("a timeout");
                thread::spawn(move || conduct(stream, number));
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// One that reads each head, and answers as `conduct` does.
    pub(crate) fn http1(conduct: Conduct) -> Self {
        Self::start(move |stream, number| {
            let mut wire = Wire { stream, number };
            while let Ok(Some(request)) = read_head(&mut wire.stream) {
                let target = request.target();
                let path = target.split('?').next().unwrap_or_default();
                if conduct(&mut wire, path.trim_start_matches('/')).is_err() {
                    return;
                }
            }
        })
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A connection from the gateway.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    pub(crate) number: usize,
}

impl Wire {
    /// Sends bytes, and goes on.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends bytes, and closes.
    pub(crate) fn last(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send(bytes)?;
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// Sends the same again and again, until the gateway has had enough.
    pub(crate) fn flood(&mut self, bytes: &[u8]) -> io::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < LONG {
            self.send(bytes)?;
        }
        Ok(())
    }

    /// Sends nothing more, and waits for the gateway's end.
    pub(crate) fn hold(&mut self) -> io::Result<()> {
        let mut rest = [0; 4096];
        while self.stream.read(&mut rest)? > 0 {}
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    /// Sends bytes, then a reset instead of more.
    pub(crate) fn reset_after(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send(bytes)?;
        // What was sent must not be lost with the reset.
        thread::sleep(Duration::from_millis(100));
        let socket = tokio::net::TcpSocket::from_std_stream(self.stream.try_clone()?);
        socket.set_zero_linger()?;
        Err(io::ErrorKind::ConnectionReset.into())
    }

    /// Sends bytes, and says that nothing more comes while it goes on reading.
    pub(crate) fn half_close(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send(bytes)?;
        self.stream.shutdown(Shutdown::Write)?;
        self.hold()
    }
}
