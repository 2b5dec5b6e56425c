//! Why a plugin is not loaded, does not answer, or says that it failed.

use crate::net::egress::GrantRefused;
use crate::net::policy::PolicyError;
use crate::net::tls::TlsError;
use crate::sandbox::bindings::playbook::plugin::types;
use crate::sandbox::call::CallError;
use crate::sandbox::described::words;
use crate::sandbox::engine::EngineError;
use crate::sandbox::inspection::InspectionError;
use crate::secrets::Redactor;

/// What a user must treat differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[allow(missing_docs, reason = "documented, one by one, in the contract")]
pub enum FailureKind {
    InvalidParams,
    NotAllowed,
    Auth,
    Permission,
    NotFound,
    RateLimited,
    Unavailable,
    Protocol,
    Timeout,
    Cancelled,
    Internal,
}

impl FailureKind {
    /// The word of the contract.
    pub fn word(self) -> &'static str {
        match self {
            Self::InvalidParams => "invalid-params",
            Self::NotAllowed => "not-allowed",
            Self::Auth => "auth",
            Self::Permission => "permission",
            Self::NotFound => "not-found",
            Self::RateLimited => "rate-limited",
            Self::Unavailable => "unavailable",
            Self::Protocol => "protocol",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }
}

/// Why a step failed, in the plugin's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct StepFailure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// Whether the server may have acted on a request of this call that must not be made twice.
    pub acted: bool,
}

/// Why a plugin could not be loaded or did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// The runtime does not take it.
    #[error("plugin `{plugin}` cannot be loaded: {source}")]
    Load {
        /// The plugin.
        plugin: String,
        /// What is wrong with it.
        source: EngineError,
    },
    /// The bytes are no component.
    #[error("plugin `{plugin}` cannot be loaded: {source}")]
    File {
        /// The plugin.
        plugin: String,
        /// What is wrong with them.
        source: InspectionError,
    },
    /// It was made for something else than this host's contract.
    #[error("plugin `{plugin}` does not fit: {reason}")]
    Contract {
        /// The plugin.
        plugin: String,
        /// Which import or export does not fit.
        reason: String,
    },
    /// It described itself wrongly.
    #[error("plugin `{plugin}` describes itself wrongly: {reason}")]
    Description {
        /// The plugin.
        plugin: String,
        /// What is wrong.
        reason: String,
    },
    /// A call did not return.
    #[error("plugin `{plugin}` was stopped: {source}")]
    Call {
        /// The plugin.
        plugin: String,
        /// How the call ended.
        source: CallError,
    },
    /// It returned what its own schema refuses, or no JSON at all.
    #[error("plugin `{plugin}` returned an invalid result: {reason}")]
    InvalidResult {
        /// The plugin.
        plugin: String,
        /// What is wrong.
        reason: String,
    },
    /// No loaded plugin provides this step type.
    #[error("no loaded plugin provides the step type `{step_type}`")]
    UnknownStepType {
        /// The step type.
        step_type: String,
    },
    /// The operator's policy refuses the server.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Certificates could not be set up for the call.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The step failed.
    #[error(transparent)]
    Failed(#[from] StepFailure),
}

impl From<GrantRefused> for PluginError {
    fn from(refused: GrantRefused) -> Self {
        match refused {
            GrantRefused::Policy(error) => error.into(),
            GrantRefused::Tls(error) => error.into(),
        }
    }
}

impl StepFailure {
    /// What a plugin says, without secrets.
    pub(crate) fn read(failure: types::Failure, redactor: &Redactor) -> Self {
        let kind = match &failure.kind {
            types::FailureKind::InvalidParams => FailureKind::InvalidParams,
            types::FailureKind::NotAllowed => FailureKind::NotAllowed,
            types::FailureKind::Auth => FailureKind::Auth,
            types::FailureKind::Permission => FailureKind::Permission,
            types::FailureKind::NotFound => FailureKind::NotFound,
            types::FailureKind::RateLimited => FailureKind::RateLimited,
            types::FailureKind::Unavailable => FailureKind::Unavailable,
            types::FailureKind::Protocol => FailureKind::Protocol,
            types::FailureKind::Timeout => FailureKind::Timeout,
            types::FailureKind::Cancelled => FailureKind::Cancelled,
            types::FailureKind::Internal | types::FailureKind::Other(_) => FailureKind::Internal,
        };
        let message = match &failure.kind {
            types::FailureKind::Other(word) => &format!("{word}: {}", failure.message),
            _ => &failure.message,
        };
        Self {
            kind,
            message: words(message, redactor),
            hint: failure.hint.map(|hint| words(&hint, redactor)),
            acted: false,
        }
    }
}
