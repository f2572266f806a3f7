//! Writing bytes.

use std::fmt;
use std::io::{self, IoSlice};

use super::futures::{
    CloseFuture, FlushFuture, WriteAllFuture, WriteFmtFuture, WriteFuture, WriteVectoredFuture,
};
use super::output::_format;

#[doc(inline)]
pub use futures_io::AsyncWrite as Write;

/// Methods for every [`Write`].
///
/// # Examples
///
/// ```
/// use reveille::io::prelude::*;
///
/// # fn main() -> reveille::io::Result<()> {
/// reveille::task::block_on(async {
///     let mut page = Vec::new();
///     page.write_all(b"<h1>").await?;
///     write!(page, "{}", 6 * 7).await?;
///     page.write_all(b"</h1>").await?;
///     assert_eq!(page, b"<h1>42</h1>");
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "AsyncWriteExt")]
pub trait WriteExt: Write {
    /// Writes some bytes from the front of `buf` and returns the number of bytes.
    ///
    /// Zero means that the writer accepts no more, or that `buf` is empty. Most callers want
    /// [`write_all`](WriteExt::write_all).
    ///
    /// # Errors
    ///
    /// The error of the writer. No byte was written.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, a socket has accepted no byte. A writer that
    /// works on another thread, such as standard output, may have accepted some.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::{Cursor, prelude::*};
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let mut room = [0; 2];
    ///     assert_eq!(Cursor::new(&mut room[..]).write(b"abc").await?, 2);
    ///     assert_eq!(&room, b"ab");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn write<'a>(&'a mut self, buf: &'a [u8]) -> WriteFuture<'a, Self>
    where
        Self: Unpin,
    {
        WriteFuture { writer: self, buf }
    }

    /// Flushes the writer and every buffer in front of it.
    ///
    /// # Errors
    ///
    /// The error of the writer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing. A second call continues.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::{BufWriter, prelude::*};
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let mut writer = BufWriter::new(Vec::new());
    ///     writer.write_all(b"held back").await?;
    ///     assert!(writer.get_ref().is_empty());
    ///     writer.flush().await?;
    ///     assert_eq!(writer.get_ref(), b"held back");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn flush(&mut self) -> FlushFuture<'_, Self>
    where
        Self: Unpin,
    {
        FlushFuture { writer: self }
    }

    /// Writes what is buffered and closes the writer: nothing can be written afterwards.
    ///
    /// A socket shuts its write side down, so that the peer reads to the end, and can still be read
    /// from. The standard input of a child is closed. A [`BufWriter`](super::BufWriter) is flushed,
    /// and closes its writer. A file is flushed.
    ///
    /// # Errors
    ///
    /// The error of the writer.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the writer may or may not be closed. A second call continues.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::prelude::*;
    /// use reveille::net::{TcpListener, TcpStream};
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let mut client = TcpStream::connect(listener.local_addr()?).await?;
    ///     let (mut server, _) = listener.accept().await?;
    ///
    ///     client.write_all(b"a question").await?;
    ///     client.close().await?;
    ///     let mut question = String::new();
    ///     server.read_to_string(&mut question).await?; // to the end
    ///     server.write_all(b"an answer").await?;
    ///     server.close().await?;
    ///
    ///     let mut answer = String::new();
    ///     client.read_to_string(&mut answer).await?;
    ///     assert_eq!(answer, "an answer");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[doc(alias = "shutdown")]
    fn close(&mut self) -> CloseFuture<'_, Self>
    where
        Self: Unpin,
    {
        CloseFuture { writer: self }
    }

    /// Writes some bytes from several buffers in order, and returns the number of bytes.
    ///
    /// Sockets do this in one system call.
    ///
    /// # Errors
    ///
    /// As for [`write`](WriteExt::write).
    ///
    /// # Cancel safety
    ///
    /// As for [`write`](WriteExt::write).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::{IoSlice, prelude::*};
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let mut packet = Vec::new();
    ///     let parts = [IoSlice::new(b"head "), IoSlice::new(b"body")];
    ///     assert_eq!(packet.write_vectored(&parts).await?, 9);
    ///     assert_eq!(packet, b"head body");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn write_vectored<'a>(&'a mut self, bufs: &'a [IoSlice<'a>]) -> WriteVectoredFuture<'a, Self>
    where
        Self: Unpin,
    {
        WriteVectoredFuture { writer: self, bufs }
    }

    /// Writes all of `buf`.
    ///
    /// # Errors
    ///
    /// The error of the writer, and `WriteZero` if it accepts no more. The number of bytes written
    /// is then unknown.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the number of bytes written is unknown.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::prelude::*;
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let mut page = Vec::new();
    ///     page.write_all(b"everything").await?;
    ///     assert_eq!(page, b"everything");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn write_all<'a>(&'a mut self, buf: &'a [u8]) -> WriteAllFuture<'a, Self>
    where
        Self: Unpin,
    {
        WriteAllFuture { writer: self, buf }
    }

    /// Writes formatted text, then flushes the writer.
    ///
    /// std's `write!(writer, "…").await` and `writeln!` call this. The text is formatted by the
    /// call, before the first poll. The arguments are temporaries that live until the end of the
    /// await, and are not `Send`: in a spawned task, use [`reveille::write!`](crate::write!).
    ///
    /// # Errors
    ///
    /// As for [`write_all`](WriteExt::write_all), and `Other` if an argument fails to format
    /// itself.
    ///
    /// # Cancel safety
    ///
    /// As for [`write_all`](WriteExt::write_all).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::prelude::*;
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let mut page = Vec::new();
    ///     writeln!(page, "{:>4}", 42).await?;
    ///     assert_eq!(page, b"  42\n");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn write_fmt<'a>(&'a mut self, fmt: fmt::Arguments<'_>) -> WriteFmtFuture<'a, Self>
    where
        Self: Unpin,
    {
        self.write_text(_format(fmt))
    }

    /// Writes the text that [`write!`](crate::write!) has formatted, then flushes the writer.
    #[doc(hidden)]
    fn write_text(&mut self, text: io::Result<String>) -> WriteFmtFuture<'_, Self>
    where
        Self: Unpin,
    {
        WriteFmtFuture { writer: self, text, written: 0 }
    }
}

impl<T: Write + ?Sized> WriteExt for T {}
