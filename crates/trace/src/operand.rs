//! The contents of the values and operands of events.

use crate::word::{SHORT_SPAWN_MIN, VALUE_MAX};

/// Identifies a task among those that live at the same time: bits 4 to 47 of its address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskKey(u64);

impl TaskKey {
    /// No task.
    pub const NONE: TaskKey = TaskKey(0);

    /// Makes the key of the task at an address. Addresses of tasks are multiples of 16.
    #[inline]
    #[must_use]
    pub const fn from_address(address: usize) -> TaskKey {
        TaskKey((address as u64 >> 4) & VALUE_MAX)
    }

    /// Makes a key from the value of an event.
    #[inline]
    #[must_use]
    pub const fn from_value(value: u64) -> TaskKey {
        TaskKey(value & VALUE_MAX)
    }

    /// Returns the key as the value of an event.
    #[inline]
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }

    /// Returns the address of the task, without the bits above 47.
    #[must_use]
    pub const fn address(self) -> u64 {
        self.0 << 4
    }
}

/// The kind of a spawned task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Flavour {
    /// A task of a pool of workers.
    #[default]
    Pool = 0,
    /// A task that stays on its thread.
    Local = 1,
    /// A closure that blocks. Running it counts as its only poll.
    Blocking = 2,
    /// The future that a thread blocks on.
    BlockOn = 3,
}

impl Flavour {
    /// Returns the flavour that the two lowest bits of a code stand for.
    #[must_use]
    pub const fn from_code(code: u8) -> Flavour {
        match code & 3 {
            0 => Flavour::Pool,
            1 => Flavour::Local,
            2 => Flavour::Blocking,
            _ => Flavour::BlockOn,
        }
    }
}

/// How a task ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// Its future was ready.
    #[default]
    Finished = 0,
    /// It panicked.
    Panicked = 1,
    /// It was cancelled.
    Cancelled = 2,
    /// Not known.
    Unknown = 3,
}

impl Outcome {
    /// Returns the outcome that the two lowest bits of a code stand for.
    #[must_use]
    pub const fn from_code(code: u8) -> Outcome {
        match code & 3 {
            0 => Outcome::Finished,
            1 => Outcome::Panicked,
            2 => Outcome::Cancelled,
            _ => Outcome::Unknown,
        }
    }
}

/// The operand of `Spawn` and `Complete`: where a task was spawned and what type its future has.
///
/// Both numbers have 31 bits. The writer of the file chooses them and lists them in the file, so a
/// recorder can use offsets of pointers from a static of its own and resolve them when it writes.
/// 0 stands for "not known".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The identifier of the place.
    pub place: u32,
    /// The identifier of the type.
    pub type_id: u32,
}

/// The largest identifier of a place or of a type.
pub const ORIGIN_ID_MAX: u32 = (1 << 31) - 1;

/// What the short forms of `Spawn` and `Complete` leave out: the operands of the latest long ones
/// of the chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LatestLives {
    spawn: u64,
    complete: u64,
}

impl LatestLives {
    /// Notes a long `Spawn`, or a long `Complete`.
    #[inline]
    pub(crate) const fn note(&mut self, is_spawn: bool, operand: u64) {
        match is_spawn {
            true => self.spawn = operand,
            false => self.complete = operand,
        }
    }

    /// The long form of a `ShortLife`, whose value is given, in a poll of `polled`: whether it is a
    /// spawn, the task, and the operand.
    pub(crate) const fn expand(self, value: u64, polled: TaskKey) -> (bool, TaskKey, u64) {
        if value >= SHORT_SPAWN_MIN {
            return (true, TaskKey::from_value(value), self.spawn);
        }
        let (origin, _) = Origin::from_operand(self.complete);
        (false, polled, origin.operand(value as u8))
    }
}

impl Origin {
    #[inline]
    pub(crate) const fn operand(self, code: u8) -> u64 {
        let place = (self.place & ORIGIN_ID_MAX) as u64;
        let type_id = (self.type_id & ORIGIN_ID_MAX) as u64;
        place | type_id << 31 | (code as u64) << 62
    }

    /// Splits an operand into the origin and the code of the flavour or of the outcome.
    #[must_use]
    pub const fn from_operand(operand: u64) -> (Origin, u8) {
        let place = operand as u32 & ORIGIN_ID_MAX;
        let type_id = (operand >> 31) as u32 & ORIGIN_ID_MAX;
        (Origin { place, type_id }, (operand >> 62) as u8)
    }
}

/// A worker of a runtime: what a thread needs to run tasks. Threads hand workers to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId {
    /// The number of the runtime in the process.
    pub runtime: u16,
    /// The index of the worker in the runtime.
    pub index: u16,
}

impl WorkerId {
    /// The value that stands for "no worker".
    pub const NONE: u64 = u32::MAX as u64;

    /// Returns the worker as a value.
    #[inline]
    #[must_use]
    pub const fn value(self) -> u64 {
        self.index as u64 | (self.runtime as u64) << 16
    }

    /// Returns the worker of a value, or `None` for [`WorkerId::NONE`].
    #[must_use]
    pub const fn from_value(value: u64) -> Option<WorkerId> {
        if value >= WorkerId::NONE {
            return None;
        }
        Some(WorkerId { runtime: (value >> 16) as u16, index: value as u16 })
    }
}

/// What a descriptor is ready for, in bits 32 and above of the value of `Io`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ready(pub u16);

impl Ready {
    /// It can be read.
    pub const READABLE: Ready = Ready(1);
    /// It can be written.
    pub const WRITABLE: Ready = Ready(2);
    /// The other end is closed.
    pub const CLOSED: Ready = Ready(4);
    /// It has an error.
    pub const ERROR: Ready = Ready(8);

    /// Returns whether all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Ready) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns the bits of both.
    #[must_use]
    pub const fn and(self, other: Ready) -> Ready {
        Ready(self.0 | other.0)
    }
}

/// What a task waits for: the operand of `Wait`. A number in it has 56 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitFor {
    /// Not known.
    Unknown,
    /// A descriptor that is not readable yet.
    Readable(u32),
    /// A descriptor that is not writable yet.
    Writable(u32),
    /// A timer that is due after this many nanoseconds.
    Timer(u64),
    /// The end of another task.
    Task(TaskKey),
    /// A child of the task's scope.
    Child(TaskKey),
    /// A blocking closure.
    Blocking(TaskKey),
    /// A child process, by its identifier in the system.
    Process(u32),
    /// A lock.
    Lock,
    /// A channel.
    Channel,
    /// A signal of the system, by number.
    Signal(u32),
    /// The task yielded: it waits for its next turn.
    Turn,
}

impl WaitFor {
    const NUMBER_MAX: u64 = (1 << 56) - 1;

    #[inline]
    pub(crate) const fn operand(self) -> u64 {
        let (code, number) = match self {
            WaitFor::Unknown => (0, 0),
            WaitFor::Readable(fd) => (1, fd as u64),
            WaitFor::Writable(fd) => (2, fd as u64),
            WaitFor::Timer(ns) => (3, if ns > Self::NUMBER_MAX { Self::NUMBER_MAX } else { ns }),
            WaitFor::Task(task) => (4, task.value()),
            WaitFor::Child(task) => (5, task.value()),
            WaitFor::Blocking(task) => (6, task.value()),
            WaitFor::Process(id) => (7, id as u64),
            WaitFor::Lock => (8, 0),
            WaitFor::Channel => (9, 0),
            WaitFor::Signal(number) => (10, number as u64),
            WaitFor::Turn => (11, 0),
        };
        number | (code as u64) << 56
    }

    /// Returns what an operand stands for. An unknown code is [`WaitFor::Unknown`].
    #[must_use]
    pub const fn from_operand(operand: u64) -> WaitFor {
        let number = operand & Self::NUMBER_MAX;
        let task = TaskKey::from_value(number);
        match operand >> 56 {
            1 => WaitFor::Readable(number as u32),
            2 => WaitFor::Writable(number as u32),
            3 => WaitFor::Timer(number),
            4 => WaitFor::Task(task),
            5 => WaitFor::Child(task),
            6 => WaitFor::Blocking(task),
            7 => WaitFor::Process(number as u32),
            8 => WaitFor::Lock,
            9 => WaitFor::Channel,
            10 => WaitFor::Signal(number as u32),
            11 => WaitFor::Turn,
            _ => WaitFor::Unknown,
        }
    }
}

/// A finding of a rule: the operand of `Lint`. `measure` has 56 bits; its unit depends on the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lint {
    /// The rule.
    pub rule: LintRule,
    /// The measure: nanoseconds, bytes, or a count.
    pub measure: u64,
}

/// A rule. The number is its code in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum LintRule {
    /// A rule that this version does not know.
    Unknown = 0,
    /// A poll has run for a long time and has not ended. The measure is in nanoseconds, since the
    /// runtime first saw the poll.
    LongPoll = 1,
    /// A worker was handed off to another thread. The measure is the length of the poll in
    /// nanoseconds.
    HandedOff = 2,
    /// `block_on` was called in a task. No measure.
    BlockOnInTask = 3,
    /// A poll returned pending and kept no waker. No measure.
    NoWaker = 4,
    /// The last waker of an idle task was dropped. No measure.
    LastWakerDropped = 5,
    /// A task wakes itself again and again. The measure is the number of polls.
    SelfWake = 6,
    /// A task ran late. The measure is the time from the wake in nanoseconds.
    LateRun = 7,
    /// A timer was late. The measure is in nanoseconds.
    LateTimer = 8,
    /// The blocking pool is full. The measure is the number of queued closures.
    PoolFull = 9,
    /// A future is large. The task is the one that spawned it. The measure is in bytes.
    HugeFuture = 10,
    /// No task can make progress. The measure is the number of live tasks.
    Quiescent = 11,
}

impl LintRule {
    /// Returns the rule of a code.
    #[must_use]
    pub const fn from_code(code: u8) -> LintRule {
        match code {
            1 => LintRule::LongPoll,
            2 => LintRule::HandedOff,
            3 => LintRule::BlockOnInTask,
            4 => LintRule::NoWaker,
            5 => LintRule::LastWakerDropped,
            6 => LintRule::SelfWake,
            7 => LintRule::LateRun,
            8 => LintRule::LateTimer,
            9 => LintRule::PoolFull,
            10 => LintRule::HugeFuture,
            11 => LintRule::Quiescent,
            _ => LintRule::Unknown,
        }
    }
}

impl Lint {
    const MEASURE_MAX: u64 = (1 << 56) - 1;

    pub(crate) const fn operand(self) -> u64 {
        let max = Self::MEASURE_MAX;
        let measure = if self.measure > max { max } else { self.measure };
        measure | (self.rule as u64) << 56
    }

    /// Returns what an operand stands for.
    #[must_use]
    pub const fn from_operand(operand: u64) -> Lint {
        let rule = LintRule::from_code((operand >> 56) as u8);
        Lint { rule, measure: operand & Self::MEASURE_MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    const TASK: TaskKey = TaskKey::from_value(0x7ff_f123_4567);

    #[test]
    fn operands_round_trip() {
        let origin = Origin { place: 0x7abc_def0, type_id: 0x7123_4567 };
        let event = Event::spawn(TASK, origin, Flavour::BlockOn);
        assert_eq!(Origin::from_operand(event.operand), (origin, Flavour::BlockOn as u8));
        for on in [
            WaitFor::Readable(9),
            WaitFor::Timer(1 << 50),
            WaitFor::Task(TASK),
            WaitFor::Lock,
            WaitFor::Turn,
        ] {
            assert_eq!(WaitFor::from_operand(Event::wait(TASK, on).operand), on);
        }
        let lint = Lint { rule: LintRule::HugeFuture, measure: 20_000 };
        assert_eq!(Lint::from_operand(Event::lint(TASK, lint).operand), lint);
        assert_eq!(WaitFor::from_operand(u64::MAX), WaitFor::Unknown);
        assert_eq!(WorkerId::from_value(WorkerId::NONE), None);
        let worker = WorkerId { runtime: 3, index: 7 };
        assert_eq!(WorkerId::from_value(worker.value()), Some(worker));
    }
}
