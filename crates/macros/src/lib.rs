//! The attributes `#[main]` and `#[test]`: an `async fn` where the compiler wants a plain one.
//!
//! Both keep the function as it is written, move it inside a plain function of the same name, and
//! hand the future it returns to `task::block_on`:
//!
//! ```text
//! #[reveille::main]                     fn main() -> Result<()> {
//! async fn main() -> Result<()> {   →       async fn main() -> Result<()> { body }
//!     body                                  ::reveille::task::block_on(main())
//! }                                     }
//! ```
//!
//! The `async fn` stays a function, rather than becoming an `async` block, because only a function
//! tells the compiler its return type: `?` and closures are then inferred as the author wrote them.
//!
//! **Whose `block_on`?** A procedural macro has no `$crate`. [`macro@main`] and [`macro@test`] are
//! reveille's, and look into the manifest of the package for the name it has there
//! (`manifest.rs`); [`async_std_main`] and [`async_std_test`] are those of the drop-in replacement
//! for async-std. All four accept `crate = some::path`.
//!
//! **Why no `syn`.** The four lines above need the name, the parameter list and the body of a
//! function, which are plain to see in the token stream (`parse.rs`); a full parser would cost
//! every user more build time than the whole of this crate.

#![forbid(unsafe_code)]
#![allow(clippy::test_attr_in_doctest, reason = "the attribute in the examples is ours")]

use proc_macro::TokenStream;

mod expand;
mod manifest;
mod parse;

use expand::Role;

/// Makes an `async fn main` the entry point of a program.
///
/// The future of `main` runs on the thread of the process's `main`, through `task::block_on`; the
/// other threads of the runtime start when there is work for them.
///
/// The crate is found under the name that the package's manifest gives it, as in
/// `async-std = { package = "reveille" }`; `#[main(crate = path)]` names it by another path.
///
/// # Errors
///
/// Refuses, at compile time, a function that is not `async`, is not called `main`, or has
/// parameters or generics.
///
/// # Examples
///
/// ```
/// #[reveille::main]
/// async fn main() -> std::io::Result<()> {
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn main(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Role::Main, &manifest::path(), attribute, item)
}

/// Makes an `async fn` a test.
///
/// The function may return whatever a plain test may, and `#[should_panic]`, `#[ignore]` and
/// `#[cfg(..)]` beside it mean what they always do.
///
/// The crate is found under the name that the package's manifest gives it; `#[test(crate = path)]`
/// names it by another path.
///
/// # Errors
///
/// Refuses, at compile time, a function that is not `async`, or has parameters or generics.
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

/// [`macro@main`] as the drop-in replacement for async-std exports it.
///
/// Its path is `async_std`, without leading colons, so that it resolves wherever the predecessor's
/// did: also through a `use something as async_std`.
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
    expand::attribute(Role::Main, "async_std", attribute, item)
}

/// [`macro@test`] as the drop-in replacement for async-std exports it.
///
/// For its path see [`async_std_main`].
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
    expand::attribute(Role::Test, "async_std", attribute, item)
}
