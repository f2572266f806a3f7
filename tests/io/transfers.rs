//! `io::copy` between sockets and files, `copy_bidirectional`, `split`, `duplex`, `read_buf`,
//! `read_to_end`.

use std::future::poll_fn;
use std::io::{ErrorKind, SeekFrom};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

#[cfg(target_os = "linux")]
use reveille::fs::File;
use reveille::fs::OpenOptions;
use reveille::io::{self, Read};
use reveille::prelude::*;
use reveille::task;
use reveille_tests::conformance;
use reveille_tests::poll::{is_ready, tcp_pair};
use reveille_tests::scratch::Scratch;

/// More than enough to move through the kernel.
const LONG: usize = 8 << 20;

pub(super) fn bytes(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(next).collect()
}

/// Sends `all` through a copy from one connection to another, and returns what arrives.
async fn through_a_copy(all: &[u8], by_reference: bool) -> Vec<u8> {
    let ((mut source, from), (to, mut sink)) = (tcp_pair().await, tcp_pair().await);
    let copying = task::spawn(async move {
        let count = if by_reference {
            io::copy(&mut &from, &mut &to).await.unwrap()
        } else {
            let (mut from, mut to) = (from, to.clone());
            io::copy(&mut from, &mut to).await.unwrap()
        };
        (&to).close().await.unwrap();
        count
    });
    let sending = task::spawn({
        let all = all.to_vec();
        async move {
            source.write_all(&all).await.unwrap();
            source.close().await.unwrap();
        }
    });
    let mut arrived = Vec::new();
    sink.read_to_end(&mut arrived).await.unwrap();
    sending.await;
    assert_eq!(copying.await, all.len() as u64);
    arrived
}

async fn a_long_copy_between_sockets_changes_no_byte() {
    let all = bytes(LONG);
    for by_reference in [true, false] {
        assert!(through_a_copy(&all, by_reference).await == all);
    }
    assert!(through_a_copy(&[], true).await.is_empty());
    assert!(through_a_copy(&all[..100_001], true).await == all[..100_001]);
}

#[cfg(unix)]
async fn a_long_copy_between_unix_sockets_changes_no_byte() {
    use reveille::os::unix::net::UnixStream;

    let ((mut source, mut from), (mut to, mut sink)) =
        (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
    let copying = task::spawn(async move {
        let count = io::copy(&mut from, &mut to).await.unwrap();
        to.close().await.unwrap();
        count
    });
    let all = bytes(LONG);
    let sending = task::spawn({
        let all = all.clone();
        async move {
            // Long pieces, then short ones, then long ones again.
            let (head, rest) = all.split_at(LONG / 2);
            let (middle, tail) = rest.split_at(10_000);
            source.write_all(head).await.unwrap();
            for piece in middle.chunks(100) {
                source.write_all(piece).await.unwrap();
                task::yield_now().await;
            }
            source.write_all(tail).await.unwrap();
        }
    });
    let mut arrived = Vec::new();
    sink.read_to_end(&mut arrived).await.unwrap();
    assert!(arrived == all);
    sending.await;
    assert_eq!(copying.await, all.len() as u64);
}

/// The peer of the writer leaves during the transfer: an error, and no signal.
async fn a_copy_to_a_peer_that_leaves_fails() {
    let ((mut source, mut from), (mut to, mut sink)) = (tcp_pair().await, tcp_pair().await);
    let copying = task::spawn(async move { io::copy(&mut from, &mut to).await });
    let sending = task::spawn(async move {
        let piece = bytes(1 << 20);
        while source.write_all(&piece).await.is_ok() {}
    });
    let mut some = vec![0; 4 << 20];
    sink.read_exact(&mut some).await.unwrap();
    drop(sink);
    let error = copying.await.unwrap_err();
    assert_eq!(error.to_string(), "io::copy failed");
    assert!(
        matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
        "{error:#?}"
    );
    sending.await;
}

async fn a_dropped_copy_leaves_the_sockets_usable() {
    let ((mut source, mut from), (mut to, mut sink)) = (tcp_pair().await, tcp_pair().await);
    {
        let mut copying = pin!(io::copy(&mut from, &mut to));
        let all = bytes(1 << 20);
        let both = async {
            source.write_all(&all).await.unwrap();
            let mut arrived = vec![0; all.len()];
            sink.read_exact(&mut arrived).await.unwrap();
            assert!(arrived == all);
        };
        let mut both = pin!(both);
        std::future::poll_fn(|cx| {
            assert!(copying.as_mut().poll(cx).is_pending());
            both.as_mut().poll(cx)
        })
        .await;
    }
    source.write_all(b"after").await.unwrap();
    let mut buf = [0; 5];
    from.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"after");
}

async fn a_proxy_passes_each_end_on_and_counts_both_ways() {
    let ((mut client, mut from), (mut to, mut server)) = (tcp_pair().await, tcp_pair().await);
    let proxy =
        task::spawn(async move { io::copy_bidirectional(&mut from, &mut to).await.unwrap() });
    let (question, answer) = (bytes(LONG), bytes(3_000_000));
    let asking = task::spawn({
        let (question, answer) = (question.clone(), answer.clone());
        async move {
            client.write_all(&question).await.unwrap();
            client.close().await.unwrap();
            let mut arrived = Vec::new();
            client.read_to_end(&mut arrived).await.unwrap();
            assert!(arrived == answer);
        }
    });
    let mut arrived = Vec::new();
    server.read_to_end(&mut arrived).await.unwrap();
    assert!(arrived == question);
    server.write_all(&answer).await.unwrap();
    server.close().await.unwrap();
    asking.await;
    assert_eq!(proxy.await, (question.len() as u64, answer.len() as u64));
}

/// Both ends are always ready, so each direction could use up the budget.
async fn neither_direction_of_a_proxy_starves() {
    /// A reader that yields bytes until both ends have taken `GOAL` of them. The first count is its
    /// own.
    struct Spring([Arc<AtomicUsize>; 2]);
    const GOAL: usize = 1 << 20;

    impl Read for Spring {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            let is_over = self.0.iter().all(|count| count.load(Ordering::Relaxed) >= GOAL);
            Poll::Ready(Ok(if is_over { 0 } else { buf.len() }))
        }
    }

    impl io::Write for Spring {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0[0].fetch_add(buf.len(), Ordering::Relaxed);
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    let counts = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    let [one, other] = counts;
    let mut a = Spring([Arc::clone(&one), Arc::clone(&other)]);
    let mut b = Spring([other, one]);
    let (to_b, to_a) = io::copy_bidirectional(&mut a, &mut b).await.unwrap();
    assert!(to_b >= GOAL as u64 && to_a >= GOAL as u64);
}

async fn the_error_of_a_proxy_has_the_copied_bytes_of_each_direction() {
    let (mut from, mut client) = io::duplex(16);
    let (mut to, server) = io::duplex(16);
    client.write_all(b"12345").await.unwrap();
    drop(server);
    let error = io::copy_bidirectional(&mut from, &mut to).await.unwrap_err();
    assert_eq!(error.to_string(), "io::copy_bidirectional failed after 0 and 0 bytes");
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

async fn halves_of_any_stream_work_in_two_tasks() {
    let (here, mut there) = io::duplex(100);
    let (mut reader, mut writer) = io::split(here);
    let all = bytes(50_000);
    let sending = task::spawn({
        let all = all.clone();
        async move {
            writer.write_all(&all).await.unwrap();
            writer.close().await.unwrap();
            writer
        }
    });
    let echoing = task::spawn(async move {
        let mut got = Vec::new();
        there.read_to_end(&mut got).await.unwrap();
        there.write_all(&got).await.unwrap();
    });
    let mut back = Vec::new();
    reader.read_to_end(&mut back).await.unwrap();
    assert!(back == all);
    echoing.await;
    let mut here = reader.reunite(sending.await).unwrap();
    assert_eq!(here.read(&mut [0; 1]).await.unwrap(), 0);
}

async fn a_half_that_waits_for_the_other_is_joined_again() {
    let (here, _there) = io::duplex(8);
    let (mut reader, writer) = io::split(here);
    assert!(!is_ready(reader.read(&mut [0; 1])));
    assert!(reader.reunite(writer).is_ok());
}

async fn a_duplex_stream_is_bounded_and_sees_the_end_of_its_peer() {
    let (mut here, mut there) = io::duplex(4);
    assert_eq!(here.write(b"12345").await.unwrap(), 4);
    assert!(!is_ready(here.write(b"5")));
    assert_eq!(here.write(b"").await.unwrap(), 0);
    let mut buf = [0; 8];
    assert_eq!(there.read(&mut []).await.unwrap(), 0);
    assert_eq!(there.read(&mut buf).await.unwrap(), 4);
    assert!(!is_ready(there.read(&mut buf)));
    here.close().await.unwrap();
    assert_eq!(there.read(&mut buf).await.unwrap(), 0);
    assert_eq!(here.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    there.write_all(b"left").await.unwrap();
    drop(there);
    assert_eq!(here.read(&mut buf).await.unwrap(), 4);
    assert_eq!(here.read(&mut buf).await.unwrap(), 0);
}

async fn a_writer_that_waits_is_woken_when_the_reader_is_dropped() {
    let (mut here, there) = io::duplex(1);
    let writing = task::spawn(async move { here.write_all(b"12").await });
    let dropping = task::spawn(async move { drop(there) });
    assert_eq!(writing.await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    dropping.await;
}

#[test]
#[should_panic(expected = "capacity 0")]
fn a_duplex_stream_without_capacity_is_refused() {
    let _ = io::duplex(0);
}

async fn read_buf_fills_the_spare_capacity_and_grows_a_full_vector() {
    let (mut client, mut server) = tcp_pair().await;
    client.write_all(b"0123456789").await.unwrap();
    let mut buf = Vec::with_capacity(4);
    let capacity = buf.capacity();
    assert_eq!(server.read_buf(&mut buf).await.unwrap(), capacity);
    assert_eq!(buf.capacity(), capacity);
    while buf.len() < 10 {
        assert!(server.read_buf(&mut buf).await.unwrap() > 0);
    }
    assert_eq!(buf, b"0123456789");
    assert!(buf.capacity() >= 4 + 8192);
    drop(client);
    assert_eq!(server.read_buf(&mut buf).await.unwrap(), 0);
    let mut slice = &b"abc"[..];
    buf.clear();
    assert_eq!(slice.read_buf(&mut buf).await.unwrap(), 3);
}

/// Reads into a buffer that is not initialized, and returns a copy of what was read.
async fn read_uninit(reader: &mut (impl Read + Unpin), len: usize) -> Vec<u8> {
    let mut buf = vec![MaybeUninit::uninit(); len];
    poll_fn(|cx| {
        let start = buf.as_ptr().addr();
        let read = io::poll_read_uninit(Pin::new(&mut *reader), cx, &mut buf);
        read.map(|read| {
            let bytes = read.unwrap();
            assert_eq!(bytes.as_ptr().addr(), start);
            bytes.to_vec()
        })
    })
    .await
}

async fn a_read_without_initialized_memory_shows_only_what_was_read() {
    let (mut client, mut server) = tcp_pair().await;
    client.write_all(b"0123456789").await.unwrap();
    assert_eq!(read_uninit(&mut server, 4).await, b"0123");
    let mut rest = Vec::new();
    while rest.len() < 6 {
        rest.extend(read_uninit(&mut &server, 64).await);
    }
    assert_eq!(rest, b"456789");
    // It waits: the bytes are sent by another task.
    let sending = task::spawn(async move { client.write_all(b"more").await.unwrap() });
    let mut more = Vec::new();
    while more.len() < 4 {
        more.extend(read_uninit(&mut server, 64).await);
    }
    assert_eq!(more, b"more");
    sending.await;
    assert_eq!(read_uninit(&mut server, 64).await, b"", "the client is closed");
}

async fn a_reader_of_another_type_gets_cleared_memory() {
    let all = bytes(40_000);
    let (mut slice, mut got) = (&all[..], Vec::new());
    loop {
        let some = read_uninit(&mut slice, 30_000).await;
        assert!(some.len() <= 16 << 10);
        if some.is_empty() {
            break;
        }
        got.extend(some);
    }
    assert_eq!(got, all);
}

/// A reader that returns bytes in pieces, inspects the buffer, and is sometimes pending.
struct Pieces {
    left: Vec<u8>,
    piece: usize,
    waits: bool,
}

impl Read for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        // The whole buffer may be read: it is initialized.
        assert!(buf.iter().map(|&byte| usize::from(byte)).sum::<usize>() < usize::MAX);
        self.waits = !self.waits;
        if self.waits {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let count = self.piece.min(buf.len()).min(self.left.len());
        buf[..count].copy_from_slice(&self.left[..count]);
        // Bytes after the returned count are ignored.
        buf[count..].iter_mut().take(7).for_each(|byte| *byte = 0xff);
        self.left.drain(..count);
        Poll::Ready(Ok(count))
    }
}

async fn a_reader_in_pieces_fills_a_vector_in_order() {
    for (len, piece) in [(0, 1), (1, 1), (8_192, 8_192), (20_000, 7_000), (300_000, 65_536)] {
        let all = bytes(len);
        let mut reader = Pieces { left: all.clone(), piece, waits: false };
        let mut arrived = b"before".to_vec();
        assert_eq!(reader.read_to_end(&mut arrived).await.unwrap(), len);
        assert!(arrived[6..] == all && &arrived[..6] == b"before");
    }
}

async fn a_dropped_read_to_end_keeps_what_it_has() {
    let (mut client, mut server) = tcp_pair().await;
    client.write_all(b"first").await.unwrap();
    server.readable().await.unwrap();
    let mut all = Vec::with_capacity(1_000);
    assert!(!is_ready(server.read_to_end(&mut all)));
    assert_eq!(all, b"first");
    client.write_all(b" second").await.unwrap();
    drop(client);
    assert_eq!(server.read_to_end(&mut all).await.unwrap(), 7);
    assert_eq!(all, b"first second");
}

/// Copies start at both cursors and leave them after the copied bytes.
async fn a_long_copy_between_files_starts_at_both_cursors_and_moves_them() {
    let all = bytes(LONG);
    let (source, target) = (Scratch::with(&all), Scratch::with(b"head, and what is replaced"));
    let (mut from, mut to) = (source.open().await, target.update().await);
    from.seek(SeekFrom::Start(100_000)).await.unwrap();
    to.seek(SeekFrom::Start(4)).await.unwrap();
    to.write_all(b"; ").await.unwrap();
    let count = io::copy(&mut from, &mut &to).await.unwrap();
    assert_eq!(count, (LONG - 100_000) as u64);
    assert_eq!(from.seek(SeekFrom::Current(0)).await.unwrap(), LONG as u64);
    assert_eq!(to.seek(SeekFrom::Current(0)).await.unwrap(), count + 6);
    to.write_all(b"tail").await.unwrap();
    to.flush().await.unwrap();
    let arrived = target.contents();
    assert!(arrived == [b"head; ", &all[100_000..], b"tail"].concat());
}

/// The kernel moves no bytes to a file that is opened for appending, and none within one file.
async fn a_long_copy_that_the_kernel_refuses_changes_no_byte() {
    let all = bytes(2 << 20);
    let (source, target) = (Scratch::with(&all), Scratch::with(b"head"));
    let mut appending = OpenOptions::new().append(true).open(target.path()).await.unwrap();
    let mut from = source.open().await;
    assert_eq!(io::copy(&mut from, &mut appending).await.unwrap(), all.len() as u64);
    assert!(target.contents() == [b"head", &*all].concat());

    let mut unreadable = OpenOptions::new().append(true).open(source.path()).await.unwrap();
    assert!(io::copy(&mut unreadable, &mut appending).await.is_err());
    from.seek(SeekFrom::Start(0)).await.unwrap();
    assert!(io::copy(&mut from, &mut &source.open().await).await.is_err(), "not writable");
}

async fn a_long_copy_of_a_file_to_a_socket_waits_for_the_peer_and_changes_no_byte() {
    let all = bytes(LONG);
    let source = Scratch::with(&all);
    let (to, mut sink) = tcp_pair().await;
    let mut from = source.open().await;
    let copying = task::spawn(async move {
        let count = io::copy(&mut from, &mut &to).await.unwrap();
        (&to).close().await.unwrap();
        (count, from.seek(SeekFrom::Current(0)).await.unwrap())
    });
    let mut arrived = Vec::new();
    let mut piece = vec![0; 100_000];
    loop {
        let n = sink.read(&mut piece).await.unwrap();
        if n == 0 {
            break;
        }
        arrived.extend_from_slice(&piece[..n]);
        task::yield_now().await;
    }
    assert!(arrived == all);
    assert_eq!(copying.await, (LONG as u64, LONG as u64));
}

async fn a_copy_of_a_file_to_a_peer_that_leaves_fails() {
    let source = Scratch::with(&bytes(64 << 20));
    let (mut to, mut sink) = tcp_pair().await;
    let mut from = source.open().await;
    let copying = task::spawn(async move { io::copy(&mut from, &mut to).await });
    let mut some = vec![0; 1 << 20];
    sink.read_exact(&mut some).await.unwrap();
    drop(sink);
    let error = copying.await.unwrap_err();
    assert_eq!(error.to_string(), "io::copy failed");
    assert!(
        matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
        "{error:#?}"
    );
}

/// Each piece counts when it is done, so what arrived begins with what the cursor counts.
async fn a_dropped_copy_of_a_file_leaves_a_cursor_that_matches_what_arrived() {
    let all = bytes(LONG);
    let source = Scratch::with(&all);
    let (mut to, mut sink) = tcp_pair().await;
    let mut from = source.open().await;
    let mut some = vec![0; 2 << 20];
    let arrives = async {
        sink.read_exact(&mut some).await.unwrap();
        None
    };
    let copies = async { Some(io::copy(&mut from, &mut to).await) };
    let copied = futures_lite::future::or(arrives, copies).await;
    assert!(copied.is_none(), "the socket takes less than the file has");
    assert!(some == all[..2 << 20]);
    let at = from.seek(SeekFrom::Current(0)).await.unwrap() as usize;
    drop(to);
    let mut rest = Vec::new();
    sink.read_to_end(&mut rest).await.unwrap();
    let arrived = [some, rest].concat();
    // Without `sendfile` of Linux the copy has read up to a buffer more than it has written.
    let read_ahead = if cfg!(target_os = "linux") { 0 } else { 64 << 10 };
    assert!(at <= arrived.len() + read_ahead && arrived == all[..arrived.len()]);
}

#[cfg(target_os = "linux")]
async fn a_copy_of_a_file_without_a_length_reads_to_its_end() {
    let target = Scratch::new();
    let mut from = File::open("/proc/kallsyms").await.unwrap();
    let mut to = target.create().await;
    let count = io::copy(&mut from, &mut to).await.unwrap();
    let all = target.contents();
    assert_eq!(count, all.len() as u64);
    assert!(all.is_empty() || all.ends_with(b"\n"));
}

conformance! {
    a_long_copy_between_files_starts_at_both_cursors_and_moves_them,
    a_long_copy_that_the_kernel_refuses_changes_no_byte,
    a_long_copy_of_a_file_to_a_socket_waits_for_the_peer_and_changes_no_byte,
    a_copy_of_a_file_to_a_peer_that_leaves_fails,
    a_dropped_copy_of_a_file_leaves_a_cursor_that_matches_what_arrived,
    // Only on Linux: a file of /proc.
    #[cfg(target_os = "linux")]
    a_copy_of_a_file_without_a_length_reads_to_its_end,
    a_long_copy_between_sockets_changes_no_byte,
    // Only on Unix: its sockets.
    #[cfg(unix)]
    a_long_copy_between_unix_sockets_changes_no_byte,
    a_copy_to_a_peer_that_leaves_fails,
    a_dropped_copy_leaves_the_sockets_usable,
    a_proxy_passes_each_end_on_and_counts_both_ways,
    neither_direction_of_a_proxy_starves,
    the_error_of_a_proxy_has_the_copied_bytes_of_each_direction,
    halves_of_any_stream_work_in_two_tasks,
    a_half_that_waits_for_the_other_is_joined_again,
    a_duplex_stream_is_bounded_and_sees_the_end_of_its_peer,
    a_writer_that_waits_is_woken_when_the_reader_is_dropped,
    read_buf_fills_the_spare_capacity_and_grows_a_full_vector,
    a_read_without_initialized_memory_shows_only_what_was_read,
    a_reader_of_another_type_gets_cleared_memory,
    a_reader_in_pieces_fills_a_vector_in_order,
    a_dropped_read_to_end_keeps_what_it_has,
}
