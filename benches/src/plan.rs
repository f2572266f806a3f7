//! The rows of the table: the workload, its figures, and reveille's targets.

use Limit::{Absolute, AsyncStd, BestMulti, OwnRow, Tokio};

/// One workload of the table.
#[derive(Debug)]
pub struct Row {
    /// The workload's name.
    pub name: &'static str,
    /// A short description.
    pub what: &'static str,
    /// Worker threads of the multi-threaded runtimes.
    pub workers: usize,
    /// Whether all runtimes also take turns at it. That is for a workload whose figures vary more
    /// with the state of the machine than its target allows.
    pub has_turns: bool,
    /// The figures to print. Smaller is better in all of them.
    pub metrics: &'static [Metric],
    /// reveille's targets.
    pub targets: &'static [Target],
}

/// One figure of a workload: `wall` and `cpu` are nanoseconds per operation.
#[derive(Debug)]
pub struct Metric {
    /// Its name in the output of the measured process.
    pub name: &'static str,
    /// The unit to print.
    pub unit: &'static str,
    /// How many of the workload's units make one printed unit.
    pub divisor: f64,
}

/// A target for one figure.
#[derive(Debug)]
pub struct Target {
    /// The name of the figure.
    pub metric: &'static str,
    /// The limit that the figure must meet.
    pub limit: Limit,
}

/// A limit for reveille's figure. A limit of 1.0 allows ties within the run's own noise.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// At most this share of the best of tokio multi, smol and async-std.
    BestMulti(f64),
    /// At most this share of tokio multi's figure.
    Tokio(f64),
    /// At most this share of async-std's figure.
    AsyncStd(f64),
    /// At most this much, in the printed unit.
    Absolute(f64),
    /// Below reveille's own figure in another row.
    OwnRow(&'static str),
}

const fn metric(name: &'static str, unit: &'static str, divisor: f64) -> Metric {
    Metric { name, unit, divisor }
}

const fn target(metric: &'static str, limit: Limit) -> Target {
    Target { metric, limit }
}

const fn row(
    name: &'static str,
    what: &'static str,
    metrics: &'static [Metric],
    targets: &'static [Target],
) -> Row {
    Row { name, what, workers: 2, has_turns: false, metrics, targets }
}

const fn on_one_worker(row: Row) -> Row {
    Row { workers: 1, ..row }
}

const fn by_turns(row: Row) -> Row {
    Row { has_turns: true, ..row }
}

const NS: &[Metric] = &[metric("wall", "ns", 1.0), metric("cpu", "ns", 1.0)];
const US: &[Metric] = &[metric("wall", "µs", 1e3), metric("cpu", "µs", 1e3)];
const MS: &[Metric] = &[metric("wall", "ms", 1e6), metric("cpu", "ms", 1e6)];
const BYTES: &[Metric] = &[metric("heap", "B", 1.0), metric("rss", "B", 1.0)];
const SHARE: &[Metric] =
    &[metric("cpu_share", "µs/s", 1.0), metric("bare", "µs/s of a bare thread", 1.0)];
const ECHO_BY_TURNS: &[Metric] = &[
    metric("cpu", "µs", 1e3),
    metric("wall", "µs", 1e3),
    metric("p50", "µs", 1.0),
    metric("p99", "µs", 1.0),
    metric("p999", "µs", 1.0),
    metric("by_turns", "µs of CPU", 1e3),
    metric("bare", "µs of a bare epoll loop", 1e3),
];
const ECHO: &[Metric] = match ECHO_BY_TURNS {
    [echo @ .., _by_turns, _bare] => echo,
    _ => &[],
};
const PARTIAL_LOAD: &[Metric] =
    &[metric("cpu", "µs", 1e3), metric("p50", "µs", 1.0), metric("p99", "µs", 1.0)];
const TREE: &[Metric] =
    &[metric("wall", "ms", 1e6), metric("cpu", "ms", 1e6), metric("serial", "ms", 1e6)];
const ALLOCATIONS: &[Metric] = &[
    metric("spawn", "per op", 1.0),
    metric("wake", "per op", 1.0),
    metric("sleep", "per op", 1.0),
    metric("blocking", "per op", 1.0),
    metric("block_on", "per op", 1.0),
];
const LATE: &[Metric] = &[metric("late_p50", "µs", 1.0), metric("late_p99", "µs", 1.0)];
const TIMERS: &[Metric] =
    &[metric("cpu", "ns", 1.0), metric("late_p50", "µs", 1.0), metric("late_p99", "µs", 1.0)];
const SLEEP: &[Metric] = &[metric("over", "µs", 1.0), metric("cpu", "µs", 1e3)];
const RESCUE: &[Metric] = &[
    metric("tick_p50", "ms", 1.0),
    metric("tick_p99", "ms", 1.0),
    metric("tick_max", "ms", 1.0),
    metric("echo_p50", "ms", 1.0),
    metric("echo_max", "ms", 1.0),
];
const TASK_VERSUS_THREAD: &[Metric] =
    &[metric("memory", "B", 1.0), metric("create", "ns", 1.0), metric("switch", "ns", 1.0)];

const fn wall(at_most: f64) -> Target {
    target("wall", BestMulti(at_most))
}

/// No slower than async-std; ties are allowed.
const fn no_slower_than_async_std() -> Target {
    target("wall", AsyncStd(1.0))
}

/// Faster than tokio; ties are not allowed.
const fn faster_than_tokio() -> Target {
    target("wall", Tokio(0.99))
}

/// Neither the time nor the CPU time is longer than with the best peer.
const NO_WORSE: &[Target] = &[wall(1.0), target("cpu", BestMulti(1.0))];

/// All rows, in the order of the table.
pub const ROWS: &[Row] = &[
    row("spawn_join_100", "spawn and await, 100 at a time", NS, &[wall(0.55)]),
    row("spawn_join_10000", "spawn and await, 10,000 at a time", NS, &[wall(0.55)]),
    row("spawn_detached", "spawn and detach, 10,000 at a time", NS, &[wall(0.5)]),
    row("chained_spawn", "each task spawns the next", NS, &[wall(0.5)]),
    row("spawn_one", "spawn and await one task", NS, &[]),
    row("spawn_remote", "spawn from outside the runtime", NS, &[wall(0.75)]),
    row("ping_pong_steady", "a round trip, 1 pair of tasks", NS, &[wall(0.7)]),
    row("ping_pong_100", "a round trip, 100 pairs of tasks", NS, &[wall(0.9)]),
    row("yield_1", "yield_now, 1 task", NS, &[wall(0.35)]),
    row("yield_200", "yield_now, 200 tasks", NS, &[wall(0.85)]),
    row("chain_500", "a hop in a ring of 500 tasks", NS, &[wall(0.65)]),
    row("wake_foreign", "wakes from a thread outside the runtime", NS, &[]),
    row(
        "wake_idle_latency",
        "a wake of an idle runtime from outside",
        &[metric("p50", "µs", 1.0), metric("p99", "µs", 1.0)],
        &[],
    ),
    row("block_on_ready", "block_on(ready)", NS, &[wall(1.0)]),
    row("block_on_yield", "block_on(yield)", NS, &[wall(1.0)]),
    row("block_on_spawn", "block_on(spawn)", US, &[]),
    row(
        "mem_pending",
        "a waiting task with 64 B of state",
        BYTES,
        &[target("heap", BestMulti(0.8)), target("heap", Absolute(128.0))],
    ),
    row("mem_timer", "the same, in a sleep", BYTES, &[]),
    row(
        "allocations",
        "allocations per operation",
        ALLOCATIONS,
        &[
            target("spawn", Absolute(1.0)),
            target("wake", Absolute(0.0)),
            target("sleep", Absolute(0.0)),
            target("block_on", Absolute(0.0)),
        ],
    ),
    row("timer_drop", "a sleep that is polled once and dropped", NS, &[wall(0.35)]),
    row("timeout_ready", "timeout around a ready future", NS, NO_WORSE),
    row("timeout_yield", "timeout around a future that waits once", NS, &[]),
    row(
        "timers_20k",
        "20,000 timers over 100 ms",
        TIMERS,
        &[target("cpu", Tokio(1.0)), target("late_p50", Absolute(50.0))],
    ),
    row(
        "sleep_1ms",
        "sleep(1 ms), overshoot and CPU",
        SLEEP,
        &[target("over", BestMulti(1.0)), target("cpu", Tokio(1.0))],
    ),
    row("blocking_seq", "spawn_blocking in sequence", US, &[wall(1.0)]),
    row("blocking_64", "spawn_blocking, 64 at a time", NS, &[wall(0.7)]),
    row("mutex", "mutex, 8 tasks", NS, &[no_slower_than_async_std()]),
    row("mutex_across_await", "the same, held across a yield", NS, &[no_slower_than_async_std()]),
    row("rwlock", "read-write lock, 7 readers, 1 writer", NS, &[no_slower_than_async_std()]),
    row(
        "channel_1_1",
        "bounded channel, 1 sender",
        NS,
        &[no_slower_than_async_std(), faster_than_tokio()],
    ),
    row(
        "channel_4_1",
        "bounded channel, 4 senders",
        NS,
        &[no_slower_than_async_std(), faster_than_tokio()],
    ),
    row("oneshot", "a oneshot channel, sent and received", NS, &[wall(1.0)]),
    row("oneshot_wait", "the same, awaited first", NS, &[wall(1.0)]),
    row("notify", "a notification before its waiter", NS, &[wall(1.0)]),
    row("notify_wait", "two tasks notify each other", NS, &[wall(1.0)]),
    row("watch", "a watch channel, set and seen", NS, &[wall(1.0)]),
    row("watch_wait", "the same, 4 tasks wait", NS, &[wall(1.0)]),
    row("broadcast", "a broadcast message, 1 receiver", NS, &[wall(1.0)]),
    row("broadcast_wait", "the same, 4 tasks wait", NS, &[wall(1.0)]),
    row("semaphore", "a permit, taken and given back", NS, &[wall(1.0)]),
    row("semaphore_wait", "8 tasks, 2 permits, held across a yield", NS, &[wall(1.0)]),
    row("stream_adapters", "5 stream adapters, per item", NS, &[no_slower_than_async_std()]),
    row("stream_lines", "lines of a buffered reader, per line", NS, &[no_slower_than_async_std()]),
    on_one_worker(row("forkjoin_fine_w1", "the next row on 1 worker", TREE, &[])),
    row(
        "forkjoin_fine",
        "fork-join, 2,600 small tasks",
        TREE,
        &[wall(0.65), target("wall", OwnRow("forkjoin_fine_w1"))],
    ),
    on_one_worker(row("forkjoin_coarse_w1", "the next row on 1 worker", TREE, &[])),
    row("forkjoin_coarse", "fork-join, 230 larger tasks", TREE, &[]),
    row("timers_beside_yield", "5 ms timers beside yielding tasks", LATE, &[]),
    row(
        "idle",
        "10 tasks at 10 Hz, started together, CPU per second",
        SHARE,
        &[target("cpu_share", BestMulti(0.6))],
    ),
    row("idle_spread", "the same, started 9.7 ms apart", SHARE, &[]),
    row("startup", "a process with one task", MS, &[target("cpu", BestMulti(1.0))]),
    row(
        "rescue",
        "2 blocking tasks beside 1,000 tickers, 50 echoes",
        RESCUE,
        &[
            target("tick_p99", Absolute(25.0)),
            target("tick_max", Absolute(100.0)),
            target("echo_max", Absolute(100.0)),
        ],
    ),
    row(
        "partial_load_200",
        "a server of 200 requests/s, 50 connections",
        PARTIAL_LOAD,
        &[target("cpu", BestMulti(1.0))],
    ),
    row(
        "partial_load_2000",
        "2,000 requests/s, 50 connections",
        PARTIAL_LOAD,
        &[target("cpu", BestMulti(1.0)), target("cpu", AsyncStd(0.5))],
    ),
    row(
        "partial_load_8000",
        "8,000 requests/s, 50 connections",
        PARTIAL_LOAD,
        &[target("cpu", BestMulti(1.0)), target("cpu", AsyncStd(0.5))],
    ),
    by_turns(on_one_worker(row(
        "echo_1x64",
        "TCP echo, 1 connection, 64 B",
        ECHO_BY_TURNS,
        &[target("by_turns", Tokio(1.0))],
    ))),
    by_turns(on_one_worker(row(
        "echo_8x64",
        "TCP echo, 8 connections, 64 B",
        ECHO_BY_TURNS,
        &[target("by_turns", Tokio(1.0))],
    ))),
    by_turns(on_one_worker(row(
        "echo_50x64",
        "TCP echo, 50 connections, 64 B",
        ECHO_BY_TURNS,
        &[target("by_turns", Tokio(0.95)), target("by_turns", AsyncStd(0.75))],
    ))),
    by_turns(on_one_worker(row(
        "echo_1000x64",
        "TCP echo, 1,000 connections, 64 B",
        ECHO_BY_TURNS,
        &[
            target("by_turns", Tokio(1.0)),
            target("by_turns", AsyncStd(0.75)),
            target("p999", Tokio(0.25)),
        ],
    ))),
    by_turns(row("echo_free_50x64", "50 connections, 64 B, on any core", ECHO_BY_TURNS, &[])),
    by_turns(row("echo_free_1000x64", "1,000 connections, 64 B, on any core", ECHO_BY_TURNS, &[])),
    on_one_worker(row("echo_50x4k", "TCP echo, 50 connections, 4 KiB", ECHO, &[])),
    on_one_worker(row("echo_50x64k", "TCP echo, 50 connections, 64 KiB", ECHO, &[])),
    on_one_worker(row("echo_50x64x16", "TCP echo, 50 connections, 64 B, 16 deep", ECHO, &[])),
    row("udp_ping_pong", "a round trip of two UDP sockets", NS, NO_WORSE),
    row("unix_ping_pong", "a round trip of a pair of Unix streams", NS, NO_WORSE),
    row("children", "a child process, started and awaited", US, &[target("cpu", BestMulti(1.0))]),
    row("io_copy", "1 GiB from a TCP stream to another", MS, &[target("cpu", Tokio(0.5))]),
    #[cfg(feature = "hyper")]
    by_turns(on_one_worker(row(
        "hyper_1",
        "hyper, 1 connection",
        ECHO_BY_TURNS,
        &[target("by_turns", Tokio(1.0))],
    ))),
    #[cfg(feature = "hyper")]
    by_turns(on_one_worker(row(
        "hyper_50",
        "hyper, 50 connections",
        ECHO_BY_TURNS,
        &[target("by_turns", Tokio(1.0))],
    ))),
    #[cfg(feature = "hyper")]
    by_turns(on_one_worker(row(
        "hyper_1000",
        "hyper, 1,000 connections",
        ECHO_BY_TURNS,
        &[target("by_turns", Tokio(1.0)), target("p99", Absolute(16_000.0))],
    ))),
    row("requests_new", "many_requests, new connections", US, &[]),
    row("requests_keep", "many_requests, keep-alive", US, &[target("cpu", BestMulti(1.0))]),
    row("when_async_helps", "a task against a thread", TASK_VERSUS_THREAD, &[]),
];

/// The figure of the echo rows in a run that counts system calls.
pub const SYSCALLS: &[Metric] = &[metric("syscalls", "per request", 1.0)];

#[cfg(test)]
mod tests {
    use super::{Limit, ROWS};

    #[test]
    fn every_target_names_a_figure_of_its_row() {
        for row in ROWS {
            for target in row.targets {
                let known = row.metrics.iter().any(|metric| metric.name == target.metric);
                assert!(known, "{}: {}", row.name, target.metric);
                if let Limit::OwnRow(other) = target.limit {
                    assert!(ROWS.iter().any(|row| row.name == other), "{other}");
                }
            }
        }
    }
}
