//! Sessions at the granted origin.

use wasmtime::component::{Accessor, HasSelf};

use super::http::{answered, asked, failure};
use crate::sandbox::bindings::playbook::plugin::{http, session};
use crate::sandbox::call_state::{CallState, lower, waiting};

impl session::Host for CallState {}

impl<T: Send> session::HostWithStore<T> for HasSelf<CallState> {
    async fn open(
        accessor: &Accessor<T, Self>,
        user: String,
        login: http::Request,
        refused: Option<String>,
    ) -> wasmtime::Result<Result<http::Response, http::Failure>> {
        let _waiting = waiting(accessor)?;
        let wire = accessor.with(|mut access| access.get().wire.clone());
        Ok(match wire.open_session(&user, asked(login), refused.as_deref()).await {
            Ok(mut response) => {
                lower(accessor, response.held.take());
                Ok(answered(response))
            }
            Err(error) => Err(failure(error)?),
        })
    }
}
