//! The `step-osquery` plugin as a WebAssembly component, built by this crate's build script.

/// The component's bytes. What it imports, exports and provides is shown by `playbook plugin inspect`.
pub const COMPONENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/step_osquery.component.wasm"));

/// Its SHA-256, in hexadecimal.
pub const SHA256: &str = include_str!(concat!(env!("OUT_DIR"), "/step_osquery.component.wasm.sha256"));
