//! reveille-driver
