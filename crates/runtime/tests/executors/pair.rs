//! Two sockets of this process that are connected to each other, on every system.

use std::net::{Ipv4Addr, TcpListener, TcpStream};

/// Returns both ends of a connection. They block, and send small messages at once.
pub(crate) fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of this machine");
    let address = listener.local_addr().expect("the port");
    let ours = TcpStream::connect(address).expect("the listener is there");
    let (theirs, _) = listener.accept().expect("the connection is there");
    for end in [&ours, &theirs] {
        end.set_nodelay(true).expect("every system has this option");
    }
    (ours, theirs)
}
