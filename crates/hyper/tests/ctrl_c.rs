//! A server with a thousand connections that ends at ctrl-c. Alone in its file, because the signal
//! is the process's.

use reveille_watchdog as _;

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use reveille::net::TcpListener;
use reveille::runtime::Builder;
use reveille::sync::Semaphore;
use reveille::{signal, task};
use reveille_hyper::serve;
#[cfg(unix)]
use rustix::process::{Resource, Signal, getpid, getrlimit, kill_process, setrlimit};

/// Connections of each kind.
const EACH: usize = 250;
/// Longer than the first write of a response.
const BODY_BYTES: usize = 256 << 10;

const WHOLE: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const FREE: &[u8] = b"GET /free HTTP/1.1\r\nhost: x\r\n\r\n";
const UPLOAD: &[u8] = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\nhalf";

fn connect(address: SocketAddr, request: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request).unwrap();
    stream
}

fn read_response(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a response");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"), "{head:?}");
    let mut body = vec![0; BODY_BYTES];
    stream.read_exact(&mut body).expect("a whole body");
    assert!(body == [b'x'; BODY_BYTES]);
}

/// Answers `/free` at once, and all else when the gate has a permit.
async fn answer(request: Request<Incoming>, gate: &Gate) -> Response<Full<Bytes>> {
    if request.uri().path() == "/" {
        gate.begun.fetch_add(1, Ordering::Relaxed);
        gate.permits.acquire().await.expect("the gate is not closed").forget();
    }
    // An error would be a cut upload. The client then lacks the body that it expects.
    let upload = request.into_body().collect().await;
    Response::new(Full::new(upload.map_or_else(|_| Bytes::new(), |_| gate.body.clone())))
}

struct Gate {
    begun: AtomicUsize,
    permits: Semaphore,
    body: Bytes,
}

/// Sends requests until the server closes the connection, which it does when it ends.
fn until_closed(mut stream: TcpStream) {
    while stream.write_all(FREE).is_ok() && stream.peek(&mut [0; 1]).is_ok_and(|read| read > 0) {
        read_response(&mut stream);
    }
}

/// Raises the limit of descriptors.
#[cfg(unix)]
fn prepare() -> bool {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    true
}

#[cfg(unix)]
fn interrupt() {
    kill_process(getpid(), Signal::INT).unwrap();
}

/// Runs the test in a process with a console of its own, because Ctrl-C reaches all processes of a
/// console. Returns `true` in that process.
#[cfg(windows)]
fn prepare() -> bool {
    use std::os::windows::process::CommandExt as _;

    use reveille_tests::{child, programs};
    use windows_sys::Win32::System::Threading::CREATE_NO_WINDOW;

    let name = "no_request_is_cut_by_ctrl_c";
    if !child::is_inside(name) {
        let ended = programs::finish(child::command(name).creation_flags(CREATE_NO_WINDOW));
        assert!(ended.status.success() && ended.stdout.contains("1 passed"), "{ended:?}");
    }
    child::is_inside(name)
}

#[cfg(windows)]
fn interrupt() {
    use windows_sys::Win32::System::Console::{CTRL_C_EVENT, GenerateConsoleCtrlEvent};

    // SAFETY: the call takes two numbers. Group 0 is all processes of the console.
    let is_sent = unsafe { GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0) };
    assert_ne!(is_sent, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn no_request_is_cut_by_ctrl_c() {
    if !prepare() {
        return;
    }
    let gate = Arc::new(Gate {
        begun: AtomicUsize::new(0),
        permits: Semaphore::new(0),
        body: vec![b'x'; BODY_BYTES].into(),
    });
    let service = {
        let gate = Arc::clone(&gate);
        service_fn(move |request| {
            let gate = Arc::clone(&gate);
            async move { Ok::<_, Infallible>(answer(request, &gate).await) }
        })
    };
    let runtime = Builder::new().workers(1).build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let server = serve(listener, service)
        .with_graceful_shutdown(async { signal::ctrl_c().await.unwrap() })
        .grace_time(Duration::MAX)
        // Until the clients of this test have done what they do.
        .idle_grace_time(Duration::MAX);
    let server = runtime.handle().spawn(server.into_future());

    let open = || {
        let mut stream = connect(address, FREE);
        read_response(&mut stream);
        stream
    };
    let idle: Vec<_> = (0..EACH).map(|_| open()).collect();
    let mut late: Vec<_> = (0..EACH).map(|_| open()).collect();
    let mut served: Vec<_> = (0..EACH).map(|_| connect(address, WHOLE)).collect();
    let mut uploads: Vec<_> = (0..EACH).map(|_| connect(address, UPLOAD)).collect();
    // Connections that are still in the listener's queue would be refused.
    while gate.begun.load(Ordering::Relaxed) < 2 * EACH {
        std::thread::yield_now();
    }
    let probe = open();
    let (just_before, just_after) = late.split_at_mut(EACH / 2);
    just_before.iter_mut().for_each(|stream| stream.write_all(WHOLE).unwrap());
    interrupt();
    until_closed(probe);
    // The worker has woken every connection by then. It polls them before this ends.
    runtime.block_on(runtime.spawn(async {
        for _ in 0..100 {
            task::yield_now().await;
        }
    }));
    just_after.iter_mut().for_each(|stream| stream.write_all(WHOLE).unwrap());
    uploads.iter_mut().for_each(|stream| stream.write_all(b"half").unwrap());

    assert!(!server.is_finished());
    gate.permits.add_permits(3 * EACH);
    for stream in served.iter_mut().chain(&mut uploads).chain(&mut late) {
        read_response(stream);
    }
    for mut stream in served.into_iter().chain(uploads).chain(late).chain(idle) {
        // The server may have closed it already.
        let _ = stream.shutdown(Shutdown::Write);
        assert_eq!(stream.read(&mut [0; 1]).expect("an end without a reset"), 0);
    }
    let report = task::block_on(server);
    assert_eq!((report.accepted, report.aborted), (4 * EACH as u64 + 1, 0), "{report}");
}
