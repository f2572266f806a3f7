//! Faults of wine that tests of reveille meet, shown with std alone.
//!
//! `cargo xtask targets --run windows` skips the tests that fail because of them, and prints what
//! this program prints. On Windows each line ends with the expected value.

use std::fs::File;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

fn main() -> io::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some(READS) => return io::copy(&mut io::stdin(), &mut io::sink()).map(drop),
        Some(INTERRUPTS) => return interrupt_and_wait(),
        _ => {}
    }
    refused_datagram()?;
    unlocked_file()?;
    reset_connection()?;
    many_buffers()?;
    count_of_probes()?;
    options_of_quic()?;
    event_for_a_group()?;
    code_of_an_interrupt()?;
    true_path_of_a_long_one()
}

/// The argument of a child that reads its input until it is closed.
const READS: &str = "reads";

/// The argument of a child that sends Ctrl-C to its own console.
const INTERRUPTS: &str = "interrupts";

/// Wine takes the error from the system's socket when it polls it, and keeps it for `take_error`.
fn refused_datagram() -> io::Result<()> {
    let nobody = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(nobody)?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    socket.send(b"?")?;
    let received = socket.recv(&mut [0; 8]).map_err(|error| error.kind());
    println!("a receive after a refused datagram: {received:?}; expected: an error at once");
    Ok(())
}

/// std unlocks twice, until the system answers `ERROR_NOT_LOCKED` (158). Wine answers
/// `ERROR_LOCK_VIOLATION` (33).
fn unlocked_file() -> io::Result<()> {
    let path = std::env::temp_dir().join(format!("wine-faults-{}", std::process::id()));
    let file = File::create(&path)?;
    file.lock()?;
    let unlocked = file.unlock().map_err(|error| error.raw_os_error());
    println!("an unlock of a locked file: {unlocked:?}; expected: Ok(())");
    drop(file);
    std::fs::remove_file(path)
}

/// A path with more than 260 characters, which begins with `\\?\` on Windows. Wine makes the file,
/// and answers `ERROR_MORE_DATA` (234) when std asks for the file's path.
fn true_path_of_a_long_one() -> io::Result<()> {
    let name = format!("wine-faults-{}", std::process::id());
    let folder = std::fs::canonicalize(std::env::temp_dir())?.join(name);
    let mut path = folder.clone();
    path.extend(["a name of a good length"; 12]);
    std::fs::create_dir_all(&path)?;
    let true_path = std::fs::canonicalize(&path).map(drop).map_err(|error| error.raw_os_error());
    println!("the true path of a long one: {true_path:?}; expected: Ok(())");
    std::fs::remove_dir_all(folder)
}

/// As with the refused datagram, the error is lost and the read ends the stream. Without the wait
/// it is lost in some runs only.
fn reset_connection() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    client.write_all(b"never read")?;
    server.peek(&mut [0])?;
    drop(server);
    wait_readable(&client);
    let received = client.read(&mut [0]).map_err(|error| error.kind());
    println!("a read from a peer that closed unread: {received:?}; expected: ConnectionReset");
    Ok(())
}

/// Waits until the socket is readable, for a second at most.
#[cfg(windows)]
fn wait_readable(socket: &TcpStream) {
    use std::os::windows::io::AsRawSocket as _;

    #[repr(C)]
    struct PollFd {
        socket: usize,
        events: i16,
        revents: i16,
    }

    #[link(name = "ws2_32")]
    unsafe extern "system" {
        fn WSAPoll(sockets: *mut PollFd, count: u32, timeout_ms: i32) -> i32;
    }

    const POLLRDNORM: i16 = 0x100;
    let socket = usize::try_from(socket.as_raw_socket()).expect("a socket is a handle");
    let mut entry = PollFd { socket, events: POLLRDNORM, revents: 0 };
    // SAFETY: the pointer is to one entry, which is alive during the call. The socket is open.
    unsafe { WSAPoll(&raw mut entry, 1, 1_000) };
}

#[cfg(not(windows))]
fn wait_readable(_: &TcpStream) {}

/// Wine passes all buffers to one `sendmsg` of Linux, which accepts 1,024, and answers
/// `WSAEMSGSIZE` (10040).
fn many_buffers() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let sent = client.write_vectored(&[IoSlice::new(b"x"); 1_025]);
    let sent = sent.map_err(|error| error.raw_os_error());
    println!("a write of 1,025 buffers: {sent:?}; expected: Ok(1025)");
    Ok(())
}

/// `TCP_KEEPCNT` (Windows 10 1703) answers `WSAENOPROTOOPT` (10042).
#[cfg(windows)]
fn count_of_probes() -> io::Result<()> {
    const IPPROTO_TCP: i32 = 6;
    const TCP_KEEPCNT: i32 = 16;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let error = refused_option(&listener, IPPROTO_TCP, TCP_KEEPCNT);
    println!("the number of keep-alive probes: error {error:?}; expected: None");
    Ok(())
}

/// `quinn-udp` reads the first of these options and sets the others. Wine answers `WSAEOPNOTSUPP`
/// (10045) to the first, because the socket is one of IPv4, and `WSAENOPROTOOPT` to the last.
#[cfg(windows)]
fn options_of_quic() -> io::Result<()> {
    use std::os::windows::io::AsRawSocket as _;

    #[link(name = "ws2_32")]
    unsafe extern "system" {
        fn getsockopt(socket: usize, level: i32, name: i32, value: *mut u32, len: *mut i32) -> i32;
    }

    const IPPROTO_IP: i32 = 0;
    const IPPROTO_IPV6: i32 = 41;
    const IPV6_V6ONLY: i32 = 27;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let (mut value, mut len) = (0, 4);
    let handle = usize::try_from(socket.as_raw_socket()).expect("a socket is a handle");
    // SAFETY: the socket is open, and both pointers are to numbers of four bytes, which are alive
    // during the call.
    let result =
        unsafe { getsockopt(handle, IPPROTO_IPV6, IPV6_V6ONLY, &raw mut value, &raw mut len) };
    let error = (result != 0).then(io::Error::last_os_error);
    let error = error.and_then(|error| error.raw_os_error());
    println!("the option IPV6_V6ONLY of an IPv4 socket: error {error:?}; expected: None");
    for (name, option) in [("IP_DONTFRAGMENT", 14), ("IP_PKTINFO", 19), ("IP_RECVECN", 50)] {
        let error = refused_option(&socket, IPPROTO_IP, option);
        println!("the option {name}: error {error:?}; expected: None");
    }
    Ok(())
}

/// Sets an option to 1, and returns the number of the error.
#[cfg(windows)]
fn refused_option(
    socket: &impl std::os::windows::io::AsRawSocket,
    level: i32,
    name: i32,
) -> Option<i32> {
    #[link(name = "ws2_32")]
    unsafe extern "system" {
        fn setsockopt(socket: usize, level: i32, name: i32, value: *const i32, len: i32) -> i32;
    }

    let socket = usize::try_from(socket.as_raw_socket()).expect("a socket is a handle");
    // SAFETY: the socket is open, and the value is an `i32` of four bytes.
    let result = unsafe { setsockopt(socket, level, name, &raw const ONE, 4) };
    (result != 0).then(|| io::Error::last_os_error().raw_os_error()).flatten()
}

#[cfg(windows)]
static ONE: i32 = 1;

/// `GenerateConsoleCtrlEvent` fails, with a console and without one, and no handler is called.
#[cfg(windows)]
fn event_for_a_group() -> io::Result<()> {
    use std::os::windows::process::CommandExt as _;
    use std::process::{Command, Stdio};

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn AllocConsole() -> i32;
        fn GenerateConsoleCtrlEvent(event: u32, group: u32) -> i32;
    }

    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    const CTRL_BREAK_EVENT: u32 = 1;
    // SAFETY: the call has no preconditions. It fails if there is a console already.
    unsafe { AllocConsole() };
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(READS).stdin(Stdio::piped()).creation_flags(CREATE_NEW_PROCESS_GROUP);
    let mut child = command.spawn()?;
    // SAFETY: the call takes two numbers.
    let result = unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, child.id()) };
    let error = (result == 0).then(io::Error::last_os_error);
    let error = error.map(|error| error.raw_os_error());
    println!("a Ctrl-Break for a process group: error {error:?}; expected: None");
    drop(child.stdin.take());
    child.wait().map(drop)
}

/// Wine ends a process that has no handler with 0, as if it had returned from `main`.
#[cfg(windows)]
fn code_of_an_interrupt() -> io::Result<()> {
    use std::os::windows::process::CommandExt as _;
    use std::process::Command;

    const CREATE_NO_WINDOW: u32 = 0x0800_0000;
    let mut command = Command::new(std::env::current_exe()?);
    // A console of its own.
    let status = command.arg(INTERRUPTS).creation_flags(CREATE_NO_WINDOW).status()?;
    let code = status.code().map(i32::cast_unsigned);
    println!("the code of a process that Ctrl-C ended: {code:x?}; expected: Some(c000013a)");
    Ok(())
}

/// Does not return.
#[cfg(windows)]
fn interrupt_and_wait() -> io::Result<()> {
    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GenerateConsoleCtrlEvent(event: u32, group: u32) -> i32;
    }

    const CTRL_C_EVENT: u32 = 0;
    // SAFETY: the call takes two numbers. Group 0 is all processes of the console.
    if unsafe { GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0) } == 0 {
        return Err(io::Error::last_os_error());
    }
    loop {
        std::thread::park();
    }
}

#[cfg(not(windows))]
#[expect(clippy::unnecessary_wraps, reason = "as on Windows")]
fn code_of_an_interrupt() -> io::Result<()> {
    Ok(())
}

#[cfg(not(windows))]
#[expect(clippy::unnecessary_wraps, reason = "as on Windows")]
fn interrupt_and_wait() -> io::Result<()> {
    Ok(())
}

#[cfg(not(windows))]
#[expect(clippy::unnecessary_wraps, reason = "as on Windows")]
fn count_of_probes() -> io::Result<()> {
    Ok(())
}

#[cfg(not(windows))]
#[expect(clippy::unnecessary_wraps, reason = "as on Windows")]
fn options_of_quic() -> io::Result<()> {
    Ok(())
}

#[cfg(not(windows))]
#[expect(clippy::unnecessary_wraps, reason = "as on Windows")]
fn event_for_a_group() -> io::Result<()> {
    Ok(())
}
