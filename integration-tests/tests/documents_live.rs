//! "Rules are dynamic": objects come, change and go in a watched folder while
//! the gateway serves. Each change takes effect within a second, and no request
//! fails of it.

use std::time::{Duration, Instant};

use integration_tests::client::{Curl, Reply};
use integration_tests::istio::{Istio, View, example};
use integration_tests::load::Load;
use integration_tests::sidecar::{Protocol, Sidecar};
use integration_tests::wait::{PATIENCE, until, within};

const CNN: &str = "edition.cnn.com";
const GOOGLE: &str = "http://www.google.com:443/";
const BOOKS: &str = "http://www.googleapis.com:443/books";
const BOOKS_WITHIN_TLS: &str = "https://www.googleapis.com/books";
const SLOW: &str = "http://httpbin.org/delay/2";

/// How long changes took to show.
#[derive(Debug, Default)]
struct Times(Vec<Duration>);

impl Times {
    /// Waits until `ask` is answered with `status`.
    #[track_caller]
    fn until(&mut self, status: u16, istio: &Istio, ask: impl Fn() -> Reply) {
        let begun = Instant::now();
        let came = within(PATIENCE, || (ask().status == status).then_some(()));
        assert!(came.is_some(), "never {status}:\n{}", istio.egret.said());
        self.0.push(begun.elapsed());
    }

    /// On a busy machine one or another may be late; the run of them is not.
    #[track_caller]
    fn assert_within_a_second(mut self) {
        self.0.sort();
        let median = self.0[self.0.len() / 2];
        assert!(median <= Duration::from_secs(1), "{self:?}");
    }
}

#[track_caller]
fn assert_unharmed(load: Load, istio: &mut Istio, least: usize) {
    let answered = load.answered();
    let failed = load.finish();
    assert!(failed.is_empty(), "{failed:#?}\n{}", istio.egret.said());
    assert!(answered >= least, "{answered} requests prove nothing");
    assert!(istio.egret.is_running());
}

#[test]
fn hosts_open_and_close_under_traffic_of_applications() {
    let mut istio = Istio::start(View::Mesh, &["document-002-httpbin"]);
    let door = istio.egret.listener("mesh-80");
    let request = move || Curl::through(door, "httpbin.org", "/headers").send();
    let load = Load::start(vec![Box::new(request), Box::new(request)]);
    let mut times = Times::default();

    for _ in 0..2 {
        istio.apply("document-000-egress-rule");
        times.until(200, &istio, || istio.get(BOOKS));
        istio.apply("document-002-google");
        times.until(200, &istio, || istio.get(GOOGLE));
        // The route of the traffic itself changes, and changes back.
        istio.apply("document-002-timeout");
        let shorter = example("document-002-timeout").replace("3s", "1s");
        istio.apply_text("document-002-timeout", &shorter);
        until("two seconds are too long", || {
            (istio.get(SLOW).status == 504).then_some(())
        });
        istio.delete("document-000-egress-rule");
        times.until(502, &istio, || istio.get(BOOKS));
        istio.delete("document-002-google");
        times.until(502, &istio, || istio.get(GOOGLE));
        istio.delete("document-002-timeout");
        until("two seconds are not too long", || {
            (istio.get(SLOW).status == 200).then_some(())
        });
        istio.apply("document-001-passthrough");
        times.until(200, &istio, || istio.get(BOOKS_WITHIN_TLS));
        istio.delete("document-001-passthrough");
        times.until(0, &istio, || istio.get(BOOKS_WITHIN_TLS));
        load.go_on_for(10);
    }
    assert_unharmed(load, &mut istio, 40);
    times.assert_within_a_second();
}

#[test]
fn an_object_that_cannot_be_honoured_changes_nothing_until_it_is_mended() {
    let mut istio = Istio::start(View::Mesh, &["document-002-httpbin"]);
    let door = istio.egret.listener("mesh-80");
    let request = move || Curl::through(door, "httpbin.org", "/headers").send();
    let load = Load::start(vec![Box::new(request)]);
    let mistaken = example("document-000-egress-rule").replace("ports:", "prots:");
    istio.apply_text("document-000-egress-rule", &mistaken);
    let line = 1 + mistaken.lines().position(|l| l.contains("prots:")).unwrap();
    let place = format!("document-000-egress-rule.yaml:{line}");
    until("the mistake is told with its place", || {
        let told = istio.egret.diagnostics();
        told.iter().any(|line| line.contains(&place)).then_some(())
    });
    // What came with it does not count either: a folder is taken whole.
    istio.apply("document-002-google");
    load.go_on_for(10);
    assert_eq!(istio.get(GOOGLE).status, 502);
    istio.apply("document-000-egress-rule");
    until("both are open", || {
        (istio.get(GOOGLE).status == 200 && istio.get(BOOKS).status == 200).then_some(())
    });
    assert_unharmed(load, &mut istio, 10);
}

fn politics(sidecar: &Sidecar) -> Reply {
    sidecar.curl(CNN, "/politics").send()
}

/// Document 004 from its beginning to its end, on one running gateway.
#[test]
fn a_policy_is_tightened_and_relaxed_under_traffic_of_sidecars() {
    let examples = [
        "document-004-egress-gateway",
        "document-004-mixer-logging",
        "document-004-plain-routing",
    ];
    let mut istio = Istio::start(View::Gateway, &examples);
    let [one, two] = Protocol::ALL.map(|protocol| istio.sidecar("sleep", protocol));
    let exempt = istio.sidecar("politics", Protocol::Http2);
    let requests = [&one, &two].map(|sidecar| {
        let address = sidecar.address();
        let request = move || Curl::through(address, CNN, "/sport").send();
        Box::new(request) as Box<dyn Fn() -> Reply + Send>
    });
    let load = Load::start(requests.into());
    let mut times = Times::default();

    times.until(200, &istio, || politics(&one));
    istio.apply("document-004-regex-routing");
    times.until(404, &istio, || politics(&one));
    assert_eq!(politics(&exempt).status, 404);
    istio.delete("document-004-regex-routing");
    times.until(200, &istio, || politics(&two));

    istio.apply("document-004-list-checker");
    istio.apply("document-004-list-rule");
    times.until(403, &istio, || politics(&one));
    assert_eq!(politics(&exempt).status, 403);
    istio.apply("document-004-exemption");
    times.until(200, &istio, || politics(&exempt));
    assert_eq!(politics(&two).status, 403);

    // The document's clean-up: the rules first, then what they name.
    istio.delete("document-004-exemption");
    times.until(403, &istio, || politics(&exempt));
    istio.delete("document-004-list-rule");
    times.until(200, &istio, || politics(&one));
    istio.delete("document-004-list-checker");
    load.go_on_for(20);
    assert_unharmed(load, &mut istio, 40);
    times.assert_within_a_second();
}
