//! Endpoints when the process has no descriptor left. Alone in its file, because the limit is the
//! process's.

// Only on Unix: it counts descriptors.
#![cfg(unix)]

use reveille_watchdog as _;

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use quinn::{ClientConfig, ServerConfig};
use reveille::task;
use rustix::process::{Resource, getrlimit, setrlimit};
use rustls::pki_types::PrivatePkcs8KeyDer;

fn configs() -> (ServerConfig, ClientConfig) {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = key.cert.der().clone();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
    let server = ServerConfig::with_single_cert(vec![certificate], private.into()).unwrap();
    (server, ClientConfig::with_root_certificates(Arc::new(roots)).unwrap())
}

#[test]
fn without_descriptors_a_bind_fails_by_name_and_endpoints_keep_working() {
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    let (server, client) = configs();
    let server = reveille_quinn::server(server, address).unwrap();
    let mut endpoint = reveille_quinn::client(address).unwrap();
    endpoint.set_default_client_config(client);

    let before = getrlimit(Resource::Nofile);
    let mut limit = before;
    limit.current = Some(64);
    setrlimit(Resource::Nofile, limit).unwrap();
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    let error = reveille_quinn::client(address).unwrap_err();
    let full = std::io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
    assert_eq!(error.kind(), full.kind());
    let text = error.to_string();
    assert!(text.starts_with("could not bind a QUIC endpoint to `127.0.0.1:0`: "), "{text}");
    assert!(text.ends_with(&full.to_string()), "{text}");

    // A connection needs no descriptor of its own.
    task::block_on(async {
        let to = server.local_addr().unwrap();
        let accepting = task::spawn(async move { server.accept().await.unwrap().await.unwrap() });
        let connection = endpoint.connect(to, "localhost").unwrap().await.unwrap();
        let accepted = accepting.await;
        connection.close(3u32.into(), b"");
        accepted.closed().await;
    });
    drop(files);
    setrlimit(Resource::Nofile, before).unwrap();
}
