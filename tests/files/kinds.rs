//! `fs::File` over all kinds of files: whole writes, two directions, errors, many readers.

use std::fs::File as StdFile;
use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice, Read as _, SeekFrom, Write as _};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_lite::{AsyncRead, AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use reveille::fs::{File, OpenOptions};
use reveille::io;
use reveille::task::{block_on, spawn, spawn_blocking, yield_now};
use reveille_tests::scratch::Scratch;
use reveille_tests::{child, test_name};
use rustix::process::{Resource, getrlimit, setrlimit};

/// Both ends of a pipe whose writes are messages.
fn packet_pipe() -> (StdFile, File) {
    let mut ends = [0; 2];
    // SAFETY: the array has room for the two descriptors that the call writes.
    let result = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_DIRECT | libc::O_CLOEXEC) };
    assert_eq!(result, 0);
    // SAFETY: the kernel has just opened it, so it has no other owner.
    let reader = unsafe { StdFile::from_raw_fd(ends[0]) };
    // SAFETY: as above.
    let writer = unsafe { StdFile::from_raw_fd(ends[1]) };
    (reader, File::from(writer))
}

/// A terminal without any processing of lines, and the program's end of it.
fn terminal() -> (StdFile, StdFile) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

    let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&far).unwrap();
    unlockpt(&far).unwrap();
    let name = ptsname(&far, Vec::new()).unwrap();
    let path = name.to_str().unwrap();
    let near = StdFile::options().read(true).write(true).open(path).unwrap();
    let mut attributes = tcgetattr(&near).unwrap();
    attributes.make_raw();
    tcsetattr(&near, OptionalActions::Now, &attributes).unwrap();
    (StdFile::from(far), near)
}

fn socket_pair() -> (StdFile, StdFile) {
    let (far, near) = UnixStream::pair().unwrap();
    (StdFile::from(OwnedFd::from(far)), StdFile::from(OwnedFd::from(near)))
}

/// Asserts that `text` consists of `lines` lines that are `length` times the same letter.
fn assert_whole_lines(text: &[u8], length: usize, lines: usize) {
    let mut seen = 0;
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        assert!(line.len() == length && line.iter().all(|byte| *byte == line[0]), "a torn line");
        seen += 1;
    }
    assert_eq!(seen, lines);
}

fn line(letter: u8, length: usize) -> Vec<u8> {
    let mut line = vec![letter; length];
    line.push(b'\n');
    line
}

/// Lines of several processes: one line split over two files, or two halves merged into one.
async fn lines_that_several_handles_append_are_whole() {
    append_by_two(&[(150, 2000), (70_001, 20), (3_000_000, 2)]).await;
}

/// Longer than the 32 MiB up to which other writes are taken whole.
#[test]
fn even_a_very_long_line_that_is_appended_is_whole() {
    block_on(append_by_two(&[(40_000_000, 1)]));
}

async fn append_by_two(cases: &[(usize, usize)]) {
    for &(length, lines) in cases {
        let scratch = Scratch::new();
        let tasks: Vec<_> = (b'a'..b'c')
            .map(|letter| {
                let path = scratch.0.clone();
                spawn(async move {
                    let mut options = OpenOptions::new();
                    let mut file = options.append(true).create(true).open(&path).await.unwrap();
                    let line = line(letter, length);
                    for _ in 0..lines {
                        assert_eq!(file.write(&line).await.unwrap(), line.len());
                    }
                    file.flush().await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
        assert_whole_lines(&std::fs::read(&scratch.0).unwrap(), length, 2 * lines);
    }
}

async fn lines_that_clones_write_are_whole() {
    for (length, lines) in [(150, 2000), (70_001, 20), (3_000_000, 2)] {
        let scratch = Scratch::new();
        let file = scratch.update().await;
        let tasks: Vec<_> = (b'a'..b'd')
            .map(|letter| {
                let mut file = file.clone();
                spawn(async move {
                    let line = line(letter, length);
                    for _ in 0..lines {
                        file.write_all(&line).await.unwrap();
                    }
                    file.flush().await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
        assert_whole_lines(&std::fs::read(&scratch.0).unwrap(), length, 3 * lines);
    }
}

async fn a_vectored_write_is_one_write() {
    let (mut reader, mut writer) = packet_pipe();
    let parts = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"message")];
    let count = poll_fn(|cx| {
        futures_lite::AsyncWrite::poll_write_vectored(Pin::new(&mut writer), cx, &parts)
    });
    assert_eq!(count.await.unwrap(), 11);
    writer.flush().await.unwrap();
    let mut buf = [0; 64];
    assert_eq!(reader.read(&mut buf).unwrap(), 11);
    assert_eq!(&buf[..11], b"one message");
}

async fn each_write_to_a_pipe_of_messages_is_a_message() {
    let (mut reader, mut writer) = packet_pipe();
    let lengths = [1, 3, 2, 4000, 1, 1, 5];
    for length in lengths {
        writer.write_all(&vec![7; length]).await.unwrap();
    }
    drop(writer);
    let mut buf = [0; 4096];
    for length in lengths {
        assert_eq!(reader.read(&mut buf).unwrap(), length);
    }
    assert_eq!(reader.read(&mut buf).unwrap(), 0);
}

async fn each_write_to_a_socket_of_messages_is_a_message() {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    let (far, near) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let (mut far, mut near) = (File::from(far), File::from(near));
    let lengths = [1, 3, 2, 9000, 1];
    for length in lengths {
        near.write_all(&vec![7; length]).await.unwrap();
    }
    near.flush().await.unwrap();
    let mut buf = vec![0; 10_000];
    for length in lengths {
        assert_eq!(far.read(&mut buf).await.unwrap(), length);
    }
}

/// A file of `/proc` claims to be regular, but each write is a command. Merged, they are invalid.
#[test]
fn each_write_to_a_file_of_the_kernel_is_a_command() {
    let path = "/proc/self/coredump_filter";
    let before = std::fs::read_to_string(path).unwrap();
    block_on(async {
        for is_opened_here in [true, false] {
            let mut file = if is_opened_here {
                OpenOptions::new().write(true).open(path).await.unwrap()
            } else {
                File::from(StdFile::options().write(true).open(path).unwrap())
            };
            for _ in 0..50 {
                file.write_all(format!("0x{}", before.trim()).as_bytes()).await.unwrap();
            }
            file.flush().await.unwrap();
        }
    });
    assert_eq!(std::fs::read_to_string(path).unwrap(), before);
}

async fn a_refused_command_is_reported_once_and_the_next_one_is_written() {
    let path = "/proc/self/oom_score_adj";
    let before = std::fs::read_to_string(path).unwrap();
    let mut file = OpenOptions::new().read(true).write(true).open(path).await.unwrap();
    file.write_all(b"nonsense").await.unwrap();
    assert_eq!(file.flush().await.unwrap_err().kind(), ErrorKind::InvalidInput);
    file.flush().await.unwrap();
    file.write_all(before.trim().as_bytes()).await.unwrap();
    file.flush().await.unwrap();
    file.seek(SeekFrom::Start(0)).await.unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, before);
}

async fn a_waiting_read_does_not_block_a_write() {
    for (mut far, near) in [terminal(), socket_pair()] {
        let file = File::from(near);
        let (mut reader, mut writer) = (file.clone(), file);
        let far = spawn_blocking(move || {
            let mut buf = [0; 64];
            let count = far.read(&mut buf).unwrap();
            far.write_all(b"answer").unwrap();
            (far, buf[..count].to_vec())
        });
        let mut buf = [0; 64];
        let count = {
            let mut read = pin!(reader.read(&mut buf));
            // The read has begun before the write is called.
            assert!(poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx).is_pending())).await);
            writer.write_all(b"question").await.unwrap();
            writer.flush().await.unwrap();
            read.await.unwrap()
        };
        assert_eq!(&buf[..count], b"answer");
        assert_eq!(far.await.1, b"question");
    }
}

async fn bytes_of_a_dropped_read_are_there_for_the_next_reads() {
    let (mut far, near) = socket_pair();
    let mut file = File::from(near);
    let mut buf = [0; 64];
    {
        let mut read = pin!(file.read(&mut buf));
        assert!(read.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    far.write_all(b"answer").unwrap();
    // The buffer is shorter than the first one, so the bytes that were read are taken in parts.
    let mut part = [0; 4];
    assert_eq!(file.read(&mut part).await.unwrap(), 4);
    assert_eq!(&part, b"answ");
    assert_eq!(file.read(&mut part).await.unwrap(), 2);
    assert_eq!(&part[..2], b"er");
}

async fn a_dropped_read_does_not_block_a_write() {
    for (mut far, near) in [terminal(), socket_pair()] {
        let mut file = File::from(near);
        let mut buf = [0; 64];
        let polled = pin!(file.read(&mut buf)).poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        file.write_all(b"question").await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(far.read(&mut buf).unwrap(), 8);
        far.write_all(b"answer").unwrap();
        assert_eq!(file.read(&mut buf).await.unwrap(), 6);
        assert_eq!(&buf[..6], b"answer");
    }
}

async fn a_waiting_write_does_not_block_a_read() {
    const LENGTH: usize = 900_000;
    let (mut far, near) = socket_pair();
    let mut file = File::from(near);
    // More than the socket accepts.
    file.write_all(&vec![7; LENGTH]).await.unwrap();
    while rustix::io::ioctl_fionread(&far).unwrap() == 0 {
        yield_now().await;
    }
    far.write_all(b"first").unwrap();
    let mut buf = [0; 5];
    file.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"first");
    let far = spawn_blocking(move || far.read_exact(&mut vec![0; LENGTH]).unwrap());
    file.flush().await.unwrap();
    far.await;
}

/// A counter in the kernel: it is read and written like a pipe, and has no type of file.
async fn an_event_counter_is_written_while_a_read_waits() {
    // SAFETY: the call touches no memory of this process.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    assert!(fd >= 0);
    // SAFETY: the kernel has just opened it, so it has no other owner.
    let mut file = File::from(unsafe { StdFile::from_raw_fd(fd) });
    let mut buf = [0; 8];
    assert!(poll_read(&mut file, &mut buf).is_pending());
    file.write_all(&5_u64.to_ne_bytes()).await.unwrap();
    file.flush().await.unwrap();
    file.read_exact(&mut buf).await.unwrap();
    assert_eq!(u64::from_ne_bytes(buf), 5);
}

#[test]
fn a_write_beyond_the_file_size_limit_is_reported_once_and_the_file_stays_usable() {
    if child::has_run(test_name!()) {
        return;
    }
    // SAFETY: ignoring a signal runs no code of ours.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let mut limit = getrlimit(Resource::Fsize);
    limit.current = Some(4096);
    setrlimit(Resource::Fsize, limit).unwrap();
    let scratch = Scratch::with(b"good data");
    block_on(async {
        let mut file = scratch.update().await;
        for told_by in ["flush", "seek", "read", "set_len", "sync", "write"] {
            file.seek(SeekFrom::Start(5000)).await.unwrap();
            file.write_all(b"beyond").await.unwrap();
            let mut buf = [0; 9];
            let error = match told_by {
                "flush" => file.flush().await.err(),
                "seek" => file.seek(SeekFrom::Start(0)).await.err(),
                "read" => loop {
                    if let Err(error) = file.read(&mut buf).await {
                        break Some(error);
                    }
                },
                "set_len" => file.set_len(4).await.err(),
                "sync" => file.sync_all().await.err(),
                _ => loop {
                    if let Err(error) = file.write(b"!").await {
                        break Some(error);
                    }
                },
            };
            let error = error.unwrap_or_else(|| panic!("{told_by} told nothing"));
            assert_eq!(error.kind(), ErrorKind::FileTooLarge, "{told_by}");
            // Data after the error was dropped together with the refused bytes.
            let _ = file.flush().await;
            file.seek(SeekFrom::Start(0)).await.unwrap();
            file.read_exact(&mut buf).await.unwrap();
            assert_eq!(&buf, b"good data", "{told_by}");
            file.set_len(9).await.unwrap();
            file.sync_all().await.unwrap();
            file.seek(SeekFrom::Start(5)).await.unwrap();
            file.write_all(b"data").await.unwrap();
            file.flush().await.unwrap();
        }
    });
    assert_eq!(std::fs::read(&scratch.0).unwrap(), b"good data");
}

async fn a_closed_reader_is_reported_once_for_each_write() {
    let (reader, mut writer) = packet_pipe();
    drop(reader);
    for _ in 0..3 {
        writer.write_all(b"nobody reads this").await.unwrap();
        assert_eq!(writer.flush().await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        writer.flush().await.unwrap();
    }
}

/// The disk may have room later, so the bytes are kept for the next flush. But no operation waits
/// for that.
async fn a_full_device_is_reported_at_each_flush_and_a_seek_drops_the_bytes() {
    let mut options = OpenOptions::new();
    let mut full = options.read(true).write(true).open("/dev/full").await.unwrap();
    full.write_all(b"no room").await.unwrap();
    for _ in 0..2 {
        assert_eq!(full.flush().await.unwrap_err().kind(), ErrorKind::StorageFull);
    }
    full.seek(SeekFrom::Start(0)).await.unwrap();
    // The seek has dropped the bytes.
    full.flush().await.unwrap();
    let mut buf = [1; 8];
    full.read_exact(&mut buf).await.unwrap();
    assert_eq!(buf, [0; 8]);
    full.write_all(b"no room").await.unwrap();
    assert_eq!(full.set_len(0).await.unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(full.set_len(0).await.unwrap_err().kind(), ErrorKind::InvalidInput);
}

async fn a_directory_refuses_each_read() {
    let mut folder = File::open(std::env::temp_dir()).await.unwrap();
    for _ in 0..3 {
        let error = folder.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
    }
}

/// Polls a read once.
fn poll_read(file: &mut File, buf: &mut [u8]) -> Poll<io::Result<usize>> {
    Pin::new(file).poll_read(&mut Context::from_waker(Waker::noop()), buf)
}

struct Idle;

impl Wake for Idle {
    fn wake(self: Arc<Self>) {}
}

async fn dropped_reads_leave_no_wakers() {
    // Nothing ever arrives.
    let (_far, near) = socket_pair();
    let mut file = File::from(near);
    let wakers: Vec<_> = (0..20_000).map(|_| Arc::new(Idle)).collect();
    for (number, waker) in wakers.iter().enumerate() {
        if number.is_multiple_of(16) {
            // Within the budget of each poll.
            yield_now().await;
        }
        let waker = Waker::from(waker.clone());
        let polled = Pin::new(&mut file).poll_read(&mut Context::from_waker(&waker), &mut [0; 8]);
        assert!(polled.is_pending());
    }
    let kept = wakers.iter().filter(|waker| Arc::strong_count(waker) > 1).count();
    assert!(kept < 500, "{kept} wakers are kept");
}

async fn every_one_of_many_readers_of_a_stream_is_woken() {
    let (mut far, near) = socket_pair();
    let file = File::from(near);
    let tasks: Vec<_> = (0..300)
        .map(|_| {
            let mut file = file.clone();
            spawn(async move { file.read_exact(&mut [0]).await.unwrap() })
        })
        .collect();
    for _ in 0..300 {
        far.write_all(b"x").unwrap();
    }
    for task in tasks {
        task.await;
    }
}

reveille_tests::conformance!(
    lines_that_several_handles_append_are_whole,
    lines_that_clones_write_are_whole,
    a_vectored_write_is_one_write,
    each_write_to_a_pipe_of_messages_is_a_message,
    each_write_to_a_socket_of_messages_is_a_message,
    a_refused_command_is_reported_once_and_the_next_one_is_written,
    a_waiting_read_does_not_block_a_write,
    bytes_of_a_dropped_read_are_there_for_the_next_reads,
    a_dropped_read_does_not_block_a_write,
    a_waiting_write_does_not_block_a_read,
    an_event_counter_is_written_while_a_read_waits,
    a_closed_reader_is_reported_once_for_each_write,
    a_full_device_is_reported_at_each_flush_and_a_seek_drops_the_bytes,
    a_directory_refuses_each_read,
    dropped_reads_leave_no_wakers,
    every_one_of_many_readers_of_a_stream_is_woken,
);
