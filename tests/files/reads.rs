//! `fs::File`: reads without the blocking pool, long reads, and reads that bypass the page cache.

use std::fs::File as StdFile;
use std::future::poll_fn;
use std::io::{ErrorKind, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_lite::{AsyncRead, AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use reveille::fs::File;
use reveille::io;
use reveille::task::{block_on, yield_now};
use reveille_tests::scratch::Scratch;
use reveille_tests::{child, test_name};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

/// Polls a read once.
fn poll_read(file: &mut File, buf: &mut [u8]) -> Poll<io::Result<usize>> {
    Pin::new(file).poll_read(&mut Context::from_waker(Waker::noop()), buf)
}

/// Whether the file system of `scratch` supports reads that do not wait, or is in memory.
fn has_inline_reads(scratch: &Scratch) -> bool {
    let file = StdFile::open(&scratch.0).unwrap();
    let buf = &mut [0; 1];
    let result = preadv2(file, &mut [io::IoSliceMut::new(buf)], 0, ReadWriteFlags::NOWAIT);
    result != Err(Errno::OPNOTSUPP)
}

async fn what_is_in_memory_is_read_without_the_pool_whatever_the_size() {
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|i| (i % 251) as u8).collect();
    let scratch = Scratch::with(&bytes);
    if !has_inline_reads(&scratch) {
        return;
    }
    for length in [1000, 200_000, 2_000_000, 5_000_000, 6_000_000] {
        let mut file = File::open(&scratch.0).await.unwrap();
        let mut buf = vec![1; length];
        // A long read uses up the budget of its poll.
        yield_now().await;
        let read = poll_fn(|_| Poll::Ready(poll_read(&mut file, &mut buf))).await;
        let Poll::Ready(count) = read else { panic!("{length} bytes went to the pool") };
        assert_eq!(count.unwrap(), length.min(bytes.len()));
        assert!(buf[..length.min(bytes.len())] == bytes[..length.min(bytes.len())]);
    }
}

async fn the_end_of_a_file_is_found_without_the_pool() {
    let scratch = Scratch::with(b"forty");
    let shared_memory = Scratch(PathBuf::from(format!("/dev/shm/{}", name_of(&scratch))));
    let is_there = std::fs::write(&shared_memory.0, b"forty").is_ok();
    for scratch in [(has_inline_reads(&scratch), &scratch), (is_there, &shared_memory)] {
        let (true, scratch) = scratch else { continue };
        let mut file = File::open(&scratch.0).await.unwrap();
        let mut buf = [0; 64];
        assert_eq!(file.read(&mut buf).await.unwrap(), 5);
        for _ in 0..3 {
            let Poll::Ready(count) = poll_read(&mut file, &mut buf) else {
                panic!("the end went to the pool")
            };
            assert_eq!(count.unwrap(), 0);
        }
        let mut appending = StdFile::options().append(true).open(&scratch.0).unwrap();
        appending.write_all(b"more").unwrap();
        assert_eq!(file.read(&mut buf).await.unwrap(), 4);
    }
}

fn name_of(scratch: &Scratch) -> String {
    scratch.0.file_name().unwrap().to_str().unwrap().to_owned()
}

async fn what_is_appended_behind_a_short_read_is_seen_by_the_next() {
    let scratch = Scratch::with(b"first");
    let mut file = scratch.update().await;
    let mut appending = StdFile::options().append(true).open(&scratch.0).unwrap();
    let mut buf = [0; 64];
    for _ in 0..20 {
        assert_eq!(file.read(&mut buf).await.unwrap(), 5);
        appending.write_all(b"again").unwrap();
    }
}

async fn a_long_read_fills_its_buffer_where_nothing_is_in_memory() {
    let scratch = Scratch::with(b"");
    // A hole has no pages in memory until it is read.
    StdFile::options().write(true).open(&scratch.0).unwrap().set_len(5_000_000).unwrap();
    for is_opened_here in [true, false] {
        let mut file = match is_opened_here {
            true => File::open(&scratch.0).await.unwrap(),
            false => File::from(StdFile::open(&scratch.0).unwrap()),
        };
        let mut buf = vec![1; 6_000_000];
        assert_eq!(file.read(&mut buf).await.unwrap(), 5_000_000);
        assert!(buf[..5_000_000].iter().all(|byte| *byte == 0));
        assert_eq!(file.read(&mut buf).await.unwrap(), 0);
    }
}

/// The most memory that this process has had, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

#[test]
fn long_reads_and_writes_make_no_copy_as_long() {
    if child::has_run(test_name!()) {
        return;
    }
    const LENGTH: usize = 160 << 20;
    let scratch = Scratch::with(b"");
    block_on(async {
        let mut buf = vec![1; LENGTH];
        let before = peak_mib();
        let mut file = scratch.update().await;
        file.write_all(&buf).await.unwrap();
        file.flush().await.unwrap();
        let written = peak_mib() - before;
        // Cached, in a hole, and without pages: three ways to read.
        file.seek(SeekFrom::Start(0)).await.unwrap();
        file.read_exact(&mut buf).await.unwrap();
        file.set_len(0).await.unwrap();
        file.set_len(LENGTH as u64).await.unwrap();
        file.seek(SeekFrom::Start(0)).await.unwrap();
        file.read_exact(&mut buf).await.unwrap();
        File::open("/dev/zero").await.unwrap().read_exact(&mut buf).await.unwrap();
        let both = peak_mib() - before;
        println!("{written} MiB more for a write, {both} MiB more with the reads");
        // A write of up to 32 MiB is copied whole.
        assert!(written < 64 && both < 64, "{written} and {both} MiB of {}", LENGTH >> 20);
    });
}

/// A file that bypasses the page cache, if its file system supports that.
async fn direct(scratch: &Scratch) -> Option<File> {
    let mut options = StdFile::options();
    options.read(true).write(true).create(true).custom_flags(libc::O_DIRECT);
    options.open(&scratch.0).ok().map(File::from)
}

async fn aligned_transfers_past_the_page_cache_work_from_any_buffer() {
    let scratch = Scratch::new();
    let Some(mut file) = direct(&scratch).await else { return };
    let bytes: Vec<u8> = (0..(6 << 20) + 1_u32).map(|i| (i % 251) as u8).collect();
    // Whatever the allocator returns, one of the two buffers is not aligned.
    for (length, skip) in [(4096, 0), (4096, 1), (64 << 10, 1), (6 << 20, 1), (6 << 20, 0)] {
        let part = &bytes[skip..skip + length];
        file.seek(SeekFrom::Start(0)).await.unwrap();
        for block in part.chunks(3 << 20) {
            file.write_all(block).await.unwrap();
        }
        file.flush().await.unwrap();
        file.seek(SeekFrom::Start(0)).await.unwrap();
        let mut buf = vec![0; length + 1];
        file.read_exact(&mut buf[skip..skip + length]).await.unwrap();
        assert!(&buf[skip..skip + length] == part, "{length} bytes");
    }
    assert_eq!(file.read(&mut [0; 4096]).await.unwrap(), 0);
}

async fn an_unaligned_transfer_past_the_page_cache_says_why_and_harms_nothing() {
    let scratch = Scratch::with(&[7; 8192]);
    let Some(mut file) = direct(&scratch).await else { return };
    let mut buf = [0; 4096];
    // Some file systems accept any length; then there is no error to check.
    if let Err(error) = file.read(&mut buf[..100]).await {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let text = error.to_string();
        assert!(text.contains("100 bytes at offset 0") && text.contains("O_DIRECT"), "{text}");
    }
    file.seek(SeekFrom::Start(0)).await.unwrap();
    file.read_exact(&mut buf).await.unwrap();
    assert_eq!(buf, [7; 4096]);
    file.write_all(b"short").await.unwrap();
    if let Err(error) = file.flush().await {
        let text = error.to_string();
        assert!(text.contains("5 bytes at offset 4096") && text.contains("O_DIRECT"), "{text}");
    }
    file.seek(SeekFrom::Start(4096)).await.unwrap();
    file.write_all(&[8; 4096]).await.unwrap();
    file.flush().await.unwrap();
    assert!(std::fs::read(&scratch.0).unwrap() == [[7; 4096], [8; 4096]].concat());
}

reveille_tests::conformance!(
    what_is_in_memory_is_read_without_the_pool_whatever_the_size,
    the_end_of_a_file_is_found_without_the_pool,
    what_is_appended_behind_a_short_read_is_seen_by_the_next,
    a_long_read_fills_its_buffer_where_nothing_is_in_memory,
    aligned_transfers_past_the_page_cache_work_from_any_buffer,
    an_unaligned_transfer_past_the_page_cache_says_why_and_harms_nothing,
);
