//! Exit statuses, and errors that end a command.

use std::process::ExitCode;

use playbook_host::Diagnostics;

/// Exit statuses. They are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Everything succeeded.
    Success = 0,
    /// A step failed.
    Failed = 1,
    /// The input was invalid, and nothing was sent.
    InvalidInput = 2,
    /// Finished, and something that was asked for is missing.
    Partial = 3,
    /// Interrupted.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CommandError {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) exit: Exit,
    /// What is wrong with the input; says all there is to say.
    pub(crate) problems: Diagnostics,
}

impl From<Diagnostics> for CommandError {
    fn from(problems: Diagnostics) -> Self {
        Self {
            problems,
            ..Self::new("the input is invalid")
        }
    }
}

impl CommandError {
    /// The input was invalid, and nothing was sent.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            exit: Exit::InvalidInput,
            problems: Diagnostics::default(),
        }
    }

    /// The input was fine, and what it asks for failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Failed,
            ..Self::new(message)
        }
    }

    /// There is nothing to say.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self { exit, ..Self::new("") }
    }

    /// Somebody asked to stop before anything was sent.
    pub(crate) fn interrupted() -> Self {
        Self {
            exit: Exit::Interrupted,
            ..Self::new("interrupted while secrets were looked up; nothing was sent")
        }
    }

    pub(crate) fn maybe_hint(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}
