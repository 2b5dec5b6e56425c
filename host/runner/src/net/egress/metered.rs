//! A connection whose bytes are counted from when they are read until the message that they belong to is taken.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::{Exhausted, InFlight, Traffic};

/// How much room is made at once, in bytes.
const CHUNK: usize = 64 << 10;

/// What was read of a message that is not complete.
#[derive(Debug, Clone)]
pub(super) struct MessageMeter(Arc<Mutex<Counted>>);

#[derive(Debug)]
struct Counted {
    held: InFlight,
    read: usize,
}

/// A connection that reads no faster than there is room for what it reads.
pub(super) struct Metered<S> {
    connection: S,
    meter: MessageMeter,
    traffic: Traffic,
    growing: Option<Growing>,
}

/// Makes room for more.
type Growing = Pin<Box<dyn Future<Output = Result<InFlight, Exhausted>> + Send>>;

impl<S> fmt::Debug for Metered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Metered").field(&self.meter).finish()
    }
}

impl<S> Metered<S> {
    pub(super) fn new(connection: S, traffic: Traffic) -> (Self, MessageMeter) {
        let held = traffic.nothing();
        let meter = MessageMeter(Arc::new(Mutex::new(Counted { held, read: 0 })));
        let metered = Self {
            connection,
            meter: meter.clone(),
            traffic,
            growing: None,
        };
        (metered, meter)
    }

    /// Waits until there is room for what is read next.
    fn room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Exhausted>> {
        loop {
            if let Some(growing) = &mut self.growing {
                let grown = ready!(growing.as_mut().poll(cx));
                self.growing = None;
                self.meter.counted().held.join(grown?);
            }
            let counted = self.meter.counted();
            if counted.held.bytes() > counted.read {
                return Poll::Ready(Ok(()));
            }
            drop(counted);
            let mut more = self.traffic.nothing();
            self.growing = Some(Box::pin(async move {
                more.grow(CHUNK).await?;
                Ok(more)
            }));
        }
    }
}

impl MessageMeter {
    /// A message was taken. Returns the room that it takes; what was read of the next is little.
    pub(super) fn taken(&self) -> InFlight {
        let mut counted = self.counted();
        counted.read = 0;
        counted.held.take()
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.room(cx)).map_err(io::Error::other)?;
        let before = into.filled().len();
        ready!(Pin::new(&mut self.connection).poll_read(cx, into))?;
        // That may be more than there is room for, by no more than the buffer of the protocol.
        self.meter.counted().read += into.filled().len() - before;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }
}
