//! The workloads by theme. Each is written once for all runtimes.
//!
//! A workload runs in a separate process and returns named figures. `wall` and `cpu` are
//! nanoseconds per operation; each workload documents its other figures.

use std::future::{Future, pending};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use crate::measure::{RunConfig, Sample};
use crate::rt::Rt;
use crate::rt::exchanges::Exchange;
use crate::rt::signals::Signal;

pub mod bare;
mod echo;
mod forkjoin;
#[cfg(feature = "hyper")]
pub mod hyper;
mod memory;
mod partial_load;
mod requests;
mod rescue;
mod spawn;
mod streams;
mod switch;
mod sync;
mod timers;
mod versus_threads;
mod waiting;

pub use echo::Shape as EchoShape;
pub use versus_threads::on_threads;

/// Runs the workload of that name. Returns `None` if there is no such workload.
pub fn run<R: Rt>(name: &str, config: &RunConfig) -> Option<Sample> {
    let sample = match name {
        "spawn_join_100" => spawn::join::<R>(config, 100),
        "spawn_join_10000" => spawn::join::<R>(config, 10_000),
        "spawn_detached" => spawn::detached::<R>(config, 10_000),
        "chained_spawn" => spawn::chained::<R>(config, 1_000),
        "spawn_one" => spawn::one::<R>(config),
        "spawn_remote" => spawn::remote::<R>(config, 10_000),
        "ping_pong_steady" => switch::ping_pong::<R>(config, 1, 20_000),
        "ping_pong_100" => switch::ping_pong::<R>(config, 100, 200),
        "yield_1" => switch::yield_alone::<R>(config),
        "yield_200" => switch::yield_together::<R>(config, 200, 100),
        "chain_500" => switch::chain::<R>(config, 500, 20),
        "wake_foreign" => waiting::wake_foreign::<R>(config, 1_000),
        "wake_idle_latency" => waiting::wake_idle_latency::<R>(config),
        "block_on_ready" => waiting::block_on_ready::<R>(config),
        "block_on_yield" => waiting::block_on_yield::<R>(config),
        "block_on_spawn" => waiting::block_on_spawn::<R>(config),
        "blocking_seq" => waiting::blocking::<R>(config, 1),
        "blocking_64" => waiting::blocking::<R>(config, 64),
        "mem_pending" => memory::pending::<R>(config),
        "mem_timer" => memory::timer::<R>(config),
        "allocations" => memory::allocations::<R>(config),
        "timer_drop" => timers::made_and_dropped::<R>(config),
        "timeout_ready" => timers::timeout_ready::<R>(config),
        "timeout_yield" => timers::timeout_yield::<R>(config),
        "timers_20k" => timers::many::<R>(config, 20_000),
        "sleep_1ms" => timers::sleep_alone::<R>(config),
        "timers_beside_yield" => timers::beside_yield::<R>(config),
        "idle" => timers::idle::<R>(config),
        "idle_spread" => timers::idle_spread::<R>(config),
        "mutex" => sync::mutex::<R>(config, false),
        "mutex_across_await" => sync::mutex::<R>(config, true),
        "channel_1_1" => sync::channel::<R>(config, 1),
        "channel_4_1" => sync::channel::<R>(config, 4),
        "rwlock" => sync::rwlock::<R>(config),
        "stream_adapters" => streams::adapters::<R>(config),
        "stream_lines" => streams::lines::<R>(config),
        "forkjoin_fine" | "forkjoin_fine_w1" => forkjoin::run::<R>(config, forkjoin::FINE),
        "forkjoin_coarse" | "forkjoin_coarse_w1" => forkjoin::run::<R>(config, forkjoin::COARSE),
        "rescue" => rescue::run::<R>(config),
        "requests_new" => requests::run::<R>(config, false),
        "requests_keep" => requests::run::<R>(config, true),
        "startup" => versus_threads::startup::<R>(config),
        "when_async_helps" => versus_threads::on_tasks::<R>(config),
        _ => {
            if let Some(signal) = Signal::named(name) {
                return sync::signal::<R>(config, signal);
            }
            if let Some(exchange) = Exchange::named(name) {
                return Some(sync::exchange::<R>(config, exchange));
            }
            if let Some(rate) = partial_load::rate(name) {
                return Some(partial_load::run::<R>(config, rate));
            }
            let shape = EchoShape::parse(name).filter(|shape| !shape.is_http());
            return shape.map(|shape| echo::run::<R>(config, shape));
        }
    };
    Some(sample)
}

/// Starts an echo server on its own thread. It runs until the process ends.
pub fn serve_echo<R: Rt>(workers: usize) -> SocketAddr {
    serve_for_ever::<R>(workers, echo::serve::<R>(None))
}

/// The same with a server by hyper.
#[cfg(feature = "hyper")]
pub fn serve_hyper<R: hyper::Hyper>(workers: usize) -> SocketAddr {
    serve_for_ever::<R>(workers, hyper::serve::<R>())
}

fn serve_for_ever<R: Rt>(
    workers: usize,
    start: impl Future<Output = SocketAddr> + Send + 'static,
) -> SocketAddr {
    let (addr_sender, addr_receiver) = mpsc::channel();
    thread::spawn(move || {
        R::start(workers).block_on_task(async move {
            addr_sender.send(start.await).expect("the caller waits for the address");
            pending::<()>().await;
        });
    });
    addr_receiver.recv().expect("the server sends its address")
}

/// The work of one process of a `startup` measurement: one task on a new runtime.
pub fn start_and_exit<R: Rt>(workers: usize) {
    let rt = R::start(workers);
    rt.block_on_task(async {});
}
