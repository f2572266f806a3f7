//! Programs of several hosts.

#![allow(clippy::disallowed_methods, reason = "these calls are what is simulated")]

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use reveille::net::{TcpListener, TcpStream, UdpSocket};
use reveille::prelude::*;
use reveille::sim::{self, Faults};
use reveille::task;
use reveille_watchdog as _;

const SECOND: Duration = Duration::from_secs(1);

/// Sends each client's bytes back, on tasks of the host's own runtime.
async fn echo() -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:7").await?;
    let mut incoming = listener.incoming();
    while let Some(stream) = incoming.next().await {
        let stream = stream?;
        task::spawn(async move { reveille::io::copy(&mut &stream, &mut &stream).await });
    }
    Ok(())
}

/// Connects to a host, which may still be starting: all hosts start at the same time.
async fn connect(host: &str) -> io::Result<TcpStream> {
    for _ in 0..20 {
        match TcpStream::connect((host, 7)).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => (),
            connected => return connected,
        }
        task::sleep(Duration::from_millis(10)).await;
    }
    TcpStream::connect((host, 7)).await
}

/// Sends bytes to a host and waits for them to come back.
async fn ask(host: &str, len: usize) -> io::Result<()> {
    let mut stream = connect(host).await?;
    let bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
    stream.write_all(&bytes).await?;
    let mut back = vec![0; len];
    stream.read_exact(&mut back).await?;
    assert_eq!(back, bytes);
    Ok(())
}

#[test]
fn hosts_have_addresses_and_names_and_talk() {
    sim::Builder::new().seeds(0..20).checked().check(|sim| {
        for number in 1..=3 {
            sim.host(format!("n{number}"), echo).ip([10, 1, 0, number]);
        }
        sim.client("client", || async {
            let start = Instant::now();
            for number in 1..=3 {
                for len in [1, 1_000, 50_000] {
                    ask(&format!("n{number}"), len).await?;
                }
            }
            assert!(start.elapsed() > Duration::from_millis(9 * 2), "messages take time");
            let stream = TcpStream::connect("n2:7").await?;
            assert_eq!(stream.peer_addr()?, ([10, 1, 0, 2], 7).into());
            assert_eq!(stream.local_addr()?.ip().to_string(), "10.0.0.1");
            let refused = TcpStream::connect("n2:8").await.expect_err("nobody listens");
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            let own = TcpStream::connect("127.0.0.1:7").await.expect_err("that is this host");
            assert_eq!(own.kind(), io::ErrorKind::ConnectionRefused);
            assert!(TcpStream::connect("n4:7").await.is_err(), "there is no host of this name");
            io::Result::Ok(())
        });
    });
}

/// Runs a client against `n1`, which echoes, while something happens.
fn with_client<F>(
    name: &str,
    prepare: impl FnOnce(&mut sim::Sim) + Send,
    client: impl Fn() -> F + Send + Sync + 'static,
) where
    F: Future<Output = io::Result<()>> + 'static,
{
    sim::Builder::new().seeds(0..4).checked().test_name(name).check(|sim| {
        sim.host("n1", echo);
        sim.client("client", client);
        prepare(sim);
    });
}

#[test]
fn a_host_without_power_is_silent_and_forgets_its_connections() {
    let prepare = |sim: &mut sim::Sim| {
        sim.at(SECOND * 5, |net| {
            net.crash("n1");
            assert!(!net.is_up("n1"));
            net.restart_after("n1", SECOND * 5);
        });
    };
    with_client("a_host_without_power_is_silent_and_forgets_its_connections", prepare, || async {
        let mut stream = TcpStream::connect("n1:7").await?;
        stream.write_all(b"x").await?;
        stream.read_exact(&mut [0]).await?;
        task::sleep(SECOND * 6).await;
        stream.write_all(b"y").await?;
        let late = reveille::future::timeout(SECOND, stream.read(&mut [0])).await;
        assert!(late.is_err(), "it has no power, so it neither answers nor resets");
        let error = stream.read(&mut [0]).await.expect_err("it has forgotten the connection");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        ask("n1", 10).await
    });
}

#[test]
fn a_killed_process_ends_its_connections_and_its_tasks() {
    static BEATS: AtomicUsize = AtomicUsize::new(0);
    let prepare = |sim: &mut sim::Sim| {
        sim.host("heart", || async {
            task::spawn(async {
                loop {
                    task::sleep(SECOND / 10).await;
                    BEATS.fetch_add(1, Ordering::Relaxed);
                }
            })
            .await
        });
        sim.at(SECOND * 5, |net| {
            net.kill("n1");
            net.kill("heart");
        });
    };
    with_client("a_killed_process_ends_its_connections_and_its_tasks", prepare, || async {
        let mut stream = TcpStream::connect("n1:7").await?;
        let end = stream.read(&mut [0]).await;
        assert!(matches!(end, Ok(0)), "the kernel closes its sockets: {end:?}");
        let refused = TcpStream::connect("n1:7").await.expect_err("its kernel runs");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let beats = BEATS.load(Ordering::Relaxed);
        assert!((20..=50).contains(&beats), "{beats}");
        task::sleep(SECOND * 5).await;
        assert_eq!(BEATS.load(Ordering::Relaxed), beats, "its task does not run any more");
        Ok(())
    });
}

#[test]
fn a_partition_delays_a_stream_and_stops_new_connections() {
    let prepare = |sim: &mut sim::Sim| {
        sim.at(SECOND, |net| net.partition(["n1"], ["client"]));
        sim.at(SECOND * 20, |net| net.heal());
    };
    with_client("a_partition_delays_a_stream_and_stops_new_connections", prepare, || async {
        let start = Instant::now();
        let mut stream = TcpStream::connect("n1:7").await?;
        task::sleep(SECOND * 2).await;
        let late = TcpStream::connect_timeout("n1:7", SECOND * 3).await.expect_err("it is cut");
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        stream.write_all(b"x").await?;
        stream.read_exact(&mut [0]).await?;
        let passed = start.elapsed();
        assert!((SECOND * 20..SECOND * 60).contains(&passed), "{passed:?}");
        Ok(())
    });
}

#[test]
fn a_partition_that_does_not_end_times_out() {
    let prepare = |sim: &mut sim::Sim| sim.at(SECOND, |net| net.isolate("n1"));
    with_client("a_partition_that_does_not_end_times_out", prepare, || async {
        let mut stream = TcpStream::connect("n1:7").await?;
        task::sleep(SECOND * 2).await;
        let start = Instant::now();
        let error = TcpStream::connect("n1:7").await.expect_err("it is cut");
        assert_eq!((error.kind(), start.elapsed().as_secs()), (io::ErrorKind::TimedOut, 127));
        stream.write_all(b"x").await?;
        let error = stream.read(&mut [0]).await.expect_err("it is cut");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(start.elapsed() > SECOND * 900, "as with Linux: {:?}", start.elapsed());
        Ok(())
    });
}

#[test]
fn latency_bandwidth_and_loss_take_time() {
    let prepare = |sim: &mut sim::Sim| {
        sim.at(Duration::ZERO, |net| {
            net.link("n1", "client").latency(SECOND..=SECOND * 2);
        });
        sim.at(SECOND * 20, |net| {
            net.link("n1", "client").latency(Duration::ZERO..=Duration::ZERO).bandwidth(10_000);
        });
        sim.at(SECOND * 100, |net| {
            net.link("n1", "client").bandwidth(1_000_000_000).loss(0.5);
        });
    };
    with_client("latency_bandwidth_and_loss_take_time", prepare, || async {
        let mut stream = TcpStream::connect("n1:7").await?;
        let mut round_trip = async |len: usize| {
            let start = Instant::now();
            stream.write_all(&vec![0; len]).await?;
            stream.read_exact(&mut vec![0; len]).await?;
            io::Result::Ok(start.elapsed())
        };
        let passed = round_trip(1).await?;
        assert!((SECOND * 2..SECOND * 5).contains(&passed), "{passed:?}");
        task::sleep(SECOND * 20).await;
        let passed = round_trip(50_000).await?;
        assert!((SECOND * 5..SECOND * 15).contains(&passed), "{passed:?}");
        task::sleep(SECOND * 100).await;
        let mut longest = Duration::ZERO;
        for _ in 0..20 {
            longest = longest.max(round_trip(10).await?);
        }
        assert!(longest >= SECOND / 5, "TCP sends again: {longest:?}");
        Ok(())
    });
}

#[test]
fn datagrams_are_lost_repeated_and_overtaken() {
    let prepare = |sim: &mut sim::Sim| {
        sim.host("sender", || async {
            let socket = UdpSocket::bind("0.0.0.0:0").await?;
            task::sleep(SECOND).await;
            for number in 0..1_000_u32 {
                socket.send_to(&number.to_le_bytes(), "client:9").await?;
                task::sleep(Duration::from_millis(1)).await;
            }
            io::Result::Ok(())
        });
        sim.at(Duration::ZERO, |net| {
            net.link("sender", "client").asymmetric().loss(0.2).duplication(0.1).reordering(0.2);
        });
    };
    with_client("datagrams_are_lost_repeated_and_overtaken", prepare, || async {
        let socket = UdpSocket::bind("0.0.0.0:9").await?;
        let (mut seen, mut repeated, mut overtaken, mut last) = (vec![false; 1_000], 0, 0, 0);
        let mut bytes = [0; 4];
        loop {
            let received = reveille::future::timeout(SECOND * 5, socket.recv_from(&mut bytes));
            let Ok(received) = received.await else { break };
            let (len, from) = received?;
            assert_eq!((len, from.ip().to_string().as_str()), (4, "10.0.0.3"));
            let number = u32::from_le_bytes(bytes);
            repeated += usize::from(std::mem::replace(&mut seen[number as usize], true));
            overtaken += usize::from(number < last);
            last = number;
        }
        let lost = seen.iter().filter(|&&seen| !seen).count();
        assert!((100..300).contains(&lost), "{lost} are lost");
        assert!((30..200).contains(&repeated), "{repeated} are repeated");
        assert!((30..500).contains(&overtaken), "{overtaken} are overtaken");
        Ok(())
    });
}

#[test]
fn a_paused_host_accepts_and_does_not_answer() {
    let prepare = |sim: &mut sim::Sim| {
        sim.at(SECOND, |net| net.pause("n1"));
        sim.at(SECOND * 9, |net| net.resume("n1"));
    };
    with_client("a_paused_host_accepts_and_does_not_answer", prepare, || async {
        task::sleep(SECOND * 2).await;
        let start = Instant::now();
        let mut stream = TcpStream::connect("n1:7").await?;
        assert!(start.elapsed() < SECOND, "its kernel runs");
        stream.write_all(b"x").await?;
        stream.read_exact(&mut [0]).await?;
        assert!(start.elapsed() > SECOND * 6, "{:?}", start.elapsed());
        Ok(())
    });
}

#[test]
fn a_reset_and_a_link_that_is_cut_one_way_are_seen() {
    let prepare = |sim: &mut sim::Sim| {
        sim.at(SECOND, |net| net.reset("client", "n1"));
        sim.at(SECOND * 3, |net| {
            net.link("n1", "client").asymmetric().cut(true);
        });
        sim.at(SECOND * 9, |net| net.rejoin("n1"));
    };
    with_client("a_reset_and_a_link_that_is_cut_one_way_are_seen", prepare, || async {
        let mut stream = TcpStream::connect("n1:7").await?;
        let error = stream.read(&mut [0]).await.expect_err("a firewall resets it");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let mut stream = TcpStream::connect("n1:7").await?;
        task::sleep(SECOND * 3).await;
        let start = Instant::now();
        stream.write_all(b"x").await?;
        stream.read_exact(&mut [0]).await?;
        assert!(start.elapsed() > SECOND * 3, "the answer is late: {:?}", start.elapsed());
        Ok(())
    });
}

#[test]
fn a_host_without_descriptors_gets_the_error_of_linux() {
    sim::Builder::new().seeds(0..4).checked().check(|sim| {
        sim.host("n1", echo);
        sim.client("client", || async {
            let mut streams = Vec::new();
            let error = loop {
                match TcpStream::connect("n1:7").await {
                    Ok(stream) => streams.push(stream),
                    Err(error) => break error,
                }
            };
            assert!((10..40).contains(&streams.len()), "{} connections", streams.len());
            assert!(error.to_string().contains("Too many open files"), "{error}");
            drop(streams.pop());
            drop(TcpStream::connect("n1:7").await?);
            io::Result::Ok(())
        })
        .fd_limit(40);
    });
}

#[test]
fn clocks_of_hosts_differ() {
    sim::Builder::new().seeds(0..4).checked().check(|sim| {
        sim.host("n1", echo);
        sim.client("fast", || async {
            let (start, day) = (Instant::now(), SystemTime::now());
            let begun = sim::elapsed().expect("a simulation");
            task::sleep(SECOND * 1_000).await;
            assert!(start.elapsed() >= SECOND * 1_000);
            let passed = sim::elapsed().expect("a simulation") - begun;
            assert!((989..=991).contains(&passed.as_secs()), "{passed:?}");
            let ahead = day.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
            assert_eq!(ahead.as_secs(), 1_767_225_600 + 60);
        })
        .clock_drift_ppm(10_000)
        .clock_offset_ms(60_000);
    });
}

#[test]
fn sockets_of_std_block_and_programs_without_await_run() {
    sim::Builder::new().seeds(0..4).checked().check(|sim| {
        sim.program("server", || -> io::Result<()> {
            let listener = std::net::TcpListener::bind("0.0.0.0:7")?;
            loop {
                let (mut stream, _) = listener.accept()?;
                std::thread::spawn(move || {
                    let mut bytes = [0; 5];
                    stream.read_exact(&mut bytes)?;
                    stream.write_all(&bytes)
                });
            }
        });
        sim.client("client", || async {
            task::sleep(SECOND).await;
            let ask = || {
                let mut stream = std::net::TcpStream::connect("server:7")?;
                stream.write_all(b"hello")?;
                let mut back = String::new();
                stream.read_to_string(&mut back)?;
                io::Result::Ok(back)
            };
            assert_eq!(task::spawn_blocking(ask).await?, "hello");
            io::Result::Ok(())
        });
    });
}

#[test]
fn a_full_queue_of_a_listener_delays_connections() {
    sim::Builder::new().seeds(0..4).checked().check(|sim| {
        sim.program("server", || -> io::Result<()> {
            let listener = std::net::TcpListener::bind("0.0.0.0:7")?;
            std::thread::sleep(SECOND * 10);
            loop {
                drop(listener.accept()?);
            }
        });
        sim.client("client", || async {
            task::sleep(SECOND).await;
            let start = Instant::now();
            let mut late = 0;
            for _ in 0..135 {
                drop(TcpStream::connect("server:7").await?);
                late += usize::from(start.elapsed() > SECOND * 5);
            }
            // std asks for a queue of 128, and Linux adds one.
            assert_eq!(late, 135 - 129);
            io::Result::Ok(())
        });
    });
}

/// The message with which `test` fails.
fn failure(test: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let payload = std::panic::catch_unwind(test).expect_err("a seed fails");
    payload.downcast_ref::<String>().expect("a text").clone()
}

#[test]
fn a_condition_that_does_not_hold_is_named() {
    let text = failure(|| {
        let name = "a_condition_that_does_not_hold_is_named";
        sim::Builder::new().seeds(0..2).test_name(name).check(|sim| {
            let count = Arc::new(AtomicUsize::new(0));
            let watched = Arc::clone(&count);
            sim.always(move || watched.load(Ordering::Relaxed) < 7);
            sim.client("client", move || {
                let count = Arc::clone(&count);
                async move {
                    loop {
                        task::sleep(SECOND).await;
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        });
    });
    assert!(text.contains("the condition of `always` at hosts.rs:"), "{text}");
    assert!(text.contains("at t = 7."), "{text}");
}

#[test]
fn clients_that_do_not_end_and_hosts_that_fail_are_named() {
    let name = "clients_that_do_not_end_and_hosts_that_fail_are_named";
    let text = failure(|| {
        sim::Builder::new().seeds(0..1).test_name(name).time_limit(SECOND * 9).check(|sim| {
            sim.host("n1", || async {
                if sim::seed() == Some(1) {
                    return Err(io::Error::other("no disk"));
                }
                Ok(())
            });
            sim.client("waits", || std::future::pending::<()>());
        });
    });
    assert!(text.contains("these clients have not ended: waits"), "{text}");
    let text = failure(|| {
        sim::Builder::new().seeds(1..2).test_name(name).check(|_| ());
    });
    assert!(text.contains("the host `n1` returns an error") && text.contains("no disk"), "{text}");
}

#[test]
fn a_state_that_no_seed_reaches_is_named() {
    let text = failure(|| {
        let name = "a_state_that_no_seed_reaches_is_named";
        sim::Builder::new().seeds(0..30).test_name(name).check(|sim| {
            sim.client("client", || async {
                sim::sometimes!(sim::buggify!(0.9), "the rare branch");
                sim::sometimes!(sim::seed() == Some(77), "seed 77");
            });
        });
    });
    assert!(text.contains(": seed 77") && !text.contains("rare"), "{text}");
}

#[test]
fn drawn_faults_are_the_same_in_two_processes() {
    let faults = Faults::swarm().until(SECOND * 30);
    sim::Builder::new().seeds(0..40).checked().faults(faults).check(|sim| {
        for number in 1..=3 {
            sim.host(format!("n{number}"), echo);
        }
        sim.client("client", || async {
            let mut failed = 0_u64;
            for round in 0..100 {
                let host = format!("n{}", 1 + round % 3);
                let asked = reveille::future::timeout(SECOND, ask(&host, 100)).await;
                failed += u64::from(!matches!(asked, Ok(Ok(()))));
                task::sleep(SECOND / 2).await;
            }
            sim::note(failed);
            sim::sometimes!(failed > 0, "a request fails");
            for number in 1..=3 {
                ask(&format!("n{number}"), 100).await?;
            }
            io::Result::Ok(())
        });
    });
}
