//! Tasks against threads: memory, creation, switching. Also the start of a process.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use crate::measure::{Meter, RunConfig, Sample, Stopwatch, resident_bytes};
use crate::rt::Rt;
use crate::workloads::{memory, spawn, switch};

/// `memory`: resident bytes of a waiting task with 64 bytes of state; `create`: nanoseconds of
/// spawn and join; `switch`: nanoseconds from one task to the other, half a ping-pong.
pub fn on_tasks<R: Rt>(config: &RunConfig) -> Sample {
    let create = spawn::join::<R>(config, 100);
    let switch = switch::ping_pong::<R>(config, 1, 20_000);
    let memory = memory::pending::<R>(config);
    let figure = |sample: &Sample, name| sample.get(name).expect("the workload reports it");
    Sample::default()
        .with("memory", figure(&memory, "rss"))
        .with("create", figure(&create, "wall"))
        .with("switch", figure(&switch, "wall") / 2.0)
}

/// Runs a workload on plain threads. Returns `None` if there is no such workload for them.
pub fn on_threads(name: &str, config: &RunConfig) -> Option<Sample> {
    match name {
        "when_async_helps" => Some(
            Sample::default()
                .with("memory", thread_bytes())
                .with("create", thread_creation(config))
                .with("switch", thread_switch(config)),
        ),
        "startup" => Some(start_processes("threads", config)),
        _ => None,
    }
}

fn thread_bytes() -> f64 {
    const COUNT: usize = 500;
    let arrived = Arc::new(Barrier::new(COUNT + 1));
    let before = resident_bytes();
    let start = || {
        let arrived = arrived.clone();
        thread::spawn(move || {
            arrived.wait();
            arrived.wait();
        })
    };
    let threads: Vec<_> = (0..COUNT).map(|_| start()).collect();
    arrived.wait();
    let bytes = (resident_bytes() - before) / COUNT as f64;
    arrived.wait();
    for thread in threads {
        thread.join().expect("a waiting thread does not panic");
    }
    bytes
}

fn thread_creation(config: &RunConfig) -> f64 {
    let mut meter = Meter::new(config);
    while meter.is_running() {
        thread::spawn(|| {}).join().expect("an empty thread does not panic");
        meter.add(1);
    }
    meter.finish().get("wall").expect("a meter reports wall time")
}

/// Two threads pass a flag back and forth and sleep in between. Nanoseconds one way.
fn thread_switch(config: &RunConfig) -> f64 {
    let is_there = Arc::new(AtomicBool::new(false));
    let is_over = Arc::new(AtomicBool::new(false));
    let here = thread::current();
    let partner = thread::spawn({
        let (is_there, is_over) = (is_there.clone(), is_over.clone());
        move || {
            while !is_over.load(Ordering::Acquire) {
                if is_there.swap(false, Ordering::AcqRel) {
                    here.unpark();
                }
                thread::park();
            }
        }
    });
    let mut meter = Meter::new(config);
    while meter.is_running() {
        is_there.store(true, Ordering::Release);
        partner.thread().unpark();
        while is_there.load(Ordering::Acquire) {
            thread::park();
        }
        meter.add(2);
    }
    let sample = meter.finish();
    is_over.store(true, Ordering::Release);
    partner.thread().unpark();
    partner.join().expect("the partner does not panic");
    sample.get("wall").expect("a meter reports wall time")
}

/// A process that starts the runtime, runs one task and ends. Per process. `cpu` is the CPU time
/// that the process reports before it ends.
pub fn startup<R: Rt>(config: &RunConfig) -> Sample {
    start_processes(&std::env::args().nth(3).expect("a child knows its runtime"), config)
}

fn start_processes(runtime: &str, config: &RunConfig) -> Sample {
    let times = config.scaled(100) as u32;
    let own = std::env::current_exe().expect("a process knows its program");
    let stopwatch = Stopwatch::start();
    let mut cpu = Duration::ZERO;
    for _ in 0..times {
        let mut leaf = Command::new(&own);
        leaf.args(["startup", runtime, &config.workers.to_string()]).stderr(Stdio::inherit());
        let output = leaf.output().expect("the program can run itself");
        let nanos = String::from_utf8_lossy(&output.stdout).trim().parse();
        cpu += Duration::from_nanos(nanos.expect("a leaf prints its CPU time"));
    }
    Sample::default()
        .with("wall", stopwatch.elapsed().as_nanos() as f64 / f64::from(times))
        .with("cpu", (cpu / times).as_nanos() as f64)
}
