//! What one call of a plugin is about.

use serde_json::Value;

use crate::sandbox::step_type::StepType;

/// What a call is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    /// The step's place in the playbook.
    pub(crate) at: usize,
    pub(crate) step: &'a str,
    pub(crate) step_type: &'a StepType,
    pub(crate) item: Option<(usize, &'a Value)>,
    pub(crate) attempt: u32,
    pub(crate) params: &'a Value,
}
