//! When workers may send: at once, or as a schedule says.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::Notify;

use super::Pace;

/// The shortest wait that is asked of the kernel.
const TICK: Duration = Duration::from_micros(100);

/// What workers take their turns from.
#[derive(Clone, Debug)]
pub(super) enum Turns {
    /// Until then, as fast as answers come.
    Closed(Instant),
    /// As the schedule puts them in.
    Fixed(Rc<Schedule>),
}

/// Requests that are due, by the moment they were meant for.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    due: RefCell<Due>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Due {
    meant: VecDeque<Instant>,
    /// No more will come.
    over: bool,
}

/// A worker's turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// From here its time counts.
    pub(super) meant: Instant,
    /// Whether the worker had waited for it, so that its being late is our own fault.
    pub(super) waited: bool,
}

impl Turns {
    pub(super) fn new(pace: Pace, end: Instant) -> Self {
        match pace {
            Pace::Closed => Self::Closed(end),
            Pace::Fixed(_) => Self::Fixed(Rc::default()),
        }
    }

    /// The next turn; none when the run is over.
    pub(super) async fn next(&self) -> Option<Turn> {
        let schedule = match self {
            Self::Closed(end) => {
                let meant = Instant::now();
                let turn = Turn {
                    meant,
                    waited: false,
                };
                return (meant < *end).then_some(turn);
            }
            Self::Fixed(schedule) => schedule,
        };
        let mut waited = false;
        loop {
            {
                let mut due = schedule.due.borrow_mut();
                if let Some(meant) = due.meant.pop_front() {
                    return Some(Turn { meant, waited });
                }
                if due.over {
                    return None;
                }
            }
            waited = true;
            schedule.more.notified().await;
        }
    }

    /// Puts turns in as their time comes, until `end`. A closed loop needs none.
    pub(super) async fn keep(&self, pace: Pace, begin: Instant, end: Instant) -> io::Result<()> {
        if let (Self::Fixed(schedule), Pace::Fixed(rate)) = (self, pace) {
            let kept = schedule.keep(rate, begin, end).await;
            schedule.due.borrow_mut().over = true;
            schedule.more.notify_waiters();
            kept?;
        }
        Ok(())
    }
}

impl Schedule {
    async fn keep(&self, rate: f64, begin: Instant, end: Instant) -> io::Result<()> {
        let timer = Timer::new()?;
        let mut sent = 0_u32;
        loop {
            let meant = begin + Duration::from_secs_f64(f64::from(sent) / rate);
            if meant >= end {
                return Ok(());
            }
            let wait = meant.saturating_duration_since(Instant::now());
            if wait >= TICK {
                timer.wait(wait).await?;
            }
            self.due.borrow_mut().meant.push_back(meant);
            self.more.notify_one();
            sent += 1;
            if sent.is_multiple_of(64) {
                // Behind the schedule nothing waits, and yet others must run.
                tokio::task::yield_now().await;
            }
        }
    }
}

/// A timer of the kernel's: the runtime's own counts whole milliseconds. It is
/// read as a pipe is, which is what the runtime has a safe name for.
struct Timer(Receiver);

impl Timer {
    fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
        Ok(Self(Receiver::from_owned_fd_unchecked(timer)?))
    }

    async fn wait(&self, time: Duration) -> io::Result<()> {
        let once = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: Timespec {
                tv_sec: i64::try_from(time.as_secs()).unwrap_or_default(),
                tv_nsec: time.subsec_nanos().into(),
            },
        };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
        let mut expirations = [0; 8];
        loop {
            self.0.readable().await?;
            match self.0.try_read(&mut expirations) {
                Err(early) if early.kind() == io::ErrorKind::WouldBlock => {}
                read => return read.map(|_| ()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(task: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(task)
    }

    #[test]
    fn a_schedule_holds_every_request_however_late_it_is_taken() {
        let begin = Instant::now();
        let pace = Pace::Fixed(1000.0);
        let end = begin + Duration::from_millis(50);
        let turns = Turns::new(pace, end);
        let taken = run(async {
            turns.keep(pace, begin, end).await.unwrap();
            let mut taken = Vec::new();
            while let Some(turn) = turns.next().await {
                taken.push(turn.meant);
            }
            taken
        });
        assert_eq!(taken.len(), 50);
        assert_eq!(taken.first(), Some(&begin));
        let last = taken.last().unwrap();
        assert_eq!(*last, begin + Duration::from_millis(49));
    }

    #[test]
    fn a_closed_loop_ends_at_its_time() {
        let past = Instant::now();
        assert!(run(Turns::new(Pace::Closed, past).next()).is_none());
        let later = past + Duration::from_secs(60);
        assert!(run(Turns::new(Pace::Closed, later).next()).is_some());
    }
}
