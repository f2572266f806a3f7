//! A program written for async-std on reveille. Only the dependency in the manifest was changed.

use async_std::prelude::*;
use async_std::{stream, task};

async_std::task_local! {
    static TURNS: u32 = 3;
}

#[async_std::main]
async fn main() {
    let turns = TURNS.with(|turns| *turns);
    let sum = task::spawn(stream::repeat(2).take(turns as usize).fold(0, |sum, n| sum + n));
    async_std::println!("{}", sum.await).await;
}

#[cfg(test)]
mod tests {
    use reveille_watchdog as _;

    use super::*;

    #[async_std::test]
    async fn the_attributes_find_the_crate_under_the_name_it_was_given() -> std::io::Result<()> {
        assert_eq!(task::spawn(async { 1 }).await, 1);
        Ok(())
    }

    #[test]
    fn the_program_runs() {
        main();
    }
}
