//! Millions of requests of every kind, with a reload every few seconds: what the
//! gateway holds afterwards is what it held when it was warm.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use integration_tests::sidecar::Protocol::{Http1, Http2};
use integration_tests::wait::within;

use crate::arguments::Asked;
use crate::bench::Bench;
use crate::check;
use crate::gateways::{self, Running};
use crate::load::{Dialer, Pace, Request, Runner, Shape, Target};
use crate::measure::Load;
use crate::processor;
use crate::setup::{LOST, Log, OPENED, PRIVATE, Setup};
use crate::tools::Tools;
use crate::trouble::Trouble;

/// How long the work goes on before it is looked at again.
const SLICE: Duration = Duration::from_secs(1);
/// Between two reloads, and two looks.
const RELOAD: Duration = Duration::from_secs(3);
/// Of the requests, those that come before anything is compared.
const WARM_UP: u64 = 10;
/// KiB that may be resident beyond what was when it was warm.
const GROWTH: u32 = 8 * 1024;
/// Descriptors that may be open beyond those before any request.
const DESCRIPTORS: usize = 5;
/// Within which connections to the origin have been idle for too long.
const PATIENCE: Duration = Duration::from_secs(120);

/// How much.
#[derive(clap::Args, Debug)]
pub(crate) struct Soak {
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1000..))]
    requests: u64,
}

/// What is asked, all at once: connections that are kept and new ones, of both
/// versions; bodies both ways; what policy refuses and what has no route.
fn mix() -> [Load; 8] {
    let kept = |protocol, request| Load {
        protocol,
        request,
        shape: Shape::kept(protocol),
        pace: Pace::Closed,
    };
    let fresh = |protocol| Load {
        shape: Shape::fresh(2),
        pace: Pace::Fixed(50.0),
        ..kept(protocol, Request::get("/sport/2"))
    };
    [
        kept(Http1, Request::get("/sport/1024")),
        kept(Http2, Request::get("/sport/1024")),
        kept(Http1, Request::post("/sport/2", 4096)),
        kept(Http2, Request::post("/sport/2", 4096)),
        kept(Http1, Request::get(PRIVATE).expecting(403)),
        kept(Http2, Request::get(LOST).expecting(404)),
        fresh(Http1),
        fresh(Http2),
    ]
}

/// Runs it, and says what it came to.
pub(crate) fn run(soak: &Soak, asked: &Asked) -> Result<(), Trouble> {
    let tools = Tools::find()?;
    processor::pin_generator()?;
    let bench = Bench::start(tools, asked)?;
    let setup = Setup {
        hosts: 10,
        routes: 10,
        callers: 10,
        reloads: true,
        // A file would be as large as the disk.
        log: Log::Pipe,
        ..Setup::PLAIN
    };
    let egret = gateways::ALL
        .into_iter()
        .find(|kind| kind.name() == "egret");
    let egret = egret.ok_or_else(|| Trouble::Usage("there is no egret".to_owned()))?;
    let gateway = bench.gateway(egret, setup)?;
    let unused = gateway.descriptors()?;
    let warm = work(&bench, &gateway, soak.requests / WARM_UP)?;
    let before = Rest::of(&gateway, unused)?;
    let done = work(&bench, &gateway, soak.requests - warm.requests)?;
    let after = Rest::of(&gateway, unused)?;
    println!("{} requests of warm-up, then {done}", warm.requests);
    println!("at rest, warm:  {before}\nat rest, after: {after}\nunused: {unused} descriptors");
    gateway
        .answered
        .update(|answered| answered + warm.answered + done.answered);
    reloads_still(&bench, &gateway)?;
    check::logged(gateway)?;
    after.no_more_than(&before, unused)
}

/// What was done.
#[derive(Debug)]
struct Done {
    requests: u64,
    answered: u64,
    reloads: u32,
    took: Duration,
    /// KiB resident under load, at the beginning and at the end.
    memory: Option<(u32, u32)>,
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            requests,
            reloads,
            took,
            memory,
            ..
        } = self;
        write!(
            f,
            "{requests} in {:.0} s with {reloads} reloads and no wrong answer",
            took.as_secs_f64()
        )?;
        if let Some((first, last)) = memory {
            write!(f, "; resident under load {first} KiB, then {last} KiB")?;
        }
        Ok(())
    }
}

/// Asks for everything at once until `goal` requests are answered.
fn work(bench: &Bench, gateway: &Running, goal: u64) -> Result<Done, Trouble> {
    let begun = Instant::now();
    let counter = AtomicU64::new(0);
    let requests = &counter;
    let mut targets = Vec::new();
    for load in mix() {
        targets.push((gateway.dialer(load.protocol)?.target, load));
    }
    let change = gateway.change();
    let mut setup = *gateway.setup();
    let mut memory = Vec::new();
    let mut reloads = 0;
    let answered = thread::scope(|scope| {
        let asking = targets.into_iter();
        let asking =
            asking.map(|(target, load)| scope.spawn(move || ask(target, load, requests, goal)));
        let asking: Vec<_> = asking.collect();
        while asking.iter().any(|asking| !asking.is_finished()) {
            thread::sleep(RELOAD);
            setup.opened = !setup.opened;
            change.apply(&bench.tools, setup)?;
            reloads += 1;
            memory.push(gateway.memory_now()?);
            if reloads % 20 == 0 {
                let requests = requests.load(Ordering::Relaxed);
                eprintln!("{requests} of {goal} requests, {:?} KiB", memory.last());
            }
        }
        let broke = |_| Trouble::WrongAnswer("a caller broke off".to_owned());
        let answered = asking
            .into_iter()
            .map(|asking| asking.join().map_err(broke).flatten());
        answered.sum::<Result<u64, Trouble>>()
    })?;
    Ok(Done {
        requests: counter.load(Ordering::Relaxed),
        answered,
        reloads,
        took: begun.elapsed(),
        memory: thirds(&memory),
    })
}

/// The means of the first and the last third.
fn thirds(samples: &[u32]) -> Option<(u32, u32)> {
    let third = samples.len().div_ceil(3);
    let mean = |some: &[u32]| {
        let sum: u64 = some.iter().map(|sample| u64::from(*sample)).sum();
        u32::try_from(sum.checked_div(some.len() as u64)?).ok()
    };
    let first = samples.get(..third)?;
    let last = samples.get(samples.len() - third..)?;
    Some((mean(first)?, mean(last)?))
}

/// One caller; how many answers it had, those of connections just made included.
fn ask(target: Target, load: Load, requests: &AtomicU64, goal: u64) -> Result<u64, Trouble> {
    let dialer = Dialer::new(target)?;
    let mut runner = Runner::open(dialer.clone(), load.request, load.shape)?;
    while requests.load(Ordering::Relaxed) < goal {
        let outcome = runner.run(load.pace, SLICE)?.good("egret")?;
        requests.fetch_add(outcome.requests, Ordering::Relaxed);
    }
    Ok(dialer.answered())
}

/// What it holds when nobody asks.
#[derive(Clone, Copy, Debug)]
struct Rest {
    memory: u32,
    descriptors: usize,
}

impl std::fmt::Display for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} KiB resident, {} descriptors",
            self.memory, self.descriptors
        )
    }
}

impl Rest {
    /// Once idle connections to the origin are given up.
    fn of(gateway: &Running, unused: usize) -> Result<Self, Trouble> {
        let settled = || {
            let now = gateway.descriptors();
            now.is_ok_and(|now| now <= unused + DESCRIPTORS)
                .then_some(())
        };
        // What is left over is told with the figures.
        let _ = within(PATIENCE, settled);
        Ok(Self {
            memory: gateway.memory()?.unwrap_or_default(),
            descriptors: gateway.descriptors()?,
        })
    }

    fn no_more_than(&self, warm: &Self, unused: usize) -> Result<(), Trouble> {
        if self.memory > warm.memory + GROWTH {
            let what = format!(
                "{} KiB are resident where {} were",
                self.memory, warm.memory
            );
            return Err(Trouble::WrongAnswer(what));
        }
        if self.descriptors > unused + DESCRIPTORS {
            let what = format!(
                "{} descriptors are open where {unused} were",
                self.descriptors
            );
            return Err(Trouble::WrongAnswer(what));
        }
        Ok(())
    }
}

/// Whether a change still takes effect.
fn reloads_still(bench: &Bench, gateway: &Running) -> Result<(), Trouble> {
    let change = gateway.change();
    for (opened, due) in [(false, 403), (true, 200)] {
        let setup = Setup {
            opened,
            ..*gateway.setup()
        };
        change.apply(&bench.tools, setup)?;
        let dialer = change.dialer()?;
        let found = within(PATIENCE, || {
            let status = Runner::ask(dialer.clone(), Request::get(OPENED));
            status.is_ok_and(|status| status == due).then_some(())
        });
        let never = || Trouble::WrongAnswer("a reload had no effect in the end".to_owned());
        found.ok_or_else(never)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_from_what_stays() {
        let warm = Rest {
            memory: 40_000,
            descriptors: 30,
        };
        let judged = |memory, descriptors| {
            Rest {
                memory,
                descriptors,
            }
            .no_more_than(&warm, 20)
            .is_ok()
        };
        assert!(judged(40_000 + GROWTH, 25));
        assert!(!judged(40_001 + GROWTH, 25));
        assert!(!judged(40_000, 26));
    }

    #[test]
    fn the_first_third_is_compared_with_the_last() {
        assert_eq!(thirds(&[1, 3, 50, 60, 7, 9]), Some((2, 8)));
        assert_eq!(thirds(&[5]), Some((5, 5)));
        assert_eq!(thirds(&[]), None);
    }
}
