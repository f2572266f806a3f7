//! Reading files that are cut off, damaged, newer, or not traces.

use reveille_watchdog as _;

mod synthetic;

use reveille_trace::{
    ChunkHead, Event, FileWriter, Flavour, MAJOR, MINOR, Meta, Missing, Moment, OpenError, Origin,
    TaskKey, Trace,
};
use synthetic::{Size, program};

/// Reads a file, and checks that the trace is no larger than the file allows.
fn read(file: &[u8]) -> Result<Trace, OpenError> {
    let trace = Trace::read(file)?;
    // An event is at least 8 bytes, a live task at least 56.
    let most = file.len() / 8 + 1;
    assert!(trace.polls.len() <= most && trace.wakes.len() <= most);
    assert!(trace.tasks.len() <= most && trace.waits.len() <= 2 * most);
    assert!(trace.stacks.len() <= most && trace.texts.len() <= 2 * most);
    for missing in &trace.missing {
        assert!(!missing.to_string().is_empty());
    }
    Ok(trace)
}

#[test]
fn every_prefix_of_a_file_is_readable() {
    let file = program(Size::SMALL).file;
    let whole = read(&file).unwrap();
    assert_eq!(whole.missing, []);
    let mut events = 0;
    for len in 0..file.len() {
        match read(&file[..len]) {
            Ok(trace) => {
                assert!(trace.missing.contains(&Missing::End), "{len} of {} bytes", file.len());
                assert!(trace.events >= events, "fewer events in {len} bytes than before");
                events = trace.events;
            }
            Err(error) => assert_eq!(events, 0, "{len} bytes: {error}"),
        }
    }
    assert_eq!(events, whole.events);
}

#[test]
fn changed_bits_cost_a_section_and_no_more() {
    let file = program(Size::SMALL).file;
    let whole = read(&file).unwrap();
    let mut random = 88_172_645_463_325_252_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    for _ in 0..4_000 {
        let mut damaged = file.clone();
        let bits = 1 + next(3);
        for _ in 0..bits {
            let at = next(damaged.len());
            damaged[at] ^= 1 << next(8);
        }
        match read(&damaged) {
            Ok(trace) => {
                assert!(trace.events <= whole.events);
                // Damaged data never appear as valid ones.
                let is_same = trace.polls == whole.polls
                    && trace.wakes == whole.wakes
                    && trace.waits == whole.waits
                    && trace.texts == whole.texts;
                assert!(is_same || !trace.missing.is_empty());
            }
            Err(error) => {
                let is_head = damaged[..12] != file[..12];
                assert!(is_head || error == OpenError::Nothing, "{error}");
            }
        }
    }
}

/// The checksums are valid, so only the reader's own checks protect it from the contents.
#[test]
fn nonsense_with_correct_checksums_is_read_without_a_panic() {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for round in 0..400 {
        let mut file = FileWriter::new(Vec::new(), &Meta::default()).unwrap();
        for thread in 0..3 {
            let moment = Moment { tick: next() >> (next() % 64), monotonic_ns: next(), wall_ns: 7 };
            let head = ChunkHead {
                thread,
                thread_sequence: next() as u32,
                moment,
                polled: TaskKey::from_value(next() % 4),
                worker: next(),
                dropped: next() >> 20,
                ..ChunkHead::default()
            };
            let len = next() % 300;
            let mut words = head.words(len).to_vec();
            // Few different tasks and only known kinds, so that the events relate to each other.
            words.extend((0..len).map(|_| {
                let kind = 1 + next() % 26;
                (kind << 59) | ((next() % 3) << 44) | (next() % 4) | ((next() % 50 / 49) << 40)
            }));
            file.chunk(&words).unwrap();
        }
        file.strings(&[(next() as u32 % 4, "\u{fffd}\0")]).unwrap();
        file.stacks(&[(next() as u32 % 4, &[])]).unwrap();
        let file = file.finish(Moment::default()).unwrap();
        let trace = read(&file).unwrap();
        assert!(trace.events > 0, "round {round}");
    }
}

#[test]
fn other_files_are_refused_in_one_sentence() {
    let newer = {
        let mut file = program(Size::SMALL).file;
        file[8..10].copy_from_slice(&(MAJOR + 1).to_le_bytes());
        file
    };
    let empty = FileWriter::new(Vec::new(), &Meta::default()).unwrap();
    let empty = empty.finish(Moment::default()).unwrap();
    for (file, sentence) in [
        (&b""[..], "the file is empty"),
        (b"\x7fELF\x02\x01\x01", "this is not a trace of reveille"),
        (b"# Notes of a meeting", "this is not a trace of reveille"),
        (b"\x89RVTRC\r\n\x01", "the trace is cut off within its first 16 bytes"),
        (&empty, "the trace has no events that can be read"),
        (
            &newer,
            "the trace has version 5 of the format, and this program reads versions up to 4: \
             install a newer one",
        ),
    ] {
        assert_eq!(read(file).unwrap_err().to_string(), sentence);
    }
}

#[test]
fn a_newer_minor_version_is_read_without_what_is_new() {
    let mut words = ChunkHead::default().words(7).to_vec();
    let task = TaskKey::from_address(0x40);
    let spawn = Event::spawn(task, Origin::default(), Flavour::Pool);
    let mut encoder = reveille_trace::Encoder::new(0);
    words.extend(encoder.stamped(640, spawn).as_slice());
    // A kind with three words, the last of which would be a poll. 0 is the only free code.
    words.extend([5 << 44, 7, 4 << 59 | 4]);
    words.extend(encoder.stamped(1_280, Event::poll_start(task)).as_slice());
    words.extend(encoder.stamped(1_920, Event::poll_end(task)).as_slice());
    let mut file = FileWriter::new(Vec::new(), &Meta::default()).unwrap();
    file.chunk(&words).unwrap();
    let mut file = file.finish(Moment::default()).unwrap();
    file[10..12].copy_from_slice(&(MINOR + 4).to_le_bytes());
    // The table of kinds is the second section; its checksum is not part of this test.
    let table = file.windows(4).position(|bytes| bytes == b"KIND").unwrap() + 20;
    file[table] = 3;
    let trace = read(&fix_checksum(file, table)).unwrap();
    let said: Vec<String> = trace.missing.iter().map(ToString::to_string).collect();
    assert!(said[0].contains("the newer format 4.4"), "{said:?}");
    assert!(said.contains(&"1 event of a newer version was skipped".to_owned()), "{said:?}");
    assert_eq!((trace.tasks.len(), trace.polls.len()), (1, 1));
    // The time of the skipped event counts: 5 units of 64 ticks.
    assert_eq!(trace.polls[0].start - trace.tasks[0].spawned.unwrap(), 15 * 64);
}

/// Writes the checksums of the section whose payload of 32 bytes begins at `at`.
fn fix_checksum(mut file: Vec<u8>, at: usize) -> Vec<u8> {
    let crc = |bytes: &[u8]| {
        let next = |sum: u32, byte: &u8| {
            (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 * (sum & 1)))
        };
        !bytes.iter().fold(!0, next)
    };
    let payload = crc(&file[at..at + 32]);
    file[at - 8..at - 4].copy_from_slice(&payload.to_le_bytes());
    let head = crc(&file[at - 24..at - 4]);
    file[at - 4..at].copy_from_slice(&head.to_le_bytes());
    file
}

#[test]
fn overwritten_and_dropped_events_are_named() {
    let head = |sequence, dropped| ChunkHead {
        thread: 3,
        thread_sequence: sequence,
        dropped,
        polled: TaskKey::from_address(0x50),
        moment: Moment { tick: u64::from(sequence) << 20, ..Moment::default() },
        thread_name: ChunkHead::short_name("worker"),
        ..ChunkHead::default()
    };
    let mut file = FileWriter::new(Vec::new(), &Meta::default()).unwrap();
    file.chunk(&head(5, 2).words(0)).unwrap();
    file.chunk(&head(9, 2).words(0)).unwrap();
    file.drops(&[(3, 4)]).unwrap();
    let trace = read(&file.finish(Moment::default()).unwrap()).unwrap();
    let said: Vec<String> = trace.missing.iter().map(ToString::to_string).collect();
    assert!(
        said.contains(
            &"thread worker: 7 chunks of events were overwritten by newer ones".to_owned()
        )
    );
    assert!(said.contains(&"thread worker: 4 events were dropped".to_owned()), "{said:?}");
    assert_eq!(trace.threads[0].recorded.len(), 2, "events are missing between the chunks");
    assert!(trace.polls.iter().all(|poll| !poll.is_whole));
}
