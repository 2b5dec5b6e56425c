//! What a step is to do: its rendered params, for each item of its list if it has one.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value;

use crate::language::params::{self, GrantError, Rendered, Written};
use crate::language::render::Renderer;
use crate::language::step::Step;
use crate::net::policy::Policy;
use crate::sandbox::step_type::StepType;
use crate::text::diagnostic::Diagnostic;
use crate::text::document::Document;

/// The calls of a step.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// One.
    Once(Rendered),
    /// One for each of these.
    Each(Vec<Item>),
}

/// An item of a list.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) value: Value,
    pub(crate) params: Rendered,
}

impl Work {
    /// Renders and validates all that a step is to do.
    pub(crate) fn render(
        document: &Document,
        step: &Step,
        step_type: &StepType,
        renderer: &Renderer,
    ) -> Result<Self, Vec<Diagnostic>> {
        let written = Written::of_step(document, step, &step_type.params);
        let Some(list) = &step.for_each else {
            return written.render(renderer).map(Self::Once);
        };
        let mut items = Vec::new();
        for (index, value) in list.items(document, renderer)?.into_iter().enumerate() {
            let params = written.render(&renderer.with_item(&value, index)).map_err(|problems| {
                // One item is enough to see what is wrong.
                let about = |problem: Diagnostic| problem.about(&format!("item {}", index + 1));
                problems.into_iter().map(about).collect::<Vec<_>>()
            })?;
            items.push(Item { value, params });
        }
        Ok(Self::Each(items))
    }

    /// Why one of the calls cannot be given what it is to reach, if that is so.
    pub(crate) fn grants(&self, directory: &Path, policy: &Policy) -> Result<(), GrantError> {
        match self {
            Self::Once(params) => params::grant(params, directory, policy).map(drop),
            Self::Each(items) => {
                // Most items share a server.
                let mut seen = HashSet::new();
                let mut new = items.iter().map(|item| &item.params).filter(|params| {
                    let files = (&params.ca_file, &params.client_certificate);
                    seen.insert((&params.origin, params.verify_tls, files))
                });
                new.try_for_each(|params| params::grant(params, directory, policy).map(drop))
            }
        }
    }
}
