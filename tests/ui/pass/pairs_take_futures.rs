//! Races, pairs, time limits and tokens accept everything but a borrow of a future.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use reveille::prelude::*;
use reveille::task::{self, CancellationToken};
use reveille::{future, io, stream};

const LONG: Duration = Duration::from_secs(60);

fn parameters<A: Future, B: Future<Output = A::Output>>(
    a: A,
    b: B,
) -> impl Future<Output = A::Output> {
    a.race(b)
}

fn both<A, B, T, E>(a: A, b: B) -> impl Future<Output = Result<(T, T), E>>
where
    A: Future<Output = Result<T, E>>,
    B: Future<Output = Result<T, E>>,
{
    a.try_join(b)
}

async fn either<A, B, T, E>(a: A, b: B) -> Result<T, E>
where
    A: Future<Output = Result<T, E>>,
    B: Future<Output = Result<T, E>>,
{
    a.try_race(b).await
}

async fn limited<F: Future>(future: F) -> Option<F::Output> {
    let token = CancellationToken::new();
    let future = token.run(future.timeout(LONG)).timeout(LONG);
    future::timeout(LONG, future).await.ok()?.ok()?.ok()?.ok()
}

async fn fallible<F, T, E>(future: F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
    E: From<reveille::task::Cancelled>,
{
    CancellationToken::new().try_run(future).await
}

/// A future made by a method of a type parameter.
trait Service {
    type Answer: Future<Output = u8>;

    fn call(&mut self) -> Self::Answer;
}

async fn served<S: Service>(service: &mut S) -> u8 {
    service.call().race(service.call()).timeout(LONG).await.unwrap()
}

struct Echo;

impl Service for Echo {
    type Answer = Pin<Box<dyn Future<Output = u8> + Send>>;

    fn call(&mut self) -> Self::Answer {
        Box::pin(async { 7 })
    }
}

fn boxed<'a>(text: &'a mut String) -> Pin<Box<dyn Future<Output = usize> + Send + 'a>> {
    Box::pin(async { text.len() })
}

struct Number(Option<u8>);

impl Future for Number {
    type Output = u8;

    fn poll(mut self: Pin<&mut Self>, _: &mut task::Context<'_>) -> task::Poll<u8> {
        task::Poll::Ready(self.0.take().unwrap())
    }
}

async fn all() {
    assert_eq!(parameters(async { 1 }, future::pending()).await, 1);
    assert_eq!(both(async { Ok::<_, ()>(1) }, async { Ok(2) }).await, Ok((1, 2)));
    assert_eq!(either(async { Err(()) }, async { Ok(2) }).await, Ok(2));
    assert_eq!(limited(async { 1 }).await, Some(1));
    assert_eq!(fallible(async { io::Result::Ok(1) }).await.unwrap(), 1);
    assert_eq!(served(&mut Echo).await, 7);

    let (mut one, mut two) = (String::from("a"), String::from("bc"));
    assert_eq!(boxed(&mut one).race(boxed(&mut two)).await, 1);
    assert_eq!(boxed(&mut one).join(async { two.push('d') }).await, (1, ()));
    let unpinned: Box<dyn Future<Output = u8> + Unpin + Send> = Box::new(future::ready(1));
    assert_eq!(unpinned.race(future::pending()).await, 1);
    assert_eq!(Box::pin(async { 1 }).race(Number(Some(2))).race(future::ready(3)).await, 1);
    assert_eq!(Number(Some(2)).delay(Duration::ZERO).race(future::pending()).await, 2);

    let mut numbers = stream::from_iter([1, 2]);
    assert_eq!(numbers.next().timeout(LONG).await, Ok(Some(1)));
    assert_eq!(future::timeout(LONG, numbers.next()).await, Ok(Some(2)));
    let mut bytes = &b"abc"[..];
    let mut buffer = [0; 2];
    assert_eq!(io::timeout(LONG, bytes.read(&mut buffer)).await.unwrap(), 2);

    let token = CancellationToken::new();
    assert_eq!(token.run(async { buffer[0] }).await, Ok(b'a'));
    assert_eq!(token.run_until_cancelled(boxed(&mut one)).await, Some(1));
    let child = future::try_scope(async |s| {
        let child = s.spawn(boxed(&mut one));
        s.try_spawn(async { Ok::<_, ()>(()) });
        Ok(child.await)
    });
    assert_eq!(child.await, Ok(1));
    assert_eq!(task::try_scope(async |_| Ok::<_, ()>(1)).await, Ok(1));
    assert_eq!(task::spawn(async { 1 }).by_ref().timeout(LONG).await, Ok(1));
}

fn main() {
    // As a task: all of it is `Send`.
    task::block_on(task::spawn(all()));
}
