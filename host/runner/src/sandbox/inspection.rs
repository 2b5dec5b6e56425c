//! What a component file is and says of itself, read without running or compiling any of it.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use wasmparser::{Encoding, Parser, Payload};

use crate::sandbox::described;
use crate::sandbox::structure::Structure;
use crate::text::visible::visible;

/// The custom section in which a component says what it is.
const SECTION: &str = "playbook:plugin";

/// The largest such section, in bytes.
const LARGEST: usize = 1 << 16;

/// The longest text about what is wrong with a file, in bytes: it can repeat names that stand there.
const LONGEST: usize = 500;

/// What a component file is and says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Inspection {
    /// Size, in bytes.
    pub size: usize,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
    /// The interfaces it imports: all that it can do besides computing.
    pub imports: Vec<String>,
    /// The interfaces it exports.
    pub exports: Vec<String>,
    /// What it says it is. Loading it checks that.
    pub statement: Option<Statement>,
    /// What an instance of it takes besides its memories and tables, in bytes.
    #[serde(default)]
    pub(crate) overhead: usize,
}

/// What a component says it is, in the custom section `playbook:plugin`, as a JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Statement {
    /// The contract that it was made for, for example `playbook:plugin@0.2.0`.
    pub contract: String,
    /// The step types that it provides.
    #[serde(default)]
    pub step_types: Vec<Provided>,
    /// The connectors that it provides.
    #[serde(default)]
    pub connectors: Vec<Provided>,
}

/// Something that a plugin provides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Provided {
    /// Its name.
    pub name: String,
    /// One line for people.
    #[serde(default)]
    pub summary: String,
}

/// Bytes that are no component, or one whose statement cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a usable WebAssembly component: {0}")]
pub struct InspectionError(String);

/// SHA-256 of a component, in hexadecimal: what it is known by.
pub(crate) fn sha256_of(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

impl Inspection {
    /// Reads a component's bytes.
    pub fn read(bytes: &[u8]) -> Result<Self, InspectionError> {
        Self::hashed(bytes, sha256_of(bytes))
    }

    /// The same for bytes whose hash is known.
    pub(crate) fn hashed(bytes: &[u8], sha256: String) -> Result<Self, InspectionError> {
        let mut inspection = Self {
            size: bytes.len(),
            sha256,
            imports: Vec::new(),
            exports: Vec::new(),
            statement: None,
            overhead: 0,
        };
        let mut structure = Structure::default();
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(unreadable)?;
            let at_root = structure.at_root();
            structure.add(&payload).map_err(InspectionError)?;
            match payload {
                Payload::Version { encoding, .. } if at_root && encoding != Encoding::Component => {
                    return Err(InspectionError("it is a core module".to_owned()));
                }
                Payload::ComponentImportSection(imports) if at_root => {
                    for import in imports {
                        inspection
                            .imports
                            .push(import.map_err(unreadable)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(exports) if at_root => {
                    for export in exports {
                        inspection
                            .exports
                            .push(export.map_err(unreadable)?.name.name.to_owned());
                    }
                }
                Payload::CustomSection(section) if at_root && section.name() == SECTION => {
                    if inspection.statement.is_some() {
                        return Err(InspectionError("it says twice what it is".to_owned()));
                    }
                    inspection.statement = Some(Statement::read(section.data())?);
                }
                _ => {}
            }
        }
        inspection.overhead = structure.overhead();
        Ok(inspection)
    }
}

impl Statement {
    fn read(json: &[u8]) -> Result<Self, InspectionError> {
        let wrong = |why: String| InspectionError(format!("what it says of itself cannot be used: {why}"));
        if json.len() > LARGEST {
            return Err(wrong(format!("it is larger than {} KiB", LARGEST >> 10)));
        }
        let statement: Self = serde_json::from_slice(json).map_err(|error| wrong(error.to_string()))?;
        for (what, provided) in [
            ("step type", &statement.step_types),
            ("connector", &statement.connectors),
        ] {
            described::check_names(what, provided.iter().map(|one| one.name.as_str())).map_err(wrong)?;
            for one in provided {
                described::check_line(&one.name, &one.summary).map_err(wrong)?;
            }
        }
        Ok(statement)
    }

    /// Fails if the plugin describes other things than it says here.
    pub(crate) fn check<'d>(
        &self,
        step_types: impl Iterator<Item = &'d str>,
        connectors: impl Iterator<Item = &'d str>,
    ) -> Result<(), String> {
        let same = |what: &str, stated: &[Provided], described: Vec<&str>| {
            let stated: Vec<&str> = stated.iter().map(|one| one.name.as_str()).collect();
            if stated == described {
                return Ok(());
            }
            Err(format!(
                "its file says that its {what}s are [{}], and it describes [{}]",
                stated.join(", "),
                described.join(", ")
            ))
        };
        same("step type", &self.step_types, step_types.collect())?;
        same("connector", &self.connectors, connectors.collect())
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn unreadable(error: wasmparser::BinaryReaderError) -> InspectionError {
    let mut shown = visible(&error.to_string()).into_owned();
    shown.truncate(shown.floor_char_boundary(LONGEST));
    InspectionError(shown)
}
