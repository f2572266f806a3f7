//! Programs that use only std, in simulations: what they see depends only on the seed.

#![allow(clippy::disallowed_methods, reason = "these calls are what is simulated")]
// Only on Linux with 64 bits: simulations replace functions of its C library.
#![cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{ToSocketAddrs, UdpSocket};
use std::panic::catch_unwind;
use std::process::{Command, ExitCode};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use reveille_sim::{Role, SimulatedTest};
use reveille_watchdog as _;

/// Runs `body` under `seeds`, and each seed twice.
fn simulate(name: &str, seeds: u64, body: impl FnOnce() + Send) {
    if let Role::Simulation(simulation) = SimulatedTest::new(name).seeds(0..seeds).checked().start()
    {
        simulation.run(move || {
            body();
            ExitCode::SUCCESS
        });
    }
}

/// Adds the bytes of a text to the trace.
fn note(text: &str) {
    text.bytes().for_each(|byte| reveille_sim::note(u64::from(byte)));
}

#[test]
fn clocks_hash_seeds_and_threads_are_the_same_in_two_processes() {
    simulate("clocks_hash_seeds_and_threads_are_the_same_in_two_processes", 5, || {
        let sample = || {
            let map: HashMap<u32, ()> = (0..32).map(|key| (key, ())).collect();
            let order: Vec<u32> = map.into_keys().collect();
            let start = Instant::now();
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            format!("{order:?} {:?} {since:?} {:?}", start.elapsed(), thread::current().id())
        };
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(sample)).collect();
        for text in threads.into_iter().map(|thread| thread.join().expect("no panic")) {
            note(&text);
        }
        note(&sample());
        note(&thread::available_parallelism().expect("a number").to_string());
    });
}

#[test]
fn an_hour_passes_at_once() {
    simulate("an_hour_passes_at_once", 5, || {
        let hour = Duration::from_secs(3600);
        let start = Instant::now();
        thread::sleep(hour);
        let (sender, receiver) = mpsc::channel::<()>();
        let error = receiver.recv_timeout(hour);
        assert_eq!(error, Err(mpsc::RecvTimeoutError::Timeout));
        thread::park_timeout(hour);
        let (lock, condvar) = (Mutex::new(()), Condvar::new());
        let guard = lock.lock().expect("no panic");
        assert!(condvar.wait_timeout(guard, hour).expect("no panic").1.timed_out());
        let passed = start.elapsed();
        assert!((4 * hour..4 * hour + Duration::from_secs(1)).contains(&passed), "{passed:?}");
        assert!(reveille_sim::elapsed().is_some_and(|elapsed| elapsed >= passed));
        drop(sender);
    });
}

#[test]
fn threads_that_block_on_each_other_continue() {
    simulate("threads_that_block_on_each_other_continue", 20, || {
        let shared = Arc::new((Mutex::new(0), Condvar::new()));
        let (sender, receiver) = mpsc::sync_channel(1);
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let (shared, sender) = (Arc::clone(&shared), sender.clone());
                thread::spawn(move || {
                    for _ in 0..25 {
                        let (lock, condvar) = &*shared;
                        let mut turn = lock.lock().expect("no panic");
                        while *turn % 4 != number {
                            turn = condvar.wait(turn).expect("no panic");
                        }
                        *turn += 1;
                        condvar.notify_all();
                        drop(turn);
                        sender.send(number).expect("the receiver is alive");
                    }
                })
            })
            .collect();
        drop(sender);
        assert_eq!(receiver.iter().count(), 100);
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert_eq!(*shared.0.lock().expect("no panic"), 100);
    });
}

#[test]
fn seeds_differ_in_their_order() {
    const NAME: &str = "seeds_differ_in_their_order";
    let body = || {
        let (sender, receiver) = mpsc::channel();
        let threads: Vec<_> = (0..3_u32)
            .map(|number| {
                let sender = sender.clone();
                thread::spawn(move || sender.send(number).expect("the receiver is alive"))
            })
            .collect();
        drop(sender);
        let order: Vec<u32> = receiver.iter().collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert_ne!(order, [2, 0, 1], "this order is found");
    };
    if let Role::Simulation(simulation) = SimulatedTest::new(NAME).start() {
        simulation.run(move || {
            body();
            ExitCode::SUCCESS
        });
    }
    let text = failure(|| SimulatedTest::new(NAME).seeds(0..100));
    assert!(text.contains("this order is found"), "{text}");
    assert!(text.contains("replay: REVEILLE_SIM_SEED="), "{text}");
}

/// The message with which a test fails in a simulation.
fn failure(test: fn() -> SimulatedTest) -> String {
    let test = || test().shrink_time(Duration::ZERO);
    let payload = catch_unwind(|| drop(test().start())).expect_err("a seed fails");
    payload.downcast_ref::<String>().expect("a text").clone()
}

#[test]
fn a_deadlock_is_reported_with_the_threads() {
    const NAME: &str = "a_deadlock_is_reported_with_the_threads";
    if let Role::Simulation(simulation) = SimulatedTest::new(NAME).start() {
        simulation.run(|| {
            let stuck = thread::Builder::new().name("stuck".into()).spawn(thread::park);
            stuck.expect("a thread").join().expect("never");
            ExitCode::SUCCESS
        });
    }
    let text = failure(|| SimulatedTest::new(NAME).seeds(0..1));
    assert!(text.contains("deadlocks under seed 0"), "{text}");
    assert!(text.contains("'stuck' waits for a lock, a condition or an unpark"), "{text}");
    assert!(text.contains("waits for the end of thread 1"), "{text}");
}

#[test]
fn what_is_not_simulated_is_refused_with_its_place() {
    const NAME: &str = "what_is_not_simulated_is_refused_with_its_place";
    if let Role::Simulation(simulation) = SimulatedTest::new(NAME).start() {
        simulation.run(|| {
            let child = Command::new("true").spawn().expect_err("there are no processes");
            let lookup = "example.org:80".to_socket_addrs().map(drop).expect_err("no lookups");
            panic!("{child}; {lookup}");
        });
    }
    let text = failure(|| SimulatedTest::new(NAME).seeds(0..1));
    assert!(text.contains("to start a program"), "{text}");
    assert!(text.contains("the lookup of another name"), "{text}");
    assert!(text.contains("tests/threads.rs:"), "{text}");
}

#[test]
fn a_test_that_does_not_exist_is_named() {
    let text = failure(|| SimulatedTest::new("no_such_test").seeds(0..1));
    assert!(text.contains("`no_such_test` did not run: the test harness has no test"), "{text}");
}

#[test]
fn sockets_of_std_block_and_datagrams_arrive() {
    simulate("sockets_of_std_block_and_datagrams_arrive", 5, || {
        let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a port"));
        let address = sockets[1].local_addr().expect("an address");
        note(&address.to_string());
        let [sender, receiver] = sockets;
        let thread = thread::spawn(move || {
            let mut bytes = [0; 8];
            let (len, from) = receiver.recv_from(&mut bytes).expect("a datagram");
            receiver.set_read_timeout(Some(Duration::from_secs(9))).expect("it can be set");
            let start = Instant::now();
            let late = receiver.recv(&mut bytes).expect_err("there is no other");
            assert_eq!((late.kind(), start.elapsed().as_secs()), (ErrorKind::WouldBlock, 9));
            (bytes[..len].to_vec(), from)
        });
        thread::sleep(Duration::from_secs(1));
        sender.send_to(b"hello", address).expect("it is sent");
        let (bytes, from) = thread.join().expect("no panic");
        assert_eq!((&bytes[..], from), (&b"hello"[..], sender.local_addr().expect("an address")));
    });
}

#[test]
fn outside_of_simulations_nothing_is_simulated() {
    assert!(!reveille_sim::is_simulated());
    assert_eq!((reveille_sim::seed(), reveille_sim::draw("x", 5)), (None, None));
    reveille_sim::note(1);
    let start = Instant::now();
    thread::sleep(Duration::from_millis(1));
    assert!(start.elapsed() >= Duration::from_millis(1));
}
