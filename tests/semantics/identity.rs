//! Point 1: the types are those of the crates that async-std uses, because programs mix them.

use std::any::TypeId;

use futures_lite::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};

fn is_same<A: 'static, B: 'static>() -> bool {
    TypeId::of::<A>() == TypeId::of::<B>()
}

#[test]
fn point_01_channels_are_those_of_async_channel() {
    assert!(is_same::<async_std::channel::Sender<u8>, async_channel::Sender<u8>>());
    assert!(is_same::<async_std::channel::Receiver<u8>, async_channel::Receiver<u8>>());
    assert!(is_same::<async_std::channel::SendError<u8>, async_channel::SendError<u8>>());
    assert!(is_same::<async_std::channel::TrySendError<u8>, async_channel::TrySendError<u8>>());
    assert!(is_same::<async_std::channel::RecvError, async_channel::RecvError>());
    assert!(is_same::<async_std::channel::TryRecvError, async_channel::TryRecvError>());
    let (sender, receiver): (async_channel::Sender<u8>, _) = async_std::channel::unbounded();
    sender.try_send(1).unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));
}

#[test]
fn point_01_locks_are_those_of_async_lock() {
    assert!(is_same::<async_std::sync::Mutex<u8>, async_lock::Mutex<u8>>());
    assert!(is_same::<async_std::sync::RwLock<u8>, async_lock::RwLock<u8>>());
    assert!(is_same::<async_std::sync::Barrier, async_lock::Barrier>());
    assert!(is_same::<async_std::sync::BarrierWaitResult, async_lock::BarrierWaitResult>());
    let mutex = std::sync::Arc::new(async_lock::Mutex::new(1));
    let guard: async_std::sync::MutexGuardArc<i32> = mutex.try_lock_arc().unwrap();
    assert_eq!(*guard, 1);
}

#[test]
fn point_01_processes_are_those_of_async_process() {
    assert!(is_same::<async_std::process::Command, async_process::Command>());
    assert!(is_same::<async_std::process::Child, async_process::Child>());
    assert!(is_same::<async_std::process::ChildStdin, async_process::ChildStdin>());
    assert!(is_same::<async_std::process::Stdio, std::process::Stdio>());
    assert!(is_same::<async_std::process::Output, std::process::Output>());
}

/// A type that has the traits under one name has them under the other.
#[test]
fn point_01_io_traits_are_those_of_futures_io() {
    fn ours<T: async_std::io::Read + async_std::io::Write + async_std::io::Seek>() -> usize {
        theirs::<T>()
    }
    fn theirs<T: AsyncRead + AsyncWrite + AsyncSeek>() -> usize {
        size_of::<T>()
    }
    fn buffered<T: AsyncBufRead>() -> usize {
        ours_buffered::<T>()
    }
    fn ours_buffered<T: async_std::io::BufRead>() -> usize {
        size_of::<T>()
    }
    assert_eq!(ours::<async_std::fs::File>(), size_of::<async_std::fs::File>());
    assert!(buffered::<async_std::io::BufReader<async_std::net::TcpStream>>() > 0);
    assert!(buffered::<futures_lite::io::BufReader<async_std::fs::File>>() > 0);
}

#[test]
fn point_01_streams_are_those_of_futures_core() {
    fn theirs<S: futures_lite::Stream>(
        stream: S,
    ) -> impl async_std::stream::Stream<Item = S::Item> {
        stream
    }
    let stream = theirs(async_std::stream::from_iter([1, 2, 3]));
    let sum = async_std::task::block_on(futures_lite::StreamExt::fold(stream, 0, |sum, n| sum + n));
    assert_eq!(sum, 6);
}
