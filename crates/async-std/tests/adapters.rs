//! The shim's own types: the return types of the extension traits, and the condition variable.

use reveille_watchdog as _;

use std::fmt::Debug;

use async_std::prelude::*;
use async_std::{stream, task};

fn all_traits<T: Clone + Debug + Send + Sync + Unpin>(value: T) -> T {
    value
}

/// In generic code, an adapter of a `Send` stream is `Send`.
fn stays_send<S: Stream<Item = u32> + Send>(stream: S) -> impl Future<Output = u32> + Send {
    stream.filter_map(|n| n.checked_sub(1)).fold(0, |sum: u32, n| sum + n)
}

#[test]
fn cycle_repeats_clones_of_the_stream() {
    task::block_on(async {
        let cycle = all_traits(stream::repeat(7).take(2).cycle());
        assert_eq!(cycle.clone().nth(4).await, Some(7));
        assert_eq!(stream::empty::<u8>().cycle().next().await, None);
    });
}

#[test]
fn enumerate_counts_and_keeps_the_size_hint() {
    task::block_on(async {
        let mut counted = all_traits(stream::repeat('a').take(2).enumerate());
        assert_eq!(counted.size_hint(), stream::repeat('a').take(2).size_hint());
        assert_eq!(counted.next().await, Some((0, 'a')));
        assert_eq!(counted.next().await, Some((1, 'a')));
        assert_eq!(counted.next().await, None);
    });
}

#[test]
fn filter_map_and_fold_take_every_item_once() {
    task::block_on(async {
        let odd = stream::from_iter(0..10).filter_map(|n| (n % 2 == 1).then_some(n));
        assert_eq!(odd.fold(0, |sum, n| sum + n).await, 25);
        assert_eq!(stays_send(stream::from_iter([0, 1, 5])).await, 4);
    });
}

#[cfg(feature = "unstable")]
mod unstable {
    use std::time::Duration;

    use super::*;

    #[test]
    fn combinators_of_two_futures_return_what_async_std_returns() {
        task::block_on(async {
            assert_eq!(async { 1 }.join(async { 'a' }).await, (1, 'a'));
            assert_eq!(async { 1 }.race(async { 2 }).await, 1);
            let failed = async { Err::<u8, _>("left") };
            assert_eq!(failed.try_join(async { Ok::<u8, _>(1) }).await, Err("left"));
            let failed = async { Err::<u8, _>("left") };
            assert_eq!(failed.try_race(async { Ok::<u8, &str>(1) }).await, Ok(1));
            let never = std::future::pending::<()>().timeout(Duration::from_millis(1));
            assert!(never.await.is_err());
            assert_eq!(async { 1 }.delay(Duration::ZERO).await, 1);
            assert_eq!(std::future::ready(async { 1 }).flatten().await, 1);
        });
    }

    #[test]
    fn streams_are_split_as_in_async_std() {
        task::block_on(async {
            let (even, odd): (Vec<u8>, Vec<u8>) =
                stream::from_iter(0..5).partition(|n| n % 2 == 0).await;
            assert_eq!((even, odd), (vec![0, 2, 4], vec![1, 3]));
            let (left, right): (Vec<u8>, Vec<char>) =
                stream::from_iter([(1, 'a'), (2, 'b')]).unzip().await;
            assert_eq!((left, right), (vec![1, 2], vec!['a', 'b']));
            assert_eq!(stream::from_iter(0..5).count().await, 5);
            assert_eq!(stream::from_iter(0..5).by_ref().sum::<u8>().await, 10);
        });
    }
}

#[cfg(feature = "unstable")]
#[test]
fn the_futures_of_condvar_are_send_and_return_the_guard() {
    use async_std::sync::{Arc, Condvar, Mutex};
    use std::time::Duration;

    let pair = Arc::new((Mutex::new(0), Condvar::new()));
    let theirs = Arc::clone(&pair);
    let waiter = task::spawn(async move {
        let (count, changed) = &*theirs;
        let mut guard = changed.wait_until(count.lock().await, |count| *count == 1).await;
        *guard = 2;
        changed.notify_all();
        // No further notification comes.
        changed.wait_timeout(guard, Duration::from_millis(1)).await.1.timed_out()
    });
    task::block_on(async {
        let (count, changed) = &*pair;
        // Notify under the lock. Without it, the waiter could already be in its second wait.
        let mut guard = count.lock().await;
        *guard = 1;
        changed.notify_one();
        drop(guard);
        let long = Duration::from_secs(60);
        let (guard, result) =
            changed.wait_timeout_until(count.lock().await, long, |count| *count == 2).await;
        assert_eq!((*guard, result.timed_out()), (2, false));
        drop(guard);
        assert!(waiter.await);
    });
}
