//! On other architectures, each thread of the system runs its own context only.

use super::Context;

/// There are none.
#[derive(Clone, Copy, Debug)]
pub(in crate::platform) enum Switches {}

impl Switches {
    pub(in crate::platform) fn of_this_machine() -> Option<Switches> {
        None
    }

    pub(in crate::platform) fn begin(self, _: &Context) {
        match self {}
    }

    /// # Safety
    ///
    /// * None: there is no value of this type.
    pub(in crate::platform) unsafe fn switch(self, _: &Context, _: &Context) {
        match self {}
    }

    /// # Safety
    ///
    /// * None: there is no value of this type.
    pub(in crate::platform) unsafe fn leave_for(self, _: &Context, _: &Context, _: &Context) {
        match self {}
    }
}
