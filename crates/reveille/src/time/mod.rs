//! Time: sleeps, limits and ticks.
//!
//! The functions have the paths that they have in tokio. Some also have those of async-std: `sleep`
//! in [`task`](crate::task), `timeout` in [`future`](crate::future). A duration that is too long
//! for the clock, such as [`Duration::MAX`], never ends.
//!
//! | to | use |
//! |---|---|
//! | pause for a time | [`sleep`] |
//! | pause until a time, for example until successive deadlines | [`sleep_until`] |
//! | limit how long an operation takes | [`timeout`] |
//! | give several operations one deadline | [`timeout_at`], or a [token with a deadline](crate::task::CancellationToken::with_deadline) |
//! | postpone a timer again and again | one [`Sleep`], which you reset |
//! | do something regularly | [`interval`] |
//! | limit the time between the items of a stream | [`StreamExt::timeout`](crate::stream::StreamExt::timeout) |
//!
//! # Ticks
//!
//! | | first tick | after a tick that was taken late |
//! |---|---|---|
//! | [`interval`] | at once | as its [`MissedTickBehavior`] says |
//! | [`interval_at`] | at a time that you choose | the same |
//! | [`stream::interval`](crate::stream::interval), as in async-std | after one period | one period after that tick was taken |
//!
//! # Examples
//!
//! ```
//! use reveille::time::{self, Duration, Instant};
//!
//! reveille::task::block_on(async {
//!     let start = Instant::now();
//!     let mut ticks = time::interval(Duration::from_millis(2));
//!     for _ in 0..3 {
//!         ticks.tick().await;
//!     }
//!     // The first tick is at the start.
//!     assert!(start.elapsed() >= Duration::from_millis(4));
//! });
//! ```

mod interval;

#[doc(no_inline)]
pub use std::time::{Duration, Instant, SystemTime};

#[doc(inline)]
pub use reveille_runtime::time::Sleep;

#[doc(inline)]
pub use crate::future::{TimeoutError, timeout, timeout_at};
#[doc(inline)]
pub use crate::task::{sleep, sleep_until};
pub use interval::{Interval, MissedTickBehavior, interval, interval_at};
