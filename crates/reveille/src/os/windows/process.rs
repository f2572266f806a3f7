//! Windows extensions of processes: creation flags, unquoted arguments, handles.
//!
//! # Examples
//!
//! ```
//! use reveille::os::windows::process::CommandExt;
//! use reveille::process::Command;
//!
//! # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
//! // What follows `/c` has quoting rules of its own.
//! let status = Command::new("cmd.exe").raw_arg("/c exit 0").status().await?;
//! assert!(status.success());
//! # Ok(()) }) }
//! ```

use std::ffi::OsStr;
use std::os::windows::io::{AsRawHandle, RawHandle};
use std::os::windows::process::CommandExt as _;

use crate::process::{Child, Command};

mod sealed {
    /// Implemented by [`Command`](crate::process::Command) only, so that methods can be added to
    /// [`CommandExt`](super::CommandExt).
    pub trait Sealed {}
}

/// Windows-specific options of a [`Command`]. Other crates cannot implement it.
///
/// # Examples
///
/// ```
/// use reveille::os::windows::process::CommandExt;
/// use reveille::process::Command;
///
/// const CREATE_NO_WINDOW: u32 = 0x0800_0000;
/// let mut command = Command::new("cmd.exe");
/// command.creation_flags(CREATE_NO_WINDOW).raw_arg("/c echo %PATH%");
/// ```
pub trait CommandExt: sealed::Sealed {
    /// Sets the flags with which the process is created. `CREATE_UNICODE_ENVIRONMENT` is always
    /// set.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::windows::process::CommandExt;
    /// use reveille::process::Command;
    ///
    /// const CREATE_NO_WINDOW: u32 = 0x0800_0000;
    /// Command::new("cmd.exe").creation_flags(CREATE_NO_WINDOW);
    /// ```
    fn creation_flags(&mut self, flags: u32) -> &mut Command;

    /// Appends text to the command line without quoting it, for example for `cmd.exe /c`, which has
    /// its own rules.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::windows::process::CommandExt;
    /// use reveille::process::Command;
    ///
    /// Command::new("cmd.exe").raw_arg("/c \"echo a  b\"");
    /// ```
    fn raw_arg<S: AsRef<OsStr>>(&mut self, text_to_append_as_is: S) -> &mut Command;
}

impl sealed::Sealed for Command {}

impl CommandExt for Command {
    fn creation_flags(&mut self, flags: u32) -> &mut Command {
        self.as_std_mut().creation_flags(flags);
        self
    }

    fn raw_arg<S: AsRef<OsStr>>(&mut self, text_to_append_as_is: S) -> &mut Command {
        self.as_std_mut().raw_arg(text_to_append_as_is);
        self
    }
}

impl AsRawHandle for Child {
    fn as_raw_handle(&self) -> RawHandle {
        self.with_std(|child| child.as_raw_handle())
    }
}
