//! Makes traces of programs that never ran. The same parameters give the same trace.
//!
//! [`program`] simulates workers, timers, sockets, a blocking pool and tasks of several kinds, and
//! records what they do with the encoder that a runtime uses. It also counts what it recorded, so
//! that a test can compare.
#![allow(dead_code, reason = "each program that includes this module uses a part of it")]

mod recorder;
mod scenes;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use reveille_trace::{
    Event, Flavour, Lint, LintRule, LiveRecord, LiveState, Origin, Outcome, Ready, TaskKey,
    WaitFor, WorkerId,
};

pub(crate) use self::recorder::{Counts, Recorder};
use self::scenes::{SCENES, Scene, Step};

/// Where the tasks are that [`key`] names: addresses of a system with 64 bits.
const MAIN: u64 = 0x7ffc_0000_1000;
const TASKS: u64 = 0x7f00_0000_0000;
const JOBS: u64 = 0x7e00_0000_0000;

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// The number of tasks in all.
    pub(crate) tasks: usize,
    /// The number of workers.
    pub(crate) workers: usize,
    /// The program ends when about this many events are recorded.
    pub(crate) events: u64,
}

impl Size {
    /// Two tasks and a timer.
    pub(crate) const SMALL: Size = Size { tasks: 3, workers: 2, events: 400 };
    /// A small server.
    pub(crate) const MIDDLE: Size = Size { tasks: 300, workers: 4, events: 20_000 };
    /// A busy server.
    pub(crate) const LARGE: Size = Size { tasks: 10_000, workers: 8, events: 200_000 };
    /// A long recording of one.
    pub(crate) const LONG: Size = Size { tasks: 10_000, workers: 8, events: 1_000_000 };
}

/// A file and what was recorded in it.
pub(crate) struct Made {
    pub(crate) file: Vec<u8>,
    pub(crate) counts: Counts,
}

/// Simulates a program and returns the file that its recorder wrote.
pub(crate) fn program(size: Size) -> Made {
    let mut program = Program::new(size);
    program.start();
    while let Some(Reverse((now, _, action))) = program.actions.pop() {
        if program.recorder.counts.events >= size.events {
            break;
        }
        program.now = now;
        program.act(action);
    }
    program.finish()
}

/// The key of the task with this number, which a system with 32 bits can make too.
fn key(first: u64, number: usize) -> TaskKey {
    TaskKey::from_value((first + number as u64 * 0x80) >> 4)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    Run { worker: usize },
    Due { worker: usize, task: usize, fd: Option<u32> },
    Ready { task: usize },
    JobStart { thread: usize, job: usize },
    JobDone { thread: usize, job: usize, waiter: usize },
    Arrive,
}

#[derive(Clone, Debug)]
struct Worker {
    /// The timers and sockets that are due after the poll.
    due: Vec<(usize, Option<u32>)>,
    busy_until: u64,
    is_parked: bool,
    is_scheduled: bool,
}

#[derive(Clone, Copy, Debug)]
struct Task {
    key: TaskKey,
    scene: usize,
    step: usize,
    loops: u64,
    partner: usize,
    is_queued: bool,
    is_done: bool,
    polled_until: u64,
    since: u64,
    on: WaitFor,
    stack: u32,
}

struct Program {
    size: Size,
    now: u64,
    random: u64,
    sequence: u64,
    actions: BinaryHeap<Reverse<(u64, u64, Action)>>,
    queue: VecDeque<usize>,
    workers: Vec<Worker>,
    tasks: Vec<Task>,
    /// Addresses of tasks that have ended, with the time from which they are used again.
    free: BinaryHeap<Reverse<(u64, TaskKey)>>,
    waiting_for_partner: VecDeque<usize>,
    /// Clients that wait to be accepted.
    backlog: u64,
    recorder: Recorder,
}

impl Program {
    fn new(size: Size) -> Program {
        let recorder = Recorder::new(size.workers);
        let worker =
            Worker { due: Vec::new(), busy_until: 0, is_parked: true, is_scheduled: false };
        Program {
            size,
            now: 1_000,
            random: 0x9e37_79b9_7f4a_7c15,
            sequence: 0,
            actions: BinaryHeap::new(),
            queue: VecDeque::new(),
            workers: vec![worker; size.workers],
            tasks: Vec::new(),
            free: BinaryHeap::new(),
            waiting_for_partner: VecDeque::new(),
            backlog: 0,
            recorder,
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below.max(1)
    }

    /// A duration with a few long ones among many short ones.
    fn duration(&mut self, typical: u64) -> u64 {
        let base = typical / 2 + self.random(typical);
        match self.random(200) {
            0 => base * 40,
            1..=10 => base * 6,
            _ => base,
        }
    }

    fn at(&mut self, at: u64, action: Action) {
        self.sequence += 1;
        self.actions.push(Reverse((at, self.sequence, action)));
    }

    /// The main thread starts the program in the poll of its `block_on`.
    fn start(&mut self) {
        for worker in 0..self.size.workers {
            let id = WorkerId { runtime: 0, index: worker as u16 };
            self.recorder.stamped(worker, 1_000, Event::enter(Some(id)));
            self.recorder.stamped(worker, 1_100, Event::park());
        }
        let main = self.recorder.main();
        let key = key(MAIN, 0);
        self.recorder.stamped(main, 2_000, Event::spawn(key, SCENES[0].origin, Flavour::BlockOn));
        self.recorder.stamped(main, 2_100, Event::poll_start(key));
        let first = if self.size.tasks <= 3 { 3 } else { 12.min(self.size.tasks) };
        for index in 0..first {
            let scene = 1 + index % (SCENES.len() - 1);
            let task = self.spawn(main, 3_000 + index as u64 * 400, scene);
            self.at(4_000 + index as u64 * 400, Action::Ready { task });
        }
        self.recorder.stamped(main, 30_000, Event::wait(key, WaitFor::Task(self.tasks[0].key)));
        self.recorder.stamped(main, 31_000, Event::poll_end(key));
        self.recorder.stamped(main, 32_000, Event::park());
        self.at(40_000, Action::Arrive);
    }

    fn spawn(&mut self, thread: usize, at: u64, scene: usize) -> usize {
        let number = self.tasks.len();
        let fresh = key(TASKS, number);
        let free = self.free.peek().filter(|Reverse((from, _))| *from <= at);
        let key = free.map_or(fresh, |Reverse((_, key))| *key);
        if key != fresh {
            self.free.pop();
        }
        let scene_of = &SCENES[scene];
        self.recorder.stamped(thread, at, Event::spawn(key, scene_of.origin, Flavour::Pool));
        if scene_of.is_named {
            let name = self.recorder.string(&format!("{}-{number}", scene_of.name));
            self.recorder.unstamped(thread, Event::name(key, name));
        }
        self.recorder.counts.tasks += 1;
        let loops = match self.size.tasks <= 3 {
            true => u64::MAX,
            false => 1 + self.random(self.size.events / self.size.tasks as u64 / 14 + 1),
        };
        self.tasks.push(Task {
            key,
            scene,
            step: 0,
            loops,
            partner: number.saturating_sub(1),
            is_queued: false,
            is_done: false,
            polled_until: 0,
            since: at,
            on: WaitFor::Unknown,
            stack: 0,
        });
        number
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Run { worker } => self.run(worker),
            Action::Due { worker, task, fd } => self.due(worker, task, fd),
            Action::Ready { task } => self.ready(task),
            Action::JobStart { thread, job } => self.job_start(thread, job),
            Action::JobDone { thread, job, waiter } => self.job_done(thread, job, waiter),
            Action::Arrive => self.arrive(),
        }
    }

    /// Clients connect, until two thirds of the events are recorded: the listener is ready.
    fn arrive(&mut self) {
        if self.tasks.len() < self.size.tasks {
            let gap = self.duration(40_000);
            self.at(self.now + gap, Action::Arrive);
            let events = self.recorder.counts.events;
            let wanted = self.size.tasks as u64 * events * 3 / (self.size.events * 2) + 12;
            self.backlog = wanted.saturating_sub(self.tasks.len() as u64);
            if self.backlog > 0 {
                let worker = self.random(self.size.workers as u64) as usize;
                self.at(self.now, Action::Due { worker, task: 0, fd: Some(3) });
            }
        }
    }

    fn ready(&mut self, task: usize) {
        if self.tasks[task].is_queued || self.tasks[task].is_done {
            return;
        }
        // A task that is polled is queued after its poll.
        if self.tasks[task].polled_until > self.now {
            return self.at(self.tasks[task].polled_until, Action::Ready { task });
        }
        self.tasks[task].is_queued = true;
        self.tasks[task].since = self.now;
        self.queue.push_back(task);
        let idle = |worker: &Worker| worker.is_parked && !worker.is_scheduled;
        if let Some(worker) = self.workers.iter().position(idle) {
            self.workers[worker].is_scheduled = true;
            let latency = 3_000 + self.random(9_000);
            self.at(self.now + latency, Action::Run { worker });
        }
    }

    /// A worker polls the next task, or parks.
    fn run(&mut self, worker: usize) {
        self.workers[worker].is_scheduled = false;
        if self.workers[worker].busy_until > self.now {
            return;
        }
        self.unpark(worker);
        for (task, fd) in std::mem::take(&mut self.workers[worker].due) {
            self.due(worker, task, fd);
        }
        let Some(task) = self.queue.pop_front() else {
            self.workers[worker].is_parked = true;
            return self.recorder.stamped(worker, self.now, Event::park());
        };
        if self.random(16) == 0 {
            let victim = self.random(self.size.workers as u64) as u16;
            self.recorder.stamped(worker, self.now, Event::steal(1, victim));
        }
        let end = self.poll(worker, task);
        self.workers[worker].busy_until = end;
        self.workers[worker].is_scheduled = true;
        self.at(end, Action::Run { worker });
    }

    fn unpark(&mut self, worker: usize) {
        if std::mem::take(&mut self.workers[worker].is_parked) {
            self.recorder.stamped(worker, self.now, Event::unpark());
        }
    }

    /// A timer or a socket wakes its task, in a turn of the worker.
    fn due(&mut self, worker: usize, task: usize, fd: Option<u32>) {
        if self.workers[worker].busy_until > self.now {
            return self.workers[worker].due.push((task, fd));
        }
        if self.tasks[task].is_done || self.tasks[task].is_queued {
            return;
        }
        self.unpark(worker);
        let event = match fd {
            Some(fd) => Event::io(fd, Ready::READABLE, self.recorder.socket(fd)),
            None => Event::timer(700 + self.random(60_000)),
        };
        self.recorder.stamped(worker, self.now, event);
        self.wake(worker, self.now + 50, task);
        self.recorder.stamped(worker, self.now + 200, Event::turn_end());
        if !self.workers[worker].is_scheduled {
            self.workers[worker].is_scheduled = true;
            self.at(self.now + 400, Action::Run { worker });
        }
    }

    fn wake(&mut self, thread: usize, at: u64, task: usize) {
        let key = self.tasks[task].key;
        if self.tasks[task].is_done || self.tasks[task].is_queued {
            return self.recorder.stamped(thread, at, Event::wake_again(key));
        }
        self.recorder.stamped(thread, at, Event::wake(key));
        self.recorder.counts.wakes += 1;
        self.at(at, Action::Ready { task });
        // Two things that a task waits for are ready at once.
        if self.random(25) == 0 {
            self.recorder.stamped(thread, at, Event::wake_again(key));
        }
    }

    /// Polls a task: one step of its scene. Returns when the poll ends.
    fn poll(&mut self, worker: usize, task: usize) -> u64 {
        let this = self.tasks[task];
        let scene: &Scene = &SCENES[this.scene];
        let step = scene.steps[this.step % scene.steps.len()];
        let len = self.duration(scene.poll_ns);
        let (start, end) = (self.now, self.now + len);
        let key = this.key;
        self.tasks[task].is_queued = false;
        self.tasks[task].step += 1;
        self.tasks[task].polled_until = end;
        self.recorder.stamped(worker, start, Event::poll_start(key));
        self.recorder.counts.polls += 1;
        let is_over = scene.ends && this.step as u64 >= this.loops * scene.steps.len() as u64;
        self.user_events(worker, task, start, len);
        match is_over {
            true => self.end(worker, task, start + len / 2),
            false => self.step(worker, task, step, start + len / 2),
        }
        let long = 5_000_000;
        if len > long {
            let lint = Lint { rule: LintRule::LongPoll, measure: len };
            self.recorder.stamped(worker, end, Event::lint(key, lint));
        }
        self.recorder.stamped(worker, end, Event::poll_end(key));
        end
    }

    fn user_events(&mut self, worker: usize, task: usize, at: u64, len: u64) {
        let this = self.tasks[task];
        let scene = &SCENES[this.scene];
        let phase = (this.step - 1) % scene.steps.len();
        if let Some(span) = scene.span {
            let name = self.recorder.string(span);
            let number = task as u64 + 1;
            if phase == 0 {
                self.recorder.stamped(worker, at + len / 8, Event::span_start(name, number));
            } else if phase + 1 == scene.steps.len() {
                self.recorder.stamped(worker, at + len / 8, Event::span_end(name, number));
            }
        }
        if self.random(400) == 0 {
            let name = self.recorder.string("cache miss");
            let number = self.random(100);
            self.recorder.unstamped(worker, Event::mark(name, number));
        }
    }

    fn end(&mut self, worker: usize, task: usize, at: u64) {
        let key = self.tasks[task].key;
        let panics = self.random(600) == 0;
        if panics {
            let message = self.recorder.string("index out of bounds: the len is 3 but it is 7");
            self.recorder.stamped(worker, at, Event::panic(key, message));
        }
        let outcome = if panics { Outcome::Panicked } else { Outcome::Finished };
        let origin = SCENES[self.tasks[task].scene].origin;
        self.recorder.stamped(worker, at, Event::complete(key, origin, outcome));
        self.recorder.counts.ended += 1;
        self.tasks[task].is_done = true;
        self.free.push(Reverse((at, key)));
    }

    fn step(&mut self, worker: usize, task: usize, step: Step, at: u64) {
        let key = self.tasks[task].key;
        let mut on = WaitFor::Unknown;
        match step {
            Step::Sleep(ns) => {
                let ns = ns / 2 + self.random(ns);
                on = WaitFor::Timer(ns);
                self.at(at + ns, Action::Due { worker, task, fd: None });
            }
            Step::Read(ns) => {
                let fd = 10 + task as u32 % 900;
                on = WaitFor::Readable(fd);
                let ns = ns / 2 + self.random(ns);
                self.at(at + ns, Action::Due { worker, task, fd: Some(fd) });
            }
            Step::Accept => {
                on = WaitFor::Readable(3);
                self.accept(worker, at);
                if self.size.tasks <= 3 {
                    self.at(at + 2_000_000, Action::Due { worker, task, fd: Some(3) });
                }
            }
            Step::Ask => {
                if let Some(server) = self.waiting_for_partner.pop_front() {
                    self.tasks[server].partner = task;
                    self.wake(worker, at, server);
                } else {
                    let ns = 40_000 + self.random(80_000);
                    self.at(at + ns, Action::Due { worker, task, fd: None });
                }
            }
            Step::Answer => {
                let partner = self.tasks[task].partner;
                if partner != task && self.tasks[task].step > 1 {
                    self.wake(worker, at, partner);
                }
                on = WaitFor::Channel;
                self.waiting_for_partner.push_back(task);
            }
            Step::Block(ns) => on = self.block(worker, task, ns, at),
            Step::Stuck => on = WaitFor::Lock,
        }
        if on != WaitFor::Unknown {
            self.recorder.unstamped(worker, Event::wait(key, on));
        }
        let scene = self.tasks[task].scene;
        let stack = self.recorder.stack(scene, self.tasks[task].step - 1);
        if self.random(6) == 0 {
            self.recorder.unstamped(worker, Event::stack(key, stack));
        }
        let since = self.now;
        self.tasks[task] = Task { on, stack, since, ..self.tasks[task] };
    }

    fn accept(&mut self, worker: usize, at: u64) {
        for _ in 0..std::mem::take(&mut self.backlog) {
            if self.tasks.len() < self.size.tasks {
                // Services are few, requests are many.
                let is_service = self.random(20) == 0;
                let scene = if is_service { 2 + self.random(8) } else { 4 + self.random(5) };
                let task = self.spawn(worker, at, scene as usize);
                self.at(at + 500, Action::Ready { task });
            }
        }
    }

    fn block(&mut self, worker: usize, task: usize, ns: u64, at: u64) -> WaitFor {
        let job = key(JOBS, task);
        let (origin, thread) = (SCENES[0].blocking, self.recorder.blocking(task));
        self.recorder.stamped(worker, at, Event::spawn(job, origin, Flavour::Blocking));
        self.recorder.counts.tasks += 1;
        let begin = self.recorder.last(thread).max(at + 8_000);
        self.at(begin, Action::JobStart { thread, job: task });
        let len = self.duration(ns);
        let done = Action::JobDone { thread, job: task, waiter: task };
        // The thread is busy from now on, whatever else is recorded.
        self.recorder.reserve(thread, begin + len);
        self.at(begin + len, done);
        WaitFor::Blocking(job)
    }

    fn job_start(&mut self, thread: usize, job: usize) {
        let key = key(JOBS, job);
        self.recorder.stamped(thread, self.now, Event::poll_start(key));
        self.recorder.counts.polls += 1;
    }

    fn job_done(&mut self, thread: usize, job: usize, waiter: usize) {
        let key = key(JOBS, job);
        let complete = Event::complete(key, SCENES[0].blocking, Outcome::Finished);
        self.recorder.stamped(thread, self.now, complete);
        self.recorder.counts.ended += 1;
        self.wake(thread, self.now, waiter);
        self.recorder.stamped(thread, self.now, Event::poll_end(key));
    }

    fn finish(mut self) -> Made {
        let mut live = Vec::new();
        for task in self.tasks.iter().filter(|task| !task.is_done) {
            let Origin { place, type_id } = SCENES[task.scene].origin;
            live.push(LiveRecord {
                task: task.key,
                parent: TaskKey::NONE,
                place,
                type_id,
                name: 0,
                stack: task.stack,
                flavour: Flavour::Pool,
                state: if task.is_queued { LiveState::Queued } else { LiveState::Waiting },
                since_tick: self.recorder.tick(task.since),
                on: task.on,
            });
        }
        self.now = self.recorder.latest().max(self.now);
        let (file, counts) = self.recorder.finish(self.now, &live);
        Made { file, counts }
    }
}
