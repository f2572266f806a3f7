//! The spawns and ends of tasks. Most tasks are like the one before them, and take a word for the
//! spawn and none for the end.

use reveille_trace::{Event, Flavour, Outcome};

use super::ThreadRecorder;
use crate::record::described::{Described, Like};

impl ThreadRecorder {
    /// Records a spawn in one word.
    #[inline]
    pub(super) fn try_spawn(&mut self, task: impl Described, flavour: Flavour) -> bool {
        self.is_spawn_alike(task, flavour) && self.try_inside(Event::spawn_alike(task.key()))
    }

    #[inline]
    fn is_spawn_alike(&self, task: impl Described, flavour: Flavour) -> bool {
        self.spawned == (Like::of(task), flavour)
    }

    pub(super) fn spawn(&mut self, task: impl Described, flavour: Flavour) {
        if self.is_spawn_alike(task, flavour) && self.chunk_has_room() {
            return self.inside(Event::spawn_alike(task.key()));
        }
        let origin = self.origin(task);
        self.inside(Event::spawn(task.key(), origin, flavour));
        self.spawned = (Like::of(task), flavour);
    }

    /// Records the end of the polled task in one word, or in none if nothing follows in this poll.
    #[inline]
    pub(super) fn try_end(&mut self, task: impl Described, outcome: Outcome) -> bool {
        if !self.is_end_alike(task) || !self.is_stamp_shared {
            return false;
        }
        if outcome != Outcome::Finished {
            return self.try_inside(Event::complete_alike(outcome));
        }
        let Some((chunk, writer)) = &mut self.chunk else { return false };
        let is_noted = writer.note_end(chunk.words());
        self.has_pending_end = is_noted;
        self.is_stamp_shared = !is_noted;
        is_noted
    }

    /// Writes the event of an end that is pending, because another event follows than the start of
    /// the next poll.
    #[inline]
    pub(super) fn write_pending_end(&mut self) {
        if self.has_pending_end {
            self.write_end();
        }
    }

    #[cold]
    #[inline(never)]
    fn write_end(&mut self) {
        (self.has_pending_end, self.is_stamp_shared) = (false, true);
        let end = Event::complete_alike(Outcome::Finished);
        let written = self.chunk.as_mut().map(|(chunk, writer)| {
            // It has no stamp, so one word is enough.
            writer.push_unstamped(chunk.words(), end)
        });
        debug_assert_eq!(written, Some(Ok(())), "the chunk had room when the end was noted");
    }

    /// Whether one word is enough for the end of a task.
    #[inline]
    fn is_end_alike(&self, task: impl Described) -> bool {
        self.polled.key == task.key() && self.ended == Like::of(task)
    }

    pub(super) fn end(&mut self, task: impl Described, outcome: Outcome) {
        if self.is_end_alike(task) && self.chunk_has_room() {
            return self.inside(Event::complete_alike(outcome));
        }
        let origin = self.origin(task);
        self.inside(Event::complete(task.key(), origin, outcome));
        // A chunk names one of the polls that are in progress when it begins. So an end in an inner
        // poll is always written in full.
        self.ended = if self.outer.is_empty() { Like::of(task) } else { Like::NONE };
    }

    /// Whether the next event will be in the present chunk.
    fn chunk_has_room(&self) -> bool {
        self.chunk.as_ref().is_some_and(|(chunk, writer)| writer.has_room(chunk.words()))
    }
}
