//! The checks of this repository, as Rust programs.
//!
//! ```text
//! cargo xtask check            format, clippy, docs, tests, tidy
//! cargo xtask tidy             only what no other tool checks: sizes, layers, names, files
//! cargo xtask coverage         how many public items are documented
//! cargo xtask loom [--short]   the models of the atomic protocols, each in a process of its own
//! cargo xtask stress [--short | --minutes N]   random operations of all kinds, for a while
//! cargo xtask race [--short | --planted] [--require]   tests and stress under ThreadSanitizer
//! cargo xtask memory           the unsafe crates under valgrind, miri, AddressSanitizer
//! cargo xtask parity           what async-std has and the shim lacks; writes PARITY.md
//! cargo xtask parity --record  records the items of async-std again, from the crate itself
//! cargo xtask dependents       the tests of crates that depend on async-std, on the shim
//! cargo xtask ecosystem [NAME...]   runs the examples with other people's crates
//! cargo xtask fleet            the fleet against a real nats-server, with workers that are killed
//! cargo xtask shims            the published tests and examples of smol and others, on the shims
//! cargo xtask mutants [--list] [NAME...]   puts each fault of FAULTS.md back: its test must fail
//! cargo xtask charts           draws the charts of the README from the figures of the harness
//! cargo xtask targets          type-checks the ports whose standard library is installed
//! cargo xtask targets --run [SYSTEM] [--short | PROGRAM...]   runs the tests of other systems
//! cargo xtask targets --absent [SYSTEM]   lists the tests that others lack, with the reasons
//! cargo xtask release --dry-run   packs what is published, and tests what is in the packages
//! ```
//!
//! Each command is a module. It prints each program that it runs, with its arguments.

#[cfg(test)]
use reveille_watchdog as _;

mod charts;
mod check;
mod dependents;
mod ecosystem;
mod fleet;
mod loom;
mod memory;
mod mutants;
mod parity;
mod race;
mod release;
mod shell;
mod stress;
mod targets;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask check | tidy | coverage | loom [--short] | memory | \
                     stress [--short | --minutes N] | race [--short | --planted] [--require] | \
                     parity [--record] | dependents [--record] [NAME...] | \
                     shims [--record] [NAME...] | \
                     ecosystem [NAME...] | fleet | charts | mutants [--list] [NAME...] | \
                     targets [--run [SYSTEM] [--short | PROGRAM...] | --absent [SYSTEM]] | \
                     release --dry-run";

/// Reads the options of `race`.
fn race(options: &[&str]) -> shell::Outcome {
    let is_required = options.contains(&"--require");
    let form = options.iter().filter(|option| **option != "--require").collect::<Vec<_>>();
    match form[..] {
        [] => race::run(race::Form::Long, is_required),
        [&"--short"] => race::run(race::Form::Short, is_required),
        [&"--planted"] => race::run(race::Form::Planted, is_required),
        _ => Err(USAGE.to_owned()),
    }
}

/// Reads the options of `targets --run`.
fn run_targets(options: &[&str]) -> shell::Outcome {
    match options {
        [] => targets::run(None, targets::Extent::Full),
        ["--short"] => targets::run(None, targets::Extent::Short),
        [system] => targets::run(Some(system), targets::Extent::Full),
        [system, "--short"] => targets::run(Some(system), targets::Extent::Short),
        [system, names @ ..] => targets::run(Some(system), targets::Extent::Programs(names)),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["check"] => check::run(),
        ["tidy"] => tidy::run(),
        ["coverage"] => tidy::coverage(),
        ["loom"] => loom::run(loom::Depth::Full),
        ["loom", "--short"] => loom::run(loom::Depth::Short),
        ["stress"] => stress::run(stress::Length::Minutes(10)),
        ["stress", "--short"] => stress::run(stress::Length::Short),
        ["stress", "--minutes", minutes] => match minutes.parse() {
            Ok(minutes) => stress::run(stress::Length::Minutes(minutes)),
            Err(_) => Err(USAGE.to_owned()),
        },
        ["race", ref options @ ..] => race(options),
        ["memory"] => memory::run(),
        ["parity"] => parity::run(),
        ["parity", "--record"] => parity::record(),
        ["dependents", "--record", ref names @ ..] => {
            dependents::run(dependents::Mode::Record, names)
        }
        ["dependents", ref names @ ..] => dependents::run(dependents::Mode::Compare, names),
        ["shims", "--record", ref names @ ..] => {
            dependents::shims::run(dependents::Mode::Record, names)
        }
        ["shims", ref names @ ..] => dependents::shims::run(dependents::Mode::Compare, names),
        ["mutants", "--list", ref names @ ..] => mutants::run(names, true),
        ["mutants", ref names @ ..] => mutants::run(names, false),
        ["ecosystem", ref names @ ..] => ecosystem::run(names),
        ["fleet"] => fleet::run(),
        ["charts"] => charts::draw(),
        ["targets"] => targets::check(),
        ["targets", "--run", ref options @ ..] => run_targets(options),
        ["targets", "--absent"] => targets::list_absent(None),
        ["targets", "--absent", system] => targets::list_absent(Some(system)),
        // Publishing itself cannot be undone, so it is left to a person and to `cargo publish`.
        ["release", "--dry-run"] => release::dry_run(),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
