//! Connectors as plugins provide them: describing, checking, polling.

use crate::sandbox::bindings::exports::playbook::plugin::connector as wit;
use crate::sandbox::described::{check_line, check_names, check_text};
use crate::text::schema::{Schema, SchemaReader};

/// A kind of system that a plugin can watch.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectorType {
    /// What connector files write in `connector`.
    pub name: String,
    /// One line for people.
    pub summary: String,
    /// The schema of `config`.
    pub config: Schema,
    /// The schema of `connector_config`.
    pub options: Schema,
    /// What there is to poll.
    pub streams: Vec<StreamType>,
    /// The forms in which events can be spelt; the first is the usual one.
    pub formats: Vec<EventFormat>,
}

/// Something to poll.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct StreamType {
    /// Its name.
    pub name: String,
    /// One line for people.
    pub summary: String,
}

/// A form of events.
#[derive(Debug)]
#[non_exhaustive]
pub struct EventFormat {
    /// Its name.
    pub name: String,
    /// The schema of an event.
    pub schema: Schema,
}

impl ConnectorType {
    /// All that a plugin describes.
    pub(crate) fn parse_all(described: Vec<wit::ConnectorType>, schema: SchemaReader) -> Result<Vec<Self>, String> {
        check_names("connector", described.iter().map(|one| one.name.as_str()))?;
        described.into_iter().map(|one| Self::parse(one, schema)).collect()
    }

    fn parse(described: wit::ConnectorType, schema: SchemaReader) -> Result<Self, String> {
        check_line(&described.name, &described.summary)?;
        check_names("stream", described.streams.iter().map(|one| one.name.as_str()))?;
        check_names("form of events", described.formats.iter().map(|one| one.name.as_str()))?;
        for stream in &described.streams {
            check_line(&stream.name, &stream.summary)?;
        }
        let name = described.name;
        let read = |what: &str, text: &str| {
            check_text(&format!("the {what} schema of the connector `{name}`"), text)?;
            let value = serde_json::from_str(text)
                .map_err(|e| format!("the {what} schema of the connector `{name}` is not JSON: {e}"))?;
            schema(value).map_err(|e| format!("the {what} schema of the connector `{name}` is not a JSON Schema: {e}"))
        };
        let formats = described.formats.into_iter().map(|format| {
            Ok(EventFormat {
                schema: read("event", &format.schema)?,
                name: format.name,
            })
        });
        let formats: Vec<_> = formats.collect::<Result<_, String>>()?;
        if formats.is_empty() || described.streams.is_empty() {
            return Err(format!("the connector `{name}` has no streams, or no form of events"));
        }
        let streams = described.streams.into_iter().map(|stream| StreamType {
            name: stream.name,
            summary: stream.summary,
        });
        let (config, options) = (
            read("config", &described.config_schema)?,
            read("options", &described.options_schema)?,
        );
        config.check_annotations(&name)?;
        options.check_annotations(&name)?;
        Ok(Self {
            config,
            options,
            summary: described.summary,
            streams: streams.collect(),
            formats,
            name,
        })
    }
}
