//! Task-locals: a small map of values that live and die with the future.
//!
//! Values are boxed, so a reference to one survives the insertion of others: initialisers and
//! readers may use further task-locals. No borrow of the map is alive while user code runs. A
//! sorted vector, because a task has a handful of them at most.

use std::any::Any;
use std::fmt;
use std::mem;

use reveille_primitive::cell::UnsafeCell;

use crate::unwind::aborting;

/// A value, under the key of the static that declares it.
struct LocalEntry {
    key: usize,
    value: Box<dyn Any + Send>,
}

enum Map {
    Alive(Vec<LocalEntry>),
    /// The future is gone. Destructors that still access a value find no value.
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

    /// Calls `read` with the value of `key`, which `init` makes if there is none yet.
    ///
    /// Returns `None`, having called neither, once the values are being destroyed. Both closures
    /// may use other task-locals. If `init` itself creates the value of `key`, that value stays and
    /// the one that `init` returns is dropped.
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
        // SAFETY: the value is boxed, entries are never replaced, and they are removed only by
        // `clear`, which the thread that runs `read` calls after the poll it is part of.
        Some(read(unsafe { &*value }))
    }

    /// A pointer to the value of `key`. The outer `None` means that the values are destroyed.
    fn find(&self, key: usize) -> Option<Option<*const (dyn Any + Send)>> {
        self.map.with(|map| {
            // SAFETY: this type is not Sync and no borrow of the map outlives its closure, none of
            // which calls user code: this is the only borrow.
            let Map::Alive(entries) = (unsafe { &*map }) else { return None };
            let found = entries.binary_search_by_key(&key, |entry| entry.key);
            Some(found.ok().map(|index| &raw const *entries[index].value))
        })
    }

    /// Adds `value` unless `key` has one by now, and returns the one that stays.
    fn insert(&self, key: usize, value: Box<dyn Any + Send>) -> Option<*const (dyn Any + Send)> {
        let mut unwanted = Some(value);
        let stays = self.map.with_mut(|map| {
            // SAFETY: as in `find`.
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

    /// Drops every value, in the order of their keys. Aborts the process if one panics.
    pub(crate) fn clear(&self) {
        let map = self.map.with_mut(|map| {
            // SAFETY: as in `find`.
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
    fn destructors_find_nothing() {
        struct AsksAgain(usize);
        impl Drop for AsksAgain {
            fn drop(&mut self) {
                // SAFETY: the test keeps the map alive until its values are dropped.
                let locals = unsafe { &*std::ptr::with_exposed_provenance::<Locals>(self.0) };
                assert_eq!(number(locals, 7, 7), None);
            }
        }
        let locals = Rc::new(Locals::new());
        let address = Rc::as_ptr(&locals).expose_provenance();
        locals.with(1, || Box::new(AsksAgain(address)), |_| ());
        locals.clear();
        assert_eq!(number(&locals, 1, 1), None);
    }
}
