//! `fs::File`: shared cursor and buffers, late errors, flushing drops.

use std::fs::File as StdFile;
use std::future::{Future, poll_fn};
#[cfg(target_os = "linux")]
use std::io::Seek as _;
use std::io::{ErrorKind, IoSlice, Read as _, SeekFrom, Write as _};
#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd as _, FromRawFd as _};
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use futures_lite::{
    AsyncRead, AsyncReadExt as _, AsyncSeekExt as _, AsyncWrite, AsyncWriteExt as _,
};
use reveille::fs::{File, OpenOptions};
use reveille::task::{block_on, spawn};
use reveille_tests::scratch::Scratch;

/// Bytes that depend on their position.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i.wrapping_mul(2_654_435_761) >> 7) as u8).collect()
}

async fn semantics_10_clones_share_the_cursor_and_the_read_buffer() {
    let scratch = Scratch::with(b"0123456789");
    let mut first = scratch.open().await;
    let mut second = first.clone();
    let mut two = [0; 2];
    for expected in [b"01", b"23"] {
        first.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, expected);
    }
    second.read_exact(&mut two).await.unwrap();
    assert_eq!(&two, b"45");
    second.seek(SeekFrom::Start(8)).await.unwrap();
    first.read_exact(&mut two).await.unwrap();
    assert_eq!(&two, b"89");
}

async fn semantics_10_drop_flushes_before_it_returns() {
    let scratch = Scratch::new();
    for len in [1, 5_000, 100_000, 3_000_000] {
        let bytes = pattern(len);
        let mut file = scratch.create().await;
        file.write_all(&bytes).await.unwrap();
        drop(file);
        assert!(scratch.contents() == bytes, "{len} bytes");
    }
}

async fn semantics_10_drop_of_one_clone_flushes_what_another_wrote() {
    let scratch = Scratch::new();
    let mut file = scratch.create().await;
    let clone = file.clone();
    file.write_all(b"all of it").await.unwrap();
    drop(clone);
    assert_eq!(scratch.contents(), b"all of it");
}

/// async-std waited in drop for the blocking pool, whose threads may all wait for the dropping
/// thread.
async fn fault_900_drop_does_not_wait_for_a_blocking_pool_that_is_full() {
    let scratch = Scratch::new();
    let mut file = scratch.create().await;
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Arc::new(std::sync::Mutex::new(gate));
    // More than the default number of threads of the pool.
    let blocked: Vec<_> = (0..600)
        .map(|_| {
            let gate = gate.clone();
            reveille::task::spawn_blocking(move || drop(gate.lock().map(|gate| gate.recv())))
        })
        .collect();
    file.write_all(b"written by the dropping thread").await.unwrap();
    drop(file);
    assert_eq!(scratch.contents(), b"written by the dropping thread");
    drop(release);
    for task in blocked {
        task.await;
    }
}

#[test]
fn written_bytes_land_without_a_flush() {
    let scratch = Scratch::new();
    block_on(async {
        let mut file = scratch.create().await;
        file.write_all(b"a line").await.unwrap();
        // The handle stays open and nothing flushes.
        while scratch.contents() != b"a line" {
            reveille::task::spawn_blocking(std::thread::yield_now).await;
        }
    });
}

/// A file with these contents whose writes the system refuses, although it seems to be writable.
#[cfg(target_os = "linux")]
fn refuses_writes(contents: &[u8]) -> StdFile {
    // SAFETY: the name must end with a zero byte.
    let fd = unsafe { libc::memfd_create(c"sealed".as_ptr(), libc::MFD_ALLOW_SEALING) };
    assert!(fd >= 0, "a file in memory can be made");
    // SAFETY: the descriptor is new and has no other owner.
    let mut file = unsafe { StdFile::from_raw_fd(fd) };
    file.write_all(contents).unwrap();
    file.rewind().unwrap();
    // SAFETY: the descriptor must be open.
    let sealed = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_WRITE) };
    assert_eq!(sealed, 0);
    file
}

/// Other systems do not say that it was opened for reading only.
#[cfg(not(target_os = "linux"))]
fn refuses_writes(contents: &[u8]) -> StdFile {
    let scratch = Scratch::with(contents);
    StdFile::open(&scratch.0).unwrap()
}

async fn semantics_10_late_write_error_surfaces_on_the_next_call() {
    let mut file = File::from(refuses_writes(b"read only"));
    file.write_all(b"refused").await.unwrap();
    let error = file.flush().await.unwrap_err();
    assert!(error.raw_os_error().is_some(), "{error}");
    // Reported once, and the file can still be read.
    file.flush().await.unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "read only");
}

async fn write_to_a_file_that_was_opened_for_reading_fails_at_once() {
    let scratch = Scratch::with(b"read only");
    let refused = [
        scratch.open().await,
        // Only on Linux: other systems do not say how a file was opened.
        #[cfg(target_os = "linux")]
        OpenOptions::new().read(true).open(&scratch.0).await.unwrap(),
        #[cfg(target_os = "linux")]
        File::from(StdFile::open(&scratch.0).unwrap()),
    ];
    for mut file in refused {
        let expected = (&StdFile::open(&scratch.0).unwrap()).write(b"x").unwrap_err();
        for bytes in [&b"refused"[..], b""] {
            let error = file.write(bytes).await.unwrap_err();
            assert_eq!(error.raw_os_error(), expected.raw_os_error(), "{error}");
        }
        assert!(file.write_vectored(&[IoSlice::new(b"refused")]).await.is_err());
        // Nothing was accepted, and the file can be read.
        file.flush().await.unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "read only");
        assert!(file.set_len(0).await.is_err());
    }
}

async fn read_of_a_file_that_was_opened_for_writing_fails_at_once() {
    let scratch = Scratch::new();
    let mut file = scratch.create().await;
    let expected = (&StdFile::options().write(true).open(&scratch.0).unwrap()).read(&mut [0]);
    let error = file.read(&mut [0; 4]).await.unwrap_err();
    assert_eq!(error.raw_os_error(), expected.unwrap_err().raw_os_error(), "{error}");
    file.write_all(b"written").await.unwrap();
    file.flush().await.unwrap();
    assert_eq!(scratch.contents(), b"written");
}

#[cfg(target_os = "linux")]
async fn full_disk_is_reported_by_the_next_call() {
    let mut full = OpenOptions::new().write(true).open("/dev/full").await.unwrap();
    full.write_all(b"no room").await.unwrap();
    assert_eq!(full.flush().await.unwrap_err().raw_os_error(), Some(28));
    // The bytes are kept and written again.
    assert_eq!(full.flush().await.unwrap_err().raw_os_error(), Some(28));
}

async fn semantics_10_seek_accounts_for_what_was_read_ahead() {
    let bytes = pattern(500_000);
    let scratch = Scratch::with(&bytes);
    let mut file = scratch.open().await;
    let mut buf = vec![0; 1000];
    for _ in 0..5 {
        file.read_exact(&mut buf).await.unwrap();
    }
    assert_eq!(file.seek(SeekFrom::Current(0)).await.unwrap(), 5000);
    assert_eq!(file.seek(SeekFrom::Current(-500)).await.unwrap(), 4500);
    file.read_exact(&mut buf).await.unwrap();
    assert!(buf == bytes[4500..5500]);
    assert_eq!(file.seek(SeekFrom::Current(200_000)).await.unwrap(), 205_500);
    file.read_exact(&mut buf).await.unwrap();
    assert!(buf == bytes[205_500..206_500]);
    assert_eq!(file.seek(SeekFrom::End(-10)).await.unwrap(), 499_990);
    let mut rest = Vec::new();
    file.read_to_end(&mut rest).await.unwrap();
    assert!(rest == bytes[499_990..]);
    assert_eq!(file.seek(SeekFrom::Start(3)).await.unwrap(), 3);
    file.read_exact(&mut buf).await.unwrap();
    assert!(buf == bytes[3..1003]);
    let error = file.seek(SeekFrom::Current(-1_000_000)).await.unwrap_err();
    // std has no kind for Windows' `ERROR_NEGATIVE_SEEK`.
    match cfg!(windows) {
        true => assert_eq!(reveille::io::raw_os_error(&error), Some(131)),
        false => assert_eq!(error.kind(), ErrorKind::InvalidInput),
    }
    file.read_exact(&mut buf).await.unwrap();
    assert!(buf == bytes[1003..2003], "a seek that fails does not move");
}

async fn write_after_read_goes_where_the_program_reads() {
    let scratch = Scratch::with(b"0123456789");
    let mut file = scratch.update().await;
    let mut two = [0; 2];
    for _ in 0..2 {
        file.read_exact(&mut two).await.unwrap();
    }
    file.write_all(b"ab").await.unwrap();
    assert_eq!(file.seek(SeekFrom::Current(0)).await.unwrap(), 6);
    file.read_exact(&mut two).await.unwrap();
    assert_eq!(&two, b"67");
    drop(file);
    assert_eq!(scratch.contents(), b"0123ab6789");
}

async fn seek_of_an_appending_handle_returns_the_end() {
    let scratch = Scratch::with(b"0123456789");
    let path = scratch.0.as_path();
    let mut file = OpenOptions::new().append(true).open(path).await.unwrap();
    file.write_all(b"abc").await.unwrap();
    assert_eq!(file.seek(SeekFrom::Current(0)).await.unwrap(), 13);
}

async fn semantics_10_end_of_file_is_not_sticky() {
    let scratch = Scratch::new();
    let mut writer = scratch.create().await;
    let mut reader = scratch.open().await;
    let mut buf = [0; 16];
    for round in [b"data", b"more"] {
        assert_eq!(reader.read(&mut buf).await.unwrap(), 0);
        writer.write_all(round).await.unwrap();
        writer.flush().await.unwrap();
        assert_eq!(reader.read(&mut buf).await.unwrap(), 4);
        assert_eq!(&buf[..4], round);
    }
}

async fn semantics_10_cancelled_reads_lose_no_data() {
    let bytes = pattern(2_000_000);
    let scratch = Scratch::with(&bytes);
    let mut file = scratch.open().await;
    let mut seen = Vec::new();
    // Longer than a read without the pool, so every other read has to wait.
    let mut buf = vec![0; 200_000];
    loop {
        let polled = pin!(file.read(&mut buf)).poll(&mut Context::from_waker(Waker::noop()));
        let count = match polled {
            Poll::Ready(count) => count.unwrap(),
            Poll::Pending => file.read(&mut buf).await.unwrap(),
        };
        if count == 0 {
            break;
        }
        seen.extend_from_slice(&buf[..count]);
    }
    assert!(seen == bytes);
}

/// Programs that read records rely on this, though `Read` does not guarantee it.
async fn read_of_a_regular_file_fills_the_buffer_where_only_a_part_is_in_memory() {
    let scratch = Scratch::new();
    let mut bytes = pattern(4096);
    std::fs::write(&scratch.0, &bytes).unwrap();
    // A hole has no pages in memory until it is read.
    let file = std::fs::File::options().write(true).open(&scratch.0).unwrap();
    file.set_len(100_000).unwrap();
    bytes.resize(100_000, 0);
    let mut file = scratch.open().await;
    let mut buf = vec![1; 100_000];
    assert_eq!(file.read(&mut buf).await.unwrap(), 100_000);
    assert!(buf == bytes);
    let mut long = vec![1; 3_000_000];
    std::fs::write(&scratch.0, pattern(3_000_000)).unwrap();
    file.seek(SeekFrom::Start(0)).await.unwrap();
    // Only Linux has a read that does not wait, so elsewhere a thread reads 2 MiB at most.
    let expected = if cfg!(target_os = "linux") { 3_000_000 } else { 2 << 20 };
    assert_eq!(file.read(&mut long).await.unwrap(), expected);
}

async fn long_streams_arrive_whole_whatever_the_size_of_the_calls() {
    let bytes = pattern(3_000_001);
    let scratch = Scratch::new();
    for len in [700, 64 << 10, 1 << 20, 4 << 20] {
        let mut writer = scratch.create().await;
        for chunk in bytes.chunks(len) {
            writer.write_all(chunk).await.unwrap();
        }
        writer.flush().await.unwrap();
        assert!(scratch.contents() == bytes, "written by {len}");
        let mut reader = scratch.open().await;
        let mut seen = Vec::new();
        let mut buf = vec![0; len];
        loop {
            let count = reader.read(&mut buf).await.unwrap();
            if count == 0 {
                break;
            }
            seen.extend_from_slice(&buf[..count]);
        }
        assert!(seen == bytes, "read by {len}");
    }
}

async fn writes_of_many_clones_from_many_tasks_all_land() {
    let scratch = Scratch::new();
    let file = scratch.create().await;
    let tasks: Vec<_> = (0..32)
        .map(|number: u8| {
            let mut file = file.clone();
            spawn(async move {
                for _ in 0..200 {
                    // One byte at a time, so that no write is split.
                    file.write_all(&[number]).await.unwrap();
                    if number.is_multiple_of(4) {
                        file.flush().await.unwrap();
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await;
    }
    drop(file);
    let mut counts = [0; 32];
    scratch.contents().iter().for_each(|number| counts[usize::from(*number)] += 1);
    assert_eq!(counts, [200; 32]);
}

async fn flush_ends_although_another_clone_never_stops_writing() {
    let scratch = Scratch::new();
    let file = scratch.create().await;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writer = spawn({
        let (mut file, stop) = (file.clone(), stop.clone());
        async move {
            while !stop.load(Ordering::Relaxed) {
                file.write_all(&[7; 4096]).await.unwrap();
            }
        }
    });
    for _ in 0..20 {
        (&file).write_all(b"x").await.unwrap();
        (&file).flush().await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    writer.await;
}

async fn set_len_keeps_the_cursor_and_forgets_what_was_read() {
    let scratch = Scratch::with(b"0123456789");
    let mut file = scratch.update().await;
    let mut two = [0; 2];
    file.read_exact(&mut two).await.unwrap();
    file.write_all(b"ab").await.unwrap();
    file.set_len(5).await.unwrap();
    assert_eq!(scratch.contents(), b"01ab4");
    let mut rest = Vec::new();
    file.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"4");
    file.sync_data().await.unwrap();
    file.sync_all().await.unwrap();
    assert_eq!(file.metadata().await.unwrap().len(), 5);
}

#[cfg(unix)]
async fn descriptor_is_given_up_flushed_and_at_the_cursor() {
    use std::io::Read as _;
    use std::os::fd::OwnedFd;

    let scratch = Scratch::with(&pattern(400_000));
    let mut file = scratch.update().await;
    let mut buf = [0; 300];
    for _ in 0..3 {
        file.read_exact(&mut buf).await.unwrap();
    }
    let other = file.clone();
    let mut taken = std::fs::File::from(OwnedFd::from(file));
    taken.read_exact(&mut buf).unwrap();
    assert!(buf[..] == pattern(1200)[900..]);
    drop(other);
    let mut file = reveille::fs::File::from(taken);
    file.write_all(b"here").await.unwrap();
    drop(OwnedFd::from(file));
    assert_eq!(&scratch.contents()[1200..1204], b"here");
}

#[cfg(target_os = "linux")]
async fn drop_of_a_full_pipe_does_not_wait_for_its_reader() {
    let scratch = Scratch::new();
    let made = std::process::Command::new("mkfifo").arg(&scratch.0).status().unwrap();
    assert!(made.success());
    // Opened for reading and writing, so that opening it does not wait.
    let mut reader = scratch.update().await;
    let mut writer = scratch.update().await;
    // A pipe holds 64 KiB.
    writer.write_all(&pattern(100_000)).await.unwrap();
    drop(writer);
    let mut seen = vec![0; 100_000];
    reader.read_exact(&mut seen).await.unwrap();
    assert!(seen == pattern(100_000));
}

/// A task that waits for the file is woken even if other tasks wait for it too.
async fn every_waiting_clone_is_woken() {
    let bytes = pattern(4_000_000);
    let scratch = Scratch::with(&bytes);
    let file = scratch.open().await;
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let mut file = file.clone();
            spawn(async move {
                let mut buf = vec![0; 150_000];
                let mut total = 0;
                loop {
                    match file.read(&mut buf).await.unwrap() {
                        0 => break total,
                        count => total += count,
                    }
                }
            })
        })
        .collect();
    let mut total = 0;
    for task in tasks {
        total += task.await;
    }
    assert_eq!(total, bytes.len());
}

async fn shared_reference_reads_and_writes() {
    fn assert_both<T: AsyncRead + AsyncWrite>(_: &T) {}
    let scratch = Scratch::new();
    let file = scratch.update().await;
    assert_both(&&file);
    poll_fn(|cx| Pin::new(&mut &file).poll_write(cx, b"by reference")).await.unwrap();
    poll_fn(|cx| Pin::new(&mut &file).poll_close(cx)).await.unwrap();
    assert_eq!(scratch.contents(), b"by reference");
}

// Each of these runs on every executor.
reveille_tests::conformance!(
    semantics_10_clones_share_the_cursor_and_the_read_buffer,
    semantics_10_drop_flushes_before_it_returns,
    semantics_10_drop_of_one_clone_flushes_what_another_wrote,
    fault_900_drop_does_not_wait_for_a_blocking_pool_that_is_full,
    semantics_10_late_write_error_surfaces_on_the_next_call,
    write_to_a_file_that_was_opened_for_reading_fails_at_once,
    read_of_a_file_that_was_opened_for_writing_fails_at_once,
    // Only on Linux: /dev/full.
    #[cfg(target_os = "linux")]
    full_disk_is_reported_by_the_next_call,
    semantics_10_seek_accounts_for_what_was_read_ahead,
    write_after_read_goes_where_the_program_reads,
    seek_of_an_appending_handle_returns_the_end,
    semantics_10_end_of_file_is_not_sticky,
    semantics_10_cancelled_reads_lose_no_data,
    read_of_a_regular_file_fills_the_buffer_where_only_a_part_is_in_memory,
    long_streams_arrive_whole_whatever_the_size_of_the_calls,
    writes_of_many_clones_from_many_tasks_all_land,
    flush_ends_although_another_clone_never_stops_writing,
    set_len_keeps_the_cursor_and_forgets_what_was_read,
    // Only on Unix: it is about descriptors.
    #[cfg(unix)]
    descriptor_is_given_up_flushed_and_at_the_cursor,
    // Only on Linux: it opens a pipe as a file in /proc.
    #[cfg(target_os = "linux")]
    drop_of_a_full_pipe_does_not_wait_for_its_reader,
    every_waiting_clone_is_woken,
    shared_reference_reads_and_writes,
);
