//! `io`: what is kept when a read is cancelled or fails, what is flushed, and when.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::future;
use reveille::io::{
    self, BufReader, BufWriter, Cursor, Error, ErrorKind, IoSlice, IoSliceMut, SeekFrom,
};
use reveille::prelude::*;
use reveille::task::{self, block_on};

/// A reader or writer with scripted results, one step per call.
#[derive(Debug, Default)]
struct Script {
    steps: VecDeque<Step>,
    written: Vec<u8>,
    flushes: usize,
}

#[derive(Debug)]
enum Step {
    Data(&'static [u8]),
    Fail(ErrorKind),
    Wait,
    Take(usize),
}

fn script(steps: impl IntoIterator<Item = Step>) -> Script {
    Script { steps: steps.into_iter().collect(), ..Script::default() }
}

impl io::Read for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self.steps.pop_front() {
            None => Poll::Ready(Ok(0)),
            Some(Step::Data(data)) => {
                let n = data.len().min(buf.len());
                buf[..n].copy_from_slice(&data[..n]);
                if n < data.len() {
                    self.steps.push_front(Step::Data(&data[n..]));
                }
                Poll::Ready(Ok(n))
            }
            Some(Step::Fail(kind)) => Poll::Ready(Err(kind.into())),
            Some(Step::Wait) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Take(_)) => panic!("a step of a writer"),
        }
    }
}

impl io::Write for Script {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let n = match self.steps.pop_front() {
            None => buf.len(),
            Some(Step::Take(n)) => n.min(buf.len()),
            Some(Step::Fail(kind)) => return Poll::Ready(Err(kind.into())),
            Some(Step::Wait) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Step::Data(_)) => panic!("a step of a reader"),
        };
        self.written.extend_from_slice(&buf[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// Polls once, and drops the future if it is not ready.
async fn cancel_after_one_poll<F: Future>(future: F) -> Option<F::Output> {
    future::poll_once(future).await
}

#[test]
fn the_traits_are_those_of_futures_io() {
    fn theirs<T: futures_lite::AsyncBufRead + futures_lite::AsyncSeek>() {}
    fn ours<T: io::BufRead + io::Seek>() {
        theirs::<T>();
    }
    ours::<Cursor<Vec<u8>>>();
}

#[test]
fn futures_of_send_readers_and_writers_are_send() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    fn reader<R: io::BufRead + Unpin + Send>(mut reader: R) {
        let (mut text, mut bytes) = (String::new(), Vec::new());
        drop(is_send(reader.read_line(&mut text)));
        drop(is_send(reader.read_to_string(&mut text)));
        drop(is_send(reader.read_to_end(&mut bytes)));
        drop(is_send(reader.read_until(0, &mut bytes)));
        drop(is_send(reader.read_exact(&mut [0])));
        let mut writer = Vec::new();
        drop(is_send(io::copy(&mut reader, &mut writer)));
        drop(is_send(io::timeout(Duration::ZERO, reader.read(&mut [0]))));
    }
    reader(Cursor::new("x"));
    let mut writer = BufWriter::new(Vec::new());
    drop(is_send(writer.write_all(b"x")));
    drop(is_send(write!(writer, "{}", 1)));
    drop(is_send(writer.into_inner()));
}

// Reading.

async fn dropped_read_line_leaves_what_it_read_in_the_string() {
    let mut reader =
        BufReader::new(script([Step::Data(b"first ha"), Step::Wait, Step::Data(b"lf\n")]));
    let mut line = String::from("before ");
    assert!(cancel_after_one_poll(reader.read_line(&mut line)).await.is_none());
    assert_eq!(line, "before first ha");
    reader.read_line(&mut line).await.unwrap();
    assert_eq!(line, "before first half\n");
}

async fn dropped_read_to_string_leaves_what_it_read_in_the_string() {
    let mut reader = script([Step::Data(b"one "), Step::Wait, Step::Data(b"two")]);
    let mut text = String::from("zero ");
    assert!(cancel_after_one_poll(reader.read_to_string(&mut text)).await.is_none());
    assert_eq!(text, "zero one ");
    assert_eq!(reader.read_to_string(&mut text).await.unwrap(), 3);
    assert_eq!(text, "zero one two");
}

async fn failed_reads_leave_what_they_read() {
    let steps = || [Step::Data(b"abc"), Step::Fail(ErrorKind::TimedOut), Step::Data(b"d\n")];
    let mut line = String::new();
    let mut reader = BufReader::new(script(steps()));
    assert_eq!(reader.read_line(&mut line).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(line, "abc");

    let mut bytes = Vec::new();
    let error = script(steps()).read_to_end(&mut bytes).await.unwrap_err();
    assert_eq!((error.kind(), &bytes[..]), (ErrorKind::TimedOut, &b"abc"[..]));

    let mut bytes = Vec::new();
    let mut reader = BufReader::new(script(steps()));
    assert!(reader.read_until(b'\n', &mut bytes).await.is_err());
    assert_eq!(reader.read_until(b'\n', &mut bytes).await.unwrap(), 2);
    assert_eq!(bytes, b"abcd\n");
}

async fn line_that_is_not_text_is_an_error_and_leaves_the_string_alone() {
    let mut reader = Cursor::new(b"\xff\xfe\nnext\n");
    let mut line = String::from("kept");
    let error = reader.read_line(&mut line).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(line, "kept");
    reader.read_line(&mut line).await.unwrap();
    assert_eq!(line, "keptnext\n");

    let error = Cursor::new(b"\xff").read_to_string(&mut line).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(line, "keptnext\n");
}

async fn character_in_two_reads_is_whole() {
    let mut text = String::new();
    let mut reader = script([Step::Data(b"na\xc3"), Step::Wait, Step::Data(b"\xafve")]);
    reader.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "naïve");
}

async fn lines_continue_after_an_error_and_after_bytes_that_are_no_text() {
    let mut lines = BufReader::new(script([
        Step::Data(b"whole\nhal"),
        Step::Fail(ErrorKind::TimedOut),
        Step::Data(b"f\r\n\xff\nlast\r"),
    ]))
    .lines();
    assert_eq!(lines.next().await.unwrap().unwrap(), "whole");
    assert_eq!(lines.next().await.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(lines.next().await.unwrap().unwrap(), "half");
    assert_eq!(lines.next().await.unwrap().unwrap_err().kind(), ErrorKind::InvalidData);
    assert_eq!(lines.next().await.unwrap().unwrap(), "last\r");
    assert!(lines.next().await.is_none());
}

async fn split_gives_empty_pieces_but_none_after_the_end() {
    let mut pieces = Cursor::new(b"a,,b,").split(b',');
    for expected in [&b"a"[..], b"", b"b"] {
        assert_eq!(pieces.next().await.unwrap().unwrap(), expected);
    }
    assert!(pieces.next().await.is_none());
}

async fn interrupted_reads_are_repeated() {
    let steps = || [Step::Fail(ErrorKind::Interrupted), Step::Data(b"x")];
    // async-std's stream of bytes stopped here, because nothing woke the task.
    assert_eq!(script(steps()).bytes().next().await.unwrap().unwrap(), b'x');
    let mut byte = [0];
    script(steps()).read_exact(&mut byte).await.unwrap();
    let mut bytes = Vec::new();
    script(steps()).read_to_end(&mut bytes).await.unwrap();
    io::copy(&mut script(steps()), &mut bytes).await.unwrap();
    BufReader::new(script(steps())).read_until(b'y', &mut bytes).await.unwrap();
    assert_eq!((&byte, &bytes[..]), (b"x", &b"xxx"[..]));
}

async fn vectored_reads_and_writes_fill_one_buffer_after_the_other() {
    let mut reader = BufReader::with_capacity(4, Cursor::new(b"abcdef"));
    let (mut a, mut b) = ([0; 1], [0; 2]);
    let mut bufs = [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
    assert_eq!(reader.read_vectored(&mut bufs).await.unwrap(), 3);
    assert_eq!((&a, &b), (b"a", b"bc"));

    let mut writer = BufWriter::with_capacity(8, Vec::new());
    let bufs = [IoSlice::new(b"abc"), IoSlice::new(b"def")];
    assert_eq!(writer.write_vectored(&bufs).await.unwrap(), 6);
    assert_eq!(writer.buffer(), b"abcdef");
    assert_eq!(writer.write_vectored(&bufs).await.unwrap(), 6);
    assert_eq!((writer.get_ref().len(), writer.buffer().len()), (6, 6));
}

async fn seek_of_a_buffered_reader_counts_from_its_user() {
    let mut reader = BufReader::with_capacity(4, Cursor::new(b"0123456789"));
    reader.read_exact(&mut [0; 2]).await.unwrap();
    assert_eq!(reader.buffer(), b"23");
    assert_eq!(reader.seek(SeekFrom::Current(1)).await.unwrap(), 3);
    let mut byte = [0];
    reader.read_exact(&mut byte).await.unwrap();
    assert_eq!(&byte, b"3");
    // Two steps: the sum of the offset and the buffered length overflows.
    assert!(reader.seek(SeekFrom::Current(i64::MIN)).await.is_err());
    reader.read_exact(&mut byte).await.unwrap();
    assert_eq!(&byte, b"4");
}

async fn bufread_chain_and_take_keep_to_their_bounds() {
    let mut reader = Cursor::new("one\ntw").chain(Cursor::new("o\nthree")).take(9);
    let mut line = String::new();
    reader.read_line(&mut line).await.unwrap();
    reader.read_line(&mut line).await.unwrap();
    reader.read_line(&mut line).await.unwrap();
    assert_eq!((&line[..], reader.limit()), ("one\ntwo\nt", 0));
}

// Writing.

async fn buffered_writer_does_not_flush_on_drop() {
    let mut sent = Vec::new();
    let mut writer = BufWriter::new(&mut sent);
    writer.write_all(b"lost").await.unwrap();
    drop(writer);
    assert!(sent.is_empty());
}

async fn buffered_writer_writes_nothing_twice() {
    let mut writer =
        BufWriter::new(script([Step::Take(2), Step::Fail(ErrorKind::TimedOut), Step::Wait]));
    writer.write_all(b"abcdef").await.unwrap();
    assert_eq!(writer.flush().await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(writer.buffer(), b"cdef");
    assert!(cancel_after_one_poll(writer.flush()).await.is_none());
    writer.write_all(b"g").await.unwrap();
    let script = writer.into_inner().await.unwrap();
    assert_eq!((&script.written[..], script.flushes), (&b"abcdefg"[..], 1));
}

#[test]
fn write_fmt_writes_everything_and_flushes() {
    block_on(async {
        let mut writer = script([Step::Take(1), Step::Wait, Step::Take(2)]);
        write!(writer, "{}-{}", 12, 34).await.unwrap();
        assert_eq!((&writer.written[..], writer.flushes), (&b"12-34"[..], 1));
    });
}

#[test]
fn formatter_that_fails_is_an_error_and_writes_nothing() {
    struct Broken;
    impl std::fmt::Display for Broken {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Err(std::fmt::Error)
        }
    }
    block_on(async {
        let mut writer = Vec::new();
        assert_eq!(write!(writer, "{Broken}").await.unwrap_err().kind(), ErrorKind::Other);
        assert!(writer.is_empty());
    });
}

async fn writer_that_takes_nothing_is_write_zero() {
    let mut room = [0; 2];
    let error = Cursor::new(&mut room[..]).write_all(b"abc").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriteZero);
}

// Copying.

async fn copy_flushes_the_writer_and_counts() {
    let data: Vec<u8> = (0..1_000_000_u32).map(|i| i as u8).collect();
    let mut writer = BufWriter::new(Vec::new());
    assert_eq!(io::copy(&mut &data[..], &mut writer).await.unwrap(), 1_000_000);
    assert!(writer.buffer().is_empty());
    assert!(*writer.get_ref() == data);
}

#[test]
fn copy_has_both_signatures_of_async_std() {
    block_on(async {
        let mut writer = Vec::new();
        let reader: &mut (dyn io::Read + Unpin) = &mut Cursor::new("unsized");
        assert_eq!(io::copy(reader, &mut writer).await.unwrap(), 7);
        let sent = io::copy_by_value(Cursor::new(" by value"), &mut writer).await.unwrap();
        assert_eq!((sent, &writer[..]), (9, &b"unsized by value"[..]));
    });
}

async fn copy_to_a_writer_that_takes_nothing_is_write_zero_and_says_what_failed() {
    let error = io::copy(&mut Cursor::new("x"), &mut script([Step::Take(0)])).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriteZero);
    assert_eq!(error.to_string(), "io::copy failed");
}

async fn copy_keeps_kind_source_and_number_of_the_error() {
    struct Broken;
    impl io::Read for Broken {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(Error::from_raw_os_error(5)))
        }
    }
    let error = io::copy(&mut Broken, &mut io::sink()).await.unwrap_err();
    assert_eq!(io::raw_os_error(&error), Some(5));
    let source = std::error::Error::source(&error).expect("the source is set");
    assert_eq!(source.to_string(), Error::from_raw_os_error(5).to_string());
}

async fn copy_flushes_while_the_reader_waits() {
    let mut reader = script([Step::Data(b"answer"), Step::Wait, Step::Data(b"!")]);
    let mut writer = BufWriter::new(script([]));
    let copied = cancel_after_one_poll(io::copy(&mut reader, &mut writer)).await;
    assert!(copied.is_none());
    assert_eq!(writer.get_ref().written, b"answer");
}

async fn copy_between_ends_that_are_always_ready_lets_others_run() {
    let endless = async {
        let never = io::copy(&mut io::repeat(0), &mut io::sink()).await;
        panic!("an endless copy ended: {never:?}");
    };
    let other = async {
        for _ in 0..3 {
            task::yield_now().await;
        }
    };
    future::or(endless, other).await;
}

// Time.

async fn timeout_polls_the_operation_first() {
    let ready = io::timeout(Duration::ZERO, async { Ok(1) });
    assert_eq!(ready.await.unwrap(), 1);
}

async fn timeout_of_the_longest_duration_never_runs_out() {
    let slow = async {
        task::yield_now().await;
        Ok(2)
    };
    assert_eq!(io::timeout(Duration::MAX, slow).await.unwrap(), 2);
}

async fn timeout_drops_the_operation_and_says_timed_out() {
    let never = poll_fn(|_| Poll::<io::Result<()>>::Pending);
    let error = io::timeout(Duration::from_millis(1), never).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(error.to_string(), "future timed out");
}

async fn loops_over_what_is_always_ready_end_with_their_time_limit() {
    let limit = Duration::from_millis(5);
    let never = |outcome: Result<(), _>| outcome.expect_err("the loop has no end of its own");
    let repeat = async {
        let mut reader = io::repeat(7);
        loop {
            assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 8);
        }
    };
    never(repeat.timeout(limit).await);
    let empty = async {
        let mut reader = io::empty();
        loop {
            assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 0);
            assert_eq!(reader.read_line(&mut String::new()).await.unwrap(), 0);
        }
    };
    never(empty.timeout(limit).await);
    let sink = async {
        let mut writer = io::sink();
        loop {
            writer.write_all(&[0; 8]).await.unwrap();
        }
    };
    never(sink.timeout(limit).await);
}

// Each of these runs on every executor.
reveille_tests::conformance!(
    dropped_read_line_leaves_what_it_read_in_the_string,
    dropped_read_to_string_leaves_what_it_read_in_the_string,
    failed_reads_leave_what_they_read,
    line_that_is_not_text_is_an_error_and_leaves_the_string_alone,
    character_in_two_reads_is_whole,
    lines_continue_after_an_error_and_after_bytes_that_are_no_text,
    split_gives_empty_pieces_but_none_after_the_end,
    interrupted_reads_are_repeated,
    vectored_reads_and_writes_fill_one_buffer_after_the_other,
    seek_of_a_buffered_reader_counts_from_its_user,
    bufread_chain_and_take_keep_to_their_bounds,
    buffered_writer_does_not_flush_on_drop,
    buffered_writer_writes_nothing_twice,
    writer_that_takes_nothing_is_write_zero,
    copy_flushes_the_writer_and_counts,
    copy_to_a_writer_that_takes_nothing_is_write_zero_and_says_what_failed,
    copy_keeps_kind_source_and_number_of_the_error,
    copy_flushes_while_the_reader_waits,
    copy_between_ends_that_are_always_ready_lets_others_run,
    loops_over_what_is_always_ready_end_with_their_time_limit,
    timeout_polls_the_operation_first,
    timeout_of_the_longest_duration_never_runs_out,
    timeout_drops_the_operation_and_says_timed_out,
);
