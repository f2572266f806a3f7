//! `print!` and its kin, which return futures.
//!
//! The functions behind them, in `io`, put the text together when they are called, so that their
//! futures own it: they are `Send` and can be awaited in a spawned task. (The predecessor's held
//! `fmt::Arguments`, which is not `Send`.) A line is written in one piece, so that lines of
//! different tasks do not mix.

/// Prints to the standard output, and returns a future to await.
///
/// It is std's `print!`, except that the task waits where std blocks the thread, and that the text
/// is flushed.
///
/// # Panics
///
/// The future panics if writing to the standard output fails.
///
/// # Examples
///
/// ```
/// reveille::task::block_on(async {
///     reveille::print!("{} and ", 1).await;
///     reveille::println!("{}", 2).await;
/// });
/// ```
#[macro_export]
macro_rules! print {
    ($($arg:tt)*) => {
        $crate::io::_print(::std::format_args!($($arg)*))
    };
}

/// Prints a line to the standard output, and returns a future to await.
///
/// # Panics
///
/// The future panics if writing to the standard output fails.
///
/// # Examples
///
/// ```
/// reveille::task::block_on(async {
///     let name = "world";
///     reveille::println!("hello, {name}").await;
///     reveille::println!().await;
/// });
/// ```
#[macro_export]
macro_rules! println {
    () => {
        $crate::io::_print(::std::format_args!("\n"))
    };
    ($($arg:tt)*) => {
        $crate::io::_print(::std::format_args!("{}\n", ::std::format_args!($($arg)*)))
    };
}

/// Prints to the standard error, and returns a future to await.
///
/// # Panics
///
/// The future panics if writing to the standard error fails.
///
/// # Examples
///
/// ```
/// reveille::task::block_on(async {
///     reveille::eprint!("{}% ", 50).await;
/// });
/// ```
#[macro_export]
macro_rules! eprint {
    ($($arg:tt)*) => {
        $crate::io::_eprint(::std::format_args!($($arg)*))
    };
}

/// Prints a line to the standard error, and returns a future to await.
///
/// # Panics
///
/// The future panics if writing to the standard error fails.
///
/// # Examples
///
/// ```
/// reveille::task::block_on(async {
///     reveille::eprintln!("something is odd: {:?}", Some(1)).await;
/// });
/// ```
#[macro_export]
macro_rules! eprintln {
    () => {
        $crate::io::_eprint(::std::format_args!("\n"))
    };
    ($($arg:tt)*) => {
        $crate::io::_eprint(::std::format_args!("{}\n", ::std::format_args!($($arg)*)))
    };
}
