//! The rows of the table: which workload, which figures of it, and what is wanted of reveille.

use Target::{Absolute, AsyncStd, BestMulti, OwnRow, Tokio};

/// One workload of the table.
#[derive(Debug)]
pub struct Row {
    /// The workload's name.
    pub name: &'static str,
    /// What it is, in a few words.
    pub what: &'static str,
    /// Threads of the runtimes that have several.
    pub workers: usize,
    /// Whether all contestants also take turns at it, for one that the machine's mood moves by
    /// more than what is wanted of it.
    pub has_turns: bool,
    /// The figures to print, smaller is better in all of them.
    pub metrics: &'static [Metric],
    /// What is wanted of reveille.
    pub wanted: &'static [Wanted],
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

/// A wish for one figure.
#[derive(Debug)]
pub struct Wanted {
    /// The name of the figure.
    pub metric: &'static str,
    /// How it is judged.
    pub target: Target,
}

/// How reveille's figure is judged; 1.0 allows ties within the run's own noise.
#[derive(Clone, Copy, Debug)]
pub enum Target {
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

const fn wanted(metric: &'static str, target: Target) -> Wanted {
    Wanted { metric, target }
}

const fn row(
    name: &'static str,
    what: &'static str,
    metrics: &'static [Metric],
    wanted: &'static [Wanted],
) -> Row {
    Row { name, what, workers: 2, has_turns: false, metrics, wanted }
}

const fn on_one(row: Row) -> Row {
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
const CLAIMS: &[Metric] =
    &[metric("memory", "B", 1.0), metric("create", "ns", 1.0), metric("switch", "ns", 1.0)];

const fn wall(at_most: f64) -> Wanted {
    wanted("wall", BestMulti(at_most))
}

/// Not behind async-std.
const fn level() -> Wanted {
    wanted("wall", AsyncStd(1.0))
}

/// Faster than tokio, ties not allowed.
const fn ahead_of_tokio() -> Wanted {
    wanted("wall", Tokio(0.99))
}

/// All rows, in the order of the table.
pub const ROWS: &[Row] = &[
    row("spawn_join_100", "spawn and await, 100 at a time", NS, &[wall(0.55)]),
    row("spawn_join_10000", "spawn and await, 10,000 at a time", NS, &[wall(0.55)]),
    row("spawn_detached", "spawn and detach, 10,000 at a time", NS, &[wall(0.5)]),
    row("chained_spawn", "each task spawns the next", NS, &[wall(0.5)]),
    row("spawn_one", "spawn one, await it", NS, &[]),
    row("spawn_remote", "spawn from outside the runtime", NS, &[wall(0.75)]),
    row("ping_pong_steady", "1 pair of tasks, a round trip", NS, &[wall(0.7)]),
    row("ping_pong_100", "100 pairs of tasks, a round trip", NS, &[wall(0.9)]),
    row("yield_1", "yield_now, 1 task", NS, &[wall(0.35)]),
    row("yield_200", "yield_now, 200 tasks", NS, &[wall(0.85)]),
    row("chain_500", "500 tasks in a ring, a hop", NS, &[wall(0.65)]),
    row("wake_foreign", "wakes from a foreign thread", NS, &[]),
    row(
        "wake_idle_latency",
        "a foreign wake of an idle runtime",
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
        &[wanted("heap", BestMulti(0.8)), wanted("heap", Absolute(128.0))],
    ),
    row("mem_timer", "the same, asleep", BYTES, &[]),
    row(
        "allocations",
        "allocations per operation",
        ALLOCATIONS,
        &[
            wanted("spawn", Absolute(1.0)),
            wanted("wake", Absolute(0.0)),
            wanted("sleep", Absolute(0.0)),
            wanted("block_on", Absolute(0.0)),
        ],
    ),
    row("timer_drop", "a sleep made, polled, dropped", NS, &[wall(0.35)]),
    row("timeout_ready", "timeout around a ready future", NS, &[]),
    row("timeout_yield", "timeout around a future that waits once", NS, &[]),
    row(
        "timers_20k",
        "20,000 timers over 100 ms",
        TIMERS,
        &[wanted("cpu", Tokio(1.0)), wanted("late_p50", Absolute(50.0))],
    ),
    row(
        "sleep_1ms",
        "sleep(1 ms), overshoot and CPU",
        SLEEP,
        &[wanted("over", BestMulti(1.0)), wanted("cpu", Tokio(1.0))],
    ),
    row("blocking_seq", "spawn_blocking in sequence", US, &[wall(1.0)]),
    row("blocking_64", "spawn_blocking, 64 at a time", NS, &[wall(0.7)]),
    row("mutex", "mutex, 8 tasks", NS, &[level()]),
    row("mutex_across_await", "the same, held across a yield", NS, &[level()]),
    row("rwlock", "read-write lock, 7 readers, 1 writer", NS, &[level()]),
    row("channel_1_1", "bounded channel, 1 sender", NS, &[level(), ahead_of_tokio()]),
    row("channel_4_1", "bounded channel, 4 senders", NS, &[level(), ahead_of_tokio()]),
    row("stream_adapters", "5 stream adapters, a number", NS, &[level()]),
    row("stream_lines", "lines of a buffered reader, a line", NS, &[level()]),
    on_one(row("forkjoin_fine_w1", "the next row on 1 worker", TREE, &[])),
    row(
        "forkjoin_fine",
        "fork-join, 2,600 small tasks",
        TREE,
        &[wall(0.65), wanted("wall", OwnRow("forkjoin_fine_w1"))],
    ),
    on_one(row("forkjoin_coarse_w1", "the next row on 1 worker", TREE, &[])),
    row("forkjoin_coarse", "fork-join, 230 larger tasks", TREE, &[]),
    row("timers_beside_yield", "5 ms timers beside yielding tasks", LATE, &[]),
    row(
        "idle",
        "10 tasks at 10 Hz, begun together, CPU per second",
        SHARE,
        &[wanted("cpu_share", BestMulti(0.6))],
    ),
    row("idle_spread", "the same, begun 9.7 ms apart", SHARE, &[]),
    row("startup", "a process with one task", MS, &[]),
    row(
        "rescue",
        "2 blocking tasks beside 1,000 tickers, 50 echoes",
        RESCUE,
        &[
            wanted("tick_p99", Absolute(25.0)),
            wanted("tick_max", Absolute(100.0)),
            wanted("echo_max", Absolute(100.0)),
        ],
    ),
    on_one(row("echo_1x64", "TCP echo, 1 connection, 64 B", ECHO, &[])),
    by_turns(on_one(row(
        "echo_50x64",
        "TCP echo, 50 connections, 64 B",
        ECHO_BY_TURNS,
        &[wanted("by_turns", Tokio(0.95)), wanted("by_turns", AsyncStd(0.75))],
    ))),
    by_turns(on_one(row(
        "echo_1000x64",
        "TCP echo, 1,000 connections, 64 B",
        ECHO_BY_TURNS,
        &[
            wanted("by_turns", Tokio(1.0)),
            wanted("by_turns", AsyncStd(0.75)),
            wanted("p999", Tokio(0.25)),
        ],
    ))),
    by_turns(row("echo_free_50x64", "50 connections, 64 B, on any core", ECHO_BY_TURNS, &[])),
    by_turns(row("echo_free_1000x64", "1,000 connections, 64 B, on any core", ECHO_BY_TURNS, &[])),
    on_one(row("echo_50x4k", "TCP echo, 50 connections, 4 KiB", ECHO, &[])),
    on_one(row("echo_50x64k", "TCP echo, 50 connections, 64 KiB", ECHO, &[])),
    on_one(row("echo_50x64x16", "TCP echo, 50 connections, 64 B, 16 deep", ECHO, &[])),
    row("requests_new", "many_requests, new connections", US, &[]),
    row("requests_keep", "many_requests, keep-alive", US, &[wanted("cpu", BestMulti(1.0))]),
    row("when_async_helps", "a task against a thread", CLAIMS, &[]),
];

/// The figure of the echo rows when system calls are counted.
pub const SYSCALLS: &[Metric] = &[metric("syscalls", "per request", 1.0)];

#[cfg(test)]
mod tests {
    use super::{ROWS, Target};

    #[test]
    fn every_wish_names_a_figure_of_its_row() {
        for row in ROWS {
            for wish in row.wanted {
                let known = row.metrics.iter().any(|metric| metric.name == wish.metric);
                assert!(known, "{}: {}", row.name, wish.metric);
                if let Target::OwnRow(other) = wish.target {
                    assert!(ROWS.iter().any(|row| row.name == other), "{other}");
                }
            }
        }
    }
}
