//! The await stacks of futures without support for dumps. Each test also shows that the tasks
//! continue.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, select};
use futures_util::stream::FuturesUnordered;
use reveille::io::{ReadExt, WriteExt};
use reveille::net::{TcpListener, TcpStream};
use reveille::observe::{self, Dump, Frame, TaskDump, TaskState, WaitFor};
use reveille::prelude::ConcurrentExt as _;
use reveille::stream::StreamExt as _;
use reveille::sync::Mutex;
use reveille::task::{self, JoinHandle};
use reveille::{channel, future, stream};

use crate::again::{child, is_child};
use crate::names;

pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    future: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    task::Builder::new().name(name.to_owned()).spawn(future).unwrap()
}

pub(crate) fn find<'a>(dump: &'a Dump, name: &str) -> Option<&'a TaskDump> {
    dump.tasks().iter().find(|task| task.name.as_deref() == Some(name))
}

/// Takes dumps until the task of this name waits.
pub(crate) async fn dump_of_waiting(name: &str) -> Dump {
    loop {
        let dump = task::spawn_blocking(observe::dump).await;
        if find(&dump, name).is_some_and(|task| task.state == TaskState::Waiting) {
            return dump;
        }
        task::sleep(Duration::from_millis(2)).await;
    }
}

/// The functions of this file in each stack of a task, innermost first, with their lines.
fn own_frames(dump: &Dump, name: &str) -> Vec<Vec<(String, u32)>> {
    let task = find(dump, name).unwrap();
    let mut stacks = Vec::new();
    for stack in dump.stacks(task) {
        stacks.push(stack.iter().filter_map(own_frame).collect());
    }
    stacks.sort();
    stacks
}

/// The function and the line of a frame, if it is one of this file.
fn own_frame(frame: &Frame) -> Option<(String, u32)> {
    let place = frame.place.as_deref()?;
    let place = place.replace('\\', "/");
    let (_, position) = place.split_once("observe/stacks.rs:")?;
    let line = position.split(':').next().unwrap().parse().unwrap();
    // With line tables alone a function has no path, and an `async fn` has no name.
    let function = if names::have_paths() {
        let path = frame.function.split("stacks::").nth(1);
        path.map(|path| path.split("::").next().unwrap().to_owned())
    } else {
        function_at(line)
    };
    Some((function.unwrap_or_default(), line))
}

/// The function that awaits in this line.
fn function_at(line: u32) -> Option<String> {
    let functions = [
        (LOCK, "lock"),
        (OUTER_LOCK, "outer_lock"),
        (SEND, "send"),
        (RECEIVE, "receive"),
        (BOXED, "boxed"),
        (READ, "echo_once"),
    ];
    let found = functions.iter().find(|(at, _)| *at == line);
    found.map(|(_, function)| (*function).to_owned())
}

fn frames(expected: &[(&str, u32)]) -> Vec<(String, u32)> {
    expected.iter().map(|&(function, line)| (function.to_owned(), line)).collect()
}

const LOCK: u32 = line!() + 2;
async fn lock(mutex: Arc<Mutex<u32>>) -> u32 {
    *mutex.lock().await
}

const OUTER_LOCK: u32 = line!() + 2;
async fn outer_lock(mutex: Arc<Mutex<u32>>) -> u32 {
    lock(mutex).await
}

const SEND: u32 = line!() + 3;
async fn send(sender: channel::Sender<u32>) {
    for number in 0..3 {
        sender.send(number).await.unwrap();
    }
}

const RECEIVE: u32 = line!() + 2;
async fn receive(receiver: channel::Receiver<u32>) -> u32 {
    receiver.recv().await.unwrap()
}

const BOXED: u32 = line!() + 6;
fn boxed(
    depth: u32,
    receiver: channel::Receiver<u32>,
) -> Pin<Box<dyn Future<Output = u32> + Send>> {
    Box::pin(async move {
        if depth == 0 { receive(receiver).await } else { boxed(depth - 1, receiver).await }
    })
}

#[reveille::test]
async fn an_await_of_a_lock_has_each_function_and_line() {
    let mutex = Arc::new(Mutex::new(7));
    let guard = mutex.lock().await;
    let waiting = spawn("stack of a lock", outer_lock(Arc::clone(&mutex)));
    let dump = dump_of_waiting("stack of a lock").await;
    let expected = frames(&[("lock", LOCK), ("outer_lock", OUTER_LOCK)]);
    assert_eq!(own_frames(&dump, "stack of a lock"), [expected]);
    assert_eq!(find(&dump, "stack of a lock").unwrap().spawned_at.unwrap().file(), file!());
    drop(guard);
    assert_eq!(waiting.await, 7);
}

#[reveille::test]
async fn a_full_channel_and_an_empty_one_are_seen_and_continue() {
    let (sender, receiver) = channel::bounded(1);
    let sending = spawn("stack of a send", send(sender));
    let dump = dump_of_waiting("stack of a send").await;
    assert_eq!(own_frames(&dump, "stack of a send"), [frames(&[("send", SEND)])]);
    for number in 0..3 {
        assert_eq!(receiver.recv().await, Ok(number));
    }
    sending.await;

    let (sender, receiver) = channel::bounded(1);
    let receiving = spawn("stack of a receive", receive(receiver));
    let dump = dump_of_waiting("stack of a receive").await;
    assert_eq!(own_frames(&dump, "stack of a receive"), [frames(&[("receive", RECEIVE)])]);
    sender.send(5).await.unwrap();
    assert_eq!(receiving.await, 5);
}

#[reveille::test]
async fn both_sides_of_a_join_and_of_a_select_are_seen() {
    let mutex = Arc::new(Mutex::new(1));
    let guard = mutex.lock().await;
    let (sender, receiver) = channel::bounded(1);
    let joined = join(lock(Arc::clone(&mutex)), receive(receiver.clone()));
    let joining = spawn("stack of a join", joined);
    let dump = dump_of_waiting("stack of a join").await;
    let both = [frames(&[("lock", LOCK)]), frames(&[("receive", RECEIVE)])];
    assert_eq!(own_frames(&dump, "stack of a join"), both);

    let selecting = spawn("stack of a select", {
        let (left, right) = (lock(Arc::clone(&mutex)), receive(receiver));
        async move { select(Box::pin(left), Box::pin(right)).await.factor_first().0 }
    });
    let dump = dump_of_waiting("stack of a select").await;
    let stacks = own_frames(&dump, "stack of a select");
    assert_eq!(stacks.len(), 2, "{stacks:?}");
    assert_eq!([&stacks[0][0].0, &stacks[1][0].0], ["lock", "receive"]);

    sender.send(2).await.unwrap();
    drop(guard);
    // The other one may need a message, too, or have ended by the lock.
    let _ = sender.send(2).await;
    assert_eq!(joining.await, (1, 2));
    assert!([1, 2].contains(&selecting.await));
}

#[reveille::test]
async fn a_recursion_of_boxes_has_each_level() {
    let (sender, receiver) = channel::bounded(1);
    let waiting = spawn("stack of boxes", boxed(2, receiver));
    let dump = dump_of_waiting("stack of boxes").await;
    let level = ("boxed", BOXED);
    let expected = frames(&[("receive", RECEIVE), level, level, level]);
    assert_eq!(own_frames(&dump, "stack of boxes"), [expected]);
    sender.send(9).await.unwrap();
    assert_eq!(waiting.await, 9);
}

/// How often each function occurs as the innermost one.
fn leaves(dump: &Dump, name: &str) -> Vec<String> {
    let stacks = own_frames(dump, name);
    let mut leaves: Vec<_> =
        stacks.into_iter().filter_map(|s| Some(s.first()?.0.clone())).collect();
    leaves.sort();
    leaves.dedup();
    leaves
}

#[reveille::test]
async fn members_of_own_groups_are_seen_though_nothing_woke_them() {
    let mutex = Arc::new(Mutex::new(3));
    let guard = mutex.lock().await;
    let (sender, receiver) = channel::bounded(1);

    let all: Vec<Pin<Box<dyn Future<Output = u32> + Send>>> =
        vec![Box::pin(lock(Arc::clone(&mutex))), Box::pin(receive(receiver.clone()))];
    let all = spawn("stack of join_all", future::join_all(all));
    let concurrent = {
        let (mutex, receiver) = (Arc::clone(&mutex), receiver.clone());
        spawn("stack of for_each_concurrent", async move {
            let each = |n: u32| {
                let (mutex, receiver) = (Arc::clone(&mutex), receiver.clone());
                async move {
                    _ = if n == 0 { lock(mutex).await } else { receive(receiver).await };
                }
            };
            stream::from_iter([0, 1]).for_each_concurrent(2, each).await;
        })
    };
    let scope = {
        let (mutex, receiver) = (Arc::clone(&mutex), receiver.clone());
        spawn("stack of a scope", async move {
            future::scope(async |s| {
                s.spawn(lock(mutex));
                receive(receiver).await
            })
            .await
        })
    };
    for name in ["stack of join_all", "stack of for_each_concurrent", "stack of a scope"] {
        // A task that polled none of its members yet also counts as waiting.
        loop {
            let dump = dump_of_waiting(name).await;
            let leaves = leaves(&dump, name);
            if ["lock", "receive"].iter().all(|leaf| leaves.iter().any(|own| own == leaf)) {
                break;
            }
        }
    }
    drop(guard);
    for _ in 0..3 {
        sender.send(4).await.unwrap();
    }
    assert_eq!(all.await, [3, 4]);
    concurrent.await;
    assert_eq!(scope.await, 4);
}

#[reveille::test]
async fn the_await_of_futures_unordered_is_seen_and_its_members_continue() {
    let (sender, receiver) = channel::bounded(2);
    let waiting = spawn("stack of futures unordered", async move {
        let members: FuturesUnordered<_> = (0..2).map(|_| receive(receiver.clone())).collect();
        members.collect::<Vec<u32>>().await
    });
    let dump = dump_of_waiting("stack of futures unordered").await;
    assert!(!own_frames(&dump, "stack of futures unordered").is_empty());
    sender.send(1).await.unwrap();
    sender.send(1).await.unwrap();
    assert_eq!(waiting.await, [1, 1]);
}

const READ: u32 = line!() + 4;

async fn echo_once(mut stream: TcpStream) {
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
}

#[reveille::test]
async fn a_socket_has_its_addresses_and_keeps_reading() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    let (server, peer) = listener.accept().await.unwrap();
    let waiting = spawn("wait for a socket", echo_once(server));
    let accepting = spawn("wait for a client", async move { listener.accept().await.map(drop) });
    let dump = dump_of_waiting("wait for a socket").await;
    let task = find(&dump, "wait for a socket").unwrap();
    let [WaitFor::Descriptor { interest, local, peer: other, .. }] = task.waits[..] else {
        panic!("{task:?}")
    };
    assert_eq!((interest, local, other), ("to be readable", Some(address), Some(peer)));
    assert_eq!(leaves(&dump, "wait for a socket"), ["echo_once"]);
    let dump = dump_of_waiting("wait for a client").await;
    let task = find(&dump, "wait for a client").unwrap();
    let [WaitFor::Descriptor { local, peer: None, .. }] = task.waits[..] else {
        panic!("{task:?}")
    };
    assert_eq!(local, Some(address));

    client.write_all(b"ping").await.unwrap();
    let mut bytes = [0; 4];
    client.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"ping");
    waiting.await;
    drop(TcpStream::connect(address).await.unwrap());
    accepting.await.unwrap();
}

#[reveille::test]
async fn a_sleep_has_its_deadline_and_ends() {
    let long = spawn("wait for an hour", task::sleep(Duration::from_secs(3600)));
    let dump = dump_of_waiting("wait for an hour").await;
    let [WaitFor::Timer(Some(deadline))] = find(&dump, "wait for an hour").unwrap().waits[..]
    else {
        panic!("{dump}")
    };
    assert!(deadline > std::time::Instant::now() + Duration::from_secs(3000));
    long.cancel().await;
    // Probed again and again, it still ends.
    let short = spawn("wait for a moment", task::sleep(Duration::from_millis(60)));
    while !short.is_finished() {
        drop(task::spawn_blocking(observe::dump).await);
    }
    short.await;
}

#[reveille::test]
async fn a_child_process_and_the_tasks_of_a_scope_are_named() {
    if is_child() {
        // Until the input is closed.
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
        return;
    }
    let name = "stacks::a_child_process_and_the_tasks_of_a_scope_are_named";
    let mut reads = reveille::process::Command::from(child(name, ("A", "B")));
    let mut reads = reads.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let (input, pid) = (reads.stdin.take(), reads.id());
    let waiting = spawn("wait for a child", async move { reads.status().await });
    let dump = dump_of_waiting("wait for a child").await;
    let task = find(&dump, "wait for a child").unwrap();
    assert!(task.waits.contains(&WaitFor::Child(pid)), "{task:?}");
    drop(input);
    assert!(waiting.await.unwrap().success());

    let (sender, receiver) = channel::bounded(1);
    let scope = spawn("wait for a scope", async move {
        task::scope(async |s| drop(s.spawn(receive(receiver)))).await
    });
    let waits_for_tasks = |dump: &Dump| {
        let task = find(dump, "wait for a scope").unwrap();
        task.waits.contains(&WaitFor::Named("the tasks of its scope"))
    };
    while !waits_for_tasks(&dump_of_waiting("wait for a scope").await) {}
    sender.send(1).await.unwrap();
    scope.await;
}

#[reveille::test]
async fn a_join_names_the_task_that_is_awaited() {
    let (sender, receiver) = channel::bounded(1);
    let inner = spawn("joined", receive(receiver));
    let outer = spawn("joins", async move { inner.await + 1 });
    let dump = dump_of_waiting("joins").await;
    let joins = find(&dump, "joins").unwrap();
    let awaited = joins.waits.iter().find_map(|wait| dump.awaited(wait)).unwrap();
    assert_eq!(awaited.name.as_deref(), Some("joined"));
    sender.send(1).await.unwrap();
    assert_eq!(outer.await, 2);
}
