//! The package has tests only (`crates.rs`).
