//! The wish to stop.

use wasmtime::component::{Accessor, HasSelf};

use crate::bindings::playbook::plugin::cancellation;
use crate::call::CallState;

impl cancellation::Host for CallState {}

impl<T: Send> cancellation::HostWithStore<T> for HasSelf<CallState> {
    async fn requested(accessor: &Accessor<T, Self>) -> wasmtime::Result<()> {
        let cancel = accessor.with(|mut access| access.get().cancel.clone());
        cancel.cancelled().await;
        Ok(())
    }
}
