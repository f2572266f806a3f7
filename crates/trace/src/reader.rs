//! Splits a file into its sections, even if it is damaged.
//!
//! Every length is checked against the remaining bytes before memory is allocated for it. So
//! reading a file needs at most a small multiple of its size in memory.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crc32fast::hash as crc32;

use crate::chunk::Moment;
use crate::missing::Missing;
use crate::operand::{Flavour, TaskKey, WaitFor};
use crate::word::words_per_kind;
use crate::writer::{
    ALIGNMENT, FILE_HEAD_LEN, Frame, LiveRecord, LiveState, MAGIC, MAJOR, MARKER, MINOR, Meta,
    Module, SECTION_HEAD_LEN, SHARED_MAX, tag,
};

/// Why a file cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// The file has no bytes.
    /// The text is `the file is empty`.
    Empty,
    /// The file is not a trace.
    /// The text is `this is not a trace of reveille`.
    Foreign,
    /// The file ends within its first bytes.
    /// The text is `the trace is cut off within its first 16 bytes`.
    Short,
    /// The file's major version is newer than this reader.
    /// The text names both versions and says that a newer program is needed.
    Newer {
        /// The major version.
        major: u16,
    },
    /// The file has no event, no task and no thread.
    /// The text is `the trace has no events that can be read`.
    Nothing,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Empty => f.write_str("the file is empty"),
            OpenError::Foreign => f.write_str("this is not a trace of reveille"),
            OpenError::Short => f.write_str("the trace is cut off within its first 16 bytes"),
            OpenError::Newer { major } => write!(
                f,
                "the trace has version {major} of the format, and this program reads versions up \
                 to {MAJOR}: install a newer one"
            ),
            OpenError::Nothing => f.write_str("the trace has no events that can be read"),
        }
    }
}

impl std::error::Error for OpenError {}

/// A snapshot as it is in the file.
#[derive(Debug)]
pub(crate) struct RawSnapshot {
    pub(crate) tick: u64,
    pub(crate) tasks: Vec<LiveRecord>,
}

/// A place and a type, with the identifiers of their texts.
pub(crate) type RawPlace = (u32, u32, u32);

/// The sections of a file.
#[derive(Debug, Default)]
pub(crate) struct Sections {
    pub(crate) meta: Option<Meta>,
    pub(crate) kinds: [u8; 32],
    /// The start of a poll ends the one in progress.
    pub(crate) has_implied_ends: bool,
    pub(crate) strings: HashMap<u32, String>,
    /// By identifier: file, line, column.
    pub(crate) places: HashMap<u32, RawPlace>,
    /// By identifier: name, size.
    pub(crate) types: HashMap<u32, (u32, u32)>,
    pub(crate) modules: Vec<Module>,
    pub(crate) stacks: HashMap<u32, Vec<Frame>>,
    pub(crate) snapshots: Vec<RawSnapshot>,
    /// The words of each chunk.
    pub(crate) chunks: Vec<Vec<u64>>,
    pub(crate) drops: HashMap<u32, u64>,
    pub(crate) end: Option<Moment>,
    pub(crate) missing: Vec<Missing>,
}

/// The first major version in which the start of a poll ends the one in progress.
const MAJOR_IMPLIED_ENDS: u16 = 2;

/// Splits a file into its sections.
pub(crate) fn read(file: &[u8]) -> Result<Sections, OpenError> {
    let (major, minor) = check_head(file)?;
    let has_implied_ends = major >= MAJOR_IMPLIED_ENDS;
    let mut sections =
        Sections { kinds: words_per_kind(), has_implied_ends, ..Sections::default() };
    if (major, minor) > (MAJOR, MINOR) {
        sections.missing.push(Missing::NewerMinor { minor });
    }
    let mut damage = Damage::default();
    let mut at = FILE_HEAD_LEN;
    while at < file.len() {
        let Some(head) = parse_head(&file[at..]) else {
            let rest = file.len() - at;
            if rest < SECTION_HEAD_LEN && MARKER.starts_with(&file[at..][..rest.min(4)]) {
                break;
            }
            let next = find_head(file, at + ALIGNMENT);
            damage.bytes += (next - at) as u64;
            at = next;
            continue;
        };
        let payload = &file[at + SECTION_HEAD_LEN..];
        let is_whole = payload.len() as u64 >= head.len;
        let payload =
            &payload[..payload.len().min(usize::try_from(head.len).unwrap_or(usize::MAX))];
        match (is_whole, crc32(payload) == head.checksum) {
            (true, true) => {
                if !sections.take(head.tag, payload) {
                    damage.count(head.tag);
                }
            }
            (true, false) => damage.count(head.tag),
            // A part of a chunk is useful; a part of a table is not.
            (false, _) if head.tag == tag::CHUNK => sections.take_chunk(payload),
            (false, _) => sections.missing.push(Missing::SectionCutOff { tag: head.tag }),
        }
        at += SECTION_HEAD_LEN + payload.len().next_multiple_of(ALIGNMENT);
    }
    damage.report(&mut sections.missing);
    if sections.end.is_none() {
        sections.missing.push(Missing::End);
    }
    Ok(sections)
}

/// Checks the head of the file, and returns the major and the minor version.
fn check_head(file: &[u8]) -> Result<(u16, u16), OpenError> {
    if file.is_empty() {
        return Err(OpenError::Empty);
    }
    let known = file.len().min(MAGIC.len());
    if file[..known] != MAGIC[..known] {
        return Err(OpenError::Foreign);
    }
    let Some(head) = file.first_chunk::<FILE_HEAD_LEN>() else { return Err(OpenError::Short) };
    let major = u16::from_le_bytes([head[8], head[9]]);
    if major > MAJOR {
        return Err(OpenError::Newer { major });
    }
    Ok((major, u16::from_le_bytes([head[10], head[11]])))
}

/// The head of a section.
struct Head {
    tag: [u8; 4],
    len: u64,
    checksum: u32,
}

fn parse_head(bytes: &[u8]) -> Option<Head> {
    let head = bytes.first_chunk::<SECTION_HEAD_LEN>()?;
    let mut fields = Fields { bytes: &head[4..] };
    let tag = fields.array()?;
    let (len, checksum, own) = (fields.u64()?, fields.u32()?, fields.u32()?);
    (head[..4] == MARKER && crc32(&head[..20]) == own).then_some(Head { tag, len, checksum })
}

/// Returns where the next head begins, at `at` or after it, or the length of the file.
fn find_head(file: &[u8], mut at: usize) -> usize {
    while at < file.len() {
        if file[at..].starts_with(&MARKER) && parse_head(&file[at..]).is_some() {
            return at;
        }
        at += ALIGNMENT;
    }
    file.len()
}

/// Counts the parts of the file that could not be used.
#[derive(Default)]
struct Damage {
    sections: BTreeMap<[u8; 4], u64>,
    bytes: u64,
}

impl Damage {
    fn count(&mut self, tag: [u8; 4]) {
        *self.sections.entry(tag).or_default() += 1;
    }

    fn report(self, missing: &mut Vec<Missing>) {
        let sections = self.sections.into_iter();
        missing.extend(sections.map(|(tag, count)| Missing::Damaged { tag, count }));
        if self.bytes > 0 {
            missing.push(Missing::Unreadable { bytes: self.bytes });
        }
    }
}

impl Sections {
    /// Reads a whole section. Returns whether its contents are valid.
    fn take(&mut self, tag: [u8; 4], payload: &[u8]) -> bool {
        let mut fields = Fields { bytes: payload };
        let fields = &mut fields;
        let done = match tag {
            tag::META => self.take_meta(fields),
            tag::KINDS => self.take_kinds(fields),
            tag::STRINGS => self.take_strings(fields),
            tag::WHOLE_STRINGS => self.take_whole_strings(fields),
            tag::PLACES => fields.table(|fields| {
                let (id, file) = (fields.u32()?, fields.u32()?);
                self.places.insert(id, (file, fields.u32()?, fields.u32()?));
                Some(())
            }),
            tag::TYPES => fields.table(|fields| {
                let (id, name, size) = (fields.u32()?, fields.u32()?, fields.u32()?);
                self.types.insert(id, (name, size));
                Some(())
            }),
            tag::MODULES => self.take_modules(fields),
            tag::STACKS => self.take_stacks(fields),
            tag::LIVE => self.take_live(fields),
            tag::DROPS => fields.table(|fields| {
                let (thread, _) = (fields.u32()?, fields.u32()?);
                self.drops.insert(thread, fields.u64()?);
                Some(())
            }),
            tag::END => fields.moment().map(|moment| self.end = Some(moment)),
            tag::CHUNK => {
                self.take_chunk(payload);
                Some(())
            }
            // The section is one of a newer version.
            _ => Some(()),
        };
        done.is_some()
    }

    fn take_meta(&mut self, fields: &mut Fields<'_>) -> Option<()> {
        self.meta = Some(Meta {
            ticks_per_second: fields.u64()?,
            start: fields.moment()?,
            process: fields.u32()?,
            producer: fields.text()?,
            program: fields.text()?,
        });
        Some(())
    }

    fn take_kinds(&mut self, fields: &mut Fields<'_>) -> Option<()> {
        let table: [u8; 32] = fields.array()?;
        // The code and the length of a kind never change, so only unknown kinds matter.
        for (own, theirs) in self.kinds.iter_mut().zip(table) {
            *own = if *own == 0 { theirs } else { *own };
        }
        Some(())
    }

    fn take_strings(&mut self, fields: &mut Fields<'_>) -> Option<()> {
        let (mut id, mut bytes) = (0_u32, Vec::new());
        for _ in 0..fields.u32()? {
            id = id.wrapping_add(fields.varint()?);
            let [shared] = fields.array()?;
            let shared = usize::from(shared);
            if shared > bytes.len().min(SHARED_MAX) {
                return None;
            }
            bytes.truncate(shared);
            let len = fields.varint()?;
            bytes.extend(fields.take(len as usize)?);
            self.strings.insert(id, String::from_utf8_lossy(&bytes).into_owned());
        }
        Some(())
    }

    fn take_whole_strings(&mut self, fields: &mut Fields<'_>) -> Option<()> {
        for _ in 0..fields.u32()? {
            let id = fields.u32()?;
            let text = fields.text()?;
            self.strings.insert(id, text);
        }
        Some(())
    }

    fn take_modules(&mut self, fields: &mut Fields<'_>) -> Option<()> {
        for _ in 0..fields.u32()? {
            let (base, size) = (fields.u64()?, fields.u64()?);
            let build_id = fields.bytes()?.to_vec();
            self.modules.push(Module { base, size, build_id, path: fields.text()? });
        }
        Some(())
    }

    fn take_stacks(&mut self, fields: &mut Fields<'_>) -> Option<()> {
        let frame_len = fields.u32()? as usize;
        for _ in 0..fields.u32()? {
            let (id, count) = (fields.u32()?, fields.u32()? as usize);
            let mut frames = Vec::new();
            for _ in 0..count {
                let mut fields = fields.record(frame_len)?;
                frames.push(Frame {
                    address: fields.u64()?,
                    function: fields.u32()?,
                    file: fields.u32()?,
                    line: fields.u32()?,
                    column: fields.u32()?,
                });
            }
            self.stacks.insert(id, frames);
        }
        Some(())
    }

    fn take_live(&mut self, fields: &mut Fields<'_>) -> Option<()> {
        let tick = fields.u64()?;
        let mut tasks = Vec::new();
        let done = fields.table(|fields| {
            let task = TaskKey::from_value(fields.u64()?);
            let (place, type_id) = (fields.u32()?, fields.u32()?);
            let (name, stack) = (fields.u32()?, fields.u32()?);
            let [flavour, state, ..]: [u8; 8] = fields.array()?;
            let (since_tick, on) = (fields.u64()?, WaitFor::from_operand(fields.u64()?));
            let parent = TaskKey::from_value(fields.u64()?);
            let (flavour, state) = (Flavour::from_code(flavour), LiveState::from_code(state));
            tasks.push(LiveRecord {
                task,
                parent,
                place,
                type_id,
                name,
                stack,
                flavour,
                state,
                since_tick,
                on,
            });
            Some(())
        });
        self.snapshots.push(RawSnapshot { tick, tasks });
        done
    }

    fn take_chunk(&mut self, payload: &[u8]) {
        let words = payload.chunks_exact(8);
        let words = words.map(|bytes| u64::from_le_bytes(bytes.try_into().expect("8 bytes")));
        self.chunks.push(words.collect());
    }
}

/// Reads fields one after the other. `None` means that there are too few bytes.
struct Fields<'a> {
    bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(taken)
    }

    fn array<const LEN: usize>(&mut self) -> Option<[u8; LEN]> {
        self.take(LEN)?.try_into().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Reads a number of at most 32 bits in groups of 7, the lowest first.
    fn varint(&mut self) -> Option<u32> {
        let mut number = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return u32::try_from(number).ok();
            }
        }
        None
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.take(len as usize)
    }

    fn text(&mut self) -> Option<String> {
        Some(String::from_utf8_lossy(self.bytes()?).into_owned())
    }

    fn moment(&mut self) -> Option<Moment> {
        Some(Moment { tick: self.u64()?, monotonic_ns: self.u64()?, wall_ns: self.u64()? })
    }

    /// Returns the fields of the next record. A record length of 0 is refused: with it a small
    /// table could claim billions of records.
    fn record(&mut self, len: usize) -> Option<Fields<'a>> {
        let bytes = self.take(len).filter(|_| len > 0)?;
        Some(Fields { bytes })
    }

    fn table(&mut self, mut each: impl FnMut(&mut Fields<'a>) -> Option<()>) -> Option<()> {
        let (len, count) = (self.u32()? as usize, self.u32()?);
        for _ in 0..count {
            each(&mut self.record(len)?)?;
        }
        Some(())
    }
}
