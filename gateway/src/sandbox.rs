//! The process shut in: from here on it opens what its configuration stands on
//! and what it logs to, and nothing else, and starts no program.
//!
//! Landlock keeps it to folders, seccomp from system calls that a gateway never
//! needs. Both hold for this thread and those it starts: it must be called
//! before there are others, and before any socket is open to callers.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use landlock::{
    ABI, Access, AccessFs, RulesetAttr, RulesetCreatedAttr, RulesetStatus, path_beneath_rules,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

/// Whether to be shut in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Sandbox {
    /// No.
    #[default]
    Off,
    /// As far as the kernel can; what it cannot is said.
    Try,
    /// Or not to start.
    Require,
}

/// The files a process needs, by folders: files are replaced, folders stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) reads: Vec<PathBuf>,
    pub(crate) writes: Vec<PathBuf>,
}

/// What the kernel would not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing(&'static str, String);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0, self.1)
    }
}

impl std::error::Error for Missing {}

/// What resolving names and verifying servers reads, where there is any of it,
/// and what the libraries below look at of the system.
const SYSTEM: [&str; 19] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/localtime",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/share/zoneinfo",
    "/proc/self",
    "/proc/meminfo",
    "/proc/sys/kernel/hostname",
    "/proc/sys/vm",
    "/sys/fs/cgroup",
    "/sys/devices/system",
    "/sys/kernel/mm",
    "/dev/null",
    "/dev/urandom",
];
/// Where BoringSSL looks instead, if told to.
const AUTHORITIES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// System calls that end in "not permitted".
const REFUSED: [i64; 27] = [
    libc::SYS_execve,
    libc::SYS_execveat,
    // Other processes, and this one from outside.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    // Ways around this very list, and around Landlock.
    libc::SYS_io_uring_setup,
    libc::SYS_open_by_handle_at,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_personality,
    // The kernel.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
];

impl Reach {
    /// A file that is read, or will be: the folder it stands in, and the one its
    /// links lead to.
    pub(crate) fn read(&mut self, path: &Path) {
        self.reads.extend(places(path));
    }

    /// A file that is written, and made anew when it is full; or a socket.
    pub(crate) fn write(&mut self, path: &Path) {
        self.writes.extend(places(path));
    }
}

/// A folder stands for itself, and so do pipes and devices, which nobody replaces.
fn places(path: &Path) -> impl Iterator<Item = PathBuf> {
    let real = std::fs::canonicalize(path).ok();
    let both = [Some(path.to_owned()), real];
    both.into_iter().flatten().map(|path| match path.parent() {
        Some(parent) if !stays(&path) => match parent.as_os_str().is_empty() {
            true => PathBuf::from("."),
            false => parent.to_owned(),
        },
        _ => path,
    })
}

fn stays(path: &Path) -> bool {
    let kind = std::fs::metadata(path).map(|data| data.file_type());
    kind.is_ok_and(|kind| kind.is_dir() || kind.is_fifo() || kind.is_char_device())
}

/// Shuts this thread in, and those it will start.
///
/// # Errors
/// What the kernel lacks. What it has holds all the same.
pub(crate) fn shut_in(reach: &Reach) -> Result<(), Vec<Missing>> {
    let landlock = keep_to(reach);
    let seccomp = refuse_calls();
    let missing: Vec<_> = [landlock.err(), seccomp.err()]
        .into_iter()
        .flatten()
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(missing)
    }
}

fn keep_to(reach: &Reach) -> Result<(), Missing> {
    let missing = |why: String| Missing("Landlock", why);
    let refused = |error: landlock::RulesetError| missing(error.to_string());
    // What an older kernel does not know of this it does not hold.
    let all = AccessFs::from_all(ABI::V5);
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let make = AccessFs::MakeReg | AccessFs::MakeSock | AccessFs::RemoveFile;
    let write = read | make | AccessFs::WriteFile | AccessFs::Truncate;
    let authorities = AUTHORITIES.iter().filter_map(std::env::var_os);
    let reads = SYSTEM.iter().map(PathBuf::from);
    let reads = reads
        .chain(authorities.map(PathBuf::from))
        .chain(reach.reads.iter().cloned());
    let status = landlock::Ruleset::default()
        .handle_access(all)
        .and_then(landlock::Ruleset::create)
        .and_then(|rules| rules.add_rules(path_beneath_rules(reads, read)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(&reach.writes, write)))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(refused)?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err(missing("this kernel has none".to_owned())),
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
    }
}

fn refuse_calls() -> Result<(), Missing> {
    let missing = |why: &dyn fmt::Display| Missing("seccomp", why.to_string());
    let architecture = std::env::consts::ARCH.try_into();
    let architecture = architecture.map_err(|error| missing(&error))?;
    let refused: BTreeMap<_, _> = REFUSED.map(|call| (call, Vec::new())).into();
    let not_permitted = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(refused, SeccompAction::Allow, not_permitted, architecture);
    let program = filter.and_then(BpfProgram::try_from);
    let program = program.map_err(|error| missing(&error))?;
    seccompiler::apply_filter(&program).map_err(|error| missing(&error))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::process::Command;
    use std::thread;

    use super::*;

    /// In a thread of its own, which takes it to its end.
    fn shut_in_to(reach: Reach, attempt: impl FnOnce() + Send + 'static) {
        let inside = thread::spawn(move || {
            assert_eq!(shut_in(&reach), Ok(()));
            attempt();
        });
        inside.join().unwrap();
    }

    #[test]
    fn only_what_is_named_is_opened() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let names = [&inside, &outside].map(|folder| folder.path().join("some.pem"));
        names
            .iter()
            .for_each(|path| fs::write(path, "some").unwrap());
        let logs = tempfile::tempdir().unwrap();
        let log = logs.path().join("access.log");
        let mut reach = Reach::default();
        reach.read(&names[0]);
        reach.write(&log);
        shut_in_to(reach, move || {
            let [inside, outside] = &names;
            let denied = |outcome: Result<(), std::io::Error>| {
                assert_eq!(outcome.unwrap_err().kind(), ErrorKind::PermissionDenied);
            };
            assert_eq!(fs::read_to_string(inside).unwrap(), "some");
            denied(fs::write(inside, "other"));
            denied(fs::read(outside).map(drop));
            denied(fs::read("/etc/passwd").map(drop));
            denied(fs::read("/proc/1/environ").map(drop));
            assert!(fs::read("/proc/self/status").is_ok());
            denied(fs::write("/dev/null", "x"));
            // As logs are rotated.
            fs::write(&log, "a line").unwrap();
            fs::rename(&log, log.with_extension("1")).unwrap();
            fs::write(&log, "a line").unwrap();
            fs::remove_file(log.with_extension("1")).unwrap();
            // As a socket is put where another process finds it.
            let (beside, place) = (log.with_extension("new"), log.with_extension("sock"));
            UnixListener::bind(&beside).unwrap();
            fs::rename(&beside, &place).unwrap();
            // Its listener is gone; the way to it is not barred.
            let refused = UnixStream::connect(&place).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        });
    }

    #[test]
    fn no_program_is_started_and_sockets_work() {
        shut_in_to(Reach::default(), || {
            let started = Command::new("/bin/true").spawn();
            assert_eq!(started.unwrap_err().kind(), ErrorKind::PermissionDenied);
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            thread::spawn(|| assert!(fs::read("/etc/passwd").is_err()))
                .join()
                .unwrap();
        });
    }

    #[test]
    fn a_file_stands_for_its_folder_and_where_its_links_lead() {
        let root = tempfile::tempdir().unwrap();
        let real = fs::canonicalize(root.path()).unwrap();
        let (version, link) = (real.join("..1"), real.join("tls.key"));
        fs::create_dir(&version).unwrap();
        fs::write(version.join("tls.key"), "").unwrap();
        std::os::unix::fs::symlink(version.join("tls.key"), &link).unwrap();
        let all = |path: &Path| places(path).collect::<Vec<_>>();
        assert_eq!(all(&link), [real.clone(), version.clone()]);
        assert_eq!(all(&version), [version.clone(), version]);
        assert_eq!(all(&real.join("later.pem")), vec![real.clone()]);
        assert_eq!(all(Path::new("later.pem")), [PathBuf::from(".")]);
        assert_eq!(
            all(Path::new("/dev/null")),
            ["/dev/null", "/dev/null"].map(PathBuf::from)
        );
        let socket = real.join("upgrade.sock");
        let _listener = UnixListener::bind(&socket).unwrap();
        assert_eq!(all(&socket), [real.clone(), real]);
    }
}
