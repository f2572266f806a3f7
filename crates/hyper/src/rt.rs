//! Executors and the timer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use reveille::task;
use reveille::time::Sleep;

/// Runs hyper's background futures as tasks of reveille's pool.
///
/// hyper spawns the streams of HTTP/2 and the connections of a pooled client. The tasks are
/// detached: each ends with its stream or connection.
///
/// # Examples
///
/// ```
/// use reveille_hyper::ReveilleExecutor;
///
/// let builder = hyper::server::conn::http2::Builder::new(ReveilleExecutor);
/// # drop(builder);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct ReveilleExecutor;

impl<F> hyper::rt::Executor<F> for ReveilleExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        drop(task::spawn(future));
    }
}

/// Runs hyper's background futures as local tasks of the current thread, so a service need not be
/// `Send`.
///
/// # Panics
///
/// A future can only be spawned inside of `block_on`, as with [`task::spawn_local`].
///
/// # Examples
///
/// ```
/// use reveille_hyper::ReveilleLocalExecutor;
///
/// let builder = hyper::server::conn::http2::Builder::new(ReveilleLocalExecutor);
/// # drop(builder);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct ReveilleLocalExecutor;

impl<F> hyper::rt::Executor<F> for ReveilleLocalExecutor
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        drop(task::spawn_local(future));
    }
}

/// Reveille's timers, for hyper's time limits and keep-alive.
///
/// A sleep that is reset keeps its allocation.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use reveille_hyper::ReveilleTimer;
///
/// let mut builder = hyper::server::conn::http1::Builder::new();
/// builder.timer(ReveilleTimer).header_read_timeout(Duration::from_secs(10));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct ReveilleTimer;

impl hyper::rt::Timer for ReveilleTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(TimerSleep(Sleep::after(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(TimerSleep(Sleep::until(deadline)))
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn hyper::rt::Sleep>>, new_deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<TimerSleep>() {
            Some(own) => own.get_mut().0.reset(new_deadline),
            // A sleep that another timer made.
            None => *sleep = self.sleep_until(new_deadline),
        }
    }
}

/// Implements hyper's trait for sleeps, which the orphan rule forbids for `Sleep` itself.
struct TimerSleep(Sleep);

impl Future for TimerSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl hyper::rt::Sleep for TimerSleep {}

#[cfg(test)]
mod tests {
    use hyper::rt::Timer as _;
    use reveille::task::block_on;

    use super::*;

    #[test]
    fn a_reset_sleep_keeps_its_place_and_ends_at_the_new_deadline() {
        let soon = Duration::from_millis(1);
        let mut sleep = ReveilleTimer.sleep(Duration::from_secs(1_000_000));
        let place = (&raw const *sleep).cast::<()>();
        ReveilleTimer.reset(&mut sleep, ReveilleTimer.now() + soon);
        assert_eq!((&raw const *sleep).cast::<()>(), place);
        block_on(sleep);
    }

    #[test]
    fn a_sleep_of_another_timer_is_replaced() {
        struct Other;
        impl Future for Other {
            type Output = ();

            fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
                Poll::Pending
            }
        }
        impl hyper::rt::Sleep for Other {}

        let mut sleep: Pin<Box<dyn hyper::rt::Sleep>> = Box::pin(Other);
        ReveilleTimer.reset(&mut sleep, ReveilleTimer.now());
        block_on(sleep);
    }
}
