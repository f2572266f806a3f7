//! What the programs have in common.

/// The variable with the number of rounds.
pub const ROUNDS: &str = "SIMULATORS_ROUNDS";

/// The name of the test in reveille's simulation.
pub const NAME: &str = "ping-pong";

pub const CLIENTS: u64 = 4;
pub const MESSAGE_LEN: usize = 64;
pub const PORT: u16 = 7000;

/// How many messages each client sends.
///
/// # Panics
///
/// Panics if the environment does not say.
#[must_use]
pub fn rounds() -> u64 {
    let rounds = std::env::var(ROUNDS).ok().and_then(|text| text.parse().ok());
    rounds.expect("this program is started by the one that compares the simulators")
}
