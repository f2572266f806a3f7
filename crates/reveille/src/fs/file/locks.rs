//! Locks of a file, between handles and between processes.
//!
//! Waiting for a lock in the system would occupy a thread of the pool. Some hundreds of tasks that
//! wait would leave no thread for the one that holds the lock, whose writes need the pool, and a
//! runtime that shuts down would wait for all of them. So a waiter tries, sleeps and tries again.
//!
//! An attempt runs on the pool, because a file may be on another machine. Its outcome owns the lock
//! until the future takes it over: if the future has been dropped meanwhile, the lock is released.

use std::fs::TryLockError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use reveille_runtime::time::Sleep;

use super::File;
use super::shared::Shared;
use crate::fs::on_pool;
use crate::io::context::Context as _;

/// The first and the longest pause between two attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// The kind of lock that is requested.
#[derive(Clone, Copy)]
enum Wanted {
    Exclusive,
    Shared,
}

impl Wanted {
    fn attempt(self, file: &std::fs::File) -> Result<(), TryLockError> {
        match self {
            Wanted::Exclusive => file.try_lock(),
            Wanted::Shared => file.try_lock_shared(),
        }
    }
}

/// A lock that no future has taken over yet.
struct Unclaimed(Option<Arc<Shared>>);

impl Unclaimed {
    fn claim(mut self) {
        self.0 = None;
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            // The file was just locked, so an error means that the lock was lost with its server.
            let _ = shared.file().unlock();
        }
    }
}

/// Locks between the handles of a file, in this process and others.
///
/// They are advisory: they exclude other locks, but not reads and writes. They belong to the open
/// file, which the clones of a `File` share, and are released when the last of these is dropped. On
/// systems other than Windows they are those of `flock`.
impl File {
    /// Waits until no other open file has a lock, and takes the exclusive lock.
    ///
    /// A shared lock of this file becomes exclusive; it may be released in between. Waiting is
    /// neither fair nor immediate: a waiter tries again after 1 ms, and then at growing intervals
    /// of up to 50 ms.
    ///
    /// What was read ahead is discarded, so a read sees what the last owner has written.
    ///
    /// # Errors
    ///
    /// `could not lock the file: …`, with the system's error. The error of an earlier write; the
    /// lock is then not taken.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, it takes no lock. A lock that the file had before may be lost.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::File;
    /// use reveille::prelude::*;
    ///
    /// # let path = std::env::temp_dir().join(format!("reveille-doc-lock-{}", std::process::id()));
    /// # let path = reveille::path::PathBuf::from(path);
    /// let mut file = File::create(&path).await?;
    /// file.lock_file().await?;
    /// file.write_all(b"one at a time").await?;
    /// file.unlock_file().await?;
    /// # drop(file);
    /// # reveille::fs::remove_file(&path).await?;
    /// # Ok(()) }) }
    /// ```
    #[doc(alias = "flock")]
    pub async fn lock_file(&self) -> io::Result<()> {
        self.wait_for(Wanted::Exclusive).await
    }

    /// Waits until no other open file has an exclusive lock, and takes a shared lock. See
    /// [`lock_file`](File::lock_file).
    ///
    /// # Errors
    ///
    /// As for [`lock_file`](File::lock_file).
    ///
    /// # Cancel safety
    ///
    /// As for [`lock_file`](File::lock_file).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::File;
    ///
    /// # let path = std::env::temp_dir().join(format!("reveille-doc-lsh-{}", std::process::id()));
    /// # let path = reveille::path::PathBuf::from(path);
    /// # File::create(&path).await?;
    /// let (one, two) = (File::open(&path).await?, File::open(&path).await?);
    /// one.lock_file_shared().await?;
    /// two.lock_file_shared().await?;
    /// # reveille::fs::remove_file(&path).await?;
    /// # Ok(()) }) }
    /// ```
    pub async fn lock_file_shared(&self) -> io::Result<()> {
        self.wait_for(Wanted::Shared).await
    }

    /// Takes the exclusive lock if no other open file has a lock.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if another open file has a lock; otherwise as for
    /// [`lock_file`](File::lock_file).
    ///
    /// # Cancel safety
    ///
    /// As for [`lock_file`](File::lock_file).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::{File, TryLockError};
    ///
    /// # let path = std::env::temp_dir().join(format!("reveille-doc-tl-{}", std::process::id()));
    /// # let path = reveille::path::PathBuf::from(path);
    /// # File::create(&path).await?;
    /// let (one, two) = (File::open(&path).await?, File::open(&path).await?);
    /// one.try_lock_file().await?;
    /// assert!(matches!(two.try_lock_file().await, Err(TryLockError::WouldBlock)));
    /// # reveille::fs::remove_file(&path).await?;
    /// # Ok(()) }) }
    /// ```
    pub async fn try_lock_file(&self) -> Result<(), TryLockError> {
        self.attempt(Wanted::Exclusive).await
    }

    /// Takes a shared lock if no other open file has an exclusive lock.
    ///
    /// # Errors
    ///
    /// As for [`try_lock_file`](File::try_lock_file).
    ///
    /// # Cancel safety
    ///
    /// As for [`lock_file`](File::lock_file).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::File;
    ///
    /// # let path = std::env::temp_dir().join(format!("reveille-doc-tls-{}", std::process::id()));
    /// # let path = reveille::path::PathBuf::from(path);
    /// # File::create(&path).await?;
    /// let file = File::open(&path).await?;
    /// file.try_lock_file_shared().await?;
    /// # reveille::fs::remove_file(&path).await?;
    /// # Ok(()) }) }
    /// ```
    pub async fn try_lock_file_shared(&self) -> Result<(), TryLockError> {
        self.attempt(Wanted::Shared).await
    }

    /// Flushes what was written, and then releases the lock. If there is no lock, this only
    /// flushes.
    ///
    /// # Errors
    ///
    /// The error of an earlier write; the lock is then kept. Otherwise the system's error.
    ///
    /// # Cancel safety
    ///
    /// The lock may or may not be released.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::File;
    ///
    /// let file = File::open("Cargo.toml").await?;
    /// file.lock_file_shared().await?;
    /// file.unlock_file().await?;
    /// # Ok(()) }) }
    /// ```
    pub async fn unlock_file(&self) -> io::Result<()> {
        self.flushed().await?;
        self.on_file(std::fs::File::unlock).await.named(|| "could not unlock the file".to_owned())
    }

    async fn wait_for(&self, wanted: Wanted) -> io::Result<()> {
        let (mut pause, longest) = PAUSES;
        // Unbounded: the owner may keep the lock for any time.
        loop {
            match self.attempt(wanted).await {
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
                Ok(()) => return Ok(()),
            }
            Sleep::after(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    async fn attempt(&self, wanted: Wanted) -> Result<(), TryLockError> {
        let shared = Arc::clone(&self.shared);
        let attempt = move || match wanted.attempt(shared.file()) {
            Ok(()) => Ok(Unclaimed(Some(shared))),
            Err(error) => Err(error),
        };
        let named = |error| match error {
            TryLockError::WouldBlock => TryLockError::WouldBlock,
            TryLockError::Error(error) => {
                let named = Err(error).named(|| "could not lock the file".to_owned());
                named.map_or_else(TryLockError::Error, |()| TryLockError::WouldBlock)
            }
        };
        let lock = on_pool(attempt).await.map_err(named)?;
        // After the lock was taken: what was read ahead may be older.
        self.settled().await.map_err(TryLockError::Error)?;
        lock.claim();
        Ok(())
    }
}
