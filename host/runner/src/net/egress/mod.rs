//! Everything that leaves for the network goes through here.
//!
//! A call is granted one [`Origin`]; its [`Egress`] can reach nothing else, and redirects are followed inside it only.
//! Secret handles become values at the last moment, in the request that is sent, and answers lose what the plugin asked to
//! capture.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_ENCODING, HeaderMap, LOCATION};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::limits::{Arrived, CONNECTION, CallBudget, InFlight, Limits};
use crate::net::origin::Origin;
use crate::net::policy::Policy;
use crate::net::tls::Tls;
use crate::secrets::CallSecrets;

mod answer;
mod checked;
mod error;
mod frame;
mod login;
mod metered;
mod network;
mod repetition;
mod sessions;
mod socket;

pub(crate) use self::answer::concealed;
use self::checked::{CheckedRequest, is_encoded};
pub(crate) use self::error::{EgressError, GrantRefused, root_cause};
use self::network::Client;
pub use self::network::Network;
pub use self::sessions::Sessions;
pub(crate) use self::socket::LiveSocket;

/// How much room is made at once for an answer that is being read, in bytes.
const CHUNK: usize = 64 << 10;

/// How many redirects of a request are followed.
const REDIRECTS: usize = 5;

/// Header fields of answers that are credentials.
const COOKIES: [&str; 2] = ["set-cookie", "set-cookie2"];

/// What a call may reach.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Grant {
    /// The only origin.
    pub origin: Origin,
    /// How the connection is secured.
    pub tls: Tls,
}

impl Grant {
    /// A grant for one origin.
    pub fn new(origin: Origin, tls: Tls) -> Self {
        Self { origin, tls }
    }
}

/// What a request carries.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// A JSON document.
    Json(String),
    /// The fields of a form, not encoded yet.
    Form(Vec<(String, String)>),
}

impl RequestBody {
    fn content_type(&self) -> &'static str {
        match self {
            Self::Json(_) => "application/json",
            Self::Form(_) => "application/x-www-form-urlencoded",
        }
    }
}

/// A request as the plugin wants it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<RequestBody>,
    pub(crate) timeout: Duration,
    pub(crate) repeatable: bool,
    pub(crate) capture: Vec<String>,
}

impl Request {
    /// The bytes of its texts.
    fn size(&self) -> usize {
        let fields =
            |fields: &[(String, String)]| fields.iter().map(|(name, value)| 64 + name.len() + value.len()).sum();
        let body: usize = match &self.body {
            Some(RequestBody::Json(json)) => json.len(),
            Some(RequestBody::Form(form)) => fields(form),
            None => 0,
        };
        let capture: usize = self.capture.iter().map(|pointer| 32 + pointer.len()).sum();
        let headers: usize = fields(&self.headers);
        self.path.len() + headers + body + capture
    }
}

/// An answer.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The room that the body takes, until the plugin has it.
    pub(crate) held: Option<InFlight>,
}

impl fmt::Debug for Response {
    // It can hold tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Response").field(&self.status).finish()
    }
}

/// The network as one call sees it: the granted origin and nothing else.
#[derive(Debug, Clone)]
pub(crate) struct Egress(Arc<GrantedServer>);

#[derive(Debug)]
struct GrantedServer {
    client: Client,
    origin: Origin,
    secrets: CallSecrets,
    /// The sessions that the call shares with others.
    sessions: Sessions,
    policy: Arc<Policy>,
    tls: Tls,
    /// Whether the call has had a token renewed that the server refused.
    renewed: AtomicBool,
    connections: Arc<Semaphore>,
    budget: CallBudget,
    body_limit: usize,
    header_limit: usize,
    request_limit: u32,
    /// How many requests were made, repetitions included.
    requests: AtomicU32,
    /// When the call is dropped whatever happens; waiting for a retry beyond it is pointless.
    ends: Instant,
    /// How many messages that must not be sent twice the server may have acted on.
    acts: AtomicUsize,
}

impl Egress {
    /// The network for a call that ends at a moment. Fails if the policy refuses the origin.
    pub(crate) fn new(
        network: &Network,
        grant: &Grant,
        secrets: CallSecrets,
        sessions: &Sessions,
        limits: &Limits,
        budget: &CallBudget,
        ends: Instant,
    ) -> Result<Self, GrantRefused> {
        network.policy().check(&grant.origin)?;
        Ok(Self(Arc::new(GrantedServer {
            client: network.client(&grant.tls, grant.origin.host())?,
            origin: grant.origin.clone(),
            secrets,
            sessions: sessions.clone(),
            policy: network.shared_policy(),
            tls: grant.tls.clone(),
            renewed: AtomicBool::new(false),
            connections: Arc::new(Semaphore::new(limits.connections)),
            budget: budget.clone(),
            body_limit: limits.body,
            header_limit: limits.headers,
            request_limit: limits.requests,
            requests: AtomicU32::new(0),
            ends,
            acts: AtomicUsize::new(0),
        })))
    }

    /// Sends a request and reads the whole answer, repeating where that is safe.
    pub(crate) async fn send(&self, request: Request) -> Result<Response, EgressError> {
        self.0.send(request).await
    }

    /// Returns the answer to a login: an earlier one, or that of this request.
    pub(crate) async fn open_session(
        &self,
        user: &str,
        login: Request,
        refused: Option<&str>,
    ) -> Result<Response, EgressError> {
        self.0.open_session(user, login, refused).await
    }

    /// Opens a websocket.
    pub(crate) async fn connect(
        &self,
        path: &str,
        headers: &[(String, String)],
        timeout: Duration,
    ) -> Result<LiveSocket, EgressError> {
        LiveSocket::open(&self.0, path, headers, timeout).await
    }

    /// Whether the server may have acted on something that must not be sent twice.
    pub(crate) fn acted(&self) -> bool {
        self.0.acts.load(Ordering::Relaxed) > 0
    }
}

/// One of the connections of a call, and what it takes besides what is sent and received.
#[derive(Debug)]
struct ConnectionSlot {
    _permit: OwnedSemaphorePermit,
    _buffers: InFlight,
}

impl GrantedServer {
    async fn send(&self, request: Request) -> Result<Response, EgressError> {
        let _held = self.arrived(request.size())?;
        let checked = self.check(&request)?;
        let answer = self.exchanges(&checked, &request).await?;
        self.concealed(answer, &request.capture)
    }

    /// Sends a request as often as it takes, and returns the answer as it came.
    async fn exchanges(&self, checked: &CheckedRequest, request: &Request) -> Result<Response, EgressError> {
        let mut delays = repetition::delays();
        let mut deadline = None;
        // What a login makes is a session, and every attempt has its own.
        let acts = !request.repeatable && request.capture.is_empty();
        loop {
            // Not held while waiting for the next attempt: others can use it.
            let connection = self.connection().await?;
            // The time that a request may take does not begin before its turn.
            let deadline = *deadline.get_or_insert_with(|| self.ends.min(Instant::now() + request.timeout));
            self.count()?;
            // Counted beforehand: a request that is dropped under way may have arrived.
            self.acts.fetch_add(usize::from(acts), Ordering::Relaxed);
            // Many requests wait for a connection: only those that have one need the room for what follows.
            let outcome = Box::pin(self.exchange(checked, request, deadline)).await;
            drop(connection);
            if repetition::was_refused(&outcome) {
                self.acts.fetch_sub(usize::from(acts), Ordering::Relaxed);
            }
            let Some(hint) = repetition::may_repeat(&outcome, request.repeatable) else {
                return outcome;
            };
            let Some(delay) = delays.next() else { return outcome };
            let delay = delay.max(hint);
            if Instant::now() + delay >= deadline {
                return outcome;
            }
            tracing::debug!(path = %request.path, ?delay, "repeating a request");
            tokio::time::sleep(delay).await;
        }
    }

    /// Waits for one of the connections that the call may have at once.
    async fn connection(&self) -> Result<ConnectionSlot, EgressError> {
        let permit = self.connections.clone().acquire_owned().await;
        let mut buffers = self.budget.traffic().nothing();
        buffers.grow(CONNECTION).await?;
        Ok(ConnectionSlot {
            _permit: permit.expect("the semaphore is never closed"),
            _buffers: buffers,
        })
    }

    /// Counts what the plugin wants to send, or refuses it.
    fn arrived(&self, bytes: usize) -> Result<Arrived, EgressError> {
        // It is there as the plugin wrote it, with values in it, and as it is sent.
        Ok(self.budget.traffic().arrived(bytes.saturating_mul(3))?)
    }

    /// Counts a request before it is made.
    fn count(&self) -> Result<(), EgressError> {
        let limit = self.request_limit;
        let made = self
            .requests
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |made| {
                (made < limit).then(|| made + 1)
            });
        made.map(drop).map_err(|_| EgressError::TooMany { limit })
    }

    /// Refuses an answer with more header fields than allowed.
    fn measure(&self, headers: &HeaderMap) -> Result<(), EgressError> {
        let size: usize = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        if size <= self.header_limit {
            return Ok(());
        }
        Err(EgressError::HeadersTooLarge {
            origin: self.origin.clone(),
            limit: self.header_limit,
        })
    }

    async fn exchange(
        &self,
        checked: &CheckedRequest,
        request: &Request,
        deadline: Instant,
    ) -> Result<Response, EgressError> {
        let exchange = async {
            let mut url = checked.url.clone();
            let mut redirects = 0..REDIRECTS;
            loop {
                let mut builder = self
                    .client
                    .http
                    .request(request.method.clone(), url.clone())
                    .headers(checked.headers.clone());
                if let Some((content_type, body)) = &checked.body {
                    builder = builder.header("content-type", *content_type).body(String::clone(body));
                }
                let response = builder.send().await.map_err(|e| self.failed(e))?;
                match self.redirected(request, &url, &response) {
                    // A request like any other, except that the server asked for it.
                    Some(to) if redirects.next().is_some() => {
                        self.count()?;
                        url = to;
                    }
                    _ => return self.read(response, &request.capture).await,
                }
            }
        };
        tokio::time::timeout_at(deadline, exchange)
            .await
            .unwrap_or_else(|_| Err(self.timed_out()))
    }

    /// Where an answer leads, if it redirects a request that only reads to a path that the plugin itself could ask for.
    fn redirected(&self, request: &Request, from: &url::Url, response: &reqwest::Response) -> Option<url::Url> {
        if request.method != Method::GET || !matches!(response.status().as_u16(), 301 | 302 | 307 | 308) {
            return None;
        }
        let location = response.headers().get(LOCATION)?.to_str().ok()?;
        // A server that puts a token into an address would have it in the logs of all that stands between.
        if !is_encoded(location) || self.secrets.redactor().redact(location) != location {
            return None;
        }
        let to = from.join(location).ok()?;
        (Origin::of_url(&to).ok()? == self.origin).then_some(to)
    }

    async fn read(&self, mut response: reqwest::Response, capture: &[String]) -> Result<Response, EgressError> {
        self.measure(response.headers())?;
        let status = response.status().as_u16();
        // What the client could decode it did, and removed the field. In anything else no value would be found.
        let encoding = response.headers().get(CONTENT_ENCODING);
        let encoded = encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
        let headers = response
            .headers()
            .iter()
            // Cookies are credentials that no plugin asked for.
            .filter(|(name, _)| !COOKIES.contains(&name.as_str()))
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let limit = match capture {
            [] => self.body_limit,
            _ => self.body_limit.min(answer::LONGEST_CAPTURING),
        };
        let mut body = Vec::new();
        let mut held = self.budget.traffic().nothing();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.failed(e))? {
            if body.len() + chunk.len() > limit {
                return Err(EgressError::TooLarge {
                    origin: self.origin.clone(),
                    limit,
                });
            }
            // A server that sends faster than there is room waits.
            while held.bytes() < body.len() + chunk.len() {
                held.grow(CHUNK).await?;
            }
            body.extend_from_slice(&chunk);
        }
        if encoded && !body.is_empty() {
            return Err(EgressError::Encoded {
                origin: self.origin.clone(),
            });
        }
        Ok(Response {
            status,
            headers,
            body,
            held: Some(held),
        })
    }

    /// An answer as the plugin may see it.
    fn concealed(&self, answer: Response, capture: &[String]) -> Result<Response, EgressError> {
        concealed(&self.secrets, answer, capture).map_err(|why| EgressError::Captured {
            origin: self.origin.clone(),
            why,
        })
    }

    fn timed_out(&self) -> EgressError {
        EgressError::Timeout {
            origin: self.origin.clone(),
        }
    }

    fn failed(&self, error: reqwest::Error) -> EgressError {
        EgressError::of(error, &self.origin, self.client.proxies)
    }
}

#[cfg(test)]
mod answer_tests;
#[cfg(test)]
mod session_tests;
#[cfg(test)]
mod tests;
