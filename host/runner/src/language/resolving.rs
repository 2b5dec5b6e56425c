//! Which secrets a file resolves, and what it uses them for.

use serde_json::Value;

use crate::language::params::Written;
use crate::language::render::Renderer;
use crate::secrets::{Use, Vault, Weakness};
use crate::text::diagnostic::{Code, Diagnostic, Place};
use crate::text::json::escape_key;

impl Written<'_> {
    /// Resolves the secrets that the values name. Returns what is wrong with those that cannot be used.
    pub(crate) fn resolve(&self, vault: &Vault) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        for (param, pointer, seen) in self.mentions() {
            for (name, range) in &seen.secrets {
                if let Err(weakness) = vault.resolve(name, self.use_of(param)) {
                    let span = self.document.span_within(pointer, range.clone());
                    let place = Place::bytes(self.document.source().clone(), span);
                    problems.push(refused(name, weakness, place));
                }
            }
        }
        problems
    }

    /// Refuses secrets in rendered values that came there from elsewhere, such as from an item of a list.
    pub(crate) fn check_resolved(&self, rendered: &Value, renderer: &Renderer) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        for (param, value) in rendered.as_object().into_iter().flatten() {
            let place = || self.document.place(&format!("{}/{}", self.pointer, escape_key(param)));
            let wrong = renderer.resolve_placed(&value.to_string(), self.use_of(param));
            problems.extend(
                wrong
                    .into_iter()
                    .map(|(name, weakness)| refused(&name, weakness, place())),
            );
        }
        problems
    }

    /// What is meant for the server alone shows who we are.
    fn use_of(&self, param: &str) -> Use {
        if self.schema.is_write_only(param) {
            Use::Credential
        } else {
            Use::Other
        }
    }
}

fn refused(name: &str, weakness: Weakness, place: Place) -> Diagnostic {
    Diagnostic::error(
        Code::InvalidValue,
        format!("the value of the secret `{name}` {weakness}"),
    )
    .at(place)
    .hint("it could not be kept out of what is shown; use a longer token or password, of 64 KiB at most")
}
