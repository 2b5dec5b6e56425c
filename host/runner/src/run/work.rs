//! What a step is to do: its rendered params and what they let it reach, for each item of its list if it has one.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::language::params::{self, GrantError, Rendered, Written};
use crate::language::render::Renderer;
use crate::language::step::Step;
use crate::net::egress::Grant;
use crate::net::policy::Policy;
use crate::sandbox::step_type::StepType;
use crate::text::diagnostic::Diagnostic;
use crate::text::document::Document;

/// The calls of a step.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// One.
    Once(Call),
    /// One for each of these.
    Each(Vec<Item>),
}

/// An item of a list.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) value: Value,
    pub(crate) call: Call,
}

/// A call whose params are rendered, and what it may reach.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) params: Rendered,
    pub(crate) granted: Granted,
}

/// What a call may reach, or why that cannot be granted.
pub(crate) type Granted = Result<Option<Arc<Grant>>, Arc<GrantError>>;

/// Grants calls what they may reach. Calls with the same server and certificates are granted it once.
pub(crate) struct Grants<'a> {
    /// Where file names start from, and what the operator allows; none where no server is asked.
    from: Option<(&'a Path, &'a Policy)>,
    known: HashMap<GrantKey, Granted>,
}

/// What of rendered params decides what is granted.
type GrantKey = (Option<String>, bool, Option<String>, Option<String>);

impl<'a> Grants<'a> {
    pub(crate) fn new(directory: &'a Path, policy: &'a Policy) -> Self {
        Self {
            from: Some((directory, policy)),
            known: HashMap::new(),
        }
    }

    /// Nothing is granted, and nothing refused: no server is asked.
    pub(crate) fn none() -> Self {
        Self {
            from: None,
            known: HashMap::new(),
        }
    }

    pub(crate) fn grant(&mut self, params: &Rendered) -> Granted {
        let Some((directory, policy)) = self.from else {
            return Ok(None);
        };
        let key = (
            params.origin.clone(),
            params.verify_tls,
            params.ca_file.clone(),
            params.client_certificate.clone(),
        );
        let grant = || params::grant(params, directory, policy);
        let granted = || grant().map(|grant| grant.map(Arc::new)).map_err(Arc::new);
        self.known.entry(key).or_insert_with(granted).clone()
    }

    fn call(&mut self, params: Rendered) -> Call {
        let granted = self.grant(&params);
        Call { params, granted }
    }
}

impl Work {
    /// Renders and validates all that a step is to do, and grants it what it may reach.
    pub(crate) fn render(
        document: &Document,
        step: &Step,
        step_type: &StepType,
        renderer: &Renderer,
        grants: &mut Grants<'_>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let written = Written::of_step(document, step, &step_type.params);
        let Some(list) = &step.for_each else {
            return Ok(Self::Once(grants.call(written.render(renderer)?)));
        };
        let mut items = Vec::new();
        for (index, value) in list.items(document, renderer)?.into_iter().enumerate() {
            let params = written.render(&renderer.with_item(&value, index)).map_err(|problems| {
                // One item is enough to see what is wrong.
                let about = |problem: Diagnostic| problem.about(&format!("item {}", index + 1));
                problems.into_iter().map(about).collect::<Vec<_>>()
            })?;
            let call = grants.call(params);
            items.push(Item {
                value: value.value().clone(),
                call,
            });
        }
        Ok(Self::Each(items))
    }

    /// Why one of the calls cannot be granted what it is to reach.
    pub(crate) fn refused(&self) -> Option<&GrantError> {
        match self {
            Self::Once(call) => call.granted.as_ref().err(),
            Self::Each(items) => items.iter().find_map(|item| item.call.granted.as_ref().err()),
        }
        .map(AsRef::as_ref)
    }
}
