//! Programs on the runtime, in simulations.

#![allow(clippy::disallowed_methods, reason = "these calls are what is simulated")]

use std::collections::HashMap;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex};
use std::thread;
use std::time::{Duration, Instant};

use reveille::net::{TcpListener, TcpStream};
use reveille::prelude::*;
use reveille::runtime::Builder;
use reveille::sync::Mutex;
use reveille::{channel, sim, task};
use reveille_watchdog as _;

const HOUR: Duration = Duration::from_secs(3600);

/// Adds the bytes of a text to the trace.
fn note(text: &str) {
    text.bytes().for_each(|byte| sim::note(u64::from(byte)));
}

#[reveille::test(simulate = 20)]
async fn tasks_timers_channels_and_locks_work() {
    assert!(sim::is_simulated());
    let start = Instant::now();
    let sum = Arc::new(Mutex::new(0_u64));
    let (sender, receiver) = channel::bounded::<u64>(2);
    let producers: Vec<_> = (0..4)
        .map(|number| {
            let sender = sender.clone();
            task::spawn(async move {
                for item in 0..10 {
                    task::sleep(HOUR / 60 * (number + 1)).await;
                    sender.send(item).await.expect("the receivers are alive");
                }
            })
        })
        .collect();
    drop(sender);
    let consumers: Vec<_> = (0..3)
        .map(|_| {
            let (sum, receiver) = (Arc::clone(&sum), receiver.clone());
            task::spawn(async move {
                while let Ok(item) = receiver.recv().await {
                    let mut sum = sum.lock().await;
                    task::yield_now().await;
                    *sum += item;
                }
            })
        })
        .collect();
    for task in producers.into_iter().chain(consumers) {
        task.await;
    }
    assert_eq!(*sum.lock().await, 4 * 45);
    let passed = start.elapsed();
    assert!((HOUR * 2 / 3..HOUR).contains(&passed), "{passed:?}");
}

#[reveille::test(simulate = 20)]
async fn blocking_closures_nested_block_on_and_runtimes_work() {
    let closures: Vec<_> = (0..8)
        .map(|number| {
            task::spawn_blocking(move || {
                thread::sleep(Duration::from_secs(number));
                number
            })
        })
        .collect();
    let mut sum = 0;
    for closure in closures {
        sum += closure.await;
    }
    assert_eq!(sum, 28);
    // A poll that blocks: another thread takes over the worker.
    let nested = task::spawn(async {
        let inner = task::spawn(async {
            task::sleep(HOUR).await;
            5
        });
        task::block_on(inner)
    });
    assert_eq!(nested.await, 5);
    let on_another = task::spawn_blocking(|| {
        let runtime = Builder::new().workers(2).build().expect("room for threads");
        runtime.block_on(async {
            let tasks: Vec<_> = (0..5).map(|number| task::spawn(async move { number })).collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await;
            }
            sum
        })
    });
    assert_eq!(on_another.await, 10);
}

#[reveille::test(simulate = 20)]
async fn a_poll_that_blocks_its_thread_does_not_stop_the_others() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let receiver = StdMutex::new(receiver);
    let blocked = task::spawn(async move {
        let receiver = receiver.lock().expect("no panic");
        receiver.recv().expect("the sender sends")
    });
    let other = task::spawn(async move {
        for _ in 0..100 {
            task::sleep(Duration::from_millis(10)).await;
        }
        sender.send(7).expect("the receiver waits");
    });
    other.await;
    assert_eq!(blocked.await, 7);
}

#[cfg(unix)]
#[reveille::test(simulate = 20)]
async fn unix_sockets_and_local_tasks_work() -> std::io::Result<()> {
    let (mut client, server) = reveille::os::unix::net::UnixStream::pair()?;
    let echo = task::spawn_local(async move {
        let (reader, writer) = (&mut &server, &mut &server);
        reveille::io::copy(reader, writer).await
    });
    for number in 0..20_u8 {
        client.write_all(&[number; 100]).await?;
        let mut back = [0; 100];
        client.read_exact(&mut back).await?;
        assert_eq!(back, [number; 100]);
    }
    client.shutdown(std::net::Shutdown::Write)?;
    assert_eq!(echo.await?, 2000);
    Ok(())
}

/// Sends what it receives back, to each client.
async fn serve(listener: TcpListener) -> std::io::Result<()> {
    let mut incoming = listener.incoming();
    while let Some(stream) = incoming.next().await {
        let stream = stream?;
        task::spawn(async move { reveille::io::copy(&mut &stream, &mut &stream).await });
    }
    Ok(())
}

#[reveille::test(simulate = 20)]
async fn servers_and_clients_talk_over_tcp() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    assert!(address.ip().is_loopback() && address.port() != 0);
    let server = task::spawn(serve(listener));
    let clients: Vec<_> = (0..5_u8)
        .map(|number| {
            task::spawn(async move {
                let mut stream = TcpStream::connect(("localhost", address.port())).await?;
                assert_eq!(stream.peer_addr()?, address);
                assert_ne!(stream.local_addr()?.port(), address.port());
                stream.set_nodelay(true)?;
                assert!(stream.nodelay()?);
                let sent = vec![number; 300_000];
                let (mut reader, mut writer) = (stream.clone(), stream.clone());
                let writing = task::spawn(async move {
                    writer.write_all(&sent).await?;
                    writer.shutdown(std::net::Shutdown::Write)
                });
                let mut received = Vec::new();
                reader.read_to_end(&mut received).await?;
                writing.await?;
                assert!(received.len() == 300_000 && received.iter().all(|&byte| byte == number));
                stream.flush().await
            })
        })
        .collect();
    for client in clients {
        client.await?;
    }
    server.cancel().await;
    let error = TcpStream::connect(address).await.expect_err("the listener is closed");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    let again = TcpListener::bind(address).await?;
    let taken = TcpListener::bind(address).await.expect_err("the address is in use");
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    drop(again);
    let far = TcpStream::connect("192.0.2.1:80").await.expect_err("there is no other machine");
    assert_eq!(far.kind(), std::io::ErrorKind::NetworkUnreachable);
    Ok(())
}

#[test]
fn tcp_is_the_same_in_two_processes() {
    sim::Builder::new().seeds(0..10).checked().run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        note(&address.to_string());
        let server = task::spawn(serve(listener));
        let clients: Vec<_> = (0..5_u8)
            .map(|number| {
                task::spawn(async move {
                    let mut stream = TcpStream::connect(address).await.expect("the server accepts");
                    for len in [1, 1_000, 100_000] {
                        stream.write_all(&vec![number; len]).await.expect("it is connected");
                        stream.read_exact(&mut vec![0; len]).await.expect("it is connected");
                        sim::note(u64::from(number));
                    }
                })
            })
            .collect();
        for client in clients {
            client.await;
        }
        server.cancel().await;
    });
}

#[test]
fn two_processes_do_the_same_steps() {
    sim::Builder::new().seeds(0..10).checked().run(|| async {
        let map: HashMap<u32, ()> = (0..32).map(|key| (key, ())).collect();
        let mut bytes = [[0_u8; 4]; 3];
        getrandom02::getrandom(&mut bytes[0]).expect("bytes");
        getrandom03::fill(&mut bytes[1]).expect("bytes");
        getrandom04::fill(&mut bytes[2]).expect("bytes");
        note(&format!("{map:?} {bytes:?} {} {:?}", fastrand::u64(..), Instant::now()));
        let tasks: Vec<_> = (0..50_u64)
            .map(|number| {
                task::spawn(async move {
                    task::sleep(Duration::from_millis(number % 7)).await;
                    task::spawn_blocking(move || fastrand::u64(..)).await
                })
            })
            .collect();
        for task in tasks {
            note(&task.await.to_string());
        }
    });
}

/// Adds one, in two steps. An update is lost if both tasks read before one writes.
async fn add_badly(count: Arc<AtomicUsize>) {
    let read = count.load(Ordering::Relaxed);
    task::yield_now().await;
    count.store(read + 1, Ordering::Relaxed);
}

/// The message with which `test` fails.
fn failure(test: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let payload = std::panic::catch_unwind(test).expect_err("a seed fails");
    payload.downcast_ref::<String>().expect("a text").clone()
}

#[test]
fn a_lost_update_is_found_with_its_seed() {
    let text = failure(|| {
        sim::Builder::new()
            .seeds(0..100)
            .shrink_time(Duration::ZERO)
            .test_name("a_lost_update_is_found_with_its_seed")
            .run(|| async {
                let count = Arc::new(AtomicUsize::new(0));
                let tasks: Vec<_> =
                    (0..2).map(|_| task::spawn(add_badly(Arc::clone(&count)))).collect();
                for task in tasks {
                    task.await;
                }
                assert_eq!(count.load(Ordering::Relaxed), 2, "an update is lost");
            });
    });
    assert!(text.contains("an update is lost"), "{text}");
    assert!(text.contains("replay: REVEILLE_SIM_SEED="), "{text}");
}

#[test]
fn a_deadlock_fails_with_the_tasks_and_their_places() {
    let text = failure(|| {
        let name = "a_deadlock_fails_with_the_tasks_and_their_places";
        sim::Builder::new().seeds(0..100).shrink_time(Duration::ZERO).test_name(name).run(
            || async {
                let locks = [Arc::new(Mutex::new(())), Arc::new(Mutex::new(()))];
                let tasks: Vec<_> = (0..2)
                    .map(|number| {
                        let [first, second] = locks.clone();
                        let (first, second) =
                            if number == 0 { (first, second) } else { (second, first) };
                        task::spawn(async move {
                            let _first = first.lock().await;
                            task::yield_now().await;
                            let _second = second.lock().await;
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await;
                }
            },
        );
    });
    assert!(text.contains("the test stands still"), "{text}");
    assert!(text.contains("programs.rs"), "{text}");
}

#[test]
fn a_program_that_waits_forever_without_a_deadline_deadlocks() {
    let text = failure(|| {
        let name = "a_program_that_waits_forever_without_a_deadline_deadlocks";
        sim::Builder::new()
            .seeds(0..3)
            .shrink_time(Duration::ZERO)
            .test_name(name)
            .run(|| async { pending::<()>().await });
    });
    assert!(text.contains("stands still") || text.contains("deadlock"), "{text}");
}

#[test]
fn an_eventfd_of_rustix_is_one_of_the_simulation() {
    use rustix::event::{EventfdFlags, eventfd};
    sim::Builder::new().seeds(0..5).run(|| async {
        // One of the system would block the thread that holds the baton.
        let counter = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).expect("an eventfd"));
        let read = Arc::clone(&counter);
        let reader = task::spawn_blocking(move || rustix::io::read(&*read, &mut [0; 8]));
        task::sleep(Duration::from_secs(3600)).await;
        assert_eq!(rustix::io::write(&*counter, &1_u64.to_ne_bytes()), Ok(8));
        assert_eq!(reader.await, Ok(8));
    });
}
