//! Tests of programs that use async-std, on the shim.

#![allow(clippy::disallowed_methods, reason = "these calls are what is simulated")]

use std::env;
use std::process::Command;
use std::time::{Duration, Instant};

use reveille::sim;
use reveille_watchdog as _;

/// A variable that makes the test below fail under one seed.
const PLANTED: &str = "REVEILLE_TESTS_PLANTED";

#[async_std::test]
async fn a_test_of_async_std() {
    if let Some(seed) = sim::seed() {
        let start = Instant::now();
        async_std::task::sleep(Duration::from_secs(3600)).await;
        assert!(start.elapsed() >= Duration::from_secs(3600));
        assert!(seed != 2 || env::var_os(PLANTED).is_none(), "seed 2 is reached");
    }
}

#[test]
fn tests_of_async_std_run_under_seeds_if_the_environment_asks() {
    let run = |planted: bool| {
        let mut command = Command::new(env::current_exe().expect("the path of this program"));
        command.args(["--exact", "a_test_of_async_std", "--nocapture"]);
        command.env("REVEILLE_SIM_ALL", "4");
        if planted {
            command.env(PLANTED, "1");
        }
        let output = command.output().expect("this program can be started");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    };
    let (passes, text) = run(false);
    assert!(passes, "{text}");
    let (passes, text) = run(true);
    assert!(!passes && text.contains("under seed 2"), "{text}");
    assert!(text.contains("seed 2 is reached"), "{text}");
}
