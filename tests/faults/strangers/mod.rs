//! Public reports about other runtimes, tried here. `tests/STRANGERS.md` is the table: the source,
//! the right result, and the results of async-std, tokio and reveille.

mod budget;
mod io;
mod net;
// Only on Unix: scripts of a shell, and signals.
#[cfg(unix)]
mod processes;
mod streams;
mod tasks;
// Only on Unix: sockets with a path.
#[cfg(unix)]
mod unix;
// Only on Unix: errors after a reset, urgent data, and datagrams truncated without an error.
#[cfg(unix)]
mod unix_net;

use std::time::Duration;

/// The time limit for an operation that must not hang. A passing test takes less than a tenth of
/// it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Fails instead of hanging.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    reveille::future::timeout(PATIENCE, what).await.expect("it is ready in time")
}

/// Polls a future once and says whether it is still pending.
async fn is_pending<F: Future>(future: std::pin::Pin<&mut F>) -> bool {
    let mut future = future;
    std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}
