//! The stacks of one task as text, for a lint.

use std::fmt;

use super::{Await, awaits_of, stack};
use crate::scheduler::inspect::dump::{Dump, TaskDump};

/// The parts of the stacks of `task` that concern the program, as in a dump; empty if nothing is
/// known.
pub(in crate::scheduler::inspect) fn stacks_of(dump: &Dump, task: &TaskDump) -> String {
    AwaitStacks(&awaits_of(dump, &task.stacks)).to_string()
}

/// Like [`stacks_of`], for a stack that is not one of an await: without the function that the
/// program called.
pub(in crate::scheduler::inspect) fn functions_of(dump: &Dump, task: &TaskDump) -> String {
    let mut awaits = awaits_of(dump, &task.stacks);
    awaits.iter_mut().for_each(|awaits| awaits.leaf = None);
    AwaitStacks(&awaits).to_string()
}

struct AwaitStacks<'a>(&'a [Await<'a>]);

impl fmt::Display for AwaitStacks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|awaits| stack(f, "", awaits))
    }
}
