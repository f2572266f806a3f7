//! The numbers of places, types and strings in a recording.
//!
//! Events contain numbers, and the file has a table of what they stand for. A thread caches the
//! numbers that it used last (`thread.rs`), so it takes the lock about once for each place.

use std::collections::HashMap;
use std::io::{self, Write};
use std::panic::Location;

use reveille_primitive::lock::Mutex;
use reveille_trace::{FileWriter, FutureType, SourcePlace};

/// The most strings of a recording; further ones are left out. A program that names each of its
/// connections may reach it.
const STRINGS_MAX: usize = 200_000;

/// The names of a recording. The number of an entry is its index plus one.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<NameTables>);

#[derive(Debug, Default)]
struct NameTables {
    places: Vec<&'static Location<'static>>,
    types: Vec<(&'static str, usize)>,
    strings: Vec<Box<str>>,
    place_numbers: HashMap<usize, u32>,
    type_numbers: HashMap<usize, u32>,
    string_numbers: HashMap<Box<str>, u32>,
}

/// How many entries of each table a file has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NamesWritten {
    places: usize,
    types: usize,
    strings: usize,
}

impl Names {
    /// The number of a place.
    pub(crate) fn place(&self, place: &'static Location<'static>) -> u32 {
        let tables = &mut *self.0.lock();
        *tables.place_numbers.entry((&raw const *place).addr()).or_insert_with(|| {
            tables.places.push(place);
            tables.places.len() as u32
        })
    }

    /// The number of the type that `addr` stands for.
    pub(crate) fn future_type(&self, addr: usize, name: &'static str, size: usize) -> u32 {
        let tables = &mut *self.0.lock();
        *tables.type_numbers.entry(addr).or_insert_with(|| {
            tables.types.push((name, size));
            tables.types.len() as u32
        })
    }

    /// The number of a string; 0 if there are too many.
    pub(crate) fn string(&self, text: &str) -> u32 {
        self.0.lock().string(text)
    }

    /// Writes the entries that are not in the file yet.
    ///
    /// # Errors
    ///
    /// Fails if the output does.
    pub(crate) fn write_new<W: Write>(
        &self,
        file: &mut FileWriter<W>,
        written: &mut NamesWritten,
    ) -> io::Result<()> {
        // The output is slow, so only copies are made under the lock.
        let (places, types, strings, new) = {
            let tables = &mut *self.0.lock();
            let places: Vec<_> = tables.places[written.places..].to_vec();
            let types: Vec<_> = tables.types[written.types..].to_vec();
            let places: Vec<_> =
                places.into_iter().map(|place| (place, tables.string(place.file()))).collect();
            let types: Vec<_> =
                types.into_iter().map(|(name, size)| (tables.string(name), size)).collect();
            let strings = tables.strings[written.strings..].to_vec();
            let new = NamesWritten {
                places: tables.places.len(),
                types: tables.types.len(),
                strings: tables.strings.len(),
            };
            (places, types, strings, new)
        };
        let number = |first: usize, index: usize| (first + index + 1) as u32;
        let strings: Vec<_> = strings
            .iter()
            .enumerate()
            .map(|(index, text)| (number(written.strings, index), &**text))
            .collect();
        let places: Vec<_> = places
            .iter()
            .enumerate()
            .map(|(index, (place, file))| SourcePlace {
                id: number(written.places, index),
                file: *file,
                line: place.line(),
                column: place.column(),
            })
            .collect();
        let types: Vec<_> = types
            .iter()
            .enumerate()
            .map(|(index, (name, size))| FutureType {
                id: number(written.types, index),
                name: *name,
                size: u32::try_from(*size).unwrap_or(u32::MAX),
            })
            .collect();
        if !strings.is_empty() {
            file.strings(&strings)?;
        }
        if !places.is_empty() {
            file.places(&places)?;
        }
        if !types.is_empty() {
            file.types(&types)?;
        }
        *written = new;
        Ok(())
    }
}

impl NameTables {
    fn string(&mut self, text: &str) -> u32 {
        if let Some(number) = self.string_numbers.get(text) {
            return *number;
        }
        if self.strings.len() >= STRINGS_MAX {
            return 0;
        }
        self.strings.push(Box::from(text));
        let number = self.strings.len() as u32;
        self.string_numbers.insert(Box::from(text), number);
        number
    }
}
