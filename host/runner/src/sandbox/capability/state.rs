//! What a plugin remembers from earlier calls.

use wasmtime::component::{Accessor, HasSelf};

use crate::sandbox::bindings::playbook::plugin::state;
use crate::sandbox::call_state::CallState;

impl state::Host for CallState {}

impl<T: Send> state::HostWithStore<T> for HasSelf<CallState> {
    async fn get(accessor: &Accessor<T, Self>, keys: Vec<String>) -> wasmtime::Result<Vec<Option<String>>> {
        let remembered = accessor.with(|mut access| access.get().remembered.clone());
        // A store that cannot be read ends the call: without it, everything would look new.
        remembered.get(&keys).map_err(wasmtime::Error::new)
    }

    async fn entries(
        accessor: &Accessor<T, Self>,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Vec<state::Entry>> {
        let remembered = accessor.with(|mut access| access.get().remembered.clone());
        let found = remembered
            .entries(&prefix, after.as_deref(), limit)
            .map_err(wasmtime::Error::new)?;
        Ok(found
            .into_iter()
            .map(|(key, value)| state::Entry { key, value })
            .collect())
    }
}
