//! Windows extensions: raw handles and sockets, two kinds of symbolic links, and more.
//!
//! This module is type-checked, and programs that use it were run under wine only (`cargo xtask
//! targets --run windows`): expect bugs, and report them.
//!
//! # Examples
//!
//! ```
//! use reveille::net::UdpSocket;
//! use reveille::os::windows::io::AsRawSocket;
//!
//! let socket = reveille::task::block_on(UdpSocket::bind("127.0.0.1:0"))?;
//! println!("socket {}", socket.as_raw_socket());
//! # std::io::Result::Ok(())
//! ```

pub mod fs;
pub mod io;
pub mod process;

mod handles;
