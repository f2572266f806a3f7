//! Shortages of descriptors, threads and processor time.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use async_std::net::{TcpListener, TcpStream};
use async_std::stream::StreamExt as _;
use async_std::task::{self, block_on};
use reveille_tests::child::{in_own_process, passes_in_own_process};
use reveille_tests::programs::is_emulated;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lowers a limit of this process.
fn limit(resource: Resource, to: u64) {
    let maximum = getrlimit(resource).maximum;
    setrlimit(resource, Rlimit { current: Some(to), maximum }).unwrap();
}

/// The accept loop of async-std's book, which ends at the first error.
#[test]
fn fault_658_the_accept_loop_continues_after_descriptors_ran_out() {
    async fn accept_loop(listener: TcpListener) -> std::io::Result<()> {
        let mut incoming = listener.incoming();
        while let Some(stream) = incoming.next().await {
            drop(stream?);
        }
        Ok(())
    }
    passes_in_own_process(&[], || {
        block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            // This connection is in the queue when the loop has no descriptor for it.
            let mut client = TcpStream::connect(address).await.unwrap();
            limit(Resource::Nofile, 64);
            let mut hoard = Vec::new();
            while let Ok(file) = File::open("/dev/null") {
                hoard.push(file);
            }
            let mut server = task::spawn_local(accept_loop(listener));
            let ended = async_std::future::timeout(Duration::from_millis(120), &mut server).await;
            assert!(ended.is_err(), "the loop has ended: {ended:?}");
            hoard.clear();
            // Accepted, and closed by the loop.
            let mut nothing = Vec::new();
            async_std::io::ReadExt::read_to_end(&mut client, &mut nothing).await.unwrap();
            assert!(server.cancel().await.is_none());
        });
    });
}

/// No thread can be started, because there is no room for its stack. Closures wait for the one that
/// exists.
// Only on Linux: it limits the address space.
#[cfg(target_os = "linux")]
#[test]
fn fault_126_the_blocking_pool_does_without_threads_that_cannot_be_started() {
    let finished = in_own_process(
        |_| Stdio::null(),
        || {
            let (release, gate) = std::sync::mpsc::channel::<()>();
            let (begun, begin) = std::sync::mpsc::channel();
            let first = task::spawn_blocking(move || {
                begun.send(()).unwrap();
                gate.recv().unwrap();
            });
            begin.recv().unwrap();
            // By now the first blocking thread runs, and so do all other threads of the runtime.
            block_on(task::spawn(async {}));
            let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
            let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
            limit(Resource::As, pages * rustix::param::page_size() as u64 + 1024 * 1024);
            let refused = std::thread::Builder::new().spawn(|| ());
            assert!(refused.is_err(), "a thread could be started");
            let tasks: Vec<_> =
                (0..20).map(|number| task::spawn_blocking(move || number)).collect();
            release.send(()).unwrap();
            block_on(async {
                first.await;
                for (number, task) in tasks.into_iter().enumerate() {
                    assert_eq!(task.await, number);
                }
            });
        },
    );
    if let Some(finished) = finished {
        assert!(finished.status.success(), "{}\n{}", finished.stdout, finished.stderr);
        assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    }
}

/// A thousand sleeps of a millisecond, ten at a time, leave the processor idle most of the time. An
/// emulator takes some ten times as long for each, so there they last 10 ms.
#[test]
fn fault_604_short_sleeps_do_not_burn_the_processor() {
    use rustix::time::{ClockId, clock_gettime};
    let elapsed = |clock| {
        let time = clock_gettime(clock);
        Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
    };
    let pause = Duration::from_millis(if is_emulated() { 10 } else { 1 });
    let sleep = move || {
        block_on(async {
            let sleepers: Vec<_> = (0..10)
                .map(|_| {
                    task::spawn(async move {
                        for _ in 0..100 {
                            task::sleep(pause).await;
                        }
                    })
                })
                .collect();
            for sleeper in sleepers {
                sleeper.await;
            }
        });
    };
    passes_in_own_process(&[], move || {
        // An emulator translates the code that is executed for the first time.
        sleep();
        let start = [ClockId::Monotonic, ClockId::ProcessCPUTime].map(elapsed);
        sleep();
        let end = [ClockId::Monotonic, ClockId::ProcessCPUTime].map(elapsed);
        let (wall, processor) = (end[0] - start[0], end[1] - start[1]);
        assert!(wall >= 100 * pause);
        assert!(processor < wall / 2, "{processor:?} of {wall:?}");
    });
}
