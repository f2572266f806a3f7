//! The guards of a `Semaphore`, which give their permits back when they are dropped.

use std::fmt;
use std::sync::Arc;

use super::semaphore::Semaphore;

macro_rules! permit {
    ($name:ident $(<$lifetime:lifetime>)?, $semaphore:ty, $shown:ty, $doc:expr, $get:literal) => {
        #[doc = $doc]
        ///
        /// # Examples
        ///
        /// ```
        /// use reveille::sync::{Arc, Semaphore};
        ///
        /// let permits = Arc::new(Semaphore::new(1));
        #[doc = concat!("let permit = ", $get, ".unwrap();")]
        /// drop(permit);
        /// assert_eq!(permits.available_permits(), 1);
        /// ```
        #[must_use = "dropping it gives the permits back"]
        pub struct $name $(<$lifetime>)? {
            semaphore: $semaphore,
            permits: usize,
        }

        impl $(<$lifetime>)? $name $(<$lifetime>)? {
            pub(super) fn new(semaphore: $semaphore, permits: usize) -> Self {
                Self { semaphore, permits }
            }

            /// Returns the number of permits that this guard holds.
            ///
            /// # Examples
            ///
            /// ```
            /// use reveille::sync::Semaphore;
            ///
            /// let permits = Semaphore::new(3);
            /// assert_eq!(permits.try_acquire_many(3).unwrap().num_permits(), 3);
            /// ```
            pub fn num_permits(&self) -> usize {
                self.permits
            }

            /// Keeps the permits permanently: from now on the semaphore has fewer.
            ///
            /// # Examples
            ///
            /// ```
            /// use reveille::sync::Semaphore;
            ///
            /// let permits = Semaphore::new(3);
            /// permits.try_acquire().unwrap().forget();
            /// assert_eq!(permits.available_permits(), 2);
            /// ```
            pub fn forget(mut self) {
                self.permits = 0;
            }

            /// Takes over the permits of another guard of the same semaphore.
            ///
            /// # Panics
            ///
            /// Panics if `other` is of another semaphore.
            ///
            /// # Examples
            ///
            /// ```
            /// use reveille::sync::Semaphore;
            ///
            /// let permits = Semaphore::new(3);
            /// let mut all = permits.try_acquire().unwrap();
            /// all.merge(permits.try_acquire_many(2).unwrap());
            /// assert_eq!(all.num_permits(), 3);
            /// ```
            #[track_caller]
            pub fn merge(&mut self, mut other: Self) {
                let (ours, theirs): (&Semaphore, &Semaphore) = (&self.semaphore, &other.semaphore);
                assert!(std::ptr::eq(ours, theirs), "the permits are of two semaphores");
                self.permits += std::mem::take(&mut other.permits);
            }

            /// Moves `n` permits into a guard of their own. `None` if this one has fewer.
            ///
            /// # Examples
            ///
            /// ```
            /// use reveille::sync::Semaphore;
            ///
            /// let permits = Semaphore::new(3);
            /// let mut all = permits.try_acquire_many(3).unwrap();
            /// drop(all.split(2));
            /// assert_eq!((all.num_permits(), permits.available_permits()), (1, 2));
            /// assert!(all.split(2).is_none());
            /// ```
            pub fn split(&mut self, n: usize) -> Option<Self> {
                self.permits = self.permits.checked_sub(n)?;
                Some(Self { semaphore: self.semaphore.clone(), permits: n })
            }

            /// Returns the semaphore.
            ///
            /// # Examples
            ///
            /// ```
            /// use reveille::sync::Semaphore;
            ///
            /// let permits = Semaphore::new(3);
            /// let permit = permits.try_acquire().unwrap();
            /// assert_eq!(permit.semaphore().available_permits(), 2);
            /// ```
            pub fn semaphore(&self) -> &$shown {
                &self.semaphore
            }
        }

        impl $(<$lifetime>)? Drop for $name $(<$lifetime>)? {
            fn drop(&mut self) {
                if self.permits > 0 {
                    // Fails only if `add_permits` has filled the semaphore to its limit meanwhile.
                    let _is_possible = self.semaphore.give(self.permits);
                }
            }
        }

        impl $(<$lifetime>)? fmt::Debug for $name $(<$lifetime>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("permits", &self.permits)
                    .finish_non_exhaustive()
            }
        }
    };
}

permit!(
    SemaphorePermit<'a>,
    &'a Semaphore,
    Semaphore,
    "Permits of a [`Semaphore`], which go back to it when this is dropped.",
    "permits.try_acquire()"
);
permit!(
    OwnedSemaphorePermit,
    Arc<Semaphore>,
    Arc<Semaphore>,
    "Like [`SemaphorePermit`], but owns its semaphore, so that it can move into a task.",
    "Arc::clone(&permits).try_acquire_owned()"
);
