//! Probes: a task that waits is polled once to see where it waits.
//!
//! A future that is pending has left a waker with what it waits for, deep inside the calls of its
//! poll. A probe polls the task once more, with a waker of another vtable. Its `clone` is called by
//! the innermost future, which is about to store it: at that moment the stack is the chain of
//! awaits, and the [`Observer`] may capture it. The clone is the task's ordinary waker, so the task
//! is registered afterwards as it was before, and nothing is lost. It needs no help from the
//! futures, and no flag of the compiler.
//!
//! `Waker::will_wake` compares vtables, so a future that would keep its old waker stores the new
//! one. A future may be polled without a cause at any time; that is the contract of `Future`.
//!
//! Rejected: a clone that is a probe too. It would stay behind in the future's lists, and each wake
//! by it would have to find out that it is one.

use std::mem::ManuallyDrop;
use std::task::{Context, RawWaker, RawWakerVTable, Waker};

use crate::raw::Raw;
use crate::run::{Ran, Runnable};
use crate::task_ref::TaskRef;
use crate::unwind::caught;
use crate::waker::{self, is_task_waker};

/// Receives what a probe finds. Its methods run inside the poll, on the thread that polls, or on
/// another one to which the future lends its waker. A panic in them is caught and has no effect on
/// the task.
pub trait Observer: Sync {
    /// The task is about to leave its waker with what it waits for: the stack is that of the await.
    /// Called once for each waker that the poll leaves.
    fn registered(&self);

    /// The task awaits the task `other`.
    fn awaits(&self, other: TaskRef<'_>) {
        let _ = other;
    }
}

/// What the waker of a probe points to. Lives on the stack of [`poll_probed`].
struct ProbeWaker<'a> {
    /// The waker that an ordinary poll gets.
    ordinary: &'a Waker,
    observer: &'a dyn Observer,
}

/// One static for every probe: its address distinguishes these wakers from others.
static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake_by_ref, wake_by_ref, ignore);

/// Calls `poll` with the waker of a probe, whose clones are clones of `ordinary`, and notifies
/// `observer` of them.
pub fn poll_probed<R>(
    ordinary: &Waker,
    observer: &dyn Observer,
    poll: impl FnOnce(&mut Context<'_>) -> R,
) -> R {
    let probe = ProbeWaker { ordinary, observer };
    let data: *const () = (&raw const probe).cast();
    // SAFETY: the functions of `VTABLE` keep the contract of `RawWaker`: the waker is one borrow of
    // the probe. It is only lent to `poll`, which ends before the probe, so neither it nor a copy
    // of its two words is used later. Probes are `Sync`, so it may be lent to any thread.
    let waker = ManuallyDrop::new(unsafe { Waker::new(data, &VTABLE) });
    poll(&mut Context::from_waker(&waker))
}

impl Runnable {
    /// Like [`run`](Runnable::run), and shows `observer` where the future waits. Made for the
    /// `Runnable` of an idle task, see [`TaskRef::claim`]. A future that is ready continues as in
    /// any poll.
    pub fn run_probed(self, observer: &dyn Observer) -> Ran {
        self.run_by(|raw| {
            // SAFETY: the `Runnable`'s reference outlives this use of the waker.
            let waker = unsafe { waker::lend(raw.erased()) };
            poll_probed(&waker, observer, |cx| {
                // SAFETY: the stage is ours (invariant 2), and the vtable is of this cell
                // (invariant 6).
                unsafe { (raw.header().vtable.poll)(raw, cx) }
            })
        })
    }
}

/// For a future with members that have wakers of their own. Calls `poll` with the waker `member`.
/// If `outer`, the waker that the future itself was polled with, is that of a probe, so is that
/// for the member.
#[inline]
pub fn poll_member<R>(
    outer: &Waker,
    member: &Waker,
    poll: impl FnOnce(&mut Context<'_>) -> R,
) -> R {
    match of(outer) {
        Some(probe) => poll_probed(member, probe.observer, poll),
        None => poll(&mut Context::from_waker(member)),
    }
}

/// The probe that `waker` is of.
fn of(waker: &Waker) -> Option<&ProbeWaker<'_>> {
    if !std::ptr::eq(waker.vtable(), &VTABLE) {
        return None;
    }
    // SAFETY: a waker of this vtable was made by `poll_probed`, and the probe outlives the poll
    // that the waker is lent to, so it outlives this borrow of the waker.
    Some(unsafe { &*waker.data().cast::<ProbeWaker<'_>>() })
}

/// Returns whether `waker` is that of a probe, lent to this poll by [`poll_probed`] or
/// [`Runnable::run_probed`].
#[inline]
#[must_use]
pub fn is_probe(waker: &Waker) -> bool {
    std::ptr::eq(waker.vtable(), &VTABLE)
}

/// For a future that has left a waker of the task at the address `task` before, which is still
/// kept, and is polled by a probe of that task: it need not leave another one. Returns `true` in
/// that case, after notifying the observer as a clone would.
#[must_use]
pub fn is_kept_by(task: usize, waker: &Waker) -> bool {
    let Some(probe) = of(waker) else { return false };
    if !is_task_waker(probe.ordinary) || probe.ordinary.data().addr() != task {
        return false;
    }
    tell_registered(probe);
    true
}

/// Notifies the observer that the task of the probe `waker` awaits the task `other`. Does nothing
/// for any other waker.
#[inline]
pub(crate) fn tell_awaits(waker: &Waker, other: Raw) {
    if let Some(probe) = of(waker) {
        contain(|| probe.observer.awaits(other.as_task()));
    }
}

fn tell_registered(probe: &ProbeWaker<'_>) {
    contain(|| probe.observer.registered());
}

/// Catches a panic of an observer, which must not become a panic of the task.
fn contain(tell: impl FnOnce()) {
    if let Some(payload) = caught(tell) {
        // Its drop is the observer's code too.
        std::mem::forget(payload);
    }
}

/// The probe that a waker points to.
///
/// # Safety
///
/// * `data` is that of a waker made by [`poll_probed`], and its poll has not ended.
unsafe fn probe<'a>(data: *const ()) -> &'a ProbeWaker<'a> {
    // SAFETY: `poll_probed` stored the address of a probe, which outlives the poll.
    unsafe { &*data.cast() }
}

/// # Safety
///
/// * As for [`probe`]; the caller borrows the waker.
unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: std calls this with the data of a waker of this vtable, within its poll.
    let probe = unsafe { probe(data) };
    tell_registered(probe);
    let waker = ManuallyDrop::new(probe.ordinary.clone());
    RawWaker::new(waker.data(), waker.vtable())
}

/// Also the wake by value, which gives nothing away: the waker owns nothing.
///
/// # Safety
///
/// * As for [`probe`].
unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: std calls this with the data of a waker of this vtable, within its poll.
    unsafe { probe(data) }.ordinary.wake_by_ref();
}

/// The waker owns nothing.
///
/// # Safety
///
/// * None: it touches nothing.
unsafe fn ignore(_: *const ()) {}
