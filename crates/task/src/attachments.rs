//! The tagged word for data that few tasks need: null, a compact join waker, or a box of extras.
//!
//! | word            | meaning                                                            |
//! |-----------------|--------------------------------------------------------------------|
//! | null            | nothing                                                            |
//! | pointer, bit 0  | the join waker, a waker of this crate: the pointer to its header   |
//! | pointer         | [`Extras`], which have a slot for a join waker of any kind         |
//!
//! A task that has no name, whose id was never requested and that is joined by another task
//! therefore needs no memory besides its cell. Invariants 4 and 5 of the crate apply here. The slot
//! of the join waker is the word itself or a field of the extras, and only the owner of the slot
//! stores to it or takes from it. Any thread may install extras; that moves a compact waker into
//! them.

use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::Waker;

use reveille_primitive::atomic::AtomicPtr;
use reveille_primitive::atomic::Ordering::{AcqRel, Acquire};
use reveille_primitive::cell::UnsafeCell;

use crate::id::Task;
use crate::locals::Locals;
use crate::unwind::Payload;
use crate::waker;

/// The tag of a compact waker. Headers and extras have a larger alignment.
const COMPACT: usize = 1;

/// Data that few tasks need. By the time it is freed, the user's values in it have been dropped.
pub(crate) struct Extras {
    pub(crate) task: Task,
    /// Accessed only by the thread that runs the task (invariant 2).
    pub(crate) locals: Locals,
    /// The slot of the join waker (invariant 4).
    join_waker: UnsafeCell<Option<Waker>>,
    /// The payload of the panic that ended the future (invariants 2 and 3).
    payload: UnsafeCell<Option<Payload>>,
}

impl Extras {
    fn new(name: Option<Arc<str>>) -> Extras {
        Extras {
            task: Task::new(name),
            locals: Locals::new(),
            join_waker: UnsafeCell::new(None),
            payload: UnsafeCell::new(None),
        }
    }

    /// Replaces the content of the slot.
    ///
    /// # Safety
    ///
    /// * The slot is the caller's (invariant 4).
    unsafe fn replace_waker(&self, waker: Option<Waker>) -> Option<Waker> {
        self.join_waker.with_mut(|slot| {
            // SAFETY: the slot is the caller's, and nothing else accesses it during the
            // replacement.
            std::mem::replace(unsafe { &mut *slot }, waker)
        })
    }

    /// Replaces the payload.
    ///
    /// # Safety
    ///
    /// * The payload is the caller's (invariants 2 and 3).
    pub(crate) unsafe fn replace_payload(&self, payload: Option<Payload>) -> Option<Payload> {
        self.payload.with_mut(|place| {
            // SAFETY: the payload is the caller's, and nothing else accesses it during the
            // replacement.
            std::mem::replace(unsafe { &mut *place }, payload)
        })
    }
}

/// The content of the word.
#[derive(Clone, Copy)]
enum Content {
    Nothing,
    /// Owns one reference to the task that it points to.
    Compact(NonNull<()>),
    Extras(NonNull<Extras>),
}

impl Content {
    #[inline]
    fn of(word: *mut ()) -> Content {
        let Some(pointer) = NonNull::new(word) else { return Content::Nothing };
        if pointer.addr().get() & COMPACT == 0 {
            return Content::Extras(pointer.cast());
        }
        // Subtraction removes the tag and keeps the pointer's provenance.
        let untagged = word.map_addr(|address| address - COMPACT);
        NonNull::new(untagged).map_or(Content::Nothing, Content::Compact)
    }

    #[inline]
    fn word(self) -> *mut () {
        match self {
            Content::Nothing => std::ptr::null_mut(),
            Content::Compact(task) => task.as_ptr().map_addr(|address| address | COMPACT),
            Content::Extras(extras) => extras.as_ptr().cast(),
        }
    }
}

/// The tagged word. Its drop frees the extras; a compact waker has been taken by then (invariant
/// 4).
pub(crate) struct Attachments(AtomicPtr<()>);

impl Attachments {
    /// Allocates extras if the task has a name.
    #[inline]
    pub(crate) fn new(name: Option<Arc<str>>) -> Attachments {
        let content = match name {
            None => Content::Nothing,
            name => Content::Extras(into_raw(Box::new(Extras::new(name)))),
        };
        Attachments(AtomicPtr::new(content.word()))
    }

    #[inline]
    fn load(&self) -> Content {
        // Pairs with the Release of `try_replace`: this thread sees the extras as they were
        // published.
        Content::of(self.0.load(Acquire))
    }

    fn try_replace(&self, from: Content, to: Content) -> Result<(), Content> {
        // Release publishes new extras; Acquire pairs with the thread that stored a compact waker.
        match self.0.compare_exchange(from.word(), to.word(), AcqRel, Acquire) {
            Ok(_) => Ok(()),
            Err(word) => Err(Content::of(word)),
        }
    }

    /// Whether the word is empty, as that of most tasks is. For the owner of the word.
    #[inline(always)]
    pub(crate) fn is_nothing(&self) -> bool {
        self.0.load(Acquire).is_null()
    }

    /// The extras, if they exist.
    #[inline]
    pub(crate) fn extras(&self) -> Option<&Extras> {
        match self.load() {
            // SAFETY: extras stay until this word is dropped (invariant 5).
            Content::Extras(extras) => Some(unsafe { extras.as_ref() }),
            _ => None,
        }
    }

    /// The extras, which this allocates on first use. Any number of threads may call it
    /// concurrently.
    pub(crate) fn extras_or_new(&self) -> &Extras {
        match self.extras() {
            Some(extras) => extras,
            None => self.install_slow(),
        }
    }

    /// Installs extras and moves the compact waker, if there is one, into them.
    #[cold]
    fn install_slow(&self) -> &Extras {
        let mut fresh = Box::new(Extras::new(None));
        let mut content = self.load();
        // The loop ends. After a failure either extras are installed, or the join handle or the
        // completing thread has changed the slot, which happens a few times at most.
        loop {
            let moved = match content {
                Content::Nothing => None,
                // SAFETY: the word owns the reference until the exchange below moves it. If the
                // exchange fails, the waker is forgotten and not dropped.
                Content::Compact(task) => Some(unsafe { waker::from_counted(task) }),
                Content::Extras(extras) => {
                    // SAFETY: extras stay until this word is dropped (invariant 5).
                    return unsafe { extras.as_ref() };
                }
            };
            // SAFETY: no other thread has a pointer to these extras yet.
            let _ = unsafe { fresh.replace_waker(moved) };
            let published = into_raw(fresh);
            match self.try_replace(content, Content::Extras(published)) {
                // SAFETY: extras stay until this word is dropped (invariant 5).
                Ok(()) => return unsafe { published.as_ref() },
                Err(actual) => content = actual,
            }
            // SAFETY: `into_raw` returned this pointer, and the exchange failed, so it is the only
            // one.
            fresh = unsafe { Box::from_raw(published.as_ptr()) };
            // SAFETY: no other thread has a pointer to these extras yet.
            std::mem::forget(unsafe { fresh.replace_waker(None) });
        }
    }

    /// Returns whether the published join waker is `waker`. `false` if one load cannot decide that.
    #[inline]
    pub(crate) fn is_compact(&self, waker: &Waker) -> bool {
        match self.load() {
            Content::Compact(task) => waker::task_of(waker) == Some(task),
            _ => false,
        }
    }

    /// Stores `waker` in the slot.
    ///
    /// # Safety
    ///
    /// * The slot is the caller's (invariant 4) and is empty.
    pub(crate) unsafe fn put_waker(&self, waker: Waker) {
        if let (Content::Nothing, Some(task)) = (self.load(), waker::task_of(&waker)) {
            let kept = ManuallyDrop::new(waker);
            if self.try_replace(Content::Nothing, Content::Compact(task)).is_ok() {
                return;
            }
            // Another thread has installed extras: only the slot's owner stores anything else.
            // SAFETY: the slot is the caller's.
            let old =
                unsafe { self.extras_or_new().replace_waker(Some(ManuallyDrop::into_inner(kept))) };
            debug_assert!(old.is_none(), "the slot was empty");
            return;
        }
        // SAFETY: the slot is the caller's.
        let old = unsafe { self.extras_or_new().replace_waker(Some(waker)) };
        debug_assert!(old.is_none(), "the slot was empty");
    }

    /// Takes the waker out of the slot.
    ///
    /// # Safety
    ///
    /// * The slot is the caller's (invariant 4).
    pub(crate) unsafe fn take_waker(&self) -> Option<Waker> {
        let mut content = self.load();
        loop {
            match content {
                Content::Nothing => return None,
                // SAFETY: the slot is the caller's.
                Content::Extras(_) => return unsafe { self.extras_or_new().replace_waker(None) },
                Content::Compact(task) => match self.try_replace(content, Content::Nothing) {
                    // SAFETY: the exchange moved the word's reference to the caller.
                    Ok(()) => return Some(unsafe { waker::from_counted(task) }),
                    // Another thread has installed extras, which happens once: the next round is
                    // the last.
                    Err(actual) => content = actual,
                },
            }
        }
    }
}

impl Drop for Attachments {
    #[inline]
    fn drop(&mut self) {
        if !self.is_nothing() {
            self.drop_slow();
        }
    }
}

impl Attachments {
    #[cold]
    fn drop_slow(&mut self) {
        match self.load() {
            Content::Nothing => {}
            Content::Compact(_) => debug_assert!(false, "the slot is empty at the end"),
            // SAFETY: `into_raw` returned this pointer, and `&mut self` proves that nothing borrows
            // the extras any more.
            Content::Extras(extras) => drop(unsafe { Box::from_raw(extras.as_ptr()) }),
        }
    }
}

fn into_raw(extras: Box<Extras>) -> NonNull<Extras> {
    NonNull::from(Box::leak(extras))
}
