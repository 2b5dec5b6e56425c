//! Text that people write: playbooks, alerts, files of secrets; and what is wrong with it.
//!
//! A [`Source`] is a named text. What is wrong with one is a [`Diagnostic`] with a [`Code`], a place and a hint;
//! [`Diagnostics`] renders them as a compiler would. A [`Schema`] is a JSON Schema whose problems become diagnostics.
//! [`visible`] makes what could drive a terminal visible.
//!
//! ```
//! use playbook_host::Playbook;
//!
//! let problems = Playbook::parse("triage.yaml", "steps: [{id: ask}]").unwrap_err();
//! assert!(problems.render(false).contains("triage.yaml"));
//! ```

pub(crate) mod diagnostic;
pub(crate) mod document;
pub(crate) mod json;
pub(crate) mod outline;
pub(crate) mod reading;
pub(crate) mod scalar_span;
pub(crate) mod schema;
pub(crate) mod source;
pub(crate) mod url;
pub(crate) mod visible;
pub(crate) mod weight;
pub(crate) mod yaml_error;

pub use self::diagnostic::{Code, Diagnostic, Diagnostics, ExampleKind, Explanation, FlatDiagnostic, Related};
pub use self::schema::{PLUGIN_SCHEMA, Role, Schema, SchemaProblem};
pub use self::source::Source;
pub use self::url::{without_credentials, without_userinfo};
pub use self::visible::{visible, visible_json};
