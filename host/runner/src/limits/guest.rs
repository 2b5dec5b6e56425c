//! The memory of an instance: linear memories, tables, and how many there are of each.

use std::future::Future as _;

use async_trait::async_trait;
use wasmtime::ResourceLimiterAsync;

use super::budget::CallBudget;
use super::pool::Held;

/// What an entry of a table costs, in bytes: a reference takes eight, and the host keeps what it refers to.
const TABLE_ENTRY: usize = 16;

/// The most instances of core modules, and the most memories and tables of them. A component that a compiler made has one
/// module of its own and a few that connect it.
pub(crate) const INSTANCES: usize = 32;
const MEMORIES: usize = 8;
const TABLES: usize = 32;

/// The guest wanted more memory than [`Limits::memory`](super::Limits::memory).
#[derive(Debug, thiserror::Error)]
#[error("the plugin needs more than its {limit} bytes of memory")]
pub(crate) struct MemoryExhausted {
    pub(crate) limit: usize,
}

/// Counts what all memories and tables of a call take together, and refuses more than the limit with a typed error, where
/// wasmtime alone would only trap. What the call may take while the others of the process need all there is, it waits for.
pub(crate) struct GuestMemory {
    limit: usize,
    used: usize,
    held: Held,
    budget: CallBudget,
}

impl GuestMemory {
    pub(crate) fn new(limit: usize, budget: &CallBudget) -> Self {
        Self {
            limit,
            used: 0,
            held: budget.memory(),
            budget: budget.clone(),
        }
    }

    /// Counts bytes that come with the instance, and not with a memory or table of it.
    pub(crate) async fn take(&mut self, bytes: usize) -> wasmtime::Result<()> {
        let exhausted = || wasmtime::Error::new(MemoryExhausted { limit: self.limit });
        let used = self.used.checked_add(bytes).filter(|used| *used <= self.limit);
        let used = used.ok_or_else(exhausted)?;
        let growing = self.held.grow(bytes);
        tokio::pin!(growing);
        std::future::poll_fn(|cx| {
            let polled = growing.as_mut().poll(cx);
            if polled.is_pending() {
                // An answer may be waiting for this memory.
                self.budget.interrupt();
            }
            polled
        })
        .await
        .map_err(|_| exhausted())?;
        self.used = used;
        Ok(())
    }

    /// What the call holds, which outlives the instance: what it returned came out of this memory.
    pub(crate) fn release(&mut self) -> Held {
        self.held.take_but(0)
    }

    async fn grow(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
        each: usize,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.take(desired.saturating_sub(current).saturating_mul(each)).await?;
        Ok(true)
    }
}

#[async_trait]
impl ResourceLimiterAsync for GuestMemory {
    async fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(current, desired, maximum, 1).await
    }

    async fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(current, desired, maximum, TABLE_ENTRY).await
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }

    fn tables(&self) -> usize {
        TABLES
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::{Engine, Instance, Module, Store};

    use super::super::{Limits, Pools};
    use super::*;

    const LIMIT: usize = 8 << 20;

    fn store(pools: &Pools, limits: &Limits) -> Store<GuestMemory> {
        let engine = Engine::default();
        let mut store = Store::new(&engine, GuestMemory::new(LIMIT, &pools.call(limits)));
        store.limiter_async(|memory| memory);
        store
    }

    fn limits() -> Limits {
        Limits {
            memory: LIMIT,
            shared: 0,
            body: 0,
            ..Limits::default()
        }
    }

    /// Makes an instance of a module, as often as that is possible.
    async fn instances(store: &mut Store<GuestMemory>, module: &str) -> (usize, String) {
        let module = Module::new(store.engine(), wat::parse_str(module).unwrap()).unwrap();
        for made in 0.. {
            if let Err(error) = Instance::new_async(&mut *store, &module, &[]).await {
                return (made, error.root_cause().to_string());
            }
        }
        unreachable!("there is no end to numbers")
    }

    #[tokio::test]
    async fn memories_and_tables_of_all_instances_share_one_budget() {
        let limits = limits();
        let pools = Pools::new(&limits);
        // Three memories of 2 MiB and tables of as much; each would be allowed.
        for (module, most) in [
            ("(module (memory 32))", 4),
            ("(module (table 131072 funcref))", 4),
            ("(module (memory 16) (table 65536 funcref))", 4),
        ] {
            let (made, error) = instances(&mut store(&pools, &limits), module).await;
            assert_eq!(
                (made, error.contains("needs more than its")),
                (most, true),
                "{module}: {error}"
            );
        }
        // Memories that nobody would count cannot be made.
        let shared = wat::parse_str("(module (memory 1 1 shared))").unwrap();
        assert!(Module::new(&Engine::default(), shared).is_err());
        // What takes nothing is counted, too.
        let (made, error) = instances(&mut store(&pools, &limits), "(module)").await;
        assert_eq!(made, INSTANCES, "{error}");
    }

    #[tokio::test]
    async fn a_call_waits_for_memory_that_another_holds() {
        let limits = limits();
        let pools = Pools::new(&limits);
        let (mut first, mut second) = (store(&pools, &limits), store(&pools, &limits));
        first.data_mut().take(1).await.unwrap();
        let mut waiting = Box::pin(second.data_mut().take(LIMIT));
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(first);
        waiting.await.unwrap();
    }
}
