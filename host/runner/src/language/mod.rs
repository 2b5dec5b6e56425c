//! What an author writes: playbooks with their steps, conditions, lists, variables and templates.
//!
//! ```
//! use playbook_host::language::parse_alert;
//! use playbook_host::text::Source;
//!
//! let alert = parse_alert(Source::new("alert.json", r#"{"host": "web-01"}"#))?;
//! assert_eq!(alert["host"], "web-01");
//! # Ok::<(), playbook_host::Diagnostics>(())
//! ```

pub(crate) mod alert;
pub(crate) mod condition;
pub(crate) mod flow;
pub(crate) mod for_each;
pub(crate) mod params;
pub(crate) mod playbook;
pub(crate) mod references;
pub(crate) mod render;
mod resolving;
pub(crate) mod step;
pub(crate) mod vars;

pub use self::alert::parse_alert;
pub use self::playbook::{Playbook, PlaybookName};
pub use self::render::secret_names;
