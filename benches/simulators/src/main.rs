//! Ping-pong of five hosts in the simulators of reveille, turmoil and madsim: four clients send a
//! small message over TCP to a server, which sends it back, `rounds` times each. A message takes
//! one virtual millisecond.
//!
//! ```text
//! cd benches/simulators && cargo run --release -- [ROUNDS [REPEATS]]
//! ```
//!
//! Each simulator is a program of its own, because those of reveille and madsim define the same
//! functions of the C library, and each run is a process of its own. The simulators take turns, and
//! what counts is the processor time of the process, so other programs matter little. The figure is
//! messages per second of it: a simulator's own events are not comparable. For reveille the program
//! also shows its steps: polls, wakes, waits and switches of threads.

use std::process::{Command, Stdio};
use std::{env, fs};

use reveille_benches_simulators::{CLIENTS, NAME, ROUNDS};

/// `calls` is the last one: reveille's simulation without its runtime (`with_calls.rs`).
const NAMES: [&str; 4] = ["reveille", "turmoil", "madsim", "calls"];

/// What a run took.
struct Run {
    cpu_s: f64,
    /// The steps of the simulation, if it reports them.
    steps: Option<u64>,
}

/// The processor time of all children that have ended, in seconds.
fn children_cpu_s() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("this is Linux");
    let (_, fields) = stat.rsplit_once(") ").expect("the name of the program is in parentheses");
    // The 16th and 17th field of the file, in hundredths of a second.
    let ticks = fields.split(' ').skip(13).take(2).map(|field| field.parse::<f64>());
    ticks.map(|ticks| ticks.expect("a number")).sum::<f64>() / 100.0
}

fn run(name: &str, rounds: u64, seed: u64) -> Run {
    let before = children_cpu_s();
    let program = env::current_exe().expect("the path of this program");
    let output = Command::new(program.with_file_name(format!("with_{name}")))
        .env(ROUNDS, rounds.to_string())
        // The process is the simulation itself, not the one that starts it.
        .env("REVEILLE_SIM_CHILD", NAME)
        .env("REVEILLE_SIM_SEED", seed.to_string())
        .stdout(Stdio::null())
        .output()
        .expect("all programs of this package are built");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {}\n{text}", output.status);
    let steps = text.split('\t').find_map(|part| part.strip_prefix("steps=")?.parse().ok());
    Run { cpu_s: children_cpu_s() - before, steps }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn compare(rounds: u64, repeats: u64) {
    let messages = (rounds * CLIENTS * 2) as f64;
    let mut rates = vec![Vec::new(); NAMES.len()];
    let mut steps = Vec::new();
    for seed in 0..repeats {
        for (name, rates) in NAMES.iter().zip(&mut rates) {
            let run = run(name, rounds, seed);
            rates.push(messages / run.cpu_s);
            if *name == NAMES[0] {
                steps.extend(run.steps.map(|steps| steps as f64 / run.cpu_s));
            }
        }
    }
    println!("{messages} messages, {repeats} runs each, medians");
    for (name, rates) in NAMES.iter().zip(rates) {
        println!("{name:<10} {:>9.0} messages per second of processor time", median(rates));
    }
    println!("{:<10} {:>9.0} steps per second of processor time", NAMES[0], median(steps));
}

fn main() {
    let mut numbers = env::args().skip(1).map(|text| text.parse().expect("a number"));
    compare(numbers.next().unwrap_or(20_000), numbers.next().unwrap_or(5));
}
