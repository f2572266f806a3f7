//! Replaces `reveille::task::CancellationToken` in the models: the real tree of tokens and its
//! waiters, without deadlines.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::atomic::{AtomicUsize, Ordering};

#[path = "../../../reveille/src/task/token/phase.rs"]
mod phase;
#[path = "../../../reveille/src/task/token/tree.rs"]
mod tree;

use tree::{Node, Waiting};

#[derive(Clone)]
pub(crate) struct CancellationToken {
    node: Arc<Node>,
}

impl CancellationToken {
    pub(crate) fn new() -> CancellationToken {
        CancellationToken { node: Arc::new(Node::root()) }
    }

    pub(crate) fn child(&self) -> CancellationToken {
        CancellationToken { node: self.node.child(None) }
    }

    pub(crate) fn cancel(&self) {
        self.node.cancel();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.node.ended().is_some()
    }

    pub(crate) fn cancelled(&self) -> CancelledFuture {
        CancelledFuture { waiting: Waiting::new(Arc::clone(&self.node)) }
    }

    /// The number of references to the node, including those of its registered children.
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.node)
    }
}

pub(crate) struct CancelledFuture {
    waiting: Waiting,
}

impl CancelledFuture {
    /// Returns whether it is ready. If not, the counter will be woken.
    pub(crate) fn poll_with(&mut self, counter: &Arc<Counter>) -> bool {
        self.waiting.poll(&Waker::from(Arc::clone(counter))).is_some()
    }
}

impl Future for CancelledFuture {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.waiting.poll(cx.waker()).map_or(Poll::Pending, |_| Poll::Ready(()))
    }
}

/// The state that a blocking closure and its waiter share.
pub(crate) struct Phase(phase::Phase);

impl Phase {
    pub(crate) fn new() -> Phase {
        Phase(phase::Phase::new())
    }

    pub(crate) fn done(&self) -> bool {
        self.0.done()
    }

    pub(crate) fn leave(&self) -> bool {
        self.0.leave()
    }
}

/// Counts its wakes.
pub(crate) struct Counter(AtomicUsize);

impl Counter {
    pub(crate) fn new() -> Arc<Counter> {
        Arc::new(Counter(AtomicUsize::new(0)))
    }

    pub(crate) fn wakes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
