//! Plugins: WebAssembly components that import nothing but the contract, each call in an instance of its own.
//!
//! An [`Engine`] compiles plugins and keeps them compiled; a [`Plugin`] describes its [`StepType`]s and [`ConnectorType`]s
//! and is called with a [`StepCall`]. [`Inspection`] reads what a file is without running any of its code.
//!
//! ```no_run
//! use playbook_host::sandbox::Inspection;
//!
//! let bytes = std::fs::read("step.component.wasm")?;
//! println!("{}", Inspection::read(&bytes)?.sha256);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub(crate) mod accounting;
pub(crate) mod bindings;
pub(crate) mod cache;
pub(crate) mod call;
pub(crate) mod call_state;
pub(crate) mod capability;
pub(crate) mod clocks;
pub(crate) mod connection;
pub(crate) mod connector_type;
pub(crate) mod described;
pub(crate) mod engine;
pub(crate) mod event;
pub(crate) mod finding;
pub(crate) mod inspection;
pub(crate) mod pace;
pub(crate) mod plugin;
pub(crate) mod published;
pub(crate) mod quota;
pub(crate) mod step_type;
pub(crate) mod store;
mod structure;
pub mod transcript;
pub(crate) mod wire;

pub use self::accounting::Accounting;
pub use self::call::CallError;
pub use self::connector_type::{ConnectorType, EventFormat, StreamType};
pub use self::engine::{CompileError, Compiler, Engine, EngineError, RUNTIME};
pub use self::event::{CallEvent, CallObserver, LogLevel, Progress};
pub use self::finding::Finding;
pub use self::inspection::{Inspection, InspectionError, Provided, Statement};
pub use self::plugin::{
    CONTRACT, FailureKind, Note, Plugin, PluginError, StepCall, StepFailure, StepOutcome, Unfinished,
};
pub use self::step_type::{StepType, Template, TemplateParam};
