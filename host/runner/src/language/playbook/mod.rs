//! The playbook file.

use std::collections::BTreeSet;

use crate::language::flow::Flow;
use crate::language::step::Step;
use crate::language::vars::Vars;
use crate::text::diagnostic::Diagnostics;
use crate::text::document::Document;
use crate::text::source::Source;
use serde::{Deserialize, Serialize};

mod checked;
mod read;
mod texts;

pub(crate) use self::checked::{Checked, StepTypes};

/// A parsed playbook, ready to be prepared for a run.
#[derive(Debug, Clone)]
pub struct Playbook {
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) vars: Vars,
    pub(crate) steps: Vec<Step>,
    /// Where a run goes from step to step.
    pub(crate) flow: Flow,
    /// Whether all steps could be read, so that it is known which there are.
    pub(crate) complete: bool,
    /// The check that it passed when it was read, if a runner read it.
    pub(crate) checked: Option<Checked>,
    pub(crate) document: Document,
}

impl Playbook {
    /// The names of the secrets that its steps use.
    pub fn secret_names(&self) -> BTreeSet<String> {
        let mentions = self.steps.iter().flat_map(Step::mentions);
        let secrets = mentions.flat_map(|(_, mentions)| &mentions.secrets);
        secrets.map(|(name, _)| name.clone()).collect()
    }

    /// What it is called.
    pub fn title(&self) -> PlaybookName {
        PlaybookName {
            id: self.id.clone(),
            name: self.name.clone(),
        }
    }

    /// Reads a playbook: a map with `steps`, a bare list of steps, or a single step.
    ///
    /// `name` is what messages call the text. All problems are reported, not the first only. Problems of templates and
    /// conditions are [`Runner::check`](crate::Runner::check)'s to report, which knows the step types.
    pub fn parse(name: &str, text: &str) -> Result<Self, Diagnostics> {
        let (document, problems) = Document::parse(Source::new(name, text))?;
        let (playbook, mut problems) = Self::read(document, problems);
        if !problems.is_empty() {
            // It cannot be run as it is, so everything that is known to be wrong is told.
            problems.extend(playbook.steps.iter().flat_map(|step| step.problems.clone()));
        }
        problems.or(playbook)
    }

    /// What could be read, and its problems besides those of templates and conditions; with any it is not fit to be run.
    pub(crate) fn read(document: Document, problems: Diagnostics) -> (Self, Diagnostics) {
        read::playbook(document, problems)
    }

    /// Its id, if it has one.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Its name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The ids of its steps, in order.
    pub fn step_ids(&self) -> impl Iterator<Item = &str> + Clone {
        self.steps.iter().map(|step| step.id.as_str())
    }
}

/// What a playbook is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlaybookName {
    /// Its id, if it has one.
    pub id: Option<String>,
    /// Its name, if it has one.
    pub name: Option<String>,
}
