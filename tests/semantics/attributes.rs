//! Point 15: the attributes use paths of the crate, so other items of the same names in scope do
//! not matter.

use std::sync::atomic::{AtomicU32, Ordering};

/// An item with a name that the expansion must not refer to.
mod task {}
/// Another such item.
mod reveille {}

static CALLS: AtomicU32 = AtomicU32::new(0);

#[async_std::main]
async fn main() {
    async_std::task::yield_now().await;
    CALLS.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn point_15_main_runs_its_body_to_the_end() {
    let before = CALLS.load(Ordering::Relaxed);
    main();
    assert_eq!(CALLS.load(Ordering::Relaxed), before + 1);
}

#[async_std::test]
async fn point_15_test_runs_in_a_task() {
    assert!(async_std::task::try_current().is_some());
    assert_eq!(async_std::task::spawn(async { 1 }).await, 1);
}

/// The test returns a result, and an error fails it.
#[async_std::test]
async fn point_15_test_may_return_a_result() -> std::io::Result<()> {
    async_std::task::sleep(std::time::Duration::from_millis(1)).await;
    Ok(())
}
