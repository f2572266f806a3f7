//! Limits on lines, files and inline tests. clippy has the limit on functions.

use super::Problem;
use super::tree::{File, Tree};

const COLUMNS_MAX: usize = 100;

/// Lines of code in a file, without its inline tests.
const FILE_MAX: usize = 500;

/// The same in a file of `driver/src/op`, which holds one operation.
const OP_MAX: usize = 150;

/// Lines of a `mod tests` inside the file that it tests.
const INLINE_TESTS_MAX: usize = 120;

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in &tree.files {
        columns(file, &mut problems);
        lines(file, &mut problems);
    }
    problems
}

fn columns(file: &File, problems: &mut Vec<Problem>) {
    for (index, line) in file.lines.iter().enumerate() {
        let len = line.text.chars().count();
        // A URL and the row of a table cannot be wrapped.
        let is_whole = line.text.contains("https://") || line.comment.contains(" | ");
        if len > COLUMNS_MAX && !is_whole {
            let message = format!("{len} columns, at most {COLUMNS_MAX}");
            problems.push(Problem::at(&file.path, index + 1, message));
        }
    }
}

fn lines(file: &File, problems: &mut Vec<Problem>) {
    let tests = file.test_modules();
    for (first, last) in &tests {
        let len = last - first + 1;
        if len > INLINE_TESTS_MAX {
            let message = format!(
                "inline tests of {len} lines, at most {INLINE_TESTS_MAX}: move them to tests.rs"
            );
            problems.push(Problem::at(&file.path, first + 1, message));
        }
    }
    let is_test_line = |index: usize| tests.iter().any(|(a, b)| (*a..=*b).contains(&index));
    let is_counted = |index: usize| file.lines[index].has_code() && !is_test_line(index);
    let count = (0..file.lines.len()).filter(|index| is_counted(*index)).count();
    let most = if file.is_under("crates/driver/src/op") { OP_MAX } else { FILE_MAX };
    if count > most {
        let message = format!("{count} lines of code, at most {most}: split it by idea");
        problems.push(Problem::new(&file.path, message));
    }
}
