//! The greatest and the least item: `max`, `min` and their `_by` and `_by_key` forms.
//!
//! All six keep the best item so far and a [`Rule`] that says whether a new item replaces it. Of
//! equal items the first stays, as in async-std; std's `Iterator::max` keeps the last.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use super::consume::Consumer;

/// Which of two values is better.
pub trait Rule<T> {
    /// How `left` and `right` compare.
    fn compare(&mut self, left: &T, right: &T) -> Ordering;

    /// The order of a new item relative to the best so far that makes it win.
    const WINS: Ordering;
}

/// The least value wins.
#[derive(Clone, Copy, Debug)]
pub struct Least;

impl<T: Ord> Rule<T> for Least {
    const WINS: Ordering = Ordering::Less;

    fn compare(&mut self, left: &T, right: &T) -> Ordering {
        left.cmp(right)
    }
}

/// The greatest value wins.
#[derive(Clone, Copy, Debug)]
pub struct Greatest;

impl<T: Ord> Rule<T> for Greatest {
    const WINS: Ordering = Ordering::Greater;

    fn compare(&mut self, left: &T, right: &T) -> Ordering {
        left.cmp(right)
    }
}

/// The least value wins, as a closure compares.
#[derive(Clone, Copy, Debug)]
pub struct LeastBy<F>(pub(super) F);

impl<T, F: FnMut(&T, &T) -> Ordering> Rule<T> for LeastBy<F> {
    const WINS: Ordering = Ordering::Less;

    fn compare(&mut self, left: &T, right: &T) -> Ordering {
        (self.0)(left, right)
    }
}

/// The greatest value wins, as a closure compares.
#[derive(Clone, Copy, Debug)]
pub struct GreatestBy<F>(pub(super) F);

impl<T, F: FnMut(&T, &T) -> Ordering> Rule<T> for GreatestBy<F> {
    const WINS: Ordering = Ordering::Greater;

    fn compare(&mut self, left: &T, right: &T) -> Ordering {
        (self.0)(left, right)
    }
}

/// Finds the item that wins.
#[derive(Clone, Debug)]
pub struct Extreme<T, R> {
    best: Option<T>,
    rule: R,
}

impl<T, R> Extreme<T, R> {
    pub(super) fn new(rule: R) -> Extreme<T, R> {
        Extreme { best: None, rule }
    }
}

impl<T, R: Rule<T>> Consumer<T> for Extreme<T, R> {
    type Output = Option<T>;

    fn accept(&mut self, item: T) -> ControlFlow<Option<T>> {
        let wins = match &self.best {
            None => true,
            Some(best) => self.rule.compare(&item, best) == R::WINS,
        };
        if wins {
            self.best = Some(item);
        }
        ControlFlow::Continue(())
    }

    fn finish(&mut self) -> Option<T> {
        self.best.take()
    }
}

/// Finds the item whose key wins. The key of each item is computed once.
#[derive(Clone, Debug)]
pub struct KeyedExtreme<T, B, F, R> {
    best: Option<(B, T)>,
    key: F,
    rule: R,
}

impl<T, B, F, R> KeyedExtreme<T, B, F, R> {
    pub(super) fn new(key: F, rule: R) -> KeyedExtreme<T, B, F, R> {
        KeyedExtreme { best: None, key, rule }
    }
}

impl<T, B, F, R> Consumer<T> for KeyedExtreme<T, B, F, R>
where
    F: FnMut(&T) -> B,
    R: Rule<B>,
{
    type Output = Option<T>;

    fn accept(&mut self, item: T) -> ControlFlow<Option<T>> {
        let key = (self.key)(&item);
        let wins = match &self.best {
            None => true,
            Some((best, _)) => self.rule.compare(&key, best) == R::WINS,
        };
        if wins {
            self.best = Some((key, item));
        }
        ControlFlow::Continue(())
    }

    fn finish(&mut self) -> Option<T> {
        self.best.take().map(|(_, item)| item)
    }
}
