//! The allowlist: the statements that this plugin can send, and the only way to make one. Knows the kinds of failure,
//! and nothing else of the plugin.
//!
//! Templates are data (`templates/*.toml`), each with typed parameters. A value that is not exactly of its parameter's
//! kind is refused, never escaped, so that a rendered statement always has the shape of its template.

mod accessors;
mod allowlist;
mod data;
mod error;
mod path;
mod render;
mod step_failure;
mod time;

pub use self::data::{Param, ParamKind, Template};
pub use self::error::TemplateError;
pub use self::render::Sql;
