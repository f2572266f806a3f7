//! Faults that the seed draws.
//!
//! Each seed has a subset of the kinds, because faults of one kind may hide those of another
//! (Groce et al., "Swarm testing", ISSTA 2012). The plan is drawn before the hosts start. Each
//! fault has a number, and a stream of choices of its own, so a run may leave some out and keep the
//! others. A fault that is left out keeps its times: the thread of the test wakes at them and does
//! nothing. So a run without a fault that had no effect is the same run.

use std::time::Duration;

use crate::child;
use crate::hosts::Sim;
use crate::net::{LinkFault, Net};
use crate::platform;
use crate::shrink::{FAULT_STREAM, SWARM};

/// How the line of a fault begins.
pub(crate) const SAID: &str = "reveille-sim: fault ";

/// The variable with the numbers of faults to leave out, with commas between them.
const OMITTED: &str = "REVEILLE_SIM_OMIT";

/// The place in the stream of a fault of the choice whether it happens, and of that of its time.
pub(crate) const HAPPENS: usize = 0;
pub(crate) const TIME: usize = 2;

/// The most faults of a plan. Half of them happen on average.
const FAULTS_MAX: u64 = 24;

/// Descriptors of a host that has few of them.
const FEW_DESCRIPTORS: u64 = 40;
/// The descriptors of a host that has enough.
const ENOUGH_DESCRIPTORS: usize = 32_768;

const KINDS: [Kind; 11] = [
    Kind::Partition,
    Kind::Isolate,
    Kind::OneWay,
    Kind::Slow,
    Kind::Loss,
    Kind::Disorder,
    Kind::Crash,
    Kind::Kill,
    Kind::Pause,
    Kind::Reset,
    Kind::Clock,
];

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Partition,
    Isolate,
    OneWay,
    Slow,
    Loss,
    Disorder,
    Crash,
    Kill,
    Pause,
    Reset,
    Clock,
}

/// Which faults happen, and until when.
#[derive(Clone, Debug)]
pub struct Faults {
    until: Duration,
    has_crashes: bool,
    has_clocks: bool,
    has_few_descriptors: bool,
}

/// The names of the hosts that a fault can affect.
struct Targets {
    all: Vec<String>,
    servers: Vec<String>,
}

/// Draws what one fault is from its own stream.
struct Chance(String);

impl Chance {
    fn of_fault(number: u64) -> Chance {
        Chance(fault_stream(number))
    }

    fn below(&self, count: u64) -> u64 {
        platform::draw_system(&self.0, count).unwrap_or(0)
    }

    fn one_of<T: Clone>(&self, all: &[T]) -> Option<T> {
        all.get(self.below(all.len() as u64) as usize).cloned()
    }
}

/// The stream of a fault.
fn fault_stream(number: u64) -> String {
    format!("{FAULT_STREAM}{number}")
}

/// What the plan does at a time.
type Call = Box<dyn FnOnce(&mut Net<'_>) + Send>;

impl Faults {
    /// A plan that ends at this time.
    #[must_use]
    pub fn until(until: Duration) -> Faults {
        Faults { until, has_crashes: true, has_clocks: true, has_few_descriptors: false }
    }

    /// Sets when the faults end.
    #[must_use]
    pub fn ending(self, until: Duration) -> Faults {
        Faults { until, ..self }
    }

    /// Sets whether hosts crash and are killed.
    #[must_use]
    pub fn crashes(self, has_crashes: bool) -> Faults {
        Faults { has_crashes, ..self }
    }

    /// Sets whether wall clocks jump and clocks drift.
    #[must_use]
    pub fn clocks(self, has_clocks: bool) -> Faults {
        Faults { has_clocks, ..self }
    }

    /// Sets whether some hosts have few descriptors.
    #[must_use]
    pub fn descriptors(self, has_few_descriptors: bool) -> Faults {
        Faults { has_few_descriptors, ..self }
    }

    /// Draws the plan.
    pub(crate) fn plan(self, sim: &mut Sim) {
        let all = sim.hosts.iter().map(|host| host.name.clone()).collect();
        let servers = sim.hosts.iter().filter(|host| !host.is_client);
        let targets = Targets { all, servers: servers.map(|host| host.name.clone()).collect() };
        let kinds = self.kinds();
        let omitted = child::variable_of(OMITTED).unwrap_or_default();
        let omitted: Vec<u64> =
            omitted.split(',').filter_map(|number| number.trim().parse().ok()).collect();
        let until_ns = u64::try_from(self.until.as_nanos()).unwrap_or(u64::MAX / 4);
        let mut planned: Vec<Planned> = (1..=FAULTS_MAX)
            .filter_map(|number| Planned::draw(number, &kinds, &targets, until_ns))
            .collect();
        planned.sort_by_key(|planned| planned.at);
        for Planned { number, at, lasts, fault } in planned {
            match fault.filter(|_| !omitted.contains(&number)) {
                Some((text, call)) => {
                    platform::say(&format!("{SAID}{number} at {at:?}: {text}\n"));
                    sim.at(at, call);
                }
                None => sim.at(at, move |net| net.after(lasts, |_| ())),
            }
        }
        if self.has_few_descriptors {
            limit_descriptors(sim, &targets);
        }
        sim.at(self.until, move |net| heal(net, &targets));
    }

    /// The kinds that this seed has: each of those that are wanted with the probability 1/2.
    fn kinds(&self) -> Vec<Kind> {
        let is_wanted = |kind: &Kind| match kind {
            Kind::Crash | Kind::Kill => self.has_crashes,
            Kind::Clock => self.has_clocks,
            _ => true,
        };
        let swarm = Chance(SWARM.to_owned());
        KINDS.into_iter().filter(|_| swarm.below(2) == 0).filter(is_wanted).collect()
    }
}

/// A fault of the plan.
struct Planned {
    number: u64,
    at: Duration,
    lasts: Duration,
    /// `None` if it does not happen.
    fault: Option<(String, Call)>,
}

impl Planned {
    /// `None` if the seed has no kinds of faults.
    fn draw(number: u64, kinds: &[Kind], targets: &Targets, until_ns: u64) -> Option<Planned> {
        let chance = Chance::of_fault(number);
        let happens = chance.below(2) != 0;
        let kind = chance.one_of(kinds)?;
        let at = Duration::from_nanos(chance.below(until_ns));
        let lasts = Duration::from_nanos(chance.below(until_ns / 4) + 1);
        let fault = if happens { make(kind, targets, lasts, &chance) } else { None };
        Some(Planned { number, at, lasts, fault })
    }
}

fn limit_descriptors(sim: &mut Sim, targets: &Targets) {
    let chance = Chance("fault of descriptors".to_owned());
    let Some(host) = chance.one_of(&targets.servers) else { return };
    let max = (FEW_DESCRIPTORS - chance.below(FEW_DESCRIPTORS / 2)) as usize;
    platform::say(&format!("reveille-sim: `{host}` may have {max} descriptors\n"));
    sim.at(Duration::ZERO, move |net| net.limit_descriptors(&host, max));
}

/// Ends all faults.
fn heal(net: &mut Net<'_>, targets: &Targets) {
    let calm = LinkFault {
        latency_ns: Some(CALM_NS),
        loss: Some(0),
        duplication: Some(0),
        reordering: Some(0),
        bandwidth: Some(None),
        is_cut: Some(false),
    };
    net.change_all(&calm);
    for name in &targets.servers {
        net.pause(name, false);
        net.limit_descriptors(name, ENOUGH_DESCRIPTORS);
        net.restart(name);
    }
}

/// The latency without a fault, in nanoseconds.
const CALM_NS: (u64, u64) = (200_000, 2_000_000);

/// A fault of this kind that is over after `lasts`. `None` if nothing is there that it concerns.
fn make(kind: Kind, targets: &Targets, lasts: Duration, chance: &Chance) -> Option<(String, Call)> {
    let mut all = targets.all.clone();
    match kind {
        Kind::Partition => {
            let mut sides = (Vec::new(), Vec::new());
            all.into_iter().for_each(|name| match chance.below(2) {
                0 => sides.0.push(name),
                _ => sides.1.push(name),
            });
            let text = format!("partition {:?} from {:?} for {lasts:?}", sides.0, sides.1);
            Some((text, Box::new(move |net| cut(net, sides, true, lasts))))
        }
        Kind::Isolate => {
            let name = chance.one_of(&targets.servers)?;
            all.retain(|other| *other != name);
            let text = format!("isolate {name} for {lasts:?}");
            Some((text, Box::new(move |net| cut(net, (vec![name], all), true, lasts))))
        }
        Kind::OneWay => {
            let name = chance.one_of(&targets.servers)?;
            all.retain(|other| *other != name);
            let text = format!("{name} is not heard for {lasts:?}");
            Some((text, Box::new(move |net| cut(net, (vec![name], all), false, lasts))))
        }
        Kind::Slow => {
            let max = 10_000_000 + chance.below(1_000_000_000);
            let fault = LinkFault { latency_ns: Some((1_000_000, max)), ..LinkFault::default() };
            let over = LinkFault { latency_ns: Some(CALM_NS), ..LinkFault::default() };
            let text = format!("latency up to {:?} for {lasts:?}", Duration::from_nanos(max));
            Some((text, for_a_time(fault, over, lasts)))
        }
        Kind::Loss => {
            let loss = 10_000 + chance.below(300_000);
            let fault = LinkFault { loss: Some(loss), ..LinkFault::default() };
            let over = LinkFault { loss: Some(0), ..LinkFault::default() };
            let text = format!("{} % of the messages are lost for {lasts:?}", loss / 10_000);
            Some((text, for_a_time(fault, over, lasts)))
        }
        Kind::Disorder => {
            let (duplication, reordering) =
                (Some(chance.below(200_000)), Some(chance.below(500_000)));
            let fault = LinkFault { duplication, reordering, ..LinkFault::default() };
            let (duplication, reordering) = (Some(0), Some(0));
            let over = LinkFault { duplication, reordering, ..LinkFault::default() };
            let text = format!("datagrams arrive twice and out of order for {lasts:?}");
            Some((text, for_a_time(fault, over, lasts)))
        }
        Kind::Reset => {
            let (one, other) = (chance.one_of(&all)?, chance.one_of(&all)?);
            let text = format!("reset the connections between {one} and {other}");
            Some((text, Box::new(move |net| net.reset(&one, &other))))
        }
        Kind::Crash | Kind::Kill | Kind::Pause | Kind::Clock => {
            to_a_host(kind, targets, lasts, chance)
        }
    }
}

fn to_a_host(
    kind: Kind,
    targets: &Targets,
    lasts: Duration,
    chance: &Chance,
) -> Option<(String, Call)> {
    let name = chance.one_of(&targets.servers)?;
    Some(match kind {
        Kind::Crash | Kind::Kill => {
            let is_crash = kind == Kind::Crash;
            let what = if is_crash { "crash" } else { "kill" };
            let text = format!("{what} {name}, and restart it after {lasts:?}");
            let call = move |net: &mut Net<'_>| {
                if is_crash {
                    net.crash(&name)
                } else {
                    net.kill(&name)
                };
                net.restart_after(&name, lasts);
            };
            (text, Box::new(call))
        }
        Kind::Clock => {
            let offset_ns = chance.below(20_000_000_000).cast_signed() - 10_000_000_000;
            let drift_ppm = chance.below(1_000).cast_signed() - 500;
            let text = format!(
                "the clock of {name} is {} ms ahead and {drift_ppm} ppm fast",
                offset_ns / 1_000_000
            );
            (text, Box::new(move |net| net.change_clocks(&name, offset_ns, drift_ppm)))
        }
        _ => {
            let text = format!("pause {name} for {lasts:?}");
            let call = move |net: &mut Net<'_>| {
                net.pause(&name, true);
                net.after(lasts, move |net| net.pause(&name, false));
            };
            (text, Box::new(call))
        }
    })
}

fn for_a_time(fault: LinkFault, over: LinkFault, lasts: Duration) -> Call {
    Box::new(move |net| {
        net.change_all(&fault);
        net.after(lasts, move |net| net.change_all(&over));
    })
}

/// Cuts the links from one side to the other, and if `is_both` also back, for a time.
fn cut(net: &mut Net<'_>, sides: (Vec<String>, Vec<String>), is_both: bool, lasts: Duration) {
    let set = move |net: &mut Net<'_>, is_cut: bool| {
        let fault = LinkFault::cut(is_cut);
        for one in &sides.0 {
            for other in &sides.1 {
                net.change_link(one, other, &fault);
                if is_both {
                    net.change_link(other, one, &fault);
                }
            }
        }
    };
    set(net, true);
    net.after(lasts, move |net| set(net, false));
}
