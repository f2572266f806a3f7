//! Values that belong to one task each.

use std::any::Any;
use std::error::Error;
use std::fmt;

/// Declares task-local values, as [`thread_local!`] declares thread-local ones.
///
/// A value is created when its task first accesses it, and dropped with the task's future. Spawned
/// tasks do not inherit values.
///
/// # Examples
///
/// ```
/// use reveille::task;
/// use std::cell::Cell;
///
/// reveille::task_local! {
///     static COUNT: Cell<u32> = Cell::new(1);
/// }
///
/// task::block_on(async {
///     COUNT.with(|count| count.set(2));
///     let other = task::spawn(async { COUNT.with(Cell::get) });
///     assert_eq!(other.await, 1);
///     assert_eq!(COUNT.with(Cell::get), 2);
/// });
/// ```
#[macro_export]
macro_rules! task_local {
    () => ();

    ($(#[$attr:meta])* $vis:vis static $name:ident: $type:ty = $init:expr) => (
        $(#[$attr])*
        $vis static $name: $crate::task::LocalKey<$type> = {
            #[inline]
            fn __init() -> $type {
                $init
            }

            $crate::task::LocalKey { __init }
        };
    );

    ($(#[$attr:meta])* $vis:vis static $name:ident: $type:ty = $init:expr, $($rest:tt)*) => (
        $crate::task_local!($(#[$attr])* $vis static $name: $type = $init);
        $crate::task_local!($($rest)*);
    );

    ($(#[$attr:meta])* $vis:vis static $name:ident: $type:ty = $init:expr; $($rest:tt)*) => (
        $crate::task_local!($(#[$attr])* $vis static $name: $type = $init);
        $crate::task_local!($($rest)*);
    );
}

/// The key of a task-local value. Created by [`task_local!`](crate::task_local).
///
/// # Examples
///
/// ```
/// use reveille::task;
///
/// reveille::task_local! {
///     static GREETING: String = "hello".to_string();
/// }
///
/// task::block_on(async {
///     assert_eq!(GREETING.with(|greeting| greeting.len()), 5);
/// });
/// assert!(GREETING.try_with(|_| ()).is_err());
/// ```
pub struct LocalKey<T: Send + 'static> {
    /// For the macro only.
    #[doc(hidden)]
    pub __init: fn() -> T,
}

impl<T: Send + 'static> LocalKey<T> {
    /// Calls `f` with the current task's value. The first call creates the value.
    ///
    /// # Panics
    ///
    /// Panics outside a task, and while the task's values are being dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reveille::task;
    /// reveille::task_local! {
    ///     static NUMBER: u32 = 7;
    /// }
    /// task::block_on(async { assert_eq!(NUMBER.with(|n| *n), 7) });
    /// ```
    pub fn with<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&T) -> R,
    {
        self.try_with(f).expect("`LocalKey::with` called outside the context of a task")
    }

    /// Calls `f` with the current task's value, if there is one.
    ///
    /// # Errors
    ///
    /// [`AccessError`] outside a task, and while the task's values are being dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// reveille::task_local! {
    ///     static NUMBER: u32 = 7;
    /// }
    /// assert!(NUMBER.try_with(|n| *n).is_err());
    /// ```
    pub fn try_with<F, R>(&'static self, f: F) -> Result<R, AccessError>
    where
        F: FnOnce(&T) -> R,
    {
        // The key is a static, so its address identifies it.
        let key = std::ptr::from_ref(self).addr();
        let init = || -> Box<dyn Any + Send> { Box::new((self.__init)()) };
        let read = |value: &(dyn Any + Send)| {
            f(value.downcast_ref().expect("the value was made by the same key"))
        };
        reveille_runtime::task::with_local(key, init, read).ok_or(AccessError { _private: () })
    }
}

impl<T: fmt::Debug + Send + 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

/// The error of [`LocalKey::try_with`]: there is no current task, or its values are being dropped.
///
/// Its text is `already destroyed or called outside the context of a task`.
///
/// # Examples
///
/// ```
/// reveille::task_local! {
///     static NUMBER: u32 = 7;
/// }
/// let error = NUMBER.try_with(|n| *n).unwrap_err();
/// assert!(error.to_string().contains("task"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AccessError {
    _private: (),
}

impl fmt::Debug for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessError").finish()
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("already destroyed or called outside the context of a task")
    }
}

impl Error for AccessError {}
