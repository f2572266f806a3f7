//! Models of the run queue: each task is taken once, by the owner or by a thief.
#![cfg(reveille_loom)]
#![expect(dead_code, reason = "the file is included whole, and a model uses a part of it")]

use reveille_watchdog as _;

#[path = "../src/scheduler/multi/queue.rs"]
mod queue;

use std::any::Any;

use loom::sync::Arc;
use loom::thread;
use queue::{CAPACITY, Queue};
use reveille_task::{Cause, Kept, Options, Runnable, Schedule, TaskRef};

/// An executor for tasks that are never woken.
#[derive(Clone)]
struct NeverWoken;

impl Schedule for NeverWoken {
    fn schedule(&self, _: Runnable, _: Cause) {}
    fn completed(&self, _: TaskRef<'_>) -> Option<Kept> {
        None
    }
    fn unhandled_panic(&self, _: TaskRef<'_>, _: Box<dyn Any + Send>) {}
}

fn task(number: u32) -> Runnable {
    let (task, _, mut kept) = reveille_task::spawn_kept(async {}, NeverWoken, Options::default());
    kept.set_slot(number);
    task
}

fn number(task: Runnable) -> u32 {
    let number = task.as_task().owned_slot();
    drop(task);
    number
}

/// Pushes `count` tasks, numbered from `first`.
fn push(queue: &Queue, owner: &mut queue::Ownership, first: u32, count: u32) {
    (first..first + count).for_each(|n| {
        queue.push(owner, task(n));
    });
}

/// Starts a thread that steals once and returns the numbers of the stolen tasks.
fn start_thief(queue: &Arc<Queue>) -> thread::JoinHandle<Vec<u32>> {
    let queue = Arc::clone(queue);
    thread::spawn(move || {
        let mut stolen = Vec::new();
        queue.steal(&mut stolen);
        stolen.into_iter().map(number).collect()
    })
}

#[test]
fn a_task_is_popped_or_stolen_once() {
    loom::model(|| {
        let (queue, mut owner) = Queue::new();
        let queue = Arc::new(queue);
        push(&queue, &mut owner, 0, 2);
        let mut seen = Vec::new();
        let thief = start_thief(&queue);
        seen.extend(queue.pop(&mut owner).map(number));
        push(&queue, &mut owner, 2, 1);
        seen.extend(std::iter::from_fn(|| queue.pop(&mut owner)).map(number));
        seen.extend(thief.join().unwrap());
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2]);
    });
}

#[test]
fn a_full_ring_overflows_without_loss_during_a_steal() {
    loom::model(|| {
        let (queue, mut owner) = Queue::new();
        let queue = Arc::new(queue);
        let capacity = CAPACITY as u32;
        push(&queue, &mut owner, 0, capacity);
        let mut seen = Vec::new();
        let thief = start_thief(&queue);
        push(&queue, &mut owner, capacity, 2);
        let own: Vec<_> = std::iter::from_fn(|| queue.pop(&mut owner)).map(number).collect();
        assert!(own.is_sorted(), "the backlog keeps the order: {own:?}");
        seen.extend(own);
        seen.extend(thief.join().unwrap());
        seen.sort_unstable();
        assert_eq!(seen, (0..capacity + 2).collect::<Vec<_>>());
    });
}

#[test]
fn two_thieves_take_no_task_twice() {
    loom::model(|| {
        let (queue, mut owner) = Queue::new();
        let queue = Arc::new(queue);
        push(&queue, &mut owner, 0, 3);
        let mut seen = Vec::new();
        let thieves = [(); 2].map(|()| start_thief(&queue));
        for thief in thieves {
            seen.extend(thief.join().unwrap());
        }
        seen.extend(std::iter::from_fn(|| queue.pop(&mut owner)).map(number));
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2]);
    });
}

#[test]
fn a_batch_pushed_during_a_steal_is_taken_once_and_in_order() {
    loom::model(|| {
        let (queue, mut owner) = Queue::new();
        let queue = Arc::new(queue);
        push(&queue, &mut owner, 0, 2);
        let thief = start_thief(&queue);
        let last = CAPACITY as u32 + 2;
        let overflow =
            queue.push_batch(&mut owner, (2..last).collect::<Vec<_>>().into_iter().map(task));
        assert!(overflow <= 2, "room that a thief has made is used");
        let own: Vec<_> = std::iter::from_fn(|| queue.pop(&mut owner)).map(number).collect();
        assert!(own.is_sorted(), "the backlog keeps the order: {own:?}");
        let mut seen = own;
        seen.extend(thief.join().unwrap());
        seen.sort_unstable();
        assert_eq!(seen, (0..last).collect::<Vec<_>>());
    });
}

/// The head is then at the same slot of the ring as when the thief read it, one round later.
#[test]
fn a_thief_that_is_preempted_for_a_round_of_the_ring_takes_no_task_twice() {
    loom::model(|| {
        let (queue, mut owner) = Queue::new();
        let queue = Arc::new(queue);
        push(&queue, &mut owner, 0, 1);
        let mut seen = Vec::new();
        let thief = start_thief(&queue);
        let last = CAPACITY as u32;
        for next in 1..=last {
            seen.extend(queue.pop(&mut owner).map(number));
            push(&queue, &mut owner, next, 1);
        }
        seen.extend(std::iter::from_fn(|| queue.pop(&mut owner)).map(number));
        seen.extend(thief.join().unwrap());
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..=last));
    });
}
