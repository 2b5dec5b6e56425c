//! What happens during a run, as it happens.

use std::sync::Arc;
use std::time::Duration;

use crate::run::report::{StepError, StepReport};
use crate::sandbox::event::CallEvent;

/// Something that happened during a run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RunEvent {
    /// A step begins.
    StepStarted {
        /// The step's id.
        id: String,
    },
    /// A step's plugin is called: once, or once for each item and each retry.
    StepCalled {
        /// The step's id.
        id: String,
        /// Which item of the step's list the call is for, counted from 0.
        item: Option<usize>,
        /// Which attempt it is, counted from 1.
        attempt: u32,
        /// How long the call may take at most.
        time_limit: Duration,
    },
    /// A step's plugin said something.
    Step {
        /// The step's id.
        id: String,
        /// Which item of the step's list the call is for, counted from 0.
        item: Option<usize>,
        /// Which attempt it is, counted from 1.
        attempt: u32,
        /// What it said.
        event: CallEvent,
    },
    /// A call failed and will be made again.
    StepRetried {
        /// The step's id.
        id: String,
        /// Which item of the step's list the call was for, counted from 0.
        item: Option<usize>,
        /// Which attempt failed, counted from 1.
        attempt: u32,
        /// Why it failed.
        error: StepError,
        /// How long from now it is made again.
        wait: Duration,
    },
    /// A step ended, or was skipped.
    StepFinished {
        /// What became of it.
        report: Arc<StepReport>,
    },
}

/// Receives the events of a run as they happen; it should return at once.
pub type Observer = Arc<dyn Fn(RunEvent) + Send + Sync>;
