//! The behaviour that blocking's users rely on, and where the shim works differently.

#![allow(clippy::disallowed_methods, reason = "closures that block are what is tested")]

use reveille_watchdog as _;

use std::io::{self, Cursor, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use blocking::{Task, Unblock, unblock};
use futures_lite::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, FutureExt, StreamExt, future};

#[test]
fn a_panic_of_a_closure_resumes_where_it_is_awaited() {
    let task: Task<()> = unblock(|| panic!("planned"));
    let panic = future::block_on(std::panic::AssertUnwindSafe(task).catch_unwind()).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"planned"));
}

#[test]
fn a_detached_closure_runs() {
    let (sender, receiver) = mpsc::channel();
    unblock(move || sender.send(5)).detach();
    assert_eq!(receiver.recv(), Ok(5));
}

#[test]
fn more_closures_than_processors_block_at_once() {
    let barrier = Arc::new(std::sync::Barrier::new(32));
    let tasks: Vec<Task<_>> = (0..32)
        .map(|_| {
            let barrier = barrier.clone();
            unblock(move || barrier.wait().is_leader())
        })
        .collect();
    let leaders = tasks.into_iter().map(future::block_on);
    assert_eq!(leaders.filter(|is_leader| *is_leader).count(), 1);
}

#[test]
fn bytes_pass_through_a_pipe_that_is_smaller() -> io::Result<()> {
    future::block_on(async {
        let bytes: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
        let mut reader = Unblock::with_capacity(7, Cursor::new(bytes.clone()));
        let mut read = Vec::new();
        reader.read_to_end(&mut read).await?;
        assert!(read == bytes);
        let mut writer = Unblock::with_capacity(7, Vec::new());
        writer.write_all(&bytes).await?;
        writer.flush().await?;
        assert!(writer.into_inner().await == bytes);
        Ok(())
    })
}

/// Counts the reads that find the end.
struct Ends(Arc<AtomicUsize>);

impl Read for Ends {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(0)
    }
}

#[test]
fn the_end_is_read_once_for_each_read() -> io::Result<()> {
    future::block_on(async {
        let ends = Arc::new(AtomicUsize::new(0));
        let mut reader = Unblock::new(Ends(ends.clone()));
        for count in 1..200 {
            assert_eq!(reader.read(&mut [0; 8]).await?, 0);
            assert_eq!(ends.load(Ordering::SeqCst), count);
        }
        Ok(())
    })
}

struct Fails;

impl Read for Fails {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("planned"))
    }
}

impl Write for Fails {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("planned"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_error_of_the_object_is_the_result() {
    future::block_on(async {
        let error = Unblock::new(Fails).read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.to_string(), "planned");
        let mut writer = Unblock::new(Fails);
        // The pipe takes the bytes; the error comes with the flush.
        let written = writer.write(b"x").await;
        assert!(written.is_ok() || written.unwrap_err().to_string() == "planned");
        let flushed = writer.flush().await;
        assert!(flushed.is_ok() || flushed.unwrap_err().to_string() == "planned");
    });
}

#[test]
fn a_seek_ends_what_was_read_ahead() -> io::Result<()> {
    future::block_on(async {
        let mut object = Unblock::new(Cursor::new(b"hello".to_vec()));
        let mut byte = [0];
        object.read_exact(&mut byte).await?;
        assert_eq!(&byte, b"h");
        assert_eq!(object.seek(io::SeekFrom::Start(4)).await?, 4);
        object.read_exact(&mut byte).await?;
        assert_eq!(&byte, b"o");
        Ok(())
    })
}

#[test]
fn an_iterator_continues_after_its_stream_was_stopped() {
    future::block_on(async {
        let mut items = Unblock::with_capacity(1, 0..);
        assert_eq!(items.next().await, Some(0));
        assert!(items.get_mut().await.start >= 1);
        assert!(items.next().await.is_some());
    });
}

struct Sink(#[allow(dead_code, reason = "held only")] Arc<Vec<u8>>);
impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_object_is_dropped() -> io::Result<()> {
    let object = Arc::new(Vec::new());
    let weak = Arc::downgrade(&object);
    future::block_on(async {
        let mut writer = Unblock::new(Sink(object));
        writer.write_all(b"x").await?;
        writer.close().await?;
        assert!(weak.upgrade().is_none());
        assert_eq!(format!("{writer:?}"), "Unblock { io: <closed> }");
        Ok(())
    })
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sink")
    }
}

// Only on Linux: it reads the name of a thread in /proc.
#[cfg(target_os = "linux")]
#[test]
fn no_thread_of_the_original_runs() {
    let name = || std::fs::read_to_string("/proc/thread-self/comm").unwrap();
    let name = future::block_on(unblock(name));
    assert!(!name.starts_with("blocking-"), "{name}");
}
