//! Operations of the test on its hosts and on the network. Called on a thread of the test's own
//! host.

use std::net::IpAddr;

use super::kernel::hosts::{HOSTS_MAX, set_clocks};
use super::kernel::link::Link;
use super::thread::me;
use super::world::{self, World};
use crate::LinkFault;
use crate::trace::Step;

/// Runs a change of a host. `None` outside of simulations.
fn change<R>(number: u64, change: impl FnOnce(&mut World) -> R) -> Option<R> {
    let me = me()?;
    Some(world::with(|world| {
        world.note(Step::Fault, me, number);
        change(world)
    }))
}

/// Adds a host. `None` if there are too many, or outside of simulations.
pub(crate) fn add_host(name: &str, ips: Vec<IpAddr>) -> Option<usize> {
    let host = change(0, |world| world.kernel.add_host(name, ips))?;
    (host < HOSTS_MAX).then_some(host)
}

/// Starts the main thread of a host for the run with this number.
pub(crate) fn start_host(
    host: usize,
    run: u64,
    name: &str,
    main: Box<dyn FnOnce() + Send>,
) -> std::io::Result<()> {
    change(host as u64, |world| world.power_on(host));
    let before = set_host(host, run << 16 | host as u64);
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(main);
    set_host(before.0, before.1);
    started.map(drop)
}

/// Moves the calling thread to another host. Returns its old host and key.
pub(super) fn set_host(host: usize, key: u64) -> (usize, u64) {
    me().map_or((0, 0), |me| (me.host.replace(host), me.host_key.replace(key)))
}

/// Ends the threads of a host. With `is_silent`, its machine has lost power, so it sends nothing.
pub(crate) fn stop_host(host: usize, is_silent: bool) {
    change(host as u64, |world| world.stop_host(host, is_silent));
    if is_silent && me().is_some() {
        super::disk::crash(host);
    }
}

/// Stops or continues the threads of a host.
pub(crate) fn pause_host(host: usize, is_paused: bool) {
    change(host as u64, |world| {
        if let Some(host) = world.kernel.host_mut(host) {
            host.is_paused = is_paused;
        }
    });
}

/// Limits the descriptors of a host.
pub(crate) fn limit_descriptors(host: usize, max: usize) {
    change(host as u64, |world| {
        if let Some(host) = world.kernel.host_mut(host) {
            host.descriptors_max = max;
        }
    });
}

/// Sets how the clocks of a host differ.
pub(crate) fn change_clocks(host: usize, offset_ns: i64, drift_ppm: i64) {
    change(host as u64, |_| set_clocks(host, world::elapsed_ns(), offset_ns, drift_ppm));
}

/// Changes the links of these pairs of hosts, or all links if `pairs` is `None`.
pub(crate) fn change_links(pairs: Option<&[(usize, usize)]>, fault: &LinkFault) {
    let apply = |link: &mut Link| {
        link.latency_ns = fault.latency_ns.unwrap_or(link.latency_ns);
        link.loss = fault.loss.unwrap_or(link.loss);
        link.duplication = fault.duplication.unwrap_or(link.duplication);
        link.reordering = fault.reordering.unwrap_or(link.reordering);
        link.bandwidth = fault.bandwidth.unwrap_or(link.bandwidth);
        link.is_cut = fault.is_cut.unwrap_or(link.is_cut);
    };
    change(0, |world| match pairs {
        Some(pairs) => pairs.iter().for_each(|&(from, to)| world.change_link(from, to, apply)),
        None => world.change_all_links(apply),
    });
}

/// Resets the connections between two hosts.
pub(crate) fn reset(one: usize, other: usize) {
    change(one as u64, |world| world.reset_between(one, other));
}

/// Ends the simulation: it has failed.
pub(crate) fn fail(text: &str, is_error: bool) -> ! {
    super::say(&format!("reveille-sim: {text}\n"));
    let verdict = if is_error {
        crate::child::Verdict::ReturnedError
    } else {
        crate::child::Verdict::Panicked
    };
    world::with(|world| super::run::end(world, verdict))
}

/// What each thread waits for.
pub(crate) fn describe() -> String {
    world::with(|world| world.describe())
}
