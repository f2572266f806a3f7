//! Point 5: `block_on`.

use std::cell::Cell;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use async_std::task::{self, block_on};

#[test]
fn point_05_futures_may_borrow_and_need_not_be_send() {
    let text = String::from("borrowed");
    let shared = Rc::new(Cell::new(0));
    let length = block_on(async {
        task::yield_now().await;
        shared.set(shared.get() + 1);
        text.len()
    });
    assert_eq!((length, shared.get()), (8, 1));
}

#[test]
fn point_05_local_tasks_run_on_this_thread_while_it_blocks() {
    let thread = std::thread::current().id();
    block_on(async {
        let (sender, receiver) = async_std::channel::bounded(1);
        task::spawn_local(async move {
            sender.send(std::thread::current().id()).await.unwrap();
        });
        assert_eq!(receiver.recv().await, Ok(thread));
    });
}

#[test]
fn point_05_global_tasks_never_run_on_the_blocked_thread() {
    let threads = block_on(async {
        let mut threads = HashSet::new();
        let tasks: Vec<_> = (0..500)
            .map(|_| {
                task::spawn(async {
                    let before = std::thread::current().id();
                    task::yield_now().await;
                    [before, std::thread::current().id()]
                })
            })
            .collect();
        for task in tasks {
            threads.extend(task.await);
        }
        threads
    });
    assert!(!threads.contains(&std::thread::current().id()));
}

#[test]
fn point_05_sockets_and_timers_work_inside() {
    use async_std::net::UdpSocket;
    block_on(async {
        task::sleep(Duration::from_millis(2)).await;
        let (one, two) = (
            UdpSocket::bind("127.0.0.1:0").await.unwrap(),
            UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        );
        let address = two.local_addr().unwrap();
        let send = task::spawn_local(async move {
            task::sleep(Duration::from_millis(2)).await;
            one.send_to(b"datagram", address).await.unwrap();
        });
        let mut buffer = [0; 16];
        let (count, _) = two.recv_from(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..count], b"datagram");
        send.await;
    });
}

#[test]
fn point_05_calls_nest() {
    let nested = block_on(async {
        let inner = block_on(async {
            task::sleep(Duration::from_millis(1)).await;
            1 + block_on(async { 2 })
        });
        task::yield_now().await;
        inner + 4
    });
    assert_eq!(nested, 7);
    let in_a_task = task::spawn(async { block_on(async { task::spawn(async { 8 }).await }) });
    assert_eq!(block_on(in_a_task), 8);
    let in_a_closure = task::spawn_blocking(|| block_on(async { task::spawn(async { 9 }).await }));
    assert_eq!(block_on(in_a_closure), 9);
}

#[test]
fn point_05_each_call_is_a_task_with_its_own_id_and_locals() {
    async_std::task_local! {
        static COUNT: Cell<u32> = Cell::new(0);
    }
    let count = || {
        COUNT.with(|count| count.set(count.get() + 1));
        COUNT.with(Cell::get)
    };
    block_on(async {
        let outer = task::current().id();
        assert_eq!((count(), count()), (1, 2));
        let inner = block_on(async {
            assert_eq!(count(), 1, "the inner call has its own");
            task::current().id()
        });
        assert_ne!(outer, inner);
        assert_eq!(task::current().id(), outer, "the outer call is the current one again");
        assert_eq!(count(), 3);
    });
    block_on(async { assert_eq!(count(), 1) });
    let named = task::Builder::new().name("named".to_string());
    assert_eq!(named.blocking(async { task::current().name().map(str::len) }), Some(5));
}
