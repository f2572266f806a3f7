//! Planted leaks: values that could differ between two runs of a seed are the same, or a report
//! names them.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, reason = "these calls are what is simulated")]

use std::collections::{HashMap, HashSet};
use std::panic::UnwindSafe;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rand::{Rng as _, RngExt as _};
use reveille::{sim, task};
use reveille_watchdog as _;

/// Adds the bytes of a text to the trace.
fn note(text: &str) {
    text.bytes().for_each(|byte| sim::note(u64::from(byte)));
}

/// Runs `leak` in a task, under some seeds, and each seed in two processes. The results have to be
/// the same.
fn is_the_same(name: &str, leak: fn() -> String) {
    sim::Builder::new().seeds(0..5).checked().test_name(name).run(move || async move {
        let texts: Vec<_> = (0..3).map(|_| task::spawn(async move { leak() })).collect();
        for text in texts {
            note(&text.await);
        }
        note(&task::spawn_blocking(leak).await);
    });
}

/// Makes a test of each leak.
macro_rules! same {
    ($($name:ident => $leak:expr,)*) => {$(
        #[test]
        fn $name() {
            is_the_same(stringify!($name), || $leak);
        }
    )*};
}

static COUNT: AtomicU64 = AtomicU64::new(0);
static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

same! {
    the_order_of_a_map => {
        let map: HashMap<u32, u32> = (0..50).map(|key| (key, key)).collect();
        let set: HashSet<String> = (0..50).map(|key| key.to_string()).collect();
        format!("{map:?} {set:?}")
    },
    the_monotonic_clock => format!("{:?}", Instant::now()),
    the_clock_of_the_day => format!("{:?}", SystemTime::now()),
    fastrand_of_each_thread => format!("{} {}", fastrand::u64(..), fastrand::bool()),
    rand_of_each_thread => {
        let mut random = rand::rng();
        format!("{} {}", random.next_u64(), random.random_range(0..1000))
    },
    getrandom_0_2 => {
        let mut bytes = [0; 16];
        getrandom02::getrandom(&mut bytes).expect("bytes");
        format!("{bytes:?}")
    },
    getrandom_0_3 => {
        let mut bytes = [0; 16];
        getrandom03::fill(&mut bytes).expect("bytes");
        format!("{bytes:?}")
    },
    getrandom_0_4 => {
        let mut bytes = [0; 16];
        getrandom04::fill(&mut bytes).expect("bytes");
        format!("{bytes:?}")
    },
    statics => {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut seen = SEEN.lock().expect("no panic");
        seen.push(format!("{count} {:?}", thread::current().name()));
        format!("{seen:?}")
    },
    the_order_of_threads => {
        let order = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for number in 0..5 {
                let order = &order;
                scope.spawn(move || order.lock().expect("no panic").push(number));
            }
        });
        format!("{order:?} {:?} {:?}", thread::current().id(), thread::available_parallelism())
    },
    measured_times => {
        let start = Instant::now();
        thread::sleep(Duration::from_millis(3));
        format!("{:?}", start.elapsed())
    },
}

/// The message with which `test` fails.
fn failure(test: impl FnOnce() + UnwindSafe) -> String {
    let payload = std::panic::catch_unwind(test).expect_err("a seed fails");
    payload.downcast_ref::<String>().expect("a text").clone()
}

#[test]
fn an_address_is_named_by_the_second_run() {
    let text = failure(|| {
        is_the_same("an_address_is_named_by_the_second_run", || {
            let address: *const u8 = Box::leak(Box::new(0));
            format!("{address:p}")
        });
    });
    assert!(text.contains("is not deterministic"), "{text}");
    assert!(text.contains("of the task spawned at leaks.rs:"), "{text}");
}

/// Runs a test below in strict mode, in which it has to fail. Returns its output.
fn strict(test: &str) -> String {
    let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
    command.args(["--exact", test, "--nocapture"]);
    command.env("REVEILLE_SIM_ALL", "1").env("REVEILLE_SIM_STRICT", "1");
    command.env("REVEILLE_SIM_SHRINK", "0");
    let output = command.output().expect("this program can be started");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.success(), !text.contains("goes past the simulation"), "{text}");
    text
}

#[test]
fn strict_mode_names_calls_that_bypass_the_simulation_and_their_places() {
    let text = strict("a_direct_system_call");
    assert!(text.contains("goes past the simulation"), "{text}");
    assert!(text.contains("the system call number 39 directly"), "{text}");
    assert!(text.contains("leaks::direct_getpid at "), "{text}");
    let text = strict("a_processor_counter");
    assert!(text.contains("`rdtsc`"), "{text}");
    assert!(text.contains("leaks::counter at "), "{text}");
    let text = strict("no_call_bypasses_the_simulation");
    assert!(!text.contains("goes past"), "{text}");
}

#[cfg(target_arch = "x86_64")]
#[inline(never)]
#[allow(unsafe_code, reason = "the leak is an instruction")]
fn direct_getpid() -> u64 {
    let number: u64;
    // SAFETY: `getpid` takes no arguments; the kernel changes the registers that are named.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") 39_u64 => number,
            out("rcx") _,
            out("r11") _,
        );
    }
    std::hint::black_box(number)
}

#[cfg(target_arch = "x86_64")]
#[inline(never)]
#[allow(unsafe_code, reason = "the leak is an instruction")]
fn counter() -> u64 {
    // SAFETY: all x86-64 processors have the instruction.
    std::hint::black_box(unsafe { std::arch::x86_64::_rdtsc() })
}

#[cfg(target_arch = "x86_64")]
#[reveille::test]
async fn a_direct_system_call() {
    let number = task::spawn_blocking(direct_getpid).await;
    assert_eq!(number, u64::from(std::process::id()));
}

#[cfg(target_arch = "x86_64")]
#[reveille::test]
async fn a_processor_counter() {
    assert!(task::spawn(async { counter() }).await > 0);
}

#[reveille::test]
async fn no_call_bypasses_the_simulation() {
    let text = task::spawn_blocking(|| std::fs::read_to_string("Cargo.toml")).await;
    assert!(text.expect("the manifest").contains("leaks"));
    std::fs::write("/tmp/reveille-leaks-test", "text").expect("there is room");
    std::fs::remove_file("/tmp/reveille-leaks-test").expect("it exists");
    let listener = reveille::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let client = task::spawn(reveille::net::TcpStream::connect(address));
    listener.accept().await.expect("a client");
    client.await.expect("a server");
    task::sleep(Duration::from_millis(1)).await;
}
