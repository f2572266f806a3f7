//! A test with several hosts: what runs on them, and what happens to them. Each thread belongs to a
//! host: the main thread of a host, and every thread that a thread of the host starts. Addresses,
//! descriptors, clocks and the global runtime belong to a host. Statics of the program are shared
//! by all hosts, because they are in one process.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::faults::Faults;
use crate::net::Net;
use crate::platform;

/// The virtual time after which a client that has not ended fails the test.
const LIMIT: Duration = Duration::from_secs(3600);

/// What a host runs.
type Main = Arc<dyn Fn() -> ExitCode + Send + Sync>;

/// A condition that holds at all times.
struct Always {
    place: &'static Location<'static>,
    holds: Box<dyn Fn() -> bool + Send + Sync>,
}

static ALWAYS: OnceLock<Vec<Always>> = OnceLock::new();
static IS_CHECKING: AtomicBool = AtomicBool::new(false);

/// Fails the simulation if a condition does not hold. Called between two polls, without a lock.
pub(crate) fn check_always() {
    let Some(always) = ALWAYS.get() else { return };
    // The condition may wait for a lock, and then another thread gets here.
    if IS_CHECKING.swap(true, Ordering::Relaxed) {
        return;
    }
    for Always { place, holds } in always {
        if !holds() {
            platform::fail(&format!("the condition of `always` at {place} does not hold"), false);
        }
    }
    IS_CHECKING.store(false, Ordering::Relaxed);
}

/// How a host is set up.
pub struct HostSpec {
    pub(crate) name: String,
    pub(crate) is_client: bool,
    ip: Option<IpAddr>,
    pub(crate) clocks: (i64, i64),
    pub(crate) descriptors_max: Option<usize>,
    main: Main,
}

impl std::fmt::Debug for HostSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostSpec").field("name", &self.name).field("ip", &self.ip).finish()
    }
}

impl HostSpec {
    /// Sets the address.
    pub fn ip(&mut self, ip: IpAddr) {
        self.ip = Some(ip);
    }

    /// Sets how much faster the clocks are, in millionths, and how far the wall clock is ahead, in
    /// nanoseconds.
    pub fn clocks(&mut self, drift_ppm: Option<i64>, offset_ns: Option<i64>) {
        let (offset, drift) = self.clocks;
        self.clocks = (offset_ns.unwrap_or(offset), drift_ppm.unwrap_or(drift));
    }

    /// Limits the descriptors.
    pub fn descriptors(&mut self, max: usize) {
        self.descriptors_max = Some(max);
    }
}

/// Something that happens at a time.
pub(crate) enum Action {
    /// A call of the test.
    Call(Box<dyn FnOnce(&mut Net<'_>) + Send>),
    /// A host starts again, if it is down.
    Restart(usize),
}

/// A test with several hosts.
#[derive(Default)]
pub struct Sim {
    pub(crate) hosts: Vec<HostSpec>,
    actions: BTreeMap<(Duration, usize), Action>,
    always: Vec<Always>,
    faults: Option<Faults>,
    limit: Option<Duration>,
}

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sim").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

/// The state of the clients and the hosts.
#[derive(Debug, Default)]
struct Progress {
    clients_left: usize,
    /// Hosts whose main function has returned, and in which run.
    ended: Vec<(usize, u64)>,
}

#[derive(Debug, Default)]
struct Shared {
    progress: Mutex<Progress>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sim {
    /// Adds a host, or a client, which the test waits for.
    pub fn host(
        &mut self,
        name: String,
        is_client: bool,
        main: impl Fn() -> ExitCode + Send + Sync + 'static,
    ) -> &mut HostSpec {
        assert!(
            self.hosts.iter().all(|host| host.name != name),
            "two hosts have the name `{name}`"
        );
        let (ip, clocks, descriptors_max) = (None, (0, 0), None);
        let main = Arc::new(main);
        self.hosts.push(HostSpec { name, is_client, ip, clocks, descriptors_max, main });
        self.hosts.last_mut().expect("it was added just now")
    }

    /// Plans a call for a time.
    pub fn at(&mut self, time: Duration, call: impl FnOnce(&mut Net<'_>) + Send + 'static) {
        self.plan(time, Action::Call(Box::new(call)));
    }

    pub(crate) fn plan(&mut self, time: Duration, action: Action) {
        let number = self.actions.len();
        let last = self.actions.keys().map(|key| key.1 + 1).max().unwrap_or(number);
        self.actions.insert((time, last), action);
    }

    /// Checks a condition between all polls.
    pub fn always(
        &mut self,
        place: &'static Location<'static>,
        holds: impl Fn() -> bool + Send + Sync + 'static,
    ) {
        self.always.push(Always { place, holds: Box::new(holds) });
    }

    /// Sets the faults to draw.
    pub fn faults(&mut self, faults: Faults) {
        self.faults = Some(faults);
    }

    /// Sets the virtual time after which the clients must have ended.
    pub fn limit(&mut self, limit: Duration) {
        self.limit = Some(limit);
    }

    /// Runs the test until all clients have ended. Called in a simulation.
    pub fn run(mut self) -> ExitCode {
        let limit = self.limit.unwrap_or(LIMIT);
        for number in 0..self.hosts.len() {
            let ip = self.ip_of(number);
            let host = &self.hosts[number];
            let added = platform::add_host(&host.name, vec![ip]);
            assert_eq!(added, Some(number + 1), "a simulation has 255 hosts at most");
            platform::change_clocks(number + 1, host.clocks.0, host.clocks.1);
            if let Some(max) = host.descriptors_max {
                platform::limit_descriptors(number + 1, max);
            }
        }
        let _ = ALWAYS.set(std::mem::take(&mut self.always));
        if let Some(faults) = self.faults.take() {
            faults.plan(&mut self);
        }
        let shared = Arc::new(Shared::default());
        shared.lock().clients_left = self.hosts.iter().filter(|host| host.is_client).count();
        let mut running = Running { runs: vec![0; self.hosts.len()], shared, sim: self };
        (0..running.runs.len()).for_each(|number| running.start(number));
        running.finish(limit);
        check_always();
        ExitCode::SUCCESS
    }

    /// The address of a host: its own, or the next in 10.0.0.0/16 that no host has.
    fn ip_of(&mut self, number: usize) -> IpAddr {
        if let Some(ip) = self.hosts[number].ip {
            return ip;
        }
        let free = (1..=u16::MAX).map(|low| {
            let [high, low] = low.to_be_bytes();
            IpAddr::from(Ipv4Addr::new(10, 0, high, low))
        });
        let is_free = |ip: &IpAddr| self.hosts.iter().all(|host| host.ip != Some(*ip));
        let ip = free.into_iter().find(is_free).expect("there are fewer hosts than addresses");
        self.hosts[number].ip = Some(ip);
        ip
    }
}

/// A test while its hosts run.
pub(crate) struct Running {
    pub(crate) sim: Sim,
    /// How often each host was started and stopped. An odd number if it is up.
    runs: Vec<u64>,
    shared: Arc<Shared>,
}

impl Running {
    /// Whether a host has been started and not stopped.
    pub(crate) fn is_up(&self, number: usize) -> bool {
        self.runs[number] & 1 == 1
    }

    /// Starts a host.
    pub(crate) fn start(&mut self, number: usize) {
        if self.is_up(number) {
            return;
        }
        self.runs[number] += 1;
        let host = &self.sim.hosts[number];
        let (main, name, is_client) = (Arc::clone(&host.main), host.name.clone(), host.is_client);
        let (shared, run) = (Arc::clone(&self.shared), self.runs[number]);
        let body = move || {
            let result = catch_unwind(AssertUnwindSafe(|| main()));
            let what = if is_client { "client" } else { "host" };
            match result {
                Ok(code) if code == ExitCode::SUCCESS => (),
                Ok(_) => platform::fail(&format!("the {what} `{name}` returns an error"), true),
                Err(_) => platform::fail(&format!("the {what} `{name}` panics"), false),
            }
            let mut progress = shared.lock();
            progress.clients_left -= usize::from(is_client);
            progress.ended.push((number, run));
            drop(progress);
            shared.changed.notify_all();
        };
        let started =
            platform::start_host(number + 1, self.runs[number], &host.name, Box::new(body));
        started.unwrap_or_else(|error| panic!("start the host `{}`: {error}", host.name));
    }

    /// Stops a host.
    pub(crate) fn stop(&mut self, number: usize, is_silent: bool) {
        if self.is_up(number) {
            self.runs[number] += 1;
            platform::stop_host(number + 1, is_silent);
        }
    }

    /// Plans an action for later.
    pub(crate) fn plan_after(&mut self, pause: Duration, action: Action) {
        self.sim.plan(elapsed().saturating_add(pause), action);
    }

    /// Runs until all clients have ended.
    fn finish(&mut self, limit: Duration) {
        let shared = Arc::clone(&self.shared);
        loop {
            while self.sim.actions.first_key_value().is_some_and(|(key, _)| key.0 <= elapsed()) {
                match self.sim.actions.pop_first() {
                    Some((_, Action::Call(call))) => call(&mut Net::new(self)),
                    Some((_, Action::Restart(number))) => self.start(number),
                    None => (),
                }
            }
            let mut progress = shared.lock();
            let ended = std::mem::take(&mut progress.ended);
            let is_done = progress.clients_left == 0;
            if ended.is_empty() && !is_done {
                let next = self.sim.actions.first_key_value().map_or(limit, |(key, _)| key.0);
                let pause = next.min(limit).saturating_sub(elapsed());
                if elapsed() >= limit {
                    drop(progress);
                    self.fail_unfinished(limit);
                }
                let waited = shared.changed.wait_timeout(progress, pause);
                drop(waited.unwrap_or_else(PoisonError::into_inner));
                continue;
            }
            drop(progress);
            // The kernel does this when a process ends.
            for (number, run) in ended {
                if self.runs[number] == run {
                    self.stop(number, false);
                }
            }
            if is_done {
                return;
            }
        }
    }

    fn fail_unfinished(&self, limit: Duration) -> ! {
        let is_left = |number: &usize| self.sim.hosts[*number].is_client && self.is_up(*number);
        let left = (0..self.runs.len()).filter(is_left);
        let names: Vec<&str> = left.map(|number| self.sim.hosts[number].name.as_str()).collect();
        platform::fail(
            &format!(
                "after {limit:?} of virtual time these clients have not ended: {}\n{}",
                names.join(", "),
                platform::describe()
            ),
            false,
        );
    }
}

fn elapsed() -> Duration {
    crate::elapsed().unwrap_or_default()
}
