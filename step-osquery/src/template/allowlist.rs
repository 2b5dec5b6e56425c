//! The templates that this plugin has.

use std::sync::OnceLock;

use super::data::Template;
use super::error::TemplateError;

// `ENTRIES`: one for each template.
include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// A template that is parsed on first use: each call of the plugin starts afresh and needs one of them.
struct Entry {
    name: &'static str,
    json: &'static str,
    template: OnceLock<Template>,
}

impl Entry {
    const fn new(name: &'static str, json: &'static str) -> Self {
        Self {
            name,
            json,
            template: OnceLock::new(),
        }
    }

    fn template(&self) -> &Template {
        self.template.get_or_init(|| {
            serde_json::from_str(self.json).expect("the build script wrote this text from the same types")
        })
    }
}

impl Template {
    /// Returns all templates, sorted by name.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        ENTRIES.iter().map(Entry::template)
    }

    /// Returns the template with this name.
    pub fn named(name: &str) -> Result<&'static Self, TemplateError> {
        let found = ENTRIES.iter().find(|entry| entry.name == name);
        found.map(Entry::template).ok_or_else(|| {
            let known = ENTRIES.iter().map(|entry| entry.name).collect();
            TemplateError::unknown_template(name, known)
        })
    }
}
