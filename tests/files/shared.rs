//! Files that several tasks use: reads and writes at offsets, locks, and directories on the disk.

use std::io::ErrorKind;

#[cfg(unix)]
use reveille::fs::File;
use reveille::fs::{self, TryLockError};
#[cfg(unix)]
use reveille::os::unix::fs::FileExt;
use reveille::prelude::*;
use reveille::task;
use reveille_tests::poll::is_ready;
use reveille_tests::scratch::Scratch;

#[cfg(unix)]
async fn reads_and_writes_at_offsets_leave_the_cursor() {
    let scratch = Scratch::with(b"0123456789");
    let mut file = scratch.update().await;
    let mut buf = [0; 4];
    file.read_exact(&mut buf[..2]).await.unwrap();
    assert_eq!(file.read_at(&mut buf, 6).await.unwrap(), 4);
    assert_eq!(&buf, b"6789");
    assert_eq!(file.read_at(&mut buf, 8).await.unwrap(), 2);
    assert_eq!(file.read_at(&mut buf, 10).await.unwrap(), 0);
    assert_eq!(file.read_at(&mut buf, 1 << 40).await.unwrap(), 0);
    assert_eq!(file.read_at(&mut [], 0).await.unwrap(), 0);
    file.write_all_at(b"ab", 2).await.unwrap();
    file.read_exact(&mut buf[..2]).await.unwrap();
    assert_eq!(&buf[..2], b"ab", "what was read ahead is discarded");
    assert_eq!(file.seek(std::io::SeekFrom::Current(0)).await.unwrap(), 4);
}

#[cfg(unix)]
async fn a_read_at_an_offset_sees_the_writes_before_it() {
    let scratch = Scratch::new();
    let mut file = scratch.update().await;
    file.write_all(b"written").await.unwrap();
    let mut buf = [0; 7];
    file.read_exact_at(&mut buf, 0).await.unwrap();
    assert_eq!(&buf, b"written");
    file.write_all_at(b"W", 0).await.unwrap();
    file.write_all(b"!").await.unwrap();
    file.flush().await.unwrap();
    assert_eq!(std::fs::read(&scratch.0).unwrap(), b"Written!");
}

#[cfg(unix)]
async fn long_transfers_at_offsets_are_whole() {
    let scratch = Scratch::new();
    let file = scratch.update().await;
    let all: Vec<u8> = (0..5_000_000_u32).map(|i| (i % 251) as u8).collect();
    file.write_all_at(&all, 3).await.unwrap();
    let mut back = vec![1; all.len() + 3];
    file.read_exact_at(&mut back, 0).await.unwrap();
    assert!(back[..3] == [0; 3] && back[3..] == all[..]);
    let error = file.read_exact_at(&mut back, 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(error.to_string(), format!("the file ends at byte {}", back.len()));
}

#[cfg(unix)]
async fn tasks_write_parts_of_one_file() {
    let scratch = Scratch::new();
    let file = scratch.update().await;
    let tasks: Vec<_> = (0..20_u8)
        .map(|part| {
            let file = file.clone();
            task::spawn(
                async move { file.write_all_at(&[part; 1000], u64::from(part) * 1000).await },
            )
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let all = std::fs::read(&scratch.0).unwrap();
    assert!(all.chunks(1000).zip(0..20_u8).all(|(part, number)| part == [number; 1000]));
    assert_eq!(all.len(), 20_000);
}

#[cfg(unix)]
async fn offsets_are_refused_by_what_has_none_and_by_modes() {
    let scratch = Scratch::with(b"x");
    let file = File::open(&scratch.0).await.unwrap();
    assert!(file.write_at(b"y", 0).await.is_err());
    let (reader, _writer) = std::io::pipe().unwrap();
    let pipe = File::from(std::fs::File::from(std::os::fd::OwnedFd::from(reader)));
    let error = pipe.read_at(&mut [0; 1], 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotSeekable);
}

async fn a_lock_excludes_and_is_passed_on() {
    let scratch = Scratch::new();
    let (first, second) = (scratch.update().await, scratch.update().await);
    first.lock_file().await.unwrap();
    assert!(matches!(second.try_lock_file().await, Err(TryLockError::WouldBlock)));
    assert!(matches!(second.try_lock_file_shared().await, Err(TryLockError::WouldBlock)));

    let waiting = task::spawn(async move {
        second.lock_file().await.unwrap();
        let mut text = String::new();
        (&second).read_to_string(&mut text).await.unwrap();
        text
    });
    task::yield_now().await;
    (&first).write_all(b"written under the lock").await.unwrap();
    first.unlock_file().await.unwrap();
    assert_eq!(waiting.await, "written under the lock");
}

async fn shared_locks_exclude_the_exclusive_one_only() {
    let scratch = Scratch::new();
    let (first, second) = (scratch.update().await, scratch.update().await);
    let third = scratch.update().await;
    first.lock_file_shared().await.unwrap();
    second.try_lock_file_shared().await.unwrap();
    assert!(matches!(third.try_lock_file().await, Err(TryLockError::WouldBlock)));
    // The drop of an open file releases its lock, and so does `unlock`.
    drop(first);
    second.unlock_file().await.unwrap();
    third.try_lock_file().await.unwrap();
}

async fn a_dropped_wait_leaves_no_lock_behind() {
    let scratch = Scratch::new();
    let (first, second) = (scratch.update().await, scratch.update().await);
    for _ in 0..20 {
        // The attempt runs on the pool or is about to. If it has ended already, the lock is ours.
        if is_ready(second.lock_file()) {
            second.unlock_file().await.unwrap();
        }
        task::yield_now().await;
    }
    // The attempts end and release their locks.
    first.lock_file().await.unwrap();
    first.unlock_file().await.unwrap();
}

/// More waiters than the pool has threads, and an owner that needs the pool.
#[test]
fn waiters_do_not_take_the_threads_that_the_owner_needs() {
    task::block_on(async {
        let scratch = Scratch::new();
        let mut owner = scratch.update().await;
        owner.lock_file().await.unwrap();
        let mut waiters = Vec::new();
        for _ in 0..600 {
            let file = scratch.update().await;
            waiters.push(task::spawn(async move {
                file.lock_file().await.unwrap();
                file.unlock_file().await.unwrap();
            }));
        }
        task::yield_now().await;
        owner.write_all(&[1; 100_000]).await.unwrap();
        owner.sync_all().await.unwrap();
        owner.unlock_file().await.unwrap();
        for waiter in waiters {
            waiter.await;
        }
    });
}

async fn a_directory_is_synchronized_and_a_file_is_not_one() {
    let scratch = Scratch::with(b"x");
    fs::sync_dir(scratch.0.parent().unwrap()).await.unwrap();
    let error = fs::sync_dir(&scratch.0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotADirectory);
    assert!(error.to_string().starts_with("could not synchronize directory `"), "{error}");
    let error = fs::sync_dir("/no/such/directory").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

reveille_tests::conformance! {
    // Only on Unix: the trait for offsets is of `os::unix`.
    #[cfg(unix)]
    reads_and_writes_at_offsets_leave_the_cursor,
    // Only on Unix: the trait for offsets is of `os::unix`.
    #[cfg(unix)]
    a_read_at_an_offset_sees_the_writes_before_it,
    // Only on Unix: the trait for offsets is of `os::unix`.
    #[cfg(unix)]
    long_transfers_at_offsets_are_whole,
    // Only on Unix: the trait for offsets is of `os::unix`.
    #[cfg(unix)]
    tasks_write_parts_of_one_file,
    // Only on Unix: the trait for offsets is of `os::unix`.
    #[cfg(unix)]
    offsets_are_refused_by_what_has_none_and_by_modes,
    a_lock_excludes_and_is_passed_on,
    shared_locks_exclude_the_exclusive_one_only,
    a_dropped_wait_leaves_no_lock_behind,
    a_directory_is_synchronized_and_a_file_is_not_one,
}
