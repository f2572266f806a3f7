//! Crates that know smol, async-io and async-global-executor work on the shims, and start no thread
//! of these.

use reveille_watchdog as _;

use std::sync::Arc;
use std::time::Duration;

use futures_lite::StreamExt;
use reveille_tests_smol::{
    assert_only_reveille, dbus, lacks, postgres, rabbitmq, redis, thread_names,
};

#[test]
fn quinn() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let key = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let certificate = rustls::pki_types::CertificateDer::from(key.cert.der().to_vec());
    let der = rustls::pki_types::PrivateKeyDer::Pkcs8(key.signing_key.serialize_der().into());
    let server = quinn::ServerConfig::with_single_cert(vec![certificate.clone()], der).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = quinn::ClientConfig::with_root_certificates(Arc::new(roots)).unwrap();
    let endpoint = |config| {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let runtime = Arc::new(quinn::SmolRuntime);
        quinn::Endpoint::new(quinn::EndpointConfig::default(), config, socket, runtime).unwrap()
    };
    smol::block_on(async {
        let server = endpoint(Some(server));
        let address = server.local_addr().unwrap();
        let echo = smol::spawn(async move {
            let connection = server.accept().await.unwrap().await.unwrap();
            let (mut send, mut receive) = connection.accept_bi().await.unwrap();
            let bytes = receive.read_to_end(1 << 20).await.unwrap();
            send.write_all(&bytes).await.unwrap();
            send.finish().unwrap();
            connection.closed().await;
        });
        let mut endpoint = endpoint(None);
        endpoint.set_default_client_config(client);
        let connection = endpoint.connect(address, "localhost").unwrap().await.unwrap();
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        let bytes = vec![7; 500_000];
        send.write_all(&bytes).await.unwrap();
        send.finish().unwrap();
        assert!(receive.read_to_end(1 << 20).await.unwrap() == bytes);
        assert_only_reveille("quinn");
        connection.close(0_u32.into(), b"done");
        endpoint.wait_idle().await;
        echo.await;
    });
}

#[test]
fn redis_with_pubsub_and_a_time_limit() {
    use ::redis::AsyncCommands;
    if lacks(&["redis-server"]) {
        return;
    }
    let server = redis();
    smol::block_on(async {
        let client = ::redis::Client::open(server.url.as_str()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let _: () = connection.set("key", 1).await.unwrap();
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let mut connection = connection.clone();
                smol::spawn(async move { connection.incr::<_, _, i64>("key", 1).await.unwrap() })
            })
            .collect();
        for task in tasks {
            task.await;
        }
        assert_eq!(connection.get::<_, i64>("key").await.unwrap(), 51);
        let mut pubsub = client.get_async_pubsub().await.unwrap();
        pubsub.subscribe("news").await.unwrap();
        let mut other = connection.clone();
        let publish = smol::spawn(async move { other.publish::<_, _, i64>("news", "hi").await });
        let message = pubsub.on_message().next().await.unwrap();
        assert_eq!(message.get_payload::<String>().unwrap(), "hi");
        publish.await.unwrap();
        let config =
            ::redis::AsyncConnectionConfig::new().set_response_timeout(Duration::from_millis(50));
        let mut slow = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
        let late = slow.blpop::<_, Option<(String, String)>>("nothing", 5.0).await;
        assert!(late.unwrap_err().is_timeout());
        assert_only_reveille("redis");
    });
}

#[test]
fn sqlx_with_transactions_and_notifications() {
    if lacks(&["postgres", "initdb"]) {
        return;
    }
    let server = postgres();
    smol::block_on(async {
        let pool = sqlx::postgres::PgPoolOptions::new()
            .max_connections(3)
            .connect(&server.url)
            .await
            .unwrap();
        sqlx::query("create table numbers (n bigint)").execute(&pool).await.unwrap();
        let tasks: Vec<_> = (0..20_i64)
            .map(|n| {
                let pool = pool.clone();
                smol::spawn(async move {
                    let insert = sqlx::query("insert into numbers values ($1)").bind(n);
                    insert.execute(&pool).await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
        let mut transaction = pool.begin().await.unwrap();
        sqlx::query("delete from numbers").execute(&mut *transaction).await.unwrap();
        // Rolls back in the background.
        drop(transaction);
        let count: i64 =
            sqlx::query_scalar("select count(*) from numbers").fetch_one(&pool).await.unwrap();
        assert_eq!(count, 20);
        let mut listener = sqlx::postgres::PgListener::connect(&server.url).await.unwrap();
        listener.listen("news").await.unwrap();
        sqlx::query("select pg_notify('news', 'hi')").execute(&pool).await.unwrap();
        assert_eq!(listener.recv().await.unwrap().payload(), "hi");
        assert_only_reveille("sqlx");
        drop(listener);
        pool.close().await;
    });
}

struct Greeter;

#[zbus::interface(name = "rs.reveille.Greeter")]
impl Greeter {
    fn greet(&self, name: &str) -> String {
        format!("hello, {name}")
    }
}

async fn greet(client: &zbus::Connection, service: &str) {
    let proxy: zbus::Proxy<'_> = zbus::proxy::Builder::new(client)
        .destination(service)
        .unwrap()
        .path("/greeter")
        .unwrap()
        .interface("rs.reveille.Greeter")
        .unwrap()
        .cache_properties(zbus::proxy::CacheProperties::No)
        .build()
        .await
        .unwrap();
    let answer: String = proxy.call("Greet", &("world",)).await.unwrap();
    assert_eq!(answer, "hello, world");
}

#[test]
fn zbus_over_a_bus() {
    if lacks(&["dbus-daemon"]) {
        return;
    }
    let bus = dbus();
    let connect = || zbus::connection::Builder::address(bus.url.as_str()).unwrap();
    smol::block_on(async {
        let service = connect().name("rs.reveille.Greeter").unwrap();
        let service = service.serve_at("/greeter", Greeter).unwrap().build().await.unwrap();
        let client = connect().build().await.unwrap();
        greet(&client, "rs.reveille.Greeter").await;
        assert_only_reveille("zbus");
        client.close().await.unwrap();
        service.close().await.unwrap();
    });
}

/// The two sides of a socket communicate with each other.
#[test]
fn zbus_between_peers() {
    smol::block_on(async {
        let guid = zbus::Guid::generate();
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        let server = zbus::connection::Builder::async_io_unix_stream(one)
            .server(guid)
            .unwrap()
            .p2p()
            .serve_at("/greeter", Greeter)
            .unwrap()
            .build();
        let client = zbus::connection::Builder::async_io_unix_stream(other).p2p().build();
        let (_server, client) = futures_lite::future::try_zip(server, client).await.unwrap();
        greet(&client, "rs.reveille.Greeter").await;
        assert_only_reveille("zbus");
    });
}

#[test]
fn lapin_with_a_queue() {
    use ::lapin::options::{BasicAckOptions, BasicConsumeOptions, QueueDeclareOptions};
    if lacks(&["rabbitmq-server", "epmd"]) {
        return;
    }
    reveille_watchdog::allow(900);
    let broker = rabbitmq();
    async_global_executor::block_on(async {
        let connection = connect_lapin(&broker.url).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let queue = QueueDeclareOptions { auto_delete: true, ..QueueDeclareOptions::default() };
        channel.queue_declare("work".into(), queue, Default::default()).await.unwrap();
        let options = BasicConsumeOptions::default();
        let mut consumer = channel
            .basic_consume("work".into(), "me".into(), options, Default::default())
            .await
            .unwrap();
        for number in 0..100_u8 {
            let sent = channel
                .basic_publish(
                    "".into(),
                    "work".into(),
                    Default::default(),
                    &[number],
                    Default::default(),
                )
                .await
                .unwrap();
            sent.await.unwrap();
        }
        for number in 0..100_u8 {
            let delivery = consumer.next().await.unwrap().unwrap();
            assert_eq!(delivery.data, [number]);
            delivery.ack(BasicAckOptions::default()).await.unwrap();
        }
        assert_only_reveille("lapin");
        connection.close(200, "done".into()).await.unwrap();
    });
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the broker is outside of the runtime")]
fn lapin_reports_a_broker_that_hangs_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // The connection ends before the broker's first frame.
    let broker = std::thread::spawn(move || listener.accept().map(drop));
    let address = format!("amqp://127.0.0.1:{port}/%2f");
    let connection = async_global_executor::block_on(connect_lapin(&address));
    assert!(connection.is_err());
    broker.join().unwrap().unwrap();
    assert_only_reveille("lapin");
}

async fn connect_lapin(address: &str) -> lapin::Result<lapin::Connection> {
    lapin::Connection::connect(address, lapin::ConnectionProperties::default()).await
}

#[test]
fn both_versions_of_the_global_executor_have_the_workers_of_reveille() {
    async fn name() -> Option<String> {
        std::thread::current().name().map(str::to_owned)
    }
    let names = async_global_executor::block_on(async {
        let new = async_global_executor::spawn(name());
        let old = async_global_executor_2::spawn(name());
        let own = reveille::task::spawn(name());
        async_io::Timer::after(Duration::from_millis(1)).await;
        [new.await, old.await, own.await]
    });
    for name in names {
        assert!(name.as_ref().is_some_and(|name| name.starts_with("reveille")), "{name:?}");
    }
    assert!(thread_names().iter().any(|name| name.starts_with("reveille")));
    assert_only_reveille("async-global-executor");
}
