//! The attributes `#[main]` and `#[test]`, which allow an `async fn` where the compiler expects a
//! plain function.
//!
//! Both keep the function unchanged, move it into a plain function of the same name, and pass its
//! future to `task::block_on`:
//!
//! ```text
//! #[reveille::main]                     fn main() -> Result<()> {
//! async fn main() -> Result<()> {   →       async fn main() -> Result<()> { body }
//!     body                                  ::reveille::task::block_on(main())
//! }                                     }
//! ```
//!
//! The `async fn` stays a function instead of becoming an `async` block, because only a function
//! declares its return type. The compiler then infers `?` and closures as in the original.
//!
//! **Which `block_on`?** A procedural macro has no `$crate`. [`macro@main`] and [`macro@test`] are
//! reveille's attributes. They look up reveille's name in the manifest of the package
//! (`manifest.rs`). [`async_std_main`] and [`async_std_test`] are the attributes of the shim for
//! async-std. All four accept `crate = some::path`.
//!
//! **Why not `syn`?** The expansion needs the name, the parameter list and the body of a function,
//! which are easy to find in the token stream (`parse.rs`). A full parser would cost every user
//! more build time than this whole crate.

#![forbid(unsafe_code)]
#![allow(clippy::test_attr_in_doctest, reason = "the attribute in the examples is ours")]

#[cfg(test)]
use reveille_watchdog as _;

use proc_macro::TokenStream;

mod expand;
mod manifest;
mod options;
mod parse;

use expand::Role;

/// Makes an `async fn main` the entry point of a program.
///
/// The future of `main` runs on the main thread, through `task::block_on`. The other threads of the
/// runtime start when there is work for them.
///
/// # Options
///
/// | option | meaning |
/// |---|---|
/// | `workers = 4` | number of workers of the global runtime, 1 to 512 |
/// | `max_blocking_threads = 64` | most threads for blocking closures |
/// | `thread_name = "bees"` | name of the workers |
/// | `shutdown_grace = "10s"` | time for tasks to finish when `main` returns; ms, s, m or h |
/// | `crate = path` | the path of reveille |
///
/// Options take precedence over the environment variables of the global runtime. With
/// `shutdown_grace`, `runtime::shutdown_global` runs after `main`: tasks and blocking closures may
/// finish, and what did not finish in time is logged as a warning. Without it the process ends when
/// `main` returns, even if tasks still run. A panic of `main` ends the process without the grace
/// time.
///
/// The attribute finds the crate under the name that the package's manifest gives it, as in
/// `async-std = { package = "reveille" }`. `crate = path` sets another path.
///
/// # Errors
///
/// It is a compile error if the function is not `async`, is not called `main`, or has parameters or
/// generics. It is also one if an option does not exist or has a wrong value.
///
/// # Panics
///
/// With options of the runtime, `main` panics if the global runtime has already started or the
/// system refuses a thread.
///
/// # Examples
///
/// ```
/// #[reveille::main]
/// async fn main() -> std::io::Result<()> {
///     Ok(())
/// }
/// ```
///
/// ```
/// use std::time::Duration;
///
/// #[reveille::main(workers = 2, shutdown_grace = "10s")]
/// async fn main() {
///     // It still runs when `main` returns, and is waited for.
///     reveille::task::spawn(async {
///         reveille::task::sleep(Duration::from_millis(10)).await;
///         println!("finished");
///     });
/// }
/// ```
#[proc_macro_attribute]
pub fn main(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Role::Main, &manifest::path(), attribute, item)
}

/// Makes an `async fn` a test.
///
/// The function can return everything that a plain test can. `#[should_panic]`, `#[ignore]` and
/// `#[cfg(..)]` work as on a plain test.
///
/// The attribute finds the crate under the name that the package's manifest gives it.
/// `#[test(crate = path)]` sets another path.
/// # Deadlocked tests
///
/// A deadlocked test does not hang: it fails with a dump that shows where each task waits (see
/// `observe` in reveille). A test counts as deadlocked when, for ten seconds, no task of the
/// process has made progress, nothing has waited for a timer, a socket, a child process or a
/// blocking closure, and the process has used hardly any processor time. If a test waits for a
/// thread of its own that sleeps or waits for longer, use `#[test(deadlock = false)]`. The
/// environment variable `REVEILLE_TEST_DEADLOCK` sets another number of seconds; 0 turns this off.
/// With the feature `tokio1`, tests are not checked once tokio has started.
///
/// # Simulations
/// With reveille's feature `sim`, `#[test(simulate = 20)]` runs the test under 20 seeds, each in a
/// process of its own with virtual time. It does not run outside of simulations then. The
/// environment variable `REVEILLE_SIM_ALL=20` runs each other test under 20 seeds before it runs as
/// usual. See `sim` in reveille.
///
/// # Errors
///
/// It is a compile error if the function is not `async`, or has parameters or generics, or if an
/// option does not exist.
///
/// # Examples
///
/// ```
/// #[reveille::test]
/// async fn two_and_two() {
///     assert_eq!(2 + 2, 4);
/// }
/// ```
#[proc_macro_attribute]
pub fn test(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Role::Test, &manifest::path(), attribute, item)
}

/// [`macro@main`] for the shim, which exports it as async-std's. It uses the path `async_std`
/// without leading colons, so that it resolves wherever async-std's attribute did, even through
/// `use something as async_std`.
///
/// # Examples
///
/// ```
/// use reveille as async_std;
/// use reveille_macros::async_std_main as main;
///
/// #[main]
/// async fn main() {
///     async_std::task::yield_now().await;
/// }
/// ```
#[proc_macro_attribute]
pub fn async_std_main(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Role::PlainMain, "async_std", attribute, item)
}

/// [`macro@test`] for the shim, which exports it as async-std's.
///
/// It uses the same path as [`async_std_main`]. With reveille's feature `sim`,
/// `REVEILLE_SIM_ALL=20` runs the test under 20 seeds before it runs as usual, as with
/// [`macro@test`].
///
/// # Examples
///
/// ```
/// use reveille as async_std;
/// use reveille_macros::async_std_test as test;
///
/// #[test]
/// async fn two_and_two() {
///     assert_eq!(2 + 2, 4);
/// }
/// ```
#[proc_macro_attribute]
pub fn async_std_test(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Role::PlainTest, "async_std", attribute, item)
}
