//! Who compiles plugins.
//!
//! A compiler does much work for few bytes, and a hostile component can make it do very much. An engine compiles in its own
//! process unless it is given somebody who does so elsewhere, within limits: the `playbook` command starts itself again.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use futures::future::BoxFuture;

/// Compiles components where it does no harm.
pub trait Compiler: fmt::Debug + Send + Sync {
    /// Compiles a component with [`Engine::compile_into`](super::Engine::compile_into), of an engine like the one that wants
    /// it, into this directory.
    fn compile<'a>(&'a self, component: &'a [u8], into: &'a Path) -> BoxFuture<'a, Result<(), CompileError>>;
}

/// Why a component was not compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The compiler refuses it.
    #[error("{0}")]
    Refused(String),
    /// It takes more memory than allowed.
    #[error("compiling it takes more than {} MiB of memory", limit >> 20)]
    Memory {
        /// The limit, in bytes.
        limit: u64,
    },
    /// It takes longer than allowed.
    #[error("compiling it takes more than {} s", limit.as_secs())]
    Time {
        /// The limit.
        limit: Duration,
    },
    /// The compiler could not be run.
    #[error("the compiler cannot be run: {0}")]
    Failed(String),
}
