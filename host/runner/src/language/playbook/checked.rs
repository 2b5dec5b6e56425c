//! That a playbook was checked without a problem, and against what.

use std::sync::Arc;

/// Stands for the step types that a runner provides: the same until it loads a plugin, and no other runner's.
#[derive(Debug, Clone, Default)]
pub(crate) struct StepTypes(Arc<()>);

impl PartialEq for StepTypes {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A check of a playbook that found nothing wrong.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) against: StepTypes,
    pub(crate) skip_unknown_steps: bool,
}

impl Checked {
    /// Whether a check against these step types would find nothing wrong either.
    pub(crate) fn covers(&self, step_types: &StepTypes, skip_unknown_steps: bool) -> bool {
        // Where no step was skipped, skipping changes nothing.
        self.against == *step_types && (skip_unknown_steps || !self.skip_unknown_steps)
    }
}
