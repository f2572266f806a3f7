//! Runs the code of the guide, of the migration guides and of the README as doc tests.
//!
//! This is a separate package because a published crate must not include files from outside its
//! folder. `cargo test --doc --package reveille-guide` runs all of it.

/// Defines a type for each file, and makes the file the type's documentation.
macro_rules! texts {
    ($($name:ident: $path:literal,)*) => {
        $(
            #[cfg(doctest)]
            #[doc = include_str!($path)]
            struct $name;
        )*
    };
}

texts! {
    Futures: "../chapters/01-futures.md",
    Tasks: "../chapters/02-tasks.md",
    Grouping: "../chapters/03-grouping.md",
    TimeAndCancellation: "../chapters/04-time-and-cancellation.md",
    Sharing: "../chapters/05-sharing.md",
    IoAndFiles: "../chapters/06-io-and-files.md",
    Shutdown: "../chapters/07-shutdown.md",
    ErrorsAndPanics: "../chapters/08-errors-and-panics.md",
    Scheduling: "../chapters/09-scheduling.md",
    Observing: "../chapters/10-observing.md",
    Testing: "../chapters/11-testing.md",
    Libraries: "../chapters/12-libraries.md",
    Ecosystem: "../chapters/13-ecosystem.md",
    Moving: "../chapters/14-moving.md",
    WhenNot: "../chapters/15-when-not.md",
    Questions: "../chapters/faq.md",
    Glossary: "../chapters/glossary.md",
    Tutorial: "../chapters/tutorial.md",
    Introduction: "../chapters/README.md",
    FromAsyncStd: "../../migrating-from-async-std.md",
    FromSmol: "../../migrating-from-smol.md",
    FromTokio: "../../migrating-from-tokio.md",
    Readme: "../../../README.md",
}
