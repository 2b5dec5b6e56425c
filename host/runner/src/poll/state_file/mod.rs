//! A store in a file: an embedded database with transactions, which survives being killed at any moment.

use std::io;
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{
    Database, DatabaseError, Durability, ReadableDatabase as _, ReadableTable as _, StorageBackend, TableDefinition,
};

use crate::files;
use crate::sandbox::store::{Batch, Change, Store, StoreError};

#[cfg(test)]
pub(crate) mod crash_disk;
#[cfg(test)]
mod tests;

/// Bytes of the file that are kept in memory. What is read often is small.
const CACHE: usize = 16 << 20;

/// What connectors remember.
const ENTRIES: TableDefinition<'_, &str, &str> = TableDefinition::new("entries");

/// Facts about the file itself, and the batch that is on its way.
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// Key of the pending batch in [`META`].
const PENDING: &str = "pending";

/// Key of how many bytes the entries take in [`META`].
const SIZE: &str = "size";

/// Key of what the file remembers in [`META`].
const SUBJECT: &str = "subject";

/// What one connector remembers, in a file of its own.
#[derive(Debug)]
pub struct StateFile {
    database: Database,
    path: String,
}

impl StateFile {
    /// Where the `playbook` command keeps the files: `playbook` in the user's state directory.
    pub fn user_dir() -> Option<PathBuf> {
        use etcetera::BaseStrategy as _;
        let strategy = etcetera::choose_base_strategy().ok()?;
        let base = strategy.state_dir().unwrap_or_else(|| strategy.data_dir());
        Some(base.join("playbook"))
    }

    /// Opens the file of the connector `name` in `dir`, and makes both if they are not there, for the user alone. `subject`
    /// says what is polled: a file that remembers something else is refused.
    pub fn open(dir: &Path, name: &str, subject: &str) -> Result<Self, StoreError> {
        let path = dir.join(format!("{name}.redb"));
        let shown = path.display().to_string();
        let io = |source: io::Error| StoreError::Broken {
            path: shown.clone(),
            source: source.into(),
        };
        files::private_folder(dir).map_err(io)?;
        let found = std::fs::symlink_metadata(&path);
        if found.as_ref().is_ok_and(|found| !found.is_file()) {
            // A link could lead to any file of this user's.
            return Err(io(io::Error::other("it is not a regular file")));
        }
        if found.is_err() {
            Self::create(dir, &path, subject).map_err(io)?;
        }
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(io)?;
        let database = FileBackend::new(file).and_then(Self::database);
        Self::from_database(database, shown, subject)
    }

    /// Makes a file that remembers nothing. It gets its name when it is complete: half of one, which a crash could leave, would
    /// be no database.
    fn create(dir: &Path, path: &Path, subject: &str) -> io::Result<()> {
        let file = tempfile::NamedTempFile::new_in(dir)?;
        let database = FileBackend::new(file.reopen()?).and_then(Self::database);
        drop(Self::from_database(database, path.display().to_string(), subject).map_err(io::Error::other)?);
        match file.persist_noclobber(path) {
            // Another process was faster.
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
            done => drop(done?),
        }
        #[cfg(unix)]
        std::fs::File::open(dir)?.sync_all()?;
        Ok(())
    }

    /// A store on other storage.
    #[cfg(test)]
    pub(crate) fn on(backend: impl StorageBackend, subject: &str) -> Result<Self, StoreError> {
        Self::from_database(Self::database(backend), "memory".into(), subject)
    }

    fn database(backend: impl StorageBackend) -> Result<Database, DatabaseError> {
        Database::builder().set_cache_size(CACHE).create_with_backend(backend)
    }

    fn from_database(
        database: Result<Database, DatabaseError>,
        path: String,
        subject: &str,
    ) -> Result<Self, StoreError> {
        let database = match database {
            Ok(database) => database,
            Err(DatabaseError::DatabaseAlreadyOpen) => return Err(StoreError::InUse { path }),
            Err(source) => {
                return Err(StoreError::Broken {
                    path,
                    source: source.into(),
                });
            }
        };
        let store = Self { database, path };
        let found = store.try_to(|| store.claim(subject))?;
        match found {
            Some(found) if found != subject => Err(StoreError::Foreign {
                path: store.path,
                found,
                wanted: subject.to_owned(),
            }),
            _ => Ok(store),
        }
    }

    /// Writes down what the file remembers, unless it says so already. Makes the tables.
    fn claim(&self, subject: &str) -> Result<Option<String>, redb::Error> {
        let write = self.database.begin_write()?;
        let found = {
            write.open_table(ENTRIES)?;
            let mut meta = write.open_table(META)?;
            let found = meta
                .get(SUBJECT)?
                .map(|found| String::from_utf8_lossy(found.value()).into_owned());
            if found.is_none() {
                meta.insert(SUBJECT, subject.as_bytes())?;
            }
            found
        };
        write.commit()?;
        Ok(found)
    }

    fn try_to<T>(&self, work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, StoreError> {
        work().map_err(|source| StoreError::Broken {
            path: self.path.clone(),
            source: source.into(),
        })
    }
}

impl Store for StateFile {
    fn get(&self, keys: &[String]) -> Result<Vec<Option<String>>, StoreError> {
        self.try_to(|| {
            let entries = self.database.begin_read()?.open_table(ENTRIES)?;
            let find = |key: &String| Ok(entries.get(key.as_str())?.map(|found| found.value().to_owned()));
            keys.iter().map(find).collect()
        })
    }

    fn entries(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        bytes: usize,
    ) -> Result<Vec<(String, String)>, StoreError> {
        self.try_to(|| {
            let entries = self.database.begin_read()?.open_table(ENTRIES)?;
            let mut found = Vec::new();
            let mut left = bytes;
            for entry in entries.range(after.unwrap_or(prefix)..)? {
                let (key, value) = entry?;
                if found.len() == limit || !key.value().starts_with(prefix) {
                    break;
                }
                if after != Some(key.value()) {
                    match left.checked_sub(key.value().len() + value.value().len()) {
                        Some(less) => left = less,
                        None if found.is_empty() => left = 0,
                        None => break,
                    }
                    found.push((key.value().to_owned(), value.value().to_owned()));
                }
            }
            Ok(found)
        })
    }

    fn size(&self) -> Result<u64, StoreError> {
        self.try_to(|| {
            let read = self.database.begin_read()?;
            if let Some(size) = read.open_table(META)?.get(SIZE)?.and_then(|size| number(size.value())) {
                return Ok(size);
            }
            // A file of an earlier version does not say.
            let mut size = 0;
            for entry in read.open_table(ENTRIES)?.iter()? {
                let (key, value) = entry?;
                size += length(key.value(), value.value());
            }
            Ok(size)
        })
    }

    fn pending(&self) -> Result<Option<Batch>, StoreError> {
        let found = self.try_to(|| {
            let meta = self.database.begin_read()?.open_table(META)?;
            Ok(meta.get(PENDING)?.map(|batch| batch.value().to_owned()))
        })?;
        found
            .map(|bytes| serde_json::from_slice(&bytes))
            .transpose()
            .map_err(|source| StoreError::Broken {
                path: self.path.clone(),
                source: source.into(),
            })
    }

    fn begin(&self, batch: &Batch) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(batch).expect("a batch is made of texts");
        self.try_to(|| {
            let write = self.database.begin_write()?;
            write.open_table(META)?.insert(PENDING, bytes.as_slice())?;
            Ok(write.commit()?)
        })
    }

    fn commit(&self, changes: &[Change]) -> Result<(), StoreError> {
        let mut size = self.size()?;
        self.try_to(|| {
            let mut write = self.database.begin_write()?;
            write.set_durability(Durability::Immediate)?;
            {
                let mut entries = write.open_table(ENTRIES)?;
                for change in changes {
                    let before = match &change.value {
                        Some(value) => {
                            size += length(&change.key, value);
                            entries.insert(change.key.as_str(), value.as_str())?
                        }
                        None => entries.remove(change.key.as_str())?,
                    };
                    size -= before.map_or(0, |before| length(&change.key, before.value()));
                }
                let mut meta = write.open_table(META)?;
                meta.insert(SIZE, size.to_le_bytes().as_slice())?;
                meta.remove(PENDING)?;
            }
            Ok(write.commit()?)
        })
    }
}

fn length(key: &str, value: &str) -> u64 {
    key.len() as u64 + value.len() as u64
}

fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}
