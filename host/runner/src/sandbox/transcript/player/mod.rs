//! Answers a call from its transcript.
//!
//! A plugin makes its requests at once and in no promised order, so what it asks is found by what it is: method, path and body,
//! with secrets by their names. A websocket is found by its path, and what is said on it by its order.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::virtual_time::VirtualTime;
use super::{
    Allowed, Answer, Entry, Frame, FrameEvent, Handshake, NetworkFailure, NetworkFailureKind, NotKept, RecordedBody,
    RecordedRequestBody, RecordedResponse, Transcript, WireError,
};
use crate::net::egress::{self, Request, concealed};
use crate::secrets::CallSecrets;
use crate::text::visible::visible;

/// A call's server and clock, as they were when it was recorded.
#[derive(Debug, Clone)]
pub(crate) struct Player(Arc<Playing>);

#[derive(Debug)]
struct Playing {
    transcript: Transcript,
    secrets: CallSecrets,
    time: VirtualTime,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The entries that were not asked for yet, by what they are.
    left: HashMap<Key, VecDeque<usize>>,
    /// How often each clock was looked at.
    looked: (usize, usize),
    /// What was asked for and is not in the transcript.
    unrecorded: Option<String>,
}

/// What an entry is.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Key {
    Http {
        method: String,
        path: String,
        body: Option<String>,
    },
    Websocket {
        path: String,
    },
    Sleep {
        for_ms: u64,
    },
}

/// A websocket that says what it said when it was recorded.
#[derive(Debug, Clone)]
pub(crate) struct PlayedSocket {
    player: Player,
    entry: usize,
    /// The next frames to look at, of those sent and of those received.
    next: Arc<Mutex<(usize, usize)>>,
}

impl Player {
    /// A player for a call with these secrets.
    pub(crate) fn new(transcript: Transcript, secrets: CallSecrets) -> Self {
        let mut left: HashMap<Key, VecDeque<usize>> = HashMap::new();
        for (at, entry) in transcript.entries.iter().enumerate() {
            let key = match entry {
                Entry::Http(exchange) => Key::Http {
                    method: exchange.method.clone(),
                    path: exchange.path.clone(),
                    body: exchange.body.as_ref().map(comparable),
                },
                Entry::Websocket(conversation) => Key::Websocket {
                    path: conversation.path.clone(),
                },
                Entry::Sleep(sleep) => Key::Sleep { for_ms: sleep.for_ms },
            };
            left.entry(key).or_default().push_back(at);
        }
        Self(Arc::new(Playing {
            transcript,
            secrets,
            time: VirtualTime::default(),
            state: Mutex::new(State {
                left,
                ..State::default()
            }),
        }))
    }

    /// The secrets of the call.
    pub(crate) fn secrets(&self) -> &CallSecrets {
        &self.0.secrets
    }

    /// The clock that a call must be driven by.
    pub(crate) fn time(&self) -> &VirtualTime {
        &self.0.time
    }

    /// What the plugin asked for that is not in the transcript.
    pub(crate) fn unrecorded(&self) -> Option<String> {
        self.state().unrecorded.clone()
    }

    /// Answers a request as it was answered.
    pub(crate) async fn send(&self, request: &Request) -> Result<egress::Response, WireError> {
        let masker = self.0.secrets.masker();
        let (method, path) = (request.method.to_string(), masker.mask(&request.path));
        let body = request.body.as_ref();
        let body = body.map(|body| comparable(&RecordedRequestBody::of(body, usize::MAX).masked(&masker)));
        let key = Key::Http {
            method: method.clone(),
            path: path.clone(),
            body: body.clone(),
        };
        let Some(Entry::Http(exchange)) = self.take(&key) else {
            return Err(self.refuse(self.unknown(&method, &path, body.as_deref())));
        };
        let (Some(ended), Some(answer)) = (exchange.ended_us, &exchange.answer) else {
            // The plugin did not wait for it then, either.
            return pending().await;
        };
        self.0.time.until(ended).await;
        match answer {
            Answer::Response(RecordedResponse { status, headers, body }) => {
                let bytes = body.bytes().map_err(|NotKept(why)| {
                    self.refuse(format!("{method} {path}: the record has it, but its answer {why}"))
                })?;
                let headers = headers.iter().map(|field| (field.name.clone(), field.value.clone()));
                let answer = egress::Response {
                    status: *status,
                    headers: headers.collect(),
                    body: bytes,
                    held: None,
                };
                // What is no document was given to the plugin as it is when that was safe; a record has no tokens.
                let is_object = answer.body.trim_ascii_start().starts_with(b"{");
                let capture = if is_object { &request.capture[..] } else { &[] };
                concealed(&self.0.secrets, answer, capture).map_err(|why| {
                    self.refuse(format!(
                        "{method} {path}: the record has it, but its answer is withheld: {why}"
                    ))
                })
            }
            Answer::Failure(failure) => Err(WireError::Recorded(failure.clone())),
        }
    }

    /// Opens a websocket as it was opened.
    pub(crate) async fn connect(&self, path: &str) -> Result<PlayedSocket, WireError> {
        let path = self.0.secrets.masker().mask(path);
        let key = Key::Websocket { path: path.clone() };
        let Some((entry, Entry::Websocket(conversation))) = self.take_at(&key) else {
            return Err(self.refuse(format!("a websocket at {path}")));
        };
        let (Some(ended), Some(handshake)) = (conversation.ended_us, &conversation.handshake) else {
            return pending().await;
        };
        self.0.time.until(ended).await;
        match handshake {
            Handshake::Open => Ok(PlayedSocket {
                player: self.clone(),
                entry,
                next: Arc::default(),
            }),
            Handshake::Rejected(status) => Err(WireError::Rejected { status: *status }),
            Handshake::Failure(failure) => Err(WireError::Recorded(failure.clone())),
        }
    }

    /// Waits as long as it waited.
    pub(crate) async fn sleep(&self, for_ms: u64) {
        let began = self.0.time.now();
        let recorded = match self.take(&Key::Sleep { for_ms }) {
            Some(Entry::Sleep(sleep)) => sleep
                .ended_us
                // The plugin went on before, so this comes after all that it went on with.
                .unwrap_or_else(|| sleep.began_us.saturating_add(for_ms.saturating_mul(1_000))),
            _ => began.saturating_add(for_ms.saturating_mul(1_000)),
        };
        self.0.time.until(recorded).await;
    }

    /// Waits until the plugin was asked to stop.
    pub(crate) async fn stop_asked(&self) {
        match self.0.transcript.stop_asked_us {
            Some(moment) => self.0.time.until(moment).await,
            None => pending().await,
        }
    }

    /// What the call was allowed, if that was recorded.
    pub(crate) fn allowed(&self) -> Option<Allowed> {
        self.0.transcript.allowed
    }

    /// Whether the plugin had been asked to stop by now.
    pub(crate) fn stop_was_asked(&self) -> bool {
        let asked = self.0.transcript.stop_asked_us;
        asked.is_some_and(|moment| moment <= self.0.time.now())
    }

    /// What the clock on the wall showed, in milliseconds.
    pub(crate) fn now(&self) -> u64 {
        let mut state = self.state();
        let shown = &self.0.transcript.clock.now_ms;
        let found = shown.get(state.looked.0).copied();
        state.looked.0 += 1;
        // A plugin that looks more often sees it go on from the first time.
        found.unwrap_or_else(|| {
            let passed = self.0.time.now() / 1_000;
            shown.first().copied().unwrap_or_default().saturating_add(passed)
        })
    }

    /// What the clock showed that only goes forward, in milliseconds.
    pub(crate) fn monotonic(&self) -> u64 {
        let mut state = self.state();
        let found = self.0.transcript.clock.monotonic_ms.get(state.looked.1).copied();
        state.looked.1 += 1;
        found.unwrap_or_else(|| self.0.time.now() / 1_000)
    }

    fn take(&self, key: &Key) -> Option<&Entry> {
        self.take_at(key).map(|(_, entry)| entry)
    }

    /// The next entry that is this.
    fn take_at(&self, key: &Key) -> Option<(usize, &Entry)> {
        let at = self.state().left.get_mut(key)?.pop_front()?;
        Some((at, self.0.transcript.entries.get(at)?))
    }

    /// Ends the call: whatever the plugin would make of it, it is not what was recorded.
    fn refuse(&self, what: String) -> WireError {
        self.state().unrecorded.get_or_insert_with(|| what.clone());
        WireError::Unrecorded(what)
    }

    /// Names a request that is not in the transcript, and what is nearest to it there.
    fn unknown(&self, method: &str, path: &str, body: Option<&str>) -> String {
        let mut what = format!("{method} {path}");
        if let Some(body) = body {
            let _ = write!(what, " with the body {}", short(body));
        }
        let others = self.0.transcript.entries.iter().filter_map(|entry| match entry {
            Entry::Http(exchange) => Some(exchange),
            _ => None,
        });
        let same = others.filter(|exchange| exchange.method == method && exchange.path == path);
        match same.count() {
            0 if self.0.transcript.cut => what.push_str("; the transcript was too large to be kept to its end"),
            0 => {}
            1 => what.push_str("; the record has one request to this path, which was made already or has another body"),
            count => {
                let _ = write!(
                    what,
                    "; the record has {count} requests to this path, which were made already or have other bodies"
                );
            }
        }
        visible(&what).into_owned()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PlayedSocket {
    /// Sends a text, which must be the one that was sent.
    pub(crate) async fn send(&self, text: &str) -> Result<(), WireError> {
        let masker = self.player.0.secrets.masker();
        let text = masker.mask(text);
        let is_sending = |event: &FrameEvent| matches!(event, FrameEvent::Sent(_) | FrameEvent::NotSent(_));
        let at = self.find(self.next().0, is_sending);
        let path = self.path();
        let Some(at) = at else {
            let what = format!("another frame on the websocket at {path}: {}", short(&text));
            return Err(self.player.refuse(visible(&what).into_owned()));
        };
        self.next().0 = at + 1;
        let frame = &self.frames()[at];
        let outcome = match &frame.event {
            FrameEvent::Sent(RecordedBody::Text(sent)) if canonical(sent) == canonical(&text) => Ok(()),
            FrameEvent::NotSent(failure) => Err(WireError::Recorded(failure.clone())),
            _ => {
                let what = format!("the frame {} on the websocket at {path}", short(&text));
                Err(self.player.refuse(visible(&what).into_owned()))
            }
        };
        self.player.0.time.until(frame.at_us).await;
        outcome
    }

    /// The texts that were received next, at one time.
    pub(crate) async fn receive(&self, timeout: Duration) -> Result<Vec<String>, WireError> {
        let is_heard = |event: &FrameEvent| {
            matches!(
                event,
                FrameEvent::Received(_) | FrameEvent::Ended | FrameEvent::Broken(_)
            )
        };
        let at = self.find(self.next().1, is_heard);
        let time = &self.player.0.time;
        let Some(at) = at else {
            let waits_us = u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX);
            time.until(time.now().saturating_add(waits_us)).await;
            return Err(WireError::Recorded(NetworkFailure {
                kind: NetworkFailureKind::Timeout,
                message: "nothing more was received".into(),
            }));
        };
        let at_us = self.frames()[at].at_us;
        time.until(at_us).await;
        let mut texts = Vec::new();
        for (at, frame) in self.frames().iter().enumerate().skip(at) {
            match &frame.event {
                event if !is_heard(event) => continue,
                _ if frame.at_us != at_us => break,
                FrameEvent::Received(RecordedBody::Text(text)) => {
                    texts.push(self.player.0.secrets.conceal_text(text.clone()));
                }
                _ if !texts.is_empty() => break,
                FrameEvent::Received(_) => {
                    let what = format!("a frame of the websocket at {}, which was not kept", self.path());
                    return Err(self.player.refuse(what));
                }
                FrameEvent::Broken(failure) => {
                    self.next().1 = at + 1;
                    return Err(WireError::Recorded(failure.clone()));
                }
                _ => {
                    self.next().1 = at + 1;
                    break;
                }
            }
            self.next().1 = at + 1;
        }
        Ok(texts)
    }

    /// Closes it.
    pub(crate) async fn close(&self) {
        let closed = self.find(0, |event| *event == FrameEvent::Closed);
        if let Some(at) = closed {
            self.player.0.time.until(self.frames()[at].at_us).await;
        }
    }

    fn find(&self, from: usize, wanted: impl Fn(&FrameEvent) -> bool) -> Option<usize> {
        let frames = self.frames().iter().enumerate().skip(from);
        let mut found = frames.filter(|(_, frame)| wanted(&frame.event));
        found.next().map(|(at, _)| at)
    }

    fn frames(&self) -> &[Frame] {
        match &self.player.0.transcript.entries[self.entry] {
            Entry::Websocket(conversation) => &conversation.frames,
            _ => &[],
        }
    }

    fn path(&self) -> &str {
        match &self.player.0.transcript.entries[self.entry] {
            Entry::Websocket(conversation) => &conversation.path,
            _ => "",
        }
    }

    fn next(&self) -> MutexGuard<'_, (usize, usize)> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a body as a text that is equal for equal bodies.
fn comparable(body: &RecordedRequestBody) -> String {
    match body {
        RecordedRequestBody::Json(json) => canonical(json),
        RecordedRequestBody::Form(fields) => {
            let fields = fields.iter().map(|field| format!("{}={}", field.name, field.value));
            fields.collect::<Vec<_>>().join("&")
        }
        // No plugin can ask for it.
        RecordedRequestBody::Omitted(_) => String::new(),
    }
}

/// The longest text that is named in full, in bytes.
const LONGEST: usize = 300;

fn short(text: &str) -> String {
    let end = text.floor_char_boundary(LONGEST);
    if end == text.len() {
        return text.to_owned();
    }
    format!("{}…", &text[..end])
}

/// A text by which documents are the same that differ in nothing but the order of their keys and the space between.
fn canonical(text: &str) -> String {
    fn sorted(value: Value) -> Value {
        match value {
            Value::Object(map) => {
                let mut entries: Vec<_> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
                entries.sort_by(|one, other| one.0.cmp(&other.0));
                Value::Object(entries.into_iter().collect())
            }
            Value::Array(items) => items.into_iter().map(sorted).collect(),
            other => other,
        }
    }
    serde_json::from_str(text).map_or_else(|_| text.to_owned(), |value| sorted(value).to_string())
}

#[cfg(test)]
mod tests;
