//! The real gateway, as its own process: started with configuration files,
//! watched through its standard streams, ended by its own process id.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::lines::Lines;
use crate::message::Message;
use crate::process::{Process, Signal};
use crate::sidecar::ask;
use crate::wait::{PATIENCE, until, within};
use crate::{jsonl, peers};

/// A running gateway; killed when dropped.
#[derive(Debug)]
pub struct Egret {
    process: Process,
    dir: TempDir,
    records: Lines,
    diagnostics: Lines,
}

/// What a gateway is started with beside its own configuration's file.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// More files and folders of configuration, after it.
    pub configurations: Vec<PathBuf>,
    /// Variables of its environment.
    pub environment: Vec<(&'static str, OsString)>,
    /// More of its arguments.
    pub arguments: Vec<OsString>,
    /// A program that starts it, with that program's own arguments.
    pub through: Vec<OsString>,
}

impl Egret {
    /// Starts it with one configuration and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready; with what it said.
    #[must_use]
    pub fn start(configuration: &str) -> Self {
        Self::launch(configuration).once_ready()
    }

    /// The same, given the folder the configuration stands in.
    ///
    /// # Panics
    /// As [`Egret::start`].
    #[must_use]
    pub fn start_on_folder(configuration: &str) -> Self {
        Self::launch_on(configuration, "", &Beside::default()).once_ready()
    }

    /// The same as [`Egret::start`], with more beside it.
    ///
    /// # Panics
    /// As [`Egret::start`].
    #[must_use]
    pub fn start_beside(configuration: &str, beside: &Beside) -> Self {
        Self::launch_on(configuration, FILE, beside).once_ready()
    }

    fn once_ready(self) -> Self {
        let mut egret = self;
        let ready = within(PATIENCE, || {
            let ended = egret.process.exited().map(|_| false);
            egret.is_ready().then_some(true).or(ended)
        });
        assert!(ready == Some(true), "egret is not ready:\n{}", egret.said());
        egret
    }

    fn is_ready(&self) -> bool {
        let answer = self
            .bound("admin")
            .and_then(|admin| ask(admin, "/healthz/ready"));
        answer.is_some_and(|answer| answer.status() == 200)
    }

    /// Starts it, and waits for nothing: for configurations that must not start.
    ///
    /// # Panics
    /// When the program cannot be started.
    #[must_use]
    pub fn launch(configuration: &str) -> Self {
        Self::launch_on(configuration, FILE, &Beside::default())
    }

    /// The same as [`Egret::launch`], with more beside it.
    ///
    /// # Panics
    /// As [`Egret::launch`].
    #[must_use]
    pub fn launch_beside(configuration: &str, beside: &Beside) -> Self {
        Self::launch_on(configuration, FILE, beside)
    }

    /// Given what is called `named` in its folder.
    fn launch_on(configuration: &str, named: &str, beside: &Beside) -> Self {
        let dir = TempDir::with_prefix("egret-gateway-").expect("a temporary directory");
        fs::write(dir.path().join(FILE), configuration).expect("its configuration");
        let mut words = beside
            .through
            .iter()
            .cloned()
            .chain([peers::egret().into()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command
            .args(words)
            .args(["run", "--config"])
            .arg(dir.path().join(named))
            .current_dir(dir.path());
        for more in &beside.configurations {
            command.arg("--config").arg(more);
        }
        command.args(&beside.arguments);
        command.envs(beside.environment.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = Process::start(command);
        let records = process.stdout().map(Lines::of).unwrap_or_default();
        let diagnostics = process.stderr().map(Lines::of).unwrap_or_default();
        Self {
            process,
            dir,
            records,
            diagnostics,
        }
    }

    /// Where a listener is bound.
    ///
    /// # Panics
    /// When it has not said so.
    #[must_use]
    pub fn listener(&self, name: &str) -> SocketAddr {
        self.bound(name)
            .unwrap_or_else(|| panic!("no listener `{name}`:\n{}", self.said()))
    }

    /// Asks the admin port.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn admin(&self, target: &str) -> Message {
        let answer = ask(self.listener("admin"), target);
        answer.unwrap_or_else(|| panic!("the admin port does not answer:\n{}", self.said()))
    }

    /// A metric, summed over its labels.
    ///
    /// # Panics
    /// When the admin port does not answer.
    #[must_use]
    pub fn metric(&self, name: &str) -> u64 {
        let told = self.admin("/metrics").text();
        let of_name = |line: &&str| line.split([' ', '{']).next() == Some(name);
        let value = |line: &str| line.rsplit(' ').next()?.parse::<u64>().ok();
        told.lines().filter(of_name).filter_map(value).sum()
    }

    /// Replaces the configuration in one step, as an editor or a mounted volume does.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn configure(&self, configuration: &str) {
        let beside = self.dir.path().join("beside");
        fs::write(&beside, configuration).expect("the new configuration");
        fs::rename(&beside, self.configuration()).expect("the new configuration in place");
    }

    /// The configuration's file.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.dir.path().join(FILE)
    }

    /// The gateway's working directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Sends it a signal.
    pub fn signal(&mut self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for its end.
    pub fn exit_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        self.process.exit_within(limit)
    }

    /// Ends it in good order; every line on standard output.
    ///
    /// # Panics
    /// When it does not end in time, or not well.
    #[must_use]
    pub fn end(mut self) -> Vec<String> {
        self.signal(Signal::Terminate);
        let status = self.exit_within(PATIENCE);
        let said = self.said();
        assert!(status.is_some_and(|s| s.success()), "{status:?}:\n{said}");
        until("the last line is read", || {
            self.records.is_whole().then_some(())
        });
        self.lines()
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        self.process.exited().is_none()
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Bytes of memory it holds now (Linux: resident set).
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()));
        let status = status.expect("the gateway runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next());
        kilobytes
            .and_then(|k| k.parse::<usize>().ok())
            .expect("VmRSS")
            * 1024
    }

    /// How long processors have worked for it (Linux).
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()));
        let stat = stat.expect("the gateway runs");
        // Behind the name, which may hold spaces, in hundredths of a second.
        let (_, fields) = stat.rsplit_once(')').expect("its name");
        let times = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = times.map(|t| t.parse::<u64>().expect("a time")).sum();
        Duration::from_millis(10 * ticks)
    }

    /// Every access record on standard output so far.
    ///
    /// # Panics
    /// When a line is no JSON.
    #[must_use]
    pub fn records(&self) -> Vec<Value> {
        self.records
            .all()
            .iter()
            .map(|line| jsonl::object(line))
            .collect()
    }

    /// Every line on standard output so far, unread.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.records.all()
    }

    /// Every line on standard error so far.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<String> {
        self.diagnostics.all()
    }

    /// Records that fit.
    #[must_use]
    pub fn records_where(&self, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut records = self.records();
        records.retain(fits);
        records
    }

    /// The first record that fits, once it is written.
    ///
    /// # Panics
    /// When none is in time; with the last records there are.
    #[track_caller]
    #[must_use]
    pub fn wait_for_record(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let found = within(PATIENCE, || {
            self.records().into_iter().find(|record| fits(record))
        });
        found.unwrap_or_else(|| panic!("no record of {what}:\n{}", self.said()))
    }

    /// The first record of a request for `path`, query included, once it is written.
    ///
    /// # Panics
    /// As [`Egret::wait_for_record`].
    #[track_caller]
    #[must_use]
    pub fn record_of(&self, path: &str) -> Value {
        self.wait_for_record(path, |record| record["path"] == path)
    }

    /// `number` records that fit, once they are written.
    ///
    /// # Panics
    /// When there are fewer in time; with the last records there are.
    #[track_caller]
    #[must_use]
    pub fn wait_for_records(
        &self,
        what: &str,
        number: usize,
        fits: impl Fn(&Value) -> bool,
    ) -> Vec<Value> {
        let found = within(PATIENCE, || {
            let records = self.records_where(&fits);
            (records.len() >= number).then_some(records)
        });
        found.unwrap_or_else(|| panic!("not {number} records of {what}:\n{}", self.said()))
    }

    /// The last lines of both streams, for messages of failing tests.
    #[must_use]
    pub fn said(&self) -> String {
        let tail = |lines: Vec<String>| {
            let skipped = lines.len().saturating_sub(20);
            lines
                .into_iter()
                .skip(skipped)
                .collect::<Vec<_>>()
                .join("\n")
        };
        let (out, err) = (tail(self.records.all()), tail(self.diagnostics.all()));
        format!("standard output:\n{out}\nstandard error:\n{err}")
    }

    /// The address in the line that tells where a listener is bound.
    fn bound(&self, name: &str) -> Option<SocketAddr> {
        let lines = self.diagnostics.all();
        let mut events = lines
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let event = events.find(|e| e["event"] == "listening" && e["listener"] == name)?;
        event["address"].as_str()?.parse().ok()
    }
}

const FILE: &str = "egret.yaml";
