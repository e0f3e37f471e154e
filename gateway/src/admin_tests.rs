use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;

use super::*;

struct Served {
    address: SocketAddr,
    ready: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

async fn served() -> Served {
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
        metrics: Box::new(|| "istio_build 1\n".to_owned()),
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
        assert!(answer.ends_with("istio_build 1\n"));
    }
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
