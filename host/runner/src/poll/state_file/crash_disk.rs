//! A disk for tests whose machine can crash: what was not synced may be lost, in whole or in part.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// A disk. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct CrashDisk(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// What reads see.
    current: Vec<u8>,
    /// What survives for certain.
    durable: Vec<u8>,
    /// What was done since the last sync.
    unsynced: Vec<Done>,
    syncs: usize,
    /// The sync at which the machine crashes: it does not happen, and neither does anything after it.
    crashes_at: Option<usize>,
    crashed: bool,
}

#[derive(Debug, Clone)]
enum Done {
    Write(usize, Vec<u8>),
    SetLength(usize),
}

impl Done {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write(at, bytes) => {
                let end = at + bytes.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[*at..end].copy_from_slice(bytes);
            }
            Self::SetLength(length) => to.resize(*length, 0),
        }
    }
}

impl CrashDisk {
    /// Lets the machine crash at the sync with this number, counted from now on and from 0.
    pub(crate) fn crash_at(&self, sync: usize) {
        let mut inner = self.lock();
        inner.crashes_at = Some(inner.syncs + sync);
    }

    pub(crate) fn has_crashed(&self) -> bool {
        self.lock().crashed
    }

    /// What is found when the machine is started again. `lost` decides, for each thing done since the last sync, whether it is
    /// lost.
    pub(crate) fn restart(&self, mut lost: impl FnMut() -> bool) -> Self {
        let inner = self.lock();
        let mut survived = inner.durable.clone();
        for done in &inner.unsynced {
            // A file system keeps the length with the data it belongs to.
            if matches!(done, Done::SetLength(_)) || !lost() {
                done.apply(&mut survived);
            }
        }
        Self(Arc::new(Mutex::new(Inner {
            current: survived.clone(),
            durable: survived,
            ..Inner::default()
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> io::Result<MutexGuard<'_, Inner>> {
        let inner = self.lock();
        if inner.crashed {
            return Err(io::Error::other("the machine has crashed"));
        }
        Ok(inner)
    }
}

impl StorageBackend for CrashDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.running()?.current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let inner = self.running()?;
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let found = inner.current.get(start..start + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.done(Done::SetLength(usize::try_from(length).map_err(io::Error::other)?))
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        self.done(Done::Write(at, bytes.to_vec()))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut inner = self.running()?;
        if inner.crashes_at == Some(inner.syncs) {
            inner.crashed = true;
            return Err(io::Error::other("the machine has crashed"));
        }
        inner.syncs += 1;
        inner.durable = inner.current.clone();
        inner.unsynced.clear();
        Ok(())
    }
}

impl CrashDisk {
    fn done(&self, done: Done) -> io::Result<()> {
        let mut inner = self.running()?;
        done.apply(&mut inner.current);
        inner.unsynced.push(done);
        Ok(())
    }
}
