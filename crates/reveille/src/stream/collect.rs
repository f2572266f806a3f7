//! Collecting streams: [`FromStream`] and [`Extend`].
//!
//! Both traits return boxed futures that are `Send`. So `collect` can be awaited in a spawned task,
//! into any collection. Each collection is one line of a macro below: how to create it, how to
//! reserve space, how to add an item.
//!
//! [`Extend`] here is the asynchronous trait. `partition` and `unzip` need std's as well, because
//! they add items one by one, which std's trait does without a box.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use super::shunt::Shunt;
use super::{IntoStream, Stream, StreamExt};

/// A type that can be collected from the items of a stream.
///
/// Used by [`StreamExt::collect`](super::StreamExt::collect). It is implemented for the collections
/// of std, `String`, `PathBuf`, `Box<[T]>`, `Rc<[T]>`, `Arc<[T]>` and `Cow<[T]>`; for `()`, which
/// discards the items; and for `Option` and `Result` of all those, which stop at the first `None`
/// or `Err`.
///
/// # Examples
///
/// ```
/// use reveille::prelude::*;
/// use reveille::stream::{self, FromStream};
/// use reveille::task;
///
/// task::block_on(async {
///     let word = String::from_stream(stream::from_iter(["re", "veille"])).await;
///     assert_eq!(word, "reveille");
/// });
/// ```
pub trait FromStream<T: Send> {
    /// Creates the value from all items of a stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::stream::{self, FromStream};
    /// use reveille::task;
    ///
    /// // A `Result` of a collection: the collection or the first error.
    /// let lines = stream::from_iter([Ok("a"), Err("torn"), Ok("c")]);
    /// let all = task::block_on(Result::<Vec<_>, _>::from_stream(lines));
    /// assert_eq!(all, Err("torn"));
    /// ```
    fn from_stream<'a, S: IntoStream<Item = T> + 'a>(
        stream: S,
    ) -> Pin<Box<dyn Future<Output = Self> + 'a + Send>>
    where
        <S as IntoStream>::IntoStream: Send;
}

/// A collection that the items of a stream can be added to.
///
/// The asynchronous variant of [`std::iter::Extend`]. It is implemented for the same types as
/// [`FromStream`], if they can grow.
///
/// # Cancel safety
///
/// Items that were read before the future was dropped are in the collection.
///
/// # Examples
///
/// ```
/// use reveille::stream::{self, Extend};
/// use reveille::task;
///
/// task::block_on(async {
///     let mut numbers = vec![1, 2];
///     Extend::extend(&mut numbers, stream::from_iter([3, 4])).await;
///     assert_eq!(numbers, [1, 2, 3, 4]);
/// });
/// ```
pub trait Extend<A> {
    /// Adds all items of a stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::stream::{self, Extend};
    /// use std::collections::HashMap;
    ///
    /// // An existing key gets the new value.
    /// let mut ports = HashMap::from([("http", 8080)]);
    /// let news = stream::from_iter([("http", 80), ("https", 443)]);
    /// reveille::task::block_on(Extend::extend(&mut ports, news));
    /// assert_eq!((ports["http"], ports["https"]), (80, 443));
    /// ```
    fn extend<'a, T: IntoStream<Item = A> + 'a>(
        &'a mut self,
        stream: T,
    ) -> Pin<Box<dyn Future<Output = ()> + 'a + Send>>
    where
        <T as IntoStream>::IntoStream: Send;
}

/// Adds all items of a stream to a collection.
///
/// # Cancel safety
///
/// Items that were read before the future was dropped are in the collection.
///
/// # Examples
///
/// ```
/// use reveille::{stream, task};
///
/// task::block_on(async {
///     let mut word = String::from("re");
///     stream::extend(&mut word, stream::from_iter(['v', 'e', 'i', 'l', 'l', 'e'])).await;
///     assert_eq!(word, "reveille");
/// });
/// ```
pub async fn extend<'a, C, T, S>(collection: &mut C, stream: S)
where
    C: Extend<T>,
    S: IntoStream<Item = T> + 'a,
    <S as IntoStream>::IntoStream: Send,
{
    Extend::extend(collection, stream).await;
}

/// Implements both traits for a collection.
///
/// `[generics] Collection: Item, new, |collection, stream| reserve, |collection, item| add`, with
/// the bounds of either trait in front. The stream is converted with `into_stream` before the
/// future is created, because only the stream is known to be `Send`.
macro_rules! collection {
    (
        [$($generics:tt)*] $collection:ty: $item:ty,
        new $new:expr,
        reserve |$room:ident, $hint:ident| $reserve:expr,
        add |$out:ident, $new_item:pat_param| $add:expr
        $(, extend where [$($extend_bounds:tt)*], collect where [$($collect_bounds:tt)*])?
    ) => {
        impl<$($generics)*> $crate::stream::Extend<$item> for $collection
        $(where $($extend_bounds)*)?
        {
            fn extend<'a, S: $crate::stream::IntoStream<Item = $item> + 'a>(
                &'a mut self,
                stream: S,
            ) -> std::pin::Pin<Box<dyn Future<Output = ()> + 'a + Send>>
            where
                <S as $crate::stream::IntoStream>::IntoStream: Send,
            {
                let stream = stream.into_stream();
                let $room = &mut *self;
                let $hint = stream.size_hint().0;
                let () = $reserve;
                Box::pin(stream.for_each(move |$new_item| {
                    let $out = &mut *self;
                    let _ = $add;
                }))
            }
        }

        impl<$($generics)*> $crate::stream::FromStream<$item> for $collection
        $(where $($collect_bounds)*)?
        {
            fn from_stream<'a, S: $crate::stream::IntoStream<Item = $item> + 'a>(
                stream: S,
            ) -> std::pin::Pin<Box<dyn Future<Output = Self> + 'a + Send>>
            where
                <S as $crate::stream::IntoStream>::IntoStream: Send,
            {
                let stream = stream.into_stream();
                Box::pin(async move {
                    let mut collected: $collection = $new;
                    let $room = &mut collected;
                    let $hint = stream.size_hint().0;
                    let () = $reserve;
                    stream
                        .for_each(|$new_item| {
                            let $out = &mut collected;
                            let _ = $add;
                        })
                        .await;
                    collected
                })
            }
        }
    };
}
pub(crate) use collection;

collection!([T: Send] Vec<T>: T, new Vec::new(),
    reserve |out, hint| out.reserve(hint), add |out, item| out.push(item));
collection!([T: Send] VecDeque<T>: T, new VecDeque::new(),
    reserve |out, hint| out.reserve(hint), add |out, item| out.push_back(item));
collection!([T: Send] LinkedList<T>: T, new LinkedList::new(),
    reserve |_out, _hint| (), add |out, item| out.push_back(item));
collection!([T: Ord + Send] BinaryHeap<T>: T, new BinaryHeap::new(),
    reserve |out, hint| out.reserve(hint), add |out, item| out.push(item));
collection!([T: Ord + Send] BTreeSet<T>: T, new BTreeSet::new(),
    reserve |_out, _hint| (), add |out, item| out.insert(item));
collection!([K: Ord + Send, V: Send] BTreeMap<K, V>: (K, V), new BTreeMap::new(),
    reserve |_out, _hint| (), add |out, (key, value)| out.insert(key, value));
collection!([T: Eq + Hash + Send, H: BuildHasher + Default + Send] HashSet<T, H>: T,
    new HashSet::default(),
    reserve |out, hint| out.reserve(new_keys(out.is_empty(), hint)),
    add |out, item| out.insert(item));
collection!(
    [K: Eq + Hash + Send, V: Send, H: BuildHasher + Default + Send] HashMap<K, V, H>: (K, V),
    new HashMap::default(),
    reserve |out, hint| out.reserve(new_keys(out.is_empty(), hint)),
    add |out, (key, value)| out.insert(key, value));
collection!([] (): (), new (), reserve |_out, _hint| (), add |_out, ()| ());

collection!([] String: char, new String::new(),
    reserve |out, hint| out.reserve(hint), add |out, letter| out.push(letter));
collection!(['s] String: &'s char, new String::new(),
    reserve |out, hint| out.reserve(hint), add |out, letter| out.push(*letter));
collection!(['s] String: &'s str, new String::new(),
    reserve |_out, _hint| (), add |out, part| out.push_str(part));
collection!([] String: String, new String::new(),
    reserve |_out, _hint| (), add |out, part| out.push_str(&part));
collection!(['s] String: Cow<'s, str>, new String::new(),
    reserve |_out, _hint| (), add |out, part| out.push_str(&part));

/// How many of `hint` items to reserve space for in a set or map: all in an empty one, half if keys
/// may already be there. At most two reallocations follow.
fn new_keys(is_empty: bool, hint: usize) -> usize {
    if is_empty { hint } else { hint.div_ceil(2) }
}

/// Implements [`FromStream`] for types that a `Vec` converts into.
macro_rules! from_vec {
    ([$($generics:tt)*] $collection:ty, $convert:expr) => {
        impl<$($generics)*> FromStream<T> for $collection {
            fn from_stream<'a, S: IntoStream<Item = T> + 'a>(
                stream: S,
            ) -> Pin<Box<dyn Future<Output = Self> + 'a + Send>>
            where
                <S as IntoStream>::IntoStream: Send,
            {
                let stream = stream.into_stream();
                Box::pin(async move { $convert(Vec::from_stream(stream).await) })
            }
        }
    };
}

from_vec!([T: Send] Box<[T]>, Vec::into_boxed_slice);
from_vec!([T: Send] Rc<[T]>, Rc::from);
from_vec!([T: Send] Arc<[T]>, Arc::from);
from_vec!(['b, T: Clone + Send] Cow<'b, [T]>, Cow::Owned);

impl<T: Send, V> FromStream<Option<T>> for Option<V>
where
    V: FromStream<T>,
{
    fn from_stream<'a, S: IntoStream<Item = Option<T>> + 'a>(
        stream: S,
    ) -> Pin<Box<dyn Future<Output = Self> + 'a + Send>>
    where
        <S as IntoStream>::IntoStream: Send,
    {
        let stream = stream.into_stream();
        Box::pin(async move {
            let mut failure = None;
            let value = V::from_stream(Shunt::of_options(stream, &mut failure)).await;
            failure.is_none().then_some(value)
        })
    }
}

impl<T, E, V> FromStream<Result<T, E>> for Result<V, E>
where
    T: Send,
    E: Send,
    V: FromStream<T>,
{
    fn from_stream<'a, S: IntoStream<Item = Result<T, E>> + 'a>(
        stream: S,
    ) -> Pin<Box<dyn Future<Output = Self> + 'a + Send>>
    where
        <S as IntoStream>::IntoStream: Send,
    {
        let stream = stream.into_stream();
        Box::pin(async move {
            let mut failure = None;
            let value = V::from_stream(Shunt::of_results(stream, &mut failure)).await;
            failure.map_or(Ok(value), Err)
        })
    }
}
