//! Point 10: `fs::File`. The tests of reveille's own additions are in `tests/files/file.rs`.

use std::io::SeekFrom;
use std::pin::pin;

use async_std::fs::{File, OpenOptions};
use async_std::io::{BufWriter, ReadExt as _, SeekExt as _, WriteExt as _};
use async_std::task::block_on;

use crate::scratch::Scratch;

#[test]
fn point_10_clones_share_cursor_and_cache() {
    let scratch = Scratch::new();
    let path = scratch.file(b"0123456789");
    block_on(async {
        let mut one = File::open(&path).await.unwrap();
        let mut two = one.clone();
        let mut bytes = [0; 3];
        one.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"012");
        two.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"345");
        two.seek(SeekFrom::Start(1)).await.unwrap();
        one.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"123");
    });
}

#[test]
fn point_10_drop_flushes_before_it_returns() {
    let scratch = Scratch::new();
    let path = scratch.path("new");
    block_on(async {
        for length in [1, 10_000, 1_000_000] {
            let mut file = File::create(&path).await.unwrap();
            file.write_all(&vec![7; length]).await.unwrap();
            drop(file);
            assert_eq!(std::fs::read(&path).unwrap().len(), length);
        }
    });
}

#[test]
fn point_10_flush_writes_what_is_cached() {
    let scratch = Scratch::new();
    let path = scratch.path("new");
    block_on(async {
        let mut file = File::create(&path).await.unwrap();
        file.write_all(b"cached").await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"cached");
    });
}

/// async-std accepts the write and fails the flush. reveille fails the write.
#[test]
fn point_10_a_write_to_a_file_opened_for_reading_fails_at_the_flush_at_the_latest() {
    let scratch = Scratch::new();
    let path = scratch.file(b"contents");
    block_on(async {
        let mut file = File::open(&path).await.unwrap();
        let written = file.write(b"not for this file").await;
        let error = match written {
            Ok(count) => {
                assert_eq!(count, 17);
                file.flush().await.unwrap_err()
            }
            Err(error) => error,
        };
        // `ERROR_ACCESS_DENIED`, and `EBADF` on Unix.
        let expected = if cfg!(windows) { 5 } else { 9 };
        assert_eq!(error.raw_os_error(), Some(expected), "{error}");
    });
}

#[test]
fn point_10_seek_accounts_for_the_read_cache() {
    let scratch = Scratch::new();
    let path = scratch.file(b"0123456789");
    block_on(async {
        let mut file = File::open(&path).await.unwrap();
        let mut bytes = [0; 2];
        file.read_exact(&mut bytes).await.unwrap();
        assert_eq!(file.seek(SeekFrom::Current(0)).await.unwrap(), 2);
        assert_eq!(file.seek(SeekFrom::Current(3)).await.unwrap(), 5);
        file.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"56");
        assert_eq!(file.seek(SeekFrom::End(-1)).await.unwrap(), 9);
    });
}

#[test]
fn point_10_a_write_after_a_read_goes_behind_what_was_read() {
    let scratch = Scratch::new();
    let path = scratch.file(b"0123456789");
    block_on(async {
        let mut file = OpenOptions::new().read(true).write(true).open(&path).await.unwrap();
        let mut bytes = [0; 2];
        file.read_exact(&mut bytes).await.unwrap();
        file.write_all(b"xy").await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"01xy456789");
    });
}

#[test]
fn point_10_the_end_is_not_sticky() {
    let scratch = Scratch::new();
    let path = scratch.file(b"first");
    block_on(async {
        let mut file = File::open(&path).await.unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).await.unwrap();
        assert_eq!(file.read(&mut [0; 4]).await.unwrap(), 0);
        std::fs::write(&path, b"first and second").unwrap();
        file.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "first and second");
    });
}

#[test]
fn point_10_a_cancelled_read_loses_no_data() {
    let scratch = Scratch::new();
    let contents: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    let path = scratch.file(&contents);
    block_on(async {
        let mut file = File::open(&path).await.unwrap();
        let mut read = Vec::new();
        let mut buffer = [0; 1_000];
        loop {
            {
                // Dropped after its first poll, unless it is ready.
                let attempt = pin!(file.read(&mut buffer));
                if let Some(count) = futures_lite::future::poll_once(attempt).await {
                    let count = count.unwrap();
                    read.extend_from_slice(&buffer[..count]);
                    if count == 0 {
                        break;
                    }
                    continue;
                }
            }
            let count = file.read(&mut buffer).await.unwrap();
            read.extend_from_slice(&buffer[..count]);
            if count == 0 {
                break;
            }
        }
        assert!(read == contents);
    });
}

#[test]
fn point_10_buffered_writer_does_not_flush_on_drop() {
    let scratch = Scratch::new();
    let path = scratch.path("new");
    block_on(async {
        let mut writer = BufWriter::new(File::create(&path).await.unwrap());
        writer.write_all(b"lost").await.unwrap();
        drop(writer);
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    });
}
