//! What the recorder costs: a row without a recording, with a flight recorder and with a file, by
//! turns in one process.
//!
//! The machine's speed changes from one second to the next, and a second process has other memory.
//! So a round has one short phase of each, in an order that changes. A figure is a percentile of
//! all phases. The low ones are those during which nothing else ran.
//!
//! The rows `bare_N` are of [`bare_recorder`](crate::bare_recorder).
//!
//! A phase begins after a run of the row that is not measured. With a recording, this uses the
//! recording's memory once. Before that, the system hands out each page, which may take as long as
//! the events of the page. `--warm 0` shows the sum.

use std::time::Duration;
use std::{fmt, io};

use reveille::observe::{FlightRecorder, FlightRecording, Recording, record_to};

use crate::bare_recorder::Sink;
use crate::measure::{RunConfig, percentile};
use crate::runtime::Runtime;

/// Rounds without `--rounds`.
const ROUNDS: usize = 100;

/// The length of a phase without `--ms`. For tasks alone this is more than 50,000 operations.
const PHASE_MS: u64 = 10;

/// How long the run before a phase takes, without `--warm`. 16 MiB are the events of about
/// 100 ms.
const WARM_MS: u64 = 300;

const PERCENTILES: [f64; 3] = [0.10, 0.25, 0.50];

/// What is recorded in a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Off,
    Flight,
    File,
}

const MODES: [Mode; 3] = [Mode::Off, Mode::Flight, Mode::File];

/// A recording that ends when it is dropped.
enum Running {
    Nothing,
    Flight(#[expect(dead_code, reason = "its drop ends the recording")] FlightRecording),
    File(Recording),
}

/// The command line: `[--rounds N] [--ms N] [--warm MS] [--workers N] [--memory KIB] [--file PATH]
/// ROW...`.
struct Options<'a> {
    rounds: usize,
    ms: u64,
    warm_ms: u64,
    workers: usize,
    /// Of the flight recorder; its default if not given.
    memory_kib: Option<usize>,
    file: &'a str,
    rows: Vec<&'a str>,
}

impl<'a> Options<'a> {
    fn parse(words: &'a [String]) -> Option<Self> {
        let file = "/dev/shm/reveille-recorder-%p.rvt";
        let (rounds, ms, warm_ms, workers) = (ROUNDS, PHASE_MS, WARM_MS, 1);
        let mut options =
            Self { rounds, ms, warm_ms, workers, memory_kib: None, file, rows: Vec::new() };
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            match word {
                "--rounds" => options.rounds = words.next()?.parse().ok()?,
                "--ms" => options.ms = words.next()?.parse().ok()?,
                "--warm" => options.warm_ms = words.next()?.parse().ok()?,
                "--workers" => options.workers = words.next()?.parse().ok()?,
                "--memory" => options.memory_kib = Some(words.next()?.parse().ok()?),
                "--file" => options.file = words.next()?,
                row => options.rows.push(row),
            }
        }
        (options.rounds > 0 && !options.rows.is_empty()).then_some(options)
    }
}

/// Measures the rows. Returns `None` if the arguments are not those of [`Options`].
pub fn run(words: &[String]) -> Option<io::Result<String>> {
    let options = Options::parse(words)?;
    let row = |row: &&str| measure(row, &options).map(|figures| figures.to_string());
    let rows: io::Result<Vec<String>> = options.rows.iter().map(row).collect();
    Some(rows.map(|rows| rows.join("\n")))
}

/// The CPU time of each phase, in nanoseconds per operation, by mode.
struct Figures<'a> {
    row: &'a str,
    phases: [Vec<f64>; MODES.len()],
}

fn measure<'a>(row: &'a str, options: &Options<'_>) -> io::Result<Figures<'a>> {
    let config = |ms| RunConfig {
        time: Duration::from_millis(ms),
        // A phase is short even if its length is a number of operations.
        is_quick: true,
        workers: options.workers,
        has_strace: false,
    };
    let run = |ms| Runtime::Reveille.measure(row, &config(ms));
    let bare_words = row.strip_prefix("bare_").and_then(|words| words.parse().ok());
    let mut figures = Figures { row, phases: [const { Vec::new() }; MODES.len()] };
    for round in 0..=options.rounds {
        for turn in 0..MODES.len() {
            let index = (round + turn) % MODES.len();
            if let Some(words) = bare_words {
                let cpu = bare(MODES[index], words, options)?;
                if round > 0 {
                    figures.phases[index].push(cpu);
                }
                continue;
            }
            let recording = MODES[index].begin(options)?;
            if options.warm_ms > 0 {
                // Without a recording too: the system may still be busy with a run that has ended.
                run(options.warm_ms);
            }
            let sample = run(options.ms);
            recording.end()?;
            let cpu = sample.and_then(|sample| sample.get("cpu"));
            let cpu = cpu.ok_or_else(|| io::Error::other(format!("no row {row} with CPU time")))?;
            // The first round warms up.
            if round > 0 {
                figures.phases[index].push(cpu);
            }
        }
    }
    Ok(figures)
}

/// A phase of the loop that does only what no recorder can leave out.
fn bare(mode: Mode, words: usize, options: &Options<'_>) -> io::Result<f64> {
    let path = options.file.replace("%p", &std::process::id().to_string());
    let mut sink = match mode {
        Mode::Off => Sink::None,
        Mode::Flight => Sink::ring(),
        Mode::File => Sink::file(&path)?,
    };
    sink.run(Duration::from_millis(options.warm_ms), words);
    let cpu = sink.run(Duration::from_millis(options.ms), words);
    sink.end()?;
    if mode == Mode::File {
        std::fs::remove_file(path)?;
    }
    Ok(cpu)
}

impl Mode {
    fn begin(self, options: &Options<'_>) -> io::Result<Running> {
        Ok(match self {
            Mode::Off => Running::Nothing,
            Mode::Flight => {
                let recorder = FlightRecorder::new();
                let recorder = match options.memory_kib {
                    Some(kib) => recorder.memory(kib << 10),
                    None => recorder,
                };
                Running::Flight(recorder.start()?)
            }
            Mode::File => Running::File(record_to(options.file)?),
        })
    }
}

impl Running {
    fn end(self) -> io::Result<()> {
        let Running::File(recording) = self else { return Ok(()) };
        let path = recording.path().to_owned();
        recording.finish()?;
        std::fs::remove_file(path)
    }
}

impl fmt::Display for Figures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: CPU ns per operation, {} phases each", self.row, self.phases[0].len())?;
        let off = PERCENTILES.map(|rank| percentile(&mut self.phases[0].clone(), rank));
        for (mode, phases) in MODES.iter().zip(&self.phases) {
            write!(f, "\n  {:<8}", format!("{mode:?}").to_lowercase())?;
            for (rank, off) in PERCENTILES.iter().zip(off) {
                let cpu = percentile(&mut phases.clone(), *rank);
                write!(f, "  p{:<2} {cpu:8.1}", rank * 100.0)?;
                match mode {
                    Mode::Off => write!(f, "          ")?,
                    _ => write!(f, " ({:+5.1} %)", (cpu / off - 1.0) * 100.0)?,
                }
            }
        }
        Ok(())
    }
}
