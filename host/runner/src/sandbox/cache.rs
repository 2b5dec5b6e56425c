//! Compiled components on disk, so that a second start does not compile, and what they say of themselves, so that it does not ask.
//!
//! A compiled component is machine code: loading one runs whatever it holds. So the cache is used only if its directory
//! and files belong to this user and nobody else may write to them, and a file's name covers everything that decides
//! whether it fits: the component, the runtime's version and settings, and the CPU's features. A file ends with the BLAKE3
//! digest of its name and the rest, which tells one that was damaged or changed places. A key would add nothing: whoever can
//! write as this user could read it, too, and needs no cache to run code.
//!
//! Every start waits for this. The digest is BLAKE3, since SHA-256 of 5 MB takes 20 ms on processors without instructions for it
//! (and 3 ms with them); the file is mapped and not read, so that of its code only what runs is loaded.

#![allow(unsafe_code, reason = "the one place where machine code made earlier is loaded")]

use std::ffi::OsStr;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::clock;

/// How many bytes at the end of an entry are the digest of the others.
const DIGEST: u64 = blake3::OUT_LEN as u64;

/// How the names of compiled components end, and those of descriptions.
const COMPILED: &str = "cwasm";
const DESCRIPTION: &str = "description";

/// How the names of files begin that are being written. One that a crash left is removed like an old entry.
const NEW: &str = ".new-";

/// How many bytes the cache may take.
const MOST: u64 = 512 << 20;

/// A directory of compiled components.
#[derive(Debug, Clone)]
pub(crate) struct CompiledCache {
    dir: PathBuf,
}

impl CompiledCache {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The compiled form of the component with this SHA-256, if it is there and can be trusted.
    pub(crate) fn load(&self, engine: &Engine, sha256: &str) -> Option<Component> {
        let path = self.path(engine, sha256, COMPILED);
        let (file, _) = self.trusted(&path)?;
        // SAFETY: the file and its directory belong to this user and are writable by nobody else, and the file is as `store`
        // wrote it, which never writes to one that has its name. Wasmtime itself refuses one of another version or
        // configuration.
        unsafe { Component::deserialize_file(engine, opened(&file, &path)) }.ok()
    }

    /// What was kept as the description of the component, if it is there and can be trusted.
    pub(crate) fn description(&self, engine: &Engine, sha256: &str) -> Option<Vec<u8>> {
        let (mut file, length) = self.trusted(&self.path(engine, sha256, DESCRIPTION))?;
        let mut description = Vec::new();
        file.rewind().ok()?;
        file.take(length).read_to_end(&mut description).ok()?;
        Some(description)
    }

    /// A file of this cache, and how long it is without its digest, if it is there and can be trusted.
    fn trusted(&self, path: &Path) -> Option<(fs::File, u64)> {
        if !is_private(&fs::symlink_metadata(&self.dir).ok()?) {
            return None;
        }
        if !fs::symlink_metadata(path).ok()?.is_file() {
            return None;
        }
        // What was looked at is what is read: the file, and not its name, is asked whose it is.
        let mut file = fs::File::open(path).ok()?;
        if !is_private(&file.metadata().ok()?) {
            return None;
        }
        let length = file.metadata().ok()?.len().checked_sub(DIGEST)?;
        let mut digest = digest_of(path);
        digest.update_reader((&mut file).take(length)).ok()?;
        let mut stated = [0; blake3::OUT_LEN];
        file.read_exact(&mut stated).ok()?;
        if digest.finalize() != stated {
            return None;
        }
        used(&file);
        Some((file, length))
    }

    /// Keeps the compiled form, and the description. Another process that stores the same at the same moment does no harm.
    pub(crate) fn store(
        &self,
        engine: &Engine,
        sha256: &str,
        component: &Component,
        description: &[u8],
    ) -> io::Result<()> {
        create_private(&self.dir)?;
        if !is_private(&fs::symlink_metadata(&self.dir)?) {
            return Err(io::Error::other("others may write to the cache directory"));
        }
        let compiled = component.serialize().map_err(io::Error::other)?;
        self.write(&self.path(engine, sha256, DESCRIPTION), description)?;
        self.write(&self.path(engine, sha256, COMPILED), &compiled)?;
        self.evict(MOST)
    }

    /// Removes the oldest entries until the rest takes no more than this many bytes. What another process has open stays
    /// usable to it, and what it has removed is not missed.
    fn evict(&self, most: u64) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let Ok(found) = entry.metadata() else { continue };
            if found.is_file() && is_ours(&entry.file_name()) {
                files.push((found.modified()?, found.len(), entry.path()));
            }
        }
        files.sort_unstable();
        let mut size: u64 = files.iter().map(|(_, length, _)| length).sum();
        let mut files = files.into_iter();
        while size > most
            && let Some((_, length, path)) = files.next()
        {
            size -= length;
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(NEW).tempfile_in(&self.dir)?;
        file.write_all(bytes)?;
        file.write_all(digest_of(path).update(bytes).finalize().as_bytes())?;
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    }

    fn path(&self, engine: &Engine, sha256: &str, of: &str) -> PathBuf {
        let mut key = Sha256Hasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut key);
        key.0.update(sha256);
        self.dir.join(format!("{:x}.{of}", key.0.finalize()))
    }
}

/// How often it is noted that an entry is used.
const NOTED: Duration = Duration::from_hours(24);

/// Notes that an entry is used: those that were not for the longest time make room for others.
fn used(file: &fs::File) {
    let now = u64::try_from(clock::now().as_second()).unwrap_or_default();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
    let modified = file.metadata().and_then(|found| found.modified());
    if modified.is_ok_and(|modified| now.duration_since(modified).is_ok_and(|age| age > NOTED)) {
        // An entry that looks old is made again at worst.
        let _ = file.set_modified(now);
    }
}

/// Whether a file of this name is one of the cache's.
fn is_ours(name: &OsStr) -> bool {
    let ends = |ending| Path::new(name).extension().is_some_and(|found| found == ending);
    ends(COMPILED) || ends(DESCRIPTION) || name.as_encoded_bytes().starts_with(NEW.as_bytes())
}

/// The digest of an entry, which begins with its name: one that was put in the place of another does not fit.
fn digest_of(path: &Path) -> blake3::Hasher {
    let mut digest = blake3::Hasher::new();
    digest.update(path.file_name().unwrap_or_default().as_encoded_bytes());
    digest
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

/// A path to a file that is open, whatever has its name by now.
#[cfg(unix)]
fn opened(file: &fs::File, _: &Path) -> PathBuf {
    use std::os::fd::AsRawFd as _;
    Path::new("/dev/fd").join(file.as_raw_fd().to_string())
}

#[cfg(not(unix))]
fn opened(_: &fs::File, path: &Path) -> PathBuf {
    path.to_owned()
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

    /// Names the component: the cache does not ask for its bytes.
    const SHA256: &str = "e3b0c442";

    /// A cache with one component in it, and the path of its entry.
    fn filled() -> (tempfile::TempDir, Engine, CompiledCache, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let cache = CompiledCache::new(dir.path().join("playbook"));
        cache.store(&engine, SHA256, &component(&engine), b"{}").unwrap();
        let path = cache.path(&engine, SHA256, COMPILED);
        assert!(cache.load(&engine, SHA256).is_some());
        (dir, engine, cache, path)
    }

    fn component(engine: &Engine) -> Component {
        Component::new(engine, wat::parse_str("(component)").unwrap()).unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_cache_is_for_the_user_alone() {
        let (_dir, _, cache, path) = filled();
        assert_eq!((mode(&cache.dir), mode(&path)), (0o700, 0o600));
    }

    #[test]
    fn an_entry_that_was_tampered_with_is_not_loaded() {
        let (_dir, engine, cache, path) = filled();
        let whole = fs::read(&path).unwrap();
        let digest = blake3::OUT_LEN;
        for at in [0, whole.len() / 2, whole.len() - digest, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).unwrap();
            assert!(cache.load(&engine, SHA256).is_none(), "the byte {at} was changed");
        }
        for length in [0, digest - 1, digest, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(cache.load(&engine, SHA256).is_none(), "cut to {length} bytes");
        }
        fs::write(&path, &whole).unwrap();
        assert!(cache.load(&engine, SHA256).is_some());
    }

    #[test]
    fn a_description_is_kept_as_it_was_and_not_read_when_it_was_changed() {
        let (_dir, engine, cache, _) = filled();
        assert_eq!(cache.description(&engine, SHA256).as_deref(), Some(&b"{}"[..]));
        let path = cache.path(&engine, SHA256, DESCRIPTION);
        let whole = fs::read(&path).unwrap();
        for (changed, what) in [
            ([b"[]", &whole[2..]].concat(), "other text"),
            (whole[..whole.len() - 1].to_vec(), "cut short"),
            ([&whole[..], b" "].concat(), "longer"),
        ] {
            fs::write(&path, changed).unwrap();
            assert_eq!(cache.description(&engine, SHA256), None, "{what}");
        }
        fs::write(&path, &whole).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).unwrap();
        assert_eq!(cache.description(&engine, SHA256), None, "the group may write to it");
    }

    #[test]
    fn the_oldest_entries_make_room_for_new_ones() {
        let (_dir, engine, cache, path) = filled();
        let other = cache.path(&engine, "ba7816bf", COMPILED);
        cache.store(&engine, "ba7816bf", &component(&engine), b"{}").unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH;
        for of in [COMPILED, DESCRIPTION] {
            let file = fs::File::options()
                .write(true)
                .open(cache.path(&engine, SHA256, of))
                .unwrap();
            file.set_modified(old).unwrap();
        }
        // What is not the cache's own is left alone, and does not count.
        let foreign = cache.dir.join("notes.txt");
        fs::write(&foreign, vec![0; 1 << 20]).unwrap();
        let size = |path: &Path| fs::metadata(path).unwrap().len();
        let loaded = cache.load(&engine, SHA256).unwrap();
        cache.evict(size(&other) + 200).unwrap();
        assert!(!path.exists() && other.exists() && foreign.exists());
        assert!(cache.load(&engine, "ba7816bf").is_some() && cache.load(&engine, SHA256).is_none());
        // Whoever has one open keeps it.
        assert!(loaded.serialize().is_ok());
        cache.evict(0).unwrap();
        assert!(!other.exists() && foreign.exists());
    }

    #[test]
    fn an_entry_in_the_place_of_another_is_not_loaded() {
        let (_dir, engine, cache, path) = filled();
        let other = "ba7816bf";
        fs::copy(path, cache.path(&engine, other, COMPILED)).unwrap();
        assert!(cache.load(&engine, other).is_none());
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let (_dir, engine, cache, path) = filled();
        fs::remove_file(&path).unwrap();
        let path = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        assert!(cache.load(&engine, SHA256).is_none());
    }

    #[test]
    fn an_entry_that_others_could_have_written_is_not_loaded() {
        let (dir, engine, cache, path) = filled();
        let loads = || cache.load(&engine, SHA256).is_some();
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        set(&path, 0o620);
        assert!(!loads(), "the group may write to the entry");
        set(&path, 0o602);
        assert!(!loads(), "everybody may write to the entry");
        set(&path, 0o600);
        set(&cache.dir, 0o770);
        assert!(!loads(), "the group may write to the directory");
        assert!(cache.store(&engine, SHA256, &component(&engine), b"{}").is_err());
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
