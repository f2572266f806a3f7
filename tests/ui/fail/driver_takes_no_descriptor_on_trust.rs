//! If the driver kept the number of a closed descriptor, the number could belong to another file.
//! So registering one requires `unsafe`.
//~ error[E0133]: call to unsafe function
//~ source.register(
//~ source.op(

use std::os::fd::AsFd;
use std::sync::Arc;

use reveille_driver::{Driver, Kind, Source};

fn main() -> std::io::Result<()> {
    let shard = Arc::new(Driver::new(Kind::default())?);
    let source = Source::new();
    let stream = std::net::TcpListener::bind("127.0.0.1:0")?;
    source.register(stream.as_fd(), &shard)?;
    source.op(stream.as_fd(), || Ok(Arc::clone(&shard)));
    drop(stream);
    Ok(())
}
