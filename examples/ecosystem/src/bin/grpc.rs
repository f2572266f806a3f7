//! tonic: a gRPC server and a client over reveille-hyper, without a runtime of tokio.
//!
//! The server is tonic's router, which is one of axum, on `serve_axum`. The client is tonic's
//! channel with reveille's executor and connector. The service is that of tonic-health; one that
//! tonic-prost-build has generated goes in the same places.
//!
//! What waits in tonic itself uses tokio's timers, and needs the feature `tokio1`: limits set by
//! `Request::set_timeout` and `Endpoint::timeout`, and `tonic::transport::Server`.
//! `reveille::future::timeout` around a call works.

use std::error::Error;
use std::time::Duration;

use reveille::future::timeout;
use reveille::net::TcpListener;
use reveille::{signal, task};
use reveille_hyper::{ReveilleConnector, ReveilleExecutor, serve_axum};
use tonic::Code;
use tonic::service::Routes;
use tonic::transport::Endpoint;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

#[reveille::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (reporter, service) = tonic_health::server::health_reporter();
    reporter.set_service_status("shop", ServingStatus::Serving).await;
    let router = Routes::new(service).into_axum_router();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = serve_axum(listener, router)
        .with_graceful_shutdown(async { signal::ctrl_c().await.expect("signals can be received") });
    let serving = task::spawn(server.into_future());

    let channel = Endpoint::try_from(format!("http://{address}"))?
        .executor(ReveilleExecutor)
        .connect_with_connector(ReveilleConnector)
        .await?;
    let mut client = HealthClient::new(channel);
    let question = HealthCheckRequest { service: "shop".to_owned() };
    let answer = timeout(Duration::from_secs(10), client.check(question)).await??;
    assert_eq!(answer.get_ref().status, i32::from(ServingStatus::Serving as u8));
    println!("the shop is {:?}", answer.get_ref().status());

    let unknown = HealthCheckRequest { service: "bakery".to_owned() };
    let error = client.check(unknown).await.expect_err("there is no such service");
    assert_eq!(error.code(), Code::NotFound);

    // A stream: the status now, and each change.
    let question = HealthCheckRequest { service: "shop".to_owned() };
    let mut changes = client.watch(question).await?.into_inner();
    assert!(changes.message().await?.is_some());
    reporter.set_service_status("shop", ServingStatus::NotServing).await;
    let change = changes.message().await?.expect("the status has changed");
    println!("the shop is {:?}", change.status());
    serving.cancel().await;
    Ok(())
}
