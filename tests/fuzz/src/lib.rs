//! Everything that reads texts from outside, as functions of bytes.
//!
//! A fuzzer calls them with inputs that it makes up (`fuzzers/`), a test with those in `seeds/` and `regressions/`. Each
//! asserts more than that nothing panics: what was read keeps what its module promises.
//!
//! With a nightly compiler and `cargo install cargo-fuzz`, from the workspace's root:
//!
//! ```sh
//! cd tests/fuzz
//! mkdir -p corpus/playbook
//! cargo +nightly fuzz run --fuzz-dir . --features libfuzzer playbook corpus/playbook seeds/playbook -- -timeout=10
//! ```
//!
//! What it finds goes to `regressions/` under the fuzzer's name, once it is mended.

mod addresses;
mod files;
mod polls;
mod printing;
mod provenance;
mod queries;
mod schemas;
mod script;
mod statements;

pub use addresses::address;
pub use files::{alert, connector, load_plugin, playbook, secrets};
pub use polls::{fleet_polls, osctrl_polls};
pub use printing::printing;
pub use provenance::provenance;
pub use queries::{fleet_queries, osctrl_queries, websocket_frames};
pub use schemas::plugin_schema;
pub use statements::{params, sql_tables, template_params};

/// A function that reads bytes from outside.
pub type Target = fn(&[u8]);

/// All of them, by the names of their fuzzers.
pub const TARGETS: [(&str, Target); 16] = [
    ("address", address),
    ("alert", alert),
    ("connector", connector),
    ("fleet_polls", fleet_polls),
    ("fleet_queries", fleet_queries),
    ("osctrl_polls", osctrl_polls),
    ("osctrl_queries", osctrl_queries),
    ("params", params),
    ("playbook", playbook),
    ("plugin_schema", plugin_schema),
    ("printing", printing),
    ("provenance", provenance),
    ("secrets", secrets),
    ("sql_tables", sql_tables),
    ("template_params", template_params),
    ("websocket_frames", websocket_frames),
];
