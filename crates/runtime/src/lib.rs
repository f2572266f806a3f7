//! reveille-runtime
