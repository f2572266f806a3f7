//! A time as text.

use std::fmt;
use std::time::Duration;

/// Displays a time in a suitable unit.
pub(crate) struct Seconds(pub(crate) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        let text = match seconds {
            // From 0.9995 ms on, this would print "1000 µs".
            ..0.0009995 => format!("{:.0} µs", seconds * 1e6),
            ..0.09995 => format!("{:.1} ms", seconds * 1e3),
            ..0.9995 => format!("{:.0} ms", seconds * 1e3),
            _ => format!("{} s", (seconds * 100.0).round() / 100.0),
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_suitable_unit() {
        let text = |micros| Seconds(Duration::from_micros(micros)).to_string();
        assert_eq!((text(7), text(999)), ("7 µs".into(), "999 µs".into()));
        assert_eq!((text(1000), text(99_940)), ("1.0 ms".into(), "99.9 ms".into()));
        assert_eq!((text(250_000), text(999_400)), ("250 ms".into(), "999 ms".into()));
        assert_eq!((text(1_500_000), text(10_000_000)), ("1.5 s".into(), "10 s".into()));
    }
}
