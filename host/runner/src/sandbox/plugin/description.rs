//! What a plugin provides: as it and its file say it, which is kept beside its compiled form, and as the host reads it.

use serde::{Deserialize, Serialize};

use crate::sandbox::bindings::exports::playbook::plugin::{connector, step};
use crate::sandbox::connector_type::ConnectorType;
use crate::sandbox::inspection::Inspection;
use crate::sandbox::step_type::StepType;
use crate::text::schema::SchemaReader;

/// What a plugin and its file say.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Description {
    pub(super) inspection: Inspection,
    pub(super) step_types: Vec<step::StepType>,
    pub(super) connectors: Vec<connector::ConnectorType>,
}

/// What a plugin provides.
#[derive(Debug, Default)]
pub(super) struct Types {
    pub(super) steps: Vec<StepType>,
    pub(super) connectors: Vec<ConnectorType>,
}

impl Description {
    /// Fails if it is not in order.
    pub(super) fn types(self, schema: SchemaReader) -> Result<Types, String> {
        let types = Types {
            steps: StepType::parse_all(self.step_types, schema)?,
            connectors: ConnectorType::parse_all(self.connectors, schema)?,
        };
        if types.effort() > MOST_EFFORT {
            return Err("its schemas are too large together".to_owned());
        }
        Ok(types)
    }
}

/// The most work of all schemas of a plugin together: each is compiled, and kept for as long as the plugin is.
const MOST_EFFORT: usize = 60_000;

impl Types {
    fn effort(&self) -> usize {
        let steps = self
            .steps
            .iter()
            .map(|step| step.params.effort() + step.result.effort());
        let connectors = self.connectors.iter().map(|connector| {
            let formats = connector.formats.iter().map(|format| format.schema.effort());
            connector.config.effort() + connector.options.effort() + formats.sum::<usize>()
        });
        steps.chain(connectors).sum()
    }

    /// Has the schemas that a run begins with compiled on another thread: whoever has to wait for them waits less.
    pub(super) fn compile_ahead(&self) {
        let schemas: Vec<_> = self.steps.iter().map(|step| step.params.clone()).collect();
        tokio::task::spawn_blocking(move || {
            for schema in schemas {
                schema.compile_now();
            }
        });
    }
}
