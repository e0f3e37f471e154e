//! What a process and all it started have used, as the kernel counts it:
//! processor time and resident memory. Nothing is asked of the process itself.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::trouble::{Trouble, trying};

/// Length of a tick of `/proc/PID/stat`, the same on every Linux we run on.
const TICK: Duration = Duration::from_millis(10);
/// Memory is settled when it stays the same for this long.
const STILL: Duration = Duration::from_millis(500);

/// User and system time so far of all threads, of all living children, and of
/// those that have ended, to 10 ms.
pub(crate) fn processor_time(process: u32) -> Result<Duration, Trouble> {
    let mut all = Duration::ZERO;
    for process in family(process) {
        all += time(process, Count::WithEndedChildren)?;
    }
    Ok(all)
}

/// The same of this process alone.
pub(crate) fn own_processor_time() -> Result<Duration, Trouble> {
    time(std::process::id(), Count::Alone)
}

/// Whose time.
#[derive(Clone, Copy, Debug)]
enum Count {
    Alone,
    WithEndedChildren,
}

fn time(process: u32, count: Count) -> Result<Duration, Trouble> {
    let file = format!("/proc/{process}/stat");
    let stat = trying(&file, fs::read_to_string(&file))?;
    let ticks = ticks(&stat, count).ok_or(Trouble::Unreadable("the kernel", stat))?;
    Ok(TICK * ticks)
}

/// Resident memory in KiB, once it has stopped changing (or after ten looks).
pub(crate) fn settled_memory(process: u32) -> Result<u32, Trouble> {
    let mut last = memory(process)?;
    for _ in 0..10 {
        thread::sleep(STILL);
        let now = memory(process)?;
        if now == last {
            break;
        }
        last = now;
    }
    Ok(last)
}

/// Resident memory in KiB, as it is now.
pub(crate) fn memory(process: u32) -> Result<u32, Trouble> {
    let mut all = 0;
    for process in family(process) {
        let file = format!("/proc/{process}/status");
        let status = trying(&file, fs::read_to_string(&file))?;
        all += resident(&status).ok_or(Trouble::Unreadable("the kernel", status))?;
    }
    Ok(all)
}

/// How many descriptors a process has open. Of one that hides its memory only
/// root is told.
pub(crate) fn descriptors(process: u32) -> Result<usize, Trouble> {
    let folder = format!("/proc/{process}/fd");
    trying(&folder, fs::read_dir(&folder)).map(Iterator::count)
}

/// Whether it has started others that live.
pub(crate) fn has_children(process: u32) -> bool {
    family(process).len() > 1
}

/// The process and its living descendants.
fn family(process: u32) -> Vec<u32> {
    let mut all = vec![process];
    let mut next = 0;
    while let Some(parent) = all.get(next) {
        let file = format!("/proc/{parent}/task/{parent}/children");
        let children = fs::read_to_string(file).unwrap_or_default();
        all.extend(children.split(' ').filter_map(|id| id.parse::<u32>().ok()));
        next += 1;
    }
    all
}

/// Fields 14 and 15 of proc(5) are its own time, 16 and 17 that of ended
/// children. The name before them may hold spaces and brackets.
fn ticks(stat: &str, count: Count) -> Option<u32> {
    let fields = match count {
        Count::Alone => 2,
        Count::WithEndedChildren => 4,
    };
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut times = rest.split(' ').skip(11).map(str::parse::<u32>);
    let mut all = 0;
    for _ in 0..fields {
        all += times.next()?.ok()?;
    }
    Some(all)
}

fn resident(status: &str) -> Option<u32> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_its_own_time_and_its_childrens_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 10 0 0 0 120 34 5 6 20 0 2 0 99";
        assert_eq!(ticks(stat, Count::Alone), Some(154));
        assert_eq!(ticks(stat, Count::WithEndedChildren), Some(165));
        assert_eq!(ticks("7 (cut) S 1 7", Count::Alone), None);
    }

    #[test]
    fn reads_resident_memory_and_no_other() {
        let status = "VmHWM:\t  900 kB\nVmRSS:\t    84 kB\nRssAnon:\t 1 kB\n";
        assert_eq!(resident(status), Some(84));
        assert_eq!(resident("VmHWM:\t 900 kB\n"), None);
    }

    #[test]
    fn counts_our_own_memory() {
        assert!(memory(std::process::id()).unwrap() > 100);
    }
}
