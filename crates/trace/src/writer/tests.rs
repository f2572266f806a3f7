//! What a file writer writes, read back.

use super::*;
use crate::missing::Missing;
use crate::reader::{Sections, read};

fn file() -> FileWriter<Vec<u8>> {
    FileWriter::new(Vec::new(), &Meta::default()).unwrap()
}

fn sections(file: FileWriter<Vec<u8>>) -> Sections {
    read(&file.finish(Moment::default()).unwrap()).unwrap()
}

#[test]
fn strings_are_read_as_they_were_written() {
    let long = "x".repeat(300);
    let longer = format!("{long}y");
    let strings = [
        (7, "request 1"),
        (8, "request 19"),
        (9, "request 20"),
        (2, ""),
        (3, "caf\u{e9}"),
        // The first byte of the last letter is the same.
        (4, "caf\u{ea}"),
        (u32::MAX, &long),
        (1, &longer),
    ];
    let mut file = file();
    file.strings(&strings).unwrap();
    let read = sections(file);
    assert_eq!(read.missing, []);
    assert_eq!(read.strings.len(), strings.len());
    for (id, text) in strings {
        assert_eq!(read.strings[&id], text);
    }
}

#[test]
fn a_name_that_differs_from_the_one_before_in_a_digit_takes_four_bytes() {
    let names: Vec<String> = (1_000..2_000).map(|number| format!("request {number}")).collect();
    let names: Vec<(u32, &str)> = (1..).zip(names.iter().map(String::as_str)).collect();
    let len = |names| {
        let mut file = file();
        file.strings(names).unwrap();
        file.finish(Moment::default()).unwrap().len()
    };
    // One in ten differs in more digits, and sections are padded.
    assert!(len(&names) - len(&names[..1]) < 4_200, "{}", len(&names));
}

/// An output that keeps what it gets, and where each write ended.
#[derive(Debug, Default)]
struct Pieces {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend(bytes);
        self.ends.push(self.bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_output_gets_whole_blocks_and_what_a_flush_leaves() {
    let mut file = FileWriter::new(Pieces::default(), &Meta::default()).unwrap();
    let chunk = |file: &mut FileWriter<Pieces>, sequence| {
        let head = ChunkHead { sequence, ..ChunkHead::default() };
        let events = vec![sequence; sequence as usize];
        file.chunk_of(&head, events).unwrap();
    };
    (3_000..3_010).for_each(|sequence| chunk(&mut file, sequence));
    let pieces = &file.output;
    assert_eq!(pieces.ends, [1, 2, 3].map(|blocks| blocks * BLOCK_LEN));
    file.flush().unwrap();
    let flushed = file.output.bytes.len();
    assert_eq!(read(&file.output.bytes).unwrap().chunks.len(), 10, "a flush leaves nothing");
    (3_010..3_013).for_each(|sequence| chunk(&mut file, sequence));
    assert_eq!(file.output.ends[3..], [flushed, 4 * BLOCK_LEN]);
    let pieces = file.finish(Moment::default()).unwrap();
    let read = read(&pieces.bytes).unwrap();
    assert_eq!(read.missing, []);
    let sequences: Vec<_> = read.chunks.iter().map(|words| words[0]).collect();
    assert_eq!(sequences, (3_000..3_013).collect::<Vec<_>>());
}

#[test]
fn a_chunk_without_a_head_is_refused() {
    let mut file = file();
    let error = file.chunk(&[0; HEAD_WORDS - 1]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "a chunk has 16 words at least, and not 15");
    assert_eq!(sections(file).missing, []);
}

#[test]
fn strings_of_older_files_are_read() {
    let mut file = file();
    file.count(2);
    for (id, text) in [(5, "five"), (6, "fifth")] {
        file.u32(id);
        file.text(text);
    }
    file.section(tag::WHOLE_STRINGS).unwrap();
    let read = sections(file);
    assert_eq!((&*read.strings[&5], &*read.strings[&6]), ("five", "fifth"));
    assert_eq!(read.missing, []);
}

#[test]
fn a_string_cannot_share_more_than_there_is_or_than_is_allowed() {
    for (first_len, shared) in [(3, 4), (200, 64)] {
        let mut file = file();
        file.count(2);
        file.buffer.extend([1, 0]);
        file.varint(first_len);
        file.buffer.extend(vec![b'a'; first_len as usize]);
        file.buffer.extend([1, shared, 0]);
        file.section(tag::STRINGS).unwrap();
        let damaged = Missing::Damaged { tag: tag::STRINGS, count: 1 };
        assert_eq!(sections(file).missing, [damaged]);
    }
}
