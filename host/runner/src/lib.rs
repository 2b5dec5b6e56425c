//! Runs security playbooks whose steps are WebAssembly plugins.
//!
//! A [`Runner`] holds loaded plugins; a [`Playbook`] is parsed from YAML; [`Runner::prepare`] fills in the templates and
//! validates everything before anything is sent; [`Runner::run`] runs the steps and returns a [`RunReport`].
//!
//! A plugin is a component that imports nothing but the contract in `wit/`: it reaches the one origin its step was granted,
//! sees handles in the place of secrets, and is held to [`Limits`]. The library knows nothing of what plugins do.
//!
//! # Embedding
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use playbook_host::{CancellationToken, Engine, Limits, Playbook, RunInputs, Runner, Secrets};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // Once for each process: connections and compiled plugins are shared by all runs.
//! let mut runner = Runner::new(Engine::new(Engine::user_cache_dir().as_deref())?, Limits::default());
//! runner.load("osquery", &std::fs::read("step_osquery.component.wasm")?).await?;
//!
//! // Once for each alert.
//! let playbook = Playbook::parse("triage.yaml", &std::fs::read_to_string("triage.yaml")?)?;
//! let mut inputs = RunInputs::new(Secrets::from_env());
//! inputs.alert = serde_json::json!({"host": "web-01"});
//! let prepared = runner.prepare(playbook, inputs)?;
//! let report = runner.run(prepared, CancellationToken::new(), Arc::new(|event| println!("{event:?}"))).await;
//! println!("{:?}", report.status);
//! # Ok(())
//! # }
//! ```
//!
//! # Where things are
//!
//! | module | |
//! |---|---|
//! | [`language`] | what an author writes |
//! | [`run`] | runs: prepared, planned, executed, recorded, replayed |
//! | [`poll`] | connectors, sinks, state |
//! | [`testing`] | tests of playbooks |
//! | [`views`] | reports for people |
//! | [`sandbox`] | plugins |
//! | [`net`] | what calls may reach |
//! | [`secrets`] | secrets, their handles, the redactor |
//! | [`text`] | sources, diagnostics, schemas |
//! | [`external`] | the crates whose types stand in this API |

mod backoff;
mod clock;
mod definition;
mod file_schema;
pub mod files;
pub mod language;
mod limits;
pub mod net;
pub mod poll;
pub mod run;
mod runner;
pub mod sandbox;
pub mod secrets;
pub mod testing;
pub mod text;
pub mod views;

pub use self::definition::Definition;
pub use self::language::Playbook;
pub use self::limits::Limits;
pub use self::net::Policy;
pub use self::run::{Prepared, RunReport};
pub use self::runner::{RunInputs, Runner};
pub use self::sandbox::Engine;
pub use self::secrets::Secrets;
pub use self::text::Diagnostics;
pub use tokio_util::sync::CancellationToken;

/// The crates whose types stand in this API. A new major version of one of them is a new major version of this crate.
pub mod external {
    pub use futures;
    pub use ipnet;
    pub use jiff;
    pub use secrecy;
    pub use serde_json;
    pub use tokio_util;
    pub use url;
}
