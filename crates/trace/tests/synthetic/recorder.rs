//! A recorder for the simulated program: chunks of several threads, and the file.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use reveille_trace::{
    CHUNK_WORDS, ChunkHead, ChunkWriter, Event, FileWriter, Frame, FutureType, LiveRecord, Meta,
    Module, Moment, SourcePlace, TaskKey, WorkerId,
};

use super::scenes::{BLOCKING, SCENES};

/// What was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) events: u64,
    pub(crate) tasks: u64,
    pub(crate) ended: u64,
    pub(crate) polls: u64,
    pub(crate) wakes: u64,
}

struct Thread {
    name: String,
    slots: Vec<AtomicU64>,
    writer: Option<ChunkWriter>,
    chunks: Vec<Vec<u64>>,
    polled: TaskKey,
    worker: u64,
    last: u64,
    reserved: u64,
}

/// Records events of several threads.
pub(crate) struct Recorder {
    threads: Vec<Thread>,
    workers: usize,
    sequence: u64,
    strings: Vec<String>,
    ids: HashMap<String, u32>,
    pub(crate) counts: Counts,
}

const TICKS_PER_NS: u64 = 3;
const START_TICK: u64 = 7_000_000_000_000;
const START_NS: u64 = START_TICK / TICKS_PER_NS;
const WALL_NS: u64 = 1_790_000_000_000_000_000;
const BLOCKING_THREADS: usize = 4;

impl Recorder {
    pub(crate) fn new(workers: usize) -> Recorder {
        let names = (0..workers).map(|index| format!("reveille-{index}"));
        let blocking = (0..BLOCKING_THREADS).map(|index| format!("blocking-{index}"));
        let names = names.chain(["main".to_owned()]).chain(blocking);
        let thread = |name| Thread {
            name,
            slots: (0..CHUNK_WORDS).map(|_| AtomicU64::new(0)).collect(),
            writer: None,
            chunks: Vec::new(),
            polled: TaskKey::NONE,
            worker: WorkerId::NONE,
            last: 0,
            reserved: 0,
        };
        Recorder {
            threads: names.map(thread).collect(),
            workers,
            sequence: 0,
            strings: vec![String::new()],
            ids: HashMap::new(),
            counts: Counts::default(),
        }
    }

    pub(crate) fn main(&self) -> usize {
        self.workers
    }

    /// The thread of the blocking pool that is free first.
    pub(crate) fn blocking(&self, _job: usize) -> usize {
        let threads = self.workers + 1..self.threads.len();
        threads.min_by_key(|thread| self.last(*thread)).unwrap()
    }

    /// When the thread is free.
    pub(crate) fn last(&self, thread: usize) -> u64 {
        self.threads[thread].last.max(self.threads[thread].reserved)
    }

    pub(crate) fn reserve(&mut self, thread: usize, until: u64) {
        self.threads[thread].reserved = until;
    }

    pub(crate) fn latest(&self) -> u64 {
        self.threads.iter().map(|thread| thread.last).max().unwrap()
    }

    pub(crate) fn tick(&self, ns: u64) -> u64 {
        START_TICK + ns * TICKS_PER_NS
    }

    fn moment(&self, ns: u64) -> Moment {
        Moment { tick: self.tick(ns), monotonic_ns: START_NS + ns, wall_ns: WALL_NS + ns }
    }

    pub(crate) fn string(&mut self, text: &str) -> u32 {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        self.strings.push(text.to_owned());
        let id = self.strings.len() as u32 - 1;
        self.ids.insert(text.to_owned(), id);
        id
    }

    pub(crate) fn socket(&mut self, fd: u32) -> u32 {
        match fd {
            3 => self.string("tcp listener 0.0.0.0:8080"),
            _ => self.string(&format!("tcp 10.0.0.{}:{}", fd % 250, 40_000 + fd)),
        }
    }

    /// The identifier of the stack of a scene's step.
    pub(crate) fn stack(&self, scene: usize, step: usize) -> u32 {
        let steps = SCENES[scene].steps.len().max(1);
        (scene * 10 + step % steps) as u32 + 1
    }

    pub(crate) fn stamped(&mut self, thread: usize, ns: u64, event: Event) {
        self.threads[thread].last = self.threads[thread].last.max(ns);
        self.push(thread, Some(self.tick(ns)), event);
    }

    pub(crate) fn unstamped(&mut self, thread: usize, event: Event) {
        self.push(thread, None, event);
    }

    fn push(&mut self, thread: usize, tick: Option<u64>, event: Event) {
        self.counts.events += 1;
        let moment = self.moment(self.threads[thread].last);
        loop {
            let this = &mut self.threads[thread];
            if this.writer.is_none() {
                self.sequence += 1;
                let head = ChunkHead {
                    sequence: self.sequence,
                    thread: thread as u32,
                    thread_sequence: this.chunks.len() as u32 + 1,
                    moment,
                    polled: this.polled,
                    worker: this.worker,
                    dropped: 0,
                    has_ended: false,
                    thread_name: ChunkHead::short_name(&this.name),
                };
                this.writer = Some(ChunkWriter::start(&this.slots, &head));
            }
            let writer = this.writer.as_mut().unwrap();
            let pushed = match tick {
                Some(tick) => writer.push(&this.slots, tick, event),
                None => writer.push_unstamped(&this.slots, event),
            };
            if pushed.is_ok() {
                break;
            }
            this.close();
        }
        self.threads[thread].note(event);
    }

    /// Writes the file.
    pub(crate) fn finish(mut self, now: u64, live: &[LiveRecord]) -> (Vec<u8>, Counts) {
        let meta = Meta {
            ticks_per_second: 0,
            start: self.moment(0),
            process: 4711,
            producer: "synthetic 1".to_owned(),
            program: "shop".to_owned(),
        };
        let mut file = FileWriter::new(Vec::new(), &meta).unwrap();
        let mut chunks = Vec::new();
        for thread in &mut self.threads {
            thread.close();
            chunks.append(&mut thread.chunks);
        }
        chunks.sort_by_key(|words| words[0]);
        for words in chunks {
            file.chunk(&words).unwrap();
        }
        self.names(&mut file);
        file.live(self.tick(now), live).unwrap();
        let counts = self.counts;
        (file.finish(self.moment(now)).unwrap(), counts)
    }

    fn names(&mut self, file: &mut FileWriter<Vec<u8>>) {
        let (mut places, mut types, mut stacks) = (Vec::new(), Vec::new(), Vec::new());
        for (index, scene) in SCENES.iter().enumerate() {
            let (source, name) = (self.string(scene.file), self.string(scene.type_name));
            let (id, line) = (scene.origin.place, scene.line);
            places.push(SourcePlace { id, file: source, line, column: 9 });
            types.push(FutureType { id: scene.origin.type_id, name, size: 300 + line });
            // The compiler ran in this folder, so the debug information names it.
            let own = self.string(&format!("/home/shop/{}", scene.file));
            let library = self.string("/home/me/.cargo/registry/src/index/library/src/lib.rs");
            for step in 0..scene.steps.len().max(1) {
                let functions = scene.functions.iter().enumerate().rev();
                let frames: Vec<Frame> = functions
                    .map(|(depth, function)| Frame {
                        address: 0x5555_0000_0000 + (index * 256 + depth * 16 + step) as u64,
                        function: self.string(function),
                        file: if function.contains("shop::") { own } else { library },
                        line: line + 10 * depth as u32 + step as u32,
                        column: 13,
                    })
                    .collect();
                stacks.push((self.stack(index, step), frames));
            }
        }
        let (source, name) =
            (self.string("src/image.rs"), self.string("shop::image::decode::{{closure}}"));
        places.push(SourcePlace { id: BLOCKING.place, file: source, line: 88, column: 5 });
        types.push(FutureType { id: BLOCKING.type_id, name, size: 64 });
        let strings = self.strings.iter().enumerate().skip(1);
        let strings: Vec<_> = strings.map(|(id, text)| (id as u32, text.as_str())).collect();
        file.strings(&strings).unwrap();
        file.places(&places).unwrap();
        file.types(&types).unwrap();
        let stacks: Vec<_> = stacks.iter().map(|(id, frames)| (*id, frames.as_slice())).collect();
        file.stacks(&stacks).unwrap();
        let module = Module {
            base: 0x5555_0000_0000,
            size: 0x10_0000,
            build_id: vec![0xab; 20],
            path: "/usr/bin/shop".to_owned(),
        };
        file.modules(&[module]).unwrap();
        file.drops(&[]).unwrap();
    }
}

impl Thread {
    /// Ends the chunk.
    fn close(&mut self) {
        if self.writer.take().is_some() {
            let words = self.slots.iter().map(|slot| slot.load(Ordering::Acquire)).collect();
            self.chunks.push(words);
        }
    }

    /// Remembers what the head of the next chunk says.
    fn note(&mut self, event: Event) {
        use reveille_trace::Kind;
        match event.kind() {
            Kind::PollStart if event != Event::poll_inside() => {
                self.polled = TaskKey::from_value(event.value());
            }
            Kind::PollEnd => self.polled = TaskKey::NONE,
            Kind::Enter => self.worker = event.value(),
            _ => {}
        }
    }
}
