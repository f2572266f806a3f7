//! What events mean in their context: stamps, causes, nesting, and the start and end of a trace.

use reveille_watchdog as _;

use reveille_trace::{
    Cause, ChunkHead, END_SLOT, Encoder, Event, FileWriter, Flavour, Frame, LEN_SLOT, Lint,
    LintRule, LiveRecord, LiveState, Meta, Module, Moment, NO_INDEX, Origin, Outcome, Ready,
    SourcePlace, Task, TaskKey, Trace, WaitFor, WakeKind, WorkerId, readable_type,
};

const A: TaskKey = TaskKey::from_address(0x1000);
const B: TaskKey = TaskKey::from_address(0x2000);

/// An event, with its tick if it is stamped. A tick is a nanosecond here.
type Line = (Option<u64>, Event);

fn at(tick: u64, event: Event) -> Line {
    (Some(tick), event)
}

fn unstamped(event: Event) -> Line {
    (None, event)
}

/// Makes a chunk of a thread that begins at tick 0.
fn chunk(thread: u32, sequence: u32, polled: TaskKey, lines: &[Line]) -> Vec<u64> {
    let first = lines.first().and_then(|line| line.0).unwrap_or(0);
    let mut encoder = Encoder::new(first);
    let mut words: Vec<u64> = Vec::new();
    for (tick, event) in lines {
        let encoded = match tick {
            Some(tick) => encoder.stamped(*tick, *event),
            None => encoder.unstamped(*event),
        };
        words.extend(encoded.as_slice());
    }
    let head = ChunkHead {
        thread,
        thread_sequence: sequence,
        polled,
        worker: WorkerId { runtime: 0, index: thread as u16 }.value(),
        moment: Moment { tick: first, monotonic_ns: first, wall_ns: 0 },
        thread_name: ChunkHead::short_name(&format!("worker-{thread}")),
        ..ChunkHead::default()
    };
    let mut all = head.words(words.len() as u64).to_vec();
    all.extend(words);
    all
}

fn writer() -> FileWriter<Vec<u8>> {
    let meta = Meta { ticks_per_second: 1_000_000_000, ..Meta::default() };
    FileWriter::new(Vec::new(), &meta).unwrap()
}

/// Reads chunks as a whole file that ends at `end`.
fn trace(chunks: &[Vec<u64>], end: u64) -> Trace {
    Trace::read(&whole_file(chunks, end)).unwrap()
}

fn whole_file(chunks: &[Vec<u64>], end: u64) -> Vec<u8> {
    let mut file = writer();
    chunks.iter().for_each(|words| file.chunk(words).unwrap());
    file.finish(Moment { tick: end, monotonic_ns: end, wall_ns: 0 }).unwrap()
}

fn spawn(task: TaskKey) -> Event {
    Event::spawn(task, Origin::default(), Flavour::Pool)
}

#[test]
fn an_unstamped_wake_lies_between_the_stamps_around_it() {
    let lines = [
        at(640, spawn(A)),
        at(640, spawn(B)),
        at(6_400, Event::poll_start(A)),
        unstamped(Event::wake(B)),
        at(9_600, Event::mark(1, 2)),
        unstamped(Event::wake(B)),
        at(12_800, Event::poll_end(A)),
        at(64_000, Event::wake(B)),
        at(64_000, Event::wake_again(B)),
        at(640_000, Event::park()),
    ];
    let trace = trace(&[chunk(0, 1, TaskKey::NONE, &lines)], 640_000);
    let times: Vec<_> = trace.wakes.iter().map(|wake| (wake.at, wake.latest)).collect();
    // Outside of polls two events of one stamp are at that time, however late the next event is.
    let expected = [(5_760, 8_960), (8_960, 12_160), (63_360, 63_360), (63_360, 63_360)];
    assert_eq!(times, expected);
    assert_eq!(trace.wakes[3].kind, WakeKind::Again);
}

#[test]
fn the_poll_the_descriptor_the_timer_or_the_thread_is_the_cause() {
    let lines = [
        at(0, spawn(A)),
        at(0, spawn(B)),
        at(640, Event::wake(A)),
        at(1_280, Event::io(7, Ready::READABLE.and(Ready::CLOSED), 0)),
        at(1_280, Event::wake(A)),
        at(1_280, Event::timer(300)),
        at(1_280, Event::wake(A)),
        at(1_920, Event::turn_end()),
        at(1_920, Event::cancel(A)),
        at(2_560, Event::poll_start(B)),
        unstamped(Event::wake(A)),
        at(3_200, Event::poll_end(B)),
    ];
    let trace = trace(&[chunk(0, 1, TaskKey::NONE, &lines)], 4_000);
    let causes: Vec<_> = trace.wakes.iter().map(|wake| wake.cause).collect();
    let ready = Ready::READABLE.and(Ready::CLOSED);
    let expected = [
        Cause::Thread,
        Cause::Io { fd: 7, ready, socket: 0 },
        Cause::Timer { late_ns: 300 },
        Cause::Thread,
        Cause::Task(1),
    ];
    assert_eq!(causes, expected);
    assert!(ready.contains(Ready::CLOSED) && !ready.contains(Ready::WRITABLE));
    assert_eq!(trace.wakes[3].kind, WakeKind::Cancel);
}

#[test]
fn a_span_ends_where_it_began_or_else_where_its_number_is() {
    let lines = [
        at(0, Event::poll_start(A)),
        at(640, Event::span_start(1, 0)),
        at(1_280, Event::span_start(1, 7)),
        at(1_920, Event::span_start(1, 8)),
        at(2_560, Event::poll_end(A)),
        at(3_200, Event::poll_start(B)),
        at(3_840, Event::span_start(1, 7)),
        // B has a span of this name and number itself.
        at(4_480, Event::span_end(1, 7)),
        // Only A has them.
        at(5_120, Event::span_end(1, 7)),
        at(5_760, Event::span_end(1, 8)),
        // Without a number, a span of A does not end in B; these two began before the trace.
        at(6_400, Event::span_end(1, 0)),
        at(6_400, Event::span_end(1, 9)),
        at(7_040, Event::poll_end(B)),
    ];
    let trace = trace(&[chunk(0, 1, TaskKey::NONE, &lines)], 12_800);
    let spans: Vec<_> = trace.spans.iter().map(|span| (span.start, span.end)).collect();
    let expected = [(640, None), (1_280, Some(5_120)), (1_920, Some(5_760)), (3_840, Some(4_480))];
    assert_eq!(spans, expected);
}

#[test]
fn the_start_of_a_poll_ends_the_one_in_progress() {
    let lines = [
        at(0, Event::poll_start(A)),
        unstamped(Event::wake(B)),
        at(6_400, Event::poll_start(B)),
        at(12_800, Event::poll_end(B)),
    ];
    let file = whole_file(&[chunk(0, 1, TaskKey::NONE, &lines)], 12_800);
    let polls = |file: &[u8]| -> Vec<_> {
        let trace = Trace::read(file).unwrap();
        trace.polls.iter().map(|poll| (poll.start, poll.end, poll.depth, poll.is_whole)).collect()
    };
    assert_eq!(polls(&file), [(0, 6_400, 0, true), (6_400, 12_800, 0, true)]);
    // The wake happened in the first poll.
    assert_eq!(Trace::read(&file).unwrap().wakes[0].latest, 6_400);
    // A recorder of version 1.1 wrote all ends, so this poll was inside the other one.
    let mut old = file;
    old[8..12].copy_from_slice(&[1, 0, 1, 0]);
    assert!(Trace::read(&old).unwrap().missing.is_empty());
    assert_eq!(polls(&old), [(0, 12_800, 0, false), (6_400, 12_800, 1, true)]);
}

#[test]
fn a_short_spawn_or_end_is_like_the_one_before_it() {
    let origin = |place, type_id| Origin { place, type_id };
    let lines = [
        at(0, Event::spawn(A, origin(1, 0), Flavour::Local)),
        at(640, Event::spawn_alike(B)),
        at(6_400, Event::poll_start(A)),
        unstamped(Event::complete(A, origin(1, 0), Outcome::Finished)),
        at(12_800, Event::poll_start(B)),
        unstamped(Event::complete_alike(Outcome::Cancelled)),
        at(19_200, Event::poll_end(B)),
    ];
    let lives = |trace: &Trace| -> Vec<_> {
        let of = |task: &Task| (task.spawned, task.ended, task.flavour, task.line);
        trace.tasks.iter().map(of).collect()
    };
    let mut file = writer();
    file.strings(&[(1, "main.rs")]).unwrap();
    file.places(&[SourcePlace { id: 1, file: 1, line: 7, column: 2 }]).unwrap();
    file.chunk(&chunk(0, 1, TaskKey::NONE, &lines)).unwrap();
    let end = Moment { tick: 19_200, monotonic_ns: 19_200, wall_ns: 0 };
    let trace = Trace::read(&file.finish(end).unwrap()).unwrap();
    let expected = [
        (Some(0), Some((6_400, Outcome::Finished)), Flavour::Local, 7),
        (Some(640), Some((12_800, Outcome::Cancelled)), Flavour::Local, 7),
    ];
    assert_eq!(lives(&trace), expected);
    assert!(trace.polls.iter().all(|poll| poll.is_last));
}

/// When each task ended, and whether it has finished then.
fn ends(chunks: &[Vec<u64>]) -> Vec<(Option<u64>, bool)> {
    let trace = trace(chunks, 64_000);
    assert_eq!(trace.missing, []);
    let of = |task: &Task| match task.ended {
        Some((at, outcome)) => (Some(at), outcome == Outcome::Finished),
        None => (None, false),
    };
    trace.tasks.iter().map(of).collect()
}

#[test]
fn the_start_of_a_poll_may_say_that_the_task_before_has_finished() {
    let lines = [
        at(0, spawn(A)),
        at(0, spawn(B)),
        at(640, Event::poll_start(A)),
        unstamped(Event::complete(A, Origin::default(), Outcome::Finished)),
        at(6_400, spawn(A)),
        at(6_400, Event::poll_start(B)),
        at(12_800, Event::poll_start_after_end(A)),
        at(19_200, Event::poll_end(A)),
    ];
    let words = chunk(0, 1, TaskKey::NONE, &lines);
    let expected = [(Some(640), true), (Some(6_400), true), (None, false)];
    assert_eq!(ends(&[words]), expected);
}

#[test]
fn the_head_of_a_chunk_may_say_that_the_polled_task_has_finished() {
    let first = [
        at(0, spawn(A)),
        at(0, spawn(B)),
        at(640, Event::poll_start(A)),
        unstamped(Event::complete(A, Origin::default(), Outcome::Finished)),
        at(6_400, Event::poll_start(B)),
    ];
    let len = |words: &[u64]| words[LEN_SLOT];
    let mut words = chunk(0, 1, TaskKey::NONE, &first);
    let of_a = (Some(640), true);
    assert_eq!(ends(&[words.clone()]), [of_a, (None, false)]);
    // The word belongs to an earlier time: there are more events now.
    words[END_SLOT] = len(&words);
    assert_eq!(ends(&[words.clone()]), [of_a, (None, false)]);
    words[END_SLOT] = len(&words) + 1;
    assert_eq!(ends(&[words.clone()]), [of_a, (Some(6_400), true)]);
    // A piece that has no event but this one.
    let mut piece = chunk(0, 2, B, &[]);
    (piece[2], piece[3], piece[END_SLOT]) = (12_800, 12_800, 1);
    words[END_SLOT] = 0;
    assert_eq!(ends(&[words, piece]), [of_a, (Some(12_800), true)]);
}

#[test]
fn after_a_missing_chunk_a_short_spawn_has_no_origin() {
    let known = chunk(
        0,
        1,
        TaskKey::NONE,
        &[at(0, Event::spawn(A, Origin { place: 1, type_id: 0 }, Flavour::Local))],
    );
    let short = |sequence| chunk(0, sequence, TaskKey::NONE, &[at(640, Event::spawn_alike(B))]);
    let flavour_of_second = |chunks: &[Vec<u64>]| trace(chunks, 640).tasks[1].flavour;
    // The thread that writes a file cuts chunks into pieces.
    assert_eq!(flavour_of_second(&[known.clone(), short(2)]), Flavour::Local);
    assert_eq!(flavour_of_second(&[known, short(3)]), Flavour::Pool);
}

/// `block_on` inside a poll: the inner poll is the cause, and the time of the thread counts once.
#[test]
fn polls_nest() {
    let lines = [
        at(0, Event::poll_start(A)),
        at(6_400, Event::poll_inside()),
        at(6_400, Event::poll_start(B)),
        at(6_400, Event::wake(A)),
        at(12_800, Event::poll_end(B)),
        at(12_800, Event::wake(B)),
        at(19_200, Event::poll_end(A)),
    ];
    let trace = trace(&[chunk(0, 1, TaskKey::NONE, &lines)], 19_200);
    let polls: Vec<_> =
        trace.polls.iter().map(|poll| (poll.task, poll.depth, poll.len())).collect();
    assert_eq!(polls, [(0, 0, 19_200), (1, 1, 6_400)]);
    assert_eq!(trace.threads[0].busy, 19_200);
    let causes: Vec<_> = trace.wakes.iter().map(|wake| wake.cause).collect();
    assert_eq!(causes, [Cause::Task(1), Cause::Task(0)]);
}

/// No thread nests polls that deeply. A file that claims so takes neither much time nor much
/// memory.
#[test]
fn polls_without_an_end_do_not_accumulate() {
    let key = |number: u64| TaskKey::from_value(number + 1);
    let mut lines: Vec<Line> = (0..100_000)
        .flat_map(|number| {
            [Event::poll_inside(), Event::poll_start(key(number))]
                .map(|event| at(number * 64, event))
        })
        .collect();
    lines.extend((0..100_000).map(|number| at(6_400_000, Event::poll_end(key(number)))));
    let chunks: Vec<_> = lines
        .chunks(4_000)
        .zip(1..)
        .map(|(lines, sequence)| chunk(0, sequence, TaskKey::NONE, lines))
        .collect();
    let trace = trace(&chunks, 6_400_000);
    assert_eq!((trace.polls.len(), trace.tasks.len()), (100_000, 100_000));
    assert_eq!(trace.polls.iter().map(|poll| poll.depth).max(), Some(63));
    let known = trace.polls.iter().filter(|poll| poll.is_whole).count();
    assert_eq!(known, 64, "only the innermost have an end");
}

/// The poll that blocks must be in the trace, although it never records its end.
#[test]
fn an_unfinished_poll_lasts_until_the_end_of_the_trace() {
    let lines = [at(0, spawn(A)), at(640, Event::poll_start(A))];
    let others = [at(0, Event::park())];
    let chunks = [chunk(0, 1, TaskKey::NONE, &lines), chunk(1, 1, TaskKey::NONE, &others)];
    let trace = trace(&chunks, 5_000_000);
    assert_eq!((trace.polls[0].start, trace.polls[0].end), (640, 5_000_000));
    assert!(!trace.polls[0].is_whole);
    assert_eq!((trace.threads[0].busy, trace.threads[1].parked), (4_999_360, 5_000_000));
}

/// A thread continues in its next chunk. If chunks are missing, it is unknown what was open.
#[test]
fn a_poll_continues_in_the_next_chunk_but_not_after_a_missing_one() {
    let first = chunk(0, 1, TaskKey::NONE, &[at(0, Event::poll_start(A))]);
    let next = chunk(0, 2, A, &[at(6_400, Event::wake(B)), at(12_800, Event::poll_end(A))]);
    let trace_of = |chunks: &[Vec<u64>]| trace(chunks, 20_000);
    let whole = trace_of(&[next.clone(), first.clone()]);
    assert_eq!(
        (whole.polls.len(), whole.polls[0].len(), whole.polls[0].is_whole),
        (1, 12_800, true)
    );
    assert_eq!((whole.wakes[0].cause, whole.missing.len()), (Cause::Task(0), 0));

    let late = chunk(0, 3, A, &[at(6_400, Event::wake(B)), at(12_800, Event::poll_end(A))]);
    let cut = trace_of(&[first, late]);
    let polls: Vec<_> =
        cut.polls.iter().map(|poll| (poll.start, poll.end, poll.is_whole)).collect();
    assert_eq!(polls, [(0, 0, false), (6_400, 12_800, false)]);
    assert_eq!(cut.wakes[0].cause, Cause::Task(0), "the head of the chunk says what is polled");
}

#[test]
fn a_task_that_is_woken_in_its_poll_is_queued_and_does_not_wait() {
    let lines = [
        at(0, spawn(A)),
        at(6_400, Event::poll_start(A)),
        at(7_040, Event::wake_again(A)),
        at(8_320, Event::wait(A, WaitFor::Turn)),
        at(12_800, Event::poll_end(A)),
        at(64_000, Event::poll_start(A)),
        at(65_280, Event::complete(A, Origin::default(), Outcome::Cancelled)),
        at(70_400, Event::poll_end(A)),
    ];
    let trace = trace(&[chunk(0, 1, TaskKey::NONE, &lines)], 100_000);
    let waits: Vec<_> =
        trace.waits.iter().map(|wait| (wait.from, wait.woken, wait.until)).collect();
    assert_eq!(waits, [(0, 0, 6_400), (12_800, 12_800, 64_000)]);
    assert_eq!((trace.waits[1].on, trace.waits[1].wake), (WaitFor::Turn, 0));
    assert_eq!(trace.tasks[0].ended, Some((65_280, Outcome::Cancelled)));
    assert_eq!((trace.tasks[0].queued, trace.tasks[0].waited), (57_600, 0));
}

/// A wake without effect, in a poll on another thread, may have come before this poll. Then it
/// proves nothing.
#[test]
fn a_wake_that_may_have_been_before_the_poll_does_not_queue_the_task() {
    let own = [
        at(0, spawn(A)),
        at(6_400, Event::poll_start(A)),
        at(12_800, Event::poll_end(A)),
        at(64_000, Event::poll_start(A)),
        at(65_280, Event::poll_end(A)),
    ];
    let beside = [
        at(0, Event::poll_start(B)),
        unstamped(Event::wake_again(A)),
        at(19_200, Event::poll_end(B)),
    ];
    let chunks = [chunk(0, 1, TaskKey::NONE, &own), chunk(1, 1, TaskKey::NONE, &beside)];
    let trace = trace(&chunks, 70_000);
    let wait = trace.waits_of(1)[1];
    // The wake that queued it is not in the trace.
    assert_eq!((wait.from, wait.woken, wait.until), (12_800, 64_000, 64_000));
    assert_eq!(wait.wake, NO_INDEX);
}

/// Another thread takes over the worker of a thread that blocks.
#[test]
fn a_worker_is_handed_off() {
    let worker = WorkerId { runtime: 0, index: 0 };
    let blocked = [at(640, Event::poll_start(A)), at(64_000, Event::poll_end(A))];
    let next = [at(6_400, Event::hand_off(worker)), at(6_400, Event::enter(Some(worker)))];
    let trace = trace(&[chunk(0, 1, A, &blocked), chunk(5, 1, TaskKey::NONE, &next)], 70_000);
    assert_eq!((trace.hand_offs[0].worker, trace.hand_offs[0].thread), (Some(worker), 1));
    assert_eq!(trace.threads[1].workers.last().unwrap().1, Some(worker));
}

/// The events of a task were overwritten. The snapshot still says what the task is and where it was
/// spawned.
#[test]
fn a_snapshot_names_tasks_without_events() {
    let mut file = writer();
    file.strings(&[(1, "src/main.rs"), (2, "app::serve::{{closure}}"), (3, "serve")]).unwrap();
    let place = reveille_trace::SourcePlace { id: 9, file: 1, line: 12, column: 5 };
    file.places(&[place]).unwrap();
    file.types(&[reveille_trace::FutureType { id: 8, name: 2, size: 77 }]).unwrap();
    let frames = [
        Frame { address: 0x5010, ..Frame::default() },
        Frame { address: 0x99, function: 2, file: 1, line: 14, column: 3 },
    ];
    file.stacks(&[(4, &frames)]).unwrap();
    let (build_id, path) = (vec![1, 2], "/usr/bin/app".to_owned());
    file.modules(&[Module { base: 0x5000, size: 0x100, build_id, path }]).unwrap();
    let live = |task, stack| LiveRecord {
        task,
        parent: A,
        place: 9,
        type_id: 8,
        name: 3,
        stack,
        flavour: Flavour::Local,
        state: LiveState::Waiting,
        since_tick: 500,
        on: WaitFor::Readable(11),
    };
    file.live(1_000, &[live(A, 4), live(B, 4)]).unwrap();
    let trace = Trace::read(&file.finish(Moment::default()).unwrap()).unwrap();
    assert_eq!(trace.task_label(0), "serve");
    let task = &trace.tasks[1];
    assert_eq!((trace.text(task.file), task.line, task.size), ("src/main.rs", 12, 77));
    assert_eq!((task.flavour, task.parent, trace.tasks[0].parent), (Flavour::Local, 0, NO_INDEX));
    assert_eq!(trace.snapshots[0].stacks(), [(0, 2)]);
    let names: Vec<_> =
        trace.stacks[0].frames.iter().map(|frame| trace.text(frame.function)).collect();
    assert_eq!(names, ["app+0x10", "app::serve::{{closure}}"]);
    let wait = trace.waits_of(0)[0];
    assert_eq!((wait.on, wait.stack, wait.is_open), (WaitFor::Readable(11), 0, true));
}

#[test]
fn a_span_ends_by_itself_or_with_its_task() {
    let lines = [
        at(0, spawn(A)),
        at(640, Event::poll_start(A)),
        at(1_280, Event::span_start(1, 7)),
        at(1_920, Event::span_start(2, 8)),
        at(1_920, Event::span_start(1, 9)),
        at(2_560, Event::span_end(1, 9)),
        at(3_200, Event::complete(A, Origin::default(), Outcome::Panicked)),
        at(3_840, Event::poll_end(A)),
        at(4_480, Event::span_start(1, 10)),
    ];
    let mut file = writer();
    file.strings(&[(1, "request"), (2, "query")]).unwrap();
    file.chunk(&chunk(0, 1, TaskKey::NONE, &lines)).unwrap();
    let trace = Trace::read(&file.finish(Moment::default()).unwrap()).unwrap();
    let spans = trace.spans.iter();
    let spans: Vec<_> = spans.map(|span| (trace.text(span.name), span.number, span.end)).collect();
    let expected = [
        ("request", 7, Some(3_200)),
        ("query", 8, Some(3_200)),
        ("request", 9, Some(2_560)),
        ("request", 10, None),
    ];
    assert_eq!(spans, expected);
    assert_eq!((trace.spans[0].task, trace.spans[3].task), (0, NO_INDEX));
}

/// The names come after the chunks, so a file that is cut off often lacks them.
#[test]
fn tasks_of_places_without_a_name_are_distinguished() {
    let origin = |place| Origin { place, type_id: place + 1 };
    let lines = [
        at(0, Event::spawn(A, origin(0x10), Flavour::Pool)),
        at(0, Event::spawn(B, origin(0x20), Flavour::Pool)),
    ];
    let trace = trace(&[chunk(0, 1, TaskKey::NONE, &lines)], 1_000);
    let labels: Vec<_> = (0..2).map(|group| trace.group_label(group)).collect();
    assert_eq!(labels, ["type 0x11 at place 0x10", "type 0x21 at place 0x20"]);
    let said = trace.missing.last().unwrap().to_string();
    assert_eq!(said, "4 places and types are not named in the file: numbers stand for them");
}

#[test]
fn lints_and_panics_name_their_task() {
    let lint = Lint { rule: LintRule::LongPoll, measure: 12_000_000 };
    let pool = Lint { rule: LintRule::PoolFull, measure: 3 };
    let lines = [
        at(0, spawn(A)),
        at(640, Event::poll_start(A)),
        unstamped(Event::panic(A, 1)),
        at(6_400, Event::lint(A, lint)),
        at(6_400, Event::poll_end(A)),
        at(7_040, Event::lint(TaskKey::NONE, pool)),
    ];
    let mut file = writer();
    file.strings(&[(1, "out of paper")]).unwrap();
    file.chunk(&chunk(0, 1, TaskKey::NONE, &lines)).unwrap();
    let trace = Trace::read(&file.finish(Moment::default()).unwrap()).unwrap();
    let lints: Vec<_> =
        trace.lints.iter().map(|lint| (lint.task, lint.rule, lint.measure)).collect();
    assert_eq!(lints, [(0, LintRule::LongPoll, 12_000_000), (NO_INDEX, LintRule::PoolFull, 3)]);
    assert_eq!((trace.panics[0].task, trace.text(trace.panics[0].message)), (0, "out of paper"));
}

#[test]
fn names_of_types_leave_out_what_the_compiler_adds_and_arguments_that_are_closures() {
    for (name, readable) in [
        ("shop::serve<shop::main::{{closure}}::{{closure}}>::{{closure}}", "shop::serve<…>"),
        ("shop::cart::transfer::{{closure}}", "shop::cart::transfer"),
        ("shop::get<alloc::string::String>::{{closure}}", "shop::get<alloc::string::String>"),
        // Leaving parts out of this name would leave nothing of it.
        ("<shop::main::{{closure}} as shop::Job>", "<shop::main::{{closure}} as shop::Job>"),
    ] {
        assert_eq!(readable_type(name), readable);
    }
}
