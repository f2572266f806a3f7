//! Runs the same test on each executor.
//!
//! A test is an `async fn` without arguments. [`conformance!`](crate::conformance) makes a test of
//! it for each executor, so `cargo test a_name` runs all of them, and a failure names the executor.
//! A future that is not `Send` can only be tested on the thread's own executor: call
//! [`on_this_thread`].

use std::future::Future;

use reveille::runtime::Builder;
use reveille::task;

/// Runs `test` in `block_on`, on the executor of this thread.
pub fn on_this_thread(test: impl Future<Output = ()>) {
    task::block_on(test);
}

/// Runs `test` as a local task of this thread.
pub fn as_a_local_task(test: impl Future<Output = ()> + 'static) {
    task::block_on(async { task::spawn_local(test).await });
}

/// Runs `test` as a task of the global pool, which all tests of the process share.
pub fn on_the_global_pool(test: impl Future<Output = ()> + Send + 'static) {
    task::block_on(task::spawn(test));
}

/// Runs `test` as a task of a runtime with this many workers, which ends afterwards.
///
/// # Panics
///
/// Panics if the runtime cannot be made.
pub fn on_a_runtime(workers: usize, test: impl Future<Output = ()> + Send + 'static) {
    let runtime = Builder::new().workers(workers).build().expect("room for some threads");
    runtime.block_on(runtime.spawn(test));
}

/// Makes a test for each executor of each `async fn` that is named. Attributes, such as `cfg`,
/// apply to all of them.
///
/// ```
/// async fn two_and_two_are_four() {
///     assert_eq!(2 + 2, 4);
/// }
///
/// reveille_tests::conformance!(two_and_two_are_four);
/// ```
#[macro_export]
macro_rules! conformance {
    ($($(#[$attribute:meta])* $name:ident),* $(,)?) => {
        $(
            $(#[$attribute])*
            mod $name {
                #[test]
                fn on_this_thread() {
                    $crate::executors::on_this_thread(super::$name());
                }

                #[test]
                fn as_a_local_task() {
                    $crate::executors::as_a_local_task(super::$name());
                }

                #[test]
                fn on_the_global_pool() {
                    $crate::executors::on_the_global_pool(super::$name());
                }

                #[test]
                fn on_a_runtime_of_one_worker() {
                    $crate::executors::on_a_runtime(1, super::$name());
                }

                #[test]
                fn on_a_runtime_of_four_workers() {
                    $crate::executors::on_a_runtime(4, super::$name());
                }
            }
        )*
    };
}
