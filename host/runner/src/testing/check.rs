//! What is wrong with a file of tests and can be told before a case is run: names of no steps, answers that no step gives.

use super::{Case, TestFile, WrittenAnswers};
use crate::language::playbook::Playbook;
use crate::language::step::Step;
use crate::run::record::RecordedOutcome;
use crate::runner::Runner;
use crate::text::diagnostic::{Code, Diagnostic, Diagnostics, suggestion};
use crate::text::json::escape_key;
use crate::text::schema::place;

impl Runner {
    /// Everything that is wrong with tests of a playbook. Only with nothing wrong can they be run.
    pub fn check_tests(&self, tests: &TestFile, playbook: &Playbook) -> Diagnostics {
        let mut problems = Diagnostics::default();
        for case in &tests.cases {
            let checking = Checking {
                runner: self,
                tests,
                playbook,
                case,
            };
            problems.extend(checking.names());
            problems.extend(checking.answers());
            match tests.record(case) {
                Ok(Some(record)) => problems.extend(checking.recorded(&record)),
                Ok(None) => {}
                Err(problem) => problems.push(problem),
            }
        }
        problems.in_order()
    }
}

struct Checking<'a> {
    runner: &'a Runner,
    tests: &'a TestFile,
    playbook: &'a Playbook,
    case: &'a Case,
}

impl Checking<'_> {
    fn step(&self, id: &str) -> Option<&Step> {
        self.playbook.steps.iter().find(|step| step.id == id)
    }

    /// Steps that there are not.
    fn names(&self) -> Vec<Diagnostic> {
        let (case, document) = (self.case, &self.tests.document);
        let mut named = Vec::new();
        for (id, _) in &case.answers {
            named.push((id, document.key_place(&case.at(&format!("/steps/{}", escape_key(id))))));
        }
        for (id, step) in &case.expected.steps {
            let at = case.at(&format!("/expect/steps/{}", escape_key(id)));
            named.push((id, document.key_place(&at)));
            if let Some(next) = &step.next {
                named.push((next, document.place(&format!("{at}/next"))));
            }
        }
        for (index, id) in case.expected.runs.iter().flatten().enumerate() {
            named.push((id, document.place(&case.at(&format!("/expect/runs/{index}")))));
        }
        named
            .into_iter()
            .filter(|(id, _)| self.step(id).is_none())
            .map(|(id, place)| {
                Diagnostic::error(Code::UnknownStep, format!("the playbook has no step `{id}`"))
                    .at(place)
                    .maybe_hint(suggestion(id, self.playbook.step_ids()))
            })
            .collect()
    }

    /// Answers that the steps could not give.
    fn answers(&self) -> Vec<Diagnostic> {
        let document = &self.tests.document;
        let mut problems = Vec::new();
        for (id, answers) in &self.case.answers {
            let Some(step) = self.step(id) else { continue };
            let pointer = self.case.at(&format!("/steps/{}", escape_key(id)));
            if step.only_branches() {
                let message = format!("the step `{id}` only branches, and returns nothing");
                let problem = Diagnostic::error(Code::MeaninglessKey, message);
                problems.push(problem.at(document.key_place(&pointer)));
                continue;
            }
            if matches!(answers, WrittenAnswers::Items(_)) && step.for_each.is_none() {
                let message = format!("the step `{id}` has no `for_each`, so there are no items");
                let place = document.key_place(&format!("{pointer}/items"));
                problems.push(Diagnostic::error(Code::MeaninglessKey, message).at(place));
            }
            let Some((_, step_type)) = self.runner.provider(&step.kind) else {
                continue;
            };
            for answer in answers.all() {
                let Some(result) = &answer.result else { continue };
                let found = step_type.result.validate(result).into_iter();
                let map = format!("{}/result", answer.pointer);
                problems.extend(found.map(|problem| place(document, &map, problem)));
            }
        }
        problems
    }

    /// Recorded results that the steps could not give any more.
    fn recorded(&self, record: &crate::run::record::RunRecord) -> Vec<Diagnostic> {
        let answered = |id: &str| self.case.answers.iter().any(|(answered, _)| answered == id);
        let mut problems = Vec::new();
        for call in record.calls.iter().filter(|call| !answered(&call.step)) {
            let Some(RecordedOutcome::Returned(returned)) = &call.outcome else {
                continue;
            };
            let step_type = self
                .step(&call.step)
                .and_then(|step| self.runner.provider(&step.kind))
                .map(|(_, step_type)| step_type);
            let Some(problem) =
                step_type.and_then(|step_type| step_type.result.validate(&returned.result).into_iter().next())
            else {
                continue;
            };
            let message = format!("the recorded result of {}: {}", call.title(), problem.message);
            let problem = Diagnostic::error(problem.code, message);
            problems.push(problem.at(self.tests.place(&self.case.at("/record"))));
        }
        problems
    }
}
