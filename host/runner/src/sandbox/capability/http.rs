//! Requests to the granted origin.

use reqwest::Method;
use wasmtime::component::{Accessor, HasSelf};

use super::patience;
use crate::net::egress::{Request, RequestBody, Response};
use crate::sandbox::bindings::playbook::plugin::{http, types};
use crate::sandbox::call_state::{CallState, lower, waiting};
use crate::sandbox::transcript::{NetworkFailureKind, WireError};

impl types::Host for CallState {}

impl http::Host for CallState {}

impl<T: Send> http::HostWithStore<T> for HasSelf<CallState> {
    async fn send(
        accessor: &Accessor<T, Self>,
        request: http::Request,
    ) -> wasmtime::Result<Result<http::Response, http::Failure>> {
        let _waiting = waiting(accessor)?;
        let wire = accessor.with(|mut access| access.get().wire.clone());
        Ok(match wire.send(asked(request)).await {
            Ok(mut response) => {
                lower(accessor, response.held.take());
                Ok(answered(response))
            }
            Err(error) => Err(failure(error)?),
        })
    }
}

/// A request as the plugin wants it.
pub(crate) fn asked(request: http::Request) -> Request {
    Request {
        method: match request.method {
            http::Method::Get => Method::GET,
            http::Method::Post => Method::POST,
            http::Method::Put => Method::PUT,
            http::Method::Patch => Method::PATCH,
            http::Method::Delete => Method::DELETE,
        },
        path: request.path,
        headers: pairs(request.headers),
        body: request.body.map(|body| match body {
            http::Body::Json(json) => RequestBody::Json(json),
            http::Body::Form(fields) => RequestBody::Form(pairs(fields)),
        }),
        timeout: patience(request.timeout_ms),
        repeatable: request.repeatable,
        capture: request.capture,
    }
}

/// An answer as the plugin gets it.
pub(crate) fn answered(response: Response) -> http::Response {
    let headers = response.headers.into_iter();
    http::Response {
        status: response.status,
        headers: headers.map(|(name, value)| http::Field { name, value }).collect(),
        body: response.body,
    }
}

pub(crate) fn pairs(fields: Vec<http::Field>) -> Vec<(String, String)> {
    fields.into_iter().map(|field| (field.name, field.value)).collect()
}

/// A failure as the plugin sees it. One that no plugin may handle ends the call.
pub(crate) fn failure(error: WireError) -> wasmtime::Result<http::Failure> {
    use http::FailureKind;
    if matches!(error, WireError::Unrecorded(_)) {
        return Err(wasmtime::Error::new(error));
    }
    let kind = match error.kind() {
        NetworkFailureKind::InvalidRequest => FailureKind::InvalidRequest,
        NetworkFailureKind::Denied => FailureKind::Denied,
        NetworkFailureKind::Resolve => FailureKind::Resolve,
        NetworkFailureKind::Connect => FailureKind::Connect,
        NetworkFailureKind::Tls => FailureKind::Tls,
        NetworkFailureKind::Timeout => FailureKind::Timeout,
        NetworkFailureKind::Interrupted => FailureKind::Interrupted,
        NetworkFailureKind::TooLarge => FailureKind::TooLarge,
    };
    Ok(http::Failure {
        kind,
        message: error.to_string(),
    })
}
