//! Guide: why does a program not answer?
//!
//! Your program has stopped answering. It uses no processor time, prints nothing, and a debugger
//! shows parked threads. This page shows how to find the cause. It contains no items.
//!
//! # Ask it
//!
//! Start the program with `REVEILLE_DUMP=1`, or build its runtime with [`Builder::dump_on_signal`].
//! When the program is stuck, send it `SIGQUIT` (press Ctrl-\ in its terminal, or use
//! `kill -QUIT`). It prints where each task waits, and continues. This also works while every
//! worker is blocked.
//!
//! The example `stuck` of the repository is such a program. The beginning of its dump is
//!
//! ```text
//! dump of 7 tasks: 7 waiting (taken in 1ms)
//! runtime 'reveille': 2 of 2 workers parked, 2 threads, 0 tasks queued
//!
//! deadlock: Every worker is parked, and no timer, socket, child process or
//!       blocking closure is awaited. Only a thread that the runtimes do not know
//!       could wake these tasks. If there is none, they wait for each other.
//!
//! deadlock: task spawned at examples/stuck.rs:72:17 and task spawned at
//!       examples/stuck.rs:73:18 wait for each other and never end.
//!
//! deadlock: task spawned at examples/stuck.rs:62:5 and task spawned at
//!       examples/stuck.rs:63:5 wait for locks or permits. As nothing runs, each of
//!       these is held by a task that waits itself, probably one of them, or by a
//!       guard outside of tasks. Locks do not know their holders: look for a guard
//!       that is alive across the awaits below.
//!
//! task spawned at examples/stuck.rs:62:5, waits
//!     in async_lock::mutex::Lock
//!     at stuck::transfer                  examples/stuck.rs:29:28
//!
//! task spawned at examples/stuck.rs:63:5, waits
//!     in async_lock::mutex::Lock
//!     at stuck::transfer                  examples/stuck.rs:29:28
//! ```
//!
//! # Read it
//!
//! The first line counts the tasks. A line for each runtime follows. If no task in the process can
//! make progress, a paragraph says so. Another paragraph names tasks that await each other in a
//! circle, and one names those that wait for locks.
//!
//! Then comes an entry for each task. Tasks with the same state, place and stack share an entry,
//! which says how many they are, so 100,000 idle connections take a few lines. A task that another
//! task awaits is listed below it. An entry says
//!
//! * what it is: a task, a local task, the future of a `block_on`, a blocking closure;
//! * its name, if it has one ([`task::Builder::name`]), and where it was spawned;
//! * what it does: it *waits*, *is queued*, or *runs*, on which thread and for how long;
//! * what it waits for, if the future knows: `for a timer, due in 3.2s`,
//!   `for socket 9 (127.0.0.1:80 to 127.0.0.1:51000) to be readable`, `for a task below`;
//! * `in its scope`, the tasks of a [`task::scope`] that it is in, which are listed below it;
//! * `in`, the future of a library that waits, and `at`, your functions from there outwards, with
//!   the line of each `.await`;
//! * for a task that runs, where an earlier dump saw it waiting, and where its thread is, if you
//!   asked for that.
//!
//! Two tasks wait for a lock in the same line of `transfer`. The line before it,
//! `from.lock().await`, shows why: each of them holds the lock that the other one waits for. If all
//! code takes the locks in the same order, this cannot happen.
//!
//! # A poll that does not return
//!
//! A task that *runs* for seconds has no await to show. On Linux, the dump can show the stack of
//! its thread instead. Enable the feature `thread-stacks` of reveille, and set
//! `REVEILLE_DUMP=threads` or [`Builder::dump_thread_stacks`]:
//!
//! ```text
//! task spawned at src/main.rs:12:5 on thread reveille-1, runs for 3.2s
//!     its thread is
//!         in std::thread::functions::sleep
//!         at app::compress                src/main.rs:31:9
//!     it was seen 5.0s before, waiting
//!         in async_channel::Recv
//!         at app::worker                  src/main.rs:20:31
//! ```
//!
//! # The usual causes
//!
//! | what the dump shows | what it means |
//! |---|---|
//! | several tasks in `Lock`, and no task in the code that would unlock | one of them holds the lock while it awaits another lock |
//! | two tasks in `Send`, each of a channel that the other one receives from | both bounded channels are full |
//! | a task that *runs* for seconds | its poll blocks or computes; see [Long polls](#long-polls) |
//! | blocking closures that are queued, and others that run for a long time | the blocking pool is full; see [`Builder::max_blocking_threads`] |
//! | `its poll left no waker` | a future returned `Pending` and stored the waker nowhere, as [`pending`](crate::future::pending) does |
//! | all wait for sockets | the program is fine; the other side is silent |
//!
//! # In code
//!
//! [`observe::dump`] returns the same information as a value:
//!
//! ```
//! use reveille::observe::{self, TaskState};
//! use reveille::task;
//!
//! task::block_on(async {
//!     let (_sender, receiver) = reveille::channel::bounded::<u32>(1);
//!     let task = task::Builder::new().name("consumer".to_owned());
//!     let task = task.spawn(async move { receiver.recv().await })?;
//!     let dump = loop {
//!         // A dump blocks its thread for as long as it takes.
//!         let dump = task::spawn_blocking(observe::dump).await;
//!         if dump.tasks().iter().any(|task| task.state == TaskState::Waiting) {
//!             break dump;
//!         }
//!     };
//!     assert!(dump.to_json().contains("\"consumer\""));
//!     println!("{dump}");
//!     # task.cancel().await;
//!     # std::io::Result::Ok(())
//! })?;
//! # std::io::Result::Ok(())
//! ```
//!
//! # What happened?
//!
//! A dump shows where each task is now. To see how it got there, record what happens:
//!
//! ```text
//! REVEILLE_TRACE=trace.rvt ./my-program
//! reveille view trace.rvt
//! ```
//!
//! The first line records each task from its spawn to its end: every poll with its length, every
//! wake and **what caused it** (another task, a socket, a timer, a thread), when threads slept,
//! which worker was handed off. The second line writes a page that needs no network: threads and
//! tasks over time, arrows from the task that wakes to the one that is woken, the longest polls,
//! and what tasks waited for. `--summary` prints the main figures, and `--perfetto` writes a file
//! for Perfetto. If the program crashed, the page shows what was written until then. Until a
//! release is on crates.io, install the command with
//!
//! ```text
//! cargo install --git https://github.com/reveille-rs/reveille reveille-cli
//! ```
//!
//! A recording knows when a task waited and what woke it, but it learns the await only from a dump.
//! So each dump that is taken during the recording is added to the file. Set `REVEILLE_DUMP=1` as
//! well, and press Ctrl-\ when the program is stuck: the page then shows the await stacks.
//!
//! In code, [`record_to`] begins a recording and [`Builder::record_to`] records a runtime from its
//! start to its end. Names of tasks ([`task::Builder::name`]) appear in the picture, and so do your
//! own marks and spans:
//!
//! ```
//! use reveille::{observe, task};
//!
//! # let file = std::env::temp_dir().join("guide-%p.rvt");
//! let recording = observe::record_to(&file)?;
//! task::block_on(async {
//!     let _span = observe::span!("request of user {}", 7);
//!     task::yield_now().await;
//!     observe::mark!("cache miss");
//! });
//! println!("half of the polls took less than {:?}", recording.poll_times().quantile(0.5));
//! # let written = recording.path().to_owned();
//! recording.finish()?;
//! # std::fs::remove_file(written)?;
//! # std::io::Result::Ok(())
//! ```
//!
//! | what the picture shows | what it means |
//! |---|---|
//! | a thread with one long poll, and tasks queued meanwhile | the poll blocks or computes: use `spawn_blocking` |
//! | tasks that are queued for a long time, while all threads are busy with short polls | there is more work than threads |
//! | tasks that wait, while all threads sleep | they wait for the network, for timers, or for each other |
//! | one task from which most arrows come | a lock, a channel or a dispatcher that everything passes through |
//!
//! ## Cost
//!
//! While nothing is recorded, a wake and the end of a task cost one more load and branch. A
//! recording reads the clock once for each poll, and takes 8 bytes for each start and end of a poll
//! and each wake. The threads of the program never wait for the file: if the disk is too slow,
//! events are dropped, and the file says how many.
//!
//! # Tests
//!
//! A `#[reveille::test]` that makes no progress for ten seconds fails with a dump instead of
//! hanging. `#[test(deadlock = false)]` or `REVEILLE_TEST_DEADLOCK=0` turns that off.
//!
//! # Long polls
//!
//! In a debug build, and wherever you set [`Builder::on_lint`], reveille reports long polls,
//! workers that are taken over, `block_on` inside tasks, tasks of more than 16 KiB, and a full
//! blocking pool. It also reports tasks that nothing can wake any more, and a process in which no
//! task can make progress. Each place is reported once, through the crate `log`. See [`LintKind`].
//!
//! # Numbers
//!
//! [`Runtime::metrics`] has the numbers of a runtime: live tasks, polls, busy time, queues, timers,
//! blocking closures. The crate `reveille-metrics` publishes them through the crate `metrics`.
//!
//! # Function names and lines
//!
//! They come from the debug information. Release builds have none by default. Add to `Cargo.toml`:
//!
//! ```toml
//! [profile.release]
//! debug = "limited"
//! ```
//!
//! The program gets larger on disk, but not slower. Without debug information the dump lacks lines
//! and inlined functions, and says so.
//!
//! [`Builder::dump_on_signal`]: crate::runtime::Builder::dump_on_signal
//! [`Builder::dump_thread_stacks`]: crate::runtime::Builder::dump_thread_stacks
//! [`Builder::max_blocking_threads`]: crate::runtime::Builder::max_blocking_threads
//! [`Builder::on_lint`]: crate::runtime::Builder::on_lint
//! [`Builder::record_to`]: crate::runtime::Builder::record_to
//! [`LintKind`]: crate::observe::LintKind
//! [`Runtime::metrics`]: crate::runtime::Runtime::metrics
//! [`task::scope`]: crate::task::scope()
//! [`observe::dump`]: crate::observe::dump
//! [`record_to`]: crate::observe::record_to
//! [`task::Builder::name`]: crate::task::Builder::name
