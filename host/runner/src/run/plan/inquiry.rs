//! Asking servers whether calls could be made.

use tokio_util::sync::CancellationToken;

use crate::language::step::Step;
use crate::run::event::Observer;
use crate::run::event::RunEvent;
use crate::run::prepare::Prepared;
use crate::run::report::StepError;
use crate::run::work::Call;
use crate::runner::Runner;
use crate::sandbox::event::CallObserver;
use crate::sandbox::finding::Finding;
use crate::sandbox::plugin::{Plugin, StepCall};

/// How servers are asked.
pub(super) struct Inquiry {
    pub(super) cancel: CancellationToken,
    pub(super) observer: Observer,
}

impl Inquiry {
    /// Has a plugin look whether a call could be made.
    pub(super) async fn ask(
        &self,
        runner: &Runner,
        plugin: &Plugin,
        prepared: &Prepared,
        step: &Step,
        work: &Call,
    ) -> Result<Vec<Finding>, StepError> {
        let granted = work.granted.as_ref().map_err(|error| StepError::from(&**error))?;
        let (id, observer) = (step.id.clone(), self.observer.clone());
        let call = StepCall {
            step_type: step.kind.clone(),
            params: work.params.value.clone(),
            vault: prepared.vault.clone(),
            sessions: prepared.sessions.clone(),
            grant: granted.clone(),
            timeout: work.params.timeout,
            cancel: self.cancel.clone(),
            events: CallObserver::new(move |event| {
                observer(RunEvent::Step {
                    id: id.clone(),
                    item: None,
                    attempt: 1,
                    event,
                });
            }),
        };
        (self.observer)(RunEvent::StepStarted { id: step.id.clone() });
        let found = plugin.check(runner.network(), call).await;
        Ok(found?)
    }
}
