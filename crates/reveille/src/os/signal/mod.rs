//! The systems' sides of `reveille::signal`.

/// What `reveille::signal` exports on this system.
pub(crate) mod platform {
    #[cfg(unix)]
    pub use super::unix;
    #[cfg(windows)]
    pub use super::windows;
}

#[cfg(unix)]
pub(crate) use unix::interrupt;
#[cfg(windows)]
pub(crate) use windows::ctrl_c as interrupt;

#[cfg(unix)]
mod delivery;
#[cfg(unix)]
pub mod unix;
#[cfg(windows)]
pub mod windows;
