//! Every example completes and prints what its comments say.

use reveille_tests::programs;

/// Runs the example and checks that these lines are printed in this order, possibly with others
/// between them.
fn prints(name: &str, expected: &[&str]) {
    let finished = programs::finish(&mut programs::command(name));
    assert!(finished.status.success(), "{name} failed: {}", finished.stderr);
    assert_eq!(finished.stderr, "", "{name}");
    let mut lines = finished.stdout.lines();
    for line in expected {
        assert!(
            lines.any(|printed| printed.trim() == *line),
            "{name} did not print `{line}` where it should:\n{}",
            finished.stdout
        );
    }
}

#[test]
fn cheapo_request() {
    prints(
        "cheapo_request",
        &[
            "blocking: HTTP/1.1 200 OK and HTTP/1.1 200 OK",
            "awaiting: HTTP/1.1 200 OK and HTTP/1.1 200 OK",
        ],
    );
}

#[test]
fn nothing_until_polled() {
    prints(
        "nothing_until_polled",
        &[
            "after the call: 0 lines in the log",
            "after dropping another one: 0 lines in the log",
            "after block_on, 42 words:",
            "the letter is begun",
            "the letter is finished",
            "first poll: None, 1 line in the log",
            "second poll: Some(42), 2 lines in the log",
        ],
    );
}

#[test]
fn block_on() {
    prints(
        "block_on",
        &[
            "the sum of [1, 2, 3, 4] and 10 is 20",
            "it took at least 50 ms: true",
            "a panic inside was caught outside: true",
            "and the next call works: 2",
        ],
    );
}

#[test]
fn spawn_local() {
    prints(
        "spawn_local",
        &[
            "HTTP/1.1 200 OK",
            "HTTP/1.1 200 OK",
            "HTTP/1.1 200 OK",
            "the answers came in this order: third, second, first",
        ],
    );
}

#[test]
fn spawn() {
    prints(
        "spawn",
        &[
            "below     10:     4 primes",
            "below  10000:  1229 primes",
            "polled by this thread: false",
            "detached, not cancelled",
            "cancelled after an hour? false",
        ],
    );
}

#[test]
fn async_blocks() {
    prints(
        "async_blocks",
        &[
            "a block with ?: Ok(42)",
            "a moved block: 5",
            "an async closure: Some(\"third time lucky\")",
            "its history: [1, 2, 3]",
            "a borrowed argument: [\"polled\", \"awaited\"]",
        ],
    );
}

#[test]
fn borrowed_requests() {
    prints(
        "borrowed_requests",
        &[
            "/delay/100/bytes/1: HTTP/1.1 200 OK, 1 bytes",
            "/delay/100/bytes/10: HTTP/1.1 200 OK, 10 bytes",
            "less than one after the other: true",
            "all of them have answered: true",
            "and in 20 ms: timed out",
        ],
    );
}

#[test]
fn yield_now() {
    prints(
        "yield_now",
        &[
            "without yield_now:",
            "the number that takes longest is 77031",
            "the heart stood still: true",
            "with yield_now:",
            "the number that takes longest is 77031",
            "the heart went on: true",
        ],
    );
}

#[test]
fn spawn_blocking() {
    prints("spawn_blocking", &["the same: true", "a result that came before the first poll: 7"]);
}

#[test]
fn primitive_future() {
    prints(
        "primitive_future",
        &[
            "3 wait",
            "a coin",
            "Ada is through",
            "Bertrand gives up: None",
            "a coin",
            "Clara is through",
            "Clara was the last",
        ],
    );
}

#[test]
fn why_pin() {
    prints(
        "why_pin",
        &[
            "the local stayed where it was: true",
            "it lives in the future: true",
            "moving a box leaves its future in place: true",
            "first poll: Pending",
            "moved with 2 to go: lift-off",
        ],
    );
}

#[test]
fn async_traits() {
    prints(
        "async_traits",
        &[
            "warmest: 24.5",
            "the roof is warm, the cellar is cold",
            "spawned: (\"value 1\", \"value 2\")",
            "behind a pointer: 24.5",
            "behind a pointer: 11.5",
        ],
    );
}
