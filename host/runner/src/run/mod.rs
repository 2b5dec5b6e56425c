//! Runs of playbooks: prepared, planned, executed, recorded, replayed.
//!
//! [`Runner::prepare`] renders, validates and grants; a [`Prepared`] run is then executed by [`Runner::run`], which reports
//! [`RunEvent`]s to an [`Observer`] and returns a [`RunReport`]. [`plan`] is the dry run, [`record`] keeps what happened, and
//! [`replay`] calls plugins again from a record.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use playbook_host::run::RunStatus;
//! use playbook_host::{CancellationToken, Playbook, RunInputs, Runner, Secrets};
//!
//! # async fn example(runner: Arc<Runner>, playbook: Arc<Playbook>) -> Result<(), Box<dyn std::error::Error>> {
//! let prepared = runner.prepare(playbook, RunInputs::new(Secrets::from_env()))?;
//! // A prepared run owns what it needs, so another task can run it.
//! let running = tokio::spawn(async move {
//!     runner.run(prepared, CancellationToken::new(), Arc::new(|_| ())).await
//! });
//! assert_eq!(running.await?.status, RunStatus::Success);
//! # Ok(())
//! # }
//! ```

use tokio_util::sync::CancellationToken;

use crate::run::execution::Run;
use crate::run::record::{Detail, Recorder, RunRecord};
use crate::runner::Runner;

pub(crate) mod about;
pub(crate) mod event;
pub(crate) mod execution;
pub(crate) mod item;
pub(crate) mod names;
pub mod plan;
pub(crate) mod prepare;
pub mod record;
pub mod replay;
pub(crate) mod report;
pub(crate) mod retry;
pub(crate) mod stub;
pub(crate) mod work;

pub use self::event::{Observer, RunEvent};
pub use self::prepare::Prepared;
pub use self::report::{Branch, RunReport, RunStatus, SkipReason, StepError, StepReport, StepStatus};

impl Runner {
    /// Runs the steps, in order but for where conditions lead. Cancelling ends the step under way and skips the rest.
    ///
    /// Dropping the future closes every connection of the step under way, too.
    pub async fn run(&self, prepared: Prepared, cancel: CancellationToken, observer: Observer) -> RunReport {
        Run::new(self, &prepared, &cancel, &observer).report().await
    }

    /// Runs the steps as [`Runner::run`] does, and keeps what happened.
    pub async fn record(
        &self,
        prepared: Prepared,
        cancel: CancellationToken,
        observer: Observer,
        detail: Detail,
    ) -> RunRecord {
        let recorder = Recorder::new(detail);
        let run = Run::new(self, &prepared, &cancel, &observer).recorded(&recorder);
        let report = run.report().await;
        RunRecord::of(self, &prepared, recorder, &report)
    }
}
