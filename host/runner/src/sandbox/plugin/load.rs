//! Loading a plugin: from what was kept of it, or by compiling it and asking it what it provides.

use wasmtime::component::Component;

use super::contract::{self, CONTRACT, is_export};
use super::description::{Description, Types};
use super::{ConnectorExports, Plugin, PluginError, StepExports};
use crate::limits::{Limits, Pools};
use crate::sandbox::call;
use crate::sandbox::engine::Engine;
use crate::sandbox::inspection::{Inspection, sha256_of};
use crate::text::diagnostic::cut;
use crate::text::schema::Schema;

/// Who says that the bytes do no harm to whoever compiles them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrustedBy {
    /// They are part of the program.
    Program,
    /// They come from a file.
    Nobody,
}

impl Plugin {
    /// Compiles a component and asks it what it provides. `name` is how errors refer to it.
    pub async fn load(engine: &Engine, name: &str, bytes: &[u8], limits: &Limits) -> Result<Self, PluginError> {
        Self::load_as(
            engine,
            name,
            bytes,
            &sha256_of(bytes),
            limits,
            &Pools::new(limits),
            TrustedBy::Nobody,
        )
        .await
    }

    /// The same, where the hash of the bytes is known, and its calls share with those of other plugins.
    pub(crate) async fn load_as(
        engine: &Engine,
        name: &str,
        bytes: &[u8],
        sha256: &str,
        limits: &Limits,
        pools: &Pools,
        trust: TrustedBy,
    ) -> Result<Self, PluginError> {
        // What was kept was in order when it was: neither file nor plugin is asked again.
        if let Some((component, inspection, types)) = kept(engine, sha256) {
            let linked = Self::link(engine, name, &component, inspection, limits, pools)?;
            return Ok(Self { types, ..linked });
        }
        let plugin = || name.to_owned();
        let unfit = |reason: String| PluginError::Contract {
            plugin: plugin(),
            reason,
        };
        if bytes.len() > limits.plugin {
            return Err(unfit(format!(
                "it is larger than {} MiB (`plugin_mib` under `limits` in a policy)",
                limits.plugin >> 20
            )));
        }
        // What can be refused is refused before it is compiled.
        let inspection = Inspection::hashed(bytes, sha256.to_owned()).map_err(|source| PluginError::File {
            plugin: plugin(),
            source,
        })?;
        contract::check(&inspection.imports, &inspection.exports).map_err(unfit)?;
        if let Some(statement) = &inspection.statement
            && !contract::is_contract(&statement.contract)
        {
            let stated = cut(&statement.contract);
            return Err(unfit(format!("it says that it was made for `{stated}`")));
        }
        let compiled = match trust {
            TrustedBy::Program => engine.compile_here(bytes),
            TrustedBy::Nobody => engine.compile(bytes).await,
        };
        let component = compiled.map_err(|source| PluginError::Load {
            plugin: plugin(),
            source,
        })?;
        let linked = Self::link(engine, name, &component, inspection, limits, pools)?;
        let description = linked.describe().await?;
        let json = serde_json::to_vec(&description).expect("texts and lists of them can be written as JSON");
        let misdescribed = |reason| PluginError::Description {
            plugin: plugin(),
            reason,
        };
        let types = description.types(Schema::compile).map_err(misdescribed)?;
        if let Some(statement) = &linked.inspection.statement {
            let steps = types.steps.iter().map(|step| step.name.as_str());
            let connectors = types.connectors.iter().map(|connector| connector.name.as_str());
            statement.check(steps, connectors).map_err(misdescribed)?;
        }
        engine.keep(sha256, &component, &json);
        Ok(Self { types, ..linked })
    }

    /// Joins a component with what the host offers it.
    fn link(
        engine: &Engine,
        name: &str,
        component: &Component,
        inspection: Inspection,
        limits: &Limits,
        pools: &Pools,
    ) -> Result<Self, PluginError> {
        let later = contract::later(&inspection.imports, &inspection.exports);
        let unfit = |error: wasmtime::Error| PluginError::Contract {
            plugin: name.to_owned(),
            reason: match &later {
                Some(version) => format!(
                    "it was made for {version} of the contract and needs something that this host's {CONTRACT} does not have: {}",
                    error.root_cause()
                ),
                None => error.root_cause().to_string(),
            },
        };
        let linker = call::linker(engine).map_err(unfit)?;
        let pre = linker.instantiate_pre(component).map_err(unfit)?;
        let provides = |interface: &str| inspection.exports.iter().any(|name| is_export(name, interface));
        let step = provides("step").then(|| StepExports::new(&pre)).transpose();
        let connector = provides("connector").then(|| ConnectorExports::new(&pre)).transpose();
        Ok(Self {
            name: name.to_owned(),
            step: step.map_err(unfit)?,
            connector: connector.map_err(unfit)?,
            inspection,
            pre,
            limits: limits.clone(),
            pools: pools.clone(),
            types: Types::default(),
        })
    }

    /// Asks the plugin what it provides.
    async fn describe(&self) -> Result<Description, PluginError> {
        let step_types = match &self.step {
            Some(_) => {
                self.call(self.offline(), async |accessor, step| {
                    step.call_describe(accessor).await
                })
                .await?
            }
            None => Vec::new(),
        };
        let connectors = match &self.connector {
            Some(_) => self.describe_connectors().await?,
            None => Vec::new(),
        };
        Ok(Description {
            inspection: self.inspection.clone(),
            step_types,
            connectors,
        })
    }
}

/// What was kept of a component when it was loaded before.
fn kept(engine: &Engine, sha256: &str) -> Option<(Component, Inspection, Types)> {
    let description: Description = serde_json::from_slice(&engine.kept_description(sha256)?).ok()?;
    let inspection = description.inspection.clone();
    // A host of another contract may have kept it.
    contract::check(&inspection.imports, &inspection.exports).ok()?;
    let types = description.types(Schema::to_be_compiled).ok()?;
    // While the rest is read.
    types.compile_ahead();
    Some((engine.kept(sha256)?, inspection, types))
}
