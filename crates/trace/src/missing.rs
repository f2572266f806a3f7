//! Describes what is missing in a trace.

use std::fmt;

/// Something that happened but is not in the trace, or that this version cannot read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// The file lacks its end.
    End,
    /// The file ends within a section that is of no use unless it is complete.
    SectionCutOff {
        /// The section's tag.
        tag: [u8; 4],
    },
    /// Sections are damaged and were skipped.
    Damaged {
        /// Their tag.
        tag: [u8; 4],
        /// Their number.
        count: u64,
    },
    /// Bytes between sections are invalid.
    Unreadable {
        /// Their number.
        bytes: u64,
    },
    /// Chunks are invalid, such as one whose head is cut off.
    BadChunks {
        /// Their number.
        count: u64,
    },
    /// The file is of a newer minor version.
    NewerMinor {
        /// That version.
        minor: u16,
    },
    /// Events of kinds that this version does not know were skipped.
    UnknownKinds {
        /// Their number.
        events: u64,
    },
    /// Chunks of a thread were overwritten by newer ones.
    Overwritten {
        /// The thread's name.
        thread: String,
        /// The number of chunks.
        chunks: u64,
    },
    /// A thread dropped events, because it could not get a chunk without waiting.
    Dropped {
        /// The thread's name.
        thread: String,
        /// The number of events.
        events: u64,
    },
    /// The file has no entries for some identifiers of places and types.
    Names {
        /// The number of identifiers.
        count: u64,
    },
    /// The file does not state the length of a tick, so times are in ticks.
    ClockRate,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |tag: &[u8; 4]| String::from_utf8_lossy(tag).escape_debug().to_string();
        match self {
            Missing::End => f.write_str("the file has no end: it was cut off while it was written"),
            Missing::SectionCutOff { tag } => {
                write!(f, "the file ends within section {}, which was skipped", name(tag))
            }
            Missing::Damaged { tag, count } => {
                let (sections, were) = plural(*count, "section", "was", "were");
                write!(f, "{sections} {} {were} damaged and skipped", name(tag))
            }
            Missing::Unreadable { bytes } => {
                let (bytes, were) = plural(*bytes, "byte", "was", "were");
                write!(f, "{bytes} between sections {were} unreadable")
            }
            Missing::BadChunks { count } => {
                let (chunks, were) = plural(*count, "chunk", "was", "were");
                write!(f, "{chunks} of events {were} unreadable")
            }
            Missing::NewerMinor { minor } => write!(
                f,
                "the file has the newer format {}.{minor}: what this version does not know is left \
                 out",
                crate::MAJOR
            ),
            Missing::UnknownKinds { events } => {
                let (events, were) = plural(*events, "event", "was", "were");
                write!(f, "{events} of a newer version {were} skipped")
            }
            Missing::Overwritten { thread, chunks } => {
                let (chunks, were) = plural(*chunks, "chunk", "was", "were");
                write!(f, "thread {thread}: {chunks} of events {were} overwritten by newer ones")
            }
            Missing::Dropped { thread, events } => {
                let (events, were) = plural(*events, "event", "was", "were");
                write!(f, "thread {thread}: {events} {were} dropped")
            }
            Missing::Names { count } => {
                let (names, are) = plural(*count, "place or type", "is", "are");
                let names = names.replace("place or types", "places and types");
                write!(f, "{names} {are} not named in the file: numbers stand for them")
            }
            Missing::ClockRate => {
                f.write_str("the file does not say how long a tick is: times are in ticks")
            }
        }
    }
}

/// Returns `1 section` and `was`, or `2 sections` and `were`.
fn plural<'a>(count: u64, noun: &str, one: &'a str, many: &'a str) -> (String, &'a str) {
    match count {
        1 => (format!("1 {noun}"), one),
        _ => (format!("{count} {noun}s"), many),
    }
}
