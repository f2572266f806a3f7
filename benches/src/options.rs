//! The command line of the harness.

use std::time::Duration;

use crate::measure::RunConfig;
use crate::plan::{ROWS, Row};
use crate::runtime::Runtime;

/// Printed if the command line is invalid.
pub const USAGE: &str = "\
options: [--only NAME[,NAME]] [--runtimes NAME[,NAME]] [--rounds N] [--quick]
         [--json FILE] [--markdown FILE] [--targets] [--syscalls] [--list]";

/// What to run, and where to write the results.
#[derive(Debug)]
pub struct Options {
    only: Vec<String>,
    /// The runtimes, in the order of the columns.
    pub runtimes: Vec<Runtime>,
    /// Rounds per row.
    pub rounds: usize,
    /// One round with a tenth of the work.
    pub is_quick: bool,
    /// The file for every figure.
    pub json: Option<String>,
    /// The file for the tables.
    pub markdown: Option<String>,
    /// Prints a line for each target at the end.
    pub has_target_list: bool,
    /// Counts system calls instead of measuring time.
    pub has_strace: bool,
    /// Only lists the rows.
    pub is_list: bool,
}

impl Options {
    /// Parses the command line. Returns `None` if it is invalid.
    pub fn parse(words: &[String]) -> Option<Self> {
        let mut options = Self {
            only: Vec::new(),
            runtimes: Runtime::ALL.to_vec(),
            rounds: 0,
            is_quick: false,
            json: None,
            markdown: None,
            has_target_list: false,
            has_strace: false,
            is_list: false,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--only" => options.only = words.next()?.split(',').map(str::to_owned).collect(),
                "--runtimes" => {
                    let named: Option<Vec<_>> =
                        words.next()?.split(',').map(Runtime::named).collect();
                    options.runtimes = named?;
                }
                "--rounds" => options.rounds = words.next()?.parse().ok()?,
                "--quick" => options.is_quick = true,
                "--json" => options.json = Some(words.next()?.clone()),
                "--markdown" => options.markdown = Some(words.next()?.clone()),
                "--targets" => options.has_target_list = true,
                "--syscalls" => options.has_strace = true,
                "--list" => options.is_list = true,
                _ => return None,
            }
        }
        if options.rounds == 0 {
            options.rounds = if options.is_quick { 1 } else { 5 };
        }
        Some(options)
    }

    /// The rows that the options select.
    pub fn rows(&self) -> impl Iterator<Item = &'static Row> {
        ROWS.iter().filter(|row| {
            let is_named = self.only.is_empty()
                || self.only.iter().any(|name| row.name.contains(name.as_str()));
            is_named && (!self.has_strace || row.name.starts_with("echo_"))
        })
    }

    /// The settings of one process of a row.
    pub fn config(&self, row: &Row) -> RunConfig {
        RunConfig {
            time: Duration::from_millis(if self.is_quick { 60 } else { 500 }),
            is_quick: self.is_quick,
            workers: row.workers,
            has_strace: self.has_strace,
        }
    }
}
