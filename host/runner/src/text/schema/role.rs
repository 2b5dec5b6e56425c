//! The annotations of a params schema: which part a param plays for the host, and whose data may fill it.
//!
//! Plugins write them, and plugins may lie or err. What decides where a step connects, as whom and what it sends is never
//! filled by alert data, whatever a schema says: [`Schema::provenance`] does not let it, and [`Schema::check_annotations`]
//! refuses the plugin that asks for it.

use serde_json::Value;

use super::Schema;
use crate::text::diagnostic::{cut, suggestion};
use crate::text::visible::visible;

/// The JSON Schema of the schemas that a plugin describes params, configs and options with.
pub const PLUGIN_SCHEMA: &str = include_str!("../../../schemas/plugin.schema.json");

/// The annotation that names a role.
const ROLE: &str = "x-role";

/// The annotation that says whose data may fill a param.
const PROVENANCE: &str = "x-provenance";

/// The annotation with a message of the plugin's for what a keyword beside it refuses.
const MESSAGE: &str = "x-message";

/// What the annotations begin with that are the host's.
const OURS: &str = "x-";

/// The one value of [`PROVENANCE`]: alert data and earlier results, too.
const ANY: &str = "any";

/// The part that a top-level param plays for the host, from `x-role` in a params schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// A URL whose origin the step may reach.
    Origin,
    /// The step's time limit, in seconds.
    TimeoutSeconds,
    /// How long from one poll to the next, in seconds.
    IntervalSeconds,
    /// Whether the server's certificate is checked.
    VerifyTls,
    /// A file of certificate authorities, in PEM.
    CaFile,
    /// A file with a client certificate and its private key, in PEM.
    ClientCertificate,
    /// The name to log in with.
    Username,
    /// The template of the step type's allowlist that is sent.
    Template,
    /// The values for the template's params.
    TemplateParams,
    /// Whom the step is about.
    Targets,
}

/// What a param decides that nobody but the author and the operator may decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decides {
    /// Where the step connects, and which server is believed to be there.
    Where,
    /// As whom.
    AsWhom,
    /// What it sends.
    What,
}

/// Whose data may fill a param.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provenance {
    /// Literals, `vars` and `secrets` only.
    Author,
    /// Alert data and earlier results, too.
    Any,
}

impl Role {
    pub(crate) const ALL: [Self; 10] = [
        Self::Origin,
        Self::TimeoutSeconds,
        Self::IntervalSeconds,
        Self::VerifyTls,
        Self::CaFile,
        Self::ClientCertificate,
        Self::Username,
        Self::Template,
        Self::TemplateParams,
        Self::Targets,
    ];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::TimeoutSeconds => "timeout-seconds",
            Self::IntervalSeconds => "interval-seconds",
            Self::VerifyTls => "verify-tls",
            Self::CaFile => "ca-file",
            Self::ClientCertificate => "client-certificate",
            Self::Username => "username",
            Self::Template => "template",
            Self::TemplateParams => "template-params",
            Self::Targets => "targets",
        }
    }

    /// What a param of this role decides. The one place where that is said: a new role does not compile without an answer.
    pub(crate) fn decides(self) -> Option<Decides> {
        match self {
            Self::Origin | Self::VerifyTls | Self::CaFile => Some(Decides::Where),
            Self::ClientCertificate | Self::Username => Some(Decides::AsWhom),
            Self::Template => Some(Decides::What),
            // Limits of the host, and what the schema may open to data.
            Self::TimeoutSeconds | Self::IntervalSeconds | Self::TemplateParams | Self::Targets => None,
        }
    }

    /// The role that a property's schema names; the error is a name that is not one.
    fn of(property: &Value) -> Result<Option<Self>, &Value> {
        let Some(written) = property.get(ROLE) else {
            return Ok(None);
        };
        let named = Self::ALL.into_iter().find(|role| written == role.word());
        named.map(Some).ok_or(written)
    }
}

impl Schema {
    /// The top-level param that plays a role, if any does.
    pub fn role(&self, role: Role) -> Option<&str> {
        let mut properties = self.properties();
        let (name, _) = properties.find(|(_, schema)| schema[ROLE] == role.word())?;
        Some(name)
    }

    /// Whose data may fill a top-level param. A schema cannot open what decides where, as whom or what, nor a credential.
    pub(crate) fn provenance(&self, param: &str) -> Provenance {
        let property = &self.document["properties"][param];
        let decides = Role::of(property).is_ok_and(|role| role.is_none_or(|role| role.decides().is_none()));
        if property[PROVENANCE] == ANY && decides && !self.is_write_only(param) {
            Provenance::Any
        } else {
            Provenance::Author
        }
    }

    /// Refuses annotations that mean nothing, or that would let alert data decide what it must not.
    pub(crate) fn check_annotations(&self, of: &str) -> Result<(), String> {
        let mut seen: Vec<Role> = Vec::new();
        for (param, property) in self.properties() {
            let param = visible(&cut(param)).into_owned();
            let unknown = |what: &str, written: &Value, known: &[&str]| {
                let written = written.as_str().map_or_else(|| written.to_string(), str::to_owned);
                let hint = suggestion(&written, known.iter().copied()).unwrap_or_default();
                let written = visible(&cut(&written)).into_owned();
                format!("the param `{param}` of `{of}` has the unknown {what} `{written}`; {hint}")
            };
            let mut keywords = property.as_object().into_iter().flat_map(serde_json::Map::keys);
            let known = [ROLE, PROVENANCE, MESSAGE];
            // It may be meant to decide about trust, so it is not passed over.
            if let Some(other) = keywords.find(|word| word.starts_with(OURS) && !known.contains(&word.as_str())) {
                return Err(unknown("annotation", &Value::from(other.as_str()), &known));
            }
            let role = Role::of(property).map_err(|written| unknown(ROLE, written, &Role::ALL.map(Role::word)))?;
            if let Some(written) = property.get(PROVENANCE).filter(|written| **written != ANY) {
                return Err(unknown(PROVENANCE, written, &[ANY]));
            }
            if let Some(role) = role {
                if seen.contains(&role) {
                    return Err(format!("two params of `{of}` have the role `{}`", role.word()));
                }
                seen.push(role);
            }
            let decided = match role {
                Some(role) if role.decides().is_some() => Some(role.word()),
                _ if property["writeOnly"] == true => Some("secret"),
                _ => None,
            };
            if let (Some(word), true) = (decided, property.get(PROVENANCE).is_some()) {
                return Err(format!(
                    "the param `{param}` of `{of}` is its {word}, and alert data must not decide that"
                ));
            }
        }
        Ok(())
    }

    fn properties(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.document["properties"].as_object().into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(properties: &Value) -> Schema {
        Schema::compile(json!({"properties": properties})).unwrap()
    }

    /// Whether the published schema accepts these properties.
    fn is_published(properties: &Value) -> bool {
        let published = Schema::compile(serde_json::from_str(PLUGIN_SCHEMA).unwrap()).unwrap();
        published.validate(&json!({"properties": properties})).is_empty()
    }

    #[test]
    fn no_schema_opens_what_decides_where_as_whom_or_what() {
        for role in Role::ALL {
            let property = json!({"type": "string", "x-role": role.word(), "x-provenance": "any"});
            let schema = schema(&json!({"a": {}, "p": property}));
            let refused = schema.check_annotations("lookup");
            assert_eq!(refused.is_err(), role.decides().is_some(), "{role:?}: {refused:?}");
            let properties = &schema.document()["properties"];
            assert_eq!(is_published(properties), refused.is_ok(), "{role:?}");
            // Should the plugin be used all the same, its word does not count.
            let opened = schema.provenance("p") == Provenance::Any;
            assert_eq!(opened, role.decides().is_none(), "{role:?}");
        }
        let secret = schema(&json!({"p": {"writeOnly": true, "x-provenance": "any"}}));
        assert!(secret.check_annotations("lookup").is_err());
        assert!(!is_published(&secret.document()["properties"]));
        assert_eq!(secret.provenance("p"), Provenance::Author);
        assert_eq!(secret.provenance("absent"), Provenance::Author);
    }

    #[test]
    fn annotations_that_mean_nothing_are_refused_with_what_was_likely_meant() {
        for (properties, words) in [
            (
                json!({"url": {"x-role": "orgin"}}),
                "unknown x-role `orgin`; did you mean `origin`?",
            ),
            (
                json!({"url": {"x-role": "headers", "x-provenance": "any"}}),
                "unknown x-role `headers`; known here: ",
            ),
            (json!({"url": {"x-role": ["origin"]}}), "unknown x-role `[\"origin\"]`"),
            (
                json!({"url": {"x-rol": "origin"}}),
                "unknown annotation `x-rol`; did you mean `x-role`?",
            ),
            (
                json!({"url": {"x-trust": "any"}}),
                "unknown annotation `x-trust`; known here: ",
            ),
            (
                json!({"url": {"x-provenance": "Any"}}),
                "unknown x-provenance `Any`; did you mean `any`?",
            ),
            (
                json!({"url": {"x-provenance": true}}),
                "unknown x-provenance `true`; known here: any",
            ),
            (
                json!({"a": {"x-role": "origin"}, "b": {"x-role": "origin"}}),
                "two params of `lookup` have the role `origin`",
            ),
        ] {
            let error = schema(&properties).check_annotations("lookup").unwrap_err();
            assert!(error.contains(words), "{error}");
            // That two params have one role is beyond a schema.
            assert_eq!(is_published(&properties), words.starts_with("two params"), "{words}");
        }
    }
}
