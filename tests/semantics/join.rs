//! Point 3: what happens to a task when its handle is dropped or cancelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use async_std::future;
use async_std::task::{self, block_on};

/// Records its drop.
struct Marked(Arc<AtomicBool>);

impl Drop for Marked {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn point_03_dropped_handle_detaches() {
    let (go, wait) = async_std::channel::bounded::<()>(1);
    let (done, end) = mpsc::channel();
    drop(task::spawn(async move {
        wait.recv().await.unwrap();
        done.send("went on").unwrap();
    }));
    go.try_send(()).unwrap();
    assert_eq!(end.recv(), Ok("went on"));
}

#[test]
fn point_03_dropped_handle_of_a_local_task_detaches() {
    let (done, end) = async_std::channel::bounded(1);
    block_on(async {
        drop(task::spawn_local(async move {
            task::yield_now().await;
            done.send("went on").await.unwrap();
        }));
        assert_eq!(end.recv().await, Ok("went on"));
    });
}

#[test]
fn point_03_cancel_waits_until_the_future_is_dropped() {
    let is_dropped = Arc::new(AtomicBool::new(false));
    let marked = Marked(Arc::clone(&is_dropped));
    let (started, start) = mpsc::channel();
    let task = task::spawn(async move {
        let _marked = marked;
        started.send(()).unwrap();
        future::pending::<()>().await;
    });
    start.recv().unwrap();
    assert_eq!(block_on(task.cancel()), None);
    assert!(is_dropped.load(Ordering::SeqCst));
}

/// While it is being polled a future cannot be dropped: `cancel` waits for the end of the poll.
#[test]
fn point_03_cancel_waits_for_a_poll_in_progress() {
    let is_dropped = Arc::new(AtomicBool::new(false));
    let marked = Marked(Arc::clone(&is_dropped));
    let (started, start) = mpsc::channel();
    let (release, gate) = mpsc::channel::<()>();
    let task = task::spawn(async move {
        let _marked = marked;
        started.send(()).unwrap();
        gate.recv().unwrap();
        future::pending::<()>().await;
    });
    start.recv().unwrap();
    block_on(async {
        let mut cancel = std::pin::pin!(task.cancel());
        assert!(futures_lite::future::poll_once(&mut cancel).await.is_none());
        assert!(!is_dropped.load(Ordering::SeqCst));
        release.send(()).unwrap();
        assert_eq!(cancel.await, None);
        assert!(is_dropped.load(Ordering::SeqCst));
    });
}

#[test]
fn point_03_cancel_gives_the_output_of_a_task_that_had_finished() {
    let output = block_on(async {
        let task = task::spawn_local(async { "output" });
        for _ in 0..3 {
            task::yield_now().await;
        }
        task.cancel().await
    });
    assert_eq!(output, Some("output"));
}

#[test]
fn point_03_cancel_of_a_task_that_never_ran_drops_it() {
    let is_dropped = Arc::new(AtomicBool::new(false));
    let marked = Marked(Arc::clone(&is_dropped));
    block_on(async {
        let task = task::spawn_local(async move {
            let _marked = marked;
            future::pending::<()>().await;
        });
        assert_eq!(task.cancel().await, None);
        assert!(is_dropped.load(Ordering::SeqCst));
    });
}
