//! Copies through buffers, and writers that fail.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use reveille::io::prelude::*;
use reveille::io::{BufReader, BufWriter, Cursor};
use reveille::task;
use reveille_tests::conformance;
use reveille_tests::poll::stream_pair;

use super::soon;

// tokio#4001, futures-rs#1828: an answer that is stuck in a buffer is a deadlock.
async fn a_copy_flushes_while_the_reader_has_nothing() {
    let (mut asker, question) = stream_pair().await;
    let (mut hearer, answer) = stream_pair().await;
    let mut question = question;
    let copier =
        task::spawn(
            async move { reveille::io::copy(&mut question, &mut BufWriter::new(answer)).await },
        );
    for _ in 0..3 {
        asker.write_all(b"ping").await.unwrap();
        let mut heard = [0; 4];
        soon(hearer.read_exact(&mut heard)).await.unwrap();
        assert_eq!(&heard, b"ping");
    }
    drop(asker);
    assert_eq!(soon(copier).await.unwrap(), 12);
}

/// Takes three bytes a call; the second call fails, the third is interrupted.
struct Moody {
    taken: Arc<Mutex<Vec<u8>>>,
    calls: usize,
}

impl reveille::io::Write for Moody {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.calls += 1;
        Poll::Ready(match self.calls {
            2 => Err(io::Error::other("once")),
            3 => Err(ErrorKind::Interrupted.into()),
            _ => {
                let count = buf.len().min(3);
                self.taken.lock().unwrap().extend(&buf[..count]);
                Ok(count)
            }
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

// tokio#8400 and async-std's own: data that an error interrupts is neither lost nor written twice.
async fn a_buffer_whose_writer_failed_writes_the_rest_once() {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let moody = Moody { taken: Arc::clone(&taken), calls: 0 };
    let mut writer = BufWriter::with_capacity(8, moody);
    writer.write_all(b"abcdefgh").await.unwrap();
    assert!(writer.flush().await.is_err());
    writer.flush().await.unwrap();
    assert_eq!(*taken.lock().unwrap(), b"abcdefgh");
}

async fn a_seek_in_a_buffer_is_from_where_the_program_reads() {
    let mut reader = BufReader::with_capacity(4, Cursor::new(b"0123456789"));
    let mut two = [0; 2];
    reader.read_exact(&mut two).await.unwrap();
    assert_eq!(reader.seek(io::SeekFrom::Current(1)).await.unwrap(), 3);
    reader.read_exact(&mut two).await.unwrap();
    assert_eq!(&two, b"34");
    for far in [-100, i64::MIN] {
        let error = reader.seek(io::SeekFrom::Current(far)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

conformance!(
    a_copy_flushes_while_the_reader_has_nothing,
    a_buffer_whose_writer_failed_writes_the_rest_once,
    a_seek_in_a_buffer_is_from_where_the_program_reads,
);
