//! CRC-32 as in zip and PNG, which detects damaged sections.

const POLYNOMIAL: u32 = 0xedb8_8320;

/// How many bytes a step takes. With steps of a single byte, the checksum took most of the time of
/// writing a trace. A step waits for the one before, so longer steps wait less often.
const STEP: usize = 16;

/// The lookup tables, by byte. Table `n` is for a byte that `n` other bytes follow. Computed at
/// compile time.
static TABLES: [[u32; 256]; STEP] = tables();

const fn tables() -> [[u32; 256]; STEP] {
    let mut tables = [[0; 256]; STEP];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut following = 0;
        while following < STEP {
            let mut bit = 0;
            while bit < 8 {
                sum = if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 };
                bit += 1;
            }
            tables[following][byte] = sum;
            following += 1;
        }
        byte += 1;
    }
    tables
}

/// Returns the checksum of `bytes`.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let (steps, rest) = bytes.as_chunks::<STEP>();
    let sum = steps.iter().fold(!0, step);
    !rest.iter().fold(sum, |sum, byte| entry(0, sum ^ u32::from(*byte)) ^ sum >> 8)
}

/// The sum after [`STEP`] more bytes.
#[inline]
fn step(sum: u32, bytes: &[u8; STEP]) -> u32 {
    let word = u128::from_le_bytes(*bytes);
    // The last bytes do not depend on the sum so far.
    let later = (4..STEP).fold(0, |sum, at| sum ^ entry(STEP - 1 - at, (word >> (8 * at)) as u32));
    let first = word as u32 ^ sum;
    (0..4).fold(later, |sum, at| sum ^ entry(STEP - 1 - at, first >> (8 * at)))
}

/// The entry of a table for the lowest byte of `word`.
fn entry(following: usize, word: u32) -> u32 {
    TABLES[following][usize::from(word as u8)]
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_is_the_one_of_zip() {
        assert_eq!(super::crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(super::crc32(b""), 0);
        // More than a step, and a rest.
        assert_eq!(super::crc32(b"The quick brown fox jumps over the lazy dog"), 0x414f_a339);
    }
}
