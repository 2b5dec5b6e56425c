//! Bytes that several holders share, and how the next one waits without waiting for ever.
//!
//! A pool has a free part, on which every account draws, and a reserve, on which one account at a time draws when the free
//! part is used up. The others wait until something is given back. The reserve is as large as the most that one account may
//! hold, so the account that draws on it never waits: it finishes and gives everything back. What all accounts hold is never
//! more than both parts together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Bytes that several accounts share. Clones are the same pool.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    levels: Mutex<Levels>,
    returned: Notify,
}

#[derive(Debug)]
struct Levels {
    free: usize,
    reserve: usize,
    /// The account that draws on the reserve, and how much it has drawn.
    overdrawn: Option<(u64, usize)>,
    accounts: u64,
}

/// One holder of a pool's bytes. Clones are the same holder.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pool: Pool,
    id: u64,
}

/// Bytes of a pool, which get them back when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    account: Account,
    bytes: usize,
}

/// More bytes than one account can ever hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Never;

enum Drawn {
    Done,
    /// Others have to give something back first.
    Later,
    Never,
}

impl Pool {
    /// A pool whose accounts share `free` bytes, and of which one may hold `reserve` bytes more.
    pub(crate) fn new(free: usize, reserve: usize) -> Self {
        Self(Arc::new(Shared {
            levels: Mutex::new(Levels {
                free,
                reserve,
                overdrawn: None,
                accounts: 0,
            }),
            returned: Notify::new(),
        }))
    }

    pub(crate) fn account(&self) -> Account {
        let mut levels = self.levels();
        levels.accounts += 1;
        Account {
            pool: self.clone(),
            id: levels.accounts,
        }
    }

    fn levels(&self) -> MutexGuard<'_, Levels> {
        self.0.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    /// Nothing yet, which can grow.
    pub(crate) fn nothing(&self) -> Held {
        Held {
            account: self.clone(),
            bytes: 0,
        }
    }

    fn draw(&self, bytes: usize) -> Drawn {
        let mut levels = self.pool.levels();
        if let Some(left) = levels.free.checked_sub(bytes) {
            levels.free = left;
            return Drawn::Done;
        }
        let drawn = match levels.overdrawn {
            None => 0,
            Some((id, drawn)) if id == self.id => drawn,
            Some(_) => return Drawn::Later,
        };
        let beyond = bytes - levels.free;
        let Some(left) = levels.reserve.checked_sub(beyond) else {
            return Drawn::Never;
        };
        levels.free = 0;
        levels.reserve = left;
        levels.overdrawn = Some((self.id, drawn + beyond));
        Drawn::Done
    }

    fn give_back(&self, bytes: usize) {
        let mut levels = self.pool.levels();
        let mut left = bytes;
        if let Some((id, drawn)) = levels.overdrawn
            && id == self.id
        {
            let repaid = drawn.min(bytes);
            left -= repaid;
            levels.reserve += repaid;
            levels.overdrawn = Some((id, drawn - repaid)).filter(|(_, drawn)| *drawn > 0);
        }
        levels.free += left;
        drop(levels);
        self.pool.0.returned.notify_waiters();
    }
}

impl Held {
    /// Takes more, and waits for others to give it back.
    pub(crate) async fn grow(&mut self, bytes: usize) -> Result<(), Never> {
        loop {
            let returned = self.account.pool.0.returned.notified();
            tokio::pin!(returned);
            // What is given back after the attempt wakes this up.
            returned.as_mut().enable();
            match self.account.draw(bytes) {
                Drawn::Done => {
                    self.bytes += bytes;
                    return Ok(());
                }
                Drawn::Never => return Err(Never),
                Drawn::Later => returned.await,
            }
        }
    }

    /// Takes more, if it can be had at once.
    pub(crate) fn try_grow(&mut self, bytes: usize) -> bool {
        let done = matches!(self.account.draw(bytes), Drawn::Done);
        self.bytes += if done { bytes } else { 0 };
        done
    }

    /// Gives back all but this many bytes.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        if let Some(more) = self.bytes.checked_sub(bytes).filter(|more| *more > 0) {
            self.bytes = bytes;
            self.account.give_back(more);
        }
    }

    /// Takes over what another holds of the same account.
    pub(crate) fn join(&mut self, mut other: Self) {
        debug_assert_eq!(self.account.id, other.account.id);
        self.bytes += std::mem::take(&mut other.bytes);
    }

    /// Hands over the bytes, and keeps so many.
    pub(crate) fn take_but(&mut self, kept: usize) -> Self {
        let kept = kept.min(self.bytes);
        Self {
            account: self.account.clone(),
            bytes: std::mem::replace(&mut self.bytes, kept) - kept,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_account_always_gets_on_and_the_others_wait_for_it() {
        let pool = Pool::new(10, 20);
        let (mut first, mut second) = (pool.account().nothing(), pool.account().nothing());
        first.grow(8).await.unwrap();
        second.grow(2).await.unwrap();
        first.grow(15).await.unwrap();
        assert!(!second.try_grow(1), "the reserve is the first account's");
        // More than there is for one.
        assert_eq!(first.grow(6).await, Err(Never));
        first.grow(5).await.unwrap();
        let waiting = tokio::spawn(async move {
            second.grow(18).await.unwrap();
            second
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished());
        first.shrink_to(8);
        let second = waiting.await.unwrap();
        assert_eq!(second.bytes(), 20);
        drop((first, second));
        let levels = pool.levels();
        assert_eq!((levels.free, levels.reserve, levels.overdrawn), (10, 20, None));
    }

    #[tokio::test(start_paused = true)]
    async fn many_that_need_more_than_there_is_all_come_to_an_end() {
        let pool = Pool::new(100, 50);
        let most = Arc::new(Mutex::new((0_usize, 0_usize)));
        let tasks = (0..40).map(|_| {
            let (mut held, most) = (pool.account().nothing(), most.clone());
            tokio::spawn(async move {
                for _ in 0..50 {
                    held.grow(1).await.unwrap();
                    {
                        let mut most = most.lock().unwrap();
                        most.0 += 1;
                        most.1 = most.1.max(most.0);
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                most.lock().unwrap().0 -= 50;
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert!(most.lock().unwrap().1 <= 150, "{:?}", most.lock().unwrap());
    }
}
