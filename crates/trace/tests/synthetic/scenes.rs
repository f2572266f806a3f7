//! The kinds of tasks of the simulated program.

use reveille_trace::Origin;

/// What a task does in a poll, and what it waits for then.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Waits for a timer, about this many nanoseconds.
    Sleep(u64),
    /// Waits for its socket, about this many nanoseconds.
    Read(u64),
    /// Takes a connection and waits for the next.
    Accept,
    /// Asks a task of kind `Answer`, and waits for the answer.
    Ask,
    /// Answers, and waits for the next question.
    Answer,
    /// Runs a closure on the blocking pool for about this many nanoseconds, and waits for it.
    Block(u64),
    /// Waits for a lock that is never released.
    Stuck,
}

/// A kind of task.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) type_name: &'static str,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    pub(crate) origin: Origin,
    /// Of the closures that it runs.
    pub(crate) blocking: Origin,
    pub(crate) is_named: bool,
    pub(crate) poll_ns: u64,
    pub(crate) steps: &'static [Step],
    /// Whether tasks of this kind end.
    pub(crate) ends: bool,
    pub(crate) span: Option<&'static str>,
    /// The functions of its await stacks, outermost first.
    pub(crate) functions: &'static [&'static str],
}

const fn origin(number: u32) -> Origin {
    Origin { place: 0x1000 + number, type_id: 0x5000_0000 + number }
}

pub(crate) const BLOCKING: Origin = Origin { place: 0x1000 + 50, type_id: 0x5000_0000 + 50 };

const fn scene(number: u32, name: &'static str, type_name: &'static str) -> Scene {
    Scene {
        name,
        type_name,
        file: "src/server.rs",
        line: 20 + number * 17,
        origin: origin(number),
        blocking: BLOCKING,
        is_named: false,
        poll_ns: 9_000,
        steps: &[],
        ends: true,
        span: None,
        functions: &[],
    }
}

pub(crate) const SCENES: [Scene; 10] = [
    Scene {
        file: "src/main.rs",
        line: 12,
        functions: &["shop::main"],
        ends: false,
        ..scene(0, "main", "shop::main::{{closure}}")
    },
    Scene {
        steps: &[Step::Accept],
        ends: false,
        is_named: true,
        functions: &["shop::server::serve", "reveille::net::Incoming::next"],
        ..scene(1, "accept", "shop::server::serve::{{closure}}")
    },
    Scene {
        steps: &[Step::Answer],
        poll_ns: 14_000,
        ends: false,
        is_named: true,
        file: "src/database.rs",
        functions: &["shop::database::Worker::run", "async_channel::Recv::poll"],
        ..scene(2, "database", "shop::database::Worker::run::{{closure}}")
    },
    Scene {
        steps: &[Step::Sleep(400_000)],
        ends: false,
        file: "src/metrics.rs",
        functions: &["shop::metrics::flush_every", "reveille::task::sleep"],
        ..scene(3, "metrics", "shop::metrics::flush_every::{{closure}}")
    },
    Scene {
        steps: &[Step::Read(300_000), Step::Ask, Step::Read(900_000)],
        span: Some("request"),
        functions: &["shop::server::handle", "shop::http::read_head", "reveille::net::read"],
        ..scene(4, "handle", "shop::server::handle::{{closure}}")
    },
    Scene {
        steps: &[Step::Read(200_000), Step::Ask, Step::Ask, Step::Read(500_000)],
        poll_ns: 22_000,
        span: Some("checkout"),
        functions: &["shop::server::checkout", "shop::cart::price", "async_channel::Send::poll"],
        ..scene(5, "checkout", "shop::server::checkout::{{closure}}")
    },
    Scene {
        steps: &[Step::Read(150_000), Step::Block(250_000)],
        functions: &["shop::server::image", "reveille::fs::read", "reveille::task::spawn_blocking"],
        ..scene(6, "image", "shop::server::image::{{closure}}")
    },
    Scene {
        steps: &[Step::Sleep(90_000), Step::Read(120_000), Step::Sleep(2_000_000)],
        functions: &["shop::poll::long_poll", "reveille::future::timeout", "shop::poll::next"],
        ..scene(7, "poll", "shop::poll::long_poll::{{closure}}")
    },
    Scene {
        steps: &[Step::Ask, Step::Sleep(60_000)],
        poll_ns: 4_000,
        file: "src/cache.rs",
        functions: &["shop::cache::refresh", "reveille::task::sleep"],
        ..scene(8, "cache", "shop::cache::refresh<alloc::string::String>::{{closure}}")
    },
    Scene {
        steps: &[Step::Stuck],
        ends: false,
        file: "src/cart.rs",
        functions: &["shop::cart::transfer", "async_lock::Mutex::lock"],
        ..scene(9, "transfer", "shop::cart::transfer::{{closure}}")
    },
];
