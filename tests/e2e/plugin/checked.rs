//! What was checked when a playbook was read counts for a run that would be checked in the same way, and for no other.

use playbook_host::text::{Code, Source};
use playbook_host::{Diagnostics, Engine, Limits, Playbook, RunInputs, Runner, Secrets};

use crate::repository;

/// The step takes any params, if its type is known; what is wrong with the template is found by whoever knows the type.
const PLAYBOOK: &str = "- {id: a, type: golden, params: {of: '{{ nothing }}'}}";

fn runner() -> Runner {
    Runner::new(Engine::new(None).unwrap(), Limits::default())
}

async fn load(runner: &mut Runner) {
    let component = std::fs::read(repository::path("tests/golden/contract-0.2.0.wasm")).unwrap();
    runner.load("golden", &component).await.unwrap();
}

fn read(runner: &Runner) -> Playbook {
    runner.read_playbook(Source::new("a.yaml", PLAYBOOK), true).unwrap()
}

fn prepare(runner: &Runner, playbook: &Playbook, skip_unknown_steps: bool) -> Result<(), Diagnostics> {
    let mut inputs = RunInputs::new(Secrets::default());
    inputs.skip_unknown_steps = skip_unknown_steps;
    runner.prepare(playbook.clone(), inputs).map(drop)
}

fn codes(outcome: Result<(), Diagnostics>) -> Vec<Code> {
    let problems = outcome.err().into_iter().flatten();
    problems.map(|problem| problem.code()).collect()
}

#[tokio::test]
async fn a_playbook_is_checked_again_where_that_could_find_more() {
    let mut runner = runner();
    let playbook = read(&runner);
    assert_eq!(codes(prepare(&runner, &playbook, true)), []);
    // By a run that skips nothing.
    let of_the_step = [Code::UnknownStepType, Code::UndefinedVariable];
    let found = codes(prepare(&runner, &playbook, false));
    assert!(of_the_step.iter().all(|code| found.contains(code)), "{found:?}");
    // By a runner with another plugin, be it the same one.
    let mut other = self::runner();
    load(&mut other).await;
    assert_eq!(codes(prepare(&other, &playbook, true)), [Code::UndefinedVariable]);
    load(&mut runner).await;
    assert_eq!(codes(prepare(&runner, &playbook, true)), [Code::UndefinedVariable]);
    // And by any, if no runner has read it.
    let parsed = Playbook::parse("a.yaml", PLAYBOOK).unwrap();
    assert_eq!(codes(prepare(&runner, &parsed, true)), [Code::UndefinedVariable]);
}
