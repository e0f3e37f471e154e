//! What a process has used, as the kernel counts it: its own processor time
//! and resident memory. Nothing is asked of the process itself.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::trouble::{Trouble, trying};

/// Length of a tick of `/proc/PID/stat`, the same on every Linux we run on.
const TICK: Duration = Duration::from_millis(10);
/// Memory is settled when it stays the same for this long.
const STILL: Duration = Duration::from_millis(500);

/// User and system time of all threads so far, to 10 ms.
pub(crate) fn processor_time(process: u32) -> Result<Duration, Trouble> {
    let file = format!("/proc/{process}/stat");
    let stat = trying(&file, fs::read_to_string(&file))?;
    ticks(&stat)
        .map(|ticks| TICK * ticks)
        .ok_or(Trouble::Unreadable("the kernel", stat))
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

fn memory(process: u32) -> Result<u32, Trouble> {
    let file = format!("/proc/{process}/status");
    let status = trying(&file, fs::read_to_string(&file))?;
    resident(&status).ok_or(Trouble::Unreadable("the kernel", status))
}

/// Fields 14 and 15 of proc(5); the name before them may hold spaces and brackets.
fn ticks(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11).map(str::parse::<u32>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
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
    fn adds_user_and_system_time_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 10 0 0 0 120 34 5 6 20 0 2 0 99";
        assert_eq!(ticks(stat), Some(154));
        assert_eq!(ticks("7 (cut) S 1 7"), None);
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
