//! Runs the cases of a file of tests.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::expectation::{MadeCall, Ran};
use super::{Case, CaseReport, TestFile, TestReport, answers};
use crate::language::playbook::Playbook;
use crate::run::event::Observer;
use crate::run::execution::Run;
use crate::run::prepare::Servers;
use crate::run::record::{Detail, Recorder, RunRecord};
use crate::run::stub::Stubs;
use crate::runner::{RunInputs, Runner};
use crate::secrets::{Secrets, mask_of};
use crate::text::diagnostic::Diagnostics;
use crate::text::schema::Role;

impl Runner {
    /// Reads a file of tests.
    pub fn read_tests(&self, source: crate::text::source::Source) -> Result<TestFile, Diagnostics> {
        let (document, problems) = crate::text::document::Document::parse(source)?;
        let (tests, problems) = TestFile::read(document, problems);
        problems.or(tests)
    }

    /// Runs the cases of a file of tests. Nothing is sent. An error is what is wrong with the file.
    pub async fn test(
        &self,
        tests: &TestFile,
        playbook: impl Into<Arc<Playbook>>,
        skip_unknown_steps: bool,
    ) -> Result<TestReport, Diagnostics> {
        let playbook = playbook.into();
        self.check_tests(tests, &playbook).or(())?;
        let mut cases = Vec::with_capacity(tests.cases.len());
        for case in &tests.cases {
            let record = tests.record(case)?;
            cases.push(
                self.case(tests, case, &playbook, record.as_ref(), skip_unknown_steps)
                    .await,
            );
        }
        Ok(TestReport {
            file: tests.document.source().name().to_owned(),
            cases,
        })
    }

    async fn case(
        &self,
        tests: &TestFile,
        case: &Case,
        playbook: &Arc<Playbook>,
        record: Option<&RunRecord>,
        skip_unknown_steps: bool,
    ) -> CaseReport {
        let mut inputs = RunInputs::new(stubbed_secrets(playbook));
        let recorded = record.map(|record| &record.inputs);
        inputs.alert = case
            .alert
            .clone()
            .or_else(|| recorded.map(|inputs| inputs.alert.clone()))
            .unwrap_or_else(|| Value::Object(Map::new()));
        inputs.vars = case
            .vars
            .clone()
            .or_else(|| recorded.map(|inputs| inputs.vars.clone()))
            .unwrap_or_default();
        inputs.skip_unknown_steps = skip_unknown_steps;
        let prepared = match self.prepare_for(Servers::Stubbed, playbook, inputs) {
            Ok(prepared) => prepared,
            Err(problems) => return case.invalid(tests, &problems),
        };
        let stubs = Stubs::new(answers::of(case, record));
        let recorder = Recorder::new(Detail::Results);
        let (cancel, observer): (_, Observer) = (CancellationToken::new(), Arc::new(|_| ()));
        let run = Run::new(self, &prepared, &cancel, &observer);
        let report = run.stubbed(&stubs).recorded(&recorder).report().await;
        let record = RunRecord::of(self, &prepared, recorder, &report);
        let mut calls = Vec::new();
        for call in record.calls {
            let text = self.sent(&call.step_type, &call.params, case.now).await;
            calls.push(MadeCall {
                step: call.step,
                attempt: call.attempt,
                params: call.params,
                text,
            });
        }
        let ran = Ran {
            report,
            calls,
            unanswered: stubs.unanswered(),
        };
        case.compared(tests, &ran)
    }

    /// The text that a call with these params would send; none if it has none to choose.
    async fn sent(&self, step_type: &str, params: &Value, now: Timestamp) -> Option<Result<String, String>> {
        let (plugin, step_type) = self.provider(step_type)?;
        let template = params.get(step_type.params.role(Role::Template)?)?.as_str()?;
        let none = Value::Object(Map::new());
        let given = step_type
            .params
            .role(Role::TemplateParams)
            .and_then(|param| params.get(param));
        let text = plugin.render_template_at(Some(now), &step_type.name, template, given.unwrap_or(&none));
        Some(text.await.map_err(|error| error.to_string()))
    }
}

/// A value for each secret that a playbook uses. It is the secret's name: a real one could be told.
fn stubbed_secrets(playbook: &Playbook) -> Secrets {
    let names = playbook.secret_names().into_iter();
    Secrets::new(names.map(|name| {
        let value = mask_of(&name);
        (name, value.into())
    }))
}
