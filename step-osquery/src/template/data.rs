//! The data of a template. The build script uses this file too: it checks the files in `templates/` and embeds them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// One entry of the allowlist: a vetted statement with typed parameters.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    pub(crate) name: String,
    pub(crate) summary: String,
    pub(crate) sql: String,
    pub(crate) platforms: Vec<String>,
    pub(crate) columns: Vec<String>,
    pub(crate) params: Vec<Param>,
}

/// A parameter of a template.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Param {
    pub(crate) name: String,
    pub(crate) summary: String,
    #[serde(flatten)]
    pub(crate) kind: ParamKind,
}

/// The kind of values that a parameter accepts, and its default. Without a default the parameter is required.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum ParamKind {
    /// A whole number, rendered as such.
    Integer {
        /// The smallest value accepted.
        min: i64,
        /// The largest value accepted.
        max: i64,
        /// The default.
        default: Option<i64>,
    },
    /// A moment in the past, rendered as seconds since 1970.
    Time {
        /// The default, as a user would write it.
        default: Option<String>,
    },
    /// An absolute path, rendered inside the quotes of a SQL string.
    Path {
        /// The default, as a user would write it.
        default: Option<String>,
    },
}

/// A piece of a template's statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Text that is sent as it stands.
    Text(&'a str),
    /// `{name}`: the value of a parameter.
    Value(&'a str),
    /// `{name/}`: a path that ends in its separator, for everything below it.
    Below(&'a str),
}

impl Template {
    /// Splits the statement at its placeholders.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let mut rest = self.sql.as_str();
        let mut pieces = Vec::new();
        while let Some((text, (placeholder, after))) = rest
            .split_once('{')
            .and_then(|(text, tail)| Some((text, tail.split_once('}')?)))
        {
            pieces.push(Piece::Text(text));
            pieces.push(match placeholder.strip_suffix('/') {
                Some(name) => Piece::Below(name),
                None => Piece::Value(placeholder),
            });
            rest = after;
        }
        pieces.push(Piece::Text(rest));
        pieces.into_iter()
    }

    /// Checks that the template is consistent, and describes the first problem. The build runs this on every file.
    // The embedded copy was checked when it was built.
    #[allow(dead_code)]
    pub(crate) fn check(&self) -> Result<(), String> {
        let word = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        if !word(&self.name) {
            return Err("the name is not made of a-z, 0-9 and _".into());
        }
        if self.summary.is_empty() || self.summary.contains('\n') {
            return Err("`summary` is not one line".into());
        }
        let known = ["darwin", "linux", "windows"];
        if self.platforms.is_empty() || !self.platforms.iter().all(|platform| known.contains(&platform.as_str())) {
            return Err(format!("`platforms` is not a choice of {}", known.join(", ")));
        }
        let columns: BTreeSet<_> = self.columns.iter().collect();
        if columns.is_empty() || columns.len() != self.columns.len() || !columns.into_iter().all(|name| word(name)) {
            return Err("`columns` are not distinct names".into());
        }
        self.check_sql()?;
        for param in &self.params {
            if !word(&param.name) || param.summary.is_empty() || param.summary.contains('\n') {
                return Err(format!("param {}: no proper name or summary", param.name));
            }
            if let ParamKind::Integer { min, max, default } = param.kind
                && !(min <= max && default.is_none_or(|value| (min..=max).contains(&value)))
            {
                return Err(format!("param {}: min, default and max are not in order", param.name));
            }
        }
        Ok(())
    }

    #[allow(dead_code)]
    fn check_sql(&self) -> Result<(), String> {
        if self.sql.contains(';') || self.sql.contains("--") || self.sql.contains("/*") {
            return Err("`sql` is not one statement without comments".into());
        }
        let last_line = self.sql.lines().last().unwrap_or_default();
        if !last_line.starts_with("LIMIT ") {
            return Err("the last line of `sql` is not its LIMIT".into());
        }
        let mut used = BTreeSet::new();
        let mut quoted = false;
        for piece in self.pieces() {
            let (name, below) = match piece {
                Piece::Text(text) => {
                    if text.contains(['{', '}']) {
                        return Err("`sql` has a brace that is no placeholder".into());
                    }
                    quoted ^= text.matches('\'').count() % 2 == 1;
                    continue;
                }
                Piece::Value(name) => (name, false),
                Piece::Below(name) => (name, true),
            };
            let param = self.params.iter().find(|param| param.name == name);
            let Some(param) = param else {
                return Err(format!("`sql` uses {{{name}}}, which is no param"));
            };
            let path = matches!(param.kind, ParamKind::Path { .. });
            if path != quoted || (below && !path) {
                return Err(format!(
                    "{{{name}}}: a path belongs inside quotes, everything else outside"
                ));
            }
            used.insert(name);
        }
        if quoted {
            return Err("`sql` has a quote that is not closed".into());
        }
        match self.params.iter().find(|param| !used.contains(param.name.as_str())) {
            Some(unused) => Err(format!("param {} is not used in `sql`", unused.name)),
            None => Ok(()),
        }
    }
}
