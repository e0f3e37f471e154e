//! How near the process is to the memory it may hold, looked at by a thread of its
//! own: twice a second, and twenty times where half of it is held, since a flood
//! takes the rest in less than a second. Requests read one number.
//!
//! The bound is `limits.memory`, or else the smallest of the cgroup's and of
//! those above it (version 2, and 1). Beyond it the kernel would end the
//! process with every connection: before that, requests are refused, and then
//! new connections, so that what has begun can end.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use crate::foreign;
use crate::gateway::Gateway;

/// Between two looks while there is plenty, and while there is not.
const PAUSE: Duration = Duration::from_millis(500);
const SHORT_PAUSE: Duration = Duration::from_millis(50);
/// From these parts of a hundred on there is not.
const WATCHFUL: u64 = 50;
/// From these parts of a hundred on.
const TIGHT: u64 = 70;
const SHED: u64 = 90;
const CLOSE: u64 = 95;

/// How much there is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Pressure {
    /// Enough.
    Free,
    /// So little that requests are refused.
    Scarce,
    /// So little that new connections are refused, too.
    Spent,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pressure: AtomicU8,
    tight: AtomicBool,
}

impl Memory {
    /// Whether nobody may take much of it any more who is not known yet.
    pub(crate) fn is_tight(&self) -> bool {
        self.tight.load(Ordering::Relaxed)
    }

    /// Whether requests are refused.
    pub(crate) fn is_scarce(&self) -> bool {
        self.pressure.load(Ordering::Relaxed) >= Pressure::Scarce as u8
    }

    /// Whether new connections are refused, too.
    pub(crate) fn is_spent(&self) -> bool {
        self.pressure.load(Ordering::Relaxed) >= Pressure::Spent as u8
    }

    fn set(&self, held: u64, resident: u64, limit: Option<u64>) -> Pressure {
        let pressure = pressure(held);
        self.tight.store(held >= TIGHT, Ordering::Relaxed);
        let before = self.pressure.swap(pressure as u8, Ordering::Relaxed);
        if pressure as u8 > before {
            tracing::warn!(resident, limit, ?pressure, "memory is nearly spent");
        } else if pressure as u8 != before {
            tracing::info!(resident, limit, ?pressure, "memory has become free");
        }
        pressure
    }
}

/// How many hundredths of its bound are held; none without a bound, or without a
/// part of it that counts.
fn hundredths(resident: u64, limit: Option<u64>) -> u64 {
    let hundredth = limit.map(|limit| limit / 100);
    let held = hundredth.and_then(|hundredth| resident.checked_div(hundredth));
    held.unwrap_or(0)
}

fn pressure(hundredths: u64) -> Pressure {
    match hundredths {
        CLOSE.. => Pressure::Spent,
        SHED.. => Pressure::Scarce,
        _ => Pressure::Free,
    }
}

fn pause(hundredths: u64) -> Duration {
    match hundredths {
        WATCHFUL.. => SHORT_PAUSE,
        _ => PAUSE,
    }
}

/// Looks until the gateway is gone. Where there is no `/proc`, there is nothing
/// to look at.
///
/// # Errors
/// When there can be no thread.
pub(crate) fn watch(gateway: &Arc<Gateway>) -> io::Result<()> {
    let gateway = Arc::downgrade(gateway);
    let watching = thread::Builder::new().name("memory".to_owned());
    watching.spawn(move || look_on(&gateway))?;
    Ok(())
}

/// A look that fails, for want of a descriptor say, changes nothing and is made
/// again: were it the last one, what it found would stand for ever, and a process
/// that refused would never serve again.
fn look_on(gateway: &Weak<Gateway>) {
    let mut blind = false;
    while let Some(gateway) = gateway.upgrade() {
        let looked = look(&gateway);
        drop(gateway);
        let pause = looked.as_ref().map_or(PAUSE, |pause| *pause);
        match looked {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) if !blind => {
                tracing::warn!(%error, "cannot see how much memory is held; looking on");
                blind = true;
            }
            Ok(_) if blind => {
                tracing::info!("how much memory is held is seen again");
                blind = false;
            }
            Ok(_) | Err(_) => {}
        }
        thread::sleep(pause);
    }
}

/// Tells what there is, and how long that may be relied upon.
fn look(gateway: &Gateway) -> io::Result<Duration> {
    let read = || -> io::Result<u64> {
        let status = fs::read_to_string("/proc/self/status")?;
        resident(&status).ok_or(io::ErrorKind::InvalidData.into())
    };
    let mut resident = read()?;
    let limit = match gateway.live().snapshot().settings().limits.memory {
        Some(configured) => Some(configured),
        None => Cgroup::of_this_process()?.limit()?,
    };
    let mut held = hundredths(resident, limit);
    if held >= SHED {
        // Nobody is refused for what is free.
        foreign::give_back_memory();
        resident = read()?;
        held = hundredths(resident, limit);
    }
    let pressure = gateway.memory.set(held, resident, limit);
    gateway.metrics.memory_seen(resident, limit, pressure as u8);
    Ok(pause(held))
}

/// The text of a file, none where it is not, or is not for us to read.
fn text_of(file: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        // A bound that cannot be read for want of a descriptor is not gone.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
            Err(error)
        }
        Err(_) => Ok(None),
    }
}

/// What a process's status says it holds.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line?.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

/// Files that may say how much memory the processes of a group may hold.
#[derive(Debug, PartialEq, Eq)]
struct Cgroup(Vec<PathBuf>);

impl Cgroup {
    fn of_this_process() -> io::Result<Self> {
        let groups = text_of(Path::new("/proc/self/cgroup"))?;
        let root = Path::new("/sys/fs/cgroup");
        Ok(Self::told(&groups.unwrap_or_default(), root))
    }

    /// By `/proc/PID/cgroup`: of version 2 `0::/PATH`, of version 1
    /// `N:memory:/PATH`. Within a container the path may be that of the host,
    /// which is not there, and the group itself stands at the root.
    fn told(groups: &str, root: &Path) -> Self {
        let mut files = Vec::new();
        for group in groups.lines() {
            let mut parts = group.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
                continue;
            };
            let (top, file) = match controllers {
                "" => (root.to_owned(), "memory.max"),
                list if list.split(',').any(|one| one == "memory") => {
                    (root.join("memory"), "memory.limit_in_bytes")
                }
                _ => continue,
            };
            let group = top.join(path.trim_start_matches('/'));
            let above = group
                .ancestors()
                .take_while(|folder| folder.starts_with(&top));
            files.extend(above.map(|folder| folder.join(file)));
        }
        Self(files)
    }

    /// The smallest that is said; `max`, and whatever else is no number, says none.
    fn limit(&self) -> io::Result<Option<u64>> {
        let mut smallest = None;
        for file in &self.0 {
            let bound = text_of(file)?.and_then(|text| text.trim().parse::<u64>().ok());
            smallest = smallest.into_iter().chain(bound).min();
        }
        Ok(smallest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn requests_are_refused_first_and_connections_later() {
        let memory = Memory::default();
        for (resident, scarce, spent) in [
            (0, false, false),
            (89, false, false),
            (90, true, false),
            (94, true, false),
            (95, true, true),
            (200, true, true),
            (50, false, false),
        ] {
            let (held, limit) = (resident * MIB, Some(100 * MIB));
            memory.set(hundredths(held, limit), held, limit);
            assert_eq!(memory.is_tight(), resident >= 70);
            assert_eq!((memory.is_scarce(), memory.is_spent()), (scarce, spent));
        }
        for limit in [None, Some(99)] {
            assert_eq!(pressure(hundredths(u64::MAX, limit)), Pressure::Free);
        }
    }

    #[test]
    fn it_is_looked_at_more_often_where_half_is_held() {
        let pause = |held: u64| pause(hundredths(held * MIB, Some(100 * MIB)));
        assert_eq!([pause(49), pause(50)], [PAUSE, SHORT_PAUSE]);
    }

    #[test]
    fn reads_what_a_process_holds() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t   1024 kB\n"), Some(MIB));
        assert_eq!(resident("Name:\tx\n"), None);
        let own = fs::read_to_string("/proc/self/status").unwrap();
        assert!(resident(&own).unwrap() > MIB);
    }

    #[test]
    fn the_smallest_bound_of_the_group_and_those_above_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let limit = |groups: &str| Cgroup::told(groups, root.path()).limit().unwrap();
        write("pods/one/memory.max", "max\n");
        write("pods/memory.max", "1000000\n");
        assert_eq!(limit("0::/pods/one\n"), Some(1_000_000));
        write("pods/one/memory.max", "2000\n");
        assert_eq!(limit("0::/pods/one\n"), Some(2_000));
        // As a container sees it whose group is the root of what is mounted.
        assert_eq!(limit("0::/\n"), None);
        write("memory.max", "3000\n");
        assert_eq!(limit("0::/\n"), Some(3_000));
        assert_eq!(limit("0::/not/mounted/here\n"), Some(3_000));
        // Version 1: no bound is a number near 2^63.
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        write("memory/pod/memory.limit_in_bytes", "4000\n");
        assert_eq!(limit("4:cpu,cpuacct:/\n3:memory:/pod\n"), Some(4_000));
        assert_eq!(limit("4:cpu,cpuacct:/pod\nnonsense\n"), None);
    }
}
