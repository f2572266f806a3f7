//! Scopes, sets of tasks and tokens on each executor, and under seeds (`tests/simulation`).

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reveille::task::{self, CancellationToken, JoinSet};

/// Counts when it is dropped.
struct CountsDrop(Arc<AtomicUsize>);

impl Drop for CountsDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

async fn a_scope_waits_for_children_and_their_children() {
    let ended = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ended);
    task::scope(async move |s| {
        for number in 0..5 {
            let (again, count) = (s.clone(), Arc::clone(&count));
            drop(s.spawn(async move {
                task::sleep(Duration::from_millis(number % 3)).await;
                drop(again.spawn(async move {
                    task::yield_now().await;
                    drop(CountsDrop(count));
                }));
            }));
        }
    })
    .await;
    assert_eq!(ended.load(Ordering::SeqCst), 5);
}

async fn the_first_error_of_a_scope_cancels_the_other_children() {
    let ended = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ended);
    let result = task::try_scope(async move |s| {
        for _ in 0..3 {
            let counts = CountsDrop(Arc::clone(&count));
            s.spawn(async move {
                let _counts = counts;
                pending::<()>().await;
            });
        }
        s.try_spawn(async {
            task::yield_now().await;
            Err::<(), _>("the error")
        });
        pending::<Result<(), _>>().await
    });
    assert_eq!(result.await, Err("the error"));
    assert_eq!(ended.load(Ordering::SeqCst), 3);
}

async fn a_join_set_returns_each_output_once() {
    let mut set = JoinSet::new();
    for number in 0..10_u64 {
        set.spawn(async move {
            task::sleep(Duration::from_millis(number % 4)).await;
            number
        });
    }
    let mut seen = Vec::new();
    while let Some(output) = set.join_next().await {
        seen.push(output.expect("no task panics or is cancelled"));
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..10).collect::<Vec<_>>());
}

async fn a_join_set_that_is_shut_down_waits_for_its_tasks() {
    let ended = Arc::new(AtomicUsize::new(0));
    let mut set = JoinSet::new();
    for number in 0..6 {
        let counts = CountsDrop(Arc::clone(&ended));
        set.spawn(async move {
            let _counts = counts;
            if number % 2 == 0 {
                pending::<()>().await;
            }
        });
    }
    set.shutdown().await;
    assert_eq!((set.len(), ended.load(Ordering::SeqCst)), (0, 6));
}

async fn a_token_ends_what_runs_under_its_children() {
    let token = CancellationToken::new();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let child = token.child();
            task::spawn(async move { child.run_until_cancelled(pending::<()>()).await })
        })
        .collect();
    task::yield_now().await;
    token.cancel();
    for task in tasks {
        assert_eq!(task.await, None);
    }
}

async fn a_token_with_a_timeout_says_so() {
    let token = CancellationToken::new().with_timeout(Duration::from_millis(2));
    assert_eq!(token.run_until_cancelled(pending::<()>()).await, None);
    let cancelled = token.check().expect_err("its time is over");
    assert!(cancelled.is_timeout());
}

reveille_tests::conformance!(
    a_scope_waits_for_children_and_their_children,
    the_first_error_of_a_scope_cancels_the_other_children,
    a_join_set_returns_each_output_once,
    a_join_set_that_is_shut_down_waits_for_its_tasks,
    a_token_ends_what_runs_under_its_children,
    a_token_with_a_timeout_says_so,
);
