//! reveille-task
