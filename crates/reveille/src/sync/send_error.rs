//! What the errors of the channels' `send` share.

/// Implements [`Error`](std::error::Error) for the type `SendError<T>` of a module, whatever the
/// value in it is. `$text` is the message.
macro_rules! impl_send_error {
    ($text:literal) => {
        impl<T> std::fmt::Debug for SendError<T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct("SendError").finish_non_exhaustive()
            }
        }

        impl<T> std::fmt::Display for SendError<T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad($text)
            }
        }

        impl<T> std::error::Error for SendError<T> {}
    };
}
pub(super) use impl_send_error;
