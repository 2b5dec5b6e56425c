//! What a plugin remembers from earlier calls.

use wasmtime::component::{Accessor, HasSelf};

use crate::sandbox::bindings::playbook::plugin::state;
use crate::sandbox::call_state::{CallState, waiting};
use crate::sandbox::store::{Forgotten, blocking};

impl state::Host for CallState {}

impl<T: Send> state::HostWithStore<T> for HasSelf<CallState> {
    async fn get(accessor: &Accessor<T, Self>, keys: Vec<String>) -> wasmtime::Result<Vec<Option<String>>> {
        let _waiting = waiting(accessor)?;
        let remembered = accessor.with(|mut access| access.get().remembered.clone());
        // A store that cannot be read ends the call: without it, everything would look new.
        match blocking(move || remembered.get(&keys)).await {
            Ok(found) => Ok(found),
            Err(Forgotten::Quota(quota)) => Err(wasmtime::Error::new(quota)),
            Err(Forgotten::Store(error)) => Err(wasmtime::Error::new(error)),
        }
    }

    async fn entries(
        accessor: &Accessor<T, Self>,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Vec<state::Entry>> {
        let _waiting = waiting(accessor)?;
        let remembered = accessor.with(|mut access| access.get().remembered.clone());
        let found = blocking(move || remembered.entries(&prefix, after.as_deref(), limit))
            .await
            .map_err(wasmtime::Error::new)?;
        Ok(found
            .into_iter()
            .map(|(key, value)| state::Entry { key, value })
            .collect())
    }
}
