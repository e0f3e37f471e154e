//! A name server that answers as the test says and remembers every question.
//! UDP only; A records; of every other type it says that there are none.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::reply::Stop;

/// The type of address records (RFC 1035, 3.2.2).
const A: u16 = 1;
/// Response code for trouble of the server's own (RFC 1035, 4.1.1).
const SERVER_FAILURE: u8 = 2;
/// Response code for a name that does not exist (RFC 1035, 4.1.1).
const NO_SUCH_NAME: u8 = 3;

/// The running name server; stops when dropped.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    zone: Mutex<HashMap<String, Vec<Ipv4Addr>>>,
    questions: Mutex<Vec<String>>,
    failing: AtomicBool,
    silent: AtomicBool,
    only_v4: AtomicBool,
    stop: Stop,
}

impl NameServer {
    /// Starts on a free port of loopback, knowing nothing.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("its address");
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        thread::spawn(move || serve(&socket, &serving));
        Self { address, shared }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on `name` has these addresses, for one second at a time.
    pub fn answer(&self, name: &str, addresses: &[Ipv4Addr]) {
        locked(&self.shared.zone).insert(name.to_owned(), addresses.to_vec());
    }

    /// From now on `name` does not exist.
    pub fn forget(&self, name: &str) {
        locked(&self.shared.zone).remove(name);
    }

    /// From now on every question is answered with a failure of the server's.
    pub fn fail(&self) {
        self.shared.failing.store(true, Ordering::SeqCst);
    }

    /// From now on no question is answered.
    pub fn keep_silent(&self) {
        self.shared.silent.store(true, Ordering::SeqCst);
    }

    /// From now on only questions for addresses of IPv4 are answered.
    pub fn ignore_all_but_v4(&self) {
        self.shared.only_v4.store(true, Ordering::SeqCst);
    }

    /// Every name asked for so far.
    #[must_use]
    pub fn questions(&self) -> Vec<String> {
        locked(&self.shared.questions).clone()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.shared.stop.now();
        if let Ok(socket) = UdpSocket::bind("127.0.0.1:0") {
            let _ = socket.send_to(&[], self.address);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(socket: &UdpSocket, shared: &Shared) {
    let mut packet = [0; 1500];
    while let Ok((length, from)) = socket.recv_from(&mut packet) {
        if shared.stop.is_set() {
            return;
        }
        if let Some(answer) = answer(&packet[..length], shared) {
            let _ = socket.send_to(&answer, from);
        }
    }
}

fn answer(query: &[u8], shared: &Shared) -> Option<Vec<u8>> {
    let (name, question) = question(query)?;
    let kind = u16::from_be_bytes([*query.get(question - 4)?, *query.get(question - 3)?]);
    locked(&shared.questions).push(name.clone());
    let is = |state: &AtomicBool| state.load(Ordering::SeqCst);
    if is(&shared.silent) || kind != A && is(&shared.only_v4) {
        return None;
    }
    let known = locked(&shared.zone).get(&name).cloned();
    let failing = is(&shared.failing);
    let code = match known {
        _ if failing => SERVER_FAILURE,
        Some(_) => 0,
        None => NO_SUCH_NAME,
    };
    let addresses = known.filter(|_| kind == A && !failing).unwrap_or_default();
    let mut packet = header(query, code, addresses.len() as u8)?;
    packet.extend_from_slice(query.get(12..question)?);
    addresses
        .iter()
        .for_each(|address| packet.extend(record(*address)));
    Some(packet)
}

/// The name asked for, in lower case without the final dot, and where the question ends.
fn question(query: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), 12);
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at + 4));
        }
        let label = query.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += length;
    }
}

/// The query's number; an authoritative answer; one question, `answers` records.
fn header(query: &[u8], code: u8, answers: u8) -> Option<Vec<u8>> {
    let (high, low) = (*query.first()?, *query.get(1)?);
    Some(vec![
        high,
        low,
        0x85,
        0x80 | code,
        0,
        1,
        0,
        answers,
        0,
        0,
        0,
        0,
    ])
}

/// Name by pointer to the question, type A, class IN, one second to live.
fn record(address: Ipv4Addr) -> Vec<u8> {
    let fixed = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4];
    [&fixed[..], &address.octets()].concat()
}
