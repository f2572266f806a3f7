//! Unix domain sockets. [`UnixListener`](reveille::os::unix::net::UnixListener) is a listener of
//! [`serve`](crate::serve).
//!
//! # Examples
//!
//! ```
//! # #[cfg(feature = "client")] {
//! use reveille_hyper::os::unix::UnixConnector;
//!
//! let docker = UnixConnector::new("/var/run/docker.sock");
//! # drop(docker);
//! # }
//! ```

#[cfg(feature = "client")]
pub use client::UnixConnector;

#[cfg(feature = "client")]
mod client {
    use std::future::Future;
    use std::io;
    use std::path::{Path, PathBuf};
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};

    use hyper::Uri;
    use reveille::os::unix::net::UnixStream;

    use crate::HyperIo;

    /// Connects hyper-util's client to one Unix domain socket. The host in the URI is ignored.
    ///
    /// # Errors
    ///
    /// The error of a connection names the path, as that of `UnixStream::connect` does.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use http_body_util::{BodyExt, Empty};
    /// use hyper::body::Bytes;
    /// use hyper_util::client::legacy::Client;
    /// use reveille_hyper::ReveilleExecutor;
    /// use reveille_hyper::os::unix::UnixConnector;
    ///
    /// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
    /// let connector = UnixConnector::new("/var/run/docker.sock");
    /// let client: Client<_, Empty<Bytes>> = Client::builder(ReveilleExecutor).build(connector);
    /// let response = client.get("http://docker/version".parse()?).await?;
    /// println!("{:?}", response.into_body().collect().await?.to_bytes());
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Debug, Clone)]
    pub struct UnixConnector {
        path: Arc<Path>,
    }

    impl UnixConnector {
        /// Makes a connector to the socket at `path`. It opens nothing yet.
        ///
        /// # Examples
        ///
        /// ```
        /// use reveille_hyper::os::unix::UnixConnector;
        ///
        /// let connector = UnixConnector::new("/run/service.sock");
        /// # drop(connector);
        /// ```
        pub fn new(path: impl Into<PathBuf>) -> UnixConnector {
            UnixConnector { path: path.into().into() }
        }
    }

    impl tower_service::Service<Uri> for UnixConnector {
        type Response = HyperIo<UnixStream>;
        type Error = io::Error;
        type Future = Pin<Box<dyn Future<Output = io::Result<HyperIo<UnixStream>>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Uri) -> Self::Future {
            let path = Arc::clone(&self.path);
            Box::pin(async move { UnixStream::connect(&*path).await.map(HyperIo) })
        }
    }
}

#[cfg(feature = "server")]
mod server {
    use std::future::{self, Ready};
    use std::io;

    use reveille::os::unix::net::{SocketAddr, UnixListener, UnixStream};

    use crate::Listener;

    impl Listener for UnixListener {
        type Io = UnixStream;
        type Addr = SocketAddr;
        type Opening = Ready<io::Result<UnixStream>>;

        async fn accept(&mut self) -> io::Result<(Self::Opening, SocketAddr)> {
            let (stream, address) = UnixListener::accept(self).await?;
            Ok((future::ready(Ok(stream)), address))
        }
    }
}
