//! A file has as many SAFETY comments as unsafe blocks. clippy checks that each block has one. The
//! count also finds a comment whose block is gone, and one that serves two blocks.

use super::Problem;
use super::tree::{File, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    tree.files.iter().filter_map(count).collect()
}

fn count(file: &File) -> Option<Problem> {
    let blocks: usize = file.lines.iter().map(|line| unsafe_blocks(&line.code)).sum();
    let comments = file.lines.iter().filter(|line| is_safety_comment(&line.comment)).count();
    (blocks != comments).then(|| {
        let message = format!("{blocks} unsafe blocks and impls, {comments} SAFETY comments");
        Problem::new(&file.path, message)
    })
}

/// Whether a comment begins with SAFETY. One that only mentions the word does not count, and
/// neither does one in an example of the documentation, whose block is a comment too.
fn is_safety_comment(comment: &str) -> bool {
    if comment.starts_with("///") || comment.starts_with("//!") {
        return false;
    }
    comment.trim_start_matches(['/', '*', ' ']).starts_with("SAFETY:")
}

/// Counts `unsafe {` and `unsafe impl`, with nothing between the words but spaces.
fn unsafe_blocks(code: &str) -> usize {
    let after = code.split("unsafe").skip(1).map(str::trim_start);
    after.filter(|rest| rest.starts_with('{') || rest.starts_with("impl")).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_impls_count_and_functions_do_not() {
        assert_eq!(unsafe_blocks("let x = unsafe { a() } + unsafe { b() };"), 2);
        assert_eq!(unsafe_blocks("unsafe impl Send for X {}"), 1);
        assert_eq!(unsafe_blocks("pub unsafe fn f() {"), 0);
        assert_eq!(unsafe_blocks("#![deny(unsafe_code)]"), 0);
    }
}
