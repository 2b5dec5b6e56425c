//! The registry of formats.

use super::format::Format;
use super::{aisoc, ecs, ocsf};
use crate::contract::{Failure, FailureKind};

impl Format {
    /// All formats; the first is the default.
    pub const ALL: [Self; 3] = [
        Self {
            name: "aisoc",
            schema: include_str!("../../../schemas/event.schema.json"),
            encode: aisoc::encode,
        },
        Self {
            name: "ocsf",
            schema: include_str!("../../../schemas/event.ocsf.schema.json"),
            encode: ocsf::encode,
        },
        Self {
            name: "ecs",
            schema: include_str!("../../../schemas/event.ecs.schema.json"),
            encode: ecs::encode,
        },
    ];

    /// Returns the format of this name.
    pub fn named(name: &str) -> Result<Self, Failure> {
        Self::ALL.into_iter().find(|format| format.name == name).ok_or_else(|| {
            let known = Self::ALL.map(|format| format.name).join(", ");
            Failure::new(FailureKind::InvalidParams, format!("events can be spelt as {known}"))
        })
    }
}
