//! Programs that the compiler must refuse, and their corrections, which must compile.
//!
//! `ui/fail` holds programs that must not compile. Lines that begin with `//~` say what the
//! compiler must report. `ui/pass` holds the same programs, corrected. The compiler's messages
//! change between versions, so they are not compared literally: trybuild writes them beside a copy
//! of each program, and the phrases are searched there.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use reveille_tests::{child, test_name};

/// Set in the process that this test starts, to the folder with the copies.
const COPIES: &str = "REVEILLE_UI_COPIES";

#[test]
fn the_compiler_refuses_each_misuse_and_accepts_its_correction() {
    // The compiler builds reveille for these programs, on a machine that may be busy.
    reveille_watchdog::allow(900);
    let Some(copies) = env::var_os(COPIES).map(PathBuf::from) else {
        return start(test_name!());
    };
    let cases = trybuild::TestCases::new();
    cases.compile_fail(copies.join("*.rs"));
    cases.pass("ui/pass/*.rs");
}

/// Runs the test `name` again in a process in which an environment variable makes trybuild write
/// instead of compare, then reads what was written.
fn start(name: &str) {
    let copies = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ui");
    let _ = fs::remove_dir_all(&copies);
    fs::create_dir_all(&copies).unwrap();
    let mut programs = Vec::new();
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/ui/fail")).unwrap() {
        let path = entry.unwrap().path();
        let copy = copies.join(path.file_name().unwrap());
        fs::copy(&path, &copy).unwrap();
        programs.push(copy);
    }
    assert!(programs.len() >= 2, "ui/fail is where the programs are");

    let mut command = child::command(name);
    command.env(COPIES, &copies).env("TRYBUILD", "overwrite");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "a program compiles that must not, or a cure does not:\n{said}"
    );

    for program in programs {
        let text = fs::read_to_string(&program).unwrap();
        let expected: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("//~ ")).collect();
        assert!(!expected.is_empty(), "{} says nothing by //~", program.display());
        let complaint = fs::read_to_string(program.with_extension("stderr")).unwrap();
        for phrase in expected {
            assert!(complaint.contains(phrase), "no `{phrase}` in:\n{complaint}");
        }
    }
}
