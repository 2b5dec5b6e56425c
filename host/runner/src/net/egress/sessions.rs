//! What is known of the logins that calls share.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::{EgressError, Response};
use crate::net::origin::Origin;
use crate::net::policy::Policy;
use crate::net::tls::Tls;
use crate::text::document::Unique;

/// How many logins are remembered, and how many users; the oldest go first.
const MOST: usize = 256;

/// How many bytes the answers to them may have together.
const MOST_BYTES: usize = 8 << 20;

/// For how long a login that the server refused is not sent again: a few of them lock a user out.
const REFUSED_FOR: Duration = Duration::from_secs(30);

/// The sessions that calls share: those of a run, of a connector while it is polled, or of one check.
///
/// Clones are the same sessions. A call gets a session only if its login is the one that began it, credentials included, and
/// goes to the same origin with the same TLS settings under the same policy.
#[derive(Clone, Default)]
pub struct Sessions(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    users: Vec<Arc<User>>,
    logins: VecDeque<(LoginKey, Arc<Login>)>,
}

/// The hash of something that is secret.
pub(super) type Fingerprint = [u8; 32];

/// What two logins have in common that are the same.
#[derive(Clone)]
pub(super) struct LoginKey {
    pub(super) origin: Origin,
    pub(super) tls: Tls,
    pub(super) policy: Arc<Policy>,
    /// Of all that is sent, values of secrets included, and of where tokens are expected.
    pub(super) sent: Fingerprint,
}

/// A user of a server, who logs in once at a time.
pub(super) struct User {
    origin: Origin,
    name: Fingerprint,
    /// Held while a login is under way.
    turn: tokio::sync::Mutex<()>,
    /// How many logins have ended.
    ended: AtomicU64,
}

/// How a login ended.
pub(super) struct Login {
    pub(super) outcome: Result<LoginAnswer, EgressError>,
    tokens: Vec<SecretString>,
    /// Which of the user's logins it was.
    number: u64,
    ended: Instant,
}

/// An answer as it came, with the tokens in it.
pub(super) struct LoginAnswer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl PartialEq for LoginKey {
    fn eq(&self, other: &Self) -> bool {
        self.sent == other.sent
            && self.origin == other.origin
            && Arc::ptr_eq(&self.policy, &other.policy)
            && self.tls == other.tls
    }
}

impl Sessions {
    /// The user of this name at a server.
    pub(super) fn user(&self, origin: &Origin, name: Fingerprint) -> Arc<User> {
        let mut known = self.known();
        let found = known
            .users
            .iter()
            .find(|user| user.name == name && user.origin == *origin);
        if let Some(user) = found {
            return user.clone();
        }
        if known.users.len() >= MOST {
            // Somebody waits for the others.
            known.users.retain(|user| Arc::strong_count(user) > 1);
        }
        let user = Arc::new(User {
            origin: origin.clone(),
            name,
            turn: tokio::sync::Mutex::default(),
            ended: AtomicU64::new(0),
        });
        known.users.push(user.clone());
        user
    }

    /// How a login ended the last time.
    pub(super) fn login(&self, key: &LoginKey) -> Option<Arc<Login>> {
        let known = self.known();
        let found = known.logins.iter().find(|(known, _)| known == key);
        found.map(|(_, login)| login.clone())
    }

    /// Remembers how a login ended.
    pub(super) fn remember(&self, key: &LoginKey, login: Arc<Login>) {
        let mut known = self.known();
        known.logins.retain(|(known, _)| known != key);
        known.logins.push_back((key.clone(), login));
        let mut bytes: usize = known.logins.iter().map(|(_, login)| login.size()).sum();
        while known.logins.len() > 1 && (known.logins.len() > MOST || bytes > MOST_BYTES) {
            bytes -= known.logins.pop_front().map_or(0, |(_, oldest)| oldest.size());
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl User {
    /// How many of the user's logins have ended.
    pub(super) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Acquire)
    }

    /// Waits until nobody else logs the user in.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Counts a login that has ended, while it is still this one's turn.
    pub(super) fn ends(&self) -> u64 {
        self.ended.fetch_add(1, Ordering::AcqRel) + 1
    }
}

impl Login {
    pub(super) fn new(outcome: Result<Response, EgressError>, capture: &[String], number: u64) -> Self {
        let outcome = outcome.map(|answer| LoginAnswer {
            status: answer.status,
            headers: answer.headers,
            body: Zeroizing::new(answer.body),
        });
        Self {
            tokens: outcome
                .as_ref()
                .map_or_else(|_| Vec::new(), |answer| answer.tokens(capture)),
            outcome,
            number,
            ended: Instant::now(),
        }
    }

    /// Whether the server gave a token.
    pub(super) fn is_session(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// Whether the server gave this token.
    pub(super) fn gave(&self, token: &str) -> bool {
        self.tokens.iter().any(|known| known.expose_secret() == token)
    }

    /// Whether a login that did not become a session stands for another: for one that waited for it, since this many of the
    /// user's logins had ended, or for one that the server would refuse as well.
    pub(super) fn stands(&self, since: u64) -> bool {
        let refused = match &self.outcome {
            // Without a token a success is none: there may be a second factor to ask for.
            Ok(answer) => matches!(answer.status, 200..=299 | 400..=499) && !matches!(answer.status, 408 | 425 | 429),
            Err(_) => false,
        };
        self.number > since || refused && self.ended.elapsed() < REFUSED_FOR
    }

    fn size(&self) -> usize {
        let fields = |headers: &[(String, String)]| headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.outcome.as_ref().map_or(0, |answer| {
            let headers: usize = fields(&answer.headers);
            answer.body.len() + headers
        })
    }
}

impl LoginAnswer {
    /// The tokens at these pointers, if the login has succeeded.
    fn tokens(&self, pointers: &[String]) -> Vec<SecretString> {
        if !(200..300).contains(&self.status) {
            return Vec::new();
        }
        let Ok(Unique(mut answer)) = serde_json::from_slice(&self.body) else {
            return Vec::new();
        };
        let mut tokens = Vec::new();
        for pointer in pointers {
            if let Some(Value::String(token)) = answer.pointer_mut(pointer).map(Value::take)
                && !token.is_empty()
            {
                tokens.push(SecretString::from(token));
            }
        }
        tokens
    }
}

/// The hash of parts that stay apart.
pub(super) fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Fingerprint {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sessions").field(&self.known().logins.len()).finish()
    }
}
