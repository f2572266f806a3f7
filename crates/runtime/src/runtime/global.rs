//! The end of the global runtime, when the program asks for it.
//!
//! A thread of its own drains the runtime, so the thread that awaits the end keeps serving its
//! sockets, timers and local tasks. The first call decides how long the drain may take; all calls
//! receive its report.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use crate::observe;
use crate::scheduler::global;
use crate::scheduler::multi::{self, ShutdownReport, own_pool};
use crate::scheduler::wake;
use crate::threads::{ThreadSpec, system_spawner};

/// Shuts the global runtime down gracefully: running tasks may finish, for at most `grace`. Call it
/// at the end of `main`, after the program has stopped accepting work.
///
/// From this call on the runtime takes nothing from outside, as with
/// [`Runtime::shutdown_gracefully`](crate::Runtime::shutdown_gracefully): tasks that run may spawn
/// others, and a task that another thread spawns is cancelled at once. The future is ready when no
/// task and no blocking closure is left. When the grace is over, the tasks that are left are
/// cancelled and their futures dropped.
///
/// The runtime does not start again in this process: later tasks and blocking closures are
/// cancelled. Futures in `block_on` still work, their sockets, timers and files included. The
/// report is empty (the default) if the global runtime has not started. In a task or blocking
/// closure of that runtime, which cannot wait for its own end, the future is ready at once with an
/// empty report, and the shutdown continues in the background. Calls at the same time, and later
/// ones, receive the report of the first.
///
/// # Cancel safety
///
/// The shutdown starts with the first poll, and continues if the future is dropped. Another call
/// waits for it.
///
/// # Examples
///
/// ```standalone_crate
/// use reveille::{runtime, task};
/// use std::time::Duration;
///
/// task::block_on(async {
///     let request = task::spawn(task::sleep(Duration::from_millis(10)));
///     let report = runtime::shutdown_global(Duration::from_secs(10)).await;
///     assert!(report.is_complete());
///     assert!(request.is_finished(), "it was waited for");
///
///     let late = task::spawn(async { 1 });
///     assert!(late.result().await.unwrap_err().is_cancelled());
/// });
/// ```
pub async fn shutdown_global(grace: Duration) -> ShutdownReport {
    let Some(global) = global::started_global() else { return ShutdownReport::default() };
    let Some(end) = global::global_end() else { return ShutdownReport::default() };
    if end.begin() {
        let drain = move || wake::wake_all(&mut end.finish(multi::drain(global.pool(), grace)));
        let spec =
            ThreadSpec { name: "reveille-end".to_owned(), stack_size: None, body: Box::new(drain) };
        if let Err(error) = system_spawner()(spec) {
            if own_pool() == Some(global) {
                observe::failed_shutdown(&error);
            } else {
                // If no thread can be started for it, this one waits.
                drain();
            }
        }
    }
    if own_pool() == Some(global) {
        return ShutdownReport::default();
    }
    poll_fn(|cx| match end.report(cx.waker()) {
        Some(report) => Poll::Ready(report),
        None => Poll::Pending,
    })
    .await
}
