//! The recorder: writes what happens in this process as events, to memory or to a file.
//!
//! Executors call the functions of this module, but only while something is recorded. They check
//! [`reveille_task::is_recording`], a load and a branch. The loop of a worker and a spawn check a
//! flag of their pool instead, which they read anyway (`multi/modes.rs`). The task cell records
//! wakes. The crate `reveille-trace` defines the format of the events.
//!
//! | file | what it holds |
//! |---|---|
//! | `chunks` | the memory of the events, and its protocol |
//! | `thread` | the recorder of a thread |
//! | `described` | what it writes about a task that begins or ends |
//! | `session` | a recording |
//! | `names`, `histogram` | what a recording has besides its events |
//! | `file`, `recording` | a recording that goes to a file |
//! | `spans` | marks and spans of programs |
//! | `flight` | a recording that stays in memory |
//! | `clock` | the clock of the stamps |
//!
//! A thread that records allocates its chunk and may take the locks of the names and of the store,
//! which are held for a copy of some pointers. It never waits for the file.

mod chunks;
mod clock;
mod described;
pub(crate) mod file;
pub(crate) mod flight;
mod histogram;
mod names;
mod recording;
pub(crate) mod session;
pub(crate) mod spans;
mod thread;

use std::io::Write;
use std::panic::Location;
use std::path::PathBuf;

use reveille_task::{Ended, RecordFunctions, TaskRef, Woken};
use reveille_trace::{Event, Flavour, Lint, LintRule, Outcome, Ready, TaskKey, WorkerId};

use crate::lint::{About, Facts};

use self::described::Described;
pub use self::histogram::Histogram;
pub use self::recording::Recording;
pub(crate) use self::recording::{record_lints, start_from_environment, with_process};
pub(crate) use self::thread::{entered, record_turn_end as turn_end};
use self::thread::{record, record_inside, record_turn};

/// The functions that the task cell calls.
const FUNCTIONS: RecordFunctions = RecordFunctions { on_wake: woken, on_complete: completed };

fn woken(addr: usize, woken: Woken) {
    let key = TaskKey::from_address(addr);
    match woken {
        Woken::Queued => thread::record_wake(key),
        Woken::Again => woken_again(key),
        Woken::Cancelled => cancelled(key),
    }
}

#[cold]
#[inline(never)]
fn woken_again(key: TaskKey) {
    record_inside(Event::wake_again(key));
}

#[cold]
#[inline(never)]
fn cancelled(key: TaskKey) {
    record_inside(Event::cancel(key));
}

impl Described for TaskRef<'_> {
    fn key(&self) -> TaskKey {
        TaskKey::from_address(self.addr())
    }

    fn place(&self) -> Option<&'static Location<'static>> {
        self.location()
    }

    /// Even.
    #[inline]
    fn place_key(&self) -> usize {
        (self.location_key() as usize) << 1
    }

    fn type_addr(&self) -> usize {
        TaskRef::type_addr(*self)
    }

    fn type_name(&self) -> &'static str {
        self.future_type_name()
    }

    fn size(&self) -> usize {
        self.future_size()
    }
}

/// As [`spawned`], for most of the tasks that have no name. `false` if it has done nothing.
#[inline]
pub(crate) fn try_spawned(task: TaskRef<'_>, flavour: Flavour) -> bool {
    task.name().is_none() && thread::try_record_spawn(task, flavour)
}

/// A task was spawned and has not been polled.
#[cold]
#[inline(never)]
pub(crate) fn spawned(task: TaskRef<'_>, flavour: Flavour) {
    thread::record_spawn(task, flavour);
    if let Some(name) = task.name() {
        named(task.key(), name);
    }
}

/// A task that was spawned has a name.
#[inline(never)]
fn named(task: TaskKey, name: &str) {
    thread::record_named(name, |string| Event::name(task, string));
}

fn completed(task: TaskRef<'_>, ended: Ended) {
    let outcome = match ended {
        Ended::Finished => Outcome::Finished,
        Ended::Panicked => Outcome::Panicked,
        Ended::Cancelled => Outcome::Cancelled,
    };
    thread::record_end(task, outcome);
}

/// The poll of the task at `addr` begins.
#[inline]
pub(crate) fn begin_poll(addr: usize) {
    thread::begin_poll(TaskKey::from_address(addr));
}

/// As [`begin_next_poll`], if one word is enough. `false` if it is not; then nothing is recorded.
#[inline]
pub(crate) fn try_begin_next_poll(ended: usize, addr: usize) -> bool {
    thread::try_begin_next_poll(TaskKey::from_address(ended), TaskKey::from_address(addr))
}

/// The poll of the task at `addr` begins, and that of the task at `ended` ends, unless it has ended
/// already or `ended` is 0.
#[cold]
pub(crate) fn begin_next_poll(ended: usize, addr: usize) {
    thread::begin_next_poll(TaskKey::from_address(ended), TaskKey::from_address(addr));
}

/// The thread does something else than polling. The poll of the task at `ended` ends, unless it has
/// ended already or `ended` is 0.
#[cold]
pub(crate) fn pause(ended: usize) {
    thread::pause(TaskKey::from_address(ended));
}

/// The poll of the task at `addr` ends. Records nothing if its start was not recorded.
#[inline]
pub(crate) fn end_poll(addr: usize) {
    thread::end_poll(TaskKey::from_address(addr));
}

/// The record of the future of a `block_on`. Its drop records the end.
pub(crate) struct BlockOnRecord {
    key: TaskKey,
    place: Option<&'static Location<'static>>,
    namer: fn() -> &'static str,
    size: usize,
}

impl Described for &BlockOnRecord {
    fn key(&self) -> TaskKey {
        self.key
    }

    fn place(&self) -> Option<&'static Location<'static>> {
        self.place
    }

    /// Odd: the keys of tasks in cells are even.
    fn place_key(&self) -> usize {
        self.place_addr() | 1
    }

    fn type_addr(&self) -> usize {
        self.namer as usize
    }

    fn type_name(&self) -> &'static str {
        (self.namer)()
    }

    fn size(&self) -> usize {
        self.size
    }
}

impl BlockOnRecord {
    /// Records the start. `addr` is the address of an object that belongs to this call alone.
    #[cold]
    pub(crate) fn begin<F>(
        addr: usize,
        name: Option<&str>,
        place: Option<&'static Location<'static>>,
    ) -> BlockOnRecord {
        let key = TaskKey::from_address(addr);
        let namer = std::any::type_name::<F>;
        let begun = BlockOnRecord { key, place, namer, size: size_of::<F>() };
        thread::record_spawn(&begun, Flavour::BlockOn);
        if let Some(name) = name {
            named(key, name);
        }
        begun
    }
}

impl Drop for BlockOnRecord {
    fn drop(&mut self) {
        let is_panic = std::thread::panicking();
        let outcome = if is_panic { Outcome::Panicked } else { Outcome::Finished };
        thread::record_end(&*self, outcome);
    }
}

/// The `block_on` with this address was woken. Does nothing if `addr` is 0.
#[cold]
pub(crate) fn woke_block_on(addr: usize) {
    if addr != 0 {
        thread::record_wake(TaskKey::from_address(addr));
    }
}

/// The thread begins to wait.
#[cold]
pub(crate) fn park() {
    record(Event::park());
}

/// The thread has stopped waiting. The next events belong to the turn that begins now.
#[cold]
pub(crate) fn unpark() {
    turn_end();
    record_turn(Event::unpark(), false);
}

/// A descriptor is ready. The wakes up to the next event of the turn are caused by it.
#[cold]
pub(crate) fn io(fd: u32, ready: Ready) {
    record_turn(Event::io(fd, ready, 0), true);
}

/// Timers are due. The first of them is `late_ns` nanoseconds late.
#[cold]
pub(crate) fn timer(late_ns: u64) {
    record_turn(Event::timer(late_ns), true);
}

/// The thread stole tasks.
#[cold]
pub(crate) fn stolen(count: usize, victim: usize) {
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    record(Event::steal(count, u16::try_from(victim).unwrap_or(u16::MAX)));
}

/// The thread took tasks from the injector.
#[cold]
pub(crate) fn injected(count: usize) {
    record(Event::inject(u32::try_from(count).unwrap_or(u32::MAX)));
}

/// A worker is handed off, because its thread blocks.
#[cold]
pub(crate) fn handed_off(worker: WorkerId) {
    record(Event::hand_off(worker));
}

/// A lint fired. It is recorded with this thread's events.
#[cold]
pub(crate) fn lint(rule: LintRule, facts: Facts) {
    let lint = Lint { rule, measure: facts.measure };
    let key = match facts.about {
        About::Polled => return thread::record_lint_of_polled(lint),
        About::Task(addr) => TaskKey::from_address(addr),
        About::Process => TaskKey::NONE,
    };
    record_inside(Event::lint(key, lint));
}

/// The variable that asks for a trace of each process.
pub(crate) const VARIABLE: &str = "REVEILLE_TRACE";

/// The file that the environment asks for.
pub(crate) fn path_from_environment() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Writes a line to standard error, because there is no caller to report to.
pub(crate) fn complain(text: &str) {
    // Standard error may be closed, and there is no better place to report that.
    let _ = std::io::stderr().write_all(format!("reveille: {text}\n").as_bytes());
}
