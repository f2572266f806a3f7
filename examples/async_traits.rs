//! Async methods in traits.
//!
//! A trait can have async methods. Each implementation has its own future type, without a name, and
//! callers are generic over the trait. Two points need care:
//!
//! * To spawn a method's future, it must be `Send`. The trait requires that with
//!   `fn .. -> impl Future + Send`.
//! * The futures of the implementations differ in size, so the trait has no trait objects. Use a
//!   second trait that returns a boxed future.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use reveille::task;

/// A weather station, for callers on the same thread.
trait Station {
    async fn temperature(&self) -> f64;

    /// A provided method can await the other methods.
    async fn describe(&self) -> &'static str {
        if self.temperature().await > 20.0 { "warm" } else { "cold" }
    }
}

struct Roof {
    sensor: f64,
}

impl Station for Roof {
    async fn temperature(&self) -> f64 {
        // The future borrows `self` and keeps the borrow across the await.
        task::sleep(Duration::from_millis(5)).await;
        self.sensor
    }
}

struct Cellar;

impl Station for Cellar {
    async fn temperature(&self) -> f64 {
        11.5
    }
}

async fn warmest(a: &impl Station, b: &impl Station) -> f64 {
    a.temperature().await.max(b.temperature().await)
}

/// A store whose futures can be spawned. The trait has the bound; implementations still write
/// `async fn`.
trait Store: Send + Sync + 'static {
    fn load(&self, key: u32) -> impl Future<Output = String> + Send;
}

struct Memory;

impl Store for Memory {
    async fn load(&self, key: u32) -> String {
        task::yield_now().await;
        format!("value {key}")
    }
}

async fn load_both<S: Store>(store: &'static S) -> (String, String) {
    let first = task::spawn(store.load(1));
    let second = task::spawn(store.load(2));
    (first.await, second.await)
}

/// A [`Station`] behind a pointer. Each call allocates, because the future's type is not known.
trait AnyStation {
    fn temperature(&self) -> Pin<Box<dyn Future<Output = f64> + '_>>;
}

impl<T: Station> AnyStation for T {
    fn temperature(&self) -> Pin<Box<dyn Future<Output = f64> + '_>> {
        Box::pin(Station::temperature(self))
    }
}

fn main() {
    static MEMORY: Memory = Memory;

    task::block_on(async {
        let roof = Roof { sensor: 24.5 };
        println!("warmest: {}", warmest(&roof, &Cellar).await);
        println!(
            "the roof is {}, the cellar is {}",
            roof.describe().await,
            Cellar.describe().await
        );
        println!("spawned: {:?}", load_both(&MEMORY).await);

        let stations: [Box<dyn AnyStation>; 2] = [Box::new(roof), Box::new(Cellar)];
        for station in &stations {
            println!("behind a pointer: {}", station.temperature().await);
        }
    });
}
