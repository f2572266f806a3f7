//! A `block_on` inside a worker's poll: somebody else works the place meanwhile.

use std::cell::RefCell;

use super::place::Seat;
use super::vacancy::Vacancy;
use super::worker::Worker;

/// Tasks polled in one go when no other thread could be had.
const AT_ONCE: usize = 64;

/// The arrangement for one `block_on` inside a poll.
///
/// The place goes to a waiting or a new thread. Only where none can be had (the bound on spare
/// threads, the system's on threads) the blocked thread itself polls the place's tasks between
/// looks at its own future, so that the runtime makes progress all the same, though with the
/// stacks of those polls on top of the one that blocks: while half of its stack is free.
pub(crate) struct Relief<'a> {
    /// Set if this thread has to do the work itself.
    worker: Option<RefCell<Worker<'a>>>,
    seat: &'a Seat,
}

impl<'a> Relief<'a> {
    /// Gives the place of `seat` away, if this thread has not lost it already.
    pub(crate) fn of(seat: &'a Seat) -> Relief<'a> {
        let place = seat.place();
        // From here on nobody takes the place because this thread is stuck: it is another's.
        let is_ours = seat.with_core(|_| seat.pulse.set_void(true)).is_some();
        if !is_ours {
            return Relief { worker: None, seat };
        }
        place.give(None);
        if seat.shared().staff.fill(seat.shared(), Vacancy::open(place.index)) {
            return Relief { worker: None, seat };
        }
        place.give(Some(&seat.identity().borrow().recipient()));
        seat.with_core(|_| seat.pulse.set_void(false));
        let worker = Worker::new(seat, place.index as u64);
        Relief { worker: Some(RefCell::new(worker)), seat }
    }

    /// Whether this thread has to work the place itself.
    pub(crate) fn is_needed(&self) -> bool {
        self.worker.is_some()
    }

    /// Works the place for a moment, if nobody else does, or until `is_over` after a poll.
    pub(crate) fn help(&self, is_over: impl Fn() -> bool) {
        if let Some(worker) = &self.worker
            && let Ok(mut worker) = worker.try_borrow_mut()
        {
            crate::context::with_seat_set(self.seat, || worker.work_briefly(AT_ONCE, is_over));
        }
    }
}
