//! The part of a copy whose reader is a file of ours and whose writer is another or a socket.
//!
//! The blocking pool moves the bytes inside the kernel (`os/transfer.rs`), piece by piece. Each
//! piece begins at the cursors and advances them when it is done, so a copy that is dropped between
//! two pieces leaves both files where a copy through a buffer would.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::{SeekExt, SeekFrom};
use crate::fs::File;
use crate::os::known::Known;
use crate::os::transfer::{Moved, Socket, copy_range, send};

/// The most that one trip to the pool moves: 4 MiB, a millisecond of copying. A copy that is
/// dropped cannot stop a trip.
const PIECE_LEN: usize = 4 << 20;

/// Where the bytes go.
#[derive(Debug)]
enum Target {
    File(File),
    Socket(Socket),
}

/// A transfer in pieces.
pub(super) struct FileTransfer {
    from: File,
    to: Arc<Target>,
    /// The piece that is being moved.
    piece: Option<Pin<Box<dyn Future<Output = io::Result<Moved>> + Send>>>,
    /// The socket was full at the end of the last piece.
    is_full: bool,
}

impl FileTransfer {
    /// `None` unless `reader` is a file, and `writer` a file or a socket.
    pub(super) fn between<R: ?Sized, W: ?Sized>(reader: &R, writer: &W) -> Option<FileTransfer> {
        let from = Known::file(reader)?;
        let to = match (Known::file(writer), Known::of(writer)) {
            (Some(file), _) => Target::File(file.clone()),
            (None, Some(socket)) => Target::Socket(Socket::of(socket)?),
            (None, None) => return None,
        };
        Some(FileTransfer { from: from.clone(), to: Arc::new(to), piece: None, is_full: false })
    }

    /// Moves a piece, and returns its length. `None` if the rest is to be copied.
    pub(super) fn poll_piece<W: ?Sized>(
        &mut self,
        cx: &mut Context<'_>,
        writer: &W,
    ) -> Poll<io::Result<Option<usize>>> {
        if self.is_full
            && let Some(socket) = Known::of(writer)
        {
            ready!(socket.poll_writable(cx))?;
            self.is_full = false;
        }
        let new = || Box::pin(move_piece(self.from.clone(), Arc::clone(&self.to))) as _;
        let moved = ready!(self.piece.get_or_insert_with(new).as_mut().poll(cx));
        self.piece = None;
        Poll::Ready(Ok(match moved? {
            Moved::Bytes(count) => Some(count),
            Moved::UntilFull(count) => {
                self.is_full = true;
                Some(count)
            }
            Moved::Nothing => None,
        }))
    }
}

/// Moves bytes from the cursor of a file to that of the target, and advances both.
async fn move_piece(from: File, to: Arc<Target>) -> io::Result<Moved> {
    let from_at = (&mut &from).seek(SeekFrom::Current(0)).await?;
    let to_at = match &*to {
        Target::File(to) => (&mut &*to).seek(SeekFrom::Current(0)).await?,
        Target::Socket(_) => 0,
    };
    let target = Arc::clone(&to);
    let moved = from.on_file(move |from| match &*target {
        Target::File(to) => copy_range((from, from_at), (to.as_std(), to_at), PIECE_LEN),
        Target::Socket(socket) => send(from, from_at, socket, PIECE_LEN),
    });
    let moved = moved.await?;
    if let Moved::Bytes(count) | Moved::UntilFull(count) = moved {
        (&mut &from).seek(SeekFrom::Start(from_at + count as u64)).await?;
        if let Target::File(to) = &*to {
            (&mut &*to).seek(SeekFrom::Start(to_at + count as u64)).await?;
        }
    }
    Ok(moved)
}
