//! What a server said, as an event holds it.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_transcode::Transcoder;

use super::{About, Event};
use crate::tally::Row;

pub(super) enum Raw<'a> {
    /// An object of the server's, with whatever spaces and breaks it was written.
    Said(&'a RawValue),
    Row(&'a Row),
    Notice {
        code: &'a str,
        id: &'a str,
        description: &'a str,
    },
    /// Something that no reader of the event could read, such as half of a surrogate pair: the event is told without it.
    Unreadable,
}

impl<'a> Raw<'a> {
    pub(super) fn of(event: &'a Event) -> Self {
        match &event.about {
            About::Host { raw, .. } => Self::Said(raw),
            About::Row { row, .. } => Self::Row(row),
            About::Notice { code } => Self::Notice {
                code,
                id: &event.external_id,
                description: &event.description,
            },
        }
    }
}

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // Value by value, without making a tree of them: this is most of what a first poll has to do.
            Self::Said(text) => {
                Transcoder::new(&mut serde_json::Deserializer::from_str(text.get())).serialize(serializer)
            }
            Self::Row(row) => row.serialize(serializer),
            Self::Notice { code, id, description } => {
                let mut map = serializer.serialize_map(Some(3))?;
                map.serialize_entry("code", code)?;
                map.serialize_entry("id", id)?;
                map.serialize_entry("description", description)?;
                map.end()
            }
            Self::Unreadable => serializer.serialize_unit(),
        }
    }
}
