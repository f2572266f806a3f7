//! Extensions for particular operating systems.
//!
//! # Examples
//!
//! ```
//! # #[cfg(all(unix, feature = "client"))] {
//! use reveille_hyper::os::unix::UnixConnector;
//!
//! let docker = UnixConnector::new("/var/run/docker.sock");
//! # drop(docker);
//! # }
//! ```

#[cfg(unix)]
pub mod unix;
