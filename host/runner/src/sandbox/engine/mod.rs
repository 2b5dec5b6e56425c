//! The WebAssembly engine, configured once for all plugins.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::Component;
use wasmtime::{Config, Engine as Wasmtime};

pub use self::compiler::{CompileError, Compiler};
use crate::sandbox::cache::CompiledCache;
use crate::text::visible::visible;

mod compiler;
// It runs the built-in plugin against a simulated server, of which nothing here knows.
#[cfg(test)]
mod guest_memory;

/// What runs plugins, and its version.
pub const RUNTIME: &str = "wasmtime 48.0.8";

/// How often a running plugin is interrupted to look at its CPU budget and to let others run.
const TICK: Duration = Duration::from_millis(10);

/// Stack of a plugin, in bytes. Deeper recursion ends in a typed error.
const STACK: usize = 1 << 20;

/// The longest text about what is wrong with a component, in bytes.
const LONGEST: usize = 500;

/// What a component is called that was compiled elsewhere.
const COMPILING: &str = "compiling";

/// Compiles components, and keeps their compiled form for the next start.
#[derive(Clone)]
pub struct Engine {
    wasmtime: Wasmtime,
    cache: Option<CompiledCache>,
    compiler: Option<Arc<dyn Compiler>>,
}

/// Why the engine could not be made, or a component not compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The runtime refused its configuration, for example on an unsupported CPU.
    #[error("the WebAssembly runtime cannot start: {0}")]
    Config(String),
    /// The thread that interrupts running plugins could not be started.
    #[error("cannot start the plugin timer thread")]
    Timer(#[source] io::Error),
    /// The bytes are not a component that this runtime can compile.
    #[error("not a usable WebAssembly component: {0}")]
    Compile(String),
    /// It was not compiled in the place that compiles.
    #[error(transparent)]
    Compiler(#[from] CompileError),
}

/// The addresses that a process needs in which every memory of a plugin reserves 4 GiB of them, in bytes.
#[cfg(unix)]
const ADDRESSES: u64 = 256 << 30;

/// Whether this process may reserve few addresses, as under `ulimit -v`.
fn addresses_are_short() -> bool {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit};
        getrlimit(Resource::As).current.is_some_and(|most| most < ADDRESSES)
    }
    #[cfg(not(unix))]
    false
}

/// Has plugins check the bounds of their memory, where a reservation would otherwise make that needless.
fn reserve_no_addresses(config: &mut Config) {
    config
        .memory_reservation(0)
        .memory_reservation_for_growth(0)
        .memory_guard_size(0);
}

impl Engine {
    /// An engine that keeps compiled components in `cache_dir`, or nowhere.
    ///
    /// The directory is created private to the user; one that others may write to is not used.
    pub fn new(cache_dir: Option<&Path>) -> Result<Self, EngineError> {
        Self::configured(cache_dir, |_| ())
    }

    /// The same, with something about the runtime that tests want to be otherwise.
    #[expect(
        clippy::disallowed_methods,
        reason = "the timer is a thread, since a runtime may be busy with the plugin"
    )]
    pub(crate) fn configured(cache_dir: Option<&Path>, more: impl FnOnce(&mut Config)) -> Result<Self, EngineError> {
        let mut config = Config::new();
        config.wasm_component_model(true);
        config.wasm_component_model_async(true);
        config.epoch_interruption(true);
        config.max_wasm_stack(STACK);
        // Where in the plugin an instruction comes from: nobody is shown that, and every start would hash it.
        config.generate_address_map(false);
        // Memory is allocated when an instance is made. The pooling allocator saved 0.1 ms of a live query's 3.3 ms, and reserves
        // 4 GiB of addresses for each instance that may be there at once, which not every container grants.
        if addresses_are_short() {
            reserve_no_addresses(&mut config);
        }
        more(&mut config);
        let wasmtime = Wasmtime::new(&config).map_err(|e| EngineError::Config(format!("{e:#}")))?;
        let weak = wasmtime.weak();
        std::thread::Builder::new()
            .name("plugin-timer".into())
            .spawn(move || {
                while let Some(engine) = weak.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::sleep(TICK);
                }
            })
            .map_err(EngineError::Timer)?;
        let cache = cache_dir.map(|dir| CompiledCache::new(dir.to_owned()));
        Ok(Self {
            wasmtime,
            cache,
            compiler: None,
        })
    }

    /// The same engine, for which somebody else compiles.
    #[must_use]
    pub fn with_compiler(self, compiler: Arc<dyn Compiler>) -> Self {
        Self {
            compiler: Some(compiler),
            ..self
        }
    }

    /// Where the `playbook` command keeps compiled components: `playbook` in the user's cache directory.
    pub fn user_cache_dir() -> Option<PathBuf> {
        use etcetera::BaseStrategy as _;
        Some(etcetera::choose_base_strategy().ok()?.cache_dir().join("playbook"))
    }

    pub(crate) fn wasmtime(&self) -> &Wasmtime {
        &self.wasmtime
    }

    /// The compiled form of the component with this SHA-256, if it was [kept](Self::keep).
    pub(crate) fn kept(&self, sha256: &str) -> Option<Component> {
        self.cache.as_ref()?.load(&self.wasmtime, sha256)
    }

    /// What the component said of itself when it was [kept](Self::keep).
    pub(crate) fn kept_description(&self, sha256: &str) -> Option<Vec<u8>> {
        self.cache.as_ref()?.description(&self.wasmtime, sha256)
    }

    /// Compiles a component in this process.
    pub(crate) fn compile_here(&self, bytes: &[u8]) -> Result<Component, EngineError> {
        Component::new(&self.wasmtime, bytes).map_err(|error| {
            // It can repeat what stands in the file.
            let mut shown = visible(&format!("{error:#}")).into_owned();
            shown.truncate(shown.floor_char_boundary(LONGEST));
            EngineError::Compile(shown)
        })
    }

    /// Compiles a component, elsewhere if somebody else compiles for this engine.
    pub(crate) async fn compile(&self, bytes: &[u8]) -> Result<Component, EngineError> {
        let Some(compiler) = &self.compiler else {
            return self.compile_here(bytes);
        };
        let failed = |error: String| EngineError::from(CompileError::Failed(error));
        // Only this user can write there, and so decide what is run.
        let dir = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
        compiler.compile(bytes, dir.path()).await?;
        let compiled = CompiledCache::new(dir.path().to_owned()).load(&self.wasmtime, COMPILING);
        compiled.ok_or_else(|| failed("what it has made is not usable".to_owned()))
    }

    /// Compiles a component into a directory, for an engine like this one: what a [`Compiler`] does.
    pub fn compile_into(&self, component: &[u8], dir: &Path) -> Result<(), EngineError> {
        let compiled = self.compile_here(component)?;
        CompiledCache::new(dir.to_owned())
            .store(&self.wasmtime, COMPILING, &compiled, b"")
            .map_err(|error| CompileError::Failed(error.to_string()).into())
    }

    /// Keeps a compiled component and what it says of itself for the next start. To be called when all of the plugin was
    /// found to be in order.
    pub(crate) fn keep(&self, sha256: &str, component: &Component, description: &[u8]) {
        let Some(cache) = &self.cache else { return };
        // A cache that cannot be written costs the next start some time and nothing else.
        if let Err(error) = cache.store(&self.wasmtime, sha256, component, description) {
            tracing::debug!(%error, "the compiled plugin was not cached");
        }
    }
}
