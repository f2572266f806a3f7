//! The constructors of events, one for each kind.

use crate::operand::{Flavour, Lint, Origin, Outcome, Ready, TaskKey, WaitFor, WorkerId};
use crate::word::{EventWord, Kind, SHORT_SPAWN_MIN, VALUE_MAX, short_mark};

/// A bit for each kind that has an operand.
const HAS_OPERAND: u32 = {
    let (mut bits, mut index) = (0, 0);
    while index < Kind::ALL.len() {
        bits |= (Kind::ALL[index].words() as u32 - 1) << Kind::ALL[index] as u32;
        index += 1;
    }
    bits
};

/// An event without its time. Made by the constructors, one for each kind.
///
/// Two words, which a call passes in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The first word, with a time of 0.
    pub(crate) word: EventWord,
    pub(crate) operand: u64,
}

impl Event {
    #[inline]
    const fn one(kind: Kind, value: u64) -> Event {
        Event::two(kind, value, 0)
    }

    #[inline]
    const fn two(kind: Kind, value: u64, operand: u64) -> Event {
        Event { word: EventWord::new(kind, value & VALUE_MAX), operand }
    }

    /// An event of the user, in one word if name and number are small.
    #[inline]
    const fn user(kind: Kind, short: Kind, name: u32, number: u64) -> Event {
        match short_mark(name, number) {
            Some(value) => Event::one(short, value),
            None => Event::two(kind, name as u64, number),
        }
    }

    /// A task was spawned by the poll in which this is recorded.
    #[inline]
    #[must_use]
    pub const fn spawn(task: TaskKey, origin: Origin, flavour: Flavour) -> Event {
        Event::two(Kind::Spawn, task.value(), origin.operand(flavour as u8))
    }

    /// A task ended. Recorded inside its last poll.
    #[inline]
    #[must_use]
    pub const fn complete(task: TaskKey, origin: Origin, outcome: Outcome) -> Event {
        Event::two(Kind::Complete, task.value(), origin.operand(outcome as u8))
    }

    /// A task was spawned, with the origin and the flavour of the latest [`spawn`](Event::spawn)
    /// that is in the chunk.
    #[inline]
    #[must_use]
    pub const fn spawn_alike(task: TaskKey) -> Event {
        debug_assert!(task.value() >= SHORT_SPAWN_MIN);
        Event::one(Kind::ShortLife, task.value())
    }

    /// The task that the thread polls ended, with the origin of the latest
    /// [`complete`](Event::complete) that is in the chunk.
    #[inline]
    #[must_use]
    pub const fn complete_alike(outcome: Outcome) -> Event {
        Event::one(Kind::ShortLife, outcome as u64)
    }

    /// A poll began, and the one in progress on the thread ended.
    #[inline]
    #[must_use]
    pub const fn poll_start(task: TaskKey) -> Event {
        Event::one(Kind::PollStart, task.value())
    }

    /// A poll began. The one in progress on the thread ended, and with it its task: its end is like
    /// [`complete_alike`](Event::complete_alike) with [`Outcome::Finished`].
    #[inline]
    #[must_use]
    pub const fn poll_start_after_end(task: TaskKey) -> Event {
        Event::one(Kind::EndPollStart, task.value())
    }

    /// The poll that begins next is inside the one in progress.
    #[must_use]
    pub const fn poll_inside() -> Event {
        Event::one(Kind::PollStart, 0)
    }

    /// A poll ended.
    #[inline]
    #[must_use]
    pub const fn poll_end(task: TaskKey) -> Event {
        Event::one(Kind::PollEnd, task.value())
    }

    /// A task was woken and queued.
    #[inline]
    #[must_use]
    pub const fn wake(task: TaskKey) -> Event {
        Event::one(Kind::Wake, task.value())
    }

    /// A wake had no effect, because the task is queued, runs, or has ended.
    #[inline]
    #[must_use]
    pub const fn wake_again(task: TaskKey) -> Event {
        Event::one(Kind::WakeAgain, task.value())
    }

    /// A task was cancelled.
    #[inline]
    #[must_use]
    pub const fn cancel(task: TaskKey) -> Event {
        Event::one(Kind::Cancel, task.value())
    }

    /// The thread stole tasks from a worker.
    #[inline]
    #[must_use]
    pub const fn steal(count: u16, victim: u16) -> Event {
        Event::one(Kind::Steal, count as u64 | (victim as u64) << 16)
    }

    /// The thread took tasks from the injector.
    #[inline]
    #[must_use]
    pub const fn inject(count: u32) -> Event {
        Event::one(Kind::Inject, count as u64)
    }

    /// The thread begins to sleep.
    #[inline]
    #[must_use]
    pub const fn park() -> Event {
        Event::one(Kind::Park, 0)
    }

    /// The thread wakes up.
    #[inline]
    #[must_use]
    pub const fn unpark() -> Event {
        Event::one(Kind::Unpark, 0)
    }

    /// The thread runs a worker, or no worker.
    #[must_use]
    pub const fn enter(worker: Option<WorkerId>) -> Event {
        let value = match worker {
            Some(worker) => worker.value(),
            None => WorkerId::NONE,
        };
        Event::one(Kind::Enter, value)
    }

    /// The worker is handed off to another thread.
    #[must_use]
    pub const fn hand_off(worker: WorkerId) -> Event {
        Event::one(Kind::HandOff, worker.value())
    }

    /// A descriptor is ready. `string` is 0 or names the socket.
    #[inline]
    #[must_use]
    pub const fn io(fd: u32, ready: Ready, string: u32) -> Event {
        let value = fd as u64 | ((ready.0 & 0xfff) as u64) << 32;
        match string {
            0 => Event::one(Kind::ShortIo, value),
            string => Event::two(Kind::Io, value, string as u64),
        }
    }

    /// A timer is due, and is this many nanoseconds late.
    #[inline]
    #[must_use]
    pub const fn timer(late_ns: u64) -> Event {
        Event::one(Kind::Timer, if late_ns > VALUE_MAX { VALUE_MAX } else { late_ns })
    }

    /// The turn of the timers or of the driver is over.
    #[inline]
    #[must_use]
    pub const fn turn_end() -> Event {
        Event::one(Kind::TurnEnd, 0)
    }

    /// A mark of the user.
    #[inline]
    #[must_use]
    pub const fn mark(name: u32, number: u64) -> Event {
        Event::user(Kind::Mark, Kind::ShortMark, name, number)
    }

    /// A span of the user begins.
    #[inline]
    #[must_use]
    pub const fn span_start(name: u32, number: u64) -> Event {
        Event::user(Kind::SpanStart, Kind::ShortSpanStart, name, number)
    }

    /// The latest open span of this name and number ends.
    #[inline]
    #[must_use]
    pub const fn span_end(name: u32, number: u64) -> Event {
        Event::user(Kind::SpanEnd, Kind::ShortSpanEnd, name, number)
    }

    /// A task has a name.
    #[must_use]
    pub const fn name(task: TaskKey, string: u32) -> Event {
        Event::two(Kind::Name, task.value(), string as u64)
    }

    /// A task begins to wait. Recorded inside its poll.
    #[inline]
    #[must_use]
    pub const fn wait(task: TaskKey, on: WaitFor) -> Event {
        Event::two(Kind::Wait, task.value(), on.operand())
    }

    /// The await stack of a task was captured. Recorded inside its poll.
    #[must_use]
    pub const fn stack(task: TaskKey, stack: u32) -> Event {
        Event::two(Kind::Stack, task.value(), stack as u64)
    }

    /// A rule found something, in a task or outside of tasks.
    #[must_use]
    pub const fn lint(task: TaskKey, lint: Lint) -> Event {
        Event::two(Kind::Lint, task.value(), lint.operand())
    }

    /// A task panicked. `message` is 0 or the identifier of a string.
    #[must_use]
    pub const fn panic(task: TaskKey, message: u32) -> Event {
        Event::two(Kind::Panic, task.value(), message as u64)
    }

    /// Returns the kind.
    #[must_use]
    pub const fn kind(self) -> Kind {
        Kind::from_code(self.word.code()).expect("a constructor chose the kind")
    }

    /// Returns the value, such as the key of the task.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.word.value()
    }

    /// The number of words of the event, without a gap.
    #[inline]
    pub(crate) const fn words(self) -> usize {
        1 + (HAS_OPERAND >> self.word.code() & 1) as usize
    }
}
