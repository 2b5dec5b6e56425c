//! The folder of wrong inputs, and what is checked of each of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use playbook_host::Diagnostics;
use playbook_host::text::Diagnostic;
use serde_json::{Value, json};

use crate::expectation::compare;
use crate::folder::{file_name, files, folders, strays, tests};
use crate::generated::{GENERATED, Problems};
use crate::sarif;
use crate::wrong_input::{found, records};

/// What no output may hold.
const SECRET: &str = "hunter2";

/// The longest line that is still read.
const LONGEST_LINE: usize = 400;

/// The cases in `tests/diagnostics`.
pub(crate) struct Folder {
    pub(crate) cases: Vec<Case>,
    /// What is wrong with the folder itself.
    pub(crate) faults: Vec<String>,
}

impl Folder {
    pub(crate) fn read() -> Self {
        let root = tests().join("diagnostics");
        let mut cases: Vec<Case> = GENERATED
            .iter()
            .map(|(name, problems)| Case::new((*name).to_owned(), Input::Generated(*problems)))
            .collect();
        let strays = strays(&root);
        let mut faults: Vec<String> = strays
            .iter()
            .map(|path| format!("{} belongs to no case", file_name(path)))
            .collect();
        let mut others = Vec::new();
        for kind in folders(&root) {
            let folder = file_name(&kind);
            if files(&kind).is_empty() {
                faults.push(format!("{folder}/ has no cases"));
            }
            for path in files(&kind) {
                let file = file_name(&path);
                let input = file.strip_suffix(".yaml").or(file.strip_suffix(".json"));
                match input.filter(|name| !name.ends_with(".inputs")) {
                    Some(name) => cases.push(Case::new(format!("{folder}/{name}"), Input::File(path.clone()))),
                    None => others.push(format!("{folder}/{file}")),
                }
            }
        }
        cases.sort_by(|left, right| left.name.cmp(&right.name));
        for pair in cases.windows(2).filter(|pair| pair[0].name == pair[1].name) {
            faults.push(format!("{} has two inputs", pair[0].name));
        }
        let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        for file in others {
            let mut ends = [".txt", ".txt.new", ".inputs.json"].into_iter();
            if !ends.any(|end| file.strip_suffix(end).is_some_and(|name| names.contains(name))) {
                faults.push(format!("{file} belongs to no case"));
            }
        }
        Self { cases, faults }
    }
}

/// A wrong input, and the problems that are found in it.
pub(crate) struct Case {
    /// The kind and the name: the path of the input without its extension.
    pub(crate) name: String,
    input: Input,
    problems: OnceLock<Diagnostics>,
}

enum Input {
    File(PathBuf),
    Generated(Problems),
}

impl Case {
    fn new(name: String, input: Input) -> Self {
        Self {
            name,
            input,
            problems: OnceLock::new(),
        }
    }

    /// `alert` or `secrets`, if that is what the input is.
    pub(crate) fn input_kind(&self) -> Option<&str> {
        self.name.rsplit_once('.').map(|(_, kind)| kind)
    }

    pub(crate) fn problems(&self) -> &Diagnostics {
        self.problems.get_or_init(|| match &self.input {
            Input::Generated(problems) => problems(),
            Input::File(path) => {
                let inputs = fs::read(path.with_extension("inputs.json")).ok();
                let inputs: Option<Value> = inputs.map(|inputs| serde_json::from_slice(&inputs).unwrap());
                found(file_name(path), fs::read(path).unwrap(), inputs.as_ref())
            }
        })
    }

    /// Compares what is said about the input with its expectation, and checks what holds for every problem.
    pub(crate) fn check(&self) -> Result<(), String> {
        let problems = self.problems();
        let text = text(problems);
        let mut wrong = unreadable(problems, &text);
        wrong.extend(sarif::faults(problems));
        if problems.is_empty() {
            wrong.push("nothing was found".to_owned());
        }

        let path = tests().join("diagnostics").join(format!("{}.txt", self.name));
        let expected = fs::read_to_string(&path).unwrap_or_default();
        let places = places(problems);
        let first = expected.lines().next().unwrap_or(&places);
        if first != places {
            wrong.push(format!(
                "the first line, which is written by hand, says {first}; found {places}"
            ));
        }
        wrong.extend(compare(&path, &format!("{first}\n\n{text}")).err());
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(wrong.join("\n"))
        }
    }
}

/// The problems as people read them, except that files of secrets are somewhere else each time.
fn text(problems: &Diagnostics) -> String {
    let text = problems.render(false);
    text.lines()
        .map(|line| match line.split_once("/tmp/") {
            Some((start, path)) => format!("{start}{}\n", path.split_once('/').map_or(path, |(_, file)| file)),
            None => format!("{line}\n"),
        })
        .collect()
}

/// Finds secrets, control characters, long lines and places on which text and objects disagree.
fn unreadable(problems: &Diagnostics, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let shown = [
        problems.render(true),
        problems.sarif().to_string(),
        json!(records(problems)).to_string(),
        text.to_owned(),
    ];
    if shown.iter().any(|shown| shown.contains(SECRET)) {
        wrong.push(format!("a secret was shown\n{text}"));
    }
    if text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}') {
        wrong.push(format!("a control character was shown\n{text:?}"));
    }
    for record in problems.iter().map(Diagnostic::record) {
        if let (Some(line), Some(column)) = (record.line, record.column) {
            let file = record.file.unwrap().rsplit('/').next().unwrap();
            if !text.contains(&format!("{file}:{line}:{column}\n")) {
                wrong.push(format!("text and objects disagree on {line}:{column}\n{text}"));
            }
        }
    }
    if text.lines().any(|line| line.chars().count() > LONGEST_LINE) {
        wrong.push(format!("a line is too long to read\n{text}"));
    }
    wrong
}

/// The first line of an expectation: the code and the place of each problem.
fn places(problems: &Diagnostics) -> String {
    let places = problems.iter().map(|problem| {
        let record = problem.record();
        match (record.line, record.column) {
            (Some(line), Some(column)) => format!("{} {line}:{column}", record.code),
            _ => record.code.to_string(),
        }
    });
    places.collect::<Vec<_>>().join(", ")
}
