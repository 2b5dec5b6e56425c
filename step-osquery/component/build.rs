//! Makes a component of `step-osquery`.

use component_build::{Guest, build};

fn main() {
    let guest = Guest {
        package: "step-osquery",
        inputs: &[
            "step-osquery/src",
            "step-osquery/templates",
            "step-osquery/build.rs",
            "step-osquery/Cargo.toml",
            "schemas",
        ],
        provides: "step-osquery/provides.json",
        prebuilt: Some("PLAYBOOK_PLUGIN_COMPONENT"),
    };
    build(guest, None, "step_osquery.component.wasm");
}
