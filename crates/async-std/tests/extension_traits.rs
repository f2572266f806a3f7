//! Methods that other crates add to async-std's types are called, and not some of ours.
//!
//! The traits here stand for those of fs4 and system-interface. `cargo xtask tidy` compares all
//! methods of our types with those of such traits.

use reveille_watchdog as _;

use std::io;

use async_std::fs::File;
use async_std::net::UdpSocket;
use async_std::task::{self, JoinHandle};

/// fs4's `AsyncFileExt`.
trait AsyncFileExt {
    fn lock(&self) -> &'static str;
    fn lock_shared(&self) -> &'static str;
    fn try_lock(&self) -> &'static str;
    fn try_lock_shared(&self) -> &'static str;
    fn unlock(&self) -> &'static str;
}

impl AsyncFileExt for File {
    fn lock(&self) -> &'static str {
        "lock"
    }

    fn lock_shared(&self) -> &'static str {
        "lock_shared"
    }

    fn try_lock(&self) -> &'static str {
        "try_lock"
    }

    fn try_lock_shared(&self) -> &'static str {
        "try_lock_shared"
    }

    fn unlock(&self) -> &'static str {
        "unlock"
    }
}

/// system-interface's `FileIoExt`, which it has for each type with a descriptor.
trait FileIoExt {
    fn read_at(&self, _: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(offset as usize)
    }

    fn read_exact_at(&self, buf: &mut [u8], _: u64) -> io::Result<()> {
        buf.fill(b'x');
        Ok(())
    }

    fn write_at(&self, buf: &[u8], _: u64) -> io::Result<usize> {
        Ok(buf.len())
    }

    fn write_all_at(&self, _: &[u8], offset: u64) -> io::Result<()> {
        if offset == 0 { Ok(()) } else { Err(io::ErrorKind::Other.into()) }
    }
}

#[cfg(unix)]
impl<T: std::os::fd::AsFd> FileIoExt for T {}

// Windows has a trait for handles and one for sockets.
#[cfg(windows)]
impl FileIoExt for File {}
#[cfg(windows)]
impl FileIoExt for UdpSocket {}

/// A trait like those of futures-util and stop-token.
trait FutureExt: Sized {
    fn timeout_at(self, _: u8) -> &'static str {
        "timeout_at"
    }
    fn inspect(self) -> &'static str {
        "inspect"
    }
}

impl<T> FutureExt for JoinHandle<T> {}

#[test]
fn methods_of_traits_of_files_are_called() -> io::Result<()> {
    task::block_on(async {
        let file = File::open("Cargo.toml").await?;
        assert_eq!(file.lock(), "lock");
        assert_eq!(file.lock_shared(), "lock_shared");
        assert_eq!(file.try_lock(), "try_lock");
        assert_eq!(file.try_lock_shared(), "try_lock_shared");
        assert_eq!(file.unlock(), "unlock");
        let mut buf = [0; 2];
        assert_eq!(file.read_at(&mut buf, 7)?, 7);
        file.read_exact_at(&mut buf, 0)?;
        assert_eq!(&buf, b"xx");
        assert_eq!(file.write_at(b"abc", 0)?, 3);
        assert!(file.write_all_at(b"abc", 1).is_err());
        Ok(())
    })
}

#[test]
fn methods_of_traits_of_descriptors_and_futures_are_called() -> io::Result<()> {
    task::block_on(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        assert_eq!(socket.read_at(&mut [], 3)?, 3);
        assert_eq!(task::spawn(async {}).timeout_at(0), "timeout_at");
        assert_eq!(task::spawn(async {}).inspect(), "inspect");
        Ok(())
    })
}
