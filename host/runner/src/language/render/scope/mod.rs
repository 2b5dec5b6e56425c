//! The names that templates see, parted by who decides what they stand for.
//!
//! A param that decides where a step connects, as whom or what it sends is rendered in a [`TrustedScope`]. The alert and the
//! results of earlier steps are not in it, and there is no way to put them in: so no template, however it is written, can
//! take a value from them. Everything else is rendered in an [`UntrustedScope`].

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::Value as Jinja;
use minijinja::value::{Enumerator, Object, Serde};
use serde_json::Value;

use crate::secrets::Vault;
use crate::text::schema::Provenance;

/// What the names of a template stand for. A name without a value is not there.
#[derive(Debug, Default)]
pub(crate) struct Values {
    /// What the operator gives.
    pub(crate) vars: Option<Value>,
    /// The run itself.
    pub(crate) run: Option<Value>,
    /// What started the run: whoever triggers it decides what is in it.
    pub(crate) alert: Option<Value>,
    /// What earlier steps returned: servers and hosts decide what is in it.
    pub(crate) steps: Option<Value>,
}

/// An item of a list, with the provenance of the list.
#[derive(Debug, Clone)]
pub(crate) struct ListItem {
    value: Value,
    provenance: Provenance,
}

/// What the author and the operator decide: `vars`, `run`, `secrets`, and an `item` of a list that was itself rendered here.
#[derive(Clone)]
pub(crate) struct TrustedScope(NamedValues);

/// Besides, what others decide: `alert`, `steps` and their items.
#[derive(Clone)]
pub(crate) struct UntrustedScope(NamedValues);

/// Names and their values.
#[derive(Clone)]
pub(super) struct NamedValues(BTreeMap<&'static str, Jinja>);

impl TrustedScope {
    pub(super) fn new(vault: &Vault, values: &Values) -> Self {
        let mut names = NamedValues(BTreeMap::new());
        names.0.insert("secrets", Jinja::from_object(Handles(vault.clone())));
        names.add("vars", values.vars.as_ref());
        names.add("run", values.run.as_ref());
        Self(names)
    }

    pub(super) fn names(&self) -> &NamedValues {
        &self.0
    }

    /// The same with an item, if the item's list was rendered in a scope of this kind.
    pub(super) fn with_item(&self, item: &ListItem, index: usize) -> Self {
        match item.provenance {
            Provenance::Author => Self(self.0.with_item(item, index)),
            Provenance::Any => self.clone(),
        }
    }
}

impl UntrustedScope {
    pub(super) fn new(trusted: &TrustedScope, values: &Values) -> Self {
        let mut names = trusted.0.clone();
        names.add("alert", values.alert.as_ref());
        names.add("steps", values.steps.as_ref());
        Self(names)
    }

    pub(super) fn names(&self) -> &NamedValues {
        &self.0
    }

    pub(super) fn with_item(&self, item: &ListItem, index: usize) -> Self {
        Self(self.0.with_item(item, index))
    }
}

impl NamedValues {
    pub(super) fn context(&self) -> Jinja {
        Jinja::from_pairs(self.0.iter().map(|(name, value)| (*name, value.clone())))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The same with the alert's own fields, where no name of ours stands in their way.
    pub(super) fn context_with_fields(&self, alert: Option<&Value>) -> Jinja {
        let fields = alert.and_then(Value::as_object).into_iter().flatten();
        let fields = fields.filter(|(name, _)| !self.0.contains_key(name.as_str()));
        let fields = fields.map(|(name, value)| (name.as_str(), Jinja::from(Serde(value))));
        let ours = self.0.iter().map(|(name, value)| (*name, value.clone()));
        Jinja::from_pairs(ours.chain(fields))
    }

    fn add(&mut self, name: &'static str, value: Option<&Value>) {
        if let Some(value) = value {
            self.0.insert(name, Jinja::from(Serde(value)));
        }
    }

    fn with_item(&self, item: &ListItem, index: usize) -> Self {
        let mut names = self.clone();
        names.add("item", Some(&item.value));
        names.0.insert("item_index", Jinja::from(index));
        names
    }
}

impl ListItem {
    /// An item of a list that was rendered in a scope of this provenance.
    pub(crate) fn of(provenance: Provenance, value: Value) -> Self {
        Self { value, provenance }
    }

    pub(crate) fn value(&self) -> &Value {
        &self.value
    }
}

/// `secrets` as templates see it: a map of handles.
#[derive(Debug)]
struct Handles(Vault);

impl Object for Handles {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        Some(Jinja::from(self.0.handle(key.as_str()?)?))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

#[cfg(test)]
mod tests;
