//! `print!` and its variants, which return futures.
//!
//! The functions behind them, in `io`, format the text when they are called, so their futures own
//! it. `format_args!` creates temporaries that are not `Send` and that would live to the end of the
//! expression, across the `.await` of the macro's result. So each macro formats inside a `let`,
//! whose temporaries end with it. The future can therefore be awaited in a spawned task, with any
//! arguments. (async-std's macros and std's `write!` keep the arguments across the await.) A line
//! is written in one piece, so lines of different tasks do not mix.

/// Prints to the standard output. Returns a future.
///
/// This is std's `print!`, except that the task waits where std blocks the thread, and that the
/// text is flushed.
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
    ($($arg:tt)*) => {{
        let printing = $crate::io::_print(::std::format_args!($($arg)*));
        printing
    }};
}

/// Prints a line to the standard output. Returns a future.
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
    () => {{
        let printing = $crate::io::_print(::std::format_args!("\n"));
        printing
    }};
    ($($arg:tt)*) => {{
        let printing =
            $crate::io::_print(::std::format_args!("{}\n", ::std::format_args!($($arg)*)));
        printing
    }};
}

/// Prints to the standard error. Returns a future.
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
    ($($arg:tt)*) => {{
        let printing = $crate::io::_eprint(::std::format_args!($($arg)*));
        printing
    }};
}

/// Prints a line to the standard error. Returns a future.
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
    () => {{
        let printing = $crate::io::_eprint(::std::format_args!("\n"));
        printing
    }};
    ($($arg:tt)*) => {{
        let printing =
            $crate::io::_eprint(::std::format_args!("{}\n", ::std::format_args!($($arg)*)));
        printing
    }};
}

/// Writes formatted text to an asynchronous writer. Returns a future.
///
/// This is std's `write!` for [`io::WriteExt`](crate::io::WriteExt), which must be in scope. std's
/// macro works too, but its future keeps the arguments, so it cannot be awaited in a spawned task
/// if there are any.
///
/// # Errors
///
/// The future fails as [`write_all`](crate::io::WriteExt::write_all) does, and with `Other` if an
/// argument fails to format itself.
///
/// # Examples
///
/// ```
/// use reveille::io::prelude::*;
/// use reveille::{task, write};
///
/// let page = task::spawn(async {
///     let mut page = Vec::new();
///     write!(page, "{} and {}", 1, 2).await?;
///     std::io::Result::Ok(page)
/// });
/// assert_eq!(task::block_on(page)?, b"1 and 2");
/// # std::io::Result::Ok(())
/// ```
#[macro_export]
macro_rules! write {
    ($writer:expr, $($arg:tt)*) => {
        $writer.write_text({
            let text = $crate::io::_format(::std::format_args!($($arg)*));
            text
        })
    };
}

/// Writes formatted text and a newline to an asynchronous writer. Returns a future. See
/// [`write!`](crate::write!).
///
/// # Errors
///
/// As for [`write!`](crate::write!).
///
/// # Examples
///
/// ```
/// use reveille::io::{self, prelude::*};
/// use reveille::{task, writeln};
///
/// let said = task::spawn(async {
///     let name = "world";
///     writeln!(io::stdout(), "hello, {name}").await?;
///     writeln!(io::stdout()).await
/// });
/// task::block_on(said)?;
/// # std::io::Result::Ok(())
/// ```
#[macro_export]
macro_rules! writeln {
    ($writer:expr $(,)?) => {
        $crate::write!($writer, "\n")
    };
    ($writer:expr, $($arg:tt)*) => {
        $crate::write!($writer, "{}\n", ::std::format_args!($($arg)*))
    };
}
