//! The configuration of the executor, each in a process of its own.

#![allow(clippy::disallowed_methods, reason = "the processes get their configuration by variables")]

use reveille_watchdog as _;

use std::collections::BTreeSet;
use std::sync::{Arc, Barrier};

use async_global_executor::{GlobalExecutorConfig, block_on, init, init_with_config, spawn};
use reveille_runtime::Handle;

/// The variable with the name of a test, in the process that the test starts.
const CHILD: &str = "REVEILLE_TEST_CONFIG";

/// Runs the test `name` again with these variables. In that process it runs `body`.
fn alone(name: &str, variables: &[(&str, &str)], body: fn()) {
    if std::env::var(CHILD).is_ok_and(|child| child == name) {
        return body();
    }
    let mut command = reveille_watchdog::itself();
    command.args(["--exact", name, "--nocapture"]).env(CHILD, name);
    command.env_remove("REVEILLE_THREADS").env_remove("ASYNC_GLOBAL_EXECUTOR_THREADS");
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
}

/// The number of workers of the runtime that spawned tasks run on.
fn workers() -> usize {
    block_on(spawn(async { Handle::current().metrics().workers }))
}

#[test]
fn the_configuration_sets_the_number_of_workers_and_their_name() {
    alone("the_configuration_sets_the_number_of_workers_and_their_name", &[], || {
        let config = GlobalExecutorConfig::default()
            .with_min_threads(3)
            .with_max_threads(5)
            .with_thread_name_fn(|| "mine".to_owned());
        init_with_config(config);
        // Only the first has an effect.
        init_with_config(GlobalExecutorConfig::default().with_min_threads(1));
        assert_eq!(workers(), 3);
        let together = Arc::new(Barrier::new(3));
        let tasks = (0..3).map(|_| {
            let together = together.clone();
            spawn(async move {
                together.wait();
                std::thread::current().name().map(str::to_owned)
            })
        });
        let names: BTreeSet<_> = tasks.collect::<Vec<_>>().into_iter().map(block_on).collect();
        assert_eq!(names, BTreeSet::from([Some("mine".to_owned())]));
    });
}

#[test]
fn the_variable_precedes_the_configuration() {
    let variables = [("NUMBER_OF_THREADS", "2")];
    alone("the_variable_precedes_the_configuration", &variables, || {
        let config = GlobalExecutorConfig::default();
        init_with_config(config.with_env_var("NUMBER_OF_THREADS").with_min_threads(5));
        assert_eq!(workers(), 2);
    });
}

#[test]
fn the_variable_of_the_original_is_read_without_a_configuration() {
    let variables = [("ASYNC_GLOBAL_EXECUTOR_THREADS", "3")];
    alone("the_variable_of_the_original_is_read_without_a_configuration", &variables, || {
        init();
        assert_eq!(workers(), 3);
    });
}

#[test]
fn the_variable_of_reveille_precedes_all() {
    let variables = [("ASYNC_GLOBAL_EXECUTOR_THREADS", "3"), ("REVEILLE_THREADS", "2")];
    alone("the_variable_of_reveille_precedes_all", &variables, || {
        init_with_config(GlobalExecutorConfig::default().with_min_threads(4));
        assert_eq!(workers(), 2);
    });
}

#[test]
fn no_threads_means_one() {
    let variables = [("ASYNC_GLOBAL_EXECUTOR_THREADS", "0")];
    alone("no_threads_means_one", &variables, || assert_eq!(workers(), 1));
}

#[test]
fn a_variable_that_is_no_number_has_no_effect() {
    let variables = [("ASYNC_GLOBAL_EXECUTOR_THREADS", "many")];
    alone("a_variable_that_is_no_number_has_no_effect", &variables, || {
        init_with_config(GlobalExecutorConfig::default().with_min_threads(2));
        assert_eq!(workers(), 2);
    });
}

#[test]
fn a_runtime_that_has_started_keeps_its_configuration() {
    alone("a_runtime_that_has_started_keeps_its_configuration", &[], || {
        reveille_runtime::Builder::new().workers(2).build_global().unwrap();
        init_with_config(GlobalExecutorConfig::default().with_min_threads(4));
        assert_eq!(workers(), 2);
    });
}
