//! Turns the error of a template into a failure of the step.

use super::error::TemplateError;
use crate::contract::{Failure, FailureKind};

impl From<TemplateError> for Failure {
    fn from(error: TemplateError) -> Self {
        let kind = match error {
            TemplateError::UnknownTemplate { .. } => FailureKind::NotAllowed,
            _ => FailureKind::InvalidParams,
        };
        Self::new(kind, error.to_string()).hint("`playbook templates` lists the templates with their params")
    }
}
