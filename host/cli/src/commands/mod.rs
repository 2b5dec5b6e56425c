//! A file for each subcommand.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod explain;
pub(crate) mod init;
pub(crate) mod man;
pub(crate) mod plugin;
pub(crate) mod poll;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod show;
pub(crate) mod templates;
pub(crate) mod test;
pub(crate) mod validate;
