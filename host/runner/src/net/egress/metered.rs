//! A websocket's connection whose frames are counted from before they are read until the message that they belong to is taken.
//!
//! The websocket library makes room for a whole frame as soon as it knows its length, so the length counts, and not what has
//! come of the frame: a frame is passed on only when the call has room for all of it.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncBufRead as _, AsyncRead, AsyncWrite, BufReader, ReadBuf};

use super::frame::Head;
use crate::limits::{Exhausted, InFlight, Traffic};

/// How much room is made at least, in bytes. Frames that fit in are read ahead.
const CHUNK: usize = 64 << 10;

/// What a frame costs besides its payload, in bytes, so that frames without a payload are not free.
const FRAME: usize = 64;

/// What was read of a message that is not complete.
#[derive(Debug, Clone)]
pub(super) struct MessageMeter(Arc<Mutex<Counted>>);

#[derive(Debug)]
struct Counted {
    held: InFlight,
    read: usize,
    /// How much of that belongs to a message of which the end has not been read.
    unfinished: usize,
}

/// A connection that reads no faster than there is room for what it reads.
pub(super) struct Metered<S> {
    connection: BufReader<S>,
    frame: Frame,
    meter: MessageMeter,
    traffic: Traffic,
    growing: Option<Growing>,
    longest: u64,
}

/// The frame that is being read.
enum Frame {
    /// Its head is read, or it is complete and there is no room for the frame yet.
    Coming(Head),
    /// It is passed on. The head has got to this place.
    Passing { head: Head, passed: usize, left: u64 },
}

/// Makes room for more.
type Growing = Pin<Box<dyn Future<Output = Result<InFlight, Exhausted>> + Send>>;

impl<S> fmt::Debug for Metered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Metered").field(&self.meter).finish()
    }
}

impl<S: AsyncRead> Metered<S> {
    /// Counts what a connection reads. The websocket library refuses frames with a payload of more than `longest` bytes.
    pub(super) fn new(connection: S, traffic: Traffic, longest: usize) -> (Self, MessageMeter) {
        let held = traffic.nothing();
        let meter = MessageMeter(Arc::new(Mutex::new(Counted {
            held,
            read: 0,
            unfinished: 0,
        })));
        let metered = Self {
            connection: BufReader::with_capacity(CHUNK, connection),
            frame: Frame::Coming(Head::default()),
            meter: meter.clone(),
            traffic,
            growing: None,
            longest: longest as u64,
        };
        (metered, meter)
    }
}

impl<S: AsyncRead + Unpin> Metered<S> {
    /// Waits until there is room for a frame, and counts it.
    fn room(&mut self, bytes: usize, head: Head, cx: &mut Context<'_>) -> Poll<Result<(), Exhausted>> {
        loop {
            if let Some(growing) = &mut self.growing {
                let grown = ready!(growing.as_mut().poll(cx));
                self.growing = None;
                self.meter.counted().held.join(grown?);
            }
            let missing = {
                let mut counted = self.meter.counted();
                let missing = counted.missing(bytes);
                if missing == 0 {
                    counted.read += bytes;
                    counted.unfinished += if head.is_control() { 0 } else { bytes };
                    return Poll::Ready(Ok(()));
                }
                missing
            };
            let mut more = self.traffic.nothing();
            self.growing = Some(Box::pin(async move {
                more.grow(missing.max(CHUNK)).await?;
                Ok(more)
            }));
        }
    }

    /// Passes on what can be passed on at once, but waits for the first byte. Whatever was passed on before was taken, or
    /// belongs to the message that is being read: the library reads on only when it has no complete frame left.
    fn pass(&mut self, into: &mut ReadBuf<'_>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        while into.remaining() > 0 {
            let first = into.filled().len() == before;
            match &mut self.frame {
                Frame::Passing { head, passed, .. } if *passed < head.bytes().len() => {
                    let rest = &head.bytes()[*passed..];
                    let fits = rest.len().min(into.remaining());
                    into.put_slice(&rest[..fits]);
                    *passed += fits;
                }
                Frame::Passing { left: 0, .. } => self.finish(),
                Frame::Coming(head) if head.payload().is_some() => {
                    let head = *head;
                    let left = head.payload().unwrap_or_default();
                    if left <= self.longest {
                        let bytes = FRAME.saturating_add(usize::try_from(left).unwrap_or(usize::MAX));
                        if !first && self.meter.counted().missing(bytes) > 0 {
                            break;
                        }
                        ready!(self.room(bytes, head, cx)).map_err(io::Error::other)?;
                    }
                    self.frame = Frame::Passing { head, passed: 0, left };
                }
                // What has come is passed on before more is waited for.
                _ if !first && self.connection.buffer().is_empty() => break,
                frame => {
                    let arrived = ready!(Pin::new(&mut self.connection).poll_fill_buf(cx))?;
                    if arrived.is_empty() {
                        break;
                    }
                    let used = match frame {
                        Frame::Coming(head) => head.read(arrived),
                        Frame::Passing { left, .. } => {
                            let fits = arrived.len().min(into.remaining());
                            let fits = usize::try_from(*left).map_or(fits, |left| fits.min(left));
                            into.put_slice(&arrived[..fits]);
                            *left -= fits as u64;
                            fits
                        }
                    };
                    Pin::new(&mut self.connection).consume(used);
                }
            }
        }
        self.finish();
        Poll::Ready(Ok(()))
    }

    /// Goes on to the next frame if this one was passed on.
    fn finish(&mut self) {
        if let Frame::Passing { head, passed, left: 0 } = &self.frame
            && *passed == head.bytes().len()
        {
            if head.ends_message() {
                self.meter.counted().unfinished = 0;
            }
            self.frame = Frame::Coming(Head::default());
        }
    }
}

impl Counted {
    /// How much room is missing for more bytes.
    fn missing(&self, bytes: usize) -> usize {
        self.read.saturating_add(bytes).saturating_sub(self.held.bytes())
    }
}

impl MessageMeter {
    /// The messages whose ends were read have been taken. Returns the room that they take. Of what was read, only a little can
    /// be a message that is still to be taken: one that arrived with the last of these.
    pub(super) fn taken(&self) -> InFlight {
        let mut counted = self.counted();
        counted.read = counted.unfinished;
        let unfinished = counted.unfinished;
        counted.held.take_but(unfinished)
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.pass(into, cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Metered<S> {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::limits::{CallBudget, Limits};

    fn frame(payload: usize) -> Vec<u8> {
        let mut frame = vec![0x81];
        match payload {
            0..126 => frame.push(payload as u8),
            126..0x1_0000 => {
                frame.push(126);
                frame.extend((payload as u16).to_be_bytes());
            }
            _ => {
                frame.push(127);
                frame.extend((payload as u64).to_be_bytes());
            }
        }
        frame.extend((0..payload).map(|at| at as u8));
        frame
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn frames_pass_unchanged_however_they_are_cut(
            payloads in prop::collection::vec(prop_oneof![0..4_usize, 120..130_usize, 65_530..65_540_usize, 150_000..150_003_usize], 1..12),
            pipe in 1..200_000_usize,
            buffer in 1..200_000_usize,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let sent: Vec<u8> = payloads.iter().flat_map(|payload| frame(*payload)).collect();
                let (mut server, client) = tokio::io::duplex(pipe);
                let budget = CallBudget::alone(&Limits::default());
                let (mut metered, meter) = Metered::new(client, budget.traffic(), 1 << 20);
                let sending = sent.clone();
                let server = tokio::spawn(async move { server.write_all(&sending).await.unwrap() });
                let mut received = Vec::new();
                let mut part = vec![0; buffer];
                while let length @ 1.. = metered.read(&mut part).await.unwrap() {
                    received.extend_from_slice(&part[..length]);
                    let counted = meter.counted();
                    assert!(counted.held.bytes() >= counted.read && counted.read >= received.len());
                }
                server.await.unwrap();
                assert!(received == sent);
                let whole = payloads.iter().map(|payload| payload + FRAME).sum::<usize>();
                assert!(meter.taken().bytes() >= whole);
            });
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_is_passed_on_once_there_is_room_for_all_of_it() {
        let limits = Limits::default();
        let budget = CallBudget::alone(&limits);
        let large = limits.body - FRAME;
        let (mut server, client) = tokio::io::duplex(1024);
        let (mut metered, meter) = Metered::new(client, budget.traffic(), limits.body);
        server.write_all(&frame(3)).await.unwrap();
        server.write_all(&frame(large)[..100]).await.unwrap();
        let mut part = [0; 1024];
        // The small frame comes alone, and is taken.
        assert_eq!(metered.read(&mut part).await.unwrap(), 5);
        drop(meter.taken());
        let mut other = budget.traffic().nothing();
        other.grow(limits.body).await.unwrap();
        let waiting = tokio::time::timeout(Duration::from_secs(5), metered.read(&mut part)).await;
        assert!(waiting.is_err(), "nothing of the large frame before there is room");
        drop(other);
        assert_eq!(metered.read(&mut part).await.unwrap(), 100);
        assert_eq!(meter.counted().read, limits.body);
    }

    #[tokio::test]
    async fn of_a_message_under_way_nothing_is_taken_with_those_before_it() {
        let budget = CallBudget::alone(&Limits::default());
        let (mut server, client) = tokio::io::duplex(1 << 20);
        let (mut metered, meter) = Metered::new(client, budget.traffic(), 1 << 20);
        // A message, the first part of the next, a ping, and the beginning of the second part.
        let part = |code: u8, payload: usize| [&[code], &frame(payload)[1..]].concat();
        let sent = [part(0x81, 100), part(1, 200_000), part(0x89, 3), part(0x80, 300_000)].concat();
        server.write_all(&sent[..sent.len() - 10]).await.unwrap();
        let (mut into, mut read) = (vec![0; 1 << 16], 0);
        while read < sent.len() - 10 {
            read += metered.read(&mut into).await.unwrap();
        }
        let before = meter.taken();
        assert!(before.bytes() <= CHUNK, "{}", before.bytes());
        assert_eq!(meter.counted().held.bytes(), 500_000 + 2 * FRAME);
        server.write_all(&sent[sent.len() - 10..]).await.unwrap();
        metered.read_exact(&mut into[..10]).await.unwrap();
        assert_eq!(meter.taken().bytes(), 500_000 + 2 * FRAME);
    }

    #[tokio::test]
    async fn frames_without_a_payload_are_not_free() {
        let budget = CallBudget::alone(&Limits::default());
        let (mut server, client) = tokio::io::duplex(1 << 20);
        let (mut metered, _meter) = Metered::new(client, budget.traffic(), 1 << 20);
        // Parts of a text that never ends.
        let flood = tokio::spawn(async move { while server.write_all(&[0, 0].repeat(1 << 19)).await.is_ok() {} });
        let mut part = vec![0; 1 << 16];
        let refused = loop {
            if let Err(error) = metered.read(&mut part).await {
                break error;
            }
        };
        assert!(refused.to_string().contains("MiB it may hold at once"), "{refused}");
        drop(metered);
        flood.await.unwrap();
    }
}
