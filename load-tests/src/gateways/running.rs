//! A gateway that runs, and what can be asked of it.

use std::cell::Cell;
use std::net::SocketAddr;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use integration_tests::pki::{Credential, Pki};
use integration_tests::sidecar::Protocol;

use super::Gateway;
use crate::load::{Dialer, Request, Runner, Target};
use crate::part::{Output, Part, await_ready, spawn};
use crate::processor::Processor;
use crate::setup::{CALLER, HOST, Log, Setup, Work};
use crate::site::{Origin, Site};
use crate::tools::Tools;
use crate::trouble::{Trouble, trying};
use crate::usage::{descriptors, memory, processor_time, settled_memory};

/// The largest configurations take some of the gateways this long to load.
const PATIENCE: Duration = Duration::from_secs(120);

/// Killed when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) kind: &'static dyn Gateway,
    pub(crate) site: Site,
    /// From its start until it had answered a request.
    pub(crate) start_up: Duration,
    part: Option<Part>,
    origin: Origin,
    caller: Credential,
    /// Requests it has answered since its start, each of which is a line in its log.
    pub(crate) answered: Rc<Cell<u64>>,
}

impl Running {
    /// Starts it in front of `origin` and waits until it answers.
    pub(crate) fn start(
        kind: &'static dyn Gateway,
        tools: &Tools,
        pki: &Pki,
        origin: Origin,
        site: Site,
    ) -> Result<Self, Trouble> {
        kind.configure(tools, &site)?;
        let output = match site.setup.log {
            Log::Pipe => Output::Counted,
            Log::File | Log::Off => Output::File,
        };
        let began = Instant::now();
        let part = kind.command(tools, &site).map(|command| {
            let dir = &site.dir;
            spawn(command, Processor::GATEWAY, dir, output)
        });
        let mut running = Self {
            kind,
            start_up: Duration::ZERO,
            part: part.transpose()?,
            origin,
            caller: pki.workload(CALLER),
            answered: Rc::default(),
            site,
        };
        running.await_answer()?;
        running.start_up = began.elapsed();
        Ok(running)
    }

    fn await_answer(&mut self) -> Result<(), Trouble> {
        let dialer = self.dialer(Protocol::Http1)?;
        let Some(part) = &mut self.part else {
            return Ok(());
        };
        let ready = || {
            let status = Runner::ask(dialer.clone(), Request::get("/health"));
            status.is_ok_and(|status| status == 200)
        };
        let ready: &dyn Fn() -> bool = match self.site.setup.work {
            Work::Grpc => &|| std::net::TcpStream::connect(self.site.listener).is_ok(),
            Work::Http | Work::Passthrough => &ready,
        };
        await_ready(self.kind.name(), part, &self.site.dir, PATIENCE, ready)
    }

    pub(crate) fn name(&self) -> &'static str {
        self.kind.name()
    }

    pub(crate) fn setup(&self) -> &Setup {
        &self.site.setup
    }

    /// How the allowed caller reaches it.
    pub(crate) fn dialer(&self, protocol: Protocol) -> Result<Dialer, Trouble> {
        self.dialer_as(self.caller.clone(), protocol)
    }

    /// How any other does.
    pub(crate) fn dialer_as(
        &self,
        caller: Credential,
        protocol: Protocol,
    ) -> Result<Dialer, Trouble> {
        let ends_here = self.site.setup.work != Work::Passthrough && self.stands();
        let dialer = Dialer::new(Target {
            address: self.address(protocol),
            host: HOST,
            caller: ends_here.then_some(caller),
            protocol,
        })?;
        Ok(dialer.counting(&self.answered))
    }

    fn address(&self, protocol: Protocol) -> SocketAddr {
        if self.stands() {
            self.site.listener
        } else {
            self.origin.speaking(protocol)
        }
    }

    /// Whether there is a process at all.
    pub(crate) fn stands(&self) -> bool {
        self.part.is_some()
    }

    /// Its own processor time so far.
    pub(crate) fn processor_time(&self) -> Result<Option<Duration>, Trouble> {
        let part = self.part.as_ref();
        part.map(|part| processor_time(part.id())).transpose()
    }

    /// Its resident memory in KiB, once it is settled.
    pub(crate) fn memory(&self) -> Result<Option<u32>, Trouble> {
        let part = self.part.as_ref();
        part.map(|part| settled_memory(part.id())).transpose()
    }

    /// Its resident memory in KiB, as it is now.
    pub(crate) fn memory_now(&self) -> Result<u32, Trouble> {
        self.part.as_ref().map_or(Ok(0), |part| memory(part.id()))
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> Result<usize, Trouble> {
        self.part
            .as_ref()
            .map_or(Ok(0), |part| descriptors(part.id()))
    }

    /// What another thread needs to give it another configuration.
    pub(crate) fn change(&self) -> Change {
        Change {
            kind: self.kind,
            site: self.site.clone(),
            process: self.part.as_ref().map(Part::id),
            caller: self.caller.clone(),
        }
    }

    /// Ends it; what its log holds is all written then.
    pub(crate) fn end(self) {
        if let Some(part) = self.part {
            part.end();
        }
    }
}

/// A change of a gateway's configuration.
#[derive(Debug)]
pub(crate) struct Change {
    kind: &'static dyn Gateway,
    site: Site,
    process: Option<u32>,
    caller: Credential,
}

impl Change {
    /// Writes the configuration for `setup` and tells the gateway.
    pub(crate) fn apply(&self, tools: &Tools, setup: Setup) -> Result<(), Trouble> {
        let site = Site {
            setup,
            ..self.site.clone()
        };
        self.kind.configure(tools, &site)?;
        if let (Some(signal), Some(process)) = (self.kind.reload_signal(), self.process) {
            // The standard library has no such call, and no `unsafe` is wanted here.
            let kill = format!("kill -{signal} {process}");
            let status = Command::new("sh").args(["-c", &kill]).status();
            trying("kill", status)?;
        }
        Ok(())
    }

    /// How the allowed caller reaches the gateway. What it asks is counted nowhere.
    pub(crate) fn dialer(&self) -> Result<Dialer, Trouble> {
        Dialer::new(Target {
            address: self.site.listener,
            host: HOST,
            caller: Some(self.caller.clone()),
            protocol: Protocol::Http1,
        })
    }
}
