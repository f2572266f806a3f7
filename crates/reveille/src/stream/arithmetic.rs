//! Sums and products.

use std::future::Future;
use std::num::Wrapping;
use std::pin::Pin;

use super::shunt::Shunt;
use super::{Stream, StreamExt};

/// A type that can be the sum of the items of a stream.
///
/// Used by [`StreamExt::sum`](super::StreamExt::sum). It is implemented for all numbers, and for
/// `Option` and `Result` of them, which stop at the first `None` or `Err`.
///
/// # Examples
///
/// ```
/// use reveille::prelude::*;
/// use reveille::stream::{self, Sum};
/// use reveille::task;
///
/// task::block_on(async {
///     let total: u32 = Sum::sum(stream::from_iter([&1u32, &2, &3])).await;
///     assert_eq!(total, 6);
/// });
/// ```
pub trait Sum<A = Self>: Sized {
    /// Sums all items of a stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::stream::{self, Sum};
    /// use reveille::task;
    ///
    /// // The sum of optional numbers is optional.
    /// let sum: Option<u32> = task::block_on(Sum::sum(stream::from_iter([Some(1), None])));
    /// assert_eq!(sum, None);
    /// ```
    fn sum<'a, S>(stream: S) -> Pin<Box<dyn Future<Output = Self> + 'a>>
    where
        S: Stream<Item = A> + 'a;
}

/// A type that can be the product of the items of a stream.
///
/// Used by [`StreamExt::product`](super::StreamExt::product). It is implemented for all numbers,
/// and for `Option` and `Result` of them, which stop at the first `None` or `Err`.
///
/// # Examples
///
/// ```
/// use reveille::prelude::*;
/// use reveille::stream::{self, Product};
/// use reveille::task;
///
/// task::block_on(async {
///     let factorial: u32 = Product::product(stream::from_iter([1u32, 2, 3, 4])).await;
///     assert_eq!(factorial, 24);
/// });
/// ```
pub trait Product<A = Self>: Sized {
    /// Multiplies all items of a stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::stream::{self, Product};
    /// use reveille::task;
    ///
    /// // The product of an empty stream is one.
    /// let product: u32 = task::block_on(Product::product(stream::empty::<u32>()));
    /// assert_eq!(product, 1);
    /// ```
    fn product<'a, S>(stream: S) -> Pin<Box<dyn Future<Output = Self> + 'a>>
    where
        S: Stream<Item = A> + 'a;
}

macro_rules! numbers {
    ($zero:expr, $one:expr, $($number:ty)*) => {$(
        numbers!(@one $zero, $one, $number, $number, []);
        numbers!(@one $zero, $one, $number, &'n $number, ['n]);
    )*};
    (@one $zero:expr, $one:expr, $number:ty, $item:ty, [$($lifetime:lifetime)?]) => {
        impl$(<$lifetime>)? Sum<$item> for $number {
            fn sum<'a, S>(stream: S) -> Pin<Box<dyn Future<Output = Self> + 'a>>
            where
                S: Stream<Item = $item> + 'a,
            {
                Box::pin(stream.fold($zero, |sum: $number, item| sum + item))
            }
        }

        impl$(<$lifetime>)? Product<$item> for $number {
            fn product<'a, S>(stream: S) -> Pin<Box<dyn Future<Output = Self> + 'a>>
            where
                S: Stream<Item = $item> + 'a,
            {
                Box::pin(stream.fold($one, |product: $number, item| product * item))
            }
        }
    };
}

macro_rules! integers {
    ($($integer:ty)*) => {
        numbers!(0, 1, $($integer)*);
        numbers!(Wrapping(0), Wrapping(1), $(Wrapping<$integer>)*);
    };
}

integers!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize);
numbers!(0.0, 1.0, f32 f64);

macro_rules! fallible {
    ($trait:ident, $method:ident) => {
        impl<T, U> $trait<Option<U>> for Option<T>
        where
            T: $trait<U>,
        {
            fn $method<'a, S>(stream: S) -> Pin<Box<dyn Future<Output = Option<T>> + 'a>>
            where
                S: Stream<Item = Option<U>> + 'a,
            {
                Box::pin(async move {
                    let mut failure = None;
                    let value = T::$method(Shunt::of_options(stream, &mut failure)).await;
                    failure.is_none().then_some(value)
                })
            }
        }

        impl<T, U, E> $trait<Result<U, E>> for Result<T, E>
        where
            T: $trait<U>,
        {
            fn $method<'a, S>(stream: S) -> Pin<Box<dyn Future<Output = Result<T, E>> + 'a>>
            where
                S: Stream<Item = Result<U, E>> + 'a,
            {
                Box::pin(async move {
                    let mut failure = None;
                    let value = T::$method(Shunt::of_results(stream, &mut failure)).await;
                    failure.map_or(Ok(value), Err)
                })
            }
        }
    };
}

fallible!(Sum, sum);
fallible!(Product, product);
