//! reveille-reveille
