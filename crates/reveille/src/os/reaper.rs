//! Reaps children that were dropped while they ran, so that no zombie stays.
//!
//! The process has one thread for this, while such children exist. It waits for their pidfds and
//! for an eventfd (the wake event) that announces new ones. If a child has no pidfd (other systems,
//! Linux before 5.3, no descriptor left), the thread polls its status at intervals that grow to
//! half a second.
//!
//! A child can be dropped anywhere: in a task that a shutdown cancels, outside of any runtime, or
//! when no descriptor or thread is left. So `adopt` never fails. If the thread cannot be started,
//! the next spawn or drop of a child tries again.
//!
//! Rejected: a task of the current runtime. It would be cancelled when the runtime shuts down, and
//! would start the global runtime where there is none.

use std::io;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reveille_runtime::TimerSlack;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;

use super::child::{Exit, WakeEvent};

/// The first and the longest interval at which the status of a child without a pidfd is polled.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

/// It only makes a system call.
const STACK_LEN: usize = 128 * 1024;

static REAPER: Mutex<Reaper> = Mutex::new(Reaper { arrived: Vec::new(), thread: None, process: 0 });

/// Set while there are children for which no thread could be started.
static IS_SHORT: AtomicBool = AtomicBool::new(false);

/// A dropped child that has not been reaped.
struct Orphan {
    child: Child,
    pidfd: Option<OwnedFd>,
}

struct Reaper {
    /// New children that the thread has not seen.
    arrived: Vec<Orphan>,
    /// Wakes the thread, if there is one.
    thread: Option<Arc<WakeEvent>>,
    /// The process that owns the children. After a fork the new process has neither them nor the
    /// thread.
    process: u32,
}

/// Takes over `child`. Does not wait and does not fail.
pub(crate) fn adopt(child: Child, exit: Exit) {
    let pidfd = exit.into_pidfd();
    let mut reaper = Reaper::lock();
    reaper.arrived.push(Orphan { child, pidfd });
    let started = match &reaper.thread {
        Some(event) => {
            event.signal();
            Ok(())
        }
        None => reaper.start(),
    };
    drop(reaper);
    report(started);
}

/// Starts the thread for children that were dropped when none could be started.
pub(crate) fn catch_up() {
    if IS_SHORT.load(Ordering::Relaxed) {
        let mut reaper = Reaper::lock();
        reaper.arrived.retain_mut(Orphan::is_running);
        IS_SHORT.store(false, Ordering::Relaxed);
        if reaper.thread.is_none() && !reaper.arrived.is_empty() {
            let started = reaper.start();
            drop(reaper);
            report(started);
        }
    }
}

/// Logs that no thread could be started. Outside the lock, because a logger is user code.
fn report(started: io::Result<()>) {
    if let Err(error) = started {
        log::warn!("could not start a thread for dropped children, so they stay zombies: {error}");
    }
}

impl Reaper {
    fn lock() -> MutexGuard<'static, Reaper> {
        // No user code runs under the lock, and each change is complete.
        let mut reaper = REAPER.lock().unwrap_or_else(PoisonError::into_inner);
        let process = std::process::id();
        if reaper.process != process {
            *reaper = Reaper { arrived: Vec::new(), thread: None, process };
        }
        reaper
    }

    fn start(&mut self) -> io::Result<()> {
        let event = Arc::new(WakeEvent::new());
        let thread = std::thread::Builder::new()
            .name("reveille-reaper".into())
            .stack_size(STACK_LEN)
            .spawn({
                let event = Arc::clone(&event);
                move || run(&event)
            });
        IS_SHORT.store(thread.is_err(), Ordering::Relaxed);
        thread?;
        self.thread = Some(event);
        Ok(())
    }
}

impl Orphan {
    /// Whether the child still runs. If not, its status is taken now, or other code has taken it.
    fn is_running(&mut self) -> bool {
        match self.child.try_wait() {
            Ok(status) => status.is_none(),
            Err(error) => error.kind() == io::ErrorKind::Interrupted,
        }
    }
}

/// The body of the thread. It ends when no child is left.
fn run(event: &WakeEvent) {
    TimerSlack::usual();
    let mut orphans = Vec::new();
    let mut pause = PAUSES.0;
    loop {
        let mut reaper = Reaper::lock();
        if !reaper.arrived.is_empty() {
            pause = PAUSES.0;
        }
        orphans.append(&mut reaper.arrived);
        drop(reaper);
        orphans.retain_mut(Orphan::is_running);
        if orphans.is_empty() {
            let mut reaper = Reaper::lock();
            if reaper.arrived.is_empty() {
                reaper.thread = None;
                return;
            }
            continue;
        }
        wait(event, &orphans, pause);
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Waits for the exit of one of `orphans`, for the wake event, or for `pause` if a child has no
/// pidfd.
fn wait(event: &WakeEvent, orphans: &[Orphan], pause: Duration) {
    let pidfds = orphans.iter().filter_map(|orphan| orphan.pidfd.as_ref());
    let all = event.fd().into_iter().chain(pidfds);
    let mut asked: Vec<_> = all.map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
    let pause = Timespec::try_from(pause).ok();
    let is_told = asked.len() == orphans.len() + 1;
    let waited = poll(&mut asked, pause.as_ref().filter(|_| !is_told));
    if waited.is_err() {
        // More descriptors than one call accepts, or no memory.
        let _ = poll(&mut [], pause.as_ref());
    }
    event.clear();
}
