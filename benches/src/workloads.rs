//! The workloads, each written once for every runtime, by theme.
//!
//! A workload runs in a process of its own and returns named figures: `wall` and `cpu` are
//! nanoseconds per operation, other names are explained where they are made.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use crate::measure::{Effort, Sample};
use crate::rt::Rt;

pub mod bare;
mod claims;
mod echo;
mod forkjoin;
mod memory;
mod requests;
mod rescue;
mod spawn;
mod streams;
mod switch;
mod sync;
mod timers;
mod waiting;

pub use claims::on_threads;
pub use echo::Shape as EchoShape;

/// Runs the workload of that name; `None` when there is none.
pub fn run<R: Rt>(name: &str, effort: &Effort) -> Option<Sample> {
    let sample = match name {
        "spawn_join_100" => spawn::join::<R>(effort, 100),
        "spawn_join_10000" => spawn::join::<R>(effort, 10_000),
        "spawn_detached" => spawn::detached::<R>(effort, 10_000),
        "chained_spawn" => spawn::chained::<R>(effort, 1_000),
        "spawn_one" => spawn::one::<R>(effort),
        "spawn_remote" => spawn::remote::<R>(effort, 10_000),
        "ping_pong_steady" => switch::ping_pong::<R>(effort, 1, 20_000),
        "ping_pong_100" => switch::ping_pong::<R>(effort, 100, 200),
        "yield_1" => switch::yield_alone::<R>(effort),
        "yield_200" => switch::yield_together::<R>(effort, 200, 100),
        "chain_500" => switch::chain::<R>(effort, 500, 20),
        "wake_foreign" => waiting::wake_foreign::<R>(effort, 1_000),
        "wake_idle_latency" => waiting::wake_idle_latency::<R>(effort),
        "block_on_ready" => waiting::block_on_ready::<R>(effort),
        "block_on_yield" => waiting::block_on_yield::<R>(effort),
        "block_on_spawn" => waiting::block_on_spawn::<R>(effort),
        "blocking_seq" => waiting::blocking::<R>(effort, 1),
        "blocking_64" => waiting::blocking::<R>(effort, 64),
        "mem_pending" => memory::pending::<R>(effort),
        "mem_timer" => memory::timer::<R>(effort),
        "allocations" => memory::allocations::<R>(effort),
        "timer_drop" => timers::made_and_dropped::<R>(effort),
        "timeout_ready" => timers::timeout_ready::<R>(effort),
        "timeout_yield" => timers::timeout_yield::<R>(effort),
        "timers_20k" => timers::many::<R>(effort, 20_000),
        "sleep_1ms" => timers::sleep_alone::<R>(effort),
        "timers_beside_yield" => timers::beside_yield::<R>(effort),
        "idle" => timers::idle::<R>(effort),
        "idle_spread" => timers::idle_spread::<R>(effort),
        "mutex" => sync::mutex::<R>(effort, false),
        "mutex_across_await" => sync::mutex::<R>(effort, true),
        "channel_1_1" => sync::channel::<R>(effort, 1),
        "channel_4_1" => sync::channel::<R>(effort, 4),
        "rwlock" => sync::rwlock::<R>(effort),
        "stream_adapters" => streams::adapters::<R>(effort),
        "stream_lines" => streams::lines::<R>(effort),
        "forkjoin_fine" | "forkjoin_fine_w1" => forkjoin::run::<R>(effort, forkjoin::FINE),
        "forkjoin_coarse" | "forkjoin_coarse_w1" => forkjoin::run::<R>(effort, forkjoin::COARSE),
        "rescue" => rescue::run::<R>(effort),
        "requests_new" => requests::run::<R>(effort, false),
        "requests_keep" => requests::run::<R>(effort, true),
        "startup" => claims::startup::<R>(effort),
        "when_async_helps" => claims::on_tasks::<R>(effort),
        _ => return EchoShape::parse(name).map(|shape| echo::run::<R>(effort, shape)),
    };
    Some(sample)
}

/// Starts an echo server on a thread of its own, until the process ends.
pub fn serve_echo<R: Rt>(workers: usize) -> SocketAddr {
    let (say_addr, hear_addr) = mpsc::channel();
    thread::spawn(move || {
        R::start(workers).inside(async move {
            say_addr.send(echo::serve::<R>(None).await).expect("somebody waits for the address");
            pending::<()>().await;
        });
    });
    hear_addr.recv().expect("the server says where it listens")
}

/// What the process of a `startup` measurement does: one task on a fresh runtime.
pub fn startup_leaf<R: Rt>(workers: usize) {
    let rt = R::start(workers);
    rt.inside(async {});
}
