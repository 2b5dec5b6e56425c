//! Compiled components on disk, so that a second start does not compile.
//!
//! A compiled component is machine code: loading one runs whatever it holds. So the cache is used only if its directory
//! and files belong to this user and nobody else may write to them, and a file's name covers everything that decides
//! whether it fits: the component, the runtime's version and settings, and the CPU's features. A file begins with the
//! SHA-256 of the rest, which tells one that was damaged. A key would add nothing: whoever can write as this user could
//! read it, too, and needs no cache to run code.

#![allow(unsafe_code, reason = "the one place where machine code made earlier is loaded")]

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// How many bytes of an entry are the SHA-256 of the others.
const DIGEST: usize = 32;

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
        if !is_private(&fs::symlink_metadata(&self.dir).ok()?) {
            return None;
        }
        let path = self.path(engine, bytes);
        if fs::symlink_metadata(&path).ok()?.is_symlink() {
            return None;
        }
        // What was looked at is what is read: the file, and not its name, is asked whose it is.
        let mut file = fs::File::open(&path).ok()?;
        if !is_private(&file.metadata().ok()?) {
            return None;
        }
        let mut entry = Vec::new();
        file.read_to_end(&mut entry).ok()?;
        let (digest, compiled) = entry.split_at_checked(DIGEST)?;
        if Sha256::digest(compiled).as_slice() != digest {
            return None;
        }
        // SAFETY: the file and its directory belong to this user and are writable by nobody else, and the file is as `store`
        // wrote it. Wasmtime itself refuses one of another version or configuration.
        unsafe { Component::deserialize(engine, compiled) }.ok()
    }

    /// Keeps the compiled form. Another process that stores the same at the same moment does no harm.
    pub(crate) fn store(&self, engine: &Engine, bytes: &[u8], component: &Component) -> io::Result<()> {
        create_private(&self.dir)?;
        if !is_private(&fs::symlink_metadata(&self.dir)?) {
            return Err(io::Error::other("others may write to the cache directory"));
        }
        let compiled = component.serialize().map_err(io::Error::other)?;
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.dir)?;
        file.write_all(&Sha256::digest(&compiled))?;
        file.write_all(&compiled)?;
        file.persist(self.path(engine, bytes)).map_err(|e| e.error)?;
        Ok(())
    }

    fn path(&self, engine: &Engine, bytes: &[u8]) -> PathBuf {
        let mut key = Sha256Hasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut key);
        key.0.update(bytes);
        self.dir.join(format!("{:x}.cwasm", key.0.finalize()))
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
fn is_private(found: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    !found.is_symlink() && found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0
}

#[cfg(not(unix))]
fn is_private(found: &fs::Metadata) -> bool {
    !found.is_symlink()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// A cache with one component in it, the path of its entry, and the component's bytes.
    fn filled() -> (tempfile::TempDir, Engine, CompiledCache, PathBuf, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let bytes = wat::parse_str("(component)").unwrap();
        let component = Component::new(&engine, &bytes).unwrap();
        let cache = CompiledCache::new(dir.path().join("playbook"));
        cache.store(&engine, &bytes, &component).unwrap();
        let path = cache.path(&engine, &bytes);
        assert!(cache.load(&engine, &bytes).is_some());
        (dir, engine, cache, path, bytes)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_cache_is_for_the_user_alone() {
        let (_dir, _, cache, path, _) = filled();
        assert_eq!((mode(&cache.dir), mode(&path)), (0o700, 0o600));
    }

    #[test]
    fn an_entry_that_was_tampered_with_is_not_loaded() {
        let (_dir, engine, cache, path, bytes) = filled();
        let whole = fs::read(&path).unwrap();
        for at in [0, DIGEST, whole.len() / 2, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).unwrap();
            assert!(cache.load(&engine, &bytes).is_none(), "the byte {at} was changed");
        }
        for length in [0, DIGEST - 1, DIGEST, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(cache.load(&engine, &bytes).is_none(), "cut to {length} bytes");
        }
        fs::write(&path, &whole).unwrap();
        assert!(cache.load(&engine, &bytes).is_some());
    }

    #[test]
    fn an_entry_that_others_could_have_written_is_not_loaded() {
        let (dir, engine, cache, path, bytes) = filled();
        let loads = || cache.load(&engine, &bytes).is_some();
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        set(&path, 0o620);
        assert!(!loads(), "the group may write to the entry");
        set(&path, 0o602);
        assert!(!loads(), "everybody may write to the entry");
        set(&path, 0o600);
        set(&cache.dir, 0o770);
        assert!(!loads(), "the group may write to the directory");
        let component = Component::new(&engine, &bytes).unwrap();
        assert!(cache.store(&engine, &bytes, &component).is_err());
        set(&cache.dir, 0o700);
        assert!(loads());
        // Links lead where nobody looked.
        let elsewhere = dir.path().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        assert!(!loads(), "the entry is a link");
        fs::remove_file(&path).unwrap();
        fs::rename(&elsewhere, &path).unwrap();
        fs::rename(&cache.dir, &elsewhere).unwrap();
        symlink(&elsewhere, &cache.dir).unwrap();
        assert!(!loads(), "the directory is a link");
    }
}
