//! The macros for rare branches.

/// `true` now and then in a simulation, for a branch that production hardly ever takes; `false`
/// outside of simulations. In each seed, a quarter of the places are active. An active place is
/// `true` with the probability that you pass, or 0.25 without an argument.
///
/// # Examples
///
/// ```
/// use reveille::sim;
///
/// fn batch_len() -> usize {
///     // Small batches find faults at their borders.
///     if sim::buggify!() { 1 } else { 1000 }
/// }
///
/// fn is_cache_full() -> bool {
///     sim::buggify!(0.01)
/// }
///
/// assert_eq!(batch_len(), 1000);
/// assert!(!is_cache_full());
/// ```
#[macro_export]
macro_rules! buggify {
    () => {
        $crate::sim::buggify!(0.25)
    };
    ($probability:expr) => {
        $crate::sim::buggify_at(
            concat!(file!(), ":", line!(), ":", column!()),
            (f64::clamp($probability, 0.0, 1.0) * 1_000_000.0) as u64,
        )
    };
}

/// Says that a condition has to be true in at least one of the seeds that reach this place. If some
/// seeds reach this place, and the condition is never true there, the test fails after its last
/// seed: it does not test what you think. Does nothing outside of simulations.
///
/// # Examples
///
/// ```
/// use reveille::sim;
///
/// fn push(queue: &mut Vec<u64>, item: u64) {
///     sim::sometimes!(queue.len() > 100, "the queue is long");
///     queue.push(item);
/// }
///
/// push(&mut Vec::new(), 1);
/// ```
#[macro_export]
macro_rules! sometimes {
    ($condition:expr, $what:literal) => {
        $crate::sim::sometimes_at(concat!(file!(), ":", line!(), ": ", $what), $condition)
    };
}
