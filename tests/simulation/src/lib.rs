//! Runs the workspace's tests in simulations.
//!
//! `conformance.rs` includes files of `tests/`. These call `reveille_tests::conformance!`, and here
//! that makes a test which runs in simulations.

use std::future::Future;

use reveille::runtime::Builder;
use reveille::{sim, task};

pub use shared::{scratch, wakers};

/// Seeds for each test.
const SEEDS: u64 = 32;

/// Runs `test` under 32 seeds: on the thread, as a local task, on the global pool, and on a runtime
/// of its own.
///
/// # Panics
///
/// Panics if a seed fails.
pub fn in_a_simulation<F>(path: &str, test: fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let name = path.split_once("::").map_or(path, |(_, name)| name);
    sim::Builder::new().seeds(0..SEEDS).test_name(name).run(move || async move {
        match sim::draw("executor", 4) {
            Some(0) => test().await,
            Some(1) => task::spawn_local(test()).await,
            Some(2) => task::spawn(test()).await,
            _ => {
                let runtime = Builder::new().build().expect("room for some threads");
                runtime.block_on(runtime.spawn(test()));
            }
        }
    });
}

/// Makes a simulated test for each `async fn` that is named.
#[macro_export]
macro_rules! conformance {
    ($($(#[$attribute:meta])* $name:ident),* $(,)?) => {
        $(
            $(#[$attribute])*
            mod $name {
                #[test]
                fn in_a_simulation() {
                    let path = concat!(module_path!(), "::in_a_simulation");
                    $crate::in_a_simulation(path, super::$name);
                }
            }
        )*
    };
}
