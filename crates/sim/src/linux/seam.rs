//! The functions of the simulation that the runtime's own code calls.

use std::time::Duration;

use reveille_primitive::simulation::{Decision, PolledTask, Simulation};

use super::kernel::has_system_events;
use super::thread::{State, me};
use super::world;
use crate::trace::Step;

/// The simulation of this process.
#[derive(Debug)]
pub(super) struct LinuxSimulation;

impl Simulation for LinuxSimulation {
    fn is_simulated(&self) -> bool {
        me().is_some()
    }

    fn wait_readable(&self, fd: i32, timeout: Option<Duration>) {
        if let Some(me) = me() {
            let deadline_ns = world::deadline_ns(me, timeout);
            let state = world::with(|world| {
                let object = world.kernel.id(fd).ok();
                let has_events = match object {
                    Some(set) => world.has_events(fd, set),
                    None => has_system_events(fd),
                };
                if has_events {
                    return None;
                }
                world.note(Step::WaitReadable, me, 0);
                Some(State::Readable { fd, object, deadline_ns })
            });
            state.map(|state| world::switch(me, state));
        }
    }

    fn end_poll(&self, polled: Option<PolledTask>, is_requeued: bool) {
        if let Some(me) = me() {
            world::end_poll(me, polled, is_requeued);
        }
    }

    fn host_key(&self) -> u64 {
        me().map_or(0, |me| me.host_key.get())
    }

    fn set_host(&self, host: usize, key: u64) -> (usize, u64) {
        super::control::set_host(host, key)
    }

    fn draw(&self, decision: Decision, count: usize) -> usize {
        if me().is_none() {
            return 0;
        }
        let name = match decision {
            Decision::NextTask => "task",
            Decision::WakeSibling => "sibling",
            Decision::Steal => "steal",
        };
        world::with(|world| world.decide(name, count))
    }
}
