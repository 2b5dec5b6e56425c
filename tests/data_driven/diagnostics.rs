//! Each wrong input `tests/diagnostics/KIND/NAME` is a test of its own, called `KIND/NAME`: see
//! `tests/diagnostics/README.md`.

#![allow(clippy::disallowed_methods, reason = "tests look whether they run in CI")]

mod expectation;
mod folder;
mod generated;
mod sarif;
mod wrong;
#[path = "../e2e/wrong_input.rs"]
mod wrong_input;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::LazyLock;

use libtest_mimic::{Arguments, Failed, Trial};
use playbook_host::Diagnostics;
use playbook_host::text::{Code, Diagnostic};

use crate::wrong::{Case, Folder};

static FOLDER: LazyLock<Folder> = LazyLock::new(Folder::read);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let cases = FOLDER.cases.iter();
    let mut trials: Vec<Trial> = cases
        .map(|case| Trial::test(&case.name, move || case.check().map_err(Failed::from)))
        .collect();
    for (name, test) in ACROSS {
        trials.push(Trial::test(name, move || test(&FOLDER).map_err(Failed::from)));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

type Test = fn(&Folder) -> Result<(), String>;

/// Tests of all cases together.
const ACROSS: [(&str, Test); 4] = [
    ("every_file_belongs_to_a_case", every_file_belongs_to_a_case),
    ("no_two_cases_read_alike", no_two_cases_read_alike),
    ("every_code_comes_from_some_case", every_code_comes_from_some_case),
    ("sarif_without_results_fits_its_schema", |_| {
        all(&sarif::faults(&Diagnostics::default()))
    }),
];

/// Joins what is wrong, if anything is.
fn all(wrong: &[String]) -> Result<(), String> {
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

fn every_file_belongs_to_a_case(folder: &Folder) -> Result<(), String> {
    all(&folder.faults)
}

/// The same mistake may read the same only in inputs of different kinds: a playbook, an alert and a file of secrets.
fn no_two_cases_read_alike(folder: &Folder) -> Result<(), String> {
    let mut wrong = Vec::new();
    let mut said: BTreeMap<_, &Case> = BTreeMap::new();
    for case in &folder.cases {
        let words = case.problems().iter().map(|problem| {
            let record = problem.record();
            let texts = [Some(record.message), record.hint, record.label];
            (record.code, texts.map(|text| text.map(str::to_owned)))
        });
        let words = (case.input_kind(), words.collect::<Vec<_>>());
        if let Some(other) = said.insert(words, case) {
            wrong.push(format!("{} reads like {}", case.name, other.name));
        }
    }
    all(&wrong)
}

fn every_code_comes_from_some_case(folder: &Folder) -> Result<(), String> {
    let problems = folder.cases.iter().flat_map(|case| case.problems().iter());
    let seen: BTreeSet<Code> = problems.map(Diagnostic::code).collect();
    let unseen = Code::ALL.iter().filter(|code| !seen.contains(code));
    let wrong: Vec<String> = unseen.map(|code| format!("no case gives {code}")).collect();
    all(&wrong)
}
