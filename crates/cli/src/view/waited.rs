//! The await stacks in which tasks waited, with the time in each, for flame graphs.
//!
//! Stacks are captured by sampling, so most waits have no stack. These waits are counted under a
//! frame of their own, so that the total is right. The waits with stacks show the proportions.

use std::collections::BTreeMap;

use reveille_trace::{NO_INDEX, Trace};

use super::awaits::Awaits;
use super::reason::Reason;

/// The frame of waits without a stack.
const NO_STACK: &str = "(no stack captured)";

/// A stack and the time that tasks waited in it.
#[derive(Debug)]
pub(crate) struct WaitedStack {
    /// The group of tasks, the frames from the outermost inwards, and the reason of the wait.
    pub(crate) frames: Vec<String>,
    pub(crate) ns: u64,
}

/// Returns the stacks in the order of their names.
pub(crate) fn stacks(trace: &Trace) -> Vec<WaitedStack> {
    let mut found: BTreeMap<(u32, u32, Reason), u64> = BTreeMap::new();
    for wait in &trace.waits {
        let group = trace.tasks[wait.task as usize].group;
        let ns = found.entry((group, wait.stack, Reason::of(trace, wait))).or_default();
        *ns = ns.saturating_add(wait.woken - wait.from);
    }
    // Stacks that differ in functions of libraries only are one.
    let mut stacks: BTreeMap<Vec<String>, u64> = BTreeMap::new();
    let awaits = Awaits::new(trace);
    for ((group, stack, reason), ns) in found.into_iter().filter(|(_, ns)| *ns > 0) {
        let mut frames = vec![trace.group_label(group)];
        match stack {
            NO_INDEX => frames.push(NO_STACK.to_owned()),
            stack => {
                let inwards = awaits.of(&trace.stacks[stack as usize]).into_iter().rev();
                frames.extend(inwards.map(|one| one.label()));
            }
        }
        frames.push(format!("[{}]", reason.label(trace)));
        let sum = stacks.entry(frames).or_default();
        *sum = sum.saturating_add(ns);
    }
    stacks.into_iter().map(|(frames, ns)| WaitedStack { frames, ns }).collect()
}
