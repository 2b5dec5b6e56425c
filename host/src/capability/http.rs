//! Requests to the granted origin.

use std::time::Duration;

use reqwest::Method;
use wasmtime::component::{Accessor, HasSelf};

use crate::bindings::playbook::plugin::{http, types};
use crate::call::CallState;
use crate::egress::{Body, EgressError, Request};

impl types::Host for CallState {}

impl http::Host for CallState {}

impl<T: Send> http::HostWithStore<T> for HasSelf<CallState> {
    async fn send(
        accessor: &Accessor<T, Self>,
        request: http::Request,
    ) -> wasmtime::Result<Result<http::Response, http::Failure>> {
        let egress = accessor.with(|mut access| access.get().egress.clone());
        let request = Request {
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
                http::Body::Json(json) => Body::Json(json),
                http::Body::Form(fields) => Body::Form(pairs(fields)),
            }),
            timeout: Duration::from_millis(request.timeout_ms.into()),
            repeatable: request.repeatable,
            capture: request.capture,
        };
        Ok(match egress.send(request).await {
            Ok(response) => Ok(http::Response {
                status: response.status,
                headers: response
                    .headers
                    .into_iter()
                    .map(|(name, value)| http::Field { name, value })
                    .collect(),
                body: response.body,
            }),
            Err(error) => Err(failure(&error)),
        })
    }
}

pub(crate) fn pairs(fields: Vec<http::Field>) -> Vec<(String, String)> {
    fields.into_iter().map(|field| (field.name, field.value)).collect()
}

pub(crate) fn failure(error: &EgressError) -> http::Failure {
    use http::FailureKind;
    let kind = match error {
        EgressError::InvalidRequest(_) => FailureKind::InvalidRequest,
        EgressError::Denied | EgressError::Policy(_) | EgressError::TooMany { .. } => FailureKind::Denied,
        EgressError::Resolve { .. } => FailureKind::Resolve,
        EgressError::Connect { .. } => FailureKind::Connect,
        EgressError::Tls { .. } => FailureKind::Tls,
        EgressError::Timeout { .. } => FailureKind::Timeout,
        EgressError::Interrupted { .. } | EgressError::Rejected { .. } => FailureKind::Interrupted,
        EgressError::TooLarge { .. } | EgressError::HeadersTooLarge { .. } => FailureKind::TooLarge,
    };
    http::Failure {
        kind,
        message: error.to_string(),
    }
}
