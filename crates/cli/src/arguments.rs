//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

/// Tools for programs that run on reveille
#[derive(Debug, Parser)]
#[command(name = "reveille", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the packages that depend on async-std, and the lines that replace it with reveille
    ///
    /// Reads the lock file of a program. Changes nothing, downloads nothing and does not run cargo.
    Migrate {
        /// A Cargo.lock, a folder, or the Cargo.toml in a folder
        ///
        /// For a folder, the nearest lock file there or above is read, as cargo does.
        #[arg(default_value = ".")]
        path: PathBuf,
    },
    View(View),
    /// Print the completions for a shell
    ///
    /// For bash: reveille completions bash > ~/.local/share/bash-completion/completions/reveille
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write one for each command into a folder
    Man {
        /// The folder
        folder: Option<PathBuf>,
    },
}

/// Show what a program did, from the trace that it recorded
///
/// Without an option, writes one page of HTML beside the trace. It works offline: open it in a
/// browser. If the trace is cut off or damaged, the page shows the readable part and says what is
/// missing.
#[derive(Args, Debug)]
pub(crate) struct View {
    /// The trace, such as REVEILLE_TRACE=FILE makes one
    pub(crate) file: PathBuf,
    /// Write to this file; `-` is the standard output
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) form: Form,
}

#[derive(Args, Debug)]
#[group(multiple = false)]
pub(crate) struct Form {
    /// Print a summary for the terminal, 80 columns wide
    #[arg(long)]
    pub(crate) summary: bool,
    /// Write a trace for ui.perfetto.dev, with an arrow for each wake
    #[arg(long, value_name = "OUT", conflicts_with = "output")]
    pub(crate) perfetto: Option<PathBuf>,
    /// Print the await stacks and the microseconds that tasks waited in each, for flame graphs
    #[arg(long)]
    pub(crate) folded: bool,
    /// Print the await stacks as a profile for speedscope.app
    #[arg(long)]
    pub(crate) speedscope: bool,
}
