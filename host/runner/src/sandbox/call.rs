//! One plugin call: an instance of its own, its limits, and how it ended.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wasmtime::component::{Accessor, HasSelf, Instance, InstancePre, Linker, ResourceTable};
use wasmtime::{Store, Trap, UpdateDeadline};

use crate::limits::{CallBudget, CpuExhausted, CpuMeter, Exhausted, GuestMemory, Held, Limits, MemoryExhausted};
use crate::sandbox::bindings::Plugin;
use crate::sandbox::call_state::CallState;
use crate::sandbox::clocks::Clocks;
use crate::sandbox::engine::Engine;
use crate::sandbox::event::CallObserver;
use crate::sandbox::pace::Pace;
use crate::sandbox::published::Published;
use crate::sandbox::quota::Quota;
use crate::sandbox::store::Memory;
use crate::sandbox::transcript::{Allowed, Stuck, Tape};
use crate::sandbox::wire::Wire;
use crate::secrets::CallSecrets;

/// What may come in at once besides a result: the notes on it, or what surrounds a body.
const FUEL_BESIDES: usize = 1 << 20;

/// The runtime's message when a call hands over more. Its error type is private.
const FUEL_EXHAUSTED: &str = "fuel allocated for hostcalls";

/// The most handles of a call: connections, streams, and functions of the host that it waits for.
const HANDLES: usize = 8_192;

/// The most that the runtime keeps of what a call waits for. A handle can stand for several.
const WAITABLES: usize = 4 * HANDLES;

/// What a call brings with it.
pub(crate) struct CallContext {
    pub(crate) wire: Wire,
    pub(crate) cancel: CancellationToken,
    /// What must not be told, and the handles that stand for it.
    pub(crate) secrets: CallSecrets,
    pub(crate) sink: CallObserver,
    pub(crate) remembered: Memory,
    /// The account of its targets, if it has any.
    pub(crate) published: Option<Published>,
    pub(crate) clocks: Clocks,
    /// Who writes down what the call says and hears.
    pub(crate) tape: Option<Tape>,
    /// What the call may make the process hold.
    pub(crate) budget: CallBudget,
    /// What an instance takes besides its memories and tables, in bytes.
    pub(crate) overhead: usize,
    /// How long the call may take, grace included.
    pub(crate) deadline: Duration,
    /// How long it may compute.
    pub(crate) cpu: Duration,
}

/// What a call returned.
pub(crate) struct Returned<R> {
    pub(crate) value: R,
    /// What the call took of the process. What it returned came out of that, and is counted until this is dropped.
    pub(crate) held: Held,
    /// What it used of its time on the CPU.
    pub(crate) meter: CpuMeter,
}

/// How a call ended when it did not return.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// More memory than the limit was asked for.
    #[error("it needs more than the {} MiB of memory it may use", limit >> 20)]
    OutOfMemory {
        /// The limit, in bytes.
        limit: usize,
    },
    /// It computed for longer than its budget.
    #[error("it computed for longer than the {} ms it may use (an endless loop?)", budget.as_millis())]
    OutOfCpu {
        /// The budget.
        budget: Duration,
    },
    /// It did not return in time.
    #[error("it did not return within {} ms", after.as_millis())]
    Deadline {
        /// The time it was given, grace included.
        after: Duration,
    },
    /// It was asked to stop and did not within the grace period.
    #[error("it was asked to stop and did not")]
    Cancelled,
    /// It panicked.
    #[error("it panicked: {message}")]
    Panicked {
        /// The panic's message, with its place in the source.
        message: String,
    },
    /// It recursed too deeply.
    #[error("it recursed too deeply and overflowed its stack")]
    StackOverflow,
    /// It made the host hold more than it may.
    #[error("{message}")]
    OverQuota {
        /// What was too much, and the limit.
        message: String,
    },
    /// It handed over more at once than a result may hold.
    #[error(
        "it handed over more than {} MiB at once: a result is larger than `result_mib` allows, or a message is",
        limit >> 20
    )]
    TooMuchAtOnce {
        /// The limit, in bytes.
        limit: usize,
    },
    /// It trapped otherwise.
    #[error("it trapped: {message}")]
    Trapped {
        /// The runtime's words.
        message: String,
    },
}

/// The interfaces of the contract, ready to be linked.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine.wasmtime());
    Plugin::add_to_linker::<_, HasSelf<CallState>>(&mut linker, |state| state)?;
    Ok(linker)
}

/// Makes an instance, runs `body` with what `load` finds among its exports within the limits, and drops it.
pub(crate) async fn call<G: Sync, R: Send + 'static>(
    pre: &InstancePre<CallState>,
    limits: &Limits,
    context: CallContext,
    load: impl FnOnce(&mut Store<CallState>, &Instance) -> wasmtime::Result<G> + Send,
    body: impl AsyncFnOnce(&Accessor<CallState>, &G) -> wasmtime::Result<R> + Send,
) -> Result<Returned<R>, CallError> {
    let cancel = context.cancel.clone();
    let deadline = context.deadline;
    let (budget, overhead) = (context.budget.clone(), context.overhead);
    let clocks = context.clocks.clone();
    let progress = Pace::new(context.sink.clone());
    let meter = CpuMeter::new(context.cpu);
    let mut store = Store::new(pre.engine(), state(context, limits, progress.clone()));
    bound(&mut store, limits, &meter, &budget);

    let played = match &clocks {
        Clocks::Played(player) => Some(player.time().clone()),
        Clocks::System | Clocks::Fixed(_) => None,
    };
    let ended = {
        let running = meter.measure(async {
            let _own = budget.begin().await?;
            store.data_mut().memory.take(overhead).await?;
            let instance = pre.instantiate_async(&mut store).await?;
            let guest = load(&mut store, &instance)?;
            store
                .run_concurrent(async |accessor| body(accessor, &guest).await)
                .await?
        });
        tokio::pin!(running);
        let running = std::future::poll_fn(|cx| {
            let polled = running.as_mut().poll(cx);
            budget.rests();
            polled
        });
        let running = async {
            match played {
                // Nothing else can happen than what was recorded.
                Some(time) => time
                    .drive(running)
                    .await
                    .unwrap_or_else(|stuck| Err(wasmtime::Error::new(stuck))),
                None => running.await,
            }
        };
        let stopping = async {
            cancel.cancelled().await;
            tokio::time::sleep(limits.grace).await;
        };
        tokio::select! {
            ended = running => ended.map_err(Some),
            () = tokio::time::sleep(deadline) => return Err(CallError::Deadline { after: deadline }),
            () = stopping => Err(None),
            never = progress.keep() => match never {},
        }
    };
    progress.pass();
    match ended {
        Ok(value) => Ok(Returned {
            value,
            held: store.data_mut().memory.release(),
            meter,
        }),
        Err(None) => Err(CallError::Cancelled),
        Err(Some(error)) => Err(explain(&error, store.data_mut().panic.take(), limits)),
    }
}

/// What the host keeps of a call that begins now.
fn state(context: CallContext, limits: &Limits, progress: Pace) -> CallState {
    CallState {
        table: ResourceTable::new(),
        began: Instant::now(),
        allowed: Allowed {
            deadline_ms: u64::try_from(context.deadline.as_millis()).unwrap_or(u64::MAX),
            body: limits.body as u64,
            memory: limits.memory as u64,
        },
        wire: context.wire,
        cancel: context.cancel,
        remembered: context.remembered,
        clocks: context.clocks,
        tape: context.tape,
        panic: None,
        log_messages_left: limits.log_messages,
        published: context.published,
        progress,
        memory: GuestMemory::new(limits.memory, &context.budget),
        budget: context.budget,
        secrets: context.secrets,
        sink: context.sink,
    }
}

/// Sets the limits of a call.
fn bound(store: &mut Store<CallState>, limits: &Limits, meter: &CpuMeter, budget: &CallBudget) {
    store.limiter_async(|state| &mut state.memory);
    // What comes in at once, and is counted only then: a result, or as much of a message.
    store.set_hostcall_fuel(at_once(limits));
    store.set_max_component_handles(HANDLES);
    if let Some(table) = store.concurrent_resource_table() {
        table.set_max_capacity(WAITABLES);
    }
    store.set_epoch_deadline(1);
    let (watch, interrupted) = (meter.clone(), budget.clone());
    store.epoch_deadline_callback(move |_| {
        watch.check().map_err(wasmtime::Error::new)?;
        interrupted.interrupt();
        Ok(UpdateDeadline::Yield(1))
    });
}

/// Returns the most bytes that a plugin may hand over in one function call.
fn at_once(limits: &Limits) -> usize {
    limits.result.saturating_add(FUEL_BESIDES)
}

fn explain(error: &wasmtime::Error, panic: Option<String>, limits: &Limits) -> CallError {
    if let Some(exhausted) = error.downcast_ref::<MemoryExhausted>() {
        return CallError::OutOfMemory { limit: exhausted.limit };
    }
    if let Some(exhausted) = error.downcast_ref::<CpuExhausted>() {
        return CallError::OutOfCpu {
            budget: exhausted.budget,
        };
    }
    let quota = error.downcast_ref::<Quota>().map(Quota::to_string);
    let exhausted = error.downcast_ref::<Exhausted>().map(Exhausted::to_string);
    if let Some(message) = quota.or(exhausted) {
        return CallError::OverQuota { message };
    }
    let root = error.root_cause().to_string();
    if root.contains(FUEL_EXHAUSTED) {
        return CallError::TooMuchAtOnce { limit: at_once(limits) };
    }
    if let Some(stuck) = error.downcast_ref::<Stuck>() {
        return CallError::Trapped {
            message: stuck.to_string(),
        };
    }
    if error.downcast_ref::<Trap>() == Some(&Trap::StackOverflow) {
        return CallError::StackOverflow;
    }
    match panic {
        Some(message) => CallError::Panicked { message },
        // The root cause only: the chain before it is a backtrace in the plugin.
        None => CallError::Trapped { message: root },
    }
}
