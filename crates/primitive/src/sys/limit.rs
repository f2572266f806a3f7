//! The limit of open file descriptors of the process.
//!
//! On many systems the soft limit is 1024, because `select(2)` cannot handle larger descriptors,
//! and the hard limit is half a million. A server with ten thousand connections raises the soft
//! limit once, when it starts.

use std::io;

/// The limits of open file descriptors of this process.
///
/// # Examples
///
/// ```
/// # use reveille_primitive::sys as runtime;
/// // With 0 it only reads the limits.
/// let limit = runtime::raise_fd_limit(0)?;
/// assert!(limit.soft <= limit.hard);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FdLimit {
    /// Descriptors the process may have open. `u64::MAX` where there is no limit.
    pub soft: u64,
    /// The value up to which the process may raise `soft`. `u64::MAX` where there is no limit.
    pub hard: u64,
}

/// Raises the soft limit to `needed` descriptors, or to the hard limit if that is lower.
///
/// Never lowers a limit. Returns the limits that apply afterwards; compare `soft` with `needed`.
///
/// # Errors
///
/// Returns an error if the system refuses a new limit that is not above the hard one.
///
/// # Examples
///
/// ```
/// # use reveille_primitive::sys as runtime;
/// // A thousand connections, and some for the rest of the program.
/// let limit = runtime::raise_fd_limit(1_100)?;
/// if limit.soft < 1_100 {
///     eprintln!("only {} connections", limit.soft);
/// }
/// # std::io::Result::Ok(())
/// ```
#[cfg(unix)]
pub fn raise_fd_limit(needed: u64) -> io::Result<FdLimit> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let soft = limit.current.unwrap_or(u64::MAX);
    let hard = limit.maximum.unwrap_or(u64::MAX);
    let wanted = needed.min(hard);
    if wanted <= soft {
        return Ok(FdLimit { soft, hard });
    }
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).map_err(|errno| {
        let source = io::Error::from(errno);
        let text =
            format!("could not raise the limit of open files from {soft} to {wanted}: {source}");
        io::Error::new(source.kind(), text)
    })?;
    Ok(FdLimit { soft: wanted, hard })
}

/// Returns `u64::MAX` for both limits: this system does not limit open files per process.
///
/// # Errors
///
/// Never returns an error.
///
/// # Examples
///
/// ```
/// # use reveille_primitive::sys as runtime;
/// let limit = runtime::raise_fd_limit(1_100)?;
/// assert!(limit.soft >= 1_100);
/// # std::io::Result::Ok(())
/// ```
#[cfg(not(unix))]
pub fn raise_fd_limit(_needed: u64) -> io::Result<FdLimit> {
    Ok(FdLimit { soft: u64::MAX, hard: u64::MAX })
}
