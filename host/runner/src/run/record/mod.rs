//! What a run leaves behind for later: a file that shows it again, and from which its steps can be run again offline.
//!
//! A record is meant to be attached to a case and read by others, so it holds no secret: where one was used its name stands, and
//! every text was searched for values. A record that is read may come from anywhere: nothing in it is trusted, no file is opened
//! and no request made because of it.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::language::playbook::PlaybookName;
use crate::run::prepare::Prepared;
use crate::run::report::{CallFailure, RunReport, StepError, StepReport};
use crate::runner::Runner;
use crate::sandbox::engine::RUNTIME;
use crate::sandbox::plugin::{CONTRACT, Note, Plugin, StepOutcome};
use crate::sandbox::transcript::Transcript;
use crate::secrets::Redactor;
use crate::text::visible::visible_json;

mod file;
mod recorder;

pub use self::file::{RecordError, RecordFile};
pub(crate) use self::recorder::Recorder;

/// The version of the form of records that this library writes. It reads this one and all before it.
pub const RECORD_VERSION: u32 = 1;

/// A run as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunRecord {
    /// The version of this form.
    pub version: u32,
    /// What made it.
    pub made_by: MadeBy,
    /// The plugins that provided its steps.
    pub plugins: Vec<UsedPlugin>,
    /// What was run, and with what.
    pub inputs: RecordedInputs,
    /// What became of it.
    pub report: RunReport,
    /// The calls of its steps, in the order of the steps, their items and attempts.
    pub calls: Vec<RecordedCall>,
}

/// How much of a run its record keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Detail {
    /// Inputs, params, results and times.
    #[default]
    Results,
    /// Also what each call said to its server and heard, so that it can be replayed.
    Traffic,
}

/// What made a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MadeBy {
    /// The version of this library.
    pub version: String,
    /// The contract with plugins.
    pub contract: String,
    /// The WebAssembly runtime.
    pub runtime: String,
}

/// A plugin that provided steps of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UsedPlugin {
    /// How errors referred to it.
    pub name: String,
    /// SHA-256 of the component, in hexadecimal.
    pub sha256: String,
    /// The step types that were used.
    pub step_types: Vec<String>,
}

/// What was run, and with what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecordedInputs {
    /// The playbook.
    pub playbook: RecordedPlaybook,
    /// The alert.
    pub alert: Value,
    /// The variables that were given.
    pub vars: Map<String, Value>,
    /// The names of the secrets that were used.
    pub secrets: Vec<String>,
    /// The step that was run alone.
    pub only: Option<String>,
    /// Whether steps of unknown types were skipped.
    pub skip_unknown_steps: bool,
}

/// A playbook as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecordedPlaybook {
    /// What its file was called.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// A call of a step's plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecordedCall {
    /// The step's id.
    pub step: String,
    /// The step's type.
    #[serde(rename = "type")]
    pub step_type: String,
    /// The item that it was for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<RecordedItem>,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The params, with `‹secret NAME›` in the place of secrets.
    pub params: Value,
    /// How it ended; none if it was under way when the run ended.
    pub outcome: Option<RecordedOutcome>,
    /// What it said and heard, if that was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<Transcript>,
}

/// An item of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecordedItem {
    /// Its place in the list, from 0.
    pub index: usize,
    /// The item.
    pub value: Value,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RecordedOutcome {
    /// It returned.
    Returned(RecordedReturn),
    /// It failed.
    Failed(StepError),
    /// It failed or was stopped, and had published something by then.
    Stopped(RecordedStop),
}

/// What a call left behind that failed or was stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecordedStop {
    /// Why.
    pub error: StepError,
    /// The result, with the account of all targets.
    pub result: Value,
}

/// What a call returned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecordedReturn {
    /// The result.
    pub result: Value,
    /// Whether something that was asked for is missing.
    pub partial: bool,
    /// Remarks for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

impl RunRecord {
    /// The record of a run that has ended.
    pub(crate) fn of(runner: &Runner, prepared: &Prepared, recorder: Recorder, report: &RunReport) -> Self {
        let playbook = &prepared.playbook;
        for step in &playbook.steps {
            if let Some((_, step_type)) = runner.provider(&step.kind) {
                Recorder::hide_written(prepared, step, step_type);
            }
        }
        let calls = recorder.finish(&prepared.vault);
        // Only now is every secret known, those that servers gave included.
        let masker = prepared.vault.masker();
        let source = playbook.document.source();
        Self {
            version: RECORD_VERSION,
            made_by: MadeBy {
                version: env!("CARGO_PKG_VERSION").into(),
                contract: CONTRACT.into(),
                runtime: RUNTIME.into(),
            },
            plugins: used(runner, &calls),
            inputs: RecordedInputs {
                playbook: RecordedPlaybook {
                    file: masker.mask(source.name()),
                    text: masker.mask(&recorder::without_written(playbook, |step| {
                        let (_, step_type) = runner.provider(&step.kind)?;
                        Some(step_type.params.clone())
                    })),
                },
                alert: masker.mask_json(&prepared.inputs.alert),
                vars: match masker.mask_json(&Value::Object(prepared.inputs.vars.clone())) {
                    Value::Object(vars) => vars,
                    _ => Map::new(),
                },
                secrets: prepared.vault.used(),
                only: prepared.inputs.only.clone(),
                skip_unknown_steps: prepared.inputs.skip_unknown_steps,
            },
            report: redacted(report.clone(), masker.redactor()),
            calls,
        }
    }

    /// Its text, one JSON object.
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("a record has only texts as keys");
        visible_json(&text).into_owned() + "\n"
    }
}

impl RecordedOutcome {
    /// How a call ended, without secrets.
    pub(crate) fn of(ended: &Result<StepOutcome, CallFailure>, redactor: &Redactor) -> Self {
        match ended {
            Ok(outcome) => Self::Returned(RecordedReturn {
                result: redactor.redact_json(outcome.result.clone()),
                partial: outcome.partial,
                notes: outcome.notes.iter().map(|note| redacted_note(note, redactor)).collect(),
            }),
            Err(CallFailure { error, outcome }) => {
                let error = redacted_error(error.clone(), redactor);
                match outcome {
                    None => Self::Failed(error),
                    Some(outcome) => Self::Stopped(RecordedStop {
                        error,
                        result: redactor.redact_json(outcome.result.clone()),
                    }),
                }
            }
        }
    }
}

/// The plugins behind these calls.
fn used(runner: &Runner, calls: &[RecordedCall]) -> Vec<UsedPlugin> {
    let mut used: Vec<UsedPlugin> = Vec::new();
    for call in calls {
        let Some((plugin, _)) = runner.provider(&call.step_type) else {
            continue;
        };
        let known = used.iter_mut().find(|known| known.sha256 == plugin.sha256());
        match known {
            Some(known) if known.step_types.contains(&call.step_type) => {}
            Some(known) => known.step_types.push(call.step_type.clone()),
            None => used.push(UsedPlugin::of(plugin, &call.step_type)),
        }
    }
    used
}

impl UsedPlugin {
    fn of(plugin: &Plugin, step_type: &str) -> Self {
        Self {
            name: plugin.name().to_owned(),
            sha256: plugin.sha256().to_owned(),
            step_types: vec![step_type.to_owned()],
        }
    }
}

/// A report that was searched once more, with all secrets that are known now.
fn redacted(report: RunReport, redactor: &Redactor) -> RunReport {
    let text = |text: String| redactor.redact(&text).into_owned();
    RunReport {
        playbook: PlaybookName {
            id: report.playbook.id.map(text),
            name: report.playbook.name.map(text),
        },
        steps: report
            .steps
            .into_iter()
            .map(|step| StepReport {
                name: step.name.map(text),
                result: step.result.map(|result| redactor.redact_json(result)),
                error: step.error.map(|error| redacted_error(error, redactor)),
                notes: step.notes.iter().map(|note| redacted_note(note, redactor)).collect(),
                ..step
            })
            .collect(),
        ..report
    }
}

fn redacted_error(error: StepError, redactor: &Redactor) -> StepError {
    StepError {
        message: redactor.redact_words(&error.message).into_owned(),
        hint: error.hint.map(|hint| redactor.redact_words(&hint).into_owned()),
        ..error
    }
}

fn redacted_note(note: &Note, redactor: &Redactor) -> Note {
    Note {
        subject: redactor.redact(&note.subject).into_owned(),
        text: redactor.redact(&note.text).into_owned(),
    }
}

impl RecordedCall {
    /// What messages call it: the step, its item and the attempt.
    pub fn title(&self) -> String {
        let mut title = self.step.clone();
        if let Some(item) = &self.item {
            let _ = write!(title, ", item {}", item.index.saturating_add(1));
        }
        if self.attempt > 1 {
            let _ = write!(title, ", attempt {}", self.attempt);
        }
        title
    }
}
