//! Endpoints on loopback: streams, datagrams, and what ends them.

use reveille_watchdog as _;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::{
    ClientConfig, ConnectError, Connection, ConnectionError, Endpoint, EndpointConfig, Incoming,
    ReadError, ReadToEndError, ServerConfig, TransportConfig,
};
use reveille::runtime::Builder;
use reveille::task;
use reveille_quinn::ReveilleRuntime;
use rustls::pki_types::PrivatePkcs8KeyDer;

const MESSAGE_MAX_BYTES: usize = 10_000_000;

/// Short enough to wait for in a test. A busy machine answers within it, because only tests that
/// expect silence wait so long.
const IDLE: Duration = Duration::from_millis(500);

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn configs() -> (ServerConfig, ClientConfig) {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = key.cert.der().clone();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
    let server = ServerConfig::with_single_cert(vec![certificate], private.into()).unwrap();
    (server, ClientConfig::with_root_certificates(Arc::new(roots)).unwrap())
}

fn gives_up_when_idle(config: &mut ClientConfig) {
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(Some(IDLE.try_into().unwrap()));
    config.transport_config(Arc::new(transport));
}

/// A server that sends back each stream and each datagram.
fn echo_server(config: ServerConfig) -> Endpoint {
    let endpoint = reveille_quinn::server(config, loopback()).unwrap();
    task::spawn({
        let endpoint = endpoint.clone();
        async move {
            while let Some(incoming) = endpoint.accept().await {
                task::spawn(echo(incoming));
            }
        }
    });
    endpoint
}

async fn echo(incoming: Incoming) {
    let connection = incoming.await.unwrap();
    let datagrams = connection.clone();
    task::spawn(async move {
        while let Ok(datagram) = datagrams.read_datagram().await {
            datagrams.send_datagram(datagram).unwrap();
        }
    });
    while let Ok((mut send, mut recv)) = connection.accept_bi().await {
        task::spawn(async move {
            let message = recv.read_to_end(MESSAGE_MAX_BYTES).await.unwrap();
            send.write_all(&message).await.unwrap();
            send.finish().unwrap();
        });
    }
}

async fn exchange(connection: Connection, message: Vec<u8>) {
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&message).await.unwrap();
    send.finish().unwrap();
    assert!(recv.read_to_end(MESSAGE_MAX_BYTES).await.unwrap() == message);
}

async fn connect(server: &Endpoint, config: ClientConfig) -> (Endpoint, Connection) {
    let mut client = reveille_quinn::client(loopback()).unwrap();
    client.set_default_client_config(config);
    let address = server.local_addr().unwrap();
    let connection = client.connect(address, "localhost").unwrap().await.unwrap();
    (client, connection)
}

async fn many_streams() {
    let (server, client) = configs();
    let server = echo_server(server);
    let (client, connection) = connect(&server, client).await;
    let exchanges: Vec<_> = (0..50)
        .map(|n| task::spawn(exchange(connection.clone(), vec![n as u8; n * 10_000])))
        .collect();
    for exchange in exchanges {
        exchange.await;
    }
    connection.close(0u32.into(), b"done");
    client.wait_idle().await;
    server.close(0u32.into(), b"done");
    server.wait_idle().await;
}

#[test]
fn streams_arrive_whole_on_one_worker() {
    Builder::new().workers(1).build().unwrap().block_on(many_streams());
}

#[test]
fn streams_arrive_whole_on_four_workers() {
    Builder::new().workers(4).build().unwrap().block_on(many_streams());
}

#[test]
fn streams_arrive_whole_with_batched_reads() {
    Builder::new().batched_reads(true).build().unwrap().block_on(many_streams());
}

#[test]
fn streams_arrive_whole_if_all_runs_outside_of_a_runtime() {
    task::block_on(many_streams());
}

#[test]
fn datagrams_are_delivered() {
    task::block_on(async {
        let (server, client) = configs();
        let server = echo_server(server);
        let (_client, connection) = connect(&server, client).await;
        // On loopback nothing is lost as long as the buffers have room.
        connection.send_datagram(b"ping".as_slice().into()).unwrap();
        assert_eq!(connection.read_datagram().await.unwrap(), b"ping".as_slice());
    });
}

#[test]
fn the_system_sends_and_receives_batches() {
    task::block_on(async {
        let (server, client) = configs();
        let server = echo_server(server);
        let (client, connection) = connect(&server, client).await;
        exchange(connection.clone(), vec![7; 5_000_000]).await;
        let stats = connection.stats().udp_tx;
        if cfg!(target_os = "linux") {
            assert!(stats.ios < stats.datagrams, "without segmentation offload: {stats:?}");
        }
        drop(client);
    });
}

#[test]
fn a_peer_that_closes_is_reported_with_its_reason() {
    task::block_on(async {
        let (server, client) = configs();
        let server = reveille_quinn::server(server, loopback()).unwrap();
        let serving = task::spawn({
            let server = server.clone();
            async move {
                let connection = server.accept().await.unwrap().await.unwrap();
                let (_send, mut recv) = connection.accept_bi().await.unwrap();
                recv.read_exact(&mut [0; 4]).await.unwrap();
                connection.close(7u32.into(), b"enough");
                server.wait_idle().await;
            }
        });
        let (_client, connection) = connect(&server, client).await;
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        send.write_all(b"ping").await.unwrap();
        let error = recv.read_to_end(10).await.unwrap_err();
        let ReadToEndError::Read(ReadError::ConnectionLost(ConnectionError::ApplicationClosed(
            close,
        ))) = error
        else {
            panic!("{error:?}");
        };
        assert_eq!((close.error_code, &close.reason[..]), (7u32.into(), &b"enough"[..]));
        serving.await;
    });
}

#[test]
fn a_peer_that_vanishes_is_noticed_by_the_idle_timeout() {
    let (server, mut client) = configs();
    gives_up_when_idle(&mut client);
    let other = Builder::new().workers(1).build().unwrap();
    let server = other.block_on(async { echo_server(server) });
    task::block_on(async {
        let (_client, connection) = connect(&server, client).await;
        // Its tasks are dropped, and nothing is sent any more.
        drop(other);
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        send.write_all(b"ping").await.unwrap();
        let error = recv.read_to_end(10).await.unwrap_err();
        let lost = ReadToEndError::Read(ReadError::ConnectionLost(ConnectionError::TimedOut));
        assert_eq!(error, lost);
    });
}

#[test]
fn a_port_that_is_closed_fails_the_connection_and_not_the_endpoint() {
    task::block_on(async {
        let (server_config, mut client) = configs();
        gives_up_when_idle(&mut client);
        let port = UdpSocket::bind(loopback()).unwrap();
        let address = port.local_addr().unwrap();
        drop(port);
        // The system reports ICMP messages on a connected socket: ECONNREFUSED for each datagram.
        let socket = UdpSocket::bind(loopback()).unwrap();
        socket.connect(address).unwrap();
        let runtime = Arc::new(ReveilleRuntime::current());
        let mut endpoint = Endpoint::new(EndpointConfig::default(), None, socket, runtime).unwrap();
        endpoint.set_default_client_config(client);
        let failed = endpoint.connect(address, "localhost").unwrap().await;
        assert_eq!(failed.unwrap_err(), ConnectionError::TimedOut);

        // The endpoint is still there, and so, now, is a server.
        let Ok(server) = reveille_quinn::server(server_config, address) else {
            // Another process has taken the port in the meantime.
            return;
        };
        let accepting = task::spawn(async move { server.accept().await.unwrap().await.unwrap() });
        let connection = endpoint.connect(address, "localhost").unwrap().await.unwrap();
        connection.close(0u32.into(), b"done");
        accepting.await.closed().await;
    });
}

#[test]
fn an_endpoint_ends_with_the_runtime_that_it_was_made_on() {
    let (server, client) = configs();
    let own = Builder::new().workers(1).build().unwrap();
    let (server, mut endpoint) =
        own.block_on(async { (echo_server(server), reveille_quinn::client(loopback()).unwrap()) });
    endpoint.set_default_client_config(client);
    let address = server.local_addr().unwrap();
    // The connection is opened from elsewhere, and its task is on the endpoint's runtime.
    let connection = task::block_on(endpoint.connect(address, "localhost").unwrap()).unwrap();
    task::block_on(exchange(connection.clone(), b"ping".to_vec()));
    // More than one, because the last one would close the connection when the task is dropped.
    let held = connection.clone();
    let waiting = task::spawn(async move { connection.accept_bi().await.map(drop) });

    assert!(own.shutdown(Duration::from_secs(30)).is_complete());
    let refused = endpoint.connect(address, "localhost").unwrap_err();
    assert_eq!(refused, ConnectError::EndpointStopping);
    assert!(task::block_on(server.accept()).is_none());
    let lost = task::block_on(waiting).unwrap_err();
    assert!(lost.to_string().contains("endpoint driver future was dropped"), "{lost}");
    assert!(held.close_reason().is_some());
}

#[test]
fn a_connection_that_is_accepted_after_the_end_of_the_runtime_fails() {
    let (server, client) = configs();
    let own = Builder::new().workers(1).build().unwrap();
    let server = own.block_on(async { reveille_quinn::server(server, loopback()).unwrap() });
    let mut endpoint = reveille_quinn::client(loopback()).unwrap();
    endpoint.set_default_client_config(client);
    let connecting = [(); 2].map(|()| {
        let address = server.local_addr().unwrap();
        endpoint.connect(address, "localhost").unwrap()
    });
    let [first, second] =
        [(); 2].map(|()| task::block_on(server.accept()).expect("the endpoint is open"));
    assert!(own.shutdown(Duration::from_secs(30)).is_complete());
    let refused = first.accept().map(drop).unwrap_err();
    assert_eq!(refused, ConnectionError::TimedOut);
    let refused = task::block_on(second.into_future()).map(drop).unwrap_err();
    assert_eq!(refused, ConnectionError::TimedOut);
    drop(connecting);
}

#[test]
fn an_endpoint_on_a_runtime_that_has_ended_refuses_to_connect() {
    let own = Builder::new().workers(1).build().unwrap();
    let ended = ReveilleRuntime::from(own.handle());
    drop(own);
    let socket = UdpSocket::bind(loopback()).unwrap();
    let mut endpoint =
        Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(ended)).unwrap();
    endpoint.set_default_client_config(configs().1);
    let refused = endpoint.connect(loopback(), "localhost").unwrap_err();
    assert_eq!(refused, ConnectError::EndpointStopping);
}

#[test]
fn an_address_that_is_taken_is_named() {
    let first = reveille_quinn::client(loopback()).unwrap();
    let address = first.local_addr().unwrap();
    let error = reveille_quinn::client(address).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&format!("`{address}`")), "{error}");
}
