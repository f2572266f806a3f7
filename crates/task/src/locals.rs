//! Task-locals: a small map of values that are dropped right after the future.
//!
//! Values are boxed, so a reference to one stays valid when others are inserted: initialisers and
//! readers may use other task-locals. The map is never borrowed while user code runs. It is a
//! sorted vector, because a task has a handful of locals at most.

use std::any::Any;
use std::fmt;
use std::mem;

use reveille_primitive::cell::UnsafeCell;

use crate::unwind::aborting;

/// A value and its key, which stands for the static that declares it.
struct LocalEntry {
    key: usize,
    value: Box<dyn Any + Send>,
}

enum Map {
    Alive(Vec<LocalEntry>),
    /// The future has been dropped. Destructors that access a value find no value.
    Destroyed,
}

/// The task-locals of one task. Not `Sync`: only the thread that polls may access them.
pub struct Locals {
    map: UnsafeCell<Map>,
}

impl Locals {
    pub(crate) fn new() -> Locals {
        Locals { map: UnsafeCell::new(Map::Alive(Vec::new())) }
    }

    /// Calls `read` with the value of `key`. If there is no value yet, `init` makes it.
    ///
    /// Returns `None` without calling either closure if the values have been or are being
    /// destroyed. Both closures may use other task-locals. If `init` itself creates the value of
    /// `key`, that value stays, and the value that `init` returns is dropped.
    pub fn with<R>(
        &self,
        key: usize,
        init: impl FnOnce() -> Box<dyn Any + Send>,
        read: impl FnOnce(&(dyn Any + Send)) -> R,
    ) -> Option<R> {
        let value = match self.find(key)? {
            Some(value) => value,
            None => self.insert(key, init())?,
        };
        // SAFETY: the value is boxed and its entry is never replaced. Only `clear` removes entries,
        // and this thread calls it after the poll in which `read` runs.
        Some(read(unsafe { &*value }))
    }

    /// A pointer to the value of `key`. The outer `None` means that the values have been destroyed.
    fn find(&self, key: usize) -> Option<Option<*const (dyn Any + Send)>> {
        self.map.with(|map| {
            // SAFETY: this type is not `Sync`, no borrow of the map outlives its closure, and the
            // closures call no user code. So this is the only borrow.
            let Map::Alive(entries) = (unsafe { &*map }) else { return None };
            let found = entries.binary_search_by_key(&key, |entry| entry.key);
            Some(found.ok().map(|index| &raw const *entries[index].value))
        })
    }

    /// Inserts `value` unless `key` already has a value, and returns a pointer to the value of
    /// `key`.
    fn insert(&self, key: usize, value: Box<dyn Any + Send>) -> Option<*const (dyn Any + Send)> {
        let mut unwanted = Some(value);
        let stays = self.map.with_mut(|map| {
            // SAFETY: this is the only borrow, as in `find`.
            let Map::Alive(entries) = (unsafe { &mut *map }) else { return None };
            let index = match entries.binary_search_by_key(&key, |entry| entry.key) {
                Ok(index) => index,
                Err(index) => {
                    entries.extend(unwanted.take().map(|value| LocalEntry { key, value }));
                    entries[index..].rotate_right(1);
                    index
                }
            };
            Some(&raw const *entries[index].value)
        });
        // User code: the borrow has ended.
        drop(unwanted);
        stays
    }

    /// Drops all values in the order of their keys. Aborts the process if a drop panics.
    pub(crate) fn clear(&self) {
        let map = self.map.with_mut(|map| {
            // SAFETY: this is the only borrow, as in `find`.
            mem::replace(unsafe { &mut *map }, Map::Destroyed)
        });
        if let Map::Alive(entries) = map {
            reveille_primitive::lock::assert_none_held("the drop of a task-local");
            aborting(|| drop(entries));
        }
    }
}

impl fmt::Debug for Locals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locals").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use std::rc::Rc;

    use super::*;

    fn number(locals: &Locals, key: usize, value: u32) -> Option<u32> {
        locals.with(
            key,
            || Box::new(value),
            |value| *value.downcast_ref::<u32>().expect("every value here is a number"),
        )
    }

    #[test]
    fn the_first_value_of_a_key_stays() {
        let locals = Locals::new();
        for key in [5, 1, 3, 4, 2] {
            assert_eq!(number(&locals, key, key as u32), Some(key as u32));
            assert_eq!(number(&locals, key, 99), Some(key as u32));
        }
        for key in 1..=5 {
            assert_eq!(number(&locals, key, 99), Some(key as u32));
        }
    }

    #[test]
    fn an_initialiser_may_use_other_values_and_even_its_own() {
        let locals = Locals::new();
        let outer = locals.with(
            1,
            || {
                assert_eq!(number(&locals, 2, 20), Some(20));
                assert_eq!(number(&locals, 1, 10), Some(10));
                Box::new(11u32)
            },
            |value| *value.downcast_ref::<u32>().expect("every value here is a number"),
        );
        assert_eq!(outer, Some(10));
    }

    #[test]
    fn a_destructor_finds_no_task_locals() {
        struct ReadsOnDrop(usize);
        impl Drop for ReadsOnDrop {
            fn drop(&mut self) {
                // SAFETY: the test keeps the map alive until its values are dropped.
                let locals = unsafe { &*std::ptr::with_exposed_provenance::<Locals>(self.0) };
                assert_eq!(number(locals, 7, 7), None);
            }
        }
        let locals = Rc::new(Locals::new());
        let address = Rc::as_ptr(&locals).expose_provenance();
        locals.with(1, || Box::new(ReadsOnDrop(address)), |_| ());
        locals.clear();
        assert_eq!(number(&locals, 1, 1), None);
    }
}
