//! Tests in a simulation: virtual time, one running thread at a time, and a seed for everything
//! that is otherwise random. Needs the feature `sim`.
//!
//! # How to begin
//!
//! Add the feature for your tests. The tests themselves stay as they are:
//!
//! ```toml
//! [dev-dependencies]
//! reveille = { git = "https://github.com/reveille-rs/reveille", features = ["sim"] }
//! ```
//!
//! `REVEILLE_SIM_ALL=20 cargo test` then runs each `#[reveille::test]` under 20 seeds before it
//! runs as usual. `#[reveille::test(simulate = 1000)]` always runs one test under 1000 seeds. If a
//! seed fails, the message has a command line that runs that seed again.
//!
//! # What is simulated
//!
//! A seed runs in a process of its own, which is the test program again. In it
//!
//! * **time is virtual**: `Instant`, `SystemTime`, timers and `std::thread::sleep`. When no thread
//!   can run, the time jumps to the next deadline. A test that sleeps for an hour takes
//!   milliseconds. It starts on 1 January 2026.
//! * **one thread runs at a time**, and the seed decides which, and after which poll another one
//!   continues. This includes threads of `std::thread::spawn`, and threads that wait for a lock, a
//!   condition variable or a channel of std. The scheduler is the real one. The seed also decides
//!   which task a worker takes next, when a worker steals, and how long each poll takes, so that
//!   polls of several workers overlap.
//! * **randomness comes from the seed**: the order of a `HashMap`, `fastrand`, `rand`, `getrandom`,
//!   the number of processors.
//!
//! So a seed has the same result each time. `REVEILLE_SIM_CHECK=1` runs each seed twice and
//! compares all steps; if the two runs differ, the message has the first step that differs, the
//! poll that contains it, and the place where the task of that poll was spawned.
//!
//! Several seeds run side by side, one on each processor. The one that is reported is the first
//! that fails in the order of the seeds.
//!
//! # When a seed fails
//!
//! A seed fails if the test panics or returns an error, if it can make no more progress, if a task
//! wakes itself 100,000 times in a row, or if the seed takes too much real time. Besides the
//! output, the message then says
//!
//! * whether a second process repeats the run;
//! * how simple the run can be made: the search first leaves out faults that were drawn, each under
//!   several schedules. Then it sets as many choices as it can to 0, faults first, then those of
//!   the scheduler, then those that the program draws. The effects of
//!   faults are the messages and the writes that are lost. A line replays the simple run;
//! * from which virtual time on the failure was inevitable: other seeds did not avoid it any more;
//! * the file with the choices of the run (its tape), and the hash of the program, because a seed
//!   belongs to a build.
//!
//! The search takes a minute at most. [`Builder::exhaustive`] needs no seeds: it runs all orders of
//! a small test, up to a number of deviations.
//!
//! # What is not simulated
//!
//! | what | in a simulation |
//! |---|---|
//! | TCP, UDP | simulated, see [below](#networks); most options are kept without effect |
//! | machines and names that are not hosts of the test | an error |
//! | other kinds of sockets | an error; the output names the call and its place |
//! | processes | an error; the output names the call and its place |
//! | another user or group of the process | an error; the output names the call and its place |
//! | Unix sockets, pipes | those of the system, without latency or faults; paths and abstract names belong to a host |
//! | Unix sockets of std that block | not caught: the seed ends after a minute |
//! | files | see [below](#files); memory maps are not recorded for a crash |
//! | standard input | empty |
//! | timerfds that are made by the function `syscall` | `ENOSYS`; the crate `polling` then waits with a timeout |
//! | threads that a library starts once for the process, such as async-io's | part of the host that starts them, and lost if it crashes |
//! | `tokio1`, io_uring, code that is not Rust and blocks | not caught: the seed may hang, and ends after a minute; strict mode names system calls |
//! | the order of addresses | `REVEILLE_SIM_CHECK=1` finds the difference |
//! | processor counters (`rdtsc`), system calls without the C library | strict mode names them |
//! | `/dev/urandom` | an error; the output names the call and its place |
//!
//! A loop that waits for another thread without a system call, such as `while !flag.load(..) {}`,
//! never ends. Call `std::thread::yield_now` in it.
//!
//! # Strict mode
//!
//! With `REVEILLE_SIM_STRICT=1` the kernel stops a thread of the simulation that reads the
//! processor's counter (on x86-64), that makes a system call without the C library, or that makes a
//! call which reveals the real machine, such as a clock. The seed fails, and the output has the
//! call and its place. Strict mode needs a kernel with seccomp, but no privilege.
//!
//! # Files
//!
//! The program sees the files of the machine, and changes only copies of them, which are deleted
//! when the simulation ends. Temporary folders are empty at first. A folder in which the program
//! has created something lists only what the program has created. Operations take virtual time: a
//! sync waits for the disk, and so do some reads and writes.
//!
//! [`crash_disk`] cuts the power. Writes that were not followed by a `sync_data` or `sync_all` of
//! the file, and new files, renames and removals that were not followed by a
//! [`sync_dir`](crate::fs::sync_dir) of their directory, are kept, lost, or (writes) torn in units
//! of 512 bytes. [`Disk`] sets what the disk may do.
//!
//! # Networks
//!
//! A test of one host has its loopback addresses. [`Builder::check`] runs a test of several hosts
//! on one network: a message takes 0.2 to 2 ms, unless the test says otherwise. TCP has the
//! handshake, windows, ends, resets and full listen queues, and retransmits what is lost, with the
//! timeouts of Linux: an attempt to connect that gets no answer fails after 127 seconds, and a
//! connection that is cut fails after 15 minutes. Datagrams can be lost, duplicated and reordered.
//! See [`Sim`], [`Net`] and [`Faults`], and the chapter
//! [`guide::simulating`](crate::guide::simulating).
//!
//! # Variables
//!
//! | variable | meaning |
//! |---|---|
//! | `REVEILLE_SIM_ALL=20` | runs each test without a number of its own under seeds 0 to 19 |
//! | `REVEILLE_SIM_SEED=7` | runs this seed only |
//! | `REVEILLE_SIM_CHECK=1` | runs each seed twice and compares the steps |
//! | `REVEILLE_SIM_STRICT=1` | strict mode, see above |
//! | `REVEILLE_SIM_HANDOFF=futex` | the kernel switches between threads, for debuggers and profilers. The run of a seed is the same, but slower |
//! | `REVEILLE_SIM_OMIT=2,5` | leaves out drawn faults with these numbers |
//! | `REVEILLE_SIM_RUNNER='qemu-aarch64 -L /usr/aarch64-linux-gnu'` | the command that starts the test program, with spaces between its words, if the kernel cannot start programs of its processor |
//! | `REVEILLE_SIM_LIMIT=60` | seconds of real time for each seed |
//! | `REVEILLE_SIM_SHRINK=60` | seconds for the search for a simpler run; 0 turns it off |
//! | `REVEILLE_SIM_TAPE=FILE` | with one seed: writes what was drawn |
//! | `REVEILLE_SIM_REPLAY=FILE` | with that seed: draws what the file says, then continues with the seed |
//! | `REVEILLE_SIM_TRACE=FILE` | with one seed: writes each step |
//! | `REVEILLE_TRACE=FILE` | records the seed, or the first that fails, for `reveille view`. Recording changes the run of a seed, so set it for the search too |
//!
//! # Examples
//!
//! Code under test can ask for faults, which happen in simulations only:
//!
//! ```
//! use reveille::sim;
//!
//! /// Loses one of a hundred messages.
//! fn is_lost() -> bool {
//!     sim::draw("lost messages", 100) == Some(99)
//! }
//!
//! assert!(!sim::is_simulated() && !is_lost());
//! ```
//! Let 0 be the choice without a fault, because a shrunk run has as many zeros as possible.
//!
//! # Platforms
//!
//! Linux with glibc, on x86-64 and AArch64. Elsewhere a test that asks for simulations panics.

use std::any::type_name;
use std::future::Future;
use std::ops::Range;
use std::process::{ExitCode, Termination};
use std::time::Duration;

pub use reveille_sim::{Disk, crash_disk};

use reveille_sim::{Role, SimulatedTest};

mod faults;
mod hosts;
mod rare;

pub use self::faults::Faults;
pub use self::hosts::{Host, Link, Net, Sim};
#[doc(inline)]
pub use crate::{buggify, sometimes};

#[doc(hidden)]
pub use reveille_sim::{buggify as buggify_at, sometimes as sometimes_at};

/// How many seeds a [`Builder`] runs by default.
const SEEDS: u64 = 100;

/// Runs a test function in simulations. `#[reveille::test(simulate = 100)]` is shorter. Use a
/// builder for seeds that do not begin with 0, and for tests that another attribute or macro
/// creates.
///
/// # Examples
///
/// ```no_run
/// use reveille::{sim, task};
/// use std::time::Duration;
///
/// #[test]
/// fn an_hour_passes() {
///     sim::Builder::new().seeds(100..200).run(|| async {
///         task::sleep(Duration::from_secs(3600)).await;
///     });
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "call `run` or `check`"]
pub struct Builder {
    seeds: Range<u64>,
    name: Option<String>,
    is_checked: bool,
    bound: Option<usize>,
    shrink_time: Option<Duration>,
    faults: Option<Faults>,
    limit: Option<Duration>,
}

impl Builder {
    /// Runs seeds 0 to 99.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # #[test] fn it_ends() {
    /// reveille::sim::Builder::new().run(|| async {});
    /// # }
    /// ```
    pub fn new() -> Builder {
        Builder {
            seeds: 0..SEEDS,
            name: None,
            is_checked: false,
            bound: None,
            shrink_time: None,
            faults: None,
            limit: None,
        }
    }

    /// Runs these seeds.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # #[test] fn it_ends() {
    /// reveille::sim::Builder::new().seeds(0..1000).run(|| async {});
    /// # }
    /// ```
    pub fn seeds(self, seeds: Range<u64>) -> Builder {
        Builder { seeds, ..self }
    }

    /// Runs each seed twice and compares the steps, as `REVEILLE_SIM_CHECK=1` does.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # #[test] fn it_ends() {
    /// reveille::sim::Builder::new().checked().run(|| async {});
    /// # }
    /// ```
    pub fn checked(self) -> Builder {
        Builder { is_checked: true, ..self }
    }

    /// Instead of seeds, runs all orders of a small test that differ from the first one in at most
    /// `bound` choices. A choice is which task or thread runs next, or what [`draw`] returns. Times
    /// are the shortest ones, and there is one processor.
    ///
    /// The number of runs grows with the number of choices to the power of `bound`. Most races need
    /// one or two choices.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # #[test] fn it_ends() {
    /// reveille::sim::Builder::new().exhaustive(2).run(|| async {});
    /// # }
    /// ```
    pub fn exhaustive(self, bound: usize) -> Builder {
        Builder { bound: Some(bound), ..self }
    }

    /// Sets the time for shrinking a seed that fails; zero turns it off. The default is a minute,
    /// or what `REVEILLE_SIM_SHRINK` says.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// # #[test] fn it_ends() {
    /// reveille::sim::Builder::new().shrink_time(Duration::from_secs(5)).run(|| async {});
    /// # }
    /// ```
    pub fn shrink_time(self, time: Duration) -> Builder {
        Builder { shrink_time: Some(time), ..self }
    }

    /// Sets the name of the test: its path without the name of the crate, as `cargo test` shows it.
    ///
    /// Without this, the name is that of the function in which the closure for
    /// [`run`](Builder::run) is written.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// fn helper(name: &str) {
    ///     reveille::sim::Builder::new().test_name(name).run(|| async {});
    /// }
    ///
    /// #[test]
    /// fn it_ends() {
    ///     helper("it_ends");
    /// }
    /// ```
    pub fn test_name(self, name: &str) -> Builder {
        Builder { name: Some(name.to_owned()), ..self }
    }

    /// Runs the future of `test` under each seed, and returns if no seed fails.
    ///
    /// Each seed runs in a process of its own: the test program again, for this test only. In that
    /// process this function does not return.
    ///
    /// # Panics
    ///
    /// Panics if a seed fails: the test panics, returns an error, deadlocks or does not end within
    /// the limit. Also panics if no test has this name, and on platforms without simulations.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # #[test] fn it_ends() {
    /// reveille::sim::Builder::new().run(|| async {
    ///     assert!(reveille::sim::is_simulated());
    /// });
    /// # }
    /// ```
    pub fn run<T, F>(self, test: T)
    where
        T: FnOnce() -> F + Send,
        F: Future,
        F::Output: Termination,
    {
        let name = self.name.clone().unwrap_or_else(|| name_around::<T>().to_owned());
        if let Role::Simulation(simulation) = self.test(&name).start() {
            simulation.run(move || exit_code(true, test));
        }
    }

    /// Runs a test with several hosts under each seed, and returns if no seed fails. `test` adds
    /// hosts and clients, and plans what happens to them. It runs once for each seed, in the seed's
    /// process. Then the hosts run until all clients have ended.
    ///
    /// # Panics
    /// See [`run`](Builder::run). A seed also fails if a host or a client panics or returns an
    /// error, if a condition of [`Sim::always`] does not hold, and if a client has not ended within
    /// the [time limit](Builder::time_limit).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use reveille::net::{TcpListener, TcpStream};
    /// use reveille::prelude::*;
    /// use reveille::sim;
    /// use std::io;
    ///
    /// #[test]
    /// fn the_server_answers() {
    ///     sim::Builder::new().seeds(0..100).check(|sim| {
    ///         sim.host("server", || async {
    ///             let listener = TcpListener::bind("0.0.0.0:80").await?;
    ///             let mut incoming = listener.incoming();
    ///             while let Some(stream) = incoming.next().await {
    ///                 stream?.write_all(b"hello").await?;
    ///             }
    ///             io::Result::Ok(())
    ///         });
    ///         sim.client("client", || async {
    ///             let mut stream = TcpStream::connect("server:80").await?;
    ///             let mut answer = String::new();
    ///             stream.read_to_string(&mut answer).await?;
    ///             assert_eq!(answer, "hello");
    ///             io::Result::Ok(())
    ///         });
    ///     });
    /// }
    /// ```
    pub fn check<T>(self, test: T)
    where
        T: FnOnce(&mut Sim) + Send,
    {
        let name = self.name.clone().unwrap_or_else(|| name_around::<T>().to_owned());
        if let Role::Simulation(simulation) = self.test(&name).start() {
            simulation.run(move || {
                let mut sim = Sim::default();
                test(&mut sim);
                sim.run(self.faults, self.limit)
            });
        }
    }

    /// Sets the faults that are drawn in a test with several hosts.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # #[test] fn it_ends() {
    /// use reveille::sim::{Builder, Faults};
    /// use std::time::Duration;
    ///
    /// Builder::new().faults(Faults::swarm().until(Duration::from_secs(60))).check(|sim| {
    ///     sim.client("client", || async { reveille::task::sleep(Duration::from_secs(90)).await });
    /// });
    /// # }
    /// ```
    pub fn faults(self, faults: Faults) -> Builder {
        Builder { faults: Some(faults), ..self }
    }

    /// Sets the virtual time within which the clients of a test with several hosts must end. The
    /// default is one hour.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # #[test] fn it_ends() {
    /// use std::time::Duration;
    ///
    /// reveille::sim::Builder::new().time_limit(Duration::from_secs(600)).check(|sim| {
    ///     sim.client("client", || async {});
    /// });
    /// # }
    /// ```
    pub fn time_limit(self, limit: Duration) -> Builder {
        Builder { limit: Some(limit), ..self }
    }

    fn test(&self, name: &str) -> SimulatedTest {
        let mut test = SimulatedTest::new(name).seeds(self.seeds.clone());
        if self.is_checked {
            test = test.checked();
        }
        if let Some(bound) = self.bound {
            test = test.exhaustive(bound);
        }
        if let Some(time) = self.shrink_time {
            test = test.shrink_time(time);
        }
        test
    }
}

impl Default for Builder {
    fn default() -> Builder {
        Builder::new()
    }
}

/// The test in which a closure was written.
fn name_around<T>() -> &'static str {
    // `program::module::test::{{closure}}`
    let name = type_name::<T>().trim_end_matches("::{{closure}}");
    name.split_once("::").map_or(name, |(_, name)| name)
}

/// Runs a test until it is complete.
fn exit_code<F>(fails_on_deadlock: bool, test: impl FnOnce() -> F) -> ExitCode
where
    F: Future,
    F::Output: Termination,
{
    if !fails_on_deadlock {
        dump_on_deadlock();
    }
    crate::observe::block_on_test(fails_on_deadlock, test()).report()
}

/// Makes a deadlocked simulation print what each task waits for. Other tests panic with that text.
fn dump_on_deadlock() {
    let thread = std::thread::Builder::new().name("reveille-sim-dump".to_owned());
    // If the thread cannot be started, the report has the threads but not the tasks.
    let _ = thread.spawn(|| {
        reveille_sim::wait_for_deadlock();
        eprintln!("{}", crate::observe::dump());
        reveille_sim::fail_deadlocked();
    });
}

/// Runs the test with this path under seeds from 0 on. For the attribute `test`.
#[doc(hidden)]
pub fn run_test<F>(seeds: u64, path: &str, fails_on_deadlock: bool, test: impl FnOnce() -> F + Send)
where
    F: Future,
    F::Output: Termination,
{
    let test_of_path = SimulatedTest::new(without_crate(path)).seeds(0..seeds);
    if let Role::Simulation(simulation) = test_of_path.start() {
        simulation.run(move || exit_code(fails_on_deadlock, test));
    }
}

/// Runs the test with this path in simulations, if the environment asks for it. In the process of
/// a simulation this does not return.
pub(crate) fn run_if_asked<F>(
    path: &str,
    fails_on_deadlock: bool,
    test: impl FnOnce() -> F + Send,
) -> impl FnOnce() -> F + Send
where
    F: Future,
    F::Output: Termination,
{
    if let Role::Simulation(simulation) = SimulatedTest::new(without_crate(path)).start() {
        simulation.run(move || exit_code(fails_on_deadlock, test));
    }
    test
}

/// The name that the test harness has for a path.
fn without_crate(path: &str) -> &str {
    path.split_once("::").map_or(path, |(_, name)| name)
}

/// Whether the calling thread is part of a simulation.
///
/// # Examples
///
/// ```
/// assert!(!reveille::sim::is_simulated());
/// ```
#[must_use]
pub fn is_simulated() -> bool {
    reveille_sim::is_simulated()
}

/// The seed of the simulation. `None` outside of simulations.
///
/// # Examples
///
/// ```
/// assert_eq!(reveille::sim::seed(), None);
/// ```
#[must_use]
pub fn seed() -> Option<u64> {
    reveille_sim::seed()
}

/// Draws a number below `count` from the stream `name`. `None` outside of simulations.
///
/// Each stream depends on the seed and its name only. So a test that draws from a stream of its own
/// does not change the schedule. Let 0 be the choice without a fault: a shrunk run draws as many
/// zeros as possible.
///
/// # Examples
///
/// A fault that happens in one of ten calls, and never outside of simulations:
///
/// ```
/// fn write() -> std::io::Result<()> {
///     if reveille::sim::draw("disk full", 10) == Some(9) {
///         return Err(std::io::ErrorKind::StorageFull.into());
///     }
///     Ok(())
/// }
///
/// assert!(write().is_ok());
/// ```
#[must_use]
pub fn draw(name: &str, count: u64) -> Option<u64> {
    reveille_sim::draw(name, count)
}

/// Adds a number to the steps that `REVEILLE_SIM_CHECK=1` compares. Does nothing outside of
/// simulations.
///
/// # Examples
///
/// ```
/// reveille::sim::note(4711);
/// ```
pub fn note(number: u64) {
    reveille_sim::note(number);
}

/// The virtual time since the simulation began. `None` outside of simulations.
///
/// # Examples
///
/// ```
/// assert_eq!(reveille::sim::elapsed(), None);
/// ```
#[must_use]
pub fn elapsed() -> Option<Duration> {
    reveille_sim::elapsed()
}
