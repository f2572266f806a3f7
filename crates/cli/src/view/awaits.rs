//! The part of an await stack that concerns the program, in the form of a dump.

use std::borrow::Cow;

use reveille_trace::{ProgramFrames, Stack, StackFrame, Trace, plain_name, source_root};

/// A function of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Await {
    /// `in` the future of a library, or `at` a place in a function of the program.
    pub(crate) word: &'static str,
    pub(crate) function: String,
    /// The file, the line and the column. The file is empty if the place is not known or not shown.
    place: (String, u32, u32),
}

impl Await {
    /// Returns the place, or an empty text.
    pub(crate) fn place(&self) -> String {
        match &self.place {
            (file, ..) if file.is_empty() => String::new(),
            (file, line, column) => format!("{file}:{line}:{column}"),
        }
    }

    /// Returns the function with the file and the line, for a stack in one line.
    pub(crate) fn label(&self) -> String {
        match &self.place {
            (file, ..) if file.is_empty() => self.function.clone(),
            (file, line, _) => format!("{} ({file}:{line})", self.function),
        }
    }
}

/// Returns the name of the future of a library that the program awaits in `stack`.
pub(crate) fn leaf<'a>(trace: &'a Trace, stack: &Stack) -> Option<Cow<'a, str>> {
    let leaf = program_frames(trace, stack).leaf?;
    Some(plain_name(trace.text(stack.frames[leaf].function)))
}

fn program_frames(trace: &Trace, stack: &Stack) -> ProgramFrames {
    let text = |index| trace.text(index);
    let frames = stack.frames.iter().map(|frame| (text(frame.function), text(frame.file)));
    ProgramFrames::of(frames)
}

/// Shortens the stacks of a trace.
#[derive(Debug)]
pub(crate) struct Awaits<'a> {
    trace: &'a Trace,
    /// The folder in which the compiler ran, which is left out of places.
    root: &'a str,
}

impl<'a> Awaits<'a> {
    pub(crate) fn new(trace: &'a Trace) -> Awaits<'a> {
        let files = trace.groups.iter().map(|group| trace.text(group.file));
        let frames = trace.stacks.iter().flat_map(|stack| &stack.frames);
        let root = source_root(files, frames.map(|frame| trace.text(frame.file)));
        Awaits { trace, root: root.unwrap_or_default() }
    }

    /// Returns the future of a library that the program awaits, if there is one, and then the
    /// program's functions, innermost first.
    pub(crate) fn of(&self, stack: &Stack) -> Vec<Await> {
        let text = |index| self.trace.text(index);
        let found = program_frames(self.trace, stack);
        let function = |index: usize| plain_name(text(stack.frames[index].function)).into_owned();
        let leaf = found.leaf.map(|index| Await {
            word: "in",
            function: function(index),
            place: Default::default(),
        });
        let own = found.own.iter().map(|&index| Await {
            word: "at",
            function: function(index),
            place: self.place(&stack.frames[index]),
        });
        leaf.into_iter().chain(own).collect()
    }

    fn place(&self, frame: &StackFrame) -> (String, u32, u32) {
        let file = self.trace.text(frame.file);
        let file = file.strip_prefix(self.root).unwrap_or(file);
        (file.to_owned(), frame.line, frame.column)
    }
}
