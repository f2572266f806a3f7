//! `Semaphore`: permits that tasks take and give back, many at once, until it is closed.
//!
//! The word holds the free permits, whether tasks wait, and whether it is closed. While no task
//! waits, taking and giving back is one compare-exchange each. Otherwise the lock of the queue is
//! taken. Permits that are given back then go to the oldest waiter, until it has as many as it
//! asked for.
//!
//! # Invariants
//!
//! 1. `WAITING` is set exactly while the queue is not empty. It changes only under the lock.
//! 2. While `WAITING` is set, no permit is free: a waiter takes what there is in the
//!    compare-exchange that sets it. So a task that comes later finds no permit and goes behind the
//!    waiters.
//! 3. A waiter has received what it asked for, less what its node still misses. These permits are
//!    given back if the waiter is dropped, or if the semaphore is closed before it has all.
//! 4. `CLOSED` is set under the lock, and never cleared. No waiter enters afterwards.
//! 5. Wakers are cloned, woken and dropped outside the lock.
//!
//! `tests/loom_sync.rs` of the runtime models this file.
//!
//! *Rejected:* the semaphore of async-lock. It cannot hand out several permits at once or be
//! closed. A task that comes later may overtake those that wait. Its event wakes tasks under a
//! lock.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use super::permit::{OwnedSemaphorePermit, SemaphorePermit};
use super::wait_queue::{WaitQueue, Wakes};
use crate::protocol::{AtomicUsize, Mutex, MutexGuard, Ordering, budget};

/// The semaphore is closed.
const CLOSED: usize = 1;
/// The queue is not empty.
const WAITING: usize = 2;
/// One free permit.
const PERMIT: usize = 4;

/// A number of permits, which tasks take and give back.
///
/// It limits how many tasks do something at the same time. A permit is given back when its guard is
/// dropped. Permits are handed out in the order in which tasks asked for them: a task that asks for
/// many is not overtaken by tasks that ask for one. Semantics and names are those of tokio's type.
///
/// # Closing
///
/// After [`close`](Semaphore::close) no permit is handed out, and every waiting task gets an error.
/// Use it to end the wait of queued tasks when a service shuts down. Permits that have been handed
/// out stay valid.
///
/// It works on every executor. A waker that panics is reported, and the other waiters are woken.
///
/// # Examples
///
/// At most two of ten tasks work at the same time:
///
/// ```
/// use reveille::sync::{Arc, Semaphore};
/// use reveille::task;
///
/// task::block_on(async {
///     let permits = Arc::new(Semaphore::new(2));
///     let tasks: Vec<_> = (0..10)
///         .map(|n| {
///             let permits = Arc::clone(&permits);
///             task::spawn(async move {
///                 let _permit = permits.acquire().await.expect("it is never closed");
///                 task::yield_now().await; // the work
///                 n
///             })
///         })
///         .collect();
///     let mut sum = 0;
///     for task in tasks {
///         sum += task.await;
///     }
///     assert_eq!(sum, 45);
///     assert_eq!(permits.available_permits(), 2);
/// });
/// ```
pub struct Semaphore {
    word: AtomicUsize,
    waiters: Mutex<WaitQueue<Missing>>,
}

/// How many permits a waiter still has to receive.
type Missing = usize;

/// The semaphore was closed, before or during the wait for a permit.
///
/// Its text is `semaphore is closed`.
///
/// # Examples
///
/// ```
/// use reveille::sync::Semaphore;
///
/// let permits = Semaphore::new(1);
/// permits.close();
/// let error = reveille::task::block_on(permits.acquire()).unwrap_err();
/// assert_eq!(error.to_string(), "semaphore is closed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcquireError(());

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("semaphore is closed")
    }
}

impl std::error::Error for AcquireError {}

/// Why a `try_acquire` of a [`Semaphore`] returned no permit.
///
/// # Examples
///
/// ```
/// use reveille::sync::{Semaphore, TryAcquireError};
///
/// let permits = Semaphore::new(1);
/// assert_eq!(permits.try_acquire_many(2).unwrap_err(), TryAcquireError::NoPermits);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryAcquireError {
    /// The semaphore is closed.
    /// The text is `semaphore is closed`.
    Closed,
    /// Too few permits are free, or other tasks wait for permits.
    /// The text is `semaphore has too few free permits`.
    NoPermits,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            TryAcquireError::Closed => "semaphore is closed",
            TryAcquireError::NoPermits => "semaphore has too few free permits",
        })
    }
}

impl std::error::Error for TryAcquireError {}

impl Semaphore {
    /// The largest number of permits that a semaphore can have.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::Semaphore;
    ///
    /// let permits = Semaphore::new(Semaphore::MAX_PERMITS);
    /// assert_eq!(permits.available_permits(), Semaphore::MAX_PERMITS);
    /// ```
    pub const MAX_PERMITS: usize = usize::MAX / (2 * PERMIT);

    /// Creates a semaphore with `permits` free permits.
    ///
    /// With 0 permits every task waits until [`add_permits`](Semaphore::add_permits).
    ///
    /// # Panics
    ///
    /// Panics if `permits` is above [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::Semaphore;
    ///
    /// static CONNECTIONS: Semaphore = Semaphore::new(100);
    /// assert_eq!(CONNECTIONS.available_permits(), 100);
    /// ```
    #[cfg(not(reveille_loom))]
    #[must_use]
    #[doc(alias = "const_new")]
    pub const fn new(permits: usize) -> Semaphore {
        assert!(permits <= Semaphore::MAX_PERMITS, "a semaphore cannot have that many permits");
        let word = AtomicUsize::new(permits * PERMIT);
        Semaphore { word, waiters: Mutex::new(WaitQueue::new()) }
    }

    /// loom's types have no constant constructors.
    #[cfg(reveille_loom)]
    pub(crate) fn new(permits: usize) -> Semaphore {
        let word = AtomicUsize::new(permits * PERMIT);
        Semaphore { word, waiters: Mutex::new(WaitQueue::new()) }
    }

    /// Returns the number of free permits.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::Semaphore;
    ///
    /// let permits = Semaphore::new(3);
    /// let _two = permits.try_acquire_many(2);
    /// assert_eq!(permits.available_permits(), 1);
    /// ```
    pub fn available_permits(&self) -> usize {
        self.word.load(Ordering::Acquire) / PERMIT
    }

    /// Adds `n` permits, which go to waiting tasks first.
    ///
    /// # Panics
    ///
    /// Panics if there would be more free permits than [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::Semaphore;
    ///
    /// let permits = Semaphore::new(0);
    /// permits.add_permits(2);
    /// assert_eq!(permits.available_permits(), 2);
    /// ```
    pub fn add_permits(&self, n: usize) {
        let is_possible = n <= Semaphore::MAX_PERMITS && self.give(n);
        assert!(is_possible, "a semaphore cannot have that many permits");
    }

    /// Permanently removes up to `n` free permits, and returns how many were removed.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::Semaphore;
    ///
    /// let permits = Semaphore::new(3);
    /// assert_eq!(permits.forget_permits(5), 3);
    /// assert_eq!(permits.available_permits(), 0);
    /// ```
    pub fn forget_permits(&self, n: usize) -> usize {
        let take = |word: usize| (word / PERMIT).min(n);
        let before = self.change(|word| Some(word - take(word) * PERMIT));
        before.map_or(0, take)
    }

    /// Waits for a permit.
    ///
    /// # Errors
    ///
    /// [`AcquireError`] if the semaphore is closed before the permit is handed out.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses its position. A permit that had been handed to it goes to the next
    /// waiter.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::Semaphore;
    ///
    /// let permits = Semaphore::new(1);
    /// reveille::task::block_on(async {
    ///     let permit = permits.acquire().await?;
    ///     assert_eq!(permits.available_permits(), 0);
    ///     drop(permit);
    ///     assert_eq!(permits.available_permits(), 1);
    ///     Ok::<(), reveille::sync::AcquireError>(())
    /// })?;
    /// # Ok::<(), reveille::sync::AcquireError>(())
    /// ```
    pub async fn acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.acquire_many(1).await
    }

    /// Waits for `n` permits.
    ///
    /// While it waits, permits that become free are kept for it, so tasks that ask for fewer do not
    /// overtake it. If `n` is more than the semaphore will ever have, it waits forever, and so do
    /// all tasks that come later.
    ///
    /// # Errors
    ///
    /// [`AcquireError`] if the semaphore is closed before all permits are handed out.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses its position. The permits that were kept for it go to the next
    /// waiters.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::Semaphore;
    ///
    /// let permits = Semaphore::new(5);
    /// let three = reveille::task::block_on(permits.acquire_many(3)).unwrap();
    /// assert_eq!((three.num_permits(), permits.available_permits()), (3, 2));
    /// ```
    pub async fn acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.wait(n).await?;
        Ok(SemaphorePermit::new(self, n as usize))
    }

    /// Takes a permit if one is free.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`] if no permit is free, or the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::Semaphore;
    ///
    /// let permits = Semaphore::new(1);
    /// let first = permits.try_acquire();
    /// assert!(first.is_ok());
    /// assert!(permits.try_acquire().is_err());
    /// ```
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes `n` permits if as many are free.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`] if fewer are free, or the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::Semaphore;
    ///
    /// let permits = Semaphore::new(2);
    /// assert!(permits.try_acquire_many(3).is_err());
    /// assert!(permits.try_acquire_many(2).is_ok());
    /// ```
    pub fn try_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_take(n as usize)?;
        Ok(SemaphorePermit::new(self, n as usize))
    }

    /// Like [`acquire`](Semaphore::acquire), for a permit that owns its semaphore.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Semaphore::acquire).
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Semaphore::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::{Arc, Semaphore};
    /// use reveille::task;
    ///
    /// task::block_on(async {
    ///     let permits = Arc::new(Semaphore::new(1));
    ///     let permit = Arc::clone(&permits).acquire_owned().await.unwrap();
    ///     // The permit moves into the task.
    ///     task::spawn(async move { drop(permit) }).await;
    ///     assert_eq!(permits.available_permits(), 1);
    /// });
    /// ```
    #[doc(alias = "acquire_arc")]
    pub async fn acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.acquire_many_owned(1).await
    }

    /// Like [`acquire_many`](Semaphore::acquire_many), for a permit that owns its semaphore.
    ///
    /// # Errors
    ///
    /// As for [`acquire_many`](Semaphore::acquire_many).
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire_many`](Semaphore::acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::{Arc, Semaphore};
    ///
    /// let permits = Arc::new(Semaphore::new(5));
    /// let two = reveille::task::block_on(Arc::clone(&permits).acquire_many_owned(2)).unwrap();
    /// assert_eq!((two.num_permits(), permits.available_permits()), (2, 3));
    /// ```
    pub async fn acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.wait(n).await?;
        Ok(OwnedSemaphorePermit::new(self, n as usize))
    }

    /// Like [`try_acquire`](Semaphore::try_acquire), for a permit that owns its semaphore.
    ///
    /// # Errors
    ///
    /// As for [`try_acquire`](Semaphore::try_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::{Arc, Semaphore};
    ///
    /// let permits = Arc::new(Semaphore::new(1));
    /// let first = Arc::clone(&permits).try_acquire_owned();
    /// assert!(first.is_ok());
    /// assert!(permits.try_acquire_owned().is_err());
    /// ```
    #[doc(alias = "try_acquire_arc")]
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// Like [`try_acquire_many`](Semaphore::try_acquire_many), for a permit that owns its
    /// semaphore.
    ///
    /// # Errors
    ///
    /// As for [`try_acquire_many`](Semaphore::try_acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::{Arc, Semaphore};
    ///
    /// let permits = Arc::new(Semaphore::new(2));
    /// assert_eq!(permits.try_acquire_many_owned(2).unwrap().num_permits(), 2);
    /// ```
    pub fn try_acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_take(n as usize)?;
        Ok(OwnedSemaphorePermit::new(self, n as usize))
    }

    /// Closes the semaphore: no permit is handed out from now on.
    ///
    /// Tasks that wait get an error. Permits that have been handed out stay valid.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::{Semaphore, TryAcquireError};
    ///
    /// let permits = Semaphore::new(1);
    /// permits.close();
    /// assert_eq!(permits.try_acquire().unwrap_err(), TryAcquireError::Closed);
    /// ```
    pub fn close(&self) {
        let mut waiters = self.waiters();
        self.word.fetch_or(CLOSED, Ordering::AcqRel);
        let mut wakes = Wakes::default();
        // A node keeps what it misses, which says how many permits its waiter has to give back.
        while let Some(missing) = waiters.oldest_mut().copied() {
            waiters.pop_oldest(missing).into_iter().for_each(|waker| wakes.push(waker));
        }
        self.word.fetch_and(!WAITING, Ordering::AcqRel);
        drop(waiters);
        wakes.wake();
    }

    /// Returns whether the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::Semaphore;
    ///
    /// let permits = Semaphore::new(1);
    /// assert!(!permits.is_closed());
    /// permits.close();
    /// assert!(permits.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Waits for `n` permits, which the caller then owns.
    async fn wait(&self, n: u32) -> Result<(), AcquireError> {
        let mut acquire = Acquire { semaphore: self, permits: n as usize, key: None };
        poll_fn(|cx| acquire.poll(cx)).await
    }

    /// Takes `n` permits if they are free.
    fn try_take(&self, n: usize) -> Result<(), TryAcquireError> {
        let taken = self.change(|word| {
            let is_possible = word & CLOSED == 0 && word / PERMIT >= n;
            is_possible.then(|| word - n * PERMIT)
        });
        match taken {
            Ok(_) => Ok(()),
            Err(word) if word & CLOSED != 0 => Err(TryAcquireError::Closed),
            Err(_) => Err(TryAcquireError::NoPermits),
        }
    }

    /// Gives permits back. False, and without effect, if there would be too many.
    pub(super) fn give(&self, n: usize) -> bool {
        let mut is_full = false;
        let given = self.change(|word| {
            is_full = word / PERMIT > Semaphore::MAX_PERMITS - n;
            (word & WAITING == 0 && !is_full).then(|| word + n * PERMIT)
        });
        given.is_ok() || (!is_full && self.distribute(n, self.waiters()))
    }

    /// Gives permits to the waiters, and makes what is left free.
    #[cold]
    fn distribute(&self, mut n: usize, mut waiters: MutexGuard<'_, WaitQueue<Missing>>) -> bool {
        let mut wakes = Wakes::default();
        while let Some(missing) = waiters.oldest_mut() {
            let given = n.min(*missing);
            *missing -= given;
            n -= given;
            if *missing > 0 {
                break;
            }
            waiters.pop_oldest(0).into_iter().for_each(|waker| wakes.push(waker));
        }
        let mut is_done = true;
        if waiters.is_empty() {
            let free = self.change(|word| {
                let is_full = word / PERMIT > Semaphore::MAX_PERMITS - n;
                (!is_full).then(|| (word & !WAITING) + n * PERMIT)
            });
            is_done = free.is_ok();
        }
        drop(waiters);
        wakes.wake();
        is_done
    }

    /// Changes the word as long as `rule` allows it. Returns the former word.
    fn change(&self, rule: impl FnMut(usize) -> Option<usize>) -> Result<usize, usize> {
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, rule)
    }

    /// No user code runs under this lock, so a poisoned lock is fine.
    fn waiters(&self) -> MutexGuard<'_, WaitQueue<Missing>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available_permits", &self.available_permits())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// A task that asks for permits.
struct Acquire<'a> {
    semaphore: &'a Semaphore,
    permits: usize,
    /// The key of its node, from when it waits until it has the permits or an error.
    key: Option<usize>,
}

impl Acquire<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), AcquireError>> {
        budget::poll_budgeted(cx, |cx| match self.key {
            None => self.enter(cx.waker()),
            Some(key) => self.check(key, cx.waker()),
        })
    }

    /// Takes the permits, or what is free of them and a position in the queue.
    fn enter(&mut self, waker: &Waker) -> Poll<Result<(), AcquireError>> {
        let (semaphore, permits) = (self.semaphore, self.permits);
        match semaphore.try_take(permits) {
            Ok(()) => return Poll::Ready(Ok(())),
            Err(TryAcquireError::Closed) => return Poll::Ready(Err(AcquireError(()))),
            Err(TryAcquireError::NoPermits) => {}
        }
        let waker = waker.clone();
        let mut waiters = semaphore.waiters();
        let before = semaphore.change(|word| {
            let free = word / PERMIT;
            (word & CLOSED == 0).then(|| match free >= permits {
                true => word - permits * PERMIT,
                false => WAITING,
            })
        });
        // On each of these paths the lock is dropped first and the clone after it: locals are
        // dropped in reverse order.
        let Ok(before) = before else {
            return Poll::Ready(Err(AcquireError(())));
        };
        let free = before / PERMIT;
        if free >= permits {
            return Poll::Ready(Ok(()));
        }
        self.key = Some(waiters.push(waker, permits - free));
        Poll::Pending
    }

    /// Whether the permits have come.
    fn check(&mut self, key: usize, waker: &Waker) -> Poll<Result<(), AcquireError>> {
        let waiters = self.semaphore.waiters();
        match waiters.is_waker(key, waker) {
            Some(true) => return Poll::Pending,
            None => return Poll::Ready(self.finish(key, waiters)),
            Some(false) => {}
        }
        drop(waiters);
        let new = waker.clone();
        let mut waiters = self.semaphore.waiters();
        if waiters.is_waker(key, waker).is_none() {
            return Poll::Ready(self.finish(key, waiters));
        }
        let old = waiters.renew(key, new);
        drop(waiters);
        drop(old);
        Poll::Pending
    }

    /// Removes the node of a waiter that has left the queue.
    fn finish(
        &mut self,
        key: usize,
        mut waiters: MutexGuard<'_, WaitQueue<Missing>>,
    ) -> Result<(), AcquireError> {
        self.key = None;
        let missing = waiters.remove(key).data;
        drop(waiters);
        if missing == 0 {
            return Ok(());
        }
        // It was closed.
        self.give_back(self.permits - missing);
        Err(AcquireError(()))
    }

    fn give_back(&self, n: usize) {
        // Fails only if `add_permits` has filled the semaphore to its limit meanwhile.
        let _is_possible = self.semaphore.give(n);
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        let Some(key) = self.key else {
            return;
        };
        let mut waiters = self.semaphore.waiters();
        let removed = waiters.remove(key);
        let received = self.permits - removed.data;
        if removed.waker.is_none() {
            drop(waiters);
            return self.give_back(received);
        }
        // `WAITING` is set, so this keeps it true or clears it.
        self.semaphore.distribute(received, waiters);
        drop(removed);
    }
}
