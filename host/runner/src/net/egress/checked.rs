//! Requests as they leave: checked, and with values in the place of handles.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::zeroize::Zeroizing;
use serde::de::IgnoredAny;

use super::{EgressError, GrantedServer, Request, RequestBody, answer};
use crate::secrets::{Escaping, Vault};

/// Header fields that decide where a message goes or how it is framed. They are the host's.
pub(super) const HOST_HEADERS: [&str; 14] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "proxy-authenticate",
    "expect",
    "accept-encoding",
    "content-encoding",
];

/// A request that has been checked and holds values.
///
/// Ours are zeroed; the copies that the client makes of header fields and bodies to send them are beyond reach.
pub(super) struct CheckedRequest {
    pub(super) url: url::Url,
    pub(super) headers: HeaderMap,
    /// The type of the body, and the body.
    pub(super) body: Option<(&'static str, Zeroizing<String>)>,
}

impl GrantedServer {
    pub(super) fn check(&self, request: &Request) -> Result<CheckedRequest, EgressError> {
        if request.capture.len() > answer::MOST_POINTERS {
            return Err(EgressError::InvalidRequest("too many tokens to capture".into()));
        }
        let body = |body: &RequestBody| Ok::<_, EgressError>((body.content_type(), self.body(body)?));
        Ok(CheckedRequest {
            url: self.url(&request.path)?,
            headers: self.headers(&request.headers)?,
            body: request.body.as_ref().map(body).transpose()?,
        })
    }

    pub(super) fn url(&self, path: &str) -> Result<url::Url, EgressError> {
        let invalid = |why: &str| EgressError::InvalidRequest(format!("invalid request path: {why}"));
        if !path.starts_with('/') {
            return Err(invalid("it must begin with `/`"));
        }
        if !is_encoded(path) {
            return Err(invalid("it must be percent-encoded"));
        }
        if Vault::contains_handle(path) {
            return Err(invalid("a secret must not stand in a URL"));
        }
        self.origin.join(path).map_err(|e| invalid(&e.to_string()))
    }

    pub(super) fn headers(&self, fields: &[(String, String)]) -> Result<HeaderMap, EgressError> {
        let mut headers = HeaderMap::with_capacity(fields.len());
        for (name, value) in fields {
            let invalid = |why: &str| EgressError::InvalidRequest(format!("header `{}` {why}", name.escape_debug()));
            let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid("has no valid name"))?;
            let reserved = HOST_HEADERS.contains(&field.as_str()) || field.as_str().starts_with("sec-");
            if reserved {
                return Err(invalid("belongs to the host and cannot be set by a plugin"));
            }
            let revealed = self.reveal(value, Escaping::Plain)?;
            let mut value = HeaderValue::from_str(&revealed).map_err(|_| {
                invalid("has a value that no header can have (a line break, perhaps at the end of a secret)")
            })?;
            value.set_sensitive(true);
            headers.append(field, value);
        }
        Ok(headers)
    }

    fn body(&self, body: &RequestBody) -> Result<Zeroizing<String>, EgressError> {
        match body {
            RequestBody::Json(json) => self.json(json),
            RequestBody::Form(fields) => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                for (name, value) in fields {
                    form.append_pair(name, &self.reveal(value, Escaping::Plain)?);
                }
                Ok(form.finish().into())
            }
        }
    }

    /// A JSON document with values in the place of handles, which can stand in its strings only.
    pub(super) fn json(&self, json: &str) -> Result<Zeroizing<String>, EgressError> {
        match serde_json::from_str::<IgnoredAny>(json) {
            Ok(_) => self.reveal(json, Escaping::Json),
            Err(_) => Err(EgressError::InvalidRequest("what is sent as JSON is not JSON".into())),
        }
    }

    pub(super) fn reveal(&self, text: &str, escaping: Escaping) -> Result<Zeroizing<String>, EgressError> {
        let revealed = self.secrets.reveal(text, escaping, &self.origin.to_string());
        revealed.map_err(EgressError::Handle)
    }
}

/// Whether a path has nothing that parsers read in different ways.
pub(super) fn is_encoded(path: &str) -> bool {
    !path.contains(['\\', '#']) && !path.chars().any(|c| c.is_whitespace() || c.is_control())
}
