//! Hosts and the network between them.

use std::future::Future;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::panic::Location;
use std::process::{ExitCode, Termination};
use std::time::Duration;

use reveille_sim::{HostSpec, LinkFault};

use super::Faults;
use crate::task;

/// The hosts and clients of a test, and what happens to them. See
/// [`Builder::check`](super::Builder::check).
///
/// # What a host has of its own
///
/// * An address, and a name that [`ToSocketAddrs`](crate::net::ToSocketAddrs) and std look up. The
///   loopback addresses are each host's own.
/// * Ports, sockets, descriptors and their limit.
/// * Clocks.
/// * A global runtime, on which its tasks run.
/// * Threads: its main thread, and all threads that a thread of the host starts. All hosts share
///   the statics of the program, because they are in one process; files; Unix sockets; the
///   environment.
///
/// # Examples
///
/// ```no_run
/// # #[test] fn it_ends() {
/// use std::time::Duration;
///
/// reveille::sim::Builder::new().check(|sim| {
///     sim.host("n1", || async {}).fd_limit(100);
///     sim.client("client", || async {});
///     sim.at(Duration::from_secs(1), |net| {
///         net.link("n1", "client").loss(0.1);
///     });
/// });
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Sim {
    sim: reveille_sim::Sim,
}

/// The settings of a host that was added.
///
/// # Examples
///
/// ```no_run
/// # #[test] fn it_ends() {
/// use std::time::Duration;
///
/// reveille::sim::Builder::new().check(|sim| {
///     sim.host("n1", || async {}).fd_limit(100);
///     sim.client("client", || async {});
///     sim.at(Duration::from_secs(1), |net| {
///         net.link("n1", "client").loss(0.1);
///     });
/// });
/// # }
/// ```
#[derive(Debug)]
pub struct Host<'a> {
    spec: &'a mut HostSpec,
}

/// Access to the hosts and the network while the test runs. See [`Sim::at`].
///
/// # Examples
///
/// ```no_run
/// # #[test] fn it_ends() {
/// use std::time::Duration;
///
/// reveille::sim::Builder::new().check(|sim| {
///     sim.host("n1", || async {}).fd_limit(100);
///     sim.client("client", || async {});
///     sim.at(Duration::from_secs(1), |net| {
///         net.link("n1", "client").loss(0.1);
///     });
/// });
/// # }
/// ```
#[derive(Debug)]
pub struct Net<'a, 'b> {
    net: &'a mut reveille_sim::Net<'b>,
}

/// The two directions between two hosts, to change them. See [`Net::link`].
///
/// # Examples
///
/// ```no_run
/// # #[test] fn it_ends() {
/// use std::time::Duration;
///
/// reveille::sim::Builder::new().check(|sim| {
///     sim.host("n1", || async {}).fd_limit(100);
///     sim.client("client", || async {});
///     sim.at(Duration::from_secs(1), |net| {
///         net.link("n1", "client").loss(0.1);
///     });
/// });
/// # }
/// ```
#[derive(Debug)]
pub struct Link<'a, 'b> {
    net: &'a mut reveille_sim::Net<'b>,
    from: String,
    to: String,
    is_both: bool,
}

impl Sim {
    /// Adds a host that runs the future which `main` returns. After a crash, a restart calls `main`
    /// again.
    ///
    /// The host's process ends with the future: its tasks are not polled again, and its sockets are
    /// closed. The test fails if the future panics or returns an error.
    ///
    /// # Panics
    ///
    /// Panics if another host has this name.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # #[test] fn it_ends() {
    /// reveille::sim::Builder::new().check(|sim| {
    ///     for number in 1..=3 {
    ///         sim.host(format!("n{number}"), move || async move {
    ///             # let _ = number;
    ///             // Serve.
    ///         })
    ///         .ip([10, 0, 0, number])
    ///         .clock_drift_ppm(200);
    ///     }
    /// });
    /// # }
    /// ```
    pub fn host<F>(
        &mut self,
        name: impl Into<String>,
        main: impl Fn() -> F + Send + Sync + 'static,
    ) -> Host<'_>
    where
        F: Future,
        F::Output: Termination,
    {
        let main = move || task::block_on(main()).report();
        Host { spec: self.sim.host(name.into(), false, main) }
    }

    /// Adds a host that the test waits for. Faults do not crash or pause it.
    ///
    /// # Panics
    ///
    /// Panics if another host has this name.
    ///
    /// # Examples
    ///
    /// See [`Builder::check`](super::Builder::check).
    ///
    /// ```no_run
    /// # #[test] fn it_ends() {
    /// reveille::sim::Builder::new().check(|sim| {
    ///     sim.client("client", || async { assert_eq!(1 + 1, 2) });
    /// });
    /// # }
    /// ```
    pub fn client<F>(
        &mut self,
        name: impl Into<String>,
        main: impl Fn() -> F + Send + Sync + 'static,
    ) -> Host<'_>
    where
        F: Future,
        F::Output: Termination,
    {
        let main = move || task::block_on(main()).report();
        Host { spec: self.sim.host(name.into(), true, main) }
    }

    /// Adds a host that runs a function which is not asynchronous, such as the `main` of a program.
    ///
    /// # Panics
    ///
    /// Panics if another host has this name.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// fn main_of_a_program() {
    ///     reveille::task::block_on(async { /* serve */ });
    /// }
    ///
    /// # #[test] fn it_ends() {
    /// reveille::sim::Builder::new().check(|sim| {
    ///     sim.program("legacy", main_of_a_program);
    /// });
    /// # }
    /// ```
    pub fn program<T: Termination>(
        &mut self,
        name: impl Into<String>,
        main: impl Fn() -> T + Send + Sync + 'static,
    ) -> Host<'_> {
        let main = move || -> ExitCode { main().report() };
        Host { spec: self.sim.host(name.into(), false, main) }
    }

    /// Calls `happens` when this virtual time has passed since the start.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// # #[test] fn it_ends() {
    /// reveille::sim::Builder::new().check(|sim| {
    ///     # sim.host("n1", || async {}); sim.host("n2", || async {}); sim.host("n3", || async {});
    ///     sim.at(Duration::from_secs(5), |net| net.partition(["n1"], ["n2", "n3"]));
    ///     sim.at(Duration::from_secs(9), |net| {
    ///         net.crash("n2");
    ///         net.restart_after("n2", Duration::from_secs(2));
    ///     });
    ///     sim.at(Duration::from_secs(20), |net| net.heal());
    /// });
    /// # }
    /// ```
    pub fn at(&mut self, time: Duration, happens: impl FnOnce(&mut Net<'_, '_>) + Send + 'static) {
        self.sim.at(time, move |net| happens(&mut Net { net }));
    }

    /// Fails the test when `holds` returns `false`. It is called after each poll, on any thread, so
    /// it must be fast, and may wait only for a lock.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// # #[test] fn it_ends() {
    /// reveille::sim::Builder::new().check(|sim| {
    ///     let leaders = Arc::new(AtomicUsize::new(0));
    ///     sim.always(move || leaders.load(Ordering::Relaxed) <= 1);
    /// });
    /// # }
    /// ```
    #[track_caller]
    pub fn always(&mut self, holds: impl Fn() -> bool + Send + Sync + 'static) {
        self.sim.always(Location::caller(), holds);
    }

    pub(super) fn run(mut self, faults: Option<Faults>, limit: Option<Duration>) -> ExitCode {
        if let Some(Faults(faults)) = faults {
            self.sim.faults(faults);
        }
        if let Some(limit) = limit {
            self.sim.limit(limit);
        }
        self.sim.run()
    }
}

impl Host<'_> {
    /// Sets the address. The default is the next free one of 10.0.0.0/16.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # #[test] fn it_ends() {
    /// reveille::sim::Builder::new().check(|sim| {
    ///     sim.host("server", || async {}).ip([192, 0, 2, 1]);
    /// });
    /// # }
    /// ```
    pub fn ip(self, ip: impl Into<IpAddr>) -> Self {
        self.spec.ip(ip.into());
        self
    }

    /// Sets how much faster the host's clocks are, in millionths. A negative number makes them
    /// slower.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # #[test] fn it_ends() {
    /// reveille::sim::Builder::new().check(|sim| {
    ///     sim.host("fast", || async {}).clock_drift_ppm(500);
    /// });
    /// # }
    /// ```
    pub fn clock_drift_ppm(self, drift_ppm: i64) -> Self {
        self.spec.clocks(Some(drift_ppm), None);
        self
    }

    /// Sets how far the host's wall clock (`SystemTime`) is ahead, in milliseconds.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # #[test] fn it_ends() {
    /// reveille::sim::Builder::new().check(|sim| {
    ///     sim.host("late", || async {}).clock_offset_ms(-30_000);
    /// });
    /// # }
    /// ```
    pub fn clock_offset_ms(self, offset_ms: i64) -> Self {
        self.spec.clocks(None, Some(offset_ms.saturating_mul(1_000_000)));
        self
    }

    /// Sets how many descriptors of sockets, eventfds and epoll sets the host may have. Further
    /// calls fail as on Linux (`EMFILE`).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # #[test] fn it_ends() {
    /// reveille::sim::Builder::new().check(|sim| {
    ///     sim.host("small", || async {}).fd_limit(64);
    /// });
    /// # }
    /// ```
    pub fn fd_limit(self, max: usize) -> Self {
        self.spec.descriptors(max);
        self
    }
}

/// Documents the panic of functions that take the names of hosts.
macro_rules! net_functions {
    ($(
        $(#[doc = $doc:literal])*
        $call:literal
        fn $name:ident(&mut self $(, $argument:ident: $type:ty)*) = |$net:ident| $body:expr;
    )*) => {
        impl Net<'_, '_> {
            $(
                $(#[doc = $doc])*
                ///
                /// # Panics
                ///
                /// Panics if there is no host of a name.
                ///
                /// # Examples
                ///
                /// ```no_run
                /// use std::time::Duration;
                ///
                /// # #[test] fn it_ends() {
                /// reveille::sim::Builder::new().check(|sim| {
                ///     # sim.host("n1", || async {}); sim.host("n2", || async {});
                #[doc = concat!("    sim.at(Duration::from_secs(5), |net| ", $call, ");")]
                /// });
                /// # }
                /// ```
                pub fn $name(&mut self $(, $argument: $type)*) {
                    let $net = &mut *self.net;
                    $body
                }
            )*
        }
    };
}

net_functions! {
    /// Cuts the power of a host. Its threads never run again, so its futures are never polled
    /// again. Its peers get no reset until the host is up again and does not know their
    /// connections.
    "net.crash(\"n1\")"
    fn crash(&mut self, host: &str) = |net| net.crash(host);

    /// Kills the process of a host. Its threads never run again, and the kernel closes its sockets:
    /// its peers see an end or a reset.
    "net.kill(\"n1\")"
    fn kill(&mut self, host: &str) = |net| net.kill(host);

    /// Starts a host that is down. Does nothing to one that is up.
    "net.restart(\"n1\")"
    fn restart(&mut self, host: &str) = |net| net.restart(host);

    /// Starts a host after this time, if it is down then.
    "net.restart_after(\"n1\", Duration::from_secs(2))"
    fn restart_after(&mut self, host: &str, pause: Duration) = |net| net.restart_after(host, pause);

    /// Stops the threads of a host. Its kernel keeps running: connections are established, and
    /// bytes arrive.
    "net.pause(\"n1\")"
    fn pause(&mut self, host: &str) = |net| net.pause(host, true);

    /// Continues the threads of a host.
    "net.resume(\"n1\")"
    fn resume(&mut self, host: &str) = |net| net.pause(host, false);

    /// Cuts a host off from all others. Messages disappear; TCP retransmits them for 15 minutes.
    "net.isolate(\"n1\")"
    fn isolate(&mut self, host: &str) = |net| net.isolate(host, true);

    /// Reconnects a host with all others.
    "net.rejoin(\"n1\")"
    fn rejoin(&mut self, host: &str) = |net| net.isolate(host, false);

    /// Resets all TCP connections between two hosts, as a firewall may.
    "net.reset(\"n1\", \"n2\")"
    fn reset(&mut self, one: &str, other: &str) = |net| net.reset(one, other);

    /// Sets how many descriptors a host may have from this time on.
    "net.fd_limit(\"n1\", 20)"
    fn fd_limit(&mut self, host: &str, max: usize) = |net| net.limit_descriptors(host, max);

    /// Sets how far a host's wall clock is ahead, in milliseconds, and how much faster its clocks
    /// are, in millionths.
    "net.clock(\"n1\", 2_000, 0)"
    fn clock(&mut self, host: &str, offset_ms: i64, drift_ppm: i64) =
        |net| net.change_clocks(host, offset_ms.saturating_mul(1_000_000), drift_ppm);
}

impl<'b> Net<'_, 'b> {
    /// Cuts all links between the hosts of one side and those of the other. Messages disappear; TCP
    /// retransmits them for 15 minutes.
    ///
    /// # Panics
    ///
    /// Panics if there is no host of a name.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// # #[test] fn it_ends() {
    /// reveille::sim::Builder::new().check(|sim| {
    ///     # sim.host("n1", || async {}); sim.host("n2", || async {}); sim.host("n3", || async {});
    ///     sim.at(Duration::from_secs(5), |net| net.partition(["n1"], ["n2", "n3"]));
    /// });
    /// # }
    /// ```
    pub fn partition<'n>(
        &mut self,
        one: impl IntoIterator<Item = &'n str>,
        other: impl IntoIterator<Item = &'n str>,
    ) {
        let other: Vec<&str> = other.into_iter().collect();
        for one in one {
            for other in &other {
                self.link(one, other).cut(true);
            }
        }
    }

    /// Ends all partitions and isolations.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// # #[test] fn it_ends() {
    /// reveille::sim::Builder::new().check(|sim| {
    ///     sim.at(Duration::from_secs(5), |net| net.heal());
    /// });
    /// # }
    /// ```
    pub fn heal(&mut self) {
        self.net.change_all(&LinkFault::cut(false));
    }

    /// Both directions between two hosts, to change them.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// # #[test] fn it_ends() {
    /// reveille::sim::Builder::new().check(|sim| {
    ///     # sim.host("n1", || async {}); sim.host("n2", || async {});
    ///     sim.at(Duration::ZERO, |net| {
    ///         let latency = Duration::from_millis(40)..=Duration::from_millis(90);
    ///         net.link("n1", "n2").latency(latency).loss(0.01).bandwidth(1_000_000);
    ///         net.link("n1", "n2").asymmetric().latency(Duration::ZERO..=Duration::ZERO);
    ///     });
    /// });
    /// # }
    /// ```
    pub fn link(&mut self, from: &str, to: &str) -> Link<'_, 'b> {
        Link { net: &mut *self.net, from: from.to_owned(), to: to.to_owned(), is_both: true }
    }

    /// Whether a host is up.
    ///
    /// # Panics
    ///
    /// Panics if there is no host of this name.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// # #[test] fn it_ends() {
    /// reveille::sim::Builder::new().check(|sim| {
    ///     # sim.host("n1", || async {});
    ///     sim.at(Duration::from_secs(5), |net| assert!(net.is_up("n1")));
    /// });
    /// # }
    /// ```
    #[must_use]
    pub fn is_up(&self, host: &str) -> bool {
        self.net.is_up(host)
    }

    /// Calls `happens` after this virtual time.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// # #[test] fn it_ends() {
    /// reveille::sim::Builder::new().check(|sim| {
    ///     # sim.host("n1", || async {});
    ///     sim.at(Duration::from_secs(5), |net| {
    ///         net.isolate("n1");
    ///         net.after(Duration::from_secs(1), |net| net.rejoin("n1"));
    ///     });
    /// });
    /// # }
    /// ```
    pub fn after(
        &mut self,
        pause: Duration,
        happens: impl FnOnce(&mut Net<'_, '_>) + Send + 'static,
    ) {
        self.net.after(pause, move |net| happens(&mut Net { net }));
    }
}

/// A probability in millionths.
fn millionths(probability: f64) -> u64 {
    (probability.clamp(0.0, 1.0) * 1_000_000.0) as u64
}

macro_rules! link_functions {
    ($(
        $(#[doc = $doc:literal])*
        $call:literal
        fn $name:ident(self, $argument:ident: $type:ty) = $field:ident: $value:expr;
    )*) => {
        impl Link<'_, '_> {
            $(
                $(#[doc = $doc])*
                ///
                /// # Panics
                ///
                /// Panics if there is no host of a name.
                ///
                /// # Examples
                ///
                /// ```no_run
                /// use std::time::Duration;
                ///
                /// # #[test] fn it_ends() {
                /// reveille::sim::Builder::new().check(|sim| {
                ///     # sim.host("n1", || async {}); sim.host("n2", || async {});
                ///     sim.at(Duration::from_secs(5), |net| {
                #[doc = concat!("        net.link(\"n1\", \"n2\")", $call, ";")]
                ///     });
                /// });
                /// # }
                /// ```
                #[allow(clippy::must_use_candidate, reason = "the link is returned for a chain")]
                pub fn $name(self, $argument: $type) -> Self {
                    self.change(&LinkFault { $field: Some($value), ..LinkFault::default() })
                }
            )*
        }
    };
}

link_functions! {
    /// Sets how long a message takes. The time of each message is drawn from this range.
    ".latency(Duration::from_millis(5)..=Duration::from_millis(50))"
    fn latency(self, range: RangeInclusive<Duration>) = latency_ns: in_ns(&range);

    /// Sets the probability with which a datagram is lost. A segment of a TCP stream that is lost
    /// arrives later, because TCP retransmits it.
    ".loss(0.02)"
    fn loss(self, probability: f64) = loss: millionths(probability);

    /// Sets the probability with which a datagram arrives twice.
    ".duplication(0.02)"
    fn duplication(self, probability: f64) = duplication: millionths(probability);

    /// Sets the probability with which a datagram takes so long that later ones overtake it.
    ".reordering(0.1)"
    fn reordering(self, probability: f64) = reordering: millionths(probability);

    /// Sets how many bytes per second the link carries.
    ".bandwidth(1_000_000)"
    fn bandwidth(self, bytes_per_second: u64) = bandwidth: Some(bytes_per_second);

    /// Sets whether messages disappear.
    ".cut(true)"
    fn cut(self, is_cut: bool) = is_cut: is_cut;
}

fn in_ns(range: &RangeInclusive<Duration>) -> (u64, u64) {
    let ns = |time: &Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 4);
    (ns(range.start()), ns(range.end()).max(ns(range.start())))
}

impl Link<'_, '_> {
    /// Limits the calls that follow to the direction from the first host to the second.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// # #[test] fn it_ends() {
    /// reveille::sim::Builder::new().check(|sim| {
    ///     # sim.host("n1", || async {}); sim.host("n2", || async {});
    ///     // n2 does not hear n1, but n1 hears n2.
    ///     sim.at(Duration::from_secs(5), |net| {
    ///         net.link("n1", "n2").asymmetric().cut(true);
    ///     });
    /// });
    /// # }
    /// ```
    #[must_use = "the calls that follow change the link"]
    pub fn asymmetric(self) -> Self {
        Link { is_both: false, ..self }
    }

    fn change(self, fault: &LinkFault) -> Self {
        self.net.change_link(&self.from, &self.to, fault);
        if self.is_both {
            self.net.change_link(&self.to, &self.from, fault);
        }
        self
    }
}
