//! Scopes: concurrency inside one future, with borrowed data.
//!
//! `scope_future.rs` has the future that polls the body and the children. `child.rs` has the
//! children and the handles of their outputs. This file has the two scope handles, which differ in
//! one bound.

mod child;
mod scope_future;

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use child::ScopedFuture;
use child::{Child, TrySender, infallible, slot};
use scope_future::{ScopeFuture, Shared};

use super::owned::OwnedFuture;
use crate::task::CancellationToken;

/// A child that may be sent to another thread.
type SendChild<'env> = Pin<Box<dyn Future<Output = ()> + Send + 'env>>;

/// A child that stays on its thread.
type LocalChild<'env> = Pin<Box<dyn Future<Output = ()> + 'env>>;

macro_rules! handle {
    (
        $(#[$attr:meta])*
        $name:ident, $child:ident, $function:literal, $try_function:literal, [$($send:tt)*]
    ) => {
        $(#[$attr])*
        pub struct $name<'env, E = Infallible> {
            shared: Arc<Shared<$child<'env>, E>>,
        }

        impl<'env, E> $name<'env, E> {
            fn new(shared: &Arc<Shared<$child<'env>, E>>) -> $name<'env, E> {
                $name { shared: Arc::clone(shared) }
            }

            /// Adds a child. From now on it is polled whenever it is woken, even while the body
            /// awaits something else. It ends before the scope does.
            ///
            /// If the scope has ended or its token was cancelled, the future is dropped at once.
            /// This takes the future itself: a borrow, `&mut future`, does not compile, because it
            /// would then stay unpolled. [Why?](crate::future#futures-that-are-not-polled)
            ///
            /// # Examples
            ///
            /// ```
            /// use reveille::{future, task};
            ///
            /// let words = vec![String::from("one"), String::from("two")];
            #[doc = concat!("let lens = future::", $function, "(async |s| {")]
            ///     let one = s.spawn(async { words[0].len() });
            ///     let two = s.spawn(async { words[1].len() });
            ///     one.await + two.await
            /// });
            /// assert_eq!(task::block_on(lens), 6);
            /// ```
            pub fn spawn<F, T, NotBorrowed>(&self, future: F) -> ScopedFuture<T>
            where
                F: Future<Output = T> + OwnedFuture<NotBorrowed> $(+ $send)* + 'env,
                T: $($send +)* 'env,
            {
                let (sender, output) = slot();
                self.shared.add(Box::pin(Child::new(future, sender)));
                output
            }

            /// Adds a child that may fail. The first error ends the scope and becomes the error of
            /// the
            #[doc = concat!("[`", $try_function, "`]. The body and the others are dropped.")]
            ///
            /// # Examples
            ///
            /// ```
            /// use reveille::{future, task};
            ///
            /// let numbers = ["1", "two"];
            #[doc = concat!("let sum = future::", $try_function, "(async |s| {")]
            ///     let one = s.try_spawn(async { numbers[0].parse::<i32>() });
            ///     let two = s.try_spawn(async { numbers[1].parse::<i32>() });
            ///     Ok(one.await + two.await)
            /// });
            /// assert!(task::block_on(sum).is_err());
            /// ```
            pub fn try_spawn<F, T, NotBorrowed>(&self, future: F) -> ScopedFuture<T>
            where
                F: Future<Output = Result<T, E>> + OwnedFuture<NotBorrowed> $(+ $send)* + 'env,
                T: $($send +)* 'env,
                E: $($send +)* 'env,
            {
                let (sender, output) = slot();
                let receiver = TrySender { sender, scope: Arc::clone(&self.shared) };
                self.shared.add(Box::pin(Child::new(future, receiver)));
                output
            }

            /// Returns the scope's token. Cancelling it drops the children, but not the body. The
            /// token is cancelled when the scope ends, for any reason.
            ///
            /// # Examples
            ///
            /// ```
            /// use reveille::{future, task};
            ///
            #[doc = concat!("let token = task::block_on(future::", $function, "(async |s| {")]
            ///     s.spawn(future::pending::<()>());
            ///     s.token().cancel();
            ///     s.token().clone()
            /// }));
            /// assert!(token.is_cancelled());
            /// ```
            #[must_use]
            pub fn token(&self) -> &CancellationToken {
                self.shared.token()
            }
        }

        impl<E> Clone for $name<'_, E> {
            fn clone(&self) -> Self {
                $name { shared: Arc::clone(&self.shared) }
            }
        }

        impl<E> fmt::Debug for $name<'_, E> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("token", self.token())
                    .finish_non_exhaustive()
            }
        }
    };
}

handle! {
    /// Adds children to a [`scope`] or [`try_scope`].
    ///
    /// Clones refer to the same scope, so a child can hold one and add siblings. `'env` is the
    /// lifetime of what children may borrow: everything that existed before the scope.
    Scope, SendChild, "scope", "try_scope", [Send]
}

handle! {
    /// Adds children to a [`scope_local`] or [`try_scope_local`].
    ///
    /// Like [`Scope`], for children that are not `Send`.
    LocalScope, LocalChild, "scope_local", "try_scope_local", []
}

/// Runs an asynchronous closure and the children that it starts, all inside one future.
///
/// Children may borrow what the closure may borrow. They are not tasks: they take turns with the
/// body on its thread, and each is polled when it is woken. The scope is ready when the body and
/// all children are.
///
/// Children are polled while the body awaits something else. Use a scope to keep a future running
/// beside other work; [the module](super#futures-that-are-not-polled) explains what happens to a
/// future that is kept in a variable instead.
///
/// # Panics
///
/// A panic of the body or of a child drops the body and all children, then resumes. Panics of these
/// drops are reported to the hook for unhandled panics.
///
/// # Cancel safety
///
/// Dropping the scope drops the body and the children at their current `.await`. Forgetting the
/// scope ([`std::mem::forget`]) forgets them too.
///
/// # Examples
///
/// ```
/// use reveille::net::TcpStream;
/// use reveille::prelude::*;
/// use reveille::{future, io};
///
/// async fn request(host: &str, port: u16, path: &str) -> io::Result<String> {
///     let mut stream = TcpStream::connect((host, port)).await?;
///     let head = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
///     stream.write_all(head.as_bytes()).await?;
///     let mut answer = String::new();
///     stream.read_to_string(&mut answer).await?;
///     Ok(answer)
/// }
///
/// async fn many_requests(requests: &[(&str, u16, &str)]) -> Vec<io::Result<String>> {
///     future::scope(async |s| {
///         let mut answers = Vec::new();
///         for (host, port, path) in requests {
///             answers.push(s.spawn(request(host, *port, path)));
///         }
///         future::join_all(answers).await
///     })
///     .await
/// }
/// # assert!(reveille::task::block_on(many_requests(&[])).is_empty());
/// ```
#[doc(alias("FuturesUnordered", "nursery"))]
pub async fn scope<'env, F, Fut>(f: F) -> Fut::Output
where
    F: FnOnce(Scope<'env>) -> Fut,
    Fut: Future,
{
    infallible(ScopeFuture::new(|shared| f(Scope::new(shared))).await)
}

/// Like [`scope`], but ends when the body or a child fails.
///
/// # Errors
///
/// Returns the first error of the body or of a child started by [`Scope::try_spawn`]. By then the
/// body and all children have been dropped.
///
/// # Panics
///
/// Panics as [`scope`] does.
///
/// # Cancel safety
///
/// As for [`scope`].
///
/// # Examples
///
/// ```
/// use reveille::{future, task};
///
/// let result = task::block_on(future::try_scope(async |s| {
///     s.spawn(future::pending::<()>());
///     s.try_spawn(async { Err::<(), _>("no") });
///     future::pending::<Result<(), _>>().await
/// }));
/// assert_eq!(result, Err("no"));
/// ```
pub async fn try_scope<'env, F, Fut, T, E, NotBorrowed>(f: F) -> Result<T, E>
where
    F: FnOnce(Scope<'env, E>) -> Fut,
    Fut: Future<Output = Result<T, E>> + OwnedFuture<NotBorrowed>,
{
    ScopeFuture::new(|shared| succeed(Arc::clone(shared), f(Scope::new(shared)))).await
}

/// Like [`scope`], with children that need not be `Send`. The returned future is not `Send` either.
///
/// # Panics
///
/// Panics as [`scope`] does.
///
/// # Cancel safety
///
/// As for [`scope`].
///
/// # Examples
///
/// ```
/// use reveille::{future, task};
/// use std::cell::Cell;
///
/// let count = Cell::new(0);
/// task::block_on(future::scope_local(async |s| {
///     for _ in 0..10 {
///         s.spawn(async { count.set(count.get() + 1) });
///     }
/// }));
/// assert_eq!(count.get(), 10);
/// ```
pub async fn scope_local<'env, F, Fut>(f: F) -> Fut::Output
where
    F: FnOnce(LocalScope<'env>) -> Fut,
    Fut: Future,
{
    infallible(ScopeFuture::new(|shared| f(LocalScope::new(shared))).await)
}

/// Like [`try_scope`], with children that need not be `Send`.
///
/// # Errors
///
/// Fails as [`try_scope`] does.
///
/// # Panics
///
/// Panics as [`scope`] does.
///
/// # Cancel safety
///
/// As for [`scope`].
///
/// # Examples
///
/// ```
/// use reveille::{future, task};
/// use std::rc::Rc;
///
/// let result = task::block_on(future::try_scope_local(async |s| {
///     let shared = Rc::new(1);
///     let child = s.try_spawn({
///         let shared = Rc::clone(&shared);
///         async move { Ok::<_, ()>(*shared + 1) }
///     });
///     Ok(child.await)
/// }));
/// assert_eq!(result, Ok(2));
/// ```
pub async fn try_scope_local<'env, F, Fut, T, E, NotBorrowed>(f: F) -> Result<T, E>
where
    F: FnOnce(LocalScope<'env, E>) -> Fut,
    Fut: Future<Output = Result<T, E>> + OwnedFuture<NotBorrowed>,
{
    ScopeFuture::new(|shared| succeed(Arc::clone(shared), f(LocalScope::new(shared)))).await
}

/// Awaits a body that may fail. Its error ends the scope.
async fn succeed<B, E, T>(scope: Arc<Shared<B, E>>, body: impl Future<Output = Result<T, E>>) -> T {
    match body.await {
        Ok(output) => output,
        Err(error) => {
            scope.fail(error);
            std::future::pending().await
        }
    }
}
