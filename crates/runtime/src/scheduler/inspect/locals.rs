//! The part of a dump that comes from other threads: their local tasks, and the futures of their
//! `block_on`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reveille_primitive::atomic::{AtomicBool, AtomicU32, Ordering};
use reveille_primitive::lock::Mutex;
use reveille_task::{Observer, TaskData, TaskRef};

use super::dump::{TaskDump, TaskKind};
use super::probe::probe;
use super::stacks::StackTable;
use crate::scheduler::local::LocalVisitor;
use crate::scheduler::local::visit::{self, LocalThread};
use crate::timer::clock::system_clock;
use crate::waits::TaskState;

/// How long to wait for the first answer of a thread. A thread that is in a poll gives no answer.
const ANSWER_LIMIT: Duration = Duration::from_millis(100);

/// How long a thread may take for one task.
const TASK_LIMIT: Duration = Duration::from_secs(1);

/// How often the dump checks for answers.
const CHECK_INTERVAL: Duration = Duration::from_millis(2);

/// The answer of one thread.
struct Answer {
    stacks: Arc<Mutex<StackTable>>,
    thread: String,
    tasks: Mutex<Vec<TaskDump>>,
    /// Changes with each step of the thread.
    steps: AtomicU32,
    is_given_up: AtomicBool,
}

impl Answer {
    fn add(&self, mut record: TaskDump) {
        record.thread = Some(self.thread.clone());
        if record.state != TaskState::Ended && !self.is_given_up.load(Ordering::Relaxed) {
            self.tasks.lock().push(record);
        }
        self.step();
    }

    fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }
}

impl LocalVisitor for Answer {
    fn waiting(&self, task: TaskRef<'_>, poll: &mut dyn FnMut(&dyn Observer) -> TaskState) {
        self.step();
        let mut record = TaskDump::of(task, TaskKind::Local);
        probe(&mut record, &self.stacks, poll);
        self.add(record);
    }

    fn queued(&self, task: TaskRef<'_>) {
        let mut record = TaskDump::of(task, TaskKind::Local);
        record.state = TaskState::Queued;
        self.add(record);
    }

    fn block_on(&self, data: &TaskData, poll: &mut dyn FnMut(&dyn Observer) -> TaskState) {
        self.step();
        let mut record = TaskDump::of_block_on(data.name(), data.location());
        // As in recordings.
        record.addr = (&raw const *data).addr();
        probe(&mut record, &self.stacks, poll);
        self.add(record);
    }

    fn is_given_up(&self) -> bool {
        self.is_given_up.load(Ordering::Relaxed)
    }
}

/// A thread that was asked.
struct Asked {
    thread: LocalThread,
    /// The thread holds the other reference until it has answered.
    answer: Arc<Answer>,
    steps: u32,
    since: Instant,
}

/// The threads that were asked, and the records of those that cannot answer.
pub(super) struct LocalThreads {
    asked: Vec<Asked>,
    /// Records of threads that cannot answer.
    silent: Vec<TaskDump>,
}

impl LocalThreads {
    /// Asks every thread that is in `block_on` or has local tasks, except this one, which cannot
    /// answer while it waits for the dump.
    pub(super) fn ask(stacks: &Arc<Mutex<StackTable>>) -> LocalThreads {
        let mut asked = Vec::new();
        let mut silent = Vec::new();
        for thread in visit::threads() {
            if thread.block_on_place().is_none() && thread.tasks() == 0 {
                continue;
            }
            if thread.is_this() {
                silent.extend(busy(&thread));
                continue;
            }
            let answer = Arc::new(Answer {
                stacks: Arc::clone(stacks),
                thread: thread.name().to_owned(),
                tasks: Mutex::default(),
                steps: AtomicU32::new(0),
                is_given_up: AtomicBool::new(false),
            });
            let visitor: Arc<dyn LocalVisitor> = Arc::<Answer>::clone(&answer);
            thread.ask(visitor);
            asked.push(Asked { thread, answer, steps: 0, since: system_clock().now() });
        }
        LocalThreads { asked, silent }
    }

    /// Waits for the answers and returns them.
    pub(super) fn answers(mut self) -> Answers {
        let mut tasks = std::mem::take(&mut self.silent);
        let mut notes = Vec::new();
        for mut asked in self.asked {
            while Arc::strong_count(&asked.answer) > 1 && !asked.is_late() {
                reveille_primitive::thread::sleep(CHECK_INTERVAL);
            }
            let is_complete = Arc::strong_count(&asked.answer) == 1;
            asked.answer.is_given_up.store(true, Ordering::Relaxed);
            if !is_complete {
                tasks.extend(busy(&asked.thread));
                notes.extend(unseen(&asked.thread, asked.answer.tasks.lock().len()));
            }
            tasks.append(&mut asked.answer.tasks.lock());
        }
        Answers { tasks, notes }
    }
}

/// The answers of the threads, and notes on what is missing.
pub(super) struct Answers {
    pub(super) tasks: Vec<TaskDump>,
    pub(super) notes: Vec<String>,
}

/// Notes how many local tasks the thread has not shown.
fn unseen(thread: &LocalThread, seen: usize) -> Option<String> {
    let count = thread.tasks().saturating_sub(seen);
    let name = thread.name();
    (count > 0).then(|| {
        format!(
            "{count} local tasks of the thread '{name}' are missing: only that thread may poll \
             them, and it is in a poll, or runs no executor now."
        )
    })
}

impl Asked {
    /// Whether the thread has made no step for too long.
    fn is_late(&mut self) -> bool {
        let steps = self.answer.steps.load(Ordering::Relaxed);
        let now = system_clock().now();
        if steps != self.steps {
            (self.steps, self.since) = (steps, now);
        }
        let limit = if steps == 0 { ANSWER_LIMIT } else { TASK_LIMIT };
        now.saturating_duration_since(self.since) > limit
    }
}

/// The record of a thread that does not answer: it is in a poll, or in no executor at all.
fn busy(thread: &LocalThread) -> Option<TaskDump> {
    let place = thread.block_on_place()?;
    let mut record = TaskDump::of_block_on(None, Some(place));
    record.state = TaskState::Running;
    record.thread = Some(thread.name().to_owned());
    record.thread_number = thread.system_number();
    record.addr = thread.recorded_addr();
    Some(record)
}
