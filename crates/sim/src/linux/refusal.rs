//! Calls that are not simulated fail, and are reported with their name and place.

use std::backtrace::Backtrace;
use std::fmt::Write as _;

use super::thread::Thread;
use super::world;

/// A path that contains one of these is not the program's own.
const FOREIGN: [&str; 4] = ["/rustc/", "/rustlib/", "/.cargo/registry/", "/crates/sim/src/"];

/// The frames of the program that a refusal shows.
const FRAMES_MAX: usize = 4;

/// Reports that `what` was called.
pub(super) fn report(me: &Thread, what: &str) {
    let seed = world::with(|world| world.seed());
    let mut text = format!(
        "reveille-sim: seed {seed}: thread '{}' calls {what}, which is not simulated. The call \
         returns an error.\n",
        me.name()
    );
    for frame in frames(&Backtrace::force_capture().to_string()) {
        let _ = writeln!(text, "    {frame}");
    }
    super::say(&text);
}

/// The innermost frames of the program in a backtrace.
pub(super) fn frames(backtrace: &str) -> Vec<String> {
    let lines: Vec<&str> = backtrace.lines().map(str::trim).collect();
    let pairs = lines.windows(2).filter_map(|pair| {
        let place = pair[1].strip_prefix("at ")?;
        let is_own = FOREIGN.iter().all(|foreign| !place.contains(foreign));
        is_own.then(|| format!("{} at {place}", pair[0]))
    });
    pairs.take(FRAMES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::frames;

    #[test]
    fn only_frames_of_the_program_are_shown() {
        let shown = frames(
            "   0: std::net::connect\n             at /rustc/abc/library/std/src/net.rs:3:4\n   \
             1: kv::serve\n             at ./src/kv.rs:7:9\n   2: libc_start\n",
        );
        assert_eq!(shown, ["1: kv::serve at ./src/kv.rs:7:9"]);
    }
}
