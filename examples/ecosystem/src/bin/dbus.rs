//! zbus 6: a service on the session bus, and a client that calls it.
//!
//! `for_zbus.rs` has the runtime that both connections take. `DBUS_SESSION_BUS_ADDRESS` has the
//! address of the bus; `dbus-run-session -- cargo run --bin dbus` starts one.

use reveille_ecosystem::for_zbus::Reveille;
use zbus::connection::Builder;

struct Greeter;

#[zbus::interface(name = "org.example.Greeter")]
impl Greeter {
    fn greet(&self, name: &str) -> String {
        format!("hello, {name}")
    }
}

#[reveille::main]
async fn main() -> zbus::Result<()> {
    let session = || Builder::session().runtime(Reveille);
    let service = session().serve_at("/greeter", Greeter).name("org.example.Greeter");
    let service = service.build().await?;
    let client = session().build().await?;
    let answer = client
        .call_method(
            Some("org.example.Greeter"),
            "/greeter",
            Some("org.example.Greeter"),
            "Greet",
            &"reveille",
        )
        .await?;
    let text: String = answer.body().deserialize()?;
    assert_eq!(text, "hello, reveille");
    println!("{text}, over {}", service.unique_name().expect("the bus has named us"));
    client.close().await?;
    service.close().await
}
