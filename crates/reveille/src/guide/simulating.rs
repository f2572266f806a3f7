//! Guide: why does a test sometimes fail?
//!
//! A test that fails once in a thousand runs depends on something that the next run does
//! differently: which task runs first, how long a poll takes, the order of a `HashMap`. A
//! simulation takes all of this from a *seed*. The same seed gives the same run, and other seeds
//! try other orders. The module `sim`, behind the feature `sim`, has the
//! details.
//!
//! # 1. Find a seed
//!
//! ```toml
//! [dev-dependencies]
//! reveille = { git = "https://github.com/reveille-rs/reveille", features = ["sim"] }
//! ```
//!
//! `REVEILLE_SIM_ALL=100 cargo test` runs each `#[reveille::test]` under a hundred seeds, each in a
//! process of its own. For a test that you suspect, write the number into the attribute:
//!
//! ```text
//! #[reveille::test(simulate = 1000)]
//! ```
//!
//! The [example](#examples) below is a test that fails under some seeds.
//!
//! Timeouts cost nothing: when no task can run, the time moves to the next deadline. So do not
//! shorten them for tests.
//!
//! # 2. Run it again
//!
//! The message of a failure has the seed, the virtual time, the output of the run, and a line such
//! as
//!
//! ```text
//! replay: REVEILLE_SIM_SEED=17 cargo test the_counter_counts -- --exact
//! ```
//!
//! This runs the seed again, step for step, as often as you like, until you change the program. Now
//! add output, or a breakpoint: what you print does not change the order.
//!
//! Three kinds of failure have reports of their own. A test in which nothing can go on fails with a
//! dump of every task and what it waits for (see [`observing`](super::observing)), ten virtual
//! seconds after it has come to a stop, so at once. A task that wakes itself for ever is named with
//! the place where it was spawned. And a seed that takes a minute of real time is stopped: it
//! repeats itself, or blocks in a way that is not simulated. The report has what each thread does,
//! and which tasks were polled most often.
//!
//! # 3. Read the cause
//!
//! Unless you replay a seed, the message also says how little the failure needs:
//!
//! ```text
//! again in a fresh process: yes, same trace 5f0c2a7be14d9963
//! shrunk to 1 fault, 2 scheduling choices and 0 choices of the program (204 runs, 8.1 s)
//! replay of that: REVEILLE_SIM_SEED=17 REVEILLE_SIM_REPLAY=…/sim/x-17-shrunk.tape cargo test x
//! inevitable between t = 9.000012s and t = 9.000871s
//! ```
//!
//! A scheduling choice that is left is a moment at which another task or thread than the first one
//! goes on, or at which one is late: without it, the test passes. Run the simple tape with output
//! and compare it with a seed that passes. The two times enclose the moment of the mistake. What
//! you see later is its consequence: other seeds that go on from there fail as well.
//!
//! If you suspect two tasks only, write a test of them alone, and run all their orders with
//! `sim::Builder::new().exhaustive(2)`. It finds the shortest failure, and passes only if no order
//! with two deviations fails.
//!
//! # 4. Keep it
//!
//! A seed belongs to a build. After the next change of the program, seed 17 is another run. So keep
//! the number of seeds in the attribute, not the seed.
//!
//! # What the seed decides
//!
//! * Which thread goes on when one blocks or ends a poll. Each seed draws how: at random; by
//!   priorities that change now and then (PCT); in the order of arrival, sometimes with a few
//!   delays; or so that one thread hardly ever runs.
//! * Which of its runnable tasks a worker polls next, and when another worker steals.
//! * How long a poll takes: half a microsecond in one seed, a tenth of a millisecond in another.
//! * How busy the machine is. Now and then a poll takes many milliseconds, or a thread runs that
//!   much later than its wake, as if other programs had the core. In half of the seeds that is one
//!   step in a thousand, in the others one in a hundred or in ten.
//! * The number of processors: one to four.
//! * Every random number.
//!
//! A poll is not interrupted, unless it blocks. To let another thread run in the middle of
//! synchronous code, call `std::thread::yield_now`.
//!
//! # Faults
//!
//! `sim::draw("lost messages", 100)` asks the seed for a number below 100. It returns `None`
//! outside of simulations, so the call may stay in the program.
//!
//! # A program of several hosts
//!
//! `sim::Builder::check` runs hosts with addresses, names, clocks and runtimes of their own in one
//! simulation. What they run is what production runs: a function that binds a listener, or the
//! `main` of a program. A *client* is a host that the test waits for.
//!
//! ```text
//! #[test]
//! fn no_acknowledged_write_is_lost() {
//!     let faults = Faults::swarm().until(Duration::from_secs(30));
//!     sim::Builder::new().seeds(0..1000).faults(faults).check(|sim| {
//!         for number in 1..=3 {
//!             sim.host(format!("n{number}"), move || kv::serve(number));
//!         }
//!         sim.client("client", || async {
//!             let written = kv::write_for(Duration::from_secs(30)).await;
//!             assert!(kv::read_all("n1:7000").await.contains_all(&written));
//!         });
//!         sim.always(kv::has_one_leader_per_term);
//!     });
//! }
//! ```
//!
//! Write such a test in this order:
//!
//! 1. **Say what must always be true**, and check it with `always`, from statics that the program
//!    fills (hosts share them). Two leaders in a term are easier to explain than the lost write
//!    that follows a minute later.
//! 2. **Let the client check what it was told.** It keeps what was acknowledged, and looks for it
//!    after the faults.
//! 3. **Draw faults.** `Faults::swarm` draws partitions, crashes, pauses, slow and lossy links, and
//!    wrong clocks until a time; after that everything is whole, so the program must work again.
//!    Single faults are planted with `at`: `net.partition(["n1"], ["n2", "n3"])`.
//! 4. **Plant bugs.** A test that finds none of them tests nothing. `examples/raft` has six.
//! 5. **Make rare states common** with `buggify!`, and say which states have to be reached with
//!    `sometimes!`: a test in which no request ever fails has no faults.
//!
//! A crash takes the power of a host: its threads never run again, and its peers hear nothing. A
//! kill ends its process: the kernel closes its sockets. A partition is a black hole, in which TCP
//! sends again for 15 minutes, so a program needs timeouts of its own.
//!
//! The output of a seed that fails names each fault with a number. `REVEILLE_SIM_OMIT=2,5` runs the
//! seed without those two, and everything else that is drawn stays as it is.
//!
//! # Files
//!
//! A simulation has the files of the machine, and changes copies of them only. Operations take
//! virtual time, as on a disk. To test what your program finds after a loss of power, stop the
//! tasks that write, call `sim::crash_disk`, and start again. What was not synced is kept, lost or
//! torn, as the seed draws:
//!
//! ```text
//! #[reveille::test(simulate = 1000)]
//! async fn the_state_survives() {
//!     save(&State::new(1)).await;
//!     task::spawn(save(&State::new(2))).cancel().await;
//!     sim::crash_disk();
//!     let state = load().await;           // 1 or 2, and no mixture
//! }
//! ```
//!
//! The usual mistakes: a file is renamed over another one before its contents were synced
//! (`sync_all`), or a new file is not found again because its directory was not synced
//! (`fs::sync_dir`). `sim::Disk` makes the disk slow, small or broken.
//!
//! # If two runs differ
//!
//! `REVEILLE_SIM_CHECK=1` runs each seed twice and fails with the first step in which the runs
//! differ, and the poll that it is part of. The usual causes are addresses (a map with pointers as
//! keys), the processor's counter (`rdtsc`), and libraries in C that block or read clocks without
//! the C library. `REVEILLE_SIM_STRICT=1` has the kernel stop such a call: the seed fails with the
//! call and its place.
//!
//! # Examples
//!
//! A counter that loses an update if both tasks read before one writes. As a
//! `#[reveille::test(simulate = 100)]` it fails.
//!
//! ```
//! use reveille::task;
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicUsize, Ordering};
//!
//! async fn count_to_two() -> usize {
//!     let count = Arc::new(AtomicUsize::new(0));
//!     let tasks: Vec<_> = (0..2)
//!         .map(|_| {
//!             let count = Arc::clone(&count);
//!             task::spawn(async move {
//!                 let read = count.load(Ordering::Relaxed);
//!                 task::yield_now().await;
//!                 count.store(read + 1, Ordering::Relaxed);
//!             })
//!         })
//!         .collect();
//!     for task in tasks {
//!         task.await;
//!     }
//!     count.load(Ordering::Relaxed)
//! }
//!
//! // Usually 2, or usually 1: without a simulation it depends on the machine.
//! assert!((1..=2).contains(&task::block_on(count_to_two())));
//! ```
