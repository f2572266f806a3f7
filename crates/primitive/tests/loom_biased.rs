//! Models of the biased lock: owner against remote thread, and a handoff between two owners.
#![cfg(reveille_loom)]

use reveille_watchdog as _;

use loom::sync::Arc;
use loom::thread;
use reveille_primitive::biased::{Biased, OwnerToken};

#[test]
fn owner_and_remote_thread_exclude_each_other() {
    loom::model(|| {
        let mut me = OwnerToken::unique();
        let lock = Arc::new(Biased::new(0));
        lock.give(Some(me.id()));
        let shared = Arc::clone(&lock);
        let remote = thread::spawn(move || shared.with(|value, _| *value += 1));
        *lock.enter(&mut me).expect("no thread takes it away") += 1;
        remote.join().unwrap();
        assert_eq!(*lock.enter(&mut me).expect("no thread takes it away"), 2);
    });
}

#[test]
fn a_former_owner_and_the_new_owner_exclude_each_other() {
    loom::model(|| {
        let mut me = OwnerToken::unique();
        let lock = Arc::new(Biased::new(0));
        lock.give(Some(me.id()));
        let shared = Arc::clone(&lock);
        let successor = thread::spawn(move || {
            let mut me = OwnerToken::unique();
            shared.give(Some(me.id()));
            *shared.enter(&mut me).expect("it was just given") += 1;
        });
        if let Some(mut value) = lock.enter(&mut me) {
            *value += 10;
        }
        successor.join().unwrap();
        assert!(lock.enter(&mut me).is_none());
        let value = lock.with(|value, _| *value);
        assert!(value == 1 || value == 11);
    });
}

#[test]
fn an_owner_that_gives_up_excludes_remote_threads_until_it_has_left() {
    loom::model(|| {
        let mut me = OwnerToken::unique();
        let lock = Arc::new(Biased::new(0));
        lock.give(Some(me.id()));
        let shared = Arc::clone(&lock);
        let remote = thread::spawn(move || {
            shared.with(|value, owner| {
                *value += 1;
                owner.is_some()
            })
        });
        *lock.enter(&mut me).expect("no thread takes it away") += 10;
        lock.give_up(&mut me);
        assert!(lock.enter(&mut me).is_none());
        let was_early = remote.join().unwrap();
        assert!(lock.enter(&mut me).is_none(), "a remote thread (early: {was_early}) gave it back");
        assert_eq!(lock.with(|value, _| *value), 11);
    });
}
