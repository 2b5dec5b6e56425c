//! Changes to the state that a connector has remembered.

use serde::Serialize;

use crate::contract::Change;

/// Returns the change that remembers a value.
pub(crate) fn remember(key: String, value: &impl Serialize) -> Change {
    let value = serde_json::to_string(value).expect("remembered values are plain maps with text keys");
    Change {
        key,
        value: Some(value),
    }
}

/// Returns the change that forgets a key.
pub(crate) fn forget(key: String) -> Change {
    Change { key, value: None }
}
