//! The bindings of the contract, and the type that exports it.

wit_bindgen::generate!({ path: "../wit", world: "plugin" });

/// The plugin.
pub(super) struct Component;

export!(Component);
