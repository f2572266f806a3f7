//! Models of the spin lock and its word, with two and with three threads.
#![cfg(reveille_loom)]

use reveille_watchdog as _;

use loom::sync::Arc;
use loom::thread;
use reveille_primitive::spin_lock::SpinLock;

fn increment(lock: &SpinLock<usize>) {
    let mut value = lock.lock();
    *value += 1;
    let word = value.word() + 2;
    value.set_word(word);
}

#[test]
fn two_threads_exclude_each_other_and_keep_the_word() {
    loom::model(|| {
        let lock = Arc::new(SpinLock::new(0));
        let other = thread::spawn({
            let lock = Arc::clone(&lock);
            move || (0..2).for_each(|_| increment(&lock))
        });
        increment(&lock);
        other.join().unwrap();
        let value = lock.lock();
        assert_eq!((*value, value.word()), (3, 6));
    });
}

#[test]
fn three_threads_exclude_each_other() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let lock = Arc::new(SpinLock::new(0));
        let others = [(); 2].map(|()| {
            let lock = Arc::clone(&lock);
            thread::spawn(move || increment(&lock))
        });
        increment(&lock);
        for other in others {
            other.join().unwrap();
        }
        let value = lock.lock();
        assert_eq!((*value, value.word()), (3, 6));
    });
}
