//! An `UnsafeCell` whose accesses loom can track.

/// A cell that is accessed through closures, so that loom sees where an access begins and ends.
#[derive(Debug, Default)]
pub struct UnsafeCell<T: ?Sized> {
    #[cfg(not(reveille_loom))]
    cell: std::cell::UnsafeCell<T>,
    #[cfg(reveille_loom)]
    cell: loom::cell::UnsafeCell<T>,
}

impl<T> UnsafeCell<T> {
    /// Wraps `value`.
    #[cfg(not(reveille_loom))]
    pub const fn new(value: T) -> UnsafeCell<T> {
        UnsafeCell { cell: std::cell::UnsafeCell::new(value) }
    }

    /// Wraps `value`.
    #[cfg(reveille_loom)]
    pub fn new(value: T) -> UnsafeCell<T> {
        UnsafeCell { cell: loom::cell::UnsafeCell::new(value) }
    }

    /// Unwraps the value.
    pub fn into_inner(self) -> T {
        self.cell.into_inner()
    }
}

impl<T: ?Sized> UnsafeCell<T> {
    /// Passes `access` a pointer for reading. The caller must ensure that it may be dereferenced.
    #[inline(always)]
    pub fn with<R>(&self, access: impl FnOnce(*const T) -> R) -> R {
        #[cfg(not(reveille_loom))]
        return access(self.cell.get());
        #[cfg(reveille_loom)]
        return self.cell.with(access);
    }

    /// Passes `access` a pointer for writing. The caller must ensure that it may be dereferenced.
    #[inline(always)]
    pub fn with_mut<R>(&self, access: impl FnOnce(*mut T) -> R) -> R {
        #[cfg(not(reveille_loom))]
        return access(self.cell.get());
        #[cfg(reveille_loom)]
        return self.cell.with_mut(access);
    }
}
