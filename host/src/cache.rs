//! Compiled components on disk, so that a second start does not compile.
//!
//! A compiled component is machine code: loading one runs whatever it holds. So the cache is used only if its directory
//! and files belong to this user and nobody else may write to them, and a file's name covers everything that decides
//! whether it fits: the component, the runtime's version and settings, and the CPU's features.

#![allow(unsafe_code, reason = "the one place where machine code made earlier is loaded")]

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// A directory of compiled components.
#[derive(Debug, Clone)]
pub(crate) struct CompiledCache {
    dir: PathBuf,
}

impl CompiledCache {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The compiled form of these bytes, if it is there and can be trusted.
    pub(crate) fn load(&self, engine: &Engine, bytes: &[u8]) -> Option<Component> {
        let path = self.path(engine, bytes);
        if !is_private(&self.dir) || !is_private(&path) {
            return None;
        }
        // SAFETY: the file and its directory belong to this user and are writable by nobody else, and every file there
        // was renamed into place whole by `store`. Wasmtime itself refuses a file of another version or configuration.
        unsafe { Component::deserialize_file(engine, &path) }.ok()
    }

    /// Keeps the compiled form. Another process that stores the same at the same moment does no harm.
    pub(crate) fn store(&self, engine: &Engine, bytes: &[u8], component: &Component) -> io::Result<()> {
        create_private(&self.dir)?;
        if !is_private(&self.dir) {
            return Err(io::Error::other("others may write to the cache directory"));
        }
        let compiled = component.serialize().map_err(io::Error::other)?;
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.dir)?;
        file.write_all(&compiled)?;
        file.persist(self.path(engine, bytes)).map_err(|e| e.error)?;
        Ok(())
    }

    fn path(&self, engine: &Engine, bytes: &[u8]) -> PathBuf {
        let mut key = Sha256Hasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut key);
        key.0.update(bytes);
        let name: String = key
            .0
            .finalize()
            .iter()
            .fold(String::new(), |name, b| name + &format!("{b:02x}"));
        self.dir.join(name + ".cwasm")
    }
}

/// Feeds `Hash` values to SHA-256, since 64 bits would not do for a name that must never be mistaken.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        u64::from_le_bytes(digest[..8].try_into().expect("a SHA-256 digest has 32 bytes"))
    }
}

#[cfg(unix)]
fn create_private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(not(unix))]
fn create_private(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

/// Whether this is a real file or directory (no link) of this user's that nobody else may write to.
#[cfg(unix)]
fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(found) = fs::symlink_metadata(path) else {
        return false;
    };
    !found.is_symlink() && found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0
}

#[cfg(not(unix))]
fn is_private(path: &Path) -> bool {
    path.exists()
}
