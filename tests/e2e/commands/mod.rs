//! Commands that make no run of a playbook against a server.

mod any_text;
mod editors;
mod explain;
mod help;
mod offline;
mod playbook_tests;
mod printing;
#[cfg(unix)]
mod stopping;
mod validate;
