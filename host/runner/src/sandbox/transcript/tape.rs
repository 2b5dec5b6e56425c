//! Writes down what a call says and hears while it is under way.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::time::Instant;

use super::{
    Allowed, Answer, ClockReadings, Conversation, Entry, Exchange, Field, Frame, FrameEvent, Handshake, NetworkFailure,
    RecordedBody, RecordedRequestBody, RecordedResponse, Sleep, Transcript, WireError,
};
use crate::net::egress::{self, Request};
use crate::secrets::{CallSecrets, Masker};

/// The largest body or frame that is kept, in bytes.
const LARGEST: usize = 4 << 20;

/// How much text a call's transcript holds at most, in bytes; what comes after is not written down.
const MOST: usize = 32 << 20;

/// How much text all transcripts of a run hold together at most, in bytes.
const MOST_OF_A_RUN: usize = 64 << 20;

/// How often the clocks are read down, each.
const MOST_READINGS: usize = 100_000;

/// What each entry counts besides its text, in bytes.
const OVERHEAD: usize = 200;

/// Writes down one call. Until it is [finished](Tape::finish) the texts hold handles, and maybe values.
#[derive(Clone)]
pub(crate) struct Tape(Arc<Mutex<Taped>>);

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tape")
    }
}

struct Taped {
    began: Instant,
    transcript: Transcript,
    size: usize,
    /// Those of the call, whose handles are in the texts.
    secrets: Option<CallSecrets>,
    /// What all tapes of a run have left.
    left: Room,
}

/// What the tapes of a run may hold together. Clones are the same room.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<AtomicUsize>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(MOST_OF_A_RUN)))
    }
}

impl Room {
    fn take(&self, bytes: usize) -> bool {
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.is_ok()
    }
}

/// The place of an entry, if it is written down.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket(Option<usize>);

/// Writes down one websocket.
#[derive(Debug, Clone)]
pub(crate) struct SocketTape {
    tape: Tape,
    ticket: Ticket,
}

impl Tape {
    pub(crate) fn new(left: Room) -> Self {
        Self(Arc::new(Mutex::new(Taped {
            left,
            began: Instant::now(),
            transcript: Transcript::default(),
            size: 0,
            secrets: None,
        })))
    }

    /// The call begins, with these secrets.
    pub(crate) fn begin(&self, secrets: CallSecrets) {
        self.taped().secrets = Some(secrets);
    }

    /// The plugin makes a request.
    pub(crate) fn request(&self, request: &Request) -> Ticket {
        let mut taped = self.taped();
        let body = request.body.as_ref().map(|body| RecordedRequestBody::of(body, LARGEST));
        let entry = Exchange {
            began_us: taped.now(),
            ended_us: None,
            method: request.method.to_string(),
            path: request.path.clone(),
            headers: Field::all(&request.headers),
            body,
            timeout_ms: u64::try_from(request.timeout.as_millis()).unwrap_or(u64::MAX),
            repeatable: request.repeatable,
            capture: request.capture.clone(),
            answer: None,
        };
        taped.add(Entry::Http(entry))
    }

    /// The plugin has its answer.
    pub(crate) fn answered(&self, ticket: Ticket, outcome: &Result<egress::Response, WireError>) {
        let mut taped = self.taped();
        let now = taped.now();
        let answer = match outcome {
            Ok(response) => {
                let mut headers = Field::all(&response.headers);
                if !taped.fits(Field::size(&headers)) {
                    taped.transcript.cut = true;
                    headers.clear();
                }
                let body = taped.kept(&response.body);
                Answer::Response(RecordedResponse {
                    status: response.status,
                    headers,
                    body,
                })
            }
            Err(error) => Answer::Failure(failure(error)),
        };
        if let Some(Entry::Http(exchange)) = taped.entry(ticket) {
            exchange.ended_us = Some(now);
            exchange.answer = Some(answer);
        }
    }

    /// The plugin opens a websocket.
    pub(crate) fn socket(&self, path: &str, headers: &[(String, String)]) -> SocketTape {
        let mut taped = self.taped();
        let entry = Conversation {
            began_us: taped.now(),
            ended_us: None,
            path: path.to_owned(),
            headers: Field::all(headers),
            handshake: None,
            frames: Vec::new(),
        };
        let ticket = taped.add(Entry::Websocket(entry));
        drop(taped);
        SocketTape {
            tape: self.clone(),
            ticket,
        }
    }

    /// The plugin begins to wait.
    pub(crate) fn sleep(&self, for_ms: u64) -> Ticket {
        let mut taped = self.taped();
        let entry = Sleep {
            began_us: taped.now(),
            ended_us: None,
            for_ms,
        };
        taped.add(Entry::Sleep(entry))
    }

    /// The plugin has waited.
    pub(crate) fn slept(&self, ticket: Ticket) {
        let mut taped = self.taped();
        let now = taped.now();
        if let Some(Entry::Sleep(sleep)) = taped.entry(ticket) {
            sleep.ended_us = Some(now);
        }
    }

    /// The plugin was told that it is to stop.
    pub(crate) fn stop_asked(&self) {
        let mut taped = self.taped();
        let now = taped.now();
        taped.transcript.stop_asked_us.get_or_insert(now);
    }

    /// The plugin asked what it may use.
    pub(crate) fn allowed(&self, allowed: Allowed) {
        self.taped().transcript.allowed.get_or_insert(allowed);
    }

    /// The plugin looked at a clock.
    pub(crate) fn read(&self, which: impl Fn(&mut ClockReadings) -> &mut Vec<u64>, shown: u64) {
        let mut taped = self.taped();
        if which(&mut taped.transcript.clock).len() >= MOST_READINGS || !taped.fits(size_of::<u64>()) {
            return;
        }
        which(&mut taped.transcript.clock).push(shown);
    }

    /// The transcript, without secrets: to be called when all of them are known.
    pub(crate) fn finish(&self, masker: &Masker) -> Transcript {
        let mut taped = self.taped();
        let mut transcript = std::mem::take(&mut taped.transcript);
        let of_call = taped.secrets.take().map(|secrets| secrets.masker());
        let masker = of_call.as_ref().unwrap_or(masker);
        for entry in &mut transcript.entries {
            mask(entry, masker);
        }
        transcript
    }

    fn taped(&self) -> MutexGuard<'_, Taped> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SocketTape {
    /// What came of the handshake.
    pub(crate) fn opened(&self, outcome: Result<(), &WireError>) {
        let mut taped = self.tape.taped();
        let now = taped.now();
        if let Some(Entry::Websocket(conversation)) = taped.entry(self.ticket) {
            conversation.ended_us = Some(now);
            conversation.handshake = Some(match outcome {
                Ok(()) => Handshake::Open,
                Err(error) => match error.rejected_status() {
                    Some(status) => Handshake::Rejected(status),
                    None => Handshake::Failure(failure(error)),
                },
            });
        }
    }

    /// The plugin sent a text, or could not.
    pub(crate) fn sent(&self, text: &str, outcome: &Result<(), WireError>) {
        match outcome {
            Ok(()) => self.text(text, FrameEvent::Sent),
            Err(error) => self.event(FrameEvent::NotSent(failure(error))),
        }
    }

    /// The plugin was given texts, which have one time, or learned that there will be none.
    pub(crate) fn received(&self, outcome: &Result<Vec<String>, WireError>) {
        match outcome {
            Ok(texts) if texts.is_empty() => self.event(FrameEvent::Ended),
            Ok(texts) => {
                let at_us = self.tape.taped().now();
                for text in texts {
                    let body = self.tape.taped().kept(text.as_bytes());
                    self.event_at(at_us, FrameEvent::Received(body));
                }
            }
            Err(error) => self.event(FrameEvent::Broken(failure(error))),
        }
    }

    /// The plugin closed it.
    pub(crate) fn closed(&self) {
        self.event(FrameEvent::Closed);
    }

    fn text(&self, text: &str, event: impl FnOnce(RecordedBody) -> FrameEvent) {
        let body = self.tape.taped().kept(text.as_bytes());
        self.event(event(body));
    }

    fn event(&self, event: FrameEvent) {
        let at_us = self.tape.taped().now();
        self.event_at(at_us, event);
    }

    fn event_at(&self, at_us: u64, event: FrameEvent) {
        let mut taped = self.tape.taped();
        if !taped.fits(OVERHEAD) {
            taped.transcript.cut = true;
            return;
        }
        if let Some(Entry::Websocket(conversation)) = taped.entry(self.ticket) {
            conversation.frames.push(Frame { at_us, event });
        }
    }
}

impl Taped {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn add(&mut self, entry: Entry) -> Ticket {
        let size = OVERHEAD
            + match &entry {
                Entry::Http(exchange) => {
                    Field::size(&exchange.headers)
                        + exchange.path.len()
                        + exchange.body.as_ref().map_or(0, RecordedRequestBody::size)
                }
                Entry::Websocket(conversation) => Field::size(&conversation.headers) + conversation.path.len(),
                Entry::Sleep(_) => 0,
            };
        if !self.fits(size) {
            self.transcript.cut = true;
            return Ticket(None);
        }
        self.transcript.entries.push(entry);
        Ticket(Some(self.transcript.entries.len() - 1))
    }

    fn entry(&mut self, ticket: Ticket) -> Option<&mut Entry> {
        self.transcript.entries.get_mut(ticket.0?)
    }

    /// Content, unless it is too much for one message or in all.
    fn kept(&mut self, bytes: &[u8]) -> RecordedBody {
        let body = kept(bytes);
        if self.fits(body_size(&body)) {
            body
        } else {
            RecordedBody::Omitted(bytes.len() as u64)
        }
    }

    /// Counts bytes, if there is room for them.
    fn fits(&mut self, bytes: usize) -> bool {
        let fits = self.size + bytes <= MOST && self.left.take(bytes);
        self.size += if fits { bytes } else { 0 };
        fits
    }
}

fn kept(bytes: &[u8]) -> RecordedBody {
    if bytes.len() > LARGEST {
        return RecordedBody::Omitted(bytes.len() as u64);
    }
    RecordedBody::of(bytes)
}

fn body_size(body: &RecordedBody) -> usize {
    match body {
        RecordedBody::Text(text) | RecordedBody::Base64(text) => text.len(),
        RecordedBody::Omitted(_) => 0,
    }
}

fn failure(error: &WireError) -> NetworkFailure {
    NetworkFailure {
        kind: error.kind(),
        message: error.to_string(),
    }
}

/// Takes the secrets out of an entry.
fn mask(entry: &mut Entry, masker: &Masker) {
    let text = |text: &mut String| *text = masker.mask(text);
    let fields = |fields: &mut Vec<Field>| *fields = Field::masked(fields, masker);
    let body = |body: &mut RecordedBody| match body {
        RecordedBody::Text(content) => text(content),
        RecordedBody::Base64(content) => {
            let bytes = STANDARD.decode(&content).unwrap_or_default();
            *content = STANDARD.encode(masker.redactor().redact_bytes(&bytes));
        }
        RecordedBody::Omitted(_) => {}
    };
    match entry {
        Entry::Http(exchange) => {
            text(&mut exchange.path);
            fields(&mut exchange.headers);
            exchange.body = exchange.body.as_ref().map(|body| body.masked(masker));
            exchange.capture.iter_mut().for_each(text);
            match &mut exchange.answer {
                Some(Answer::Response(response)) => {
                    fields(&mut response.headers);
                    body(&mut response.body);
                }
                Some(Answer::Failure(failure)) => text(&mut failure.message),
                None => {}
            }
        }
        Entry::Websocket(conversation) => {
            text(&mut conversation.path);
            fields(&mut conversation.headers);
            if let Some(Handshake::Failure(failure)) = &mut conversation.handshake {
                text(&mut failure.message);
            }
            for frame in &mut conversation.frames {
                match &mut frame.event {
                    FrameEvent::Sent(content) | FrameEvent::Received(content) => body(content),
                    FrameEvent::NotSent(failure) | FrameEvent::Broken(failure) => text(&mut failure.message),
                    FrameEvent::Ended | FrameEvent::Closed => {}
                }
            }
        }
        Entry::Sleep(_) => {}
    }
}
