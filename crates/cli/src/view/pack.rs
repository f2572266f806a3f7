//! Packs numbers for the page: columns of variable-length integers, deflated, in base64.
//!
//! Neighbouring numbers differ little, so a column of times takes two or three bytes a number
//! before it is deflated. `page.js` unpacks the columns.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::{Value, json};

/// Columns of numbers with their names.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    names: Vec<Value>,
    bytes: Vec<u8>,
}

impl Columns {
    /// Adds a column of numbers.
    pub(crate) fn plain(&mut self, name: &str, numbers: impl Iterator<Item = u64>) {
        self.add(name, false, numbers);
    }

    /// Adds a column whose neighbours differ little.
    pub(crate) fn rising(&mut self, name: &str, numbers: impl Iterator<Item = u64>) {
        let mut before = 0_u64;
        let differences = numbers.map(|number| {
            let difference = number.wrapping_sub(before) as i64;
            before = number;
            ((difference << 1) ^ (difference >> 63)) as u64
        });
        self.add(name, true, differences);
    }

    fn add(&mut self, name: &str, is_rising: bool, numbers: impl Iterator<Item = u64>) {
        let (start, mut count) = (self.bytes.len(), 0_u64);
        for mut number in numbers {
            while number >= 0x80 {
                self.bytes.push(number as u8 | 0x80);
                number >>= 7;
            }
            self.bytes.push(number as u8);
            count += 1;
        }
        let len = self.bytes.len() - start;
        self.names.push(json!([name, is_rising, count, len]));
    }

    /// Returns everything as one text: the length of `head`, `head` with a list of the columns, and
    /// the columns.
    pub(crate) fn finish(self, mut head: Value) -> io::Result<String> {
        head["columns"] = Value::Array(self.names);
        let head = head.to_string();
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&(head.len() as u32).to_le_bytes())?;
        encoder.write_all(head.as_bytes())?;
        encoder.write_all(&self.bytes)?;
        Ok(base64(&encoder.finish()?))
    }
}

/// Returns bytes as base64.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * index) & 63) as usize];
            text.push(if index <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn neighbours_that_differ_little_take_a_byte() {
        let mut columns = Columns::default();
        columns.rising("x", [1_000_000, 1_000_005, 1_000_001, 0].into_iter());
        assert_eq!(columns.bytes.len(), 3 + 1 + 1 + 3);
        assert_eq!(columns.bytes[3..5], [10, 7]);
        assert_eq!(columns.names[0], json!(["x", true, 4, 8]));
    }
}
