//! Runs of playbooks: prepared, dry, executed, recorded, replayed.

use tokio_util::sync::CancellationToken;

use crate::run::event::Observer;
use crate::run::execution::Run;
use crate::run::prepare::Prepared;
use crate::run::record::{Detail, Recorder, RunRecord};
use crate::run::report::RunReport;
use crate::runner::Runner;

pub(crate) mod about;
pub(crate) mod event;
pub(crate) mod execution;
pub(crate) mod item;
pub(crate) mod plan;
pub(crate) mod prepare;
pub(crate) mod record;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod retry;
pub(crate) mod stub;
pub(crate) mod work;

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
