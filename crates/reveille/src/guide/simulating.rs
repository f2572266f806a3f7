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
//! Timeouts cost no real time: when no task can run, the virtual time jumps to the next deadline.
//! So do not shorten them for tests.
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
//! Until you change the program, this repeats the run step for step. You can add output or a
//! breakpoint: printing does not change the order.
//!
//! Three kinds of failure have reports of their own. A test that makes no progress for ten virtual
//! seconds, which take no real time, fails with a dump of every task and what it waits for (see
//! [`observing`](super::observing)). If a task wakes itself forever, the report has the place where
//! it was spawned. A seed that takes a minute of real time is stopped: it loops, or blocks in a way
//! that is not simulated. The report says what each thread does, and which tasks were polled most
//! often.
//!
//! # 3. Read the cause
//!
//! Unless you replay a seed, the message also has the smallest number of faults and choices that
//! still fail:
//!
//! ```text
//! again in a fresh process: yes, same trace 5f0c2a7be14d9963
//! shrunk to 1 fault, 2 scheduling choices and 0 choices of the program (204 runs, 8.1 s)
//! replay of that: REVEILLE_SIM_SEED=17 REVEILLE_SIM_REPLAY=…/sim/x-17-shrunk.tape cargo test x
//! inevitable between t = 9.000012s and t = 9.000871s
//! ```
//!
//! The faults that are left follow, each with its number and its time.
//!
//! Each remaining scheduling choice is a point at which a task or thread other than the first one
//! runs, or at which one is late. Without it, the test passes. Run the shrunk tape with output and
//! compare it with a seed that passes. The mistake happens between the two times. What you see
//! later is its consequence: runs that continue from there with other seeds fail as well.
//!
//! If you suspect only two tasks, write a test with these two, and run all their orders with
//! `sim::Builder::new().exhaustive(2)`. It finds the failure with the fewest deviations, and passes
//! only if no order with up to two deviations fails.
//!
//! # 4. Keep it
//!
//! A seed belongs to a build. After the next change of the program, seed 17 is a different run. So
//! keep the number of seeds in the attribute, not the seed.
//!
//! # What the seed decides
//!
//! * Which thread runs next when one blocks or ends a poll. Each seed draws a strategy: at random;
//!   by priorities that change now and then (PCT); in the order of arrival, sometimes with a few
//!   delays; or such that one thread hardly ever runs.
//! * Which of its runnable tasks a worker polls next, and when another worker steals.
//! * How long a poll takes: half a microsecond in one seed, a tenth of a millisecond in another.
//! * How busy the machine is. Now and then a poll takes many milliseconds, or a thread runs that
//!   much later than its wake, as if other programs had the core. In half of the seeds that is one
//!   step in a thousand, in the others one in a hundred or in ten.
//! * The number of processors: one to four.
//! * Every random number.
//!
//! A poll is not interrupted, unless it blocks, or reads a clock 256 times without any other call.
//! To let another thread run in the middle of synchronous code, call `std::thread::yield_now`.
//!
//! # Faults
//!
//! `sim::draw("lost messages", 100)` draws a number below 100 from the seed. It returns `None`
//! outside of simulations, so the call can stay in the program.
//!
//! # A program of several hosts
//!
//! `sim::Builder::check` runs hosts with addresses, names, clocks and runtimes of their own in one
//! simulation. They run the code that production runs: a function that binds a listener, or the
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
//! 1. **Check invariants** with `always`, using statics that the program fills (all hosts share
//!    them). Two leaders in a term are easier to explain than the lost write that follows a minute
//!    later.
//! 2. **Let the client check the answers.** It remembers which writes were acknowledged, and reads
//!    them after the faults.
//! 3. **Draw faults.** Until a given time, `Faults::swarm` draws partitions, crashes, pauses, slow
//!    and lossy links, and wrong clocks. After that time there are no faults, so the program must
//!    work again. Plant single faults with `at`: `net.partition(["n1"], ["n2", "n3"])`.
//! 4. **Plant bugs.** A test that finds none of them tests nothing. `examples/raft` has six.
//! 5. **Make rare states common** with `buggify!`, and use `sometimes!` for states that some seed
//!    has to reach: if no request ever fails, the test has no faults.
//!
//! A crash cuts the power of a host: its threads never run again, and its peers get neither an end
//! nor a reset. A kill ends its process: the kernel closes its sockets. A partition drops all
//! packets. TCP retransmits for 15 minutes before it fails, so a program needs timeouts of its own.
//!
//! The output of a seed that fails names each fault with a number. `REVEILLE_SIM_OMIT=2,5` runs the
//! seed without those two, and does not change anything else that is drawn.
//!
//! # Files
//!
//! A simulation sees the files of the machine, but changes only copies of them. Operations take
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
//!     let state = load().await;           // 1 or 2, not a mixture
//! }
//! ```
//!
//! The usual mistakes: a file is renamed over another one before its contents are synced
//! (`sync_all`), or a new file is lost because its directory was not synced (`fs::sync_dir`).
//! `sim::Disk` makes the disk slow, small or broken.
//!
//! # If two runs differ
//!
//! `REVEILLE_SIM_CHECK=1` runs each seed twice. If the runs differ, it fails with the first step
//! that differs, and the poll that contains it. The usual causes are addresses (a map with pointers
//! as keys), the processor's counter (`rdtsc`), and libraries in C that block or read clocks
//! without the C library. `REVEILLE_SIM_STRICT=1` has the kernel stop such a call: the seed fails
//! with the call and its place.
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
