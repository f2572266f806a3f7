//! lapin: a message through a queue of RabbitMQ, by async-rs.
//!
//! `for_async_rs.rs` has the runtime kit, which serves any crate that is written against async-rs.
//! `AMQP_ADDR` has the address of the server, such as `amqp://127.0.0.1:5672/%2f`.

use std::error::Error;

use lapin::options::{BasicAckOptions, BasicConsumeOptions, QueueDeclareOptions};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use reveille::prelude::*;
use reveille_ecosystem::for_async_rs::Reveille;

#[reveille::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::var("AMQP_ADDR")?;
    let options = ConnectionProperties::default();
    let connection = Connection::connect_with_runtime(&address, options, Reveille.into()).await?;
    let channel = connection.create_channel().await?;
    let queue = QueueDeclareOptions { auto_delete: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("recipe".into(), queue, Default::default()).await?;
    let options = BasicConsumeOptions::default();
    let mut consumer =
        channel.basic_consume("recipe".into(), "me".into(), options, Default::default()).await?;
    let properties = BasicProperties::default();
    let sent = channel
        .basic_publish("".into(), "recipe".into(), Default::default(), b"hello", properties)
        .await?;
    sent.await?;
    let delivery = consumer.next().await.expect("the consumer is open")?;
    delivery.ack(BasicAckOptions::default()).await?;
    assert_eq!(delivery.data, b"hello");
    println!("a message went through {address}");
    connection.close(200, "done".into()).await?;
    Ok(())
}
