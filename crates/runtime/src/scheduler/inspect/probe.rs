//! The observer of a probe, which records what it finds of a task.

use std::thread::{self, ThreadId};

use reveille_primitive::atomic::{AtomicBool, Ordering};
use reveille_primitive::lock::Mutex;
use reveille_primitive::sys::StackMark;
use reveille_task::{Observer, TaskRef};

use super::dump::TaskDump;
use super::stacks::StackTable;
use crate::timer::clock::system_clock;
use crate::waits::{self, TaskState, WaitFor};

/// Calls `poll`, which polls the task of `record`, with a probe, and adds to the record what the
/// probe found. Never inlined: `stacks.rs` finds the end of a stack by the name of this function.
#[inline(never)]
pub(super) fn probe(
    record: &mut TaskDump,
    table: &Mutex<StackTable>,
    poll: impl FnOnce(&dyn Observer) -> TaskState,
) {
    let probe = StackProbe::new(table);
    // If the poll takes a dump itself, the probes of that dump have notes of their own.
    let outer = waits::take();
    record.state = poll(&probe);
    // After the poll, because the poll may have started a timer.
    record.probed_at = Some(system_clock().now());
    let notes = waits::replace(outer);
    record.waits = notes.waits;
    record.scopes = notes.scopes;
    record.member_of = notes.member_of;
    record.waits.append(&mut probe.awaited.into_inner());
    record.stacks = probe.captured.into_inner();
    record.is_probed = true;
    record.has_waker = probe.has_waker.into_inner();
}

/// Captures the stack each time that the probed task clones its waker.
struct StackProbe<'a> {
    thread: ThreadId,
    root: StackMark,
    table: &'a Mutex<StackTable>,
    captured: Mutex<Vec<u32>>,
    has_waker: AtomicBool,
    awaited: Mutex<Vec<WaitFor>>,
}

impl<'a> StackProbe<'a> {
    fn new(table: &'a Mutex<StackTable>) -> StackProbe<'a> {
        StackProbe {
            thread: thread::current().id(),
            root: StackMark::here(),
            table,
            captured: Mutex::default(),
            has_waker: AtomicBool::new(false),
            awaited: Mutex::default(),
        }
    }
}

impl Observer for StackProbe<'_> {
    fn registered(&self) {
        self.has_waker.store(true, Ordering::Relaxed);
        // On another thread the end of the stack is not known.
        if thread::current().id() != self.thread {
            return;
        }
        let stack = self.table.lock().capture(self.root);
        let mut captured = self.captured.lock();
        if !captured.contains(&stack) {
            captured.push(stack);
        }
    }

    fn awaits(&self, other: TaskRef<'_>) {
        let mut awaited = self.awaited.lock();
        let other = WaitFor::Task(other.addr());
        if !awaited.contains(&other) {
            awaited.push(other);
        }
    }
}
