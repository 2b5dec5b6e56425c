//! `playbook run --output ndjson`: what happens during a run, one JSON object a line, as it happens.

use jiff::Timestamp;
use playbook_host::language::PlaybookName;
use playbook_host::run::{RunEvent, RunStatus, StepError, StepReport};
use playbook_host::sandbox::CallEvent;
use playbook_host::{CancellationToken, RunReport};
use serde::Serialize;
use serde_json::Value;

use crate::error::CommandError;
use crate::output::{self, json_line};

/// A line. Its shape is part of the interface (`playbook schema run-event`).
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Line<'a> {
    RunStarted {
        run_id: &'a str,
        playbook: PlaybookName,
        time: Timestamp,
    },
    StepStarted {
        step: &'a str,
        time: Timestamp,
    },
    Part {
        step: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        item: Option<usize>,
        attempt: u32,
        subject: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<&'a Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
    },
    Retry {
        step: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        item: Option<usize>,
        attempt: u32,
        error: &'a StepError,
        wait_ms: u128,
    },
    StepFinished {
        step: &'a str,
        report: &'a StepReport,
    },
    RunFinished {
        run_id: &'a str,
        playbook: &'a PlaybookName,
        status: RunStatus,
        started_at: Timestamp,
        finished_at: Timestamp,
        duration_ms: u64,
    },
}

/// Writes the lines of one run to stdout. When nobody reads them any more, it asks the run to stop.
#[derive(Clone)]
pub(crate) struct RunLines(());

impl RunLines {
    /// The lines of a run that is stopped by `cancel`.
    pub(crate) fn new(cancel: CancellationToken) -> Self {
        output::stdout().cancel_on_failure(cancel);
        Self(())
    }

    pub(crate) fn started(&self, run_id: &str, playbook: PlaybookName, time: Timestamp) {
        self.write(&Line::RunStarted { run_id, playbook, time });
    }

    pub(crate) fn happened(&self, event: &RunEvent) {
        match event {
            RunEvent::StepStarted { id } => self.write(&Line::StepStarted {
                step: id,
                time: crate::terminal::now(),
            }),
            RunEvent::Step {
                id,
                item,
                attempt,
                event: CallEvent::Part { subject, outcome },
            } => self.write(&Line::Part {
                step: id,
                item: *item,
                attempt: *attempt,
                subject,
                value: outcome.as_ref().ok(),
                error: outcome.as_ref().err().map(String::as_str),
            }),
            RunEvent::StepRetried {
                id,
                item,
                attempt,
                error,
                wait,
            } => self.write(&Line::Retry {
                step: id,
                item: *item,
                attempt: *attempt,
                error,
                wait_ms: wait.as_millis(),
            }),
            RunEvent::StepFinished { report } => self.write(&Line::StepFinished {
                step: &report.id,
                report,
            }),
            _ => {}
        }
    }

    /// The lines of a run that has ended. How its results came to be known is not known any more.
    pub(crate) fn shown(&self, report: &RunReport) -> Result<(), CommandError> {
        self.started(&report.run_id, report.playbook.clone(), report.started_at);
        for step in &report.steps {
            if let Some(time) = step.started_at {
                self.write(&Line::StepStarted { step: &step.id, time });
            }
            self.write(&Line::StepFinished {
                step: &step.id,
                report: step,
            });
        }
        self.finished(report)
    }

    /// The last line, or why there could be none.
    pub(crate) fn finished(&self, report: &RunReport) -> Result<(), CommandError> {
        self.write(&Line::RunFinished {
            run_id: &report.run_id,
            playbook: &report.playbook,
            status: report.status,
            started_at: report.started_at,
            finished_at: report.finished_at,
            duration_ms: report.duration_ms,
        });
        output::written(output::stdout().wait())
    }

    #[expect(clippy::unused_self, reason = "lines are written by whoever has the stream")]
    fn write(&self, line: &Line<'_>) {
        // Whoever waits for the end is told what went wrong.
        let _ = output::stdout().write_exactly(json_line(line));
    }
}
