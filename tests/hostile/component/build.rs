//! Makes a component of `hostile`, in the same way as of the real plugin.

#![allow(
    clippy::disallowed_methods,
    reason = "build scripts are told things through the environment"
)]

use std::path::PathBuf;

use component_build::{Guest, build};

fn main() {
    let guest = Guest {
        package: "hostile",
        inputs: &["tests/hostile/src", "tests/hostile/Cargo.toml"],
        provides: "tests/hostile/provides.json",
        prebuilt: None,
    };
    let shared = std::env::var_os("DEP_STEP_OSQUERY_COMPONENT_GUEST").map(PathBuf::from);
    build(guest, shared.as_deref(), "hostile.component.wasm");
}
