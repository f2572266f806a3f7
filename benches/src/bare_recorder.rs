//! What a recording costs at least on this machine: a loop that does what no recorder can leave
//! out, and nothing else. Its rows are `bare_N` for N words of events an operation; a `chain` has
//! 2, and a `spawn_join` 3.
//!
//! An operation is some atomic instructions, of which tasks mostly consist, and takes as long as
//! a `spawn_join`. With a recording it reads the clock once and stores its words. With a flight
//! recorder these go into a ring of 16 MiB. With a file they go into blocks of 64 KiB, and another
//! thread writes each 2 MiB of these and gives them back. There are no names, heads, checksums,
//! limits, and no lengths that a reader could see, and nothing is copied.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::measure::Stopwatch;

/// The words of a block.
const BLOCK_WORDS: usize = (64 << 10) / 8;
/// How many blocks the ring has.
const RING_BLOCKS: usize = 256;
/// How many blocks the writer gets at once.
const BATCH: usize = 32;
/// How many atomic instructions an operation has.
const ATOMICS: usize = 9;
/// How many operations pass between two readings of the time.
const OPERATIONS: u64 = 1_000;

type Block = Vec<[u8; 8]>;

/// What the words of an operation go to.
#[derive(Debug)]
pub enum Sink {
    /// Nothing: they are not made.
    None,
    Ring(Ring),
    File(Output),
}

#[derive(Debug)]
pub struct Ring {
    blocks: Vec<Block>,
    block: usize,
    word: usize,
}

/// The end at which the words come in.
#[derive(Debug)]
pub struct Output {
    block: Block,
    word: usize,
    full: Vec<Block>,
    free: Vec<Block>,
    batches: Sender<Vec<Block>>,
    given_back: Receiver<Vec<Block>>,
    writer: JoinHandle<io::Result<()>>,
}

fn block() -> Block {
    vec![[0; 8]; BLOCK_WORDS]
}

impl Sink {
    pub fn ring() -> Sink {
        let blocks = (0..RING_BLOCKS).map(|_| block()).collect();
        Sink::Ring(Ring { blocks, block: 0, word: 0 })
    }

    /// A new file, and the thread that writes it.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be made.
    pub fn file(path: &str) -> io::Result<Sink> {
        let mut file = File::create(path)?;
        let (batches, to_write) = channel::<Vec<Block>>();
        let (give_back, given_back) = channel();
        let writer = std::thread::spawn(move || {
            for batch in to_write {
                batch.iter().try_for_each(|block| file.write_all(block.as_flattened()))?;
                // The other end is gone at the end of the recording.
                let _ = give_back.send(batch);
            }
            Ok(())
        });
        let (block, full, free) = (block(), Vec::new(), Vec::new());
        Ok(Sink::File(Output { block, word: 0, full, free, batches, given_back, writer }))
    }

    /// Ends the recording.
    ///
    /// # Errors
    ///
    /// Fails if the file could not be written.
    pub fn end(self) -> io::Result<()> {
        let Sink::File(Output { batches, writer, .. }) = self else { return Ok(()) };
        drop(batches);
        writer.join().expect("the writer does not panic")
    }

    /// Repeats the operation for `time`. Returns the CPU nanoseconds of one.
    pub fn run(&mut self, time: Duration, words: usize) -> f64 {
        let (stopwatch, start, mut operations) = (Stopwatch::start(), Instant::now(), 0);
        let state = AtomicU64::new(0);
        while start.elapsed() < time {
            for _ in 0..OPERATIONS {
                for _ in 0..ATOMICS {
                    black_box(&state).fetch_add(1, Ordering::AcqRel);
                }
                match self {
                    Sink::None => {}
                    Sink::Ring(ring) => ring.push(ticks(), words),
                    Sink::File(output) => output.push(ticks(), words),
                }
            }
            operations += OPERATIONS;
        }
        stopwatch.per_op(operations).get("cpu").expect("it has CPU time")
    }
}

impl Ring {
    #[inline]
    fn push(&mut self, tick: u64, words: usize) {
        if self.word + words > BLOCK_WORDS {
            (self.block, self.word) = ((self.block + 1) % RING_BLOCKS, 0);
        }
        let place = &mut self.blocks[self.block][self.word..self.word + words];
        place.iter_mut().for_each(|word| *word = tick.to_le_bytes());
        self.word += words;
    }
}

impl Output {
    #[inline]
    fn push(&mut self, tick: u64, words: usize) {
        if self.word + words > BLOCK_WORDS {
            self.exchange();
        }
        let place = &mut self.block[self.word..self.word + words];
        place.iter_mut().for_each(|word| *word = tick.to_le_bytes());
        self.word += words;
    }

    #[cold]
    fn exchange(&mut self) {
        if self.free.is_empty() {
            self.free.extend(self.given_back.try_iter().flatten());
        }
        let next = self.free.pop().unwrap_or_else(block);
        self.full.push(std::mem::replace(&mut self.block, next));
        self.word = 0;
        if self.full.len() == BATCH {
            let batch = std::mem::take(&mut self.full);
            self.batches.send(batch).expect("the writer does not end before");
        }
    }
}

/// The processor's ticks, where they can be read.
#[inline]
fn ticks() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: the instruction reads a counter, and every processor of this kind has it.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        START.get_or_init(Instant::now).elapsed().as_nanos() as u64
    }
}
