//! Logging in once for all calls with the same login.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use secrecy::zeroize::Zeroizing;
use tokio::time::Instant;

use super::checked::CheckedRequest;
use super::sessions::{Fingerprint, Login, LoginKey, fingerprint};
use super::{EgressError, GrantedServer, Request, Response};
use crate::secrets::Escaping;

impl GrantedServer {
    /// Returns the answer to a login, which may be that of an earlier one.
    pub(super) async fn open_session(
        &self,
        user: &str,
        login: Request,
        refused: Option<&str>,
    ) -> Result<Response, EgressError> {
        let _held = self.arrived(login.size().saturating_add(user.len()))?;
        if login.capture.is_empty() {
            return Err(EgressError::InvalidRequest(
                "a login captures at least one token".into(),
            ));
        }
        let checked = self.check(&login)?;
        let user = self.reveal(user, Escaping::Plain)?;
        let refused = refused.map(|handle| self.refused_token(handle)).transpose()?;
        let key = LoginKey {
            origin: self.origin.clone(),
            tls: self.tls.clone(),
            policy: self.policy.clone(),
            sent: sent(&user, &checked, &login),
        };
        let deadline = self.ends.min(Instant::now() + login.timeout);
        let ended = self.ended_login(
            &user,
            &key,
            &checked,
            &login,
            refused.as_ref().map(|token| token.as_str()),
        );
        let ended = tokio::time::timeout_at(deadline, Box::pin(ended))
            .await
            .unwrap_or_else(|_| Err(self.timed_out()))?;
        self.answer_of(&ended, &login.capture).await
    }

    /// Returns how the login ended that serves this call, after sending it if there is none.
    async fn ended_login(
        &self,
        user: &str,
        key: &LoginKey,
        checked: &CheckedRequest,
        login: &Request,
        refused: Option<&str>,
    ) -> Result<Arc<Login>, EgressError> {
        let user = self.sessions.user(&self.origin, fingerprint([user.as_bytes()]));
        let since = user.ended();
        // A login ends the user's earlier tokens on some servers, so nobody gets one meanwhile.
        let _turn = user.turn().await;
        if let Some(known) = self.sessions.login(key) {
            let serves = if known.is_session() {
                let is_refused = refused.is_some_and(|token| known.gave(token));
                !is_refused || self.renewed.swap(true, Ordering::Relaxed)
            } else {
                known.stands(since)
            };
            if serves {
                return Ok(known);
            }
        }
        let outcome = self.exchanges(checked, login).await;
        if let Err(error) = &outcome
            && !error.is_of_server()
        {
            return Err(error.clone());
        }
        let ended = Arc::new(Login::new(outcome, &login.capture, user.ends()));
        self.sessions.remember(key, ended.clone());
        Ok(ended)
    }

    /// The answer to a login with this call's handles in it.
    async fn answer_of(&self, login: &Login, capture: &[String]) -> Result<Response, EgressError> {
        let answer = login.outcome.as_ref().map_err(EgressError::clone)?;
        let mut held = self.budget.traffic().nothing();
        held.grow(answer.body.len()).await?;
        let answer = Response {
            status: answer.status,
            headers: answer.headers.clone(),
            body: answer.body.to_vec(),
            held: Some(held),
        };
        self.concealed(answer, capture)
    }

    /// The token that a handle of this call stands for. Of a text that is no handle, nobody must learn whether it is a token.
    fn refused_token(&self, handle: &str) -> Result<Zeroizing<String>, EgressError> {
        if self.secrets.has(handle) {
            return self.reveal(handle, Escaping::Plain);
        }
        let why = "the token that the server refused is not a handle of this call";
        Err(EgressError::InvalidRequest(why.into()))
    }
}

/// The hash of everything in which logins at one server can differ.
fn sent(user: &str, checked: &CheckedRequest, login: &Request) -> Fingerprint {
    let (kind, body) = match &checked.body {
        Some((kind, body)) => (*kind, body.as_str()),
        None => ("", ""),
    };
    let mut parts: Vec<&[u8]> = vec![
        user.as_bytes(),
        login.method.as_str().as_bytes(),
        checked.url.as_str().as_bytes(),
        kind.as_bytes(),
        body.as_bytes(),
    ];
    for pointer in &login.capture {
        parts.push(pointer.as_bytes());
    }
    // A pointer is empty or begins with a slash, which no header's name does.
    for (name, value) in &checked.headers {
        parts.push(name.as_str().as_bytes());
        parts.push(value.as_bytes());
    }
    fingerprint(parts)
}
