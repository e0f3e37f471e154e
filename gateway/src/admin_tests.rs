use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;

struct Served {
    address: SocketAddr,
    ready: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

async fn served() -> Served {
    served_with(Box::new(|to| to.write_all(b"istio_build 1\n"))).await
}

async fn served_with(metrics: Text) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ready = Arc::new(AtomicBool::new(true));
    let state = AdminState {
        ready: Box::new({
            let ready = Arc::clone(&ready);
            move || match ready.load(Ordering::Relaxed) {
                true => Ok(()),
                false => Err("draining".to_owned()),
            }
        }),
        metrics,
        config: Box::new(|| panic!("a defect")),
    };
    let (stop, stopped) = watch::channel(false);
    let server = tokio::spawn(serve(listener, Arc::new(state), stopped));
    Served {
        address,
        ready,
        stop,
        server,
    }
}

impl Served {
    async fn send(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        timeout(Duration::from_secs(20), stream.read_to_string(&mut answer))
            .await
            .unwrap()
            .unwrap();
        answer
    }

    async fn get(&self, path: &str) -> String {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())
            .await
    }
}

#[tokio::test]
async fn tells_readiness_with_its_reason() {
    let served = served().await;
    let ready = served.get("/healthz/ready").await;
    assert!(ready.starts_with("HTTP/1.1 200 OK\r\n") && ready.ends_with("\r\n\r\nready\n"));
    assert!(ready.contains("connection: close\r\n") && ready.contains("content-length: 6\r\n"));
    served.ready.store(false, Ordering::Relaxed);
    let not = served.get("/healthz/ready").await;
    assert!(
        not.starts_with("HTTP/1.1 503 ") && not.ends_with("not ready: draining\n"),
        "{not}"
    );
    assert!(
        served
            .get("/healthz/live")
            .await
            .starts_with("HTTP/1.1 200 ")
    );
}

#[tokio::test]
async fn gives_metrics_under_both_names_as_prometheus_text() {
    let served = served().await;
    for path in ["/metrics", "/stats/prometheus?usedonly"] {
        let answer = served.get(path).await;
        assert!(
            answer.contains("content-type: text/plain; version=0.0.4"),
            "{answer}"
        );
        assert!(
            answer.contains("transfer-encoding: chunked\r\n"),
            "{answer}"
        );
        assert!(
            answer.ends_with("\r\n\r\ne\r\nistio_build 1\n\r\n0\r\n\r\n"),
            "{answer}"
        );
    }
    // Whoever knows no chunks is told the end by the connection's.
    let answer = served.send(b"GET /metrics HTTP/1.0\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\nistio_build 1\n"), "{answer}");
    assert!(!answer.contains("chunked"), "{answer}");
}

/// What a scrape has rendered so far, of pieces that are all alike.
fn endless(pieces: usize) -> (Text, Arc<AtomicUsize>) {
    let rendered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&rendered);
    let text: Text = Box::new(move |to| {
        (0..pieces).try_for_each(|_| {
            to.write_all(&[b'x'; PIECE])?;
            count.fetch_add(PIECE, Ordering::Relaxed);
            Ok(())
        })
    });
    (text, rendered)
}

const PIECE: usize = 64 * 1024;

/// The text of all series may be larger than the memory there is.
#[tokio::test]
async fn no_more_of_a_scrape_is_rendered_than_is_taken() {
    let (text, rendered) = endless(2_000);
    let served = served_with(text).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let ask = b"GET /metrics HTTP/1.0\r\n\r\n";
    stream.write_all(ask).await.unwrap();
    // What the kernel keeps for the two ends, and then nothing.
    let mut before = 0;
    loop {
        sleep(Duration::from_millis(200)).await;
        let now = rendered.load(Ordering::Relaxed);
        if now > 0 && now == before {
            break;
        }
        before = now;
    }
    assert!(before < 500 * PIECE, "{before} bytes rendered for nobody");
    let mut read = tokio::io::sink();
    let reading = tokio::io::copy(&mut stream, &mut read);
    let length = timeout(SCRAPE_TIME, reading).await.unwrap().unwrap();
    assert!(length > 2_000 * PIECE as u64, "{length}");
}

#[tokio::test]
async fn two_scrapes_are_told_at_once_and_those_who_take_nothing_end() {
    let (text, _) = endless(2_000);
    let served = served_with(text).await;
    let ask = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut idle = Vec::new();
    for _ in 0..SCRAPES {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(ask).await.unwrap();
        let mut first = [0; 1];
        stream.read_exact(&mut first).await.unwrap();
        idle.push(stream);
    }
    let third = served.get("/metrics").await;
    assert!(third.starts_with("HTTP/1.1 503 "), "{third}");
    let live = served.get("/healthz/live").await;
    assert!(live.starts_with("HTTP/1.1 200 "), "{live}");
    let deadline = Instant::now() + 2 * ANSWER_TIME;
    loop {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(ask).await.unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        if &status == b"HTTP/1.1 200" {
            break;
        }
        assert!(Instant::now() < deadline, "{status:?}");
    }
}

/// Connections are for those who ask: not two hundred who do not keep a probe waiting.
#[tokio::test]
async fn silent_connections_make_room_for_a_probe() {
    let served = served().await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(b"GET /healthz").await.unwrap();
        silent.push(stream);
    }
    let begun = Instant::now();
    let live = served.get("/healthz/live").await;
    assert!(live.starts_with("HTTP/1.1 200 "), "{live}");
    assert!(begun.elapsed() < HEAD_TIME, "{:?}", begun.elapsed());
    // The first of them has made room, the last may still ask.
    let mut answer = String::new();
    let _ = silent[0].read_to_string(&mut answer).await;
    assert!(answer.is_empty(), "{answer}");
    let last = silent.last_mut().unwrap();
    last.write_all(b"/live HTTP/1.1\r\n\r\n").await.unwrap();
    last.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_defect_in_a_scrape_is_a_500_or_a_text_without_end() {
    let served = served_with(Box::new(|_| panic!("a defect"))).await;
    assert!(served.get("/metrics").await.starts_with("HTTP/1.1 500 "));
    let halfway = |to: &mut dyn Write| -> io::Result<()> {
        to.write_all(b"istio_build 1\n")?;
        panic!("a defect")
    };
    let served = served_with(Box::new(halfway)).await;
    let answer = served.get("/metrics").await;
    assert!(answer.ends_with("istio_build 1\n\r\n"), "{answer}");
}

#[tokio::test]
async fn refuses_what_is_no_plain_get() {
    let served = served().await;
    for (request, status) in [
        (&b"POST /metrics HTTP/1.1\r\nhost: x\r\n\r\n"[..], "405"),
        (b"GET /nothing HTTP/1.1\r\n\r\n", "404"),
        (b"GET /metrics\r\n\r\n", "400"),
        (b"GET  /metrics HTTP/1.1\r\n\r\n", "400"),
        (b"\x16\x03\x01\xff\xff\r\n\r\n", "400"),
    ] {
        let answer = served.send(request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn answers_a_head_that_never_ends_with_431() {
    let served = served().await;
    let answer = served.send(&vec![b'x'; 3 * HEAD_BYTES]).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn a_defect_in_a_source_is_a_500_and_the_server_goes_on() {
    let served = served().await;
    assert!(served.get("/config").await.starts_with("HTTP/1.1 500 "));
    assert!(
        served
            .get("/healthz/live")
            .await
            .starts_with("HTTP/1.1 200 ")
    );
}

#[tokio::test]
async fn cuts_off_a_client_that_trickles_its_head() {
    let served = served().await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(b"GET /metrics HT").await.unwrap();
    let mut answer = String::new();
    let read = timeout(2 * HEAD_TIME, stream.read_to_string(&mut answer)).await;
    assert!(
        read.is_ok() && answer.starts_with("HTTP/1.1 408 "),
        "{answer}"
    );
}

#[tokio::test]
async fn stops_when_told() {
    let served = served().await;
    served.stop.send(true).unwrap();
    timeout(Duration::from_secs(20), served.server)
        .await
        .unwrap()
        .unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}
